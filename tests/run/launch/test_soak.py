"""`pytest -m slow`: real MNIST, killed at random moments again and again until it is done."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import psutil
import pytest
import torch
from conftest import LONG, environment

# Whatever draws random numbers or remembers something from epoch to epoch.
COMMAND = [
    *(sys.executable, "-m", "sweeps.batch_size", "--accelerator", "cpu", "--jobs", "2", "--seeds", "2"),
    *("--max_epochs", "15", "--grid.batch_size", "[5000, 30000]"),
    *("--base.dropout", "0.25", "--base.noise", "0.2", "--base.patience", "2", "--base.lr_decay", "cosine"),
    *("--base.weight_constraint", "max_norm", "--base.batch_norm", "true"),
]


def _start(log_dir):
    command = [*COMMAND, "--log_dir", str(log_dir)]
    return subprocess.Popen(
        command, env=environment(), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _table(log_dir):
    with open(log_dir / "batch_size" / "results.csv", newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def _completed(log_dir):
    lines = (log_dir / "batch_size" / "results.jsonl").read_text().splitlines()
    records = [record for record in map(json.loads, lines) if record["status"] == "completed"]
    return {record["key"]: (record["history"], record["test"]) for record in records}, len(records)


def _weights(log_dir):
    (path,) = (log_dir / "batch_size").glob("*/checkpoints/last.ckpt")
    return torch.load(path, weights_only=True)["state_dict"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("victim", ["everything", "the parent alone"])
def test_a_sweep_killed_until_it_is_done_ends_with_the_table_of_one_that_was_not(tmp_path, victim):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert _start(whole).wait(timeout=600) == 0
    generator = random.Random(victim)
    kills = 0
    while True:
        process = _start(killed)
        try:
            # From the first import to the last line: later each time, so that it comes to an end.
            status = process.wait(timeout=generator.uniform(0.5, 12 + kills))
        except subprocess.TimeoutExpired:
            workers = psutil.Process(process.pid).children(recursive=True)
            if victim == "everything":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.wait()
            assert not psutil.wait_procs(workers, timeout=LONG)[1], "orphaned workers end by themselves"
            kills += 1
        else:
            break
    assert status == 0
    assert kills >= 2
    assert _table(killed) == _table(whole)
    assert _completed(killed) == _completed(whole), "one completed record a trial, each with the same digits"
    for name, weight in _weights(whole).items():
        assert torch.equal(weight, _weights(killed)[name])
    assert not list(killed.rglob("*.tmp"))


KILLS = 40
SHUFFLED = """
from conftest import TinyConfig
from nnhp_torch import Sweep, main

if __name__ == "__main__":
    main(Sweep("shuffled", TinyConfig(max_epochs=8), {"width": [4, 8]}, build="toy:build_shuffled"))
"""


def _ledger(folder):
    lines = (folder / "shuffled" / "results.jsonl").read_text().splitlines()
    records = [record for record in map(json.loads, lines) if record["status"] == "completed"]
    return {record["key"]: (record["history"], record["test"], record["notes"]) for record in records}


def _saved(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("last.ckpt")}


def _wait_for_a_checkpoint(folder, process):
    before = _saved(folder)
    while process.poll() is None and not any(before.get(path) != at for path, at in _saved(folder).items()):
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_forty_kills_of_anything_leave_the_ledger_of_a_sweep_that_was_not_killed(tmp_path):
    script = tmp_path / "shuffled.py"
    script.write_text(SHUFFLED)

    def start(folder):
        command = [sys.executable, str(script), "--accelerator", "cpu", "--jobs", "2", "--log_dir", str(folder)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=environment(), start_new_session=True, **quiet)

    assert start(tmp_path / "whole").wait(timeout=600) == 0
    whole = _ledger(tmp_path / "whole")
    generator = random.Random(13)
    kills, sweeps = Counter(), 0
    while kills.total() < KILLS:
        folder = tmp_path / f"killed{sweeps}"
        status = None
        while status != 0:
            process = start(folder)
            _wait_for_a_checkpoint(folder, process)  # a new one each time, so that it comes to an end
            time.sleep(generator.uniform(0, 1))
            if process.poll() is None and kills.total() < KILLS:
                workers = psutil.Process(process.pid).children(recursive=True)
                victim = generator.choice(["driver", "worker", "group"])
                kills[victim] += 1
                if victim == "driver":
                    process.kill()
                elif victim == "group":
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    for worker in generator.sample(workers, min(1, len(workers))):
                        with suppress(psutil.NoSuchProcess):
                            worker.kill()
            status = process.wait(timeout=600)
            if status < 0:
                assert not psutil.wait_procs(workers, timeout=LONG)[1], "orphaned workers end by themselves"
        assert _ledger(folder) == whole, f"after {kills}"
        sweeps += 1
    print(f"{kills.total()} kills ({dict(kills)}) of {sweeps} sweeps")
