"""A section of the student's page: the claim, the guess, and behind it one picture and one line that answer it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.verdict import Verdict
from nnhp_torch.report.ends import values_of
from nnhp_torch.report.page.html.markup import Html, join, prose, tag
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.tables import checked, ends
from nnhp_torch.report.words.caveats import caveats
from nnhp_torch.report.words.headline import headline, numbers
from nnhp_torch.report.words.phrases import amount, count, same_in_words
from sweeps._study.claims import CLAIMS, NOT_THE_ARTICLES, Answer, answers, claim_of, together
from sweeps._study.pictures import WHOLE, picture

# What is called by its name for programs elsewhere.
NAMES = {"val_accuracy": "validation accuracy", "train_accuracy": "training accuracy", "optimizer=": ""}
NAMES |= {"patience=none": "no stopping", "no patience": "no stopping"}
NO_GUESS = "none can be told from the best"
EXPLAINED = ("momentum",)  # the article's own option is another one than what is varied here
# What a guess is worth by its verdict; what is not in it is worth nothing.
WORTH = {"best": 1.0, "as good": 1.0, "undecided": 0.5}


def answers_of(part: Part, root: Path) -> list[Answer]:
    """Return the answers to what is claimed of a hyperparameter, in words."""
    return answers(_in_words(claim_of(part, root)))


def _in_words(said: str) -> str:
    for name, words in NAMES.items():
        said = said.replace(name, words)
    return said


def title(part: Part) -> tuple[str, str]:
    """Return a section's name, and what its hyperparameter is."""
    name, _, what = part.about.partition(": ")
    return name, what


def lesson(number: int, part: Part, links: Sequence[str], root: Path) -> Html:
    """Return a section: the claim, the guess, and behind it one picture, one line, what stays open, the command.

    Args:
        links: the sweep's own page, and if its claim is answered by another ledger, the page of that.
    """
    name, what = title(part)
    claim = CLAIMS.get(part.sweep.name, "")
    said = claim.removeprefix(NOT_THE_ARTICLES)
    asked = "The article describes it, and claims nothing that a run could answer." if not claim else f"“{said}”"
    whose = "Not the article's: " if said != claim else "The article: " * bool(claim)
    axes = list(part.sweep.axes)
    untuned = "; each value may want a learning rate of its own" * ("lr" not in axes)
    roles = f"Varied: {', '.join(axes)}. Fixed: {same_in_words(part.summary)}{untuned}."
    buttons = [
        tag("button", text, type="button", data_worth=worth, data_said=answer) for text, worth, answer in guesses(part)
    ]
    which = f"Guess first: which {' and '.join(axes)} ends best?"
    also = [tag("span", " (The claim asks something else; your guess opens its answer, too.)")] if claim else []
    made = tag(
        "section",
        tag("h2", f"{number} · {name}", tag("small", what)),
        tag("p", whose, asked, class_="said-by"),
        _meaning(part),
        tag("p", roles, class_="soft"),
        tag("div", tag("p", which, *also), *buttons, class_="guess", hidden="", role="group", aria_label=which),
        tag("div", tag("p", "", class_="guessed", role="status"), _answer(part, links, root), class_="answer"),
        class_="lesson",
        id=part.sweep.name,
        data_part=part.sweep.name,
    )
    return Html(_in_words(made))


def _meaning(part: Part) -> Html:
    """Return the rest of what is said of a sweep if its name does not tell what is varied here."""
    if part.sweep.name not in EXPLAINED:
        return Html("")
    return tag("p", prose(" ".join(part.sweep.about.strip().partition("\n\n")[2].replace("`", "").split())))


def guesses(part: Part) -> list[tuple[str, float, str]]:
    """Return what can be guessed, what that is worth, and what is answered: each cell, and that none can be told."""
    verdicts = part.summary.verdicts
    worse = sum(verdict.kind == "worse" for verdict in verdicts)
    none = f"Wrong: {worse} of {len(verdicts) - 1} others are worse." if worse else "Right."
    each = [(values_of(of.cell), WORTH.get(of.kind, 0.0), _told(of, part)) for of in verdicts]
    return [*each, (NO_GUESS, float(not worse), none)]


