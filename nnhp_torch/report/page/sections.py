"""A page about one sweep, section by section; all of it is text and tables, and the drawings repeat them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from nnhp_torch.core.ledger.result import logged
from nnhp_torch.report.csv import results_table
from nnhp_torch.report.page import charts
from nnhp_torch.report.page.html.markup import Html, prose, tag
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.provenance import made, same, troubles
from nnhp_torch.report.page.several_axes import importance, parallel, space
from nnhp_torch.report.page.tables import ends, in_words, scroll, table_of, table_of_cells
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.plotting.curves import median_curve
from nnhp_torch.report.plotting.style import CELLS, WIDE
from nnhp_torch.report.words import phrases as words
from nnhp_torch.report.words.answer import answer
from nnhp_torch.report.words.phrases import count, duration, up_to

ROWS = 1_000  # of the table of trials
BESIDE_EACH = 12  # cells with their training drawn beside their validation
PAIRS = (
    "The median after each epoch; training is a running mean over the epoch's batches. The room between the lines is "
    "overfitting: what the network knows of the training data and of no others. What lies above the axis is cut off. "
)
KEYS = [tag("span", key, class_=f"line {key}", aria_hidden="true") for key in ("training", "validation")]  # of lines


def running(part: Part) -> Html:
    """How far the sweep is; empty if it has ended."""
    if not (part.running or part.outcome.interrupted):
        return Html("")
    left = f"{up_to(part.outcome)}{count(part.outcome.left, 'trial')} to come"
    now = f"{datetime.now(timezone.utc):%H:%M:%S} UTC"
    what = f"Running: {left} at {now}; loaded anew, the page has more." if part.running else f"Interrupted: {left}."
    return tag("p", what, class_="running")


def cards(part: Part) -> Html:
    """The sweep's claim, what was chosen, and what to type; below them how the finding was tested, and what to know."""
    summary = part.summary
    claims, answered = summary.claim.split("\n"), [*answer(summary).split("\n"), words.spent(summary)]
    made = [_card(*filter(None, claims))] if claims[0] else []
    if part.chosen is not None:
        _, found = part.ends
        reached = found[part.numbers[id(part.chosen)]].said
        made.append(tag("div", tag("h3", f"{part.chooses} {part.chosen.label}."), tag("p", reached), class_="card"))
    head, command = ("More seeds may decide", part.further) if part.further else ("Try it", part.again[0])
    made += [tag("div", tag("h3", head), tag("pre", tag("code", prose(command))), class_="card")] * bool(command)
    tested = [tag("p", prose(line)) for line in (*answered, *part.outcome.remarks) if line]
    if named := words.sources(summary):
        rows = [
            tag("tr", *(tag("td", text, class_="wrap") for text in row)) for row in zip(*named.values(), strict=True)
        ]
        tested.append(scroll(table_of([tag("th", name, scope="col") for name in named], rows), "Sources of variance"))
    return tag("div", tag("div", *made, class_="cards"), tag("div", *tested, class_="tested") if tested else "")


def _card(*claims: str) -> Html:
    """Each question with its answer as a title, the number below it, and the test in small letters."""
    lines: list[Html] = []
    for claim in claims:
        question, mark, said = claim.partition("? ")
        answer, _, more = said.partition(": ")
        if claim.startswith("("):
            lines.append(tag("p", prose(claim), class_="soft"))
        elif mark or not lines:
            lines.append(tag("h3", f"{question}? {answer.rstrip('.')}." if mark else claim))
            lines += [tag("p", prose(f"{more[:1].upper()}{more[1:]}"))] if more else []
        else:
            lines.append(tag("p", prose(claim)))
    return tag("div", *lines, class_="card")


def facts(part: Part) -> Html:
    """The sweep in numbers."""
    results = part.outcome.ordered
    ended = sum(result.settled for result in results)
    total = len(part.outcome.trials) + part.outcome.unchosen
    numbers = {"cells": str(len(part.summary.cells))}
    numbers |= {"in each": part.summary.repeated} if part.summary.several else {}
    numbers["trials"] = str(total) if ended == total else f"{ended} of {up_to(part.outcome)}{total}"
    endings = Counter(result.status for result in results)
    numbers |= {ending: f"{many:,}" for ending, many in endings.most_common()} if len(endings) > 1 else {}
    numbers |= {
        "epochs": f"{sum(result.epochs for result in results):,}",
        "trained for": duration(sum(result.seconds for result in results)),
    }
    if not any(result.seconds for result in results):  # of runs that were made elsewhere
        del numbers["epochs"], numbers["trained for"]
    return tag("dl", *(tag("div", tag("dt", k), tag("dd", v)) for k, v in numbers.items()), class_="facts")


def sections(part: Part) -> list[Html]:
    """All that follows the headline."""
    wide = len(part.sweep.axes) > WIDE and any(cell.completed for cell in part.summary.cells)
    first = [controls(part), parallel(part) if wide else Html(""), picture(part), cards(part), beside(part)]
    rest = [table_of_cells(part), space(part), importance(part), troubles(part.summary), same(part.summary)]
    return [part for part in (*first, *rest, made(part.summary, part.again), trials(part)) if part]


