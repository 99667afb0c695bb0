"""The charts of a page: curves along epochs, training beside validation, what one axis reaches, all axes at once."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnhp_torch.report.page.html.markup import Html, join, tag
from nnhp_torch.report.page.svg import SIZE, below, dots, drawing, path, turned, whole_ticks
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.plotting.curves import apart, median_curve
from nnhp_torch.report.words.phrases import count

POINTS = 60_000  # of all curves of a page together, which take some six bytes each
DENSEST = 40  # cells with lines that are drawn at full strength
NEAR, DASH = 6.0, 7  # how close two lines are the same to the eye; the dashes of the upper one, in pixels
SPOKEN = 12  # curves that a screen reader is told of; of more the best

Tick = tuple[float, str]  # where a number stands, from 0 to 1, and what is written there


@dataclass(frozen=True)
class Curves:
    """The curves of one cell.

    Args:
        runs: the number of each trial's seed, and its metric after each epoch.
        colour: the class of its lines; name: what people call it; named: whether that stands at its line's end.
        kept: the epochs (from 1) that its trials went back to, and what their weights reach: a ring each.
        paces: another unit → how many of it an epoch takes; the sheet stretches the lines from one to another.
    """

    runs: Sequence[tuple[int, Sequence[float]]]
    colour: str
    name: str = ""
    named: bool = False
    kept: Sequence[tuple[int, float]] = ()
    paces: Mapping[str, float] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """Those of the longest run."""
        return max((len(curve) for _, curve in self.runs), default=0)


def curves(cells: Sequence[Curves], axis: Axis) -> Html:
    """Draw a metric per epoch: a thin line per seed, a thick one for their median, a square where a run stopped."""
    epochs = max((cell.epochs for cell in cells), default=0) or 1
    most = max(8, POINTS // max(1, sum(len(cell.runs) + 1 for cell in cells)))
    units = list(cells[0].paces) if cells else []
    budgets = {unit: min(cell.paces[unit] * cell.epochs for cell in cells if cell.epochs) for unit in units}
    lines, ends = [], []
    middles = [_points(median_curve([curve for _, curve in cell.runs]), axis, epochs, most=most) for cell in cells]
    for number, (cell, middle) in enumerate(zip(cells, middles, strict=True)):
        dashes = _dashes(number, middles) if len(cells) <= SPOKEN else None
        parts, last = _lines(cell, axis, epochs, most=most, middle=middle, dashes=dashes)
        widths = ";".join(f"--{unit}:{cell.paces[unit] * epochs / budgets[unit]:.4g}" for unit in units)
        names = {"data_cell": number, "data_name": cell.name or None, "style": widths or None}
        lines.append(tag("g", *parts, class_=f"curve {cell.colour}", **names))
        ends += [(last, number)] if cell.named and last is not None else []
    ends.sort()
    labels = [
        tag(
            "span", cells[number].name, class_=f"end {cells[number].colour}", data_cell=number, style=f"--y:{place:.2%}"
        )
        for place, (_, number) in zip(apart([place for place, _ in ends], 0.052), ends, strict=True)
    ]
    grid, numbers = _across(axis, 9)
    for unit, end in {"epochs": float(epochs), **budgets}.items():
        numbers += below(whole_ticks(end), f"x {unit}")
        numbers.append(tag("span", unit, class_=f"unit {unit}"))
    if axis.guess is not None:
        grid = join(grid, tag("path", d=f"M0 {SIZE * (1 - axis.guess):.0f}h{SIZE}", class_="guessing"))
        labels.append(tag("span", "guessing", class_="guess", style=f"--y:{1 - axis.guess:.2%}"))
    kind = "chart swaps named" if ends else "chart swaps many"
    dense = f"--dense:{max(0.15, min(0.65, DENSEST / max(1, len(cells)))):.2f}"
    letters = f";--letters:{max(len(cells[number].name) for _, number in ends)}" if ends else ""
    scale = f"{axis.low:.6g} {axis.high:.6g} {'log' * axis.log} {'%' * axis.error}"
    told = {"data_scale": scale, "data_epochs": epochs, "style": dense + letters}
    spoken = [cell for cell in cells if len(cells) <= SPOKEN or cell.colour == "best"]
    ends_of = [_spoken(cell.name, median_curve([curve for _, curve in cell.runs]), axis) for cell in spoken]
    medians = " (medians)" if any(len(cell.runs) > 1 for cell in spoken) else ""
    alt = f"{axis.name} along {count(epochs, 'epoch')}{medians}: {'; '.join(ends_of)}"
    return picture(alt, drawing(grid, *lines[::-1]), *numbers, *labels, class_=kind, **told)


def picture(alt: str, *parts: Html, **attributes: Any) -> Html:
    """A chart; a screen reader says a sentence of it instead of the numbers on its axes."""
    told = tag("span", role="img", aria_label=alt)
    return join(told, tag("div", *parts, aria_hidden="true", **attributes))


def _spoken(name: str, curve: Sequence[float], axis: Axis) -> str:
    finite = [value for value in curve if math.isfinite(value)]
    return (
        f"{name} from {axis.text(finite[0], 3)} to {axis.text(finite[-1], 3)}" if finite else f"{name} without values"
    )


def _dashes(number: int, middles: Sequence[Sequence[tuple[float, float]]]) -> str | None:
    """The dashes of a line between which those that it lies on are seen; None if it lies on none."""

    def same(other: Sequence[tuple[float, float]]) -> bool:
        near = [abs(y - of[1]) < NEAR for (_, y), of in zip(middles[number], other, strict=False)]
        return len(other) == len(middles[number]) and sum(near) > 0.9 * len(near)

    above, beneath = sum(map(same, middles[:number])), sum(map(same, middles[number + 1 :]))
    return f"stroke-dasharray:{DASH * (above + 1)} {DASH * beneath};stroke-linecap:butt" if beneath else None


def _lines(
    cell: Curves,
    axis: Axis,
    epochs: int,
    *,
    most: int,
    middle: Sequence[tuple[float, float]],
    dashes: str | None,
) -> tuple[list[Html], float | None]:
    """A cell's lines and marks, and where its median, which goes through `middle`, ends, from 0 at the top."""

    def points(curve: Sequence[float]) -> list[tuple[float, float]]:
        return _points(curve, axis, epochs, most=most)

    several = len(cell.runs) > 1
    parts = [tag("path", d=path(points(curve)), class_="seed", data_seed=n) for n, curve in cell.runs if several]
    parts.append(tag("path", d=path(middle), class_="median", style=dashes))
    stops = [points(curve)[-1:] for _, curve in cell.runs if 0 < len(curve) < epochs or len(curve) == 1]
    if any(stops):
        parts.append(tag("path", d=dots(point for last in stops for point in last), class_="stop"))
    if cell.kept:
        rings = dots((SIZE * epoch / epochs, SIZE * (1 - axis.place(value))) for epoch, value in cell.kept)
        parts += [tag("path", d=rings, class_="kept"), tag("path", d=rings, class_="hole")]
    return parts, middle[-1][1] / SIZE if middle and math.isfinite(middle[-1][1]) else None


