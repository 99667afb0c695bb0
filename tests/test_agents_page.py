"""AGENTS.md: its commands run, its exit statuses and fields are those that there are."""

import csv
import json
import random
import re
import shlex
import signal
from pathlib import Path

import pytest
from conftest import TinyConfig, completed

import nnhp_torch
from nnhp_torch.cli import exit_status
from nnhp_torch.cli.exit_status import UNMET
from nnhp_torch.cli.judge import main as judge
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.report.verdicts_json import VERSION

TEXT = (Path(nnhp_torch.__file__).parents[1] / "AGENTS.md").read_text()
COMMANDS = [line for line in re.search(r"```sh\n(.*?)```", TEXT, re.DOTALL)[1].splitlines() if line[0] != "#"]


def _accuracy(lr, seed):
    return 0.9 + 0.02 * (lr in (0.02, 0.03)) + random.Random(f"{lr} {seed}").gauss(0, 0.003)


class Scores:
    def __init__(self, *_):
        pass

    def __call__(self, trials, listener):
        for trial in filter(None, trials):
            listener.started(trial)
            listener.ended(trial, completed(trial, _accuracy(trial.cell["lr"], trial.config.seed)))


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Runs a command of the page in an empty folder; returns the exit status."""
    monkeypatch.chdir(tmp_path)
    swept = Sweep("tiny", TinyConfig(), {"lr": [0.1, 0.2]}, "toy:build")

    def run(command):
        with pytest.raises(SystemExit) as ended:
            nnhp_torch.main(swept, launch=Scores, argv=[*shlex.split(command)[2:], "--jobs", "0"])
        return ended.value.code

    return run


def test_the_page_is_short():
    assert len(TEXT.splitlines()) <= 65
    assert len(COMMANDS) == 5


def test_its_commands_answer_and_a_program_that_follows_them_keeps_what_helps(typed):
    any_better, proposal, dry_run = COMMANDS[:3]
    assert typed(dry_run) == 0
    assert not list(Path().iterdir())
    assert typed(any_better) == 0
    found = json.loads(Path("lightning_logs/tiny/verdicts.json").read_text())
    verdicts = {cell["cell"]["lr"]: cell["verdict"] for cell in found["cells"]}
    assert verdicts[0.01] == "baseline"
    assert verdicts[0.02] == "better"
    assert verdicts[0.005] != "better"
    assert found["winner"] == {"lr": 0.02}, "that it has left the race, being better, does not put it behind"
    assert typed(proposal.replace("0.03", "0.02")) == 2, "its seeds have been seen"
    assert typed(proposal) == 0
    kept = json.loads(Path("lightning_logs/tiny/verdicts.json").read_text())["proposal"]["kept"]
    assert kept == [{"lr": 0.03}]
    moved = proposal.replace("--grid.lr 0.03", "--grid.lr 0.04").replace("lr=0.01", f"lr={kept[0]['lr']}")
    assert typed(moved) == UNMET


def test_runs_made_elsewhere_are_judged_as_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open("results.csv", "w", newline="") as file:
        rows = [(lr, seed, _accuracy(lr, seed)) for lr in (0.01, 0.02) for seed in range(5)]
        csv.writer(file).writerows([("lr", "seed", "val_acc"), *rows])
    argv = shlex.split(COMMANDS[3])[4:]
    assert judge(argv) == 0
    assert judge([word.replace("lr=0.01", "lr=0.02") for word in argv]) == UNMET


def test_its_fields_and_exit_statuses_are_those_that_there_are(typed):
    typed(COMMANDS[0])
    found = json.loads(Path("lightning_logs/tiny/verdicts.json").read_text())
    rows = re.search(r"\| field \| is \|\n(.*?)\n\n", TEXT, re.DOTALL)[1].splitlines()[1:]
    named = [(row.startswith("| ·"), re.findall(r"`([\w\[\]]+)`", row.split("|")[1])) for row in rows]
    assert {name.removesuffix("[]") for inner, names in named if not inner for name in names} == {*found}
    assert {name for inner, names in named if inner for name in names} == set(found["cells"][0])
    assert f"`version` | of this schema: {VERSION} |" in TEXT
    statuses = " ".join(re.findall(r"^\| (\d+(?:, \d+)?) \|", TEXT, re.MULTILINE))
    assert statuses == "0 1 2 3 4 130, 143"
    numbers = [value for value in vars(exit_status).values() if type(value) is int]
    assert [*numbers, exit_status.stopped(), exit_status.stopped(signal.SIGTERM)] == [0, 1, 2, 3, 4, 130, 143]
