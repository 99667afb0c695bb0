"""Every public name shows how it is used, and what the examples print is what they say."""

import dataclasses
import doctest
import importlib
import inspect
from pathlib import Path

import lightning as L
import pytest
import torch
import toy
from conftest import FakeLaunch, completed
from PIL import Image

import nnhp_torch
from nnhp_torch.core.outcome import Outcome

ROOT = Path(nnhp_torch.__file__).parent
TRAIN = {
    "nnhp_torch.cli.python",
    "nnhp_torch.core.spec.base",
    "nnhp_torch.project.python",
}
EXAMPLES = [
    name
    for path in sorted(ROOT.rglob("*.py"))
    if ">>>" in path.read_text()
    if (name := ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)) not in TRAIN
]


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings that a reader of the examples would have of their own."""

    lr: float = 0.1
    width: int = 32
    fold: int = 0
    seed: int = 123
    max_epochs: int = 3


SWEEP = nnhp_torch.Sweep("rates", Settings(), {"lr": [0.1, 0.01, 0.001]}, toy.build)
ACCURACY = {  # by rate, for each of five seeds
    0.1: [0.930, 0.931, 0.932, 0.933, 0.934],
    0.01: [0.968, 0.969, 0.970, 0.971, 0.972],
    0.001: [0.975, 0.962, 0.970, 0.974, 0.958],
}
SCRIPT = """
import toy
from lightning.pytorch.cli import LightningCLI

class Net(toy.Toy):
    def __init__(self, lr: float = 0.01, width: int = 4):
        super().__init__(lr, width)

def main():
    LightningCLI(Net, toy.ToyData)
"""


def _outcome() -> Outcome:
    trials = SWEEP.trials(seeds=[0, 1, 2, 3, 4])
    results = [completed(trial, ACCURACY[trial.config.lr][trial.config.seed]) for trial in trials]
    return Outcome(SWEEP, trials, {result.key: result for result in results})


@pytest.mark.parametrize("name", nnhp_torch.__all__)
def test_each_public_name_shows_how_it_is_used(name):
    assert "Example:\n" in inspect.getdoc(getattr(nnhp_torch, name))


@pytest.mark.parametrize("module", EXAMPLES)
def test_an_example_gives_what_it_says(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "photos").mkdir()
    picture = Image.new("L", (28, 28), 255)
    picture.paste(0, (10, 5, 18, 23))
    picture.save(tmp_path / "photos" / "seven.png")
    theirs = {name: getattr(nnhp_torch, name) for name in nnhp_torch.__all__}
    theirs |= {"Settings": Settings, "build": toy.build, "SWEEP": SWEEP, "outcome": _outcome(), "launch": FakeLaunch()}
    theirs |= {"dataset": toy.ToyData().data, "settings": Settings(), "torch": torch, "L": L}
    theirs |= {"nnhp_torch": nnhp_torch, "Net": toy.Toy, "Data": toy.ToyData}
    failed, tried = doctest.testmod(importlib.import_module(module), extraglobs=theirs)
    assert tried > 0
    assert failed == 0
