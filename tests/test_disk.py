"""A disk that is full: one line says so, what was there before is intact, and with room again the sweep goes on."""

import contextlib
import json
import resource
import shutil
import signal
import subprocess
import sys

import pytest
import torch
import toy
from conftest import environment

from nnhp_torch.recorder import AtomicCheckpointIO
from nnhp_torch.results import disk_full, replacing
from nnhp_torch.runtime import Runtime
from nnhp_torch.trial import run_trial

# In a mount namespace of its own a small file system stands for the disk: each scene fills it up elsewhere.
SCRIPT = """
import contextlib, dataclasses, io, json, os, subprocess, sys
from pathlib import Path
import toy, torch
from conftest import TinyConfig
from nnhp_torch import cli
from nnhp_torch.grid import Sweep

DISK = Path("disk")
LOGS = DISK / "logs" / "tiny"

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
    (DISK / "ballast").unlink(missing_ok=True)
    Path("fill").touch() if full else Path("fill").unlink(missing_ok=True)
    if full == "now":
        fill()
    files = lambda: {p.name: p.read_bytes() for p in LOGS.glob("*.*") if p.suffix in (".csv", ".png", ".jsonl")}
    before = files()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main(sweep, ["--log_dir", "disk/logs", "--accelerator", "cpu", "--jobs", jobs])
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
