"""One trial across two processes gives what one device gives, and a lost process loses one trial."""

import dataclasses
import multiprocessing
import os
import time
from pathlib import Path

import psutil
import pytest
import torch
from conftest import LONG
from forked import quick_workers

from nnhp_torch.article.config import TrialConfig
from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.run.launch.worker_processes import _free_port
from nnhp_torch.run.launch.workers import Workers
from nnhp_torch.run.runtime import Runtime


def run(sweep, folder, devices, jobs=1, callbacks=()):
    """The sweep's outcome in a folder, each trial on so many CPU processes."""
    store = ResultStore(folder)
    store.folder.mkdir(parents=True, exist_ok=True)
    strategy = "ddp" if devices > 1 else "auto"
    runtime = Runtime(str(store.folder), "cpu", devices=devices, strategy=strategy, objective=sweep.objective)
    return Sweeper(Workers(sweep.build, runtime, jobs=jobs), store, callbacks).run(sweep, sweep.trials())


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A sweep of two trials of one epoch on real MNIST: on one device, and on two."""
    sweep = Sweep(
        "batch_size",
        TrialConfig(n_nodes=32, max_epochs=1),
        {"batch_size": [2_000, 30_000]},
        build="nnhp_torch.article.experiment:build",
    )
    folders = [tmp_path_factory.mktemp(f"on{devices}") for devices in (1, 2)]
    with quick_workers():
        return [(run(sweep, folder, devices), folder) for devices, folder in zip((1, 2), folders, strict=True)]


def test_a_sweep_of_several_trials_on_two_processes_completes(both):
    for outcome, _ in both:
        assert outcome.successful
    assert [result.hardware["world_size"] for result in both[1][0].ordered] == [2, 2]
    lines = (both[1][1] / "results.jsonl").read_text().splitlines()
    assert len(lines) == 2, "one record a trial, whatever the number of processes"


def test_the_weights_after_an_epoch_are_those_of_one_device(both):
    for one, two in zip(both[0][0].ordered, both[1][0].ordered, strict=True):
        weights = []
        for result, (_, folder) in ((one, both[0]), (two, both[1])):
            path = folder / result.name / "checkpoints" / "last.ckpt"
            state = torch.load(path, weights_only=True)["state_dict"]
            weights.append(torch.cat([value.flatten() for name, value in state.items() if name.startswith("net.")]))
        assert (weights[0] - weights[1]).norm() / weights[0].norm() < 1e-4


def test_every_image_is_trained_on_and_scored_once(both):
    for one, two in zip(both[0][0].ordered, both[1][0].ordered, strict=True):
        for metric, images in (("val_accuracy", 10_000), ("train_accuracy", 50_000)):
            right = two.final(metric) * images
            assert right == pytest.approx(round(right), abs=0.01), "a share of exactly so many images"
            assert right == pytest.approx(one.final(metric) * images, abs=images / 1000)
        assert two.final("val_loss") == pytest.approx(one.final("val_loss"), rel=1e-3)
        assert two.test["test_accuracy"] == pytest.approx(one.test["test_accuracy"], abs=1e-3)


@pytest.mark.usefixtures("quick")
def test_a_lost_process_fails_its_trial_in_time_leaves_no_orphan_and_the_sweep_goes_on(sweep, tmp_path):
    small = dataclasses.replace(sweep, axes={"width": [8, 4]}, build="toy:build_losing_a_rank")
    before = {process.pid for process in psutil.Process(os.getpid()).children(recursive=True)}
    start = time.monotonic()
    outcome = run(small, tmp_path / "tiny", devices=2)
    assert time.monotonic() - start < LONG, "the other rank would wait for half an hour"
    assert [result.status for result in outcome.ordered] == ["failed", "completed"]
    assert "SIGKILL" in outcome.ordered[0].reason
    after = {process.pid for process in psutil.Process(os.getpid()).children(recursive=True)}
    assert after <= before, "no process is left"


@pytest.mark.usefixtures("quick")
def test_an_exception_on_one_rank_ends_the_trial_on_all_with_that_ranks_reason(sweep, tmp_path):
    small = dataclasses.replace(sweep, axes={"width": [8, 4]}, build="toy:build_raising_on_one_rank")
    start = time.monotonic()
    failed, after = run(small, tmp_path / "tiny", devices=2).ordered
    assert time.monotonic() - start < LONG, "the other rank would wait for half an hour"
    assert (failed.status, failed.epochs, after.status) == ("failed", 1, "completed")
    assert failed.reason.splitlines()[-1] == "RuntimeError: on this rank alone"
    assert failed.notes == ["failed on rank 1"]


def test_a_trial_on_two_processes_is_pruned_in_both(sweep, tmp_path):
    """In processes that are started as a user's."""

    class Strict(SweepCallback):
        def on_epoch_end(self, trial, epoch, metrics):
            return "no good" if epoch == 2 else None

    small = dataclasses.replace(sweep, axes={"width": [4]})
    (result,) = run(small, tmp_path / "tiny", devices=2, callbacks=[Strict()]).ordered
    assert (result.status, result.epochs, result.reason) == ("pruned", 2, "no good")


