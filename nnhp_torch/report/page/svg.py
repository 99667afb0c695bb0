"""Drawings for a page, by hand: they stretch with their frame while strokes and letters keep their size.

A drawing is a square of SIZE by SIZE units without letters; numbers and names are HTML beside it, placed in percent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from nnhp_torch.report.ends import End
from nnhp_torch.report.page.html.markup import Html, join, tag
from nnhp_torch.report.plotting.axis import Axis

SIZE = 1000
FEW = 4  # numbers that there is room for below the narrowest chart


def strip(end: End, axis: Axis, *, best: float, repeats: Sequence[str] = ()) -> Html:
    """Draw where a cell ends: a ring per trial, a line at their mean and at the best's, an interval behind them.

    A trial with an infinite value has a square at the end of the axis, and its cell no mean.
    """
    parts = [tag("path", d="".join(f"M{SIZE * place:.0f} 0v{SIZE}" for place, _ in axis.ticks(6)), class_="grid")]
    if math.isfinite(best):
        parts.append(tag("path", d=f"M{SIZE * axis.place(best):.0f} 0v{SIZE}", class_="of-best"))
    if end.interval is not None and all(map(math.isfinite, end.interval)):
        low, high = sorted(SIZE * axis.place(side) for side in end.interval)
        parts.append(tag("path", d=f"M{low:.0f} 500H{high:.0f}", class_="interval"))
        arrows = {0.0: "M15 250L0 500l15 250", 1.0 * SIZE: f"M{SIZE - 15} 250L{SIZE} 500l-15 250"}  # there it goes on
        parts += [tag("path", d=arrows[side], class_="cut") for side in (low, high) if side in arrows]
    known = [(repeat, value) for repeat, value in end.values if not math.isnan(value)]
    for repeat, value in known:
        seed = repeats.index(repeat) if repeat in repeats else None
        beyond = math.isinf(value)
        kinds = ("beyond",) if beyond else ("ring", "hole") if len(known) > 1 else ("dot",)
        spot = dots([(SIZE if beyond else SIZE * axis.place(value), SIZE / 2)])
        parts += [tag("path", d=spot, class_=kind, data_seed=seed) for kind in kinds]
    if len(known) > 1 and all(math.isfinite(value) for _, value in known):
        parts.append(tag("path", d=f"M{SIZE * axis.place(end.mean):.0f} 180V820", class_="mean"))
    return tag("div", drawing(*parts), class_=f"strip swaps {end.colour}")


def strip_axis(axis: Axis) -> Html:
    """The numbers of a column of strips."""
    numbers = [turned(text, axis, style=f"--x:{place:.2%}") for place, text in axis.ticks(6)]
    return tag("div", *numbers, class_="strip-axis swaps", aria_hidden="true")


def below(ticks: Sequence[tuple[float, str]], kind: str = "x") -> list[Html]:
    """The numbers below a chart; every second one of many goes where there is no room for it."""
    return [
        tag("span", text, class_=f"{kind} second" if n % 2 and len(ticks) > FEW else kind, style=f"left:{at:.2%}")
        for n, (at, text) in enumerate(ticks)
    ]


def turned(text: str, axis: Axis, **attributes: str) -> Html:
    """A number of an axis that says how it reads if errors are shown as accuracies."""
    return tag("span", text, data_other=as_accuracy(text) if axis.error else None, **attributes)


def as_accuracy(error: str) -> str:
    """An error in percent as the accuracy that it leaves, with as many decimals.

    >>> as_accuracy("2.35%")
    '97.65%'
    """
    number = error.removesuffix("%")
    return f"{100 - float(number):.{len(number.partition('.')[2])}f}%"


def accuracies(said: str) -> str:
    """A sentence about errors as one about the accuracies that they leave.

    >>> accuracies("lr=0.1: validation error 2.87%, test 10.3%.")
    'lr=0.1: validation accuracy 97.13%, test 89.7%.'
    """
    return re.sub(r"\d[\d.]*%", lambda found: as_accuracy(found[0]), said.replace(" error ", " accuracy "))


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
