"""Drawings for a page, by hand: they stretch with their frame while strokes and letters keep their size.

A drawing is a square of SIZE by SIZE units without letters; numbers and names are HTML beside it, placed in percent.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nnhp_torch.report.axis import Axis
from nnhp_torch.report.curves import median_curve
from nnhp_torch.report.page.markup import Html, join, tag

SIZE = 1000
POINTS = 60_000  # of all curves of a page together, which take some six bytes each


def curves(
    cells: Sequence[Sequence[Sequence[float]]],
    axis: Axis,
    names: Sequence[str],
    *,
    looks: Sequence[str],
    paces: Mapping[str, Sequence[float]] | None = None,
    kept: Sequence[Sequence[tuple[int, float]]] = (),
) -> Html:
    """Draw a metric per epoch: a thin line per seed, a thick one for their median, a square where a run stopped early.

    Args:
        cells: for each cell its seeds' curves.
        names: for each cell the name at its line's end; empty: none.
        looks: for each cell the class of its lines.
        kept: for each cell the epochs (from 1) whose weights its runs went back to, and what those reach: a ring each.
        paces: another unit → how many of it an epoch of each cell takes; the sheet stretches lines from one to another.
    """
    epochs = max((len(curve) for seeds in cells for curve in seeds), default=1)
    count = sum(len(seeds) + 1 for seeds in cells)
    most = max(8, POINTS // max(1, count))
    lengths = [max(map(len, seeds), default=0) for seeds in cells]
    budgets = {
        unit: min(pace * length for pace, length in zip(of, lengths, strict=True) if length)
        for unit, of in (paces or {}).items()
    }

    def points(curve: Sequence[float]) -> list[tuple[float, float]]:
        every = math.ceil(len(curve) / most)
        kept = [*range(0, len(curve) - 1, every), len(curve) - 1] if curve else []
        measured = [epoch for epoch in kept if math.isfinite(curve[epoch])]
        return [(SIZE * (epoch + 1) / epochs, SIZE * (1 - axis.place(curve[epoch]))) for epoch in measured]

    lines, ends = [], []
    for cell, (seeds, look) in enumerate(zip(cells, looks, strict=True)):
        parts = [tag("path", d=path(points(curve)), class_="seed") for curve in seeds] if len(seeds) > 1 else []
        middle = points(median_curve(seeds))
        parts.append(tag("path", d=path(middle), class_="median"))
        stops = [points(curve)[-1:] for curve in seeds if 0 < len(curve) < epochs or len(curve) == 1]
        if any(stops):
            parts.append(tag("path", d=dots(point for last in stops for point in last), class_="stop"))
        if kept and kept[cell]:
            rings = dots((SIZE * epoch / epochs, SIZE * (1 - axis.place(value))) for epoch, value in kept[cell])
            parts += [tag("path", d=rings, class_="kept"), tag("path", d=rings, class_="hole")]
        widths = ";".join(f"--{unit}:{of[cell] * epochs / budgets[unit]:.4g}" for unit, of in (paces or {}).items())
        lines.append(tag("g", *parts, class_=f"curve {look}", data_cell=cell, style=widths or None))
        if names[cell] and middle:
            ends.append((middle[-1][1] / SIZE, cell))
    places = apart([place for place, _ in sorted(ends)], 0.052)
    labels = [
        tag("span", names[cell], class_=f"end {looks[cell]}", data_cell=cell, style=f"top:{place:.2%}")
        for place, (_, cell) in zip(places, sorted(ends), strict=True)
    ]
    y = axis.ticks(9)
    grid = tag("path", d="".join(f"M0 {SIZE * (1 - place):.0f}h{SIZE}" for place, _ in y), class_="grid")
    numbers = [tag("span", text, class_="y", style=f"top:{1 - place:.2%}") for place, text in y]
    for unit, end in {"epochs": float(epochs), **budgets}.items():
        ticks = whole_ticks(end)
        numbers += [tag("span", text, class_=f"x {unit}", style=f"left:{place:.2%}") for place, text in ticks]
        numbers.append(tag("span", unit, class_=f"unit {unit}"))
    if axis.guess is not None:
        grid = Html(grid + tag("path", d=f"M0 {SIZE * (1 - axis.guess):.0f}h{SIZE}", class_="guessing"))
        labels.append(tag("span", "guessing", class_="guess", style=f"top:{1 - axis.guess:.2%}"))
    kind = "chart named" if any(names) else "chart many"
    dense = f"--dense:{max(0.15, min(0.65, 40 / len(cells))):.2f}"
    return tag("div", drawing(grid, *lines[::-1]), *numbers, *labels, class_=kind, style=dense)


def strip(
    values: Sequence[float],
    axis: Axis,
    look: str,
    *,
    interval: tuple[float, float] | None = None,
    mean: bool = True,
    best: float = math.nan,
) -> Html:
    """Draw values along an axis: a ring each, a line at their mean and at the best's, an interval behind them."""
    places = [SIZE * axis.place(value) for value in values if math.isfinite(value)]
    parts = [tag("path", d="".join(f"M{SIZE * place:.0f} 0v{SIZE}" for place, _ in axis.ticks(6)), class_="grid")]
    if math.isfinite(best):
        parts.append(tag("path", d=f"M{SIZE * axis.place(best):.0f} 0v{SIZE}", class_="of-best"))
    if interval is not None and all(map(math.isfinite, interval)):
        low, high = sorted(SIZE * axis.place(end) for end in interval)
        parts.append(tag("path", d=f"M{low:.0f} 500H{high:.0f}", class_="interval"))
    if len(places) == 1:
        parts.append(tag("path", d=dots([(places[0], SIZE / 2)]), class_="dot"))
    elif places:
        rings = dots([(place, SIZE / 2) for place in places])
        parts += [tag("path", d=rings, class_="ring"), tag("path", d=rings, class_="hole")]
    if len(places) > 1 and mean:
        middle = SIZE * axis.place(statistics.fmean(value for value in values if math.isfinite(value)))
        parts.append(tag("path", d=f"M{middle:.0f} 180V820", class_="mean"))
    return tag("div", drawing(*parts), class_=f"strip {look}")


