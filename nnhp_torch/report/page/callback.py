"""`report.html` of a sweep and of several: written when a trial ends, so that it can be looked at while they run."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.report.page.html.document import write_page
from nnhp_torch.report.page.html.markup import Html, tag
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.sections import facts, running, sections
from nnhp_torch.report.page.several import multiple, overview
from nnhp_torch.report.page.svg import accuracies
from nnhp_torch.report.plotting.style import WIDE
from nnhp_torch.report.words.headline import headline, numbers
from nnhp_torch.report.words.phrases import same_in_words

NAME = "report.html"
PAUSE = 5.0  # seconds between two writings while the sweep runs, and
CONFIRM = "-confirm"  # behind the name of a search: what runs its best once more
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
    first = [ways(path), *_head(part), *sections(part), facts(part)]
    write_page(path, _title(part), [tag("div", *first, data_part=part.sweep.name)], part.known())


def write_several(
    path: Path, title: str, parts: Sequence[Part], pages: Sequence[Path], ways: Mapping[str, Path] | None = None
) -> None:
    """Write one page of several sweeps: which setting matters, then a small picture of each that leads to its page.

    Args:
        pages: each sweep's own.
        ways: what a link says → the page that it leads to, if there is one.
    """
    links = [os.path.relpath(page, path.parent) for page in pages]
    small = [multiple(part, link) for part, link in zip(parts, links, strict=True)]
    up = navigation({text: os.path.relpath(to, path.parent) for text, to in (ways or {}).items() if to.exists()})
    write_page(path, title, [up, *overview(parts, links), tag("div", *small, class_="multiples")])


def ways(path: Path) -> Html:
    """Links to the pages that lie beside a sweep's: of all sweeps, and between a search and what has confirmed it."""
    name = path.parent.name
    beside = {
        "← all sweeps": f"../{NAME}",
        "← the study": f"../study/{NAME}",
        "← the search": f"../{name.removesuffix(CONFIRM)}/{NAME}" if name.endswith(CONFIRM) else NAME,
        "its best, on other seeds →": f"../{name}{CONFIRM}/{NAME}",
    }
    return navigation({text: to for text, to in beside.items() if to != NAME and (path.parent / to).exists()})


def navigation(links: Mapping[str, str]) -> Html:
    """Return what a link says → where it leads, as the line above a page; empty without any."""
    made = [tag("a", text, href=quote(to)) for text, to in links.items()]
    return tag("nav", *made, aria_label="Pages beside this one") if made else Html("")


def _title(part: Part) -> str:
    name, search = part.sweep.name, part.sweep.name.removesuffix(CONFIRM)
    return (name if name == search else f"the best of {search}, on other seeds").replace("_", " ")


def _head(part: Part) -> list[Html]:
    """What was varied on what, the finding as a headline, and a line of numbers."""
    summary = part.summary
    axes = ", ".join(part.sweep.axes) if len(part.sweep.axes) <= WIDE else f"{len(part.sweep.axes)} settings"
    kind_of = f"{'o' if part.about else 'A joint search o'}ver {axes}" if part.sweep.sampled else ""
    kicker = " · ".join(filter(None, (part.about or _title(part), kind_of, same_in_words(summary), summary.repeated)))
    return [
        running(part),
        tag("p", kicker, class_="kicker"),
        tag("h1", headline(summary), class_="finding"),
        tag("p", said := numbers(summary), class_="lead", data_other=accuracies(said) if part.ends[0].error else None),
    ]
