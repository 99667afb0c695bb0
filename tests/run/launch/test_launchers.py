"""Trials in worker processes: same digits, one death does not end the sweep, none outlives its parent."""

import dataclasses
import gc
import multiprocessing
import os
import signal
import sys
import time

import psutil
import pytest
from conftest import LONG, environment
from forked import Script

from nnhp_torch.core.errors import PreparationError
from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.run.launch import workers as launchers
from nnhp_torch.run.launch.machine import cores
from nnhp_torch.run.launch.process import get_ready
from nnhp_torch.run.launch.worker import _redirect_output
from nnhp_torch.run.launch.worker_processes import Pool
from nnhp_torch.run.launch.workers import InProcess, Workers, is_importable
from nnhp_torch.run.runtime import Runtime


def run(sweep, store, launcher, build="toy:build", **kwargs):
    runtime = Runtime(str(store.folder), accelerator="cpu")
    store.folder.mkdir(parents=True, exist_ok=True)
    return Sweeper(launcher(build, runtime, **kwargs), store).run(sweep, sweep.trials())


# What another launcher may have put into the environment.
RANKS = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "far", "MASTER_PORT": "1"}
SLURM = {"SLURM_NTASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "3", "SLURM_NODEID": "0", "SLURM_JOB_ID": "7"}
LAUNCHED = {**RANKS, **SLURM, "SLURM_JOB_NAME": "train"}


@pytest.fixture(scope="module")
def started(sweep, tmp_path_factory):
    """The sweep in a worker that is started as a user's, below another launcher, and the folder that it wrote to."""
    folder = tmp_path_factory.mktemp("workers")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in LAUNCHED.items():
            patch.setenv(name, value)
        return run(sweep, ResultStore(folder), Workers, "toy:build_starting", jobs=1), folder


def test_a_worker_gives_the_same_digits_as_this_process_whatever_launcher_is_above_it(started, sweep, store):
    started, folder = started
    here = run(sweep, store, InProcess)
    assert started.successful
    for result, same in zip(started.ordered, here.ordered, strict=True):
        assert {name: result.history[name] for name in same.history} == same.history
    assert [r.test for r in started.ordered] == [r.test for r in here.ordered]
    assert len(list(folder.glob("*/events.out.tfevents.*"))) == 4, "each trial has its curves"


@pytest.mark.usefixtures("quick")
def test_a_pool_keeps_idle_workers_for_the_next_sweep_which_has_the_same_digits(sweep, tmp_path):
    first, second, third = (ResultStore(tmp_path / name) for name in ("first", "second", "third"))
    others = dataclasses.replace(sweep, axes={"width": [8, 4]})
    with Pool() as pool:
        run(sweep, first, Workers, jobs=2, pool=pool)
        started = set(multiprocessing.active_children())
        outcome = run(others, second, Workers, "toy:build_raising", jobs=2, pool=pool)
        assert set(multiprocessing.active_children()) == started, "the same processes"
        assert [result.status for result in outcome.ordered] == ["failed", "completed"], "of another build"
        assert "Traceback" in second.log.read_text(), "and what they print stands in that sweep's folder"
        lost = started.pop()
        lost.kill()
        lost.join()
        after = run(sweep, third, Workers, jobs=2, pool=pool)
        assert len(set(multiprocessing.active_children()) - started) == 1, "one that has died is replaced"
    assert not multiprocessing.active_children()
    assert not first.log.exists(), "nothing was printed there"
    alone = run(sweep, ResultStore(tmp_path / "alone"), InProcess)
    assert [result.history for result in after.ordered] == [result.history for result in alone.ordered]


def test_in_a_worker_loaders_start_their_processes_as_anywhere_else(started):
    assert started[0].ordered[0].history["method"][0] == 0, "the platform's default comes first"


@pytest.mark.usefixtures("quick")
def test_a_killed_worker_fails_its_trial_and_the_others_go_on(sweep, store):
    outcome = run(sweep, store, Workers, "toy:build_killed_once", jobs=2)
    statuses = {result.cell["width"]: result.status for result in outcome.ordered}
    assert statuses == {4: "completed", 8: "failed"}
    reasons = {result.reason for result in outcome.ordered if result.status == "failed"}
    assert all("killed by SIGKILL" in reason and "memory" in reason for reason in reasons)
    again = run(sweep, store, Workers, "toy:build_killed_once", jobs=2)
    assert again.successful, "and run again, they go on"
    assert len(again.ran) == 2


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("build", ["toy:build_killed_beside_a_child", "toy:build_killed_in_mid_message"])
def test_a_killed_worker_is_missed_at_once_although_a_process_that_it_forked_lives(sweep, store, build):
    two = dataclasses.replace(sweep, axes={"width": [8, 4]})
    began = time.monotonic()
    outcome = run(two, store, Workers, build, jobs=1)
    assert time.monotonic() - began < LONG, "the child lives longer"
    for path in store.folder.glob("*/child"):
        os.kill(int(path.read_text()), signal.SIGKILL)
    assert [result.status for result in outcome.ordered] == ["failed", "completed"]
    assert "killed by SIGKILL" in outcome.ordered[0].reason


@pytest.mark.usefixtures("quick")
def test_a_sweep_callback_that_raises_is_named_and_the_workers_go_on(sweep, store):
    class Bad(SweepCallback):
        def on_epoch_end(self, trial, epoch, metrics):
            raise RuntimeError("my sweep callback")

    store.folder.mkdir(parents=True)
    workers = Workers("toy:build", Runtime(str(store.folder), accelerator="cpu"), jobs=2)
    outcome = Sweeper(workers, store, [Bad()]).run(sweep, sweep.trials())
    assert not multiprocessing.active_children()
    assert {result.status for result in store.results().values()} == {"completed"}
    assert any("Bad raised in on_epoch_end (RuntimeError: my sweep callback" in remark for remark in outcome.remarks)


def test_what_another_launcher_has_put_into_the_environment_changes_no_trial_in_this_process(sweep, store, monkeypatch):
    from lightning.pytorch.utilities import rank_zero_only

    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rank_zero_only, "rank", 1)  # what Lightning makes of them, if they are there at its import
    outcome = run(dataclasses.replace(sweep, axes={"lr": [0.1]}), store, InProcess)
    assert outcome.successful, outcome.ordered[0].reason
    assert list(store.folder.glob("*/events.out.tfevents.*")), "and it has its curves"
    assert os.environ["RANK"] == "1"


