"""`report.html` of a sweep and of several: written when a trial ends, so that it can be looked at while they run."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.files import replacing
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.report.axis import Axis
from nnhp_torch.report.page.document import document
from nnhp_torch.report.page.markup import Html, tag
from nnhp_torch.report.page.part import WIDE, Part
from nnhp_torch.report.page.sections import facts, head, sections
from nnhp_torch.report.page.svg import strip, strip_axis
from nnhp_torch.report.page.tables import in_words, scroll, spaced, table_of

NAME = "report.html"
PAUSE = 5.0  # seconds between two writings while the sweep runs, and
SHARE = 20  # this many times what the last one took: a twentieth of the time at most


class PageReport(SweepCallback):
    """`report.html`: all there is of a sweep in one file, also while it runs.

    Args:
        folder: the sweep's.
        command: how the sweep is run.
        importances: asked at the end for each setting's share in what decides the metric.
    """

    writes = True

    def __init__(self, folder: Path, command: str = "", importances: Callable[[], Mapping[str, float]] = dict) -> None:
        self.path = folder / NAME
        self.command = command
        self.importances = importances

    def on_sweep_start(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.trials = {trial.key: trial for trial in outcome.trials}
        self.results = dict(outcome.results)
        self.next = time.monotonic() + PAUSE

    def on_trial_end(self, trial: Trial, result: TrialResult) -> None:
        self.trials[trial.key] = trial
        self.results[trial.key] = result
        if time.monotonic() < self.next:
            return
        start = time.monotonic()
        now = dataclasses.replace(self.outcome, trials=list(self.trials.values()), results=self.results)
        write(self.path, Part(now, self.command, running=True))
        end = time.monotonic()
        self.next = end + max(PAUSE, SHARE * (end - start))

    def on_sweep_end(self, outcome: Outcome) -> None:
        if outcome.results:
            write(self.path, Part(outcome, self.command, self.importances()))


def write(path: Path, part: Part) -> None:
    """Writes a sweep's page."""
    first = [tag("p", kicker(part), class_="kicker"), tag("h1", _title(part)), *head(part), facts(part)]
    _write(path, _title(part), [tag("div", *first, *sections(part), data_part=part.sweep.name)], known=part.known())


def write_several(path: Path, title: str, parts: Sequence[Part]) -> None:
    """Writes one page of several sweeps: a table of what each has found, then each of them."""
    bodies = [
        tag(
            "div",
            tag("h2", _title(part), id=f"sweep-{number}"),
            *head(part),
            *sections(part, brief=True),
            data_part=part.sweep.name,
            class_="part",
        )
        for number, part in enumerate(parts)
    ]
    _write(path, title, [tag("h1", title), glance(parts), *bodies], known={})


def glance(parts: Sequence[Part]) -> Html:
    """A row a sweep, which leads to its part; what its cells reach is drawn on one axis for all."""
    monitors = {part.sweep.monitor for part in parts}
    finals = [[mean for cell in p.summary.cells if math.isfinite(mean := cell.mean(p.sweep.monitor))] for p in parts]
    axis = Axis.of_values(parts[0].sweep.objective, (value for of_one in finals for value in of_one))
    rows = []
    for number, (part, means) in enumerate(zip(parts, finals, strict=True)):
        sweep, best = part.sweep, part.summary.leader
        name = tag("a", _title(part), href=f"#sweep-{number}")
        row = [tag("th", name, scope="row"), tag("td", best.label if best else "none", class_="wrap")]
        for metric in (sweep.monitor, part.summary.test):
            row.append(tag("td", spaced(best.text(metric)) if best and metric else "", class_="number"))
        if len(monitors) == 1:
            row.insert(2, tag("td", strip(means, axis, "best", mean=False), class_="drawn"))
        row += [tag("td", str(count), class_="number") for count in (len(part.summary.cells), len(part.outcome.trials))]
        rows.append(tag("tr", *row))
    value = in_words(parts[0].sweep.monitor, parts[0].sweep) if len(monitors) == 1 else "value"
    heads = [tag("th", name, scope="col") for name in ("sweep", "best")]
    heads += [tag("th", name, scope="col", class_="number") for name in (value, "test", "cells", "trials")]
    if len(monitors) == 1:
        what = f"{axis.name}, a ring per cell"
        heads.insert(2, tag("th", what, strip_axis(axis), scope="col", class_="drawn"))
    return tag("section", tag("h2", "At a glance"), scroll(table_of(heads, rows), "The sweeps at a glance"))


def _title(part: Part) -> str:
    return part.sweep.name.replace("_", " ")


def kicker(part: Part) -> str:
    """The kind of page, and its date."""
    days = sorted(result.started[:10] for result in part.outcome.ordered if result.started)
    axes = list(part.sweep.axes)
    of = ", ".join(axes) if len(axes) <= WIDE else f"{len(axes)} settings"
    kind = "A joint search over" if part.sweep.sampled else "A sweep of"
    return " · ".join(filter(None, (f"{kind} {of}", days[-1] if days else "")))


def _write(path: Path, title: str, body: Sequence[Html], *, known: Mapping[str, object]) -> None:
    page = document(title, body, known)
    with replacing(path) as written:
        written.write_text(page, encoding="utf-8")
