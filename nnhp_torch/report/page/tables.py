"""Tables of a page: one row a cell, and what their letters look like."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.report.axis import Axis
from nnhp_torch.report.columns import LESS, better, columns
from nnhp_torch.report.page import svg
from nnhp_torch.report.page.markup import Html, tag
from nnhp_torch.report.page.part import WIDE, Part
from nnhp_torch.report.style import WORDS

FIRST = 20  # cells that are seen without opening the rest


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
    title = f"The best {FIRST}, with the final weights" if rest else "With the final weights"
    note = Html("")
    if any(verdict.bounded and verdict.kind != "best" for verdict in part.summary.verdicts):
        said = "A line is the mean of the rings, a band where it may be, compared with the best's mean."
        note = tag("p", said, class_="soft")
    return tag("section", tag("h2", title), note, *frames)


def _cells(part: Part, gathered: list[Cell]) -> Html:
    """A table of cells, with an axis of their own for what is drawn."""
    sweep = part.sweep
    axis = Axis.of_values(sweep.objective, (v for cell in gathered for v in cell.values_of(sweep.monitor)))
    train = part.summary.training
    less = (*LESS, train) if len(sweep.axes) > WIDE else LESS  # the table of trials has them
    named = {name: v for name, v in columns(part.summary, gathered).items() if name not in less}
    kinds = [_kind(name, name == train) for name in named]
    kinds[0] = ""  # it names the row
    words = [in_words(name, sweep) + f" {better(sweep)}" * (name == sweep.monitor) or "remark" for name in named]
    heads = [tag("th", name, scope="col", class_=kind) for name, kind in zip(words, kinds, strict=True)]
    place = 1 + list(named).index(sweep.monitor if sweep.monitor in named else list(sweep.axes)[-1])
    what = f"{axis.name}, {'a ring per trial' if part.summary.several else 'a dot per cell'}"
    heads.insert(place, tag("th", what, svg.strip_axis(axis), scope="col", class_="drawn"))
    rows = []
    for cell, *texts in zip(gathered, *named.values(), strict=True):
        number = part.numbers[id(cell)]
        look, (first, *others) = part.looks[number], texts
        row = [tag("th", tag("span", first, class_=f"key {look}"), scope="row")]
        row += [tag("td", spaced(text), class_=kind) for text, kind in zip(others, kinds[1:], strict=True)]
        row.insert(place, tag("td", _strip(part, cell, axis, look=look), class_="drawn"))
        rows.append(tag("tr", *row, class_="best" if cell is part.summary.leader else None, data_cell=number))
    return table_of(heads, rows, sortable=len(rows) > 2)


def _strip(part: Part, cell: Cell, axis: Axis, *, look: str) -> Html:
    """The cell's values, and behind them its verdict's interval, seen from the best's mean."""
    monitor, best, aside = part.sweep.monitor, part.summary.leader, None
    if best is not None and cell is not best:
        found, sign = part.summary.verdict(cell), part.sweep.objective.sign
        aside = (best.mean(monitor) - sign * found.low, best.mean(monitor) - sign * found.high)
    return svg.strip(cell.values_of(monitor), axis, look, interval=aside)


def in_words(column: str, sweep: SweepBase) -> str:
    """A metric's name in words, `validation accuracy`; any other column's as it is."""
    objective = dataclasses.replace(sweep.objective, metric=column)
    if column in sweep.axes or objective.split is None:
        return column
    return f"{WORDS[objective.split]} {objective.name.replace('_', ' ')}"


def spaced(text: str) -> str:
    """Thin spaces, at which no line breaks, about the sign between a mean and its spread."""
    return text.replace("±", "\u202f±\u202f")


def _kind(column: str, less: bool) -> str:
    """The classes of a column's cells: numbers stand at the right, text may take several lines."""
    return "wrap" if not column else "number less" if less else "number"


def table_of(heads: Sequence[Html], rows: Sequence[Html], *, sortable: bool = False, kind: str = "") -> Html:
    """A table; one that is sortable is sorted by the head of a column, if scripts run."""
    name = " ".join(filter(None, ("sortable" if sortable else "", kind))) or None
    return tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_=name)


def scroll(content: Html, label: str) -> Html:
    """A frame in which a wide table can be moved, with the keyboard too."""
    return tag("div", content, class_="scroll", tabindex="0", role="region", aria_label=label)
