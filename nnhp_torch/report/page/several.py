"""Several sweeps on one page: which setting matters, a row a sweep, and then each sweep."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.report.axis import Axis
from nnhp_torch.report.headline import headline, standing
from nnhp_torch.report.page import charts, svg
from nnhp_torch.report.page.markup import Html, tag
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.sections import curves_of
from nnhp_torch.report.words import amount

SMALL = 0.01  # of an accuracy: a point, below which an effect is called small
TONES = {"best": "best", "better": "best"} | dict.fromkeys(("baseline", "as good", "undecided"), "alike")


def overview(parts: Sequence[Part], links: Sequence[str]) -> list[Html]:
    """The question, its answer in a sentence, and a row a sweep, the widest effect on top."""
    of_one = len({part.sweep.monitor for part in parts}) == 1
    found = [(_effect(part), part) for part in parts]
    order = sorted(found, key=lambda of: -of[0]) if of_one else found
    means = [mean for part in parts for cell in part.summary.cells if math.isfinite(mean := _mean(part, cell))]
    axis = Axis.of_values(parts[0].sweep.objective, means)
    rows = [_row(part, axis, links[parts.index(part)], drawn=of_one) for _, part in order]
    said = tag("p", _answer([effect for effect, _ in found if math.isfinite(effect)], parts), class_="lead")
    what = f"{axis.name.capitalize()} with the final weights, the mean of each cell; the widest effect on top."
    legend = [
        ("best", "best"),
        ("alike", "cannot be told from it, or as good"),
        ("worse", "worse"),
        ("choice", "chosen"),
    ]
    keys = [tag("span", text, class_=f"tone {tone}") for tone, text in legend if tone != "choice" or _chosen(parts)]
    axes = [tag("div", svg.strip_axis(axis), class_="row axis")] if of_one else []
    return [
        tag("h1", "Which hyperparameter matters?" if of_one else "What each sweep has found", class_="finding"),
        said if of_one else Html(""),
        tag("figure", tag("figcaption", what, " ", *keys), *axes, *rows, class_="effects"),
    ]


def multiple(part: Part, link: str) -> Html:
    """A sweep's finding and its curves, small; both lead to its page."""
    curves = curves_of(part, named=False)
    found = tag("h3", tag("a", headline(part.summary), href=link))
    drawn = [tag("figure", charts.curves(curves, Axis.of_curves(part.sweep, part.shown)))]
    return tag("section", tag("p", _name(part), class_="kicker"), found, *drawn * any(cell.runs for cell in curves))


def _chosen(parts: Sequence[Part]) -> bool:
    return any(part.chosen is not None for part in parts)


def _mean(part: Part, cell: Cell) -> float:
    return cell.mean(part.sweep.monitor) if cell.ranked else math.nan


def _effect(part: Part) -> float:
    """How far the worst cell that has completed is behind the best."""
    means = [mean for cell in part.summary.cells if math.isfinite(mean := _mean(part, cell))]
    return max(means) - min(means) if means else math.nan


def _answer(effects: Sequence[float], parts: Sequence[Part]) -> str:
    objective = parts[0].sweep.objective
    if not effects or not objective.is_accuracy:
        return ""
    large = sorted((_effect(part), _name(part)) for part in parts if _effect(part) >= 7 * SMALL)[::-1]
    names = [name for _, name in large]
    listed = ", ".join(names[:-1]) + (f" or {names[-1]}" if len(names) > 1 else "".join(names))
    costly = f"A wrong {listed} costs {amount(min(large)[0], objective)} and more. " if large else ""
    small = sum(effect < SMALL for effect in effects)
    return f"{costly}{small} of the {len(effects)} move the error by less than a point."


def _name(part: Part) -> str:
    return part.sweep.name.replace("_", " ")


def _row(part: Part, axis: Axis, link: str, *, drawn: bool) -> Html:
    """A sweep's name, its cells on the axis, the best and the worst by name, and how many others are worse."""
    summary, best = part.summary, part.summary.leader
    cells = [cell for cell in summary.ranking if math.isfinite(_mean(part, cell))]
    kinds = [verdict.kind for verdict in summary.others]
    told = [f"{kinds.count(kind)} of {len(kinds)} others {kind}" for kind in ("better", "worse") if kind in kinds]
    said = ", ".join(told) or "none told apart"
    if best is None:
        said = "none has completed"
    marks: list[Html] = []
    if drawn and cells:
        places = [axis.place(_mean(part, cell)) for cell in cells]
        low, high = min(places), max(places)
        marks = [tag("span", "", class_="reach", style=f"left:{low:.2%};width:{high - low:.2%}")]
        for cell, place in zip(cells[::-1], places[::-1], strict=True):
            tone = TONES.get(summary.verdict(cell).kind, "worse")
            title = f"{cell.label}: {standing(summary, cell, axis)}"
            chosen = " chosen" if cell is part.chosen else ""
            marks.append(tag("span", "", class_=f"mark {tone}{chosen}", style=f"left:{place:.2%}", title=title))
        marks.append(tag("span", _values(cells[0]), class_="best-name", style=f"right:{1 - low:.2%}"))
        if len(cells) > 1:
            marks.append(tag("span", _values(cells[-1]), class_="worst-name", style=f"left:{high:.2%}"))
    name = tag("a", _name(part), href=link)
    return tag("div", tag("p", name, tag("small", said)), tag("div", *marks, class_="along-axis"), class_="row")


def _values(cell: Cell) -> str:
    return " ".join(cell.texts.values())
