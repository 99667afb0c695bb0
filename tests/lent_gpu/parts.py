"""The parts of the check on a lent GPU: each prints a few lines, and raises if what it says does not hold."""

import contextlib
import os
import runpy
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import lightning as L
import torch
import toy
from conftest import TinyConfig
from test_on_a_gpu import OPTIONS, batch, made

from nnhp_torch.article.config import TrialConfig
from nnhp_torch.article.experiment import build
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.mnist.datamodule import MNISTDataModule
from nnhp_torch.network.module import MLPClassifier
from nnhp_torch.run.launch.machine import cores, gpus
from nnhp_torch.run.launch.process import quiet_lightning
from nnhp_torch.run.launch.workers import Workers
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.trial.hardware import hardware, versions
from nnhp_torch.run.trial.run_trial import run_trial

quiet_lightning()
DRY = bool(os.environ["DRY"])
ACCELERATOR, DEVICE = ("cpu", "cpu") if DRY else ("gpu", "cuda")
WIDTH = 8 if DRY else 128
SIZES = ("30000", "10000") if DRY else ("2000", "3000", "4000", "5000", "6000", "8000", "10000", "30000")
GRIDS = ("optimizer", "layers_nodes", "batch_size", "learning_rate", "momentum", "weight_regularization", "dropout")


def machine():
    """Date, device, driver, versions."""
    with contextlib.suppress(OSError):
        subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv"])
    print(f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%MZ}, {cores()} cores, {gpus()} GPUs, {hardware(DEVICE, 1)}")
    print(f"CUDA {torch.version.cuda}, {versions()}")


def precision():
    """A trial is done, and torch tells its precision, which a switch for CPUs once broke."""
    print(f"{trial().seconds} s; {torch.get_float32_matmul_precision()}")


def command():
    """The first command, whole; the goal is 20 s."""
    sweep("batch_size", "first", *(("--grid.batch_size", *SIZES) if DRY else ()))


again = command  # nothing is left to run


def steps():
    """Ten steps of every option: the CPU's losses, few kernels, no wait for the device."""
    data, far = batch("cpu"), []
    for options in OPTIONS[:2] if DRY else OPTIONS:
        losses = []
        for device in ("cpu", DEVICE):
            torch.manual_seed(0)
            model, optimizer = made(**{**options, "dropout": 0.0})
            model.to(device)
            some = [part.to(device) for part in data]
            losses.append(torch.stack([step(model, optimizer, some, number) for number in range(9)]).cpu())
        with warnings.catch_warnings(record=True) as heard, torch.profiler.profile() as profile, waits_are_heard():
            step(model, optimizer, some, 9)
        waits = sum("synchroniz" in str(warning.message) for warning in heard)
        kernels = sum(event.count for event in profile.key_averages() if "LaunchKernel" in event.key)
        apart = ((losses[0] - losses[1]).abs() / losses[0].abs()).max().item()
        print(f"{apart:.0e} apart, {kernels} launches, {waits} waits: {options}")
        far += [options] * (not apart < 1e-3)
    assert not far, far


@contextlib.contextmanager
def waits_are_heard():
    warnings.simplefilter("always")
    if not DRY:
        torch.cuda.set_sync_debug_mode("warn")
    yield
    if not DRY:
        torch.cuda.set_sync_debug_mode("default")


def twice():
    """One trial twice: the same digits; and how far a CPU's are."""
    for settings in ({"dropout": 0.25, "noise": 0.1, "batch_norm": True}, *([] if DRY else [{}])):
        one, other, on_cpu = trial(**settings), trial(**settings), trial(accelerator="cpu", **settings)
        losses = [result.history["train_loss"][-1] for result in (one, other, on_cpu)]
        print(f"{settings}: {losses}, {one.notes}")
        assert (one.history, one.test) == (other.history, other.test)


def resumed(name, precision="32-true"):
    """A trial that is stopped goes on to the same digits."""
    sweep(name, "check", "--check", "--precision", precision)


# What the device draws, then a scaler.
resume = partial(resumed, "dropout")
resume_noise = partial(resumed, "noise", "bf16-mixed")
resume_16 = partial(resumed, "batch_size", "bf16-mixed" if DRY else "16-mixed")


