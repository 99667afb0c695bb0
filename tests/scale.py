"""Measure what a sweep of very many trials costs beside the training: `python tests/scale.py`, some minutes.

Trials of one tiny epoch, so that nearly all of their time is the sweeper's, Lightning's and the disk's.
"""

from __future__ import annotations

import dataclasses
import io
import os
import secrets
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from conftest import TinyConfig, completed
from rich.console import Console

from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.csv import TablesReport
from nnhp_torch.report.figure import whole
from nnhp_torch.report.figure.callback import save
from nnhp_torch.report.page.callback import PageReport, write
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.terminal.progress import ProgressReport
from nnhp_torch.report.terminal.table import TableReport
from nnhp_torch.run.checkpoint_tidying import CheckpointTidying
from nnhp_torch.run.launch.workers import Workers
from nnhp_torch.run.runtime import Runtime

EPOCHS = 80


def sweep_of(trials: int) -> Sweep:
    rates = [round(1e-5 * i, 5) for i in range(1, trials + 1)]
    return Sweep("scale", TinyConfig(max_epochs=1), {"lr": rates}, build="toy:build")


def callbacks(store: ResultStore, terminal: bool) -> list:
    """All that the command line has but the figure."""
    out = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    folder = store.folder
    table = TableReport(out, store, "scale")
    return [ProgressReport(out), CheckpointTidying(folder), table, TablesReport(folder), PageReport(folder, "scale")]


class Times(SweepCallback):
    """Notes when each trial has ended."""

    def __init__(self, ends: list[float]) -> None:
        self.ends = ends

    def on_trial_end(self, trial: Trial, result: TrialResult) -> None:
        self.ends.append(time.perf_counter())


class AtOnce:
    """Trials that take no time: what is left is the driver."""

    def __call__(self, trials, listener):
        for trial in trials:
            listener.started(trial)
            result = completed(trial)
            long = {name: [values[-1]] * EPOCHS for name, values in result.history.items()}
            listener.epoch_ended(trial, 1, {"val_accuracy": 0.5})
            listener.ended(trial, dataclasses.replace(result, history=long))


def timed(what: str, action):
    start = time.perf_counter()
    found = action()
    print(f"{what:<66}{time.perf_counter() - start:9.2f} s", flush=True)
    return found


def local(folder: Path, trials: int, jobs: int) -> None:
    store = ResultStore(folder)
    store.folder.mkdir(parents=True)
    sweep = sweep_of(trials)
    starts: list[float] = []
    sweeper = Sweeper(
        Workers(sweep.build, Runtime(str(folder), accelerator="cpu"), jobs), store, callbacks(store, False)
    )
    sweeper.callbacks.append(Times(starts))
    timed(f"{trials} trials of one tiny epoch, {jobs} workers", lambda: sweeper.run(sweep, sweep.trials()))
    print(f"    {(len(starts) - 21) / (starts[-1] - starts[20]):.1f} trials a second once warm")


def driver(folder: Path, trials: int, terminal: bool) -> Outcome:
    store = ResultStore(folder)
    sweep = timed(f"{trials} trials: the list of them", lambda: sweep_of(trials))
    where = "with a progress bar" if terminal else "without a terminal"
    sweeper = Sweeper(AtOnce(), store, callbacks(store, terminal))
    listed = sweep.trials()
    outcome = timed(f"    the driver alone, {where}", lambda: sweeper.run(sweep, listed))
    timed(f"    reading the ledger ({store.path.stat().st_size / 2**20:.0f} MiB)", store.results)
    timed("    the same command again", lambda: Sweeper(AtOnce(), store, callbacks(store, False)).run(sweep, listed))
    return outcome


def cluster(folder: Path, trials: int) -> None:
    """The same trials as tasks of a Ray that is started on this machine."""
    import ray

    from nnhp_torch.run.launch.on_ray.tasks import RayTasks

    store = ResultStore(folder)
    sweep = sweep_of(trials)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # Ray would leave one in the home folder
    ray.init(num_cpus=2, object_store_memory=100 * 2**20, include_dashboard=False, log_to_driver=False)
    launch = RayTasks(sweep.build, Runtime(str(folder), accelerator="cpu"))
    timed(f"{trials} trials on Ray, 2 CPUs", lambda: Sweeper(launch, store).run(sweep, sweep.trials()))
    ray.shutdown()


def study(folder: Path, trials: int) -> None:
    from nnhp_torch.search.chooser import OptunaChooser
    from nnhp_torch.search.space import Range, Search

    for made in (trials // 2, trials):
        store = ResultStore(folder / str(made))
        search = Search("scale", TinyConfig(max_epochs=1), {"lr": Range(1e-5, 1.0, log=True)}, build="toy:build")
        chooser = OptunaChooser(search, store.folder, made)
        launch = Sweeper(AtOnce(), store)
        timed(
            f"{made} trials chosen by TPE, one epoch each",
            lambda s=search, c=chooser, d=launch: d.run(s, [], chooser=c),
        )


def seen(folder: Path, outcome: Outcome) -> None:
    """Page and figure of a sweep with one cell per trial."""
    count, page, figure = len(outcome.trials), folder / "report.html", folder / "figure.png"
    timed(f"the page of {count} cells", lambda: write(page, Part(outcome)))
    timed("    their figure", lambda: save(whole.draw(outcome.summary), figure))
    print(f"    {page.stat().st_size / 1000:.0f} and {figure.stat().st_size / 1000:.0f} kB")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for jobs in (1, 2):
            local(root / f"local{jobs}", 200, jobs)
        for trials in (1_000, 10_000):
            outcome = driver(root / f"driver{trials}", trials, terminal=False)
        driver(root / "terminal", 10_000, terminal=True)
        if find_spec("optuna"):
            study(root / "study", 400)
        if find_spec("ray"):
            cluster(root / "ray", 200)
        for count in (200, 300, 1_000, 10_000):
            seen(root, dataclasses.replace(outcome, trials=outcome.trials[:count]))


if __name__ == "__main__":
    sys.exit(main())
