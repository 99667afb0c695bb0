"""What is to hold on a GPU, on pretended ones: that trials run there, where they run, what comes of one that fails."""

import dataclasses

import pytest
import torch
import toy
from conftest import HERE, environment
from forked import Script
from torch.overrides import TorchFunctionMode

from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.run.launch.request import Request
from nnhp_torch.run.launch.workers import ALONE, NO_MEMORY, Workers
from nnhp_torch.run.resume.generators import random_state, set_random_state
from nnhp_torch.run.resume.plain_values import pack, unpack
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.trial.run_trial import run_trial


def run(sweep, store, build="toy:build_saying_where", *, jobs=1, accelerator="gpu", **settings):
    """The results, in the trials' order."""
    store.folder.mkdir(parents=True, exist_ok=True)
    runtime = Runtime(str(store.folder), accelerator=accelerator, **settings)
    return Sweeper(Workers(build, runtime, jobs=jobs), store).run(sweep, sweep.trials()).ordered


def test_the_first_command_is_done_on_two_gpus(tmp_path, gpus):
    gpus(2)
    folder = tmp_path / "logs"
    options = [
        "--accelerator",
        "gpu",
        "--max_epochs",
        "1",
        "--base.n_nodes",
        "8",
        "--grid.batch_size",
        "10000",
        "30000",
    ]
    command = [str(HERE.parent / "sweeps" / "batch_size.py"), *options, "--log_dir", str(folder)]
    process = Script(command, tmp_path, environment())
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert "Winner: batch_size=" in said
    results = ResultStore(folder / "batch_size").results().values()
    assert [(result.status, result.notes) for result in results] == [("completed", [])] * 2
    again = Script([*command, "--dry_run"], tmp_path, environment())
    assert "0 of 2 trials would run" in again.communicate()[0]


@pytest.mark.usefixtures("quick")
def test_trials_run_on_a_gpu_whatever_multiplies_on_the_cpu_beside_it(sweep, store, gpus):
    gpus(1)
    results = run(sweep, store)
    assert [result.reason for result in results] == [""] * 4
    assert [result.history["precision"][0] for result in results] == [0] * 4, "nor are its own products less exact"


def test_so_they_do_in_a_process_that_starts_as_a_users_does(sweep, store, gpus):
    gpus(2)
    (result,) = run(dataclasses.replace(sweep, axes={"lr": [0.1]}), store, devices=(1,))
    assert (result.reason, result.history["gpu"][0]) == ("", 1)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("there", "settings", "used"),
    [
        (2, {"jobs": 4}, [0, 1, 0, 1]),
        (4, {"jobs": 4, "devices": (2,)}, [2, 2, 2, 2]),
        (4, {"jobs": 4, "devices": 2, "strategy": "ddp"}, [0.5, 2.5, 0.5, 2.5]),
    ],
    ids=["more jobs than GPUs", "a named GPU", "two GPUs a trial, and their mean"],
)
def test_jobs_share_the_gpus_evenly(sweep, store, gpus, there, settings, used):
    gpus(there)
    short = dataclasses.replace(sweep, base=dataclasses.replace(sweep.base, max_epochs=1))
    results = run(short, store, **settings)
    assert [result.reason for result in results] == [""] * 4
    assert [result.history["gpu"][0] for result in results] == used


