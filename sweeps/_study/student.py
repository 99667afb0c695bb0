"""The article, answered: a page on which a student guesses each sweep's winner before its picture appears."""

from __future__ import annotations

import json
import os
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nnhp_torch.core.spec.names import enumeration
from nnhp_torch.report.page.callback import NAME
from nnhp_torch.report.page.html.document import write_page
from nnhp_torch.report.page.html.markup import Html, tag
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.words.phrases import count
from sweeps._study.claims import CLAIMS, NOT_THE_ARTICLES, kind_of, others
from sweeps._study.lesson import NO_GUESS, answers_of, guesses, lesson, title

HOW = (
    "What a sweep varies is its <b>scientific</b> hyperparameter: the one that is asked about. <b>Nuisance</b> "
    "hyperparameters must be tuned anew for each of its values, or the comparison says more about them; <b>fixed</b> "
    "ones stay, and the answer holds for them alone. (The words are the Deep Learning Tuning Playbook's.) The article "
    "fixes what should be nuisance, the learning rate above all."
)
ROWS = (
    "A ring is one training run, a bar the mean of its value's runs. A band is where the mean may be, compared with "
    "the best's (the dotted line): what does not reach the line is worse by more than chance. A value called worse "
    "without a band: the test says that it is worse, and not by how much. A value that is ahead has the best mean, and "
    "another may yet be better; of the best none may. A claim is one question with a test of its own; each value held "
    "against the best is another."
)
TILES = {"yes": "Yes", "mixed": "In part", "no": "No", "open": "Cannot be told", "none": "no claim"}
TESTS = (
    "In grey brackets is how an answer was tested: p is how often chance alone would show as large a difference, seed "
    "held against the same seed. Below 0.05 the answer is yes or no, else it cannot be told; several comparisons share "
    "that 0.05. A sweep's own page says when and with which versions it was made."
)


def write(path: Path, parts: Sequence[Part], links: Sequence[str], root: Path) -> None:
    """Write the page.

    Args:
        parts: the sweeps, in the article's order; links: their pages.
        root: the folder that has the project's `lightning_logs`.
    """
    lessons = [
        lesson(number, part, [link, *_evidence(part, path.parent, root)], root)
        for number, (part, link) in enumerate(zip(parts, links, strict=True), 1)
    ]
    head = [
        tag("p", "The article Neural Networks III: Hyperparameter Tuning (2025), section by section", class_="kicker"),
        *_headline(parts, root),
        tag("p", _lead(parts), class_="lead"),
        tag("nav", *(_tile(n, part, root) for n, part in enumerate(parts, 1)), class_="tiles", aria_label="Sections"),
        tag("details", tag("summary", "How to read it"), tag("p", Html(HOW)), tag("p", ROWS), tag("p", TESTS)),
        *_bar(parts),
    ]
    last = tag("p", tag("a", "Which hyperparameter matters? All of them in one picture", href="study/report.html"), ".")
    write_page(path, "The article, answered", [*head, *lessons, last])


def _evidence(part: Part, folder: Path, root: Path) -> list[str]:
    """Return the way from a folder to the page of each other ledger that answers a sweep's claim."""
    return [Path(os.path.relpath(root / other / NAME, folder)).as_posix() for other in others(part, root)]


def _bar(parts: Sequence[Part]) -> list[Html]:
    """Return the score, how it counts, and the buttons that tell the study by one seed; a script shows it."""
    blind = sum(statistics.fmean(worth for _, worth, _ in guesses(part)) for part in parts)
    repeats = list(parts[0].repeats.values())
    one = [
        tag("button", "Show one seed", type="button", id="one", data_seeds=json.dumps(repeats)),
        tag("button", f"all {len(repeats)} seeds", type="button", id="all", disabled=""),
        tag("span", "", id="told", role="status"),
    ]
    rule = (
        "A guess counts 1 if it is ahead or shown to be as good, ½ if it may be the best, else 0. If no value is "
        f"worse, “{NO_GUESS}” counts 1, and each value ½. Guessing blindly comes to {blind:.1f} of {len(parts)}."
    )
    show = tag("button", "Show all answers", type="button", id="show")
    shown = [tag("strong", "", id="score"), show, *one * (len(repeats) > 1)]
    return [tag("p", rule, class_="soft rule", hidden=""), tag("div", *shown, class_="bar-of-guesses", hidden="")]


def _headline(parts: Sequence[Part], root: Path) -> list[Html]:
    """Say of how many of the article's claims each kind of answer is given, and draw it."""
    claimed = [part for part in parts if not CLAIMS.get(part.sweep.name, NOT_THE_ARTICLES).startswith(NOT_THE_ARTICLES)]
    counts = Counter(kind_of(answers_of(part, root)) for part in claimed)
    words = {"yes": ("holds", "hold"), "mixed": ("holds in part", "hold in part"), "no": ("does not", "do not")}
    words |= {"open": ("cannot be told", "cannot be told")}
    said = {kind: f"{counts[kind]} {of[counts[kind] != 1]}" for kind, of in words.items() if counts[kind]}
    bars = [tag("span", text, class_=kind, style=f"flex-grow:{counts[kind]}") for kind, text in said.items()]
    answered = enumeration(said.values() or ["none is answered"], "and")
    claims = count(sum(counts[kind] for kind in said), "claim")
    return [
        tag("h1", f"Of {claims} of the article {answered}.", class_="finding"),
        tag("p", *bars, class_="claims", aria_hidden="true"),
    ]


def _lead(parts: Sequence[Part]) -> str:
    known = [luck for part in parts if (luck := part.summary.luck) is not None]
    picked, seeds = sum(luck.picked for luck in known), sum(luck.seeds for luck in known)
    each = parts[0].summary.repeated or "one seed"
    said = f"{len(parts)} sweeps on MNIST, {each} each. Guess each winner before you look."
    once = f" The article trained each network once: one seed alone picks the same winner in {picked} of {seeds} cases"
    once += " (each seed of each sweep)."
    return said + once * bool(seeds)


def _tile(number: int, part: Part, root: Path) -> Html:
    """Return a section's name with its answer, which leads there."""
    kind = kind_of(answers_of(part, root))
    also = CLAIMS.get(part.sweep.name, "").startswith(NOT_THE_ARTICLES)
    name = tag("span", f"{number} · {title(part)[0]}", tag("small", "not the article's") if also else "")
    return tag("a", name, tag("b", TILES[kind]), href=f"#{part.sweep.name}", class_=f"tile {kind}{' also' * also}")
