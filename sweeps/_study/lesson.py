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
from nnhp_torch.report.words.headline import conclusion, headline, numbers, steps
from nnhp_torch.report.words.phrases import amount, count, same_in_words
from sweeps._study.claims import CLAIMS, NOT_THE_ARTICLES, Answer, answers, claim_of, together
from sweeps._study.pictures import WHOLE, picture

# What is called by its name for programs elsewhere.
NAMES = {"optimizer=": "", "patience=none": "no stopping", "gradient_clip=none": "no clipping"}
NAMES |= {"batch_norm=False": "no batch norm", "batch_norm=True": "batch norm"}
NO_GUESS = "any may be the best"
# Whose values do not say by themselves what is varied.
EXPLAINED = (
    *("layers_nodes", "momentum", "learning_rate_decay", "weight_constraint"),
    "activity_regularization",
)
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
    asked = f"{said[:1].lower()}{said[1:]}" or "The article describes it, and claims nothing that a run could answer."
    whose = "Not the article's: " if said != claim else "The article says: " * bool(claim)
    axes = list(part.sweep.axes)
    untuned = "; each value may want a learning rate of its own" * ("lr" not in axes)
    roles = f"Varied: {', '.join(axes)}. Fixed: {same_in_words(part.summary)}{_in_steps(part)}{untuned}."
    buttons = [
        tag("button", text, type="button", data_worth=worth, data_said=answer) for text, worth, answer in guesses(part)
    ]
    which = f"Guess first: which {'combination of ' * (len(axes) > 1)}{' and '.join(axes)} ends best?"
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


def _in_steps(part: Part) -> str:
    """Say how many steps of the optimizer a training has: what the epochs come to with each batch size."""
    cells = part.summary.cells
    taken = [(steps(part.summary, cell) or 0) * cell.results[0].config["max_epochs"] for cell in cells if cell.results]
    if not taken or not all(taken):
        return ""
    if len(set(taken)) == 1:
        return f" ({taken[0]} steps)"
    return f" ({', '.join(map(str, taken))} steps with {', '.join(map(values_of, cells))})"


def guesses(part: Part) -> list[tuple[str, float, str]]:
    """Return what can be guessed, what that is worth, and what is answered: each cell, and that any may be the best."""
    verdicts = part.summary.verdicts
    worse = sum(verdict.kind == "worse" for verdict in verdicts)
    any_may = f"Wrong: {worse} of {len(verdicts) - 1} others {'is' if worse == 1 else 'are'} worse."
    each = [(values_of(of.cell), _worth(of, part), _told(of, part)) for of in verdicts]
    return [*each, (NO_GUESS, float(not worse), any_may if worse else "Right.")]


def _worth(verdict: Verdict, part: Part) -> float:
    """Return what the guess of a cell is worth; if any may be the best, each one may be, and no more."""
    undecided = {other.kind for other in part.summary.others} == {"undecided"}
    return WORTH["undecided"] if undecided else WORTH.get(verdict.kind, 0.0)


def _told(verdict: Verdict, part: Part) -> str:
    """Return the answer to the guess that a cell is the best."""
    leader = part.summary.leader
    if not math.isfinite(verdict.gap) and verdict.kind != "best":
        return "Wrong: that one has not completed."
    behind = f"{amount(verdict.gap, part.sweep.objective)} behind {leader.label if leader is not None else 'none'}"
    undecided = sum(other.kind == "undecided" for other in part.summary.others)
    ahead = f"It is ahead, and {count(undecided, 'other')} may be better." if undecided else "Right."
    return {
        "best": ahead,
        "as good": f"Right: {behind}, and shown to be as good.",
        "undecided": f"It may be: {behind}, which may be luck.",
    }.get(verdict.kind, f"Wrong: {behind}.")


def _answer(part: Part, links: Sequence[str], root: Path) -> Html:
    """Return what the guess opens; the headings of its pictures are those of a section."""
    leaves = [caveat.leaves for caveat in caveats(part.summary) if caveat.leaves]
    if "lr" not in part.sweep.axes:
        leaves.append("a learning rate of its own for each value may turn the order")
    if "steps" in part.paces:
        leaves.append("the values also differ in how many steps they take, and this does not tell which of both counts")
    undecided = sum(verdict.kind == "undecided" for verdict in part.summary.verdicts)
    answered = answers_of(part, root)
    also = f"{count(undecided, 'other')} may do as well as the best: {part.summary.repeated} cannot tell"
    leaves += [also] if undecided else []
    finding = conclusion(part.summary)
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
