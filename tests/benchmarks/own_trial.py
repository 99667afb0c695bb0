"""This project's own trial, as its workers run it."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
import psutil
import torch
import toy
from lightning.pytorch.loggers import TensorBoardLogger
from timing import Timing
from torch.utils.data import DataLoader, TensorDataset

from nnhp_torch.article.config import TrialConfig
from nnhp_torch.article.experiment import build
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.process import quiet_lightning
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.setup import setup_of
from nnhp_torch.run.trial.hardware import prefer_onednn
from nnhp_torch.run.trial.run_trial import run_trial

QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}


def start(threads: int = 1) -> None:
    """Do what a worker does before its first trial."""
    torch.set_num_threads(threads)
    quiet_lightning()


def run(config: TrialConfig, precision: str = "32-true") -> Timing:
    """One trial with all of its logging and checkpoints."""
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        clock = time.perf_counter()
        result = run_trial(
            Trial("benchmark", config, {}, "trial", precision),
            build,
            Runtime(folder, accelerator="cpu"),
            on_epoch=lambda *_: ends.append(time.perf_counter() - clock),
        )
    if not result.settled:
        raise RuntimeError(result.reason)
    return Timing(ends, result.fit_seconds)


class _Ends(L.Callback):
    def __init__(self) -> None:
        self.start, self.ends = time.perf_counter(), []

    def on_train_epoch_end(self, *_: Any) -> None:
        self.ends.append(time.perf_counter() - self.start)


def without_sweeper(config: TrialConfig, precision: str = "32-true") -> Timing:
    """The same module, data and callbacks in a Trainer of Lightning's, with a logger and nothing of the sweeper's."""
    setup = setup_of(build(config))
    with tempfile.TemporaryDirectory() as folder:
        ends = _Ends()
        trainer = L.Trainer(
            max_epochs=config.max_epochs,
            accelerator="cpu",
            precision=precision,
            logger=TensorBoardLogger(folder),
            callbacks=[*setup.callbacks, ends],
            log_every_n_steps=10**9,
            num_sanity_val_steps=0,
            **QUIET,
        )
        prefer_onednn()
        trainer.fit(setup.module, setup.datamodule)
        return Timing(ends.ends, time.perf_counter() - ends.start)


@dataclasses.dataclass(frozen=True)
class Small:
    """A trial whose arithmetic is next to nothing."""

    steps: int = 4
    seed: int = 123
    max_epochs: int = 3


def build_small(config: Small) -> Any:
    x = torch.zeros(16 * config.steps, 3)
    loader = DataLoader(TensorDataset(x, x[:, 0].long()), batch_size=16)
    return toy.Toy(0.01, 4), (loader, loader, loader)


def host(steps: int, epochs: int, plain: bool = False) -> float:
    """CPU seconds an epoch of so many steps in a trial, or in Trainer.fit with a logger; not what happens once."""

    def spent(epochs: int) -> float:
        config = Small(steps, max_epochs=epochs)
        clock = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            if not plain:
                run_trial(Trial("host", config, {}, "trial"), build_small, Runtime(folder, accelerator="cpu"))
                return time.process_time() - clock
            logger = TensorBoardLogger(folder)
            trainer = L.Trainer(max_epochs=epochs, accelerator="cpu", logger=logger, log_every_n_steps=10**9, **QUIET)
            trainer.fit(*build_small(config)[:1], *build_small(config)[1][:2])
        return time.process_time() - clock

    return (spent(epochs) - spent(1)) / (epochs - 1)


def memory(config: TrialConfig, trials: int) -> tuple[list[float], list[float]]:
    """Megabytes of this process after each of so many trials, and how far above its start each trial went."""
    after, above = [], []
    for _ in range(trials):
        before = _resident()
        with suppress(OSError):  # only Linux tells the highest point, and since when
            Path("/proc/self/clear_refs").write_text("5")
        run(config)
        with suppress(OSError):
            above.append(_highest() - before)
        after.append(_resident())
    return after, above


def _resident() -> float:
    return float(psutil.Process().memory_info().rss) / 1e6


def _highest() -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6