@pytest.mark.usefixtures("quick")
def test_a_worker_that_dies_at_its_start_ends_the_sweep_instead_of_another_one_starting(sweep, store):
    with pytest.raises(PreparationError, match="the worker process ended with exit status 3"):
        run(sweep, store, Workers, "toy:build_exiting", jobs=2)
    assert not store.path.exists()


@pytest.mark.usefixtures("quick")
def test_a_build_that_cannot_be_imported_fails_each_trial_once(sweep, store):
    outcome = run(sweep, store, Workers, "toy:no_such_build", jobs=2)
    assert [result.status for result in outcome.ordered] == ["failed"] * 4
    assert "no_such_build" in outcome.ordered[0].reason
    assert len(store.path.read_text().splitlines()) == 4
    assert store.log.read_text().count("AttributeError") == 4, "and what the workers print has the tracebacks"


@pytest.mark.usefixtures("quick")
def test_idle_workers_that_die_are_not_replaced_once_no_trial_is_left(sweep, store, quick, monkeypatch):
    one = dataclasses.replace(sweep, axes={"lr": [0.1]}, base=dataclasses.replace(sweep.base, max_epochs=20))
    started = []
    start = launchers.Slot.__init__

    def count(slot, *args, **options):
        start(slot, *args, **options)
        started.append(slot)

    monkeypatch.setattr(launchers.Slot, "__init__", count)

    class KillTheIdle(SweepCallback):
        def on_epoch_end(self, trial, epoch, metrics):
            if epoch == 1:
                (idle,) = (slot for slot in started if slot.trial is None)
                idle.processes[0].kill()
                idle.processes[0].join()  # so that it is missed before the next epoch

    store.folder.mkdir(parents=True)
    workers = Workers("toy:build", Runtime(str(store.folder), accelerator="cpu"), jobs=2)
    assert Sweeper(workers, store, [KillTheIdle()]).run(one, one.trials()).successful
    assert len(started) == 2


