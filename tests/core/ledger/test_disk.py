"""A disk that is full: one line says so, what was there before is intact, and with room again the sweep goes on."""

import contextlib
import dataclasses
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import toy
from conftest import completed, environment

from nnhp_torch.cli import main as cli
from nnhp_torch.core.ledger.files import disk_full, replacing
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.run.launch.worker import _redirect_output
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.trial.run_trial import run_trial
from nnhp_torch.run.trial.saving import AtomicCheckpointIO

# In a mount namespace of its own a small file system stands for the disk: each scene fills it up elsewhere.
SCRIPT = """
import contextlib, dataclasses, io, json, os, subprocess, sys
from pathlib import Path
import toy, torch
from conftest import PNG, TinyConfig
from forked import fork_workers
from nnhp_torch.cli import main as cli
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.report.figure import callback
from nnhp_torch.run.trial import run_trial as trial

DISK = Path("disk")
LOGS = DISK / "logs" / "tiny"
PAINT = callback.png

@dataclasses.dataclass(frozen=True)
class Config(TinyConfig):
    note: str = "x" * 5000  # makes a record longer than what is left of the ledger's last block

def fill(spare=0):
    with open(DISK / "ballast", "ab", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(file.tell() - spare)

def build(config):
    module, data, _ = toy.build(config)
    module.register_buffer("weight_of_a_larger_network", torch.zeros(50_000))
    def at_second_epoch(trainer, pl_module):
        if Path("fill").exists():
            if config.width == 5:  # text that is longer than what is left of the event file's last block
                trainer.logger.experiment.add_text("long", "x" * 100_000)
            fill(spare=65536)  # a record would fit into the ledger: no trial may count as failed nevertheless
    if config.width == 6:  # after the last checkpoint
        module.on_test_end = lambda: Path("fill").exists() and fill()
    return module, data, [toy.AtEpoch(2, at_second_epoch)] if config.width != 6 else []

def scene(name, widths, jobs, full):
    sweep = Sweep("tiny", Config(max_epochs=3), {"width": widths}, build=build)
    callback.png = PAINT if name.startswith("figure") else lambda figure: PNG
    (DISK / "ballast").unlink(missing_ok=True)
    Path("fill").touch() if full else Path("fill").unlink(missing_ok=True)
    if full == "now":
        fill()
    files = lambda: {p.name: p.read_bytes() for p in LOGS.glob("*.*") if p.suffix in (".csv", ".png", ".jsonl")}
    before = files()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main(sweep, argv=["--log_dir", "disk/logs", "--accelerator", "cpu", "--jobs", jobs])
        except SystemExit as end:
            status = end.code
    records = [json.loads(line) for line in (LOGS / "results.jsonl").read_text().splitlines()]
    return {
        "name": name,
        "status": status,
        "err": err.getvalue(),
        "trials": {r["cell"]["width"]: (r["status"], r["history"]) for r in records},
        "figures": [len(list(LOGS.glob("figure/*"))), len(list(LOGS.glob(".*.tmp")))],
        "same": before == files(),
    }

if __name__ == "__main__":
    fork_workers()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", "disk"], check=True)
    told = [
        scene("checkpoint", [4], "1", "later"),
        scene("checkpoint, with room", [4], "0", False),
        scene("events", [4, 5], "1", "later"),
        scene("events, with room", [4, 5], "0", False),
        scene("ledger", [4, 5, 6], "0", "later"),
        scene("ledger, with room", [4, 5, 6], "0", False),
        scene("figure", [4, 5, 6], "0", "now"),
        scene("figure, with room", [4, 5, 6], "0", False),
    ]
    Path("told.json").write_text(json.dumps(told))
"""


def _namespaces():
    command = ["unshare", "-rm", "true"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    if not _namespaces():
        pytest.skip("a small file system needs user and mount namespaces, which are not to be had here")
    folder = tmp_path_factory.mktemp("full")
    (folder / "disk").mkdir()
    (folder / "sweep.py").write_text(SCRIPT)
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "sweep.py"], cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {scene["name"]: scene for scene in json.loads((folder / "told.json").read_text())}


@pytest.mark.parametrize("what", ["checkpoint", "events", "ledger", "figure"])
def test_a_full_disk_is_one_line_and_no_trial_has_failed(scenes, what):
    scene = scenes[what]
    assert scene["status"] == 1, scene
    (line,) = scene["err"].splitlines()
    assert "the disk with disk/logs/tiny is full" in line
    assert "No space left on device" in line
    assert "Make room and run the same command again" in line
    assert not [status for status, _ in scene["trials"].values() if status == "failed"]


