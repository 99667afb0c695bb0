"""The article, answered: a page on which a student guesses each sweep's winner before its picture appears."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.from_ledger import recorded
from nnhp_torch.report.checks import checks
from nnhp_torch.report.ends import values_of
from nnhp_torch.report.headline import headline
from nnhp_torch.report.page.callback import write_page
from nnhp_torch.report.page.markup import Html, prose, tag
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.sections import beside
from nnhp_torch.report.page.space import space
from nnhp_torch.report.page.tables import checked, ends
from nnhp_torch.report.words import same_in_words
from sweeps._article import CLAIMS, PENALTIES, answers
from sweeps._pictures import cost, weights
from sweeps.weight_regularization import drives_to_zero

NO_GUESS = "none can be told from the best"
ALIKE = ("best", "as good", "undecided")
HOW = (
    "A sweep tries several values of one hyperparameter, or of two. That one is the <b>scientific</b> hyperparameter: "
    "the one that is asked about. <b>Nuisance</b> hyperparameters must be tuned anew for each of its values, or the "
    "comparison says more about them; <b>fixed</b> ones stay, and the answer holds for them alone. (The words are the "
    "Deep Learning Tuning Playbook's.) The article fixes what should be nuisance, the learning rate above all."
)
ROWS = (
    "A ring is one training run, a bar the mean of its value's runs. A band is where the mean may be, compared with "
    "the best's (the dotted line): what does not reach the line is worse by more than chance."
)


def write(path: Path, parts: Sequence[Part], links: Sequence[str], root: Path) -> None:
    """Write the page.

    Args:
        parts: the sweeps, in the article's order; links: their pages.
        root: the folder in which the project's `lightning_logs` lies.
    """
    lessons = [
        _lesson(number, part, link, root) for number, (part, link) in enumerate(zip(parts, links, strict=True), 1)
    ]
    repeats = list(parts[0].repeats.values())
    several = len(repeats) > 1
    one = [
        tag("button", "Show one seed", type="button", id="one", data_seeds=json.dumps(repeats)),
        tag("button", f"all {len(repeats)} seeds", type="button", id="all"),
        tag("span", "", id="told"),
    ]
    bar = tag("div", tag("strong", "", id="score"), *one * several, class_="bar-of-guesses", hidden="")
    head = [
        tag("p", "Neural Networks III: Hyperparameter Tuning, section by section", class_="kicker"),
        tag("h1", _headline(parts, root), class_="finding"),
        tag("p", _lead(parts), class_="lead"),
        tag("nav", *(_tile(n, part, root) for n, part in enumerate(parts, 1)), class_="tiles"),
        tag("details", tag("summary", "How to read it"), tag("p", Html(HOW)), tag("p", ROWS)),
        bar,
    ]
    last = tag("p", tag("a", "Which hyperparameter matters? All of them in one picture", href="study/report.html"), ".")
    write_page(path, "The article, answered", [*head, *lessons, last])


def _answers(part: Part, root: Path) -> list[tuple[str, str, str]]:
    """What is claimed of a hyperparameter as questions, each with the first words of its answer and the number."""
    few = recorded(root / PENALTIES, part.sweep.monitor).summary.cells if part.sweep.name == PENALTIES.name else []
    claim = part.summary.claim or drives_to_zero(few)
    after = " (Three seeds, ten epochs.)" if few and not part.summary.claim else ""
    return [(question, re.sub(r"\w+=", "", word), _sentence(rest) + after) for question, word, rest in answers(claim)]


def _sentence(said: str) -> str:
    """With a capital, unless it begins with a name such as l1."""
    return said if said[1:2].isdigit() else f"{said[:1].upper()}{said[1:]}"


def _headline(parts: Sequence[Part], root: Path) -> str:
    """Say how many of the article's claims hold here, how many do not, and how many cannot be told."""
    given = [
        word
        for part in parts
        if not CLAIMS.get(part.sweep.name, "(").startswith("(")
        for _, word, _ in _answers(part, root)
    ]
    counts = {word: given.count(word) for word in ("Yes", "Cannot be told")}
    no = sum(word.startswith("No") for word in given)
    judged = no + sum(counts.values())
    return (
        f"Of {judged} things that the article says, {counts['Yes']} hold here, {no} "
        f"{'does' if no == 1 else 'do'} not, and {counts['Cannot be told']} cannot be told."
    )


def _lead(parts: Sequence[Part]) -> str:
    known = [luck for part in parts if (luck := part.summary.luck) is not None]
    picked, seeds = sum(luck.picked for luck in known), sum(luck.seeds for luck in known)
    each = parts[0].summary.repeated or "one seed"
    said = f"{len(parts)} sweeps on MNIST, {each} each. Guess each winner before you look."
    once = f" The article trained each network once: one seed alone picks the same winner in {picked} of {seeds} cases."
    return said + once * bool(seeds)


def _tile(number: int, part: Part, root: Path) -> Html:
    """Return a section's name with its answer, which leads there."""
    words = list(dict.fromkeys(word for _, word, _ in _answers(part, root)))
    kind = {"Yes": "yes", "Cannot be told": "open"}.get(words[0] if len(words) == 1 else "", "")
    kind = "no" if words and words[0].startswith("No") else kind or ("mixed" if words else "none")
    said = " / ".join(words) or "no claim"
    name = tag("span", f"{number} · {_title(part)[0]}")
    return tag("a", name, tag("b", said), href=f"#{part.sweep.name}", class_=f"tile {kind}")