def test_where_the_workers_log_cannot_be_written_they_print_to_the_console(store, capfd):
    store.log.mkdir(parents=True)
    _redirect_output(store.log)
    print("of a worker")
    out, err = capfd.readouterr()
    assert f"{store.log} cannot be written" in err
    assert out == "of a worker\n"


class Watch(SweepCallback):
    """After each trial: memory and open files of the worker, open files of this process."""

    def __init__(self, folder):
        self.folder = folder
        self.seen = []

    def on_trial_end(self, trial, result):
        (worker,) = (psutil.Process(child.pid) for child in multiprocessing.active_children())
        open_events = [file for file in worker.open_files() if "tfevents" in file.path]
        self.seen.append(
            (worker.memory_info().rss / 2**20, worker.num_fds(), worker.num_threads(), psutil.Process().num_fds())
        )
        assert not open_events


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("trials", [30, pytest.param(200, marks=pytest.mark.slow)])
def test_many_trials_in_one_worker_leave_memory_flat_and_no_file_open(sweep, store, trials):
    many = dataclasses.replace(
        sweep,
        base=dataclasses.replace(sweep.base, max_epochs=1),
        axes={"lr": [0.001 * i for i in range(1, trials + 1)]},
    )
    watch = Watch(store.folder)
    store.folder.mkdir(parents=True)
    workers = Workers("toy:build", Runtime(str(store.folder), accelerator="cpu"), jobs=1)
    assert Sweeper(workers, store, [watch]).run(many, many.trials()).successful
    memory, *handles = (list(values) for values in zip(*watch.seen[trials // 3 :], strict=True))
    assert memory[-1] - memory[0] < 10, memory
    assert all(max(values) <= values[0] + 1 for values in handles), handles


def test_a_worker_that_is_ready_collects_garbage_again():
    """Importing goes without, and what is imported is never looked through."""
    try:
        get_ready()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 100_000
    finally:
        gc.enable()
        gc.unfreeze()


PARENT = """
import sys
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.run.launch.workers import Workers
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.core.sweeper import Sweeper
from conftest import TinyConfig

if __name__ == "__main__":
    store = ResultStore(sys.argv[1])
    store.folder.mkdir(parents=True)
    sweep = Sweep("tiny", TinyConfig(max_epochs=1_000_000), {"lr": [0.1]}, build="toy:build")
    Sweeper(Workers(sweep.build, Runtime(sys.argv[1], accelerator="cpu"), jobs=1), store).run(sweep, sweep.trials())
"""


def test_workers_end_by_themselves_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = Script([str(script), str(tmp_path / "tiny")], tmp_path, environment(), quick=False)
    _wait_for(lambda: list((tmp_path / "tiny").glob("*/checkpoints/last.ckpt")))
    children = psutil.Process(parent.pid).children(recursive=True)
    assert children
    parent.kill()
    parent.communicate()
    _wait_for(lambda: not any(_alive(child) for child in children))


def _alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _wait_for(condition):
    end = time.monotonic() + LONG
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def test_cores_are_those_this_process_may_use():
    assert 1 <= cores() <= os.cpu_count()


def test_a_script_that_python_reads_from_standard_input_is_nothing_that_a_worker_could_import(monkeypatch):
    main = type(sys)("__main__")
    main.__file__ = "<stdin>"
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert not is_importable("toy:build"), "each worker would read the script again, which is gone"
    del main.__file__  # a notebook's, whose workers read nothing again
    assert is_importable("toy:build")
