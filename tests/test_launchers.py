"""Trials in worker processes: same digits, one death does not end the sweep, none outlives its parent."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from conftest import environment

from nnhp_torch.launchers import InProcess, Workers, cores
from nnhp_torch.runtime import Runtime
from nnhp_torch.sweeper import Sweeper
from nnhp_torch.worker import PreparationError


def run(sweep, store, launcher, build="toy:build", **kwargs):
    runtime = Runtime(str(store.folder), accelerator="cpu")
    store.folder.mkdir(parents=True, exist_ok=True)
    return Sweeper(launcher(build, runtime, **kwargs), store).run(sweep, sweep.trials())


def test_workers_give_the_same_digits_as_this_process(sweep, store, tmp_path):
    from nnhp_torch.results import ResultStore

    beside = run(sweep, store, Workers, jobs=2)
    here = run(sweep, ResultStore(tmp_path / "here" / "tiny"), InProcess)
    assert beside.successful
    assert [r.history for r in beside.ordered] == [r.history for r in here.ordered]
    assert [r.test for r in beside.ordered] == [r.test for r in here.ordered]


def test_a_killed_worker_fails_its_trial_and_the_others_go_on(sweep, store):
    outcome = run(sweep, store, Workers, "toy:build_killed_once", jobs=2)
    statuses = {result.cell["width"]: result.status for result in outcome.ordered}
    assert statuses == {4: "completed", 8: "failed"}
    reasons = {result.reason for result in outcome.ordered if result.status == "failed"}
    assert all("killed by SIGKILL" in reason and "memory" in reason for reason in reasons)
    again = run(sweep, store, Workers, "toy:build_killed_once", jobs=2)
    assert again.successful, "and run again, they go on"
    assert len(again.ran) == 2


def test_a_callback_that_raises_fails_its_trials_alone(sweep, store):
    outcome = run(sweep, store, Workers, "toy:build_raising", jobs=2)
    assert [result.status for result in outcome.ordered] == ["completed", "failed"] * 2


def test_data_that_cannot_be_had_ends_the_sweep_before_any_trial(sweep, store):
    with pytest.raises(PreparationError, match="no data anywhere"):
        run(sweep, store, Workers, "toy:build_without_data", jobs=2)
    assert not store.path.exists()


PARENT = """
import sys
from nnhp_torch.grid import Sweep
from nnhp_torch.launchers import Workers
from nnhp_torch.results import ResultStore
from nnhp_torch.runtime import Runtime
from nnhp_torch.sweeper import Sweeper
from conftest import TinyConfig

if __name__ == "__main__":
    store = ResultStore(sys.argv[1])
    store.folder.mkdir(parents=True)
    sweep = Sweep("tiny", TinyConfig(max_epochs=1_000_000), {"lr": [0.1, 0.2]}, build="toy:build")
    Sweeper(Workers(sweep.build, Runtime(sys.argv[1], accelerator="cpu"), jobs=2), store).run(sweep, sweep.trials())
"""


def test_workers_end_by_themselves_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path / "tiny")], env=environment())
    workers = _wait_for(lambda: list((tmp_path / "tiny").glob("*/checkpoints/last.ckpt")), 60)
    children = psutil.Process(parent.pid).children(recursive=True)
    assert len(children) >= 2
    assert workers
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _wait_for(lambda: not any(_alive(child) for child in children), 10)


def _alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def test_cores_are_those_this_process_may_use():
    assert 1 <= cores() <= os.cpu_count()
