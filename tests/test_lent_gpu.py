"""The check for a lent GPU works on the day that one is lent."""

import runpy
import sys
import tarfile
import zipfile
from importlib import metadata

import pytest
from conftest import HERE, environment
from forked import Script

PROGRAM = HERE / "lent_gpu" / "__main__.py"


def test_each_of_its_fourteen_parts_is_done_in_small(tmp_path):
    process = Script([str(PROGRAM), "--dry"], tmp_path, environment())
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert said.count("===") == 14


def test_what_lacks_on_its_machine_comes_along(tmp_path, monkeypatch):
    monkeypatch.setenv("NNHP_DATA_DIR", "elsewhere")
    folder, work = tmp_path / "packed", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    with zipfile.ZipFile(folder / "carried-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carried.py", "")
    with tarfile.open(folder / "mnist.tgz", "w:gz") as archive:
        archive.add(folder / "carried-1-py3-none-any.whl", "MNIST/raw/images")
    runpy.run_path(str(PROGRAM))["unpack"](folder, work)
    assert (work / "carried.py").exists()
    assert (work / "MNIST" / "raw" / "images").exists()
    (project,) = metadata.distributions(name="nnhp_torch", path=[str(work)])
    assert project.version == metadata.version("nnhp_torch")


def test_a_part_that_there_is_not_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lent_gpu", "none", "stepps"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(PROGRAM), run_name="__main__")
    assert "no part is called stepps; there are machine, precision, command" in capsys.readouterr().err
