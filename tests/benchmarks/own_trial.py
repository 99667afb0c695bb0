"""This project's own trial, as its workers run it."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import torch
from timing import Timing

from nnhp_torch.article.config import TrialConfig
from nnhp_torch.article.experiment import build
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.process import quiet_lightning
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.trial.run_trial import run_trial


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
