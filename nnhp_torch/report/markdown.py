"""A sweep in Markdown: the answer, and the table below it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.names import visible
from nnhp_torch.core.stats.summary import Cell, ranking, winner
from nnhp_torch.core.stats.verdict import verdicts
from nnhp_torch.report.columns import columns, head, short
from nnhp_torch.report.table import MOST_ROWS
from nnhp_torch.report.words import answer, claim, why_no_winner


def in_markdown(outcome: Outcome, gathered: Sequence[Cell]) -> str:
    """Says which cell leads and whether it is the best, then shows the cells; of many the best ones."""
    sweep = outcome.sweep
    found, best = verdicts(sweep, gathered), winner(sweep, gathered)
    why = why_no_winner(sweep, found)
    said = [f"No winner: {why}"]
    if best is not None and not why:
        said = [f"{best.label} leads: {short(sweep.monitor)}={best.text(sweep.monitor)}."]
    said += answer(sweep, found, outcome.known.values()).splitlines() + claim(sweep, gathered).splitlines()
    few = len(gathered) <= MOST_ROWS
    rows = list(gathered) if few else ranking(sweep, gathered)[:MOST_ROWS]
    named = columns(sweep, rows, found)
    lines = [(head(name, sweep) for name in named), ("---" for _ in named), *zip(*named.values(), strict=True)]
    rest = [] if few else [f"The best {len(rows)} of {len(gathered)}; results.csv has all."]
    return "\n\n".join([*map(_plain, filter(None, said)), "\n".join(map(_row, lines)), *rest])


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(map(_plain, texts))} |"


def _plain(text: str) -> str:
    """Text in which nothing is taken for a mark of Markdown."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]|<>#" else letter for letter in visible(text))
