"""A search's winner is the luckiest of many: its best configurations once more, on seeds that chose none of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.grid import Listed
from nnhp_torch.core.spec.names import once
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.search.space import Search


def confirmation(search: Search, outcome: Outcome, most: int) -> Listed | None:
    """Make the sweep over the best configurations of a search that has ended; None if no trial has completed.

    Args:
        most: how many of them; fewer if fewer have completed.
    """
    best = [cell for cell in outcome.summary.ranking if cell.ranked][:most]
    if not best:
        return None
    of_search = {part.name: getattr(search, part.name) for part in dataclasses.fields(SweepBase)}
    of_confirmation = {
        "name": f"{search.name}-confirm",
        "axes": {name: once(cell.values[name] for cell in best) for name in search.axes},
        "claim": partial(_luck, search.monitor, best[0].text(search.monitor)),
        "next_steps": "",
    }
    return Listed(**of_search | of_confirmation, listed=[cell.values for cell in best])


def _luck(monitor: str, promised: str, gathered: Sequence[Cell]) -> str:
    """Return the fate of the search's winner, the first of the cells."""
    first = gathered[0]
    return (
        f"The search's winner had {monitor}={promised} with the seed that chose it, "
        f"and has {first.text(monitor)} over {first.repeated} that did not."
    )
