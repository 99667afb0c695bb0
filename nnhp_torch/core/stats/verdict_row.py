"""The verdicts of a sweep in plain values, a row a cell: what Python, verdicts.json and other tools read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.stats.verdict import Kind, Verdict, more_seeds

# What --require asks for → the verdicts; one of them is enough.
REQUIRED = {"better": ("better",), "as-good": ("better", "as good")}


@dataclass(frozen=True)
class VerdictRow:
    """What may be said of one cell, in plain values; None is what nobody knows.

    Args:
        cell: the swept values.
        trials: how many it was judged by.
        mean: of the monitored metric.
        verdict: as in Verdict.
        estimate: by how much it is better than what it is compared with (below 0: worse), in the metric's own unit,
            whichever direction is better.
        low, high: 95% interval of that, for all cells at once (of a proposal, at its level); None is an unknown end.
        p: adjusted for all comparisons and looks.
        chance: of an undecided cell, that more seeds decide.
        more: the options with which the next run may decide; "" is the same command once more, None that none would.

    Example:
        >>> row = outcome.verdicts[0]
        >>> row.cell, row.verdict, round(row.estimate, 3)
        ({'lr': 0.1}, 'worse', -0.038)
    """

    cell: dict[str, Any]
    trials: int
    mean: float | None
    verdict: Kind
    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    chance: float | None
    more: str | None

    @classmethod
    def of(cls, verdict: Verdict, sweep: SweepBase) -> VerdictRow:
        """Return a verdict in plain values, seen from the other side: by how much its cell is better, not behind."""
        cell, more = verdict.cell, more_seeds(verdict, sweep)
        known = verdict.kind == "undecided" and (sweep.proposal is not None or not math.isnan(verdict.p))
        return cls(
            cell=dict(cell.values),
            trials=verdict.seeds or len(cell.completed),
            mean=_known(cell.mean(sweep.monitor)),
            verdict=verdict.kind,
            estimate=_known(0.0 - verdict.gap),
            low=_known(0.0 - verdict.high),
            high=_known(0.0 - verdict.low),
            p=_known(verdict.p),
            chance=verdict.chance if known else None,
            more="" if more is None and cell.unfinished else more,
        )


def holds(rows: Sequence[VerdictRow], required: str | None) -> bool:
    """Whether some cell has what is required; True if nothing is."""
    return required is None or any(row.verdict in REQUIRED[required] for row in rows)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