def _title(part: Part) -> tuple[str, str]:
    """Return a section's name, and what its hyperparameter is."""
    first = " ".join(part.sweep.about.strip().partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")
    name, _, what = first.partition(": ")
    return name, what


def _lesson(number: int, part: Part, link: str, root: Path) -> Html:
    """Return a section: the claim, the guess, and behind it one picture, one line, what stays open, the command."""
    name, what = _title(part)
    claim = CLAIMS.get(part.sweep.name, "")
    said = claim.removeprefix("(Not the article's.) ")
    asked = "The article describes it, and claims nothing that a run could answer." if not claim else f"“{said}”"
    whose = "Not the article's: " if said != claim else "The article: " * bool(claim)
    axes = list(part.sweep.axes)
    fixed = same_in_words(part.summary)
    nuisance = "the learning rate, too" if "lr" in axes and len(axes) > 1 else "none is tuned for each value"
    roles = f"Scientific: {', '.join(axes)}. Nuisance: {nuisance}. Fixed: {fixed}."
    cells, verdicts = part.summary.cells, part.summary.verdicts
    right = [n for n, verdict in enumerate(verdicts) if verdict.kind in ALIKE]
    right += [len(cells)] if not any(verdict.kind == "worse" for verdict in verdicts) else []
    names = [values_of(cell) for cell in cells]
    told = _told(part)
    buttons = [
        tag("button", text, type="button", value=n, data_said=said)
        for n, (text, said) in enumerate(zip([*names, NO_GUESS], told, strict=True))
    ]
    guess = tag(
        "div", tag("p", f"Guess first: which {' and '.join(axes)} ends best?"), *buttons, class_="guess", hidden=""
    )
    return tag(
        "section",
        tag("h2", f"{number} · {name}", tag("small", what)),
        tag("p", whose, asked, class_="said-by"),
        tag("p", roles, class_="soft"),
        guess,
        tag("div", tag("p", "", class_="guessed"), *_answer(part, link, root), class_="answer"),
        class_="lesson",
        id=part.sweep.name,
        data_part=part.sweep.name,
        data_right=json.dumps(right),
    )


def _told(part: Part) -> list[str]:
    """Return what is answered to a guess, of each cell and of none."""
    verdicts, leader = part.summary.verdicts, part.summary.leader
    best = values_of(leader) if leader is not None else "none"
    said = {
        "best": "right.",
        "as good": f"as good as the best, {best}.",
        "undecided": f"it cannot be told from the best, {best}.",
        "worse": "no, that one is worse.",
    }
    worse = sum(verdict.kind == "worse" for verdict in verdicts)
    none = f"no, {worse} of {len(verdicts) - 1} others are worse." if worse else "right."
    return [*(said.get(verdict.kind, "no, that one has not completed.") for verdict in verdicts), none]


def _answer(part: Part, link: str, root: Path) -> list[Html]:
    """Return what the guess opens."""
    of_each = json.dumps(_of_one_seed(part))
    lines = [tag("p", tag("strong", f"{q} {word}. "), prose(rest)) for q, word, rest in _answers(part, root)]
    leaves = [check.leaves for check in checks(part.summary) if check.leaves]
    if "lr" not in part.sweep.axes:
        leaves.append("a learning rate of its own for each value may turn the order")
    undecided = sum(verdict.kind == "undecided" for verdict in part.summary.verdicts)
    leaves += [f"{part.summary.repeated} leave {undecided} open"] if undecided else []
    return [
        tag("h3", headline(part.summary), class_="found"),
        tag("p", "", class_="of-one", data_one=of_each),
        *_pictures(part, root),
        *lines,
        tag("p", tag("strong", "Open: "), f"{'; '.join(leaves)}." if leaves else "nothing that these checks see."),
        checked(part),
        tag("details", tag("summary", "Training beside validation"), beside(part)),
        tag("pre", tag("code", part.command)),
        tag("p", tag("a", "The sweep's own page", href=link), class_="soft"),
    ]


def _pictures(part: Part, root: Path) -> list[Html]:
    """Return the one picture of a section, and of some the one that its claim is about."""
    if part.sweep.name == "layers_nodes":
        return [space(part)]
    if part.sweep.name == "early_stopping":
        return [cost(part)]
    more = [weights(root)] if part.sweep.name == "weight_regularization" else []
    return [tag("div", ends(part), *more, class_="shown")]


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


def with_nought(part: Part, known: Sequence[Part]) -> Part:
    """Return the sweep of dropout with a network that has none, if another sweep's ledger has it."""
    sweep = part.sweep
    if not isinstance(sweep, Sweep):
        return part
    sweep = dataclasses.replace(sweep, axes={"dropout": [0.0, *sweep.axes["dropout"]]})
    seeds = list(dict.fromkeys(trial.config.seed for trial in part.outcome.trials))
    results = {key: result for other in (*known, part) for key, result in other.outcome.results.items()}
    trials = sweep.trials(seeds)
    if not all(trial.key in results for trial in trials):
        return part
    here = {
        trial.key: dataclasses.replace(results[trial.key], cell=dict(trial.cell), sweep=sweep.name) for trial in trials
    }
    return dataclasses.replace(
        part, outcome=dataclasses.replace(part.outcome, sweep=sweep, trials=trials, results=here)
    )
