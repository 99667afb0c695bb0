"""Several sweeps on one page: which setting matters, a row a sweep, and then each sweep."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.names import enumeration
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.report.ends import named_values
from nnhp_torch.report.page import charts, svg
from nnhp_torch.report.page.html.markup import Html, tag
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.sections import curves_of
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.plotting.style import CELLS
from nnhp_torch.report.words.headline import headline, is_best, standing

QUESTION = "Which hyperparameter matters?"
SMALL, LARGE = 0.01, 0.07  # of an accuracy: a point, below which an effect is called small, and what costs much
TONES = {"best": "best", "better": "best", "baseline": "alike", "as good": "alike", "undecided": "open"}
KEYS = {"best": "best", "alike": "as good", "open": "cannot be told from it (line: its seeds)", "worse": "worse"}
WHAT = "{} in the end, a value's mean over its seeds; widest effect on top. Rows differ in what is fixed."


@dataclass(frozen=True)
class Effect:
    """A sweep by how far its worst cell that has completed is behind its best; page and figure draw a row of it.

    Args:
        marks: its cells from the best to the worst, each with its mean, its tone and whether a study chose it.
        said: how many others are worse, in words.
    """

    part: Part
    marks: Sequence[tuple[Cell, float, str, bool]]
    said: str

    @property
    def size(self) -> float:
        """The difference of the worst and the best mean; NaN if nothing has completed."""
        return abs(self.marks[-1][1] - self.marks[0][1]) if self.marks else math.nan

    @property
    def name(self) -> str:
        return self.part.sweep.name.replace("_", " ")

    @property
    def seeds(self) -> list[tuple[float, float]]:
        """Of each cell that cannot be told from the best its least and its greatest value: their distance is why."""
        monitor = self.part.sweep.monitor
        each = [
            list(filter(math.isfinite, cell.values_of(monitor))) for cell, _, tone, _ in self.marks if tone == "open"
        ]
        return [(min(values), max(values)) for values in each]


def effects(parts: Sequence[Part]) -> list[Effect]:
    """Return the sweeps, the widest effect first if all have one metric; each says what of another's it varies too."""
    alone = _alone([part.sweep for part in parts])
    found = []
    for part in parts:
        effect, also = _effect(part), [axis for axis in part.sweep.axes if axis in alone and len(part.sweep.axes) > 1]
        found.append(replace(effect, said=f"{effect.said}; varies {' and '.join(also)} too") if also else effect)
    return sorted(found, key=lambda effect: -effect.size) if one_metric(parts) else found


def _alone(sweeps: Iterable[SweepBase]) -> set[str]:
    """Return the settings that are all that some sweep varies."""
    return {axis for sweep in sweeps if len(sweep.axes) == 1 for axis in sweep.axes}


def one_metric(parts: Sequence[Part]) -> bool:
    """Whether all sweeps are ranked by the same, so that they have one axis."""
    return len({part.sweep.monitor for part in parts}) == 1


def _effect(part: Part) -> Effect:
    summary, monitor = part.summary, part.sweep.monitor
    marks = [
        (cell, cell.mean(monitor), TONES.get(summary.verdict(cell).kind, "worse"), cell is part.chosen)
        for cell in summary.ranking
        if cell.ranked and math.isfinite(cell.mean(monitor))
    ]
    kinds = [verdict.kind for verdict in summary.others]
    told = [f"{kinds.count(kind)} of {len(kinds)} others {kind}" for kind in ("better", "worse") if kind in kinds]
    lost = Counter(ending for cell in summary.cells if not cell.completed for ending in cell.troubles)
    told += [f"{many} {ending}" for ending, many in lost.items()]
    return Effect(part, marks, (", ".join(told) or "none told apart") if marks else "none has completed")


def axis_of(found: Sequence[Effect]) -> Axis:
    """The axis of all means, and of the seeds that are drawn."""
    means = [mean for effect in found for _, mean, _, _ in effect.marks]
    seeds = [value for effect in found for ends in effect.seeds for value in ends]
    return Axis.of_values(found[0].part.sweep.objective, means + seeds)


def answer(found: Sequence[Effect]) -> str:
    """Say which settings cost much if they are wrong, and how many move the error by little."""
    objective = found[0].part.sweep.objective
    known = [effect for effect in found if math.isfinite(effect.size)]
    if not known or not objective.is_accuracy:
        return ""
    alone = _alone(effect.part.sweep for effect in known)
    # What a sweep varies beside its own may be all that its cells differ by: the sweep of that alone tells it.
    own = [effect for effect in known if len(axes := effect.part.sweep.axes) == 1 or alone.isdisjoint(axes)]
    large = [effect for effect in own if effect.size >= LARGE]
    names = enumeration((effect.name for effect in large), "or") if large else ""
    costly = f"A wrong {names} costs {math.floor(100 * large[-1].size + 1e-9)} points and more. " if large else ""
    return f"{costly}{sum(e.size < SMALL for e in known)} of the {len(known)} move the error by less than a point."