def _points(curve: Sequence[float], axis: Axis, epochs: int, *, most: int) -> list[tuple[float, float]]:
    """Where a curve goes through, of so many points at most, the last among them; beyond the axis its line breaks."""
    every = math.ceil(len(curve) / most)
    taken = [*range(0, len(curve) - 1, every), len(curve) - 1] if curve else []
    places = [
        (epoch, axis.place(curve[epoch]) if axis.has(curve[epoch]) else math.nan)
        for epoch in taken
        if math.isfinite(curve[epoch])
    ]
    return [(SIZE * (epoch + 1) / epochs, SIZE * (1 - place)) for epoch, place in places]


def pair(training: Sequence[float], validation: Sequence[float], axis: Axis, *, epochs: int) -> Html:
    """Draw the training of one cell beside its validation, small."""
    both = {"training": training, "validation": validation}
    lines = [
        tag("path", d=path(_points(curve, axis, epochs, most=200)), class_=f"median {name}")
        for name, curve in both.items()
    ]
    grid, numbers = _across(axis, 4)
    numbers += below(whole_ticks(epochs, 4))
    alt = "; ".join(_spoken(name, curve, axis) for name, curve in both.items())
    return picture(f"{axis.name}: {alt}", drawing(grid, *lines), *numbers, class_="chart swaps small")


