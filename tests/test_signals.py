"""Ctrl-C, SIGTERM, SIGKILL: a sweep ends as asked, and goes on to the same digits when run again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

HERE = Path(__file__).parent
SCRIPT = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from conftest import TinyConfig
from nnhp_torch.cli import main
from nnhp_torch.grid import Sweep

if __name__ == "__main__":
    main(Sweep("tiny", TinyConfig(max_epochs=EPOCHS), {{"lr": [0.1, 0.01, 0.001]}}, build="toy:build"))
"""


@pytest.fixture
def start(tmp_path):
    """Starts a sweep of some epochs in a process group of its own, and clears it away in the end."""
    started = []

    def popen(epochs, folder="lightning_logs"):
        (tmp_path / "sweep.py").write_text(SCRIPT.replace("EPOCHS", str(epochs)))
        process = subprocess.Popen(
            [sys.executable, "sweep.py", "--accelerator", "cpu", "--jobs", "2", "--log_dir", folder],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(HERE)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    popen.folder = tmp_path
    yield popen
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _records(folder):
    path = folder / "results.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _wait_for_checkpoints(folder, count=2, seconds=60):
    end = time.monotonic() + seconds
    while len(list(folder.glob("*/checkpoints/last.ckpt"))) < count:
        assert time.monotonic() < end, "no trial began"
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_sweep_tidily_and_running_trials_are_interrupted(start, number, status):
    process = start(epochs=1_000_000)
    folder = start.folder / "lightning_logs" / "tiny"
    _wait_for_checkpoints(folder)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == status, out
    assert [record["status"] for record in _records(folder)] == ["interrupted", "interrupted"]
    assert "Interrupted: 3 trials left" in out
    assert "Traceback" not in out
    assert not psutil.wait_procs(workers, timeout=5)[1], "no worker is left"


def test_an_interrupted_sweep_goes_on_to_the_same_digits(start):
    whole = start(epochs=150, folder="whole")
    assert whole.wait(timeout=120) == 0
    process = start(epochs=150)
    folder = start.folder / "lightning_logs" / "tiny"
    _wait_for_checkpoints(folder)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert start(epochs=150).wait(timeout=120) == 0
    assert _outcome(folder) == _outcome(start.folder / "whole" / "tiny")


def _outcome(folder):
    completed = [record for record in _records(folder) if record["status"] == "completed"]
    outcome = {record["key"]: (record["history"], record["test"]) for record in completed}
    assert len(outcome) == len(completed), "one completed record a trial"
    return outcome


def test_a_sweep_killed_again_and_again_ends_with_the_digits_of_one_that_was_not(start):
    assert start(epochs=100, folder="whole").wait(timeout=120) == 0
    folder = start.folder / "lightning_logs" / "tiny"
    generator = random.Random(1)
    for _ in range(3):
        process = start(epochs=100)
        time.sleep(generator.uniform(4, 11))  # from the imports to the middle of a trial
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process = start(epochs=100)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    assert _outcome(folder) == _outcome(start.folder / "whole" / "tiny")


def test_a_second_sweep_on_the_same_folder_is_refused_and_names_the_first(start):
    first = start(epochs=1_000_000)
    _wait_for_checkpoints(start.folder / "lightning_logs" / "tiny")
    second = start(epochs=1_000_000)
    out, _ = second.communicate(timeout=30)
    assert second.returncode == 1
    assert f"in use by process {first.pid}" in out
    assert len(out.splitlines()) == 1
    assert first.poll() is None, "the first goes on"