def keys_of(parts: Sequence[Part]) -> dict[str, str]:
    """Return what each tone of a mark means; a ring is what the study's own choice is, if it has made one."""
    by = [part.chooses for part in parts if part.chosen is not None]
    return {**KEYS, **({"choice": by[0][0].lower() + by[0][1:]} if by else {})}


def overview(parts: Sequence[Part], links: Sequence[str]) -> list[Html]:
    """The question, its answer in a sentence, and a row a sweep, the widest effect on top."""
    found, drawn = effects(parts), one_metric(parts)
    axis = axis_of(found)
    rows = [_row(effect, axis, links[parts.index(effect.part)], drawn=drawn) for effect in found]
    what = WHAT.format(axis.name.capitalize())
    keys = [tag("span", text, class_=f"tone {tone}") for tone, text in keys_of(parts).items()]
    return [
        tag("h1", QUESTION if drawn else "What each sweep has found", class_="finding"),
        tag("p", answer(found), class_="lead") if drawn else Html(""),
        tag(
            "figure",
            tag("figcaption", what, " ", tag("span", *keys, class_="keys", aria_hidden="true")),
            *[tag("div", svg.strip_axis(axis), class_="row axis")] * drawn,
            *rows,
            class_="effects",
        ),
    ]


def multiple(part: Part, link: str) -> Html:
    """A sweep's finding and its curves, small; both lead to its page."""
    curves = curves_of(part, named=False)
    found = tag("h2", tag("a", headline(part.summary), href=link))
    named = (
        zip(part.names, part.colours, strict=True)
        if len(curves) <= len(CELLS)
        else [("the best" if is_best(part.summary) else "ahead", "best")]
    )
    keys = tag("figcaption", *(tag("span", name, " ", class_=f"key {colour}") for name, colour in named))
    drawn = [tag("figure", keys, charts.curves(curves, Axis.of_curves(part.sweep, part.shown)))]
    return tag(
        "section",
        tag("p", part.sweep.name.replace("_", " "), class_="kicker"),
        found,
        *drawn * any(cell.runs for cell in curves),
    )


def _row(effect: Effect, axis: Axis, link: str, *, drawn: bool) -> Html:
    """A sweep's name, its cells on the axis, the best and the worst by name, and how many others are worse."""
    marks: list[Html] = []
    said = None
    if drawn and effect.marks:
        places = [axis.place(mean) for _, mean, _, _ in effect.marks]
        marks = [_along("reach", places)]
        seeds = [[*map(axis.place, ends)] for ends in effect.seeds]
        marks += [_along("seeds", ends) for ends in seeds]
        drawn_at = [*places, *(end for ends in seeds for end in ends)]
        low, high = min(drawn_at), max(drawn_at)
        for (cell, _, tone, chosen), place in reversed(list(zip(effect.marks, places, strict=True))):
            title = f"{cell.label}: {standing(effect.part.summary, cell, axis)}"
            classes = f"mark {tone}{' chosen' * chosen}"
            marks.append(tag("span", "", class_=classes, style=f"left:{place:.2%}", title=title))
        marks.append(tag("span", named_values(effect.marks[0][0]), class_="best-name", style=f"right:{1 - low:.2%}"))
        heard = [("best", effect.marks[0]), ("worst", effect.marks[-1])]
        heard += [("chosen", mark) for mark in effect.marks if mark[3]]
        said = "; ".join(f"{which} {cell.label}: {axis.text(mean, 3)}" for which, (cell, mean, _, _) in heard)
        if len(effect.marks) > 1:
            worst = effect.marks[-1][0]
            marks.append(tag("span", named_values(worst), class_="worst-name", style=f"left:{high:.2%}"))
    name = tag("p", tag("a", effect.name, href=link), tag("small", effect.said))
    return tag("div", name, tag("div", *marks, class_="along-axis", role=said and "img", aria_label=said), class_="row")


def _along(name: str, places: Sequence[float]) -> Html:
    """A bar from the least of some places on the axis to the greatest."""
    low, high = min(places), max(places)
    return tag("span", "", class_=name, style=f"left:{low:.2%};width:{high - low:.2%}")
