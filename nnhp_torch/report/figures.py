"""The sweep's figure: results become series, series become a drawing."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnhp_torch.core.files import replacing
from nnhp_torch.core.objective import Objective
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.summary import Cell, twin, winner
from nnhp_torch.report.look import BLUE, DPI, ORANGE, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnhp_torch.core.plan import Plan

Array = npt.NDArray[np.float64]

TRAIN = {"color": ORANGE, "linestyle": (0, (4, 1.5))}
VALIDATION = {"color": BLUE, "linestyle": "-"}
TITLE = 46  # characters that fit over a panel; longer ones take two lines


@dataclass(frozen=True)
class Series:
    """A metric after each epoch, each of shape (epochs,): mean over the seeds, and one standard deviation aside."""

    mean: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Panel:
    """What one subplot shows."""

    title: str
    curves: Mapping[str, Series]  # name in the legend → curve
    best: bool


def series(cell: Cell, metric: str) -> Series:
    """The metric's curve over a cell's seeds; shorter runs (early stopping) count as far as they go."""
    curves = [curve for result in cell.results if (curve := result.curve(metric))]
    if not curves:
        return Series(*(np.full(0, math.nan),) * 3)
    table = np.full((len(curves), max(map(len, curves))), math.nan)  # (seeds, epochs)
    for row, curve in zip(table, curves, strict=True):
        row[: len(curve)] = curve
    count = np.sum(np.isfinite(table), axis=0)
    seen = np.where(np.isfinite(table), table, 0.0)
    mean = np.divide(seen.sum(axis=0), count, out=np.full(len(count), math.nan), where=count > 0)
    square = np.where(np.isfinite(table), (table - mean) ** 2, 0.0).sum(axis=0)
    spread = np.sqrt(np.divide(square, count - 1, out=np.zeros(len(count)), where=count > 1))
    return Series(mean, mean - spread, mean + spread)


def panels(outcome: Outcome, gathered: Sequence[Cell]) -> list[Panel]:
    """A panel per cell; the title is the article's: the swept values, and the accuracy of the final weights."""
    monitor = outcome.sweep.monitor
    shown = _curves(outcome.sweep, gathered)
    short = monitor.replace("accuracy", "acc")
    best = winner(outcome.sweep, gathered)
    made = []
    for cell in gathered:
        troubles = ", ".join(f"{n} {what}" if cell.trials > 1 else what for what, n in cell.troubles.items())
        value = f"{short}={cell.text(monitor)}" if cell.completed else ""
        title = "  ".join(filter(None, [cell.label, value, f"({troubles})" if troubles else ""]))
        made.append(Panel(title, {name: series(cell, metric) for name, metric in shown.items()}, cell is best))
    return made


def _curves(sweep: Plan, gathered: Sequence[Cell]) -> dict[str, str]:
    """Name in the legend → metric: the monitored one, and before it the same over the training data, if logged."""
    objective = sweep.objective
    names = {"train": "train", "val": "validation", "test": "test", None: objective.metric}
    train = twin(sweep, "train", gathered)
    return ({"train": train} if train else {}) | {names[objective.split]: objective.metric}


def draw(outcome: Outcome, gathered: Sequence[Cell]) -> Figure:
    """One subplot per cell with shared axes, training and validation per epoch, the best cell's title in bold."""
    from matplotlib.figure import Figure

    shown = panels(outcome, gathered)
    rows, columns = _shape([len(values) for values in outcome.sweep.axes.values()], len(shown))
    figure = Figure(figsize=(1.0 + 3.9 * columns, 1.3 + 2.65 * rows), dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    if any(len(panel.title) > TITLE for panel in shown):
        shown = [replace(panel, title=panel.title.replace("  ", "\n")) for panel in shown]
    metric = outcome.sweep.objective.name
    if (limits := _limits(shown, outcome.sweep.objective)) is not None:
        grid.flat[0].set_ylim(*limits)
    longest = max((len(curve.mean) for panel in shown for curve in panel.curves.values()), default=1)
    grid.flat[0].set_xlim(0.5 if longest < 10 else 0, max(longest, 1) + 0.5)
    grid.flat[0].xaxis.get_major_locator().set_params(integer=True)
    for index, axes in enumerate(grid.flat):  # the limits stand: else each curve would measure all panels anew
        if index >= len(shown):
            axes.remove()
            continue
        _draw_panel(axes, shown[index])
        if index % columns == 0:
            axes.set_ylabel(metric)
        if index + columns >= len(shown):
            axes.set_xlabel("epoch")
            axes.xaxis.set_tick_params(labelbottom=True)
    most = max(gathered, key=lambda cell: cell.trials, default=None)
    spread = f", mean ± standard deviation of {most.repeated}" if most and most.trials > 1 else ""
    figure.suptitle(f"{outcome.sweep.name.replace('_', ' ')}: {metric} per epoch{spread}", fontsize=13)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _shape(axes: Sequence[int], count: int) -> tuple[int, int]:
    """Two axes keep their own shape, first axis downwards; one axis is laid out near a square."""
    if len(axes) == 2 and axes[1] <= 5:
        return axes[0], axes[1]
    columns = min(4, math.ceil(math.sqrt(count)))
    return math.ceil(count / columns), columns


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for name, curve in panel.curves.items():
        if not len(curve.mean):
            continue
        style = TRAIN if name == "train" else VALIDATION
        epochs = np.arange(1, len(curve.mean) + 1)
        marker = "o" if len(epochs) < 10 else None
        axes.plot(epochs, curve.mean, label=name, linewidth=1.6, marker=marker, markersize=3.5, **style)
        if np.any(curve.high > curve.low):
            axes.fill_between(epochs, curve.low, curve.high, color=style["color"], alpha=0.18, linewidth=0)
    axes.set_title(
        panel.title,
        fontsize=10,
        fontweight="bold" if panel.best else "normal",
        color="black" if panel.best else "#333333",
    )
    tidy(axes)


def _limits(shown: Sequence[Panel], objective: Objective) -> tuple[float, float] | None:
    """Axis limits shared by all panels: the first tenth of training, far from the rest, may leave the frame."""
    late = [curve.mean[len(curve.mean) // 10 :] for panel in shown for curve in panel.curves.values()]
    values = np.concatenate(late) if late else np.zeros(0)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    scores = objective.sign * values
    low, high = sorted(objective.sign * score for score in (np.quantile(scores, 0.02), scores.max()))
    margin = max(0.06 * (high - low), 0.002)
    return float(low - margin), float(high + margin)


@contextmanager
def plain_text() -> Iterator[None]:
    """Draws a label's dollar signs as such, and what the font lacks as a box without a word about it."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG of 256 colours, a third of the size, and replaces the old one in one step."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # once: savefig draws all of it twice, to lay the panels out
    drawn = Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()))
    with replacing(path) as replacement:
        drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(replacement, "png", optimize=True)
