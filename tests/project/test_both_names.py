"""A project on `pytorch_lightning` is swept as one on `lightning`: the same package under its other name."""

import subprocess
import sys
from pathlib import Path

import foreign_pl
import pytest
import yaml
from conftest import environment

from nnhp_torch import sweep
from nnhp_torch.core.ledger.store import ResultStore

QUICK = {"jobs": 0, "accelerator": "cpu"}
GRID = {"grid": {"model.lr": [0.1, 0.01]}, "max_epochs": 2, "monitor": "val_loss"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _losses(folder):
    return [result.history["val_loss"] for result in ResultStore(Path(folder)).results().values()]


def test_a_project_on_pytorch_lightning_is_swept_by_its_command_line_its_classes_and_its_build(tmp_path):
    stopping = [{"class_path": "pytorch_lightning.callbacks.EarlyStopping", "init_args": {"monitor": "val_loss"}}]
    by_cli = sweep("foreign_pl:start", base={"trainer.callbacks": stopping}, **GRID, **QUICK)
    by_class = sweep(model=foreign_pl.Net, data="foreign_pl.Data", **GRID, **QUICK)
    by_build = foreign_pl.SWEEP.run(**QUICK)
    assert _losses(by_cli.folder) == _losses(by_class.folder)
    assert all(len(curve) == 2 for curve in [*_losses(by_cli.folder), *_losses(by_build.folder)])
    assert {path.name for path in tmp_path.iterdir()} == {"lightning_logs"}
    assert {path.name for path in (tmp_path / "lightning_logs").glob("[!.]*")} == {"foreign_pl", "Net", "pl"}
    by_cli.best.save_config("winner.yaml")  # which their own command takes, under their own package's name
    (callback,) = yaml.safe_load(Path("winner.yaml").read_text())["trainer"]["callbacks"]
    assert callback["class_path"] == "pytorch_lightning.callbacks.EarlyStopping"


@pytest.mark.parametrize("jobs", ["0", pytest.param("2", marks=pytest.mark.slow)])
def test_it_may_be_imported_before_the_sweeper_is(jobs):
    command = [sys.executable, "-W", "ignore", foreign_pl.__file__, "--jobs", jobs, "--accelerator", "cpu"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    elsewhere = foreign_pl.SWEEP.run(**QUICK, log_dir="elsewhere")
    assert sorted(_losses("lightning_logs/pl")) == sorted(_losses(elsewhere.folder))
