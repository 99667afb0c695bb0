"""Tables of a page: one row a cell, and what their letters look like."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.report.axis import Axis
from nnhp_torch.report.columns import BEHIND, LESS, better, columns
from nnhp_torch.report.headline import standing
from nnhp_torch.report.page import svg
from nnhp_torch.report.page.markup import Html, tag
from nnhp_torch.report.page.part import WIDE, Part
from nnhp_torch.report.style import WORDS

FIRST = 20  # cells that are seen without opening the rest
BESIDE = 10  # cells that have room beside the curves


def table_of_cells(part: Part) -> Html:
    """A row a cell: its values, each seed's final value drawn on an axis, what is to be said of it."""
    label = f"Cells of {part.sweep.name}"
    first, rest = part.shown[:FIRST], part.shown[FIRST:]
    frames = [scroll(_cells(part, first), label)]
    if rest:
        said = f"The other {len(rest)}"
        if len(part.shown) < len(part.summary.cells):
            said += f" of the best {len(part.shown)}; results.csv has all {len(part.summary.cells)}"
        frames.append(tag("details", tag("summary", said), scroll(_cells(part, rest), f"{label}, the others")))
    title = f"The best {FIRST} in numbers" if rest else "In numbers"
    return tag("section", tag("h2", title), *frames)


def ends(part: Part) -> Html:
    """Where each of the first cells ends: its trials, their mean, where that may be, and the verdict in words."""
    summary, shown, monitor = part.summary, part.shown[:BESIDE], part.sweep.monitor
    if not any(cell.completed for cell in shown):
        return Html("")
    values = [value for cell in shown for value in cell.values_of(monitor)]
    axis, best = Axis.of_values(part.sweep.objective, values), summary.leader
    mean = best.mean(monitor) if best is not None else math.nan
    rows = []
    for number, cell in enumerate(shown):
        interval = None
        if best is not None and cell is not best and (verdict := summary.verdict(cell)).bounded:
            sign = part.sweep.objective.sign
            interval = (mean - sign * verdict.low, mean - sign * verdict.high)
        look = part.looks[number]
        rows.append(
            tag(
                "div",
                tag("span", ", ".join(cell.texts.values()), class_=f"key {look}"),
                svg.strip(cell.values_of(monitor), axis, look, interval=interval, best=mean),
                tag("span", standing(summary, cell, axis), class_="said"),
                class_="row",
                data_cell=number,
            )
        )
    caption = (
        "Its own axis. A ring is a trial, a bar their mean" if summary.several else "Its own axis. A dot is a trial"
    )
    caption += ", a band where the mean may be, compared with the best's." if "interval" in "".join(rows) else "."
    left = len(summary.cells) - len(shown)
    more = [tag("p", f"{left} more below.", class_="soft")] if left else []
    title = tag("h2", "With the final weights" if not left else f"The best {len(shown)}, with the final weights")
    return tag("figure", title, tag("figcaption", caption), *rows, svg.strip_axis(axis), *more, class_="ends")


def _cells(part: Part, cells: list[Cell]) -> Html:
    """A table of cells."""
    sweep, train = part.sweep, part.summary.training
    less = (*LESS, train) if len(sweep.axes) > WIDE else LESS  # the table of trials has them
    named = {name: texts for name, texts in columns(part.summary, cells).items() if name not in less}
    kinds = [_kind(name, less=name in (train, part.summary.test, BEHIND, "behind")) for name in named]
    kinds[0] = ""  # it names the row
    words = [in_words(name, sweep) + f" {better(sweep)}" * (name == sweep.monitor) or "verdict" for name in named]
    heads = [tag("th", name, scope="col", class_=kind) for name, kind in zip(words, kinds, strict=True)]
    rows = []
    for cell, first, *texts in zip(cells, *named.values(), strict=True):
        number = part.numbers[id(cell)]
        row = [tag("th", tag("span", first, class_=f"key {part.looks[number]}"), scope="row")]
        row += [tag("td", spaced(text), class_=kind) for text, kind in zip(texts, kinds[1:], strict=True)]
        rows.append(tag("tr", *row, class_="best" if cell is part.summary.leader else None, data_cell=number))
    return table_of(heads, rows, sortable=len(rows) > 2)


def in_words(column: str, sweep: SweepBase) -> str:
    """A metric's name in words, `validation accuracy`; any other column's as it is."""
    objective = dataclasses.replace(sweep.objective, metric=column)
    if column in sweep.axes or objective.split is None:
        return column
    return f"{WORDS[objective.split]} {objective.name.replace('_', ' ')}"


def spaced(text: str) -> str:
    """Thin spaces, at which no line breaks, about the sign between a mean and its spread."""
    return text.replace("±", "\u202f±\u202f")


def _kind(column: str, *, less: bool) -> str:
    """The classes of a column's cells: numbers stand at the right, text may take several lines."""
    return "wrap" if not column else "number less" if less else "number"


def table_of(heads: Sequence[Html], rows: Sequence[Html], *, sortable: bool = False, kind: str = "") -> Html:
    """A table; one that is sortable is sorted by the head of a column, if scripts run."""
    name = " ".join(filter(None, ("sortable" if sortable else "", kind))) or None
    return tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_=name)


def scroll(content: Html, label: str) -> Html:
    """A frame in which a wide table can be moved, with the keyboard too."""
    return tag("div", content, class_="scroll", tabindex="0", role="region", aria_label=label)