@pytest.mark.usefixtures("quick")
def test_of_four_gpus_two_may_be_named_for_one_trial_each(sweep, store, gpus, monkeypatch):
    """CUDA numbers those anew that it is to see."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    gpus(4)
    two = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]})
    results = run(two, store, jobs=Request(accelerator="gpu").workers)
    assert [(result.reason, result.history["gpu"][0]) for result in results] == [("", 0), ("", 1)]


@pytest.mark.usefixtures("quick")
def test_a_trial_that_fails_on_a_gpu_takes_its_process_along(sweep, store, gpus):
    """A device-side assert stays with the process: every later trial there would fail."""
    gpus(1)
    results = run(dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]}), store, "toy:build_breaking")
    assert [result.status for result in results] == ["failed", "completed"]


@pytest.mark.usefixtures("quick")
def test_so_does_one_that_runs_out_of_memory_on_any_device(sweep, store):
    short = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01], "width": [8]})
    results = run(short, store, "toy:build_breaking", accelerator="cpu")
    assert [result.status for result in results] == ["failed", "completed"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("there", "ended", "notes"), [(1, "completed", [ALONE]), (2, "failed", [])])
def test_a_trial_that_runs_out_of_memory_beside_another_runs_alone_at_last(sweep, store, gpus, there, ended, notes):
    """One that had a GPU to itself would run out of it again."""
    gpus(there)
    assert "--jobs" in ALONE
    results = run(dataclasses.replace(sweep, axes={"width": [8, 4]}), store, "toy:build_hungry", jobs=2)
    assert [(result.status, result.notes) for result in results] == [(ended, notes), ("completed", [])]


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", True),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("RuntimeError: MPS backend out of memory (MPS allocated: 9.0 GB)", True),
        (
            "RuntimeError: [enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory",
            True,
        ),
        ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB", True),
        ("MemoryError", True),
        ("  raise MemoryError\nRuntimeError: CUDA error: device-side assert triggered", False),
        ("ValueError: lr must be above 0", False),
    ],
)
def test_running_out_of_memory_is_told_by_the_line_that_says_so(error, is_one):
    assert bool(NO_MEMORY.search(f"Traceback (most recent call last):\n  File\n{error}\n")) == is_one


def test_there_are_as_many_jobs_as_gpus_unless_somebody_says_otherwise(gpus, monkeypatch):
    gpus(4)
    assert Request().workers == Request(accelerator="gpu").workers == 4
    assert Request(devices=2).workers == 2
    assert Request(devices=3).workers == Request(devices=[1, 3]).workers == 1
    assert Request(jobs=8).workers == 8
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert Request(accelerator="gpu").workers == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("nnhp_torch.run.launch.request.cores", lambda: 6)
    assert Request().workers == Request(accelerator="cpu").workers == 6
    assert Request(accelerator="gpu").workers == 1, "of a kind that is not known of there is one"


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed", "bf16-true"])
def test_a_trial_stopped_on_a_gpu_goes_on_to_the_same_digits_in_every_precision(sweep, tmp_path, gpus, precision):
    gpus(1)
    (trial,) = dataclasses.replace(sweep, axes={"lr": [0.01]}).trials([1], precision)
    whole, cut = (Runtime(str(tmp_path / name), accelerator="gpu") for name in ("whole", "cut"))

    def pull_the_plug(epoch, metrics):
        if epoch == 2:
            raise KeyboardInterrupt

    expected = run_trial(trial, toy.build, whole)
    assert (expected.status, expected.reason) == ("completed", "")
    assert run_trial(trial, toy.build, cut, on_epoch=pull_the_plug).status == "interrupted"
    last = torch.load(tmp_path / "cut" / trial.name / "checkpoints" / "last.ckpt", weights_only=True)
    assert ("MixedPrecision" in last) == (precision == "16-mixed"), "the scaler's state"
    result = run_trial(trial, toy.build, cut)
    assert (result.history, result.test, result.notes) == (expected.history, expected.test, [])


class LikeApples(TorchFunctionMode):
    """Refuses float64, unless a tensor was brought to the host before, as a GPU of Apple's does."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        if (name == "double" or torch.float64 in (*args[1:], *kwargs.values())) and not hasattr(args[0], "on_host"):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        result = function(*args, **kwargs)
        if name == "cpu":
            result = result.clone()
            result.on_host = True
        return result


def test_no_trial_needs_float64_on_its_device(trial, runtime, gpus):
    """Nor where its last weights are compared with those before its end."""
    gpus(1)

    def build(config):
        module, data, _ = toy.build(config)
        module.on_train_end = lambda: None
        restoring = type("Restoring", (toy.AtEpoch,), {"on_train_end": lambda *_: None})(1, lambda *_: None)
        return module, data, [restoring]

    with LikeApples():
        result = run_trial(trial, build, dataclasses.replace(runtime, accelerator="gpu"))
    assert (result.status, result.reason) == ("completed", "")


def test_the_generator_of_a_device_goes_on(monkeypatch):
    generator, cuda = torch.Generator().manual_seed(1), torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "get_rng_state", generator.get_state)
    monkeypatch.setattr(torch.cuda, "set_rng_state", generator.set_state)
    kept = pack(random_state(cuda))
    drawn = torch.rand(3, generator=generator)
    set_random_state(unpack(kept), cuda)
    assert torch.equal(torch.rand(3, generator=generator), drawn)


@pytest.mark.needs("ray")
@pytest.mark.parametrize(("jobs", "part"), [(None, 1), (2, 1), (3, 0.5), (8, 0.25)])
def test_on_a_cluster_more_jobs_than_gpus_have_a_part_of_one_each(monkeypatch, jobs, part):
    ray = pytest.importorskip("ray")
    from nnhp_torch.run.launch.on_ray.tasks import RayTasks

    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 8, "GPU": 1}}] * 2)
    tasks = RayTasks("toy:build", Runtime("logs", accelerator="gpu"), jobs=jobs)
    assert tasks._needs(threads=2) == {"num_cpus": 2, "num_gpus": part}