def broken():
    """A trial that leaves its process unfit, and one that runs out of memory: the next one is trained."""
    made_by = "parts:build_breaking"
    of = Sweep("broken", TinyConfig(max_epochs=1), {"width": [1, 2, 4]}, build=made_by)
    with tempfile.TemporaryDirectory() as folder:
        workers = Workers(made_by, Runtime(folder, accelerator=ACCELERATOR), 1)
        results = Sweeper(workers, ResultStore(Path(folder))).run(of, of.trials()).ordered
    for result in results:
        print(result.status, result.reason.strip().rpartition("\n")[2][:150])
    assert [result.status for result in results] == ["failed", "failed", "completed"]


def build_breaking(config):
    """Of broken's trials: the first asks for an example that is not there, the second for too much memory."""

    def break_down(trainer, module):
        if config.width == 1:
            torch.zeros(3, device=module.device)[torch.full((2,), 7, device=module.device)].sum().item()
        if config.width == 2:
            torch.empty(2**46, device=module.device)

    module, data, _ = toy.build(config)
    return module, data, [toy.AtEpoch(1, break_down)]


def overhead():
    """Milliseconds an epoch of Trainer.fit, and of a trial."""
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}

    def fit(size, epochs):
        trainer = L.Trainer(max_epochs=epochs, accelerator=ACCELERATOR, devices=1, enable_checkpointing=False, **quiet)
        trainer.fit(MLPClassifier(hidden_sizes=[WIDTH] * 3), MNISTDataModule(batch_size=size, as_bytes=True))

    def whole(size, epochs):
        trial(batch_size=size, max_epochs=epochs)

    few, many = (1, 2) if DRY else (5, 20)
    for size in (30_000,) if DRY else (30_000, 2_000):
        for run in (fit, whole):
            _, first, second = (timed(run, size, epochs) for epochs in (1, few, many))  # the first one warms up
            print(f"batch {size}, {run.__name__}: {1e3 * (second - first) / (many - few):.2f} ms an epoch")


def jobs():
    """Eight trials side by side, by the number of jobs."""
    for count in (1,) if DRY else (1, 4, 8):
        options = ("--jobs", str(count), "--max_epochs", "20")
        sweep("batch_size", f"jobs{count}", "--grid.batch_size", *SIZES, *options)


def grids():
    """The seven grids, 37 trials; the goal is a minute."""
    sweep("", "grids", "--protocol", "article", "--jobs", "8", "--only", *GRIDS[: 1 if DRY else 7])


def graph():
    """A step launch by launch, and as one CUDA graph: what its launches cost."""
    model, optimizer = made()
    model.to(DEVICE)
    some, number = [part.to(DEVICE) for part in batch("cpu")], 3 if DRY else 200

    def launched():
        for index in range(1, 1 + number):
            step(model, optimizer, some, index)

    launched()
    print(f"launch by launch: {1e3 * timed(launched) / number:.3f} ms")
    if not DRY:
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            step(model, optimizer, some, 1)
        print(f"as a graph: {1e3 * timed(lambda: [captured.replay() for _ in range(number)]) / number:.3f} ms")


def step(model, optimizer, some, number):
    optimizer.zero_grad()
    loss = model.training_step(some, number)
    loss.backward()
    optimizer.step()
    return loss.detach()


def trial(accelerator=ACCELERATOR, **settings):
    """The result of one of the article's trials."""
    config = TrialConfig(**{"max_epochs": 2, "n_nodes": WIDTH, **settings})
    with tempfile.TemporaryDirectory() as folder:
        result = run_trial(Trial("gpu", config, {}, "trial"), build, Runtime(folder, accelerator=accelerator))
    assert result.status == "completed", result.reason
    return result


def sweep(name, folder, *options):
    """Run a sweep's command, or the study's; a dry one in small and in this process, whose imports are done."""
    module = f"sweeps.{name}" if name else "sweeps"
    options = [*options, "--accelerator", ACCELERATOR, "--log_dir", str(Path(os.environ["WORK"], folder))]
    if not DRY:
        seconds = timed(lambda: subprocess.run([sys.executable, "-m", module, *options], check=True))
        print(f"{seconds:.1f} s from prompt to prompt")
        return
    sys.argv = [module, *options, "--jobs", "0", "--max_epochs", "2", *(() if not name else ("--base.n_nodes", "8"))]
    status = 0
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as end:
        status = end.code
    assert not status, status


def timed(run, *arguments):
    """The seconds until the device has done what run gives it to do."""
    clock = time.perf_counter()
    run(*arguments)
    if not DRY:
        torch.cuda.synchronize()
    return time.perf_counter() - clock
