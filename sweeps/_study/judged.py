"""How a claim is answered: yes, no or cannot be told, then the number, then the test."""

import math
import statistics
from collections.abc import Mapping, Sequence, Sized

from nnhp_torch import Cell
from nnhp_torch.core.spec.interim import LEVEL
from nnhp_torch.core.spec.names import enumeration
from nnhp_torch.core.stats.against_best import FEWEST
from nnhp_torch.core.stats.pairs import holm
from nnhp_torch.core.stats.units import by_unit, chance


def judged(
    question: str,
    number: str,
    after: Sequence[float],
    *,
    before: Sequence[float],
    cell: Cell,
    p: float = math.nan,
    corrected: str = "",
) -> str:
    """Return the answer to a question, the number behind it, and how that was tested, in lines.

    Args:
        question: answered with yes if `after` is more than `before` by more than chance, with no if it is less.
        number: what stands behind the answer.
        after, before: a value for each trial of a cell.
        cell: one of those that are compared; it says how the trials repeat it.
        p: of the difference, as it is corrected for other comparisons; default: of this one alone.
        corrected: how that was done.
    """
    known = [chance(after, before, cell) if math.isnan(p) else p]
    return _said(question, number, {"": (after, before)}, known, cell=cell, corrected=corrected)


def judged_each(
    question: str,
    number: str,
    compared: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    cell: Cell,
    link: str = "with",
) -> str:
    """Return one answer to a question about several comparisons; each pays for the others.

    Args:
        compared: what each is called → its values, and those that they are held against.
        number, cell: as of `judged`.
        link: the word before what each is called, if they are answered differently.
    """
    p_values = holm([chance(after, before, cell) for after, before in compared.values()])
    return _said(question, number, compared, p_values, cell=cell, corrected=corrected_for(compared), link=link)


def _said(
    question: str,
    number: str,
    compared: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    p_values: Sequence[float],
    *,
    cell: Cell,
    corrected: str,
    link: str = "with",
) -> str:
    if any(len(by_unit(after, cell)) < FEWEST for after, _ in compared.values()):
        return f"{question} Cannot be told from {'one seed' if cell.trials == 1 else cell.repeated}: {number}."
    named: dict[str, list[str]] = {}
    for (name, (after, before)), p in zip(compared.items(), p_values, strict=True):
        more = statistics.fmean(after) > statistics.fmean(before)
        named.setdefault(("yes" if more else "no, the opposite") if p < LEVEL else "cannot be told", []).append(name)
    each = sorted(named.items(), key=lambda of: of[0] != "yes")  # what is yes comes first
    word = "; ".join(f"{word} {link} {enumeration(names, 'and')}" if len(each) > 1 else word for word, names in each)
    tests = "paired t-tests" if len(compared) > 1 else "paired t-test"
    each_p = zip(compared, p_values, strict=True)
    found = ", ".join(f"{p:.2g}{f' {link} {name}' * (len(compared) > 1)}" for name, p in each_p)
    test = f"({cell.repeated}, {tests}, p={found}{corrected and f', {corrected}'})"
    return f"{question} {word[:1].upper()}{word[1:]}: {number}.\n{test}"


def judged_count(question: str, number: str, diverged: int, completed: int, cell: Cell) -> str:
    """Return the answer of so many trials of a cell that diverge, held against another cell's, which all complete."""
    if cell.trials == 1:
        return f"{question} Cannot be told from one seed: {number}."
    ways = [math.comb(cell.trials, k) * math.comb(completed, diverged - k) for k in range(diverged + 1)]
    p = sum(way for way in ways if way <= ways[-1]) / sum(ways)
    word = "Yes" if p < LEVEL else "Cannot be told"
    return f"{question} {word}: {number}.\n({cell.repeated}, Fisher's exact test, p={p:.2g})"


def least_of_all(
    question: str, number: str, cell: Cell, least: Sequence[float], others: Sequence[Sequence[float]]
) -> str:
    """Whether a cell has less of something than each other one: no correction, because it must be so of all."""
    p = max(chance(other, least, cell) for other in others)
    corrected = "against the nearest of the others" if len(others) > 1 else ""
    return judged(question, number, others[0], before=least, cell=cell, p=p, corrected=corrected)


def corrected_for(compared: Sized) -> str:
    """Say how the p-values of several comparisons were corrected."""
    return f"corrected for {len(compared)} comparisons" if len(compared) > 1 else ""