def strip_axis(axis: Axis) -> Html:
    """The numbers above a column of strips."""
    numbers = [tag("span", text, style=f"left:{place:.2%}") for place, text in axis.ticks(6)]
    return tag("div", *numbers, class_="strip-axis", aria_hidden="true")


def response(
    cells: Sequence[tuple[int, float, Sequence[float]]],
    axis: Axis,
    ticks: Sequence[tuple[float, str]],
    *,
    name: str,
    looks: Sequence[str],
) -> Html:
    """Draws what is reached along one axis: a dot per trial, and a line through the means.

    Args:
        cells: each one's number, its place from 0 to 1, its trials' values; in the order of their places.
        ticks: the numbers on the axis with their places; name: its own.
        looks: for each cell the class of its dots.
    """
    means = [(SIZE * place, SIZE * (1 - axis.place(statistics.fmean(values)))) for _, place, values in cells]
    line = tag("path", d=path(means), class_="through")
    spots = [
        tag(
            "g",
            tag("path", d=dots([(SIZE * place, SIZE * (1 - axis.place(v))) for v in values]), class_="spot"),
            class_=f"curve {look}",
            data_cell=number,
        )
        for (number, place, values), look in zip(cells, looks, strict=True)
    ]
    y = axis.ticks(7)
    grid = tag("path", d="".join(f"M0 {SIZE * (1 - place):.0f}h{SIZE}" for place, _ in y), class_="grid")
    numbers = [tag("span", text, class_="y", style=f"top:{1 - place:.2%}") for place, text in y]
    numbers += [tag("span", text, class_="x", style=f"left:{place:.2%}") for place, text in ticks]
    numbers.append(tag("span", name, class_="unit"))
    return tag("div", drawing(grid, line, *spots[::-1]), *numbers, class_="chart")


def parallel(
    rows: Sequence[Sequence[float]],
    axes: Sequence[tuple[str, Sequence[tuple[float, str]]]],
    looks: Sequence[str],
    *,
    numbers: Sequence[int],
) -> Html:
    """Draws a line per cell through its place on each of several axes.

    Args:
        rows: for each cell where it stands on each axis, from 0 to 1.
        axes: each one's name, and the numbers on it with their places.
        looks: for each cell the class of its line; numbers: which cell it is.
    """
    step = SIZE / max(1, len(axes) - 1)
    lines = [
        tag(
            "g",
            tag("path", d=path([(step * i, SIZE * (1 - place)) for i, place in enumerate(row)]), class_="median"),
            class_=f"curve {look}",
            data_cell=cell,
        )
        for cell, row, look in zip(numbers, rows, looks, strict=True)
    ]
    bars = tag("path", d="".join(f"M{step * i:.0f} 0v{SIZE}" for i in range(len(axes))), class_="axis")
    texts: list[Any] = []
    for i, (name, places) in enumerate(axes):
        left = f"left:{i / max(1, len(axes) - 1):.2%}"
        texts.append(tag("span", name, class_="axis-name", style=left))
        texts += [
            tag("span", text, class_="axis-number", style=f"{left};top:{1 - place:.2%}") for place, text in places
        ]
    return tag("div", drawing(bars, *lines[::-1]), *texts, class_="chart parallel")


def drawing(*parts: Html) -> Html:
    """A square that stretches; hidden from screen readers, which have the table beside it."""
    box = f"0 0 {SIZE} {SIZE}"
    return tag("svg", join(*parts), viewBox=box, preserveAspectRatio="none", aria_hidden="true", focusable="false")


def path(points: Iterable[tuple[float, float]]) -> str:
    """A line through whole units, each step from the one before; it breaks if a point is not finite."""
    made, before = [], None
    for x, y in points:
        if not math.isfinite(y):
            before = None
            continue
        here = round(x), round(y)
        if before is None:
            made.append(f"M{here[0]} {here[1]}l0 0")
        else:
            dx, dy = here[0] - before[0], here[1] - before[1]
            made.append(f"{'' if dx < 0 else ' '}{dx}{'' if dy < 0 else ' '}{dy}")
        before = here
    return "".join(made)


def dots(points: Iterable[tuple[float, float]]) -> str:
    """Lines of no length, which a round cap makes dots and a square one squares."""
    return "".join(f"M{x:.0f} {y:.0f}h0" for x, y in points if math.isfinite(y))


def whole_ticks(most: float, count: int = 8) -> list[tuple[float, str]]:
    """Round numbers from the first to the last, as many as there may be; where each stands, 0 being at the left."""
    step = next(s * 10**p for p in range(9) for s in (1, 2, 5) if most / (s * 10**p) <= count)
    numbers = [*range(0 if most > count else 1, math.floor(most) + 1, step)]
    return [(number / most, str(number)) for number in numbers]


def apart(places: Sequence[float], least: float) -> list[float]:
    """Moves places, which are in order, until each is at least so far from the next; none leaves 0 to 1 if they fit."""
    made = list(places)
    for i in range(1, len(made)):
        made[i] = max(made[i], made[i - 1] + least)
    if made:
        made[-1] = min(made[-1], 1.0)
    for i in range(len(made) - 2, -1, -1):
        made[i] = min(made[i], made[i + 1] - least)
    return made