@pytest.mark.parametrize(("what", "trials"), [("checkpoint", 1), ("events", 2), ("ledger", 3), ("figure", 3)])
def test_with_room_again_the_trial_goes_on_to_the_digits_of_an_uninterrupted_one(scenes, what, trials, sweep, tmp_path):
    scene = scenes[f"{what}, with room"]
    assert (scene["status"], scene["err"]) == (0, "")
    assert [status for status, _ in scene["trials"].values()] == ["completed"] * trials
    trial = next(t for t in sweep.trials() if t.config.width == 4)
    whole = run_trial(trial, toy.build, Runtime(str(tmp_path), accelerator="cpu"))
    assert scene["trials"]["4"][1] == whole.history


def test_figure_table_and_ledger_that_were_there_stay_and_nothing_half_written_remains(scenes):
    assert scenes["figure"]["same"]
    assert scenes["figure"]["figures"] == [1, 0]
    assert scenes["figure, with room"]["figures"] == [1, 0]


@contextlib.contextmanager
def file_size_limit(size):
    """The size that files may reach, as by a used-up quota; not for a whole test, for pytest writes a file too."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_checkpoint_that_does_not_fit_leaves_the_one_before_and_says_what_the_system_said(tmp_path):
    plugin, target = AtomicCheckpointIO(), tmp_path / "last.ckpt"
    plugin.save_checkpoint({"weight": torch.ones(3)}, target)
    with pytest.raises(OSError, match="too large") as raised, file_size_limit(10_000):
        plugin.save_checkpoint({"weight": torch.zeros(100_000)}, target)
    assert disk_full(raised.value)
    assert torch.load(target, weights_only=True)["weight"].tolist() == [1, 1, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "results.csv"
    with replacing(path) as written:
        written.write_text("first")
    with pytest.raises(TypeError), replacing(path) as written:
        written.write_text("half") and written.write_text(None)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["results.jsonl", "../.tiny.lock", "../.tiny.running", "results.csv", "verdicts.json"])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_in_the_place_of_one_is_named_and_left_before_anything_is_done(
    name, make, sweep, tmp_path, capsys
):
    (tmp_path / "tiny").mkdir()
    there = Path(os.path.normpath(tmp_path / "tiny" / name))
    make(there)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as raised:
        cli.main(sweep, argv=["--jobs", "0", "--accelerator", "cpu", "--log_dir", str(tmp_path)])
    out, err = capsys.readouterr()
    assert (raised.value.code, out, len(err.splitlines())) == (1, "", 1)
    assert f"{there} is {'a directory' if make is os.mkdir else 'a FIFO or a device'}, and a file belongs there" in err
    assert set(tmp_path.rglob("*")) - {tmp_path / ".tiny.lock"} == before - {tmp_path / ".tiny.lock"}


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_checkpoint_fails_its_trial_in_a_line_and_stays(make, sweep, tmp_path):
    trial = sweep.trials()[0]
    last = tmp_path / trial.name / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    make(last)
    result = run_trial(trial, toy.build, Runtime(str(tmp_path), accelerator="cpu"))
    assert result.status == "failed"
    assert "last.ckpt is" in result.reason.splitlines()[-1]
    assert list(last.parent.iterdir()) == [last]


def test_workers_do_not_wait_for_a_reader_of_their_log(tmp_path, capsys):
    os.mkfifo(tmp_path / "workers.log")
    _redirect_output(tmp_path / "workers.log")
    assert "workers.log cannot be written" in capsys.readouterr().err


READ_ONLY = """
import subprocess
from conftest import TinyConfig
from nnhp_torch.cli import main as cli
from nnhp_torch.core.spec.grid import Sweep

if __name__ == "__main__":
    for options in (["--bind", "logs", "logs"], ["-o", "remount,bind,ro", "logs"]):
        subprocess.run(["mount", *options], check=True)
    sweep = Sweep("tiny", TinyConfig(), {"width": [4]}, build="toy:build")
    cli.main(sweep, argv=["--log_dir", "logs"])
"""


def test_results_in_a_folder_that_cannot_be_written_are_shown(sweep, tmp_path, monkeypatch):
    if not _namespaces():
        pytest.skip("a read-only file system needs user and mount namespaces, which are not to be had here")
    monkeypatch.chdir(tmp_path)
    one = dataclasses.replace(sweep, axes={"width": [4]})
    (trial,) = one.trials()
    ResultStore("logs/tiny").append(completed(trial))
    (tmp_path / "sweep.py").write_text(READ_ONLY)
    command = ["unshare", "-rm", sys.executable, "sweep.py"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Winner: width=4" in done.stdout
    assert "logs/tiny cannot be written: results.csv and figures are left as they were" in done.stdout
    (tmp_path / "logs" / "tiny" / "results.jsonl").write_text("")
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "logs/tiny cannot be written, and trials are missing" in done.stderr
