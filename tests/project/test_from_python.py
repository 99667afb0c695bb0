"""A project under a sweep from Python: the command's words as arguments, and a file that the project's `fit` takes."""

import sys
from pathlib import Path

import foreign
import pytest
import yaml

from nnhp_torch import sweep
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.project.command import main


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


GRID = {"model.lr": [0.1, 0.01]}
QUICK = {"max_epochs": 2, "jobs": 0, "accelerator": "cpu"}


def test_the_words_of_the_command_are_arguments_and_nothing_runs_twice():
    outcome = sweep("foreign:with_subcommands", grid=GRID, monitor="val_loss", seeds=2, **QUICK)
    assert [(trial.cell["model.lr"], trial.config.seed) for trial in outcome.trials] == [
        (0.1, 123),
        (0.01, 123),
        (0.1, 124),
        (0.01, 124),
    ]
    argv = ["--cli", "foreign:with_subcommands", "--grid.model.lr", "[0.1, 0.01]", "--monitor", "val_loss"]
    with pytest.raises(SystemExit) as end:
        main([*argv, "--seeds", "2", "--max_epochs", "2", "--jobs", "0", "--accelerator", "cpu", "--fail_fast"])
    assert end.value.code == 0
    assert len(ResultStore(outcome.folder).results()) == 4


def test_the_winners_configuration_is_what_their_fit_takes(monkeypatch):
    outcome = sweep("foreign:with_subcommands", grid=GRID, monitor="val_loss", **QUICK)
    outcome.best.save_config("winner.yaml")
    written = yaml.safe_load(Path("winner.yaml").read_text())
    assert written["model"]["lr"] == outcome.best.settings["model.lr"]
    assert written["trainer"]["max_epochs"] == 2
    assert written["seed_everything"] == 123
    monkeypatch.setattr(
        sys, "argv", ["train.py", "fit", "--config", "winner.yaml", "--trainer.enable_progress_bar", "false"]
    )
    foreign.with_subcommands()
    assert isinstance(outcome.best.load(), foreign.Net)


def test_classes_are_given_as_they_are():
    outcome = sweep(model=foreign.Net, data=foreign.Data, grid={"model.width": [2, 3]}, monitor="val_loss", **QUICK)
    assert outcome.successful
    assert outcome.folder.name == "Net"


def test_classes_of_a_notebook_train_in_its_own_process_also_once_they_have_changed(monkeypatch, capsys):
    notebook = type(sys)("__main__")  # as a kernel's: no file, no spec
    monkeypatch.setitem(sys.modules, "__main__", notebook)

    def cell(features):
        class Net(foreign.Net):
            def __init__(self, width: int = 4) -> None:
                super().__init__(width, 0.1, features)

        Net.__module__, Net.__qualname__, notebook.Net = "__main__", "Net", Net
        return {"model": Net, "data": foreign.Data, "grid": {"model.width": [2]}, "monitor": "val_loss"}

    assert sweep(**cell(features=3), **{**QUICK, "jobs": 2}).successful
    assert "Runs in this process, because" in capsys.readouterr().out
    again = sweep(**cell(features=4), **QUICK, fresh=True)
    assert "shapes cannot be multiplied" in again.ordered[0].reason, "the class of today"


def test_an_argument_that_there_is_not_is_named_with_those_that_there_are():
    with pytest.raises(TypeError, match=r"no argument 'seads'; there are .*seeds"):
        sweep("foreign:with_subcommands", grid=GRID, monitor="val_loss", seads=3)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"grid": {"model.lr": [0.1]}}, r"Give --monitor: val_loss \(less is better\)"),
        ({"grid": {"model.rate": [0.1]}, "monitor": "val_loss"}, "model.rate"),
        ({"grid": {"model.lr": ["much"]}, "monitor": "val_loss"}, "much"),
        ({"grid": {"model.lr": []}, "monitor": "val_loss"}, "model.lr has no values to try"),
        ({"grid": {}, "monitor": "val_loss"}, "nothing to vary"),
        ({"grid": GRID, "model": "foreign.Net", "monitor": "val_loss"}, "by --cli, or by its classes"),
    ],
)
def test_wrong_words_are_named_before_anything_is_swept(asked, said):
    with pytest.raises(ValueError, match=said):
        sweep("foreign:with_subcommands", **asked, **QUICK)
