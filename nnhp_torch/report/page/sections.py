"""A page about one sweep, section by section; all of it is text and tables, and the drawings repeat them."""

from __future__ import annotations

from datetime import datetime, timezone

from nnhp_torch.report import words
from nnhp_torch.report.axis import Axis
from nnhp_torch.report.csv import results_table
from nnhp_torch.report.page import svg
from nnhp_torch.report.page.markup import Html, prose, tag
from nnhp_torch.report.page.part import WIDE, Part
from nnhp_torch.report.page.provenance import made, same, troubles
from nnhp_torch.report.page.space import importance, space
from nnhp_torch.report.page.tables import scroll, table_of, table_of_cells
from nnhp_torch.report.progress import count, duration, up_to
from nnhp_torch.report.style import CELLS
from nnhp_torch.report.words import spent

ROWS = 1_000  # of the table of trials


def head(part: Part) -> list[Html]:
    """The lead: how far the sweep is, the answer, its subject."""
    said = []
    if part.running or part.outcome.interrupted:
        left = f"{up_to(part.outcome)}{count(part.outcome.left, 'trial')} to come"
        now = f"{datetime.now(timezone.utc):%H:%M:%S} UTC"
        what = f"Running: {left} at {now}; loaded anew, the page has more." if part.running else f"Interrupted: {left}."
        said.append(tag("p", what, class_="running"))
    about = " ".join(part.sweep.about.strip().split("\n\n")[0].split())
    soft = (*part.summary.claim.split("\n"), spent(part.summary), about)
    return [*said, lead(part), *(tag("p", prose(text), class_="soft") for text in soft if text)]


def lead(part: Part) -> Html:
    """The answer in a sentence, and what is to be held against it."""
    before, best, value = words.lead(part.summary)
    if best and len(part.sweep.axes) > WIDE:
        before, best, value = f"{before}{best}", "", value  # too long a name to stand out
    lead = tag("p", before, tag("strong", best) if best else "", value, class_="lead")
    sentences = words.answer(part.summary).split("\n")
    return Html(lead + "".join(tag("p", prose(sentence), class_="answer") for sentence in sentences if sentence))


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


def sections(part: Part, *, brief: bool = False) -> list[Html]:
    """All that follows the lead.

    Args:
        brief: whether what was the same, how it was made and the trials are to be opened first.
    """
    first = [picture(part), table_of_cells(part), space(part), importance(part), troubles(part.summary)]
    rest = [same(part.summary), made(part.summary, part.command), trials(part)]
    if brief:
        rest = [tag("details", tag("summary", "Its settings, how it was made, every trial"), *rest)]
    return [section for section in (*first, *rest) if section]


def picture(part: Part) -> Html:
    """Every cell's curve."""
    monitor = part.sweep.monitor
    curves = [[curve for result in cell.results if (curve := result.curve(monitor))] for cell in part.shown]
    if not any(curves):
        return Html("")
    axis = Axis.of_curves(part.sweep, part.shown)
    few = len(part.shown) <= len(CELLS)
    names = [", ".join(cell.texts.values()) if few else "" for cell in part.shown]
    drawn = svg.curves(curves, axis, names, looks=part.looks)
    title = f"{axis.name.capitalize()} after each epoch"
    several = any(len(seeds) > 1 for seeds in curves)
    caption = "A thin line for each trial, a thick one for a cell's median" if several else "A line for each cell"
    caption += "" if few else "; the best is in blue"
    caption += ". The axis is logarithmic" if axis.log else ""
    lengths = {len(curve) for seeds in curves for curve in seeds}
    caption += "; a square is where a run stopped." if len(lengths) > 1 else "."
    return tag("section", tag("h2", title), tag("figure", tag("figcaption", caption), drawn))


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
