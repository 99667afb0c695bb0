"""`pytest -m slow`: real MNIST, killed at random moments again and again until it is done."""

import csv
import json
import os
import random
import signal
import subprocess
import sys

import psutil
import pytest
import torch
from conftest import environment

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
            assert not psutil.wait_procs(workers, timeout=10)[1], "orphaned workers end by themselves"
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
