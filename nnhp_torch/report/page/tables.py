"""Tables of a page: one row a cell, and what their letters look like."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.report.columns import BEHIND, LESS, better, columns
from nnhp_torch.report.ends import End, against
from nnhp_torch.report.ends import ends as ends_of
from nnhp_torch.report.page import svg
from nnhp_torch.report.page.html.markup import Html, join, tag
from nnhp_torch.report.page.html.markup import text as escaped
from nnhp_torch.report.page.part import BESIDE, Part
from nnhp_torch.report.page.svg import SIZE
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.plotting.style import WIDE, WORDS
from nnhp_torch.report.words.caveats import caveats
from nnhp_torch.report.words.phrases import in_the_end

NEXT = "\u00a0"  # behind a row's name, lest a screen reader read the number behind it as one with it
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
    title = f"The best {FIRST} in numbers" if rest else "In numbers"
    return tag("section", tag("h2", title), *frames, checked(part))


def checked(part: Part) -> Html:
    """What to ask of a grid before its winner is believed."""
    said = [(of.question, " ", tag("strong", f"{of.answer}.")) for of in caveats(part.summary)]
    return tag("p", *(tag("span", *of, " ") for of in said), class_="checks") if said else Html("")


def ends(part: Part, title: str = "", bases: Sequence[int] = ()) -> Html:
    """Where each of the first cells ends: its trials, their mean, where that may be, and the verdict in words.

    Args:
        bases: the numbers of the cells that are tried as the baseline: it is also said how all stand then.
    """
    axis, found = part.ends
    shown, best = found[:BESIDE], part.summary.control
    if not any(end.values for end in shown):
        return Html("")
    if len(found) > BESIDE:
        axis, shown = ends_of(part.summary, part.shown[:BESIDE])
    mean = best.mean(part.sweep.monitor) if best is not None else math.nan
    cells = [end.cell for end in shown] if bases else []
    compared = [against(part.summary, cell, cells, axis) if n in bases else [] for n, cell in enumerate(cells)]
    rows = [_end(end, axis, number, part=part, mean=mean, said=compared) for number, end in enumerate(shown)]
    spots = ("A ring is a trial", ", a bar their mean") if part.summary.several else ("A dot is a trial", "")
    of = "best" if part.sweep.baseline is None else "baseline"
    band = f", a band where the mean may be, compared with the {of}'s" if "interval" in "".join(rows) else ""
    bars = tag("span", spots[1], tag("span", band, class_="against"), class_="of-all")
    caption = tag("figcaption", spots[0], bars, ".")
    left = len(part.summary.cells) - len(shown)
    more = [tag("p", f"{left} more below.", class_="soft")] if left else []
    if title:  # which all seeds have found
        return _figure(tag("h2", title, class_="of-all"), caption, rows, axis, *more)
    end = in_the_end(part.summary)
    return _figure(tag("h2", f"The best {len(shown)}, {end}" if left else end.capitalize()), caption, rows, axis, *more)


def strips(title: str, caption: str, found: Sequence[End], axis: Axis, part: Part) -> Html:
    """Any number of each trial: a row a cell, a ring a trial, a bar their mean, a square if it is infinite."""
    rows = [_row(end, axis, part, end.said, data_cell=part.numbers.get(id(end.cell))) for end in found]
    return _figure(tag("h2", title), tag("figcaption", caption), rows, axis)


def _figure(title: Html, caption: Html, rows: Sequence[Html], axis: Axis, *more: Html) -> Html:
    return tag("figure", title, caption, *rows, svg.strip_axis(axis), *more, class_="ends")


def _row(end: End, axis: Axis, part: Part, said: str, best: float = math.nan, **attributes: Any) -> Html:
    """A row: the cell's name, its strip, and what is said of it."""
    name = tag("span", end.name, NEXT, class_=f"key {end.colour}")
    strip = svg.strip(end, axis, best=best, repeats=list(part.repeats))
    return tag("div", name, strip, tag("span", said, class_="said"), class_="row", **attributes)