@pytest.mark.usefixtures("quick")
def test_a_module_that_knows_of_one_device_is_trained_and_scored_on_two_as_on_one(sweep, tmp_path):
    base = dataclasses.replace(sweep.base, max_epochs=1)
    small = dataclasses.replace(
        sweep, base=base, axes={"width": [10, 33]}, build="toy:build_unaware_of_devices", monitor="val_loss", mode="min"
    )
    even, uneven = run(small, tmp_path / "two", devices=2).ordered
    for result, steps in ((even, 10), (uneven, 3)):
        assert result.status == "completed", result.reason
        assert result.final("val_target") == result.test["test_target"] == 49.5
        assert result.final("seen") == 4950, "every example once"
        assert result.final("steps") == steps, "the batch stays as large, and a last one of one example joins another"
    assert not even.notes
    assert uneven.notes == ["2 devices cannot share its batches evenly: some examples weigh more in training"]
    one = run(small, tmp_path / "one", devices=1).ordered[0]
    assert even.final("val_loss") == pytest.approx(one.final("val_loss"), rel=1e-5)


@pytest.mark.usefixtures("quick")
def test_a_trial_on_two_processes_goes_on_to_the_same_digits(sweep, tmp_path):
    wide = dataclasses.replace(sweep, axes={"width": [8]})
    shorter = dataclasses.replace(wide, build="toy:build_killed_once")
    whole = run(wide, tmp_path / "whole", devices=2).ordered[0]
    assert whole.status == "completed", whole.reason
    folder = tmp_path / "killed"
    assert run(shorter, folder, devices=2).ordered[0].status == "failed"
    assert list(folder.glob("*/checkpoints/last.ckpt")), "the first epoch's checkpoint is there"
    again = run(shorter, folder, devices=2).ordered[0]
    assert again.status == "completed"
    assert again.history == whole.history


@pytest.mark.usefixtures("quick")
def test_on_two_processes_too_a_stop_before_the_answer_to_an_epoch_loses_no_decision(sweep, tmp_path):
    heard = []

    class Strict(SweepCallback):
        """Ends a trial after its second epoch, the first time too late: its processes have gone."""

        def on_epoch_end(self, trial, epoch, metrics):
            heard.append(epoch)
            if heard == [1, 2]:
                for process in multiprocessing.active_children():
                    process.kill()
            return "no good" if epoch == 2 else None

    small = dataclasses.replace(sweep, axes={"width": [4]})
    (lost,) = run(small, tmp_path / "tiny", devices=2, callbacks=[Strict()]).ordered
    (again,) = run(small, tmp_path / "tiny", devices=2, callbacks=[Strict()]).ordered
    assert (lost.status, lost.epochs) == ("failed", 2)
    assert (again.status, again.epochs, again.reason) == ("pruned", 2, "no good")
    assert heard == [1, 2, 1, 2], "each epoch is told once more, and none after it is trained"


def test_the_port_at_which_processes_meet_is_none_that_a_connection_could_get_meanwhile():
    given = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(given.read_text().split()[0]) if given.exists() else 32768
    ports = [_free_port() for _ in range(20)]
    assert len(set(ports)) > 15, "nor that of another trial that starts"
    assert max(ports) < first or first < 3000
