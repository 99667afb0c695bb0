"""Pictures of several axes at once: a heat map of two, parallel coordinates of more, the settings that counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nnhp_torch.report.page import charts
from nnhp_torch.report.page.html.markup import Html, tag
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.tables import scroll, table_of
from nnhp_torch.report.plotting.axis import FEW, Axis, along, coordinates
from nnhp_torch.report.plotting.style import WIDE
from nnhp_torch.report.words.headline import is_best

if TYPE_CHECKING:
    from nnhp_torch.core.stats.cell import Cell

LEAST = 2  # values of an axis from which on it has a place in a heat map
MOST = 24  # columns of a heat map
LARGE = 8  # columns from which on its letters are small


def space(part: Part) -> Html:
    """One long axis as a line, two as a heat map, more as a line per cell through all of them; else empty."""
    names = list(part.sweep.axes)
    if not any(cell.completed for cell in part.summary.cells) or len(names) > WIDE:
        return Html("")  # of more axes it is the page's first picture
    if len(names) == 1:
        return _response(part, names[0]) if len(part.summary.cells) > LARGE else Html("")
    if len(names) == 2:
        sides = [len(side) for side in _sides(part)]
        if min(sides) >= LEAST and len(part.summary.cells) == math.prod(sides):
            name = Axis.of_values(part.sweep.objective, _finals(part)).name
            caption = f"{name.capitalize()} in the end: the bluer the better; the best has a frame."
            return _section(f"{' and '.join(names)} together", caption, heat(part))
    return parallel(part)


def _response(part: Part, name: str) -> Html:
    monitor = part.sweep.monitor
    cells = [cell for cell in part.shown if cell.completed and math.isfinite(cell.mean(monitor))]
    places, ticks = along([cell.values[name] for cell in cells], part.summary, name)
    order = sorted(range(len(cells)), key=places.__getitem__)
    points = [(part.numbers[id(cells[i])], places[i], cells[i].values_of(monitor)) for i in order]
    axis = Axis.of_values(part.sweep.objective, (value for _, _, values in points for value in values))
    colours = ["best" if cells[i] is part.summary.leader else "other" for i in order]
    reached = [f"{cells[i].texts[name]} {axis.text(cells[i].mean(monitor), 3)}" for i in order]
    said = reached if len(reached) <= charts.SPOKEN else [reached[0], reached[-1]]
    alt = f"{axis.name} along {name}: {'; '.join(said)}"
    drawn = charts.response(points, axis, ticks, name=name, colours=colours, alt=alt)
    caption = f"What each value of {name} reaches: a dot for each trial, a line through the means; the best is in blue."
    return tag("section", tag("h2", f"Along {name}"), tag("figure", tag("figcaption", caption), drawn))


def _finals(part: Part) -> list[float]:
    return [mean for cell in part.summary.cells if math.isfinite(mean := cell.mean(part.sweep.monitor))]


def _sides(part: Part) -> list[list[str]]:
    """For each axis the values that its cells have."""
    return [list(dict.fromkeys(cell.texts[name] for cell in part.summary.cells)) for name in part.sweep.axes]


def heat(part: Part, inside: Mapping[int, Html] | None = None) -> Html:
    """A table with cells that are the bluer the better; the longer axis runs down a page that is too narrow for it.

    Args:
        inside: by its id what a cell has in its square besides.
    """
    (first, second), (downwards, across) = part.sweep.axes, _sides(part)
    if len(across) > max(len(downwards), MOST // 2):
        (first, second), (downwards, across) = (second, first), (across, downwards)
    of = {(cell.texts[first], cell.texts[second]): cell for cell in part.summary.cells}
    objective = part.sweep.objective
    axis = Axis.of_values(objective, _finals(part))
    better = 1 if objective.mode == "max" and not axis.error else -1
    rows = []
    for down in downwards:
        row = [tag("th", down, scope="row")]
        for over in across:
            cell = of[down, over]
            row.append(_square(cell, part, axis, better=better, inside=(inside or {}).get(id(cell), Html(""))))
        rows.append(tag("tr", *row))
    above = tag("tr", tag("td", ""), tag("th", second, scope="colgroup", colspan=len(across)))
    heads = tag("tr", tag("th", first, scope="col"), *(tag("th", over, scope="col") for over in across))
    classes = "heat large" if len(across) > LARGE else "heat with" if inside else "heat"
    return tag("table", tag("thead", above, heads), tag("tbody", *rows), class_=classes)


def _square(cell: Cell, part: Part, axis: Axis, *, better: int, inside: Html) -> Html:
    mean, verdict = cell.mean(part.sweep.monitor), part.summary.verdict(cell)
    if not math.isfinite(mean):
        return tag("td", ", ".join(cell.troubles) or "–", class_="soft", style="--heat:0")
    place = axis.place(mean)
    heat = place if better > 0 else 1 - place
    kind = "" if verdict.kind == "unranked" or math.isnan(verdict.p) else verdict.kind
    words = {"undecided": "cannot be told", "best": "best" if is_best(part.summary) else "ahead"}
    said = tag("small", words.get(kind, kind)) if kind else ""
    best = "best" if cell is part.summary.leader else None
    return tag("td", axis.text(mean, 3), said, inside, class_=best, style=f"--heat:{heat:.3f}")


def parallel(part: Part) -> Html:
    """A line for each cell through all of its settings to what it reached."""
    cells = [cell for cell in part.shown if math.isfinite(cell.mean(part.sweep.monitor))]
    rows, axes = coordinates(part.summary, cells)
    numbers = [part.numbers[id(cell)] for cell in cells]
    best = part.summary.leader
    alt = f"The best goes through {best.label}" if best is not None else "None leads"
    drawn = charts.parallel(rows, axes, [part.colours[number] for number in numbers], numbers=numbers, alt=alt)
    endings = Counter(cell.trouble for cell in part.summary.cells if cell.trouble)
    others = ", ".join(f"{many} {ending}" for ending, many in endings.most_common())
    of = f", of {len(part.summary.cells)} ({others})" if others else ""
    caption = f"A line for each of the {len(cells)} that have completed{of}, from its settings to what it reached"
    caption += "; the best is in blue" if "best" in part.colours else ""
    caption += ", and the worst quarter at the end of the last axis." if len(cells) > FEW else "."
    return _section("All settings at once", caption, drawn)


def importance(part: Part) -> Html:
    """A bar per setting, the most important one first; empty if nobody has told."""
    if not part.importances:
        return Html("")
    largest = max([*part.importances.values(), 1e-9])
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", tag("span", "", class_="bar", style=f"width:{share / largest:.1%}")),
            tag("td", f"{share:.2f}", class_="number"),
        )
        for name, share in part.importances.items()
    ]
    heads = [tag("th", name, scope="col") for name in ("setting", "drawn", "its share")]
    completed = sum(len(cell.completed) for cell in part.summary.cells)
    caption = f"Its share in what decides {part.sweep.monitor}, by {completed} completed trials (PED-ANOVA)."
    return _section("Which setting counted", caption, table_of(heads, rows, kind="bars"))


def _section(title: str, caption: str, content: Html) -> Html:
    return tag("section", tag("h2", title), tag("p", caption, class_="soft"), scroll(content, title))