def _told(verdict: Verdict, part: Part) -> str:
    """Return the answer to the guess that a cell is the best."""
    leader = part.summary.leader
    best = values_of(leader) if leader is not None else "none"
    if not math.isfinite(verdict.gap) and verdict.kind != "best":
        return "Wrong: that one has not completed."
    behind = f"{amount(verdict.gap, part.sweep.objective)} behind the best ({best})"
    undecided = sum(other.kind == "undecided" for other in part.summary.others)
    doubt = f", though {count(undecided, 'other')} cannot be told from it" if undecided else ""
    return {
        "best": f"Right{doubt}.",
        "as good": f"Right: {behind}, and shown to be as good.",
        "undecided": f"Half right: {behind}, from which it cannot be told.",
    }.get(verdict.kind, f"Wrong: {behind}.")


def _answer(part: Part, links: Sequence[str], root: Path) -> Html:
    """Return what the guess opens; the headings of its pictures are those of a section."""
    leaves = [caveat.leaves for caveat in caveats(part.summary) if caveat.leaves]
    if "lr" not in part.sweep.axes:
        leaves.append("a learning rate of its own for each value may turn the order")
    undecided = sum(verdict.kind == "undecided" for verdict in part.summary.verdicts)
    answered = answers_of(part, root)
    also = f"{count(undecided, 'other')} may do as well as the best: {part.summary.repeated} cannot tell"
    leaves += [also] if undecided else []
    finding = headline(part.summary)
    drawn = picture(part, root)
    if part.sweep.name not in WHOLE:
        drawn = tag("div", drawn, ends(part, finding if answered else ""), class_="first")
    said = join(
        _line(part, answered),
        tag("p", "", class_="of-one", data_one=json.dumps(_of_one_seed(part))),
        drawn,
        tag("p", tag("strong", "Open: "), f"{'; '.join(leaves)}." if leaves else "nothing that these checks see."),
        checked(part),
        tag("pre", tag("code", prose(part.command))),
        tag("p", join(*_ways(links)), class_="soft"),
    )
    return Html(said.replace("<h2", "<h3").replace("</h2>", "</h3>"))


def _ways(links: Sequence[str]) -> list[Html]:
    """Return a link to each page that a section stands on."""
    own, *others = links
    names = {own: "The sweep's own page"} | {link: f"Runs behind the claim: {Path(link).parts[-3]}" for link in others}
    return [join(tag("a", name, href=link), ". ") for link, name in names.items()]


def _line(part: Part, answered: list[Answer]) -> Html:
    """Return the answer: what it comes to, then for each question yes or no, the numbers and the doubt."""
    short = together(part, [of.word for of in answered])
    said: list[Html] = []
    for of in answered:
        said += [Html("<br>")] * bool(said)
        said.append(tag("strong", f"{of.question} {of.word}. "))
        said.append(prose(_sentence(of.number)))
        said.append(tag("span", f" ({of.test}) " if of.test else " ", class_="soft"))
    if not said:
        said = [tag("strong", f"{headline(part.summary)} "), prose(numbers(part.summary))]
    first = [tag("p", tag("strong", "In short: "), prose(short), class_="in-short")] if short else []
    return join(*first, tag("p", *said, class_="answered"))


def _sentence(said: str) -> str:
    """With a capital, unless it begins with a name such as l1."""
    return said if said[1:2].isdigit() else f"{said[:1].upper()}{said[1:]}"


def _of_one_seed(part: Part) -> list[str]:
    """For each seed the winner that it alone would have named, and whether it is the winner of all."""
    monitor, sign, best = part.sweep.monitor, part.sweep.objective.sign, part.summary.leader
    found = []
    for repeat, name in part.repeats.items():
        values = [
            (sign * value, cell) for cell in part.summary.cells if math.isfinite(value := _of(cell, repeat, monitor))
        ]
        if not values or best is None:
            found.append("")
            continue
        _, winner = max(values, key=lambda pair: pair[0])
        same = "the winner of all seeds" if winner is best else f"with all seeds {best.label} is ahead"
        found.append(f"With {name} alone the winner is {winner.label}: {same}.")
    return found


def _of(cell: Cell, repeat: str, monitor: str) -> float:
    return next((r.final(monitor) for r in cell.completed if cell.repeat(r) == repeat), math.nan)
