"""A page about one sweep, section by section; all of it is text and tables, and the drawings repeat them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from nnhp_torch.report import words
from nnhp_torch.report.axis import Axis
from nnhp_torch.report.csv import results_table
from nnhp_torch.report.page import svg
from nnhp_torch.report.page.markup import Html, prose, tag
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.provenance import made, same, troubles
from nnhp_torch.report.page.space import importance, space
from nnhp_torch.report.page.tables import ends, scroll, table_of, table_of_cells
from nnhp_torch.report.progress import count, duration, up_to
from nnhp_torch.report.style import CELLS

ROWS = 1_000  # of the table of trials


def running(part: Part) -> Html:
    """How far the sweep is; empty if it has ended."""
    if not (part.running or part.outcome.interrupted):
        return Html("")
    left = f"{up_to(part.outcome)}{count(part.outcome.left, 'trial')} to come"
    now = f"{datetime.now(timezone.utc):%H:%M:%S} UTC"
    what = f"Running: {left} at {now}; loaded anew, the page has more." if part.running else f"Interrupted: {left}."
    return tag("p", what, class_="running")


def cards(part: Part) -> Html:
    """The sweep's claim, how the answer was tested, and what to type."""
    claims, answer = (
        part.summary.claim.split("\n"),
        [*words.answer(part.summary).split("\n"), words.spent(part.summary)],
    )
    made = [_card(*filter(None, lines)) for lines in (claims, answer) if lines[0]]
    made += [tag("div", tag("h3", "Try it"), tag("pre", tag("code", part.command)), class_="card")] * bool(part.command)
    return tag("div", *made, class_="cards") if made else Html("")


def _card(first: str, *notes: str) -> Html:
    """A question with its answer as the title, the number below it, and the test in small letters."""
    asked, mark, said = first.partition("? ")
    answer, _, more = said.partition(". " if said.startswith("Cannot be told from") else ": ")
    title = f"{asked}? {answer.rstrip('.')}." if mark else first
    lines = [tag("p", prose(f"{more[:1].upper()}{more[1:]}"))] if more else []
    lines += [tag("p", prose(note), class_="soft" if note.startswith("(") else None) for note in notes]
    return tag("div", tag("h3", title), *lines, class_="card")


def facts(part: Part) -> Html:
    """The sweep in numbers."""
    results = part.outcome.ordered
    ended = sum(result.settled for result in results)
    total = len(part.outcome.trials) + part.outcome.unchosen
    numbers = {"cells": str(len(part.summary.cells))}
    numbers |= {"in each": part.summary.repeated} if part.summary.several else {}
    numbers |= {
        "trials": str(total) if ended == total else f"{ended} of {up_to(part.outcome)}{total}",
        "epochs": f"{sum(result.epochs for result in results):,}",
        "trained for": duration(sum(result.seconds for result in results)),
    }
    return tag("dl", *(tag("div", tag("dt", k), tag("dd", v)) for k, v in numbers.items()), class_="facts")


def sections(part: Part) -> list[Html]:
    """All that follows the headline."""
    first = [picture(part), cards(part), table_of_cells(part), space(part), importance(part), troubles(part.summary)]
    rest = [same(part.summary), made(part.summary, part.command), trials(part)]
    return [section for section in (*first, *rest) if section]


def picture(part: Part) -> Html:
    """Every cell's curve, and beside it where each ends."""
    monitor, shown = part.sweep.monitor, part.shown
    curves = [[curve for result in cell.results if (curve := result.curve(monitor))] for cell in shown]
    if not any(curves):
        return ends(part)
    axis = Axis.of_curves(part.sweep, shown)
    few = len(shown) <= len(CELLS)
    names = [", ".join(cell.texts.values()) if few else "" for cell in shown]
    paces = part.paces if few else {}
    drawn = svg.curves(curves, axis, names, looks=part.looks, paces=paces, kept=part.kept)
    several = any(len(seeds) > 1 for seeds in curves)
    caption = "A thin line for each trial, a thick one for a cell's median" if several else "A line for each cell"
    caption += "" if few else "; the best is in blue"
    caption += ". The axis is logarithmic" if axis.log else ""
    lengths = {len(curve) for seeds in curves for curve in seeds}
    caption += "; a square is where a run stopped" if len(lengths) > 1 else ""
    caption += "; a ring is the epoch whose weights were kept." if any(part.kept) else "."
    title = tag("h2", f"{axis.name.capitalize()} after each epoch")
    switch = [_switch(part.sweep.name, ["epochs", *paces])] if paces else []
    figure = tag("figure", title, tag("figcaption", caption, *switch), drawn)
    return tag("section", figure, ends(part), class_="first")


def _switch(name: str, units: Sequence[str]) -> Html:
    """Choose what the curves run along; with equal steps or seconds each goes as far as the shortest."""
    choices = [
        tag("label", tag("input", type="radio", name=f"along {name}", value=unit, checked="" if not i else None), unit)
        for i, unit in enumerate(units)
    ]
    return tag("span", "Along ", *choices, class_="along")


def trials(part: Part) -> Html:
    """Every trial, as in results.csv."""
    header, rows = results_table(part.summary)
    heads = [tag("th", name, scope="col") for name in header]
    lines = [tag("tr", *(tag("td", value) for value in row)) for row in rows[:ROWS]]
    said = f"The {len(rows)} trials, as in results.csv" if len(rows) <= ROWS else f"The first {ROWS} of {len(rows)}"
    return tag(
        "section",
        tag("h2", "Every trial"),
        tag("details", tag("summary", said), scroll(table_of(heads, lines, sortable=True, kind="trials"), said)),
    )