def curves_of(part: Part, *, named: bool = True) -> list[charts.Curves]:
    """The curves of each cell that is shown."""
    monitor, repeats = part.sweep.monitor, list(part.repeats)
    few = len(part.shown) <= len(CELLS)
    made = []
    for number, (cell, colour, name) in enumerate(zip(part.shown, part.colours, part.names, strict=True)):
        runs = [(repeats.index(cell.repeat(r)), curve) for r in cell.results if (curve := r.curve(monitor))]
        paces = {unit: of[number] for unit, of in part.paces.items()} if few else {}
        made.append(charts.Curves(runs, colour, name, named and few, part.kept[number], paces))
    return made


def controls(part: Part) -> Html:
    """What the pictures show: along epochs, steps or seconds; errors or accuracies; which seeds; compared with what.

    The first works without a script, the others are hidden until it runs.
    """
    if not any(result.history for cell in part.shown for result in cell.results):
        return Html("")
    few, (axis, _) = len(part.shown) <= len(CELLS), part.ends
    made = [_radios("Along", ["epochs", *part.paces])] if few and part.paces else []
    if axis.error:
        made.append(_radios("Show", ["error", "accuracy"], hidden=""))
    if part.summary.several:
        seeds = {"": "all", "medians": "their medians alone"} | {
            str(n): name for n, name in enumerate(part.repeats.values())
        }
        made.append(_choice("Seeds", "seeds", seeds))
    if part.bases:
        usual = {"": "the best" if part.sweep.baseline is None else "the baseline"}
        made.append(_choice("Compared with", "base", usual | {str(n): part.names[n] for n in part.bases}))
    return tag("div", *made, class_="controls") if made else Html("")


def _radios(label: str, values: Sequence[str], **attributes: str) -> Html:
    """One of a few: no sweep's page has two of them."""
    choices = [
        tag("label", tag("input", type="radio", name=label, value=value, checked="" if not i else None), value)
        for i, value in enumerate(values)
    ]
    return tag("span", label, " ", *choices, role="radiogroup", aria_label=label, **attributes)


def _choice(label: str, name: str, values: Mapping[str, str]) -> Html:
    """One of many."""
    options = (tag("option", text, value=value) for value, text in values.items())
    return tag("label", f"{label} ", tag("select", *options, name=name), hidden="")


def picture(part: Part) -> Html:
    """Every cell's curve, and beside it where each ends."""
    drawn = course(part)
    return tag("section", drawn, ends(part, bases=part.bases), class_="first") if drawn else ends(part)


def course(part: Part) -> Html:
    """Every cell's curve; empty if there is none."""
    found = curves_of(part)
    if not any(cell.runs for cell in found):
        return Html("")
    axis = Axis.of_curves(part.sweep, part.shown)
    several = any(len(cell.runs) > 1 for cell in found)
    caption = "A thin line for each trial, a thick one for a cell's median" if several else "A line for each cell"
    caption += "" if len(found) <= len(CELLS) else "; the best is in blue"
    caption += "; the axis is logarithmic" if axis.log else ""
    lengths = {len(curve) for cell in found for _, curve in cell.runs}
    caption += "; a square is where a run stopped" if len(lengths) > 1 else ""
    caption += "; a ring is the epoch whose weights were kept." if any(part.kept) else "."
    name = axis.name if axis.error else in_words(part.sweep.monitor, part.sweep)
    title = f"{name if '_' in name else name[:1].upper() + name[1:]} after each epoch"
    other = title.replace("error", "accuracy") if axis.error else None
    # Where there is no room for names at the lines' ends, they stand above.
    names = [tag("span", cell.name, " ", class_=f"key {cell.colour}") for cell in found if cell.named]
    above = tag("p", *names, class_="names", aria_hidden="true") if names else ""
    drawn = charts.curves(found, axis)
    return tag("figure", tag("h2", title, data_other=other), tag("figcaption", caption), above, drawn)


def beside(part: Part) -> Html:
    """Training beside validation of each cell: their distance is what the network knows better than it should."""
    found = pairs(part)
    small = [
        tag("div", tag("p", tag("strong", name), " ", tag("span", said, class_="soft")), drawn, data_cell=number)
        for number, (name, (said, drawn)) in enumerate(zip(part.names, found.values(), strict=False))
    ]
    if not small:
        return Html("")
    which = "" if len(small) == len(part.summary.cells) else f" of the first {len(small)}"
    caption = tag("p", PAIRS, *KEYS, class_="soft")
    return tag("section", tag("h2", f"Training beside validation{which}"), caption, tag("div", *small, class_="pairs"))


def pairs(part: Part) -> dict[int, tuple[str, Html]]:
    """For the id of each of the first cells how far training and validation are apart, in words and drawn."""
    objective, monitor = part.sweep.objective, part.sweep.monitor
    training = objective.twin("train", logged(part.summary.shown))
    if not training or training == monitor:
        return {}
    cells = part.shown[:BESIDE_EACH]
    medians = [
        [median_curve([curve for r in cell.results if (curve := r.curve(name))]) for name in (training, monitor)]
        for cell in cells
    ]
    axis = Axis.of_pair(objective, [curve for both in medians for curve in both])
    epochs = max((len(curve) for both in medians for curve in both), default=0)
    if not epochs:
        return {}
    final, found = part.summary.training, {}
    for cell, (train, validation) in zip(cells, medians, strict=True):
        gap = objective.sign * (cell.mean(final) - cell.mean(monitor))
        said = words.amount(abs(gap), objective)
        said = f"{said} apart" if gap >= 0 else f"training {said} behind"
        said = said if math.isfinite(gap) else cell.trouble
        found[id(cell)] = said, charts.pair(train, validation, axis, epochs=epochs)
    return found


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
