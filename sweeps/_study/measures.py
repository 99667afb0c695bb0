"""What the article's claims are about, as a number of each run: falls, epochs to a level, a distance, a share."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.report.ends import End, colours, values_of
from nnhp_torch.report.page.html.markup import Html
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.tables import strips
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.plotting.curves import epochs_to
from sweeps._study.answers import FALL, SETTLED, falls_of, noise_of, training_accuracy
from sweeps._study.claims import GRADIENTS, OVERFITS, TRAINED
from sweeps._study.speed import REACHED

NEVER = math.inf  # of a level that a run has not reached


@dataclass(frozen=True)
class Measure:
    """A number that a claim is about.

    Args:
        name: a picture's title. note: how it is taken, a sentence.
        of: it, of a run; of the sweep's cells it is known what their ledgers have.
        unit: behind a number, with the space before it. digits: behind its point.
        of_epochs: whether it is a number of epochs: a training has no more than it has.
        ledger: the folder of a ledger that backs the sweep, if it is measured there.
    """

    name: str
    note: str
    of: Callable[[TrialResult, list[Cell]], float]
    unit: str = ""
    digits: int = 1
    of_epochs: bool = False
    ledger: Path | None = None

    def said(self, values: list[float]) -> str:
        """Return the mean of a cell's runs, and how many of them have none."""
        finite = [value for value in values if math.isfinite(value)]
        if not finite:
            return "never"
        mean = f"{statistics.fmean(finite):.{self.digits}f}{self.unit}"
        return mean if len(finite) == len(values) else f"{mean} in {len(finite)} of {len(values)} runs, else never"


def _speed(metric: str, of_what: str) -> Measure:
    def epochs(result: TrialResult, _: list[Cell]) -> float:
        needed = epochs_to(result.curve(metric), REACHED)
        return NEVER if needed > result.epochs else float(needed)

    note = f"The first epoch with {of_what} accuracy of {REACHED:.0%}. A square: a run without one; its row has no bar."
    return Measure(f"Epochs to {REACHED:.0%} {of_what} accuracy", note, epochs, " epochs", of_epochs=True)


OVERFITTING = Measure(
    "Overfitting: training minus validation accuracy",
    "In points, in the end: what a network knows of its training images and of no others.",
    lambda result, cells: 100 * (result.final(training_accuracy(cells)) - result.final("val_accuracy")),
    " points",
    2,
)
FALLS = Measure(
    "How often validation accuracy falls",
    f"Epochs after epoch {SETTLED} in which it falls by more than {100 * FALL:.1f} points.",
    lambda result, _: falls_of(result),
    " falls",
)
MEASURES: Mapping[str, Sequence[Measure]] = {
    "optimizer": [FALLS],
    "batch_size": [
        Measure(
            "How noisy the gradient of a batch is",
            "How far it is from that of all images, in percent of its length, with the weights that all begin with.",
            lambda result, _: 100 * noise_of(result),
            "%",
            0,
            ledger=GRADIENTS,
        ),
        OVERFITTING,
    ],
    "learning_rate": [FALLS],
    "momentum": [_speed("val_accuracy", "validation")],
    "batch_norm": [_speed("train_accuracy", "training"), _speed("val_accuracy", "validation")],
    "activity_regularization": [
        Measure(
            "How sparse the activity is",
            "The share of the hidden units' outputs that are exactly zero, over the validation images.",
            lambda result, _: 100 * result.final("val_sparsity"),
            "%",
            0,
        )
    ],
    "dropout": [
        replace(OVERFITTING, ledger=TRAINED),
        replace(
            OVERFITTING,
            name="The same at lr=0.01 and momentum=0.9",
            note="There a network without dropout overfits.",
            ledger=OVERFITS,
        ),
    ],
    "noise": [OVERFITTING],
    "label_smoothing": [OVERFITTING],
}


def measured(part: Part, measure: Measure, like: Part) -> Html:
    """Draw what a claim is about: a row a cell, a ring a run; in the colours of a sweep as far as it has the cell."""
    cells = part.summary.cells
    known = dict(zip((cell.label for cell in like.shown), like.colours, strict=True))
    ends = []
    for cell, other in zip(cells, colours(part.summary, cells), strict=True):
        colour = known.get(cell.label, other)
        values = [(cell.repeat(result), measure.of(result, cells)) for result in cell.completed]
        said = cell.trouble or measure.said([value for _, value in values])
        ends.append(End(cell, values_of(cell), colour, values, None, said))
    finite = [value for end in ends for _, value in end.values if math.isfinite(value)]
    most = max((r.epochs for cell in cells for r in cell.completed), default=1) if measure.of_epochs else 0
    low, high = min([0.0, *finite]), max([0.0, most, *finite]) or 1.0
    room = 0.04 * (high - low)
    axis = Axis(measure.name, low - room, high + room)
    return strips(measure.name, measure.note, ends, axis, part)
