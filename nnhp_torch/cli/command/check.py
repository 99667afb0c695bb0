"""`--check`: whether a trial that is stopped and resumed comes to the digits of one that is not, on this machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.text import Text

from nnhp_torch.cli import exit_status
from nnhp_torch.cli.command.sweep import Command
from nnhp_torch.core.errors import SweepError, WrongUsage
from nnhp_torch.core.interfaces import Launch, Listener
from nnhp_torch.core.ledger.checkpoints import LAST, checkpoint_folder
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.base import SweepBase, change
from nnhp_torch.core.spec.objective import Metric
from nnhp_torch.core.spec.provenance import name_of
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.report.words.phrases import count
from nnhp_torch.run.launch.request import Request

EPOCHS = 3  # at least; else as many as the trial has, because it may change in any of them


def check(kind: Callable[..., Command], sweep: SweepBase, request: Request, *, command: str) -> int:
    """Train the first cell twice, once stopped and resumed, and say whether the digits are the same.

    Nothing is written into the sweep's folder.

    Args:
        kind: what runs the sweep: Command, or what a search has.

    Returns:
        The exit status: 0 if they are, 1 if they are not or the trial fails, 130 after Ctrl-C.

    Raises:
        ValueError: the trial cannot be trained for three epochs, or not on this machine.
    """
    if request.launcher != "local":
        raise ValueError(f"--check is made on this machine: leave out --launcher {request.launcher}")
    with TemporaryDirectory(prefix="nnhp-check-") as folder:
        run = kind(sweep, replace(request, log_dir=folder, jobs=min(request.workers, 1)), command)
        run.runtime = replace(run.runtime, each_epoch=True)  # it is to go on from where it was stopped
        trial = _first(run)
        epochs = f"all {trial.config.max_epochs} epochs of {trial.label or 'the base'}"
        run.out.print(
            f"Trains {epochs} twice: at once, and stopped after the first, half of them and the last but one."
        )
        try:
            equal, words = _compare(run.launch(), trial, run.store.folder)
        except WrongUsage as error:
            raise ValueError(str(error)) from error
        except SweepError as error:
            equal, words = False, str(error)
        except KeyboardInterrupt:
            return exit_status.stopped()
    run.out.print(Text(words), soft_wrap=True)
    return exit_status.DONE if equal else exit_status.FAILED


def _first(run: Command) -> Trial:
    """Return the sweep's first trial, or a search's base."""
    request, sweep = run.request, run.sweep
    seeded = change(sweep.base, {"seed": request.each_seed(sweep)[0]})
    base = Trial(
        sweep=sweep.name,
        config=seeded,
        cell={},
        precision=request.full_precision,
        threads=request.threads,
        build=name_of(sweep.build),
    )
    trial = next(iter(run.trials), base)
    return replace(trial, config=change(trial.config, {"max_epochs": max(EPOCHS, trial.config.max_epochs)}))


def _compare(launch: Launch, trial: Trial, folder: Path) -> tuple[bool, str]:
    """Whether the digits are the same, and the answer in words."""
    folder.mkdir()
    whole, stopped = replace(trial, name="whole"), replace(trial, name="stopped")
    uninterrupted = resumed = OneTrial().listen(launch, whole)
    assert uninterrupted is not None
    last = uninterrupted.epochs
    for end in (*sorted({1, last // 2, last - 1} - {0}), None) if uninterrupted.status != "failed" else ():
        resumed = OneTrial(end=end).listen(launch, stopped)
    assert resumed is not None
    if resumed.status == "failed":
        return False, f"The trial failed: {resumed.error}"
    notes = "".join(f"\nIts note: {note}" for note in resumed.notes)
    if any(note.startswith("started over") for note in resumed.notes):
        return False, f"Cannot be compared: the trial did not go on, it began anew.{notes}"
    if found := departure(uninterrupted, resumed):
        return False, f"{found}{notes}"
    if different := _different_weights(*(checkpoint_folder(folder, one.name) / LAST for one in (whole, stopped))):
        return False, f"Resumed differs from uninterrupted: not in its metrics' 7 digits, but in {different}.{notes}"
    metrics = count(len(uninterrupted.history) + len(uninterrupted.test), "metric")
    return True, f"Resumed equals uninterrupted: {metrics} to all 7 digits, the weights to the last bit.{notes}"


def departure(uninterrupted: TrialResult, resumed: TrialResult) -> str:
    """Say which metric departs first, when, and to how many digits the two agree; empty if none does."""
    for number, (place, one, other) in enumerate(_places(uninterrupted, resumed), 1):
        # Those of training first: they are measured before an epoch's validation.
        for name in sorted({**one, **other}, key=lambda name: Metric(name).split != "train"):
            a, b = one.get(name, math.nan), other.get(name, math.nan)
            if a != b and not (math.isnan(a) and math.isnan(b)):
                where = f"{name} departs first, {place}: {a} and {b} resumed ({_digits(a, b)} digits agree)."
                if number == 1:
                    return f"Two trainings with the same seed differ before any stop: {where}"
                return f"Resumed differs from uninterrupted: {where}"
    return ""


def _places(*results: TrialResult) -> Iterator[tuple[str, Mapping[str, float], Mapping[str, float]]]:
    """Yield the metrics of both, epoch by epoch and of the test."""
    for epoch in range(max(result.epochs for result in results)):
        one, other = ({n: curve[epoch] for n, curve in r.history.items() if epoch < len(curve)} for r in results)
        yield f"in epoch {epoch + 1}", one, other
    yield "in the test", results[0].test, results[1].test


def _digits(a: float, b: float) -> int:
    """Return how many significant digits of two numbers agree."""
    largest = max(abs(a), abs(b))
    return max(0, math.floor(-math.log10(abs(a - b) / largest))) if math.isfinite(a - b) else 0


def _different_weights(*checkpoints: Path) -> str:
    """Return the first of the weights that are not the same in two checkpoints; empty if there is none."""
    import torch

    one, other = (torch.load(path, map_location="cpu", weights_only=True)["state_dict"] for path in checkpoints)
    bits = ({name: w.contiguous().flatten().view(torch.uint8) for name, w in of.items()} for of in (one, other))
    one, other = bits
    return next((name for name in one if not torch.equal(one[name], other[name])), "")


class Enough(BaseException):
    """Ends a launcher as abruptly as a kill: its workers, or the trial in this process."""


class OneTrial(Listener):
    """Listens to a single trial.

    Args:
        end: the epoch (from 1) after which it is killed. Default: never.
    """

    def __init__(self, end: int | None = None) -> None:
        self.end = end
        self.metrics: set[str] = set()
        self.result: TrialResult | None = None

    def listen(self, launch: Launch, trial: Trial) -> TrialResult | None:
        """Run the trial, until its end or its kill; return its result if it has one."""
        with suppress(Enough):
            launch(iter([trial]), self)
        return self.result

    def started(self, trial: Trial) -> None:
        """It is the only one."""

    def epoch_ended(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        self.metrics |= set(metrics)
        if epoch == self.end:
            raise Enough

    def ended(self, trial: Trial, result: TrialResult) -> None:
        self.metrics |= set(result.history)
        self.result = result

    def stopping(self) -> bool:
        return False