def response(
    cells: Sequence[tuple[int, float, Sequence[float]]],
    axis: Axis,
    ticks: Sequence[Tick],
    *,
    name: str,
    colours: Sequence[str],
    alt: str,
) -> Html:
    """Draw what is reached along one axis: a dot per trial, and a line through the means.

    Args:
        cells: each one's number, its place from 0 to 1, its trials' values; in the order of their places.
        ticks: the numbers on the axis with their places; name: its own.
        colours: for each cell the class of its dots; alt: the picture in a sentence.
    """
    means = [(SIZE * place, SIZE * (1 - axis.place(statistics.fmean(values)))) for _, place, values in cells]
    spots = [
        _of_cell(number, colour, dots([(SIZE * place, SIZE * (1 - axis.place(v))) for v in values]), "spot")
        for (number, place, values), colour in zip(cells, colours, strict=True)
    ]
    grid, numbers = _across(axis, 7)
    numbers += below(ticks)
    numbers.append(tag("span", name, class_="unit"))
    through = tag("path", d=path(means), class_="through")
    return picture(alt, drawing(grid, through, *spots[::-1]), *numbers, class_="chart swaps")


def parallel(
    rows: Sequence[Sequence[float]],
    axes: Sequence[tuple[str, Sequence[Tick]]],
    colours: Sequence[str],
    *,
    numbers: Sequence[int],
    alt: str,
) -> Html:
    """Draw a line per cell through its place on each of several axes.

    Args:
        rows: for each cell where it stands on each axis, from 0 to 1.
        axes: each one's name, and the numbers on it with their places.
        colours: for each cell the class of its line; numbers: which cell it is; alt: the picture in a sentence.
    """
    step = SIZE / max(1, len(axes) - 1)
    lines = [
        _of_cell(cell, colour, path([(step * i, SIZE * (1 - place)) for i, place in enumerate(row)]), "median")
        for cell, row, colour in zip(numbers, rows, colours, strict=True)
    ]
    bars = tag("path", d="".join(f"M{step * i:.0f} 0v{SIZE}" for i in range(len(axes))), class_="axis")
    texts = []
    for i, (name, places) in enumerate(axes):
        left = f"left:{i / max(1, len(axes) - 1):.2%}"
        texts.append(tag("span", name, class_="axis-name", style=left))
        for n, (at, text) in enumerate(places):  # where they would crowd, every other one goes
            classes = "axis-number less" if n % 2 and len(places) > 2 else "axis-number"
            texts.append(tag("span", text, class_=classes, style=f"{left};--y:{1 - at:.2%}"))
    return picture(alt, drawing(bars, *lines[::-1]), *texts, class_="chart parallel")


def _of_cell(number: int, colour: str, drawn: str, kind: str) -> Html:
    """What a cell has in a chart: its number, by which a script finds it, its colour, a path and that one's class."""
    return tag("g", tag("path", d=drawn, class_=kind), class_=f"curve {colour}", data_cell=number)


def _across(axis: Axis, most: int) -> tuple[Html, list[Html]]:
    """The grid's lines across a chart, and the numbers at its left."""
    ticks = axis.ticks(most)
    grid = tag("path", d="".join(f"M0 {SIZE * (1 - place):.0f}h{SIZE}" for place, _ in ticks), class_="grid")
    numbers = [turned(text, axis, class_="y", style=f"--y:{1 - place:.2%}") for place, text in ticks]
    return grid, numbers
