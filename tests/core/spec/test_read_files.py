"""Files that a trial's own code reads beside its sources: what is edited there is not passed over."""

import importlib
import os
import random
import sqlite3
from argparse import Namespace
from pathlib import Path

import pytest
import torch
import toy

from nnhp_torch.core.spec import read_files
from nnhp_torch.core.spec.provenance import changed
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.trial.run_trial import run_trial


class Table(toy.ToyData):
    def setup(self, stage):
        with open("rows.csv") as rows:
            self.data.tensors[0][0] = float(rows.read())
        counted = Path("counted")
        counted.write_text(str(int(counted.read_text()) + 1))
        with open("saved.pt", "rb") as saved:
            count = torch.load(saved)
        torch.save(count + 1, "saved.pt")  # not by Python's `open`
        Path("renamed").read_text()
        Path("renamed.new").write_text(str(random.random()))
        Path("renamed.new").replace("renamed")
        Path("renamed").read_text()


def build(config):
    scale = float(importlib.import_module("reads_settings").SCALE)
    return toy.Toy(config.lr * scale, config.width), Table()


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {"rows.csv": "1", "settings.yaml": "2", "counted": "0", "other.csv": "5", "renamed": "0"}.items():
        Path(name).write_text(text)
    torch.save(1, "saved.pt")
    Path("reads_settings.py").write_text("from pathlib import Path\nSCALE = Path('settings.yaml').read_text()\n")
    Path("other.csv").read_text()  # by nobody whom a trial is made by


def test_a_file_that_a_trials_code_or_an_import_reads_is_one_of_its_sources(files, sweep):
    """What is written while it runs is none. Of later trials in the same process the import's file is one, too."""
    for name in ("first", "second"):
        result = run_trial(sweep.trials()[0], build, Runtime(f"logs/{name}", accelerator="cpu"))
        assert result.status == "completed", result.reason
        read = [name for name, digest in result.build["sources"].items() if digest.startswith("file:")]
        assert sorted(read) == ["rows.csv", "settings.yaml"]
        assert changed([result.build]) == {}
    Path("rows.csv").write_text("3")
    assert changed([result.build]) == {"rows.csv": 1}
    Path("rows.csv").unlink()
    assert changed([result.build]) == {}, "elsewhere, it may not be there"


def test_so_is_one_that_a_setting_names_and_a_database_unless_it_is_written_since(files):
    """Who opens HDF5, Parquet or safetensors by a library's own means is not heard by Python."""
    for name in ("rows.h5", "written.h5", "rows.db", "written.db"):
        Path(name).write_text("")
    read_files.begin()
    read_files.named([f"no file {i}" for i in range(read_files.MOST)])
    read_files.named({"data": Namespace(path="rows.h5", others=[Path("written.h5")], text="\0", root=".")})
    for name in ("rows.db", "written.db", ":memory:"):
        sqlite3.connect(name).close()
    for name in ("written.h5", "written.db"):
        os.utime(name)
    assert sorted(read_files.read("logs")) == ["rows.db", "rows.h5"]


def test_own_code_that_stands_in_for_open_is_heard_once(files, sweep, monkeypatch):
    """Its own call of `open`, and that of whoever digests the file, are no further files."""
    opened = open
    monkeypatch.setattr("builtins.open", lambda *args, **options: opened(*args, **options))
    result = run_trial(sweep.trials()[0], build, Runtime("logs/own", accelerator="cpu"))
    assert result.status == "completed", result.reason
    assert result.build["sources"]["rows.csv"].startswith("file:")


def test_a_stopped_trial_starts_over_if_a_file_that_it_has_read_was_edited(files, sweep):
    def stop(epoch, metrics):
        raise toy.Killed

    runtime = Runtime("logs/tiny", accelerator="cpu")
    with pytest.raises(toy.Killed):
        run_trial(sweep.trials()[0], build, runtime, on_epoch=stop)
    Path("rows.csv").write_text("3")
    assert run_trial(sweep.trials()[0], build, runtime).notes == [
        "started over: its checkpoint was made by another source of rows.csv"
    ]
