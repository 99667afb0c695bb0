"""A sweep in Markdown: the answer, and the table below it."""

from __future__ import annotations

from collections.abc import Iterable

from nnhp_torch.core.spec.names import visible
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.columns import columns, head
from nnhp_torch.report.table import MOST_ROWS
from nnhp_torch.report.words import answer, lead


def in_markdown(summary: Summary) -> str:
    """Says which cell leads and whether it is the best, then shows the cells; of many the best ones."""
    few = len(summary.cells) <= MOST_ROWS
    rows = summary.cells if few else summary.ranking[:MOST_ROWS]
    named = columns(summary, rows)
    heads = (head(name, summary.sweep) for name in named)
    lines = [heads, ("---" for _ in named), *zip(*named.values(), strict=True)]
    rest = [] if few else [f"The best {len(rows)} of {len(summary.cells)}; results.csv has all."]
    said = ["".join(lead(summary)), *answer(summary).splitlines(), *summary.claim.splitlines()]
    return "\n\n".join([*map(_plain, filter(None, said)), "\n".join(map(_row, lines)), *rest])


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(map(_plain, texts))} |"


def _plain(text: str) -> str:
    """Text in which nothing is taken for a mark of Markdown."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]|<>#" else letter for letter in visible(text))