def _end(end: End, axis: Axis, number: int, *, part: Part, mean: float, said: Sequence[Sequence[str]]) -> Html:
    """A row that also knows what is said of the cell when all are compared with another one."""
    value, dot, rest = end.said.partition(" · ")
    other = svg.as_accuracy(value) if axis.error and dot else None
    compared = [f"{dot}{of[number].partition(dot)[2]}" if of else "" for of in said] if dot else []
    place = f"{SIZE * axis.place(end.mean):.0f}" if math.isfinite(end.mean) else None
    values = "; ".join(f"{part.repeats[repeat]}: {axis.text(value, 3)}" for repeat, value in end.values)
    now = join(tag("span", value, data_other=other), tag("span", dot, rest, class_="rest"))
    title, told = f"{end.cell.label}: {values}", json.dumps(compared) if compared else None
    return _row(end, axis, part, now, mean, title=title, data_cell=number, data_mean=place, data_against=told)


def _cells(part: Part, cells: list[Cell]) -> Html:
    """A table of cells."""
    sweep, train = part.sweep, part.summary.training
    less = (*LESS, train) if len(sweep.axes) > WIDE else LESS  # the table of trials has them
    named = {name: texts for name, texts in columns(part.summary, cells).items() if name not in less}
    if len(sweep.axes) > WIDE:  # one column that takes several lines, so that no table is wider than its frame
        ranks = [part.names[part.numbers[id(cell)]] for cell in cells]
        settings = {"#": ranks, "settings": [cell.label for cell in cells]}
        named = settings | {name: texts for name, texts in named.items() if name not in sweep.axes}
    kinds = [_kind(name, less=name in (train, part.summary.test, *BEHIND)) for name in named]
    kinds[0] = ""  # it names the row
    words = [in_words(name, sweep) + f" {better(sweep)}" * (name == sweep.monitor) or "verdict" for name in named]
    heads = [tag("th", breaking(name), scope="col", class_=kind) for name, kind in zip(words, kinds, strict=True)]
    rows = []
    for cell, first, *texts in zip(cells, *named.values(), strict=True):
        number = part.numbers[id(cell)]
        row = [tag("th", tag("span", first, class_=f"key {part.colours[number]}"), scope="row")]
        row += [tag("td", spaced(text), class_=kind) for text, kind in zip(texts, kinds[1:], strict=True)]
        rows.append(tag("tr", *row, class_="best" if cell is part.summary.leader else None, data_cell=number))
    return table_of(heads, rows, sortable=len(rows) > 2)


def in_words(column: str, sweep: SweepBase) -> str:
    """A metric's name in words, `validation accuracy`; any other column's as it is."""
    objective = dataclasses.replace(sweep.objective, metric=column)
    if column in sweep.axes or objective.split is None:
        return column
    return f"{WORDS[objective.split]} {objective.name.replace('_', ' ')}"


def breaking(name: str) -> Html:
    """A name that a narrow column may break behind an underscore, and nowhere else."""
    return Html(escaped(name).replace("_", "_<wbr>"))


def spaced(text: str) -> str:
    """Thin spaces about the sign between a mean and its spread: on a phone a line breaks before it, and not behind."""
    return text.replace("±", "\u2009±\u202f")


def _kind(column: str, *, less: bool) -> str:
    """The classes of a column's cells: numbers stand at the right, text may take several lines."""
    return "wrap" if column in ("", "settings") else "number less" if less else "number"


def table_of(heads: Sequence[Html], rows: Sequence[Html], *, sortable: bool = False, kind: str = "") -> Html:
    """A table; one that is sortable is sorted by the head of a column, if scripts run."""
    name = " ".join(filter(None, ("sortable" if sortable else "", kind))) or None
    return tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_=name)


def scroll(content: Html, label: str) -> Html:
    """A frame that moves a wide table, with the keyboard too."""
    return tag("div", content, class_="scroll", tabindex="0", role="region", aria_label=label)
