"""The question that a run asks of its cells: refused before anything is done if it has no answer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeVar

from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.stats.against_best import FEWEST
from nnhp_torch.core.stats.verdict import REQUIRED
from nnhp_torch.run.launch.request import Request

P = TypeVar("P", bound=SweepBase)


def judged(sweep: P, request: Request) -> P:
    """Return a sweep with what is requested of how its cells are judged.

    Raises:
        ValueError: the run could not answer that.
    """
    made = replace(
        sweep,
        smallest_effect=sweep.smallest_effect if request.smallest_effect is None else request.smallest_effect,
        max_seeds=request.most_seeds if request.races else None,
        baseline=sweep.baseline if request.baseline is None else request.baseline,
        judge=request.judge or sweep.judge,
    )
    _check_require(made, request)
    if request.proposal is not None:
        _check_proposal(made, request)
    return made


def _check_require(sweep: SweepBase, request: Request) -> None:
    if request.require not in (None, *REQUIRED):
        raise ValueError(f"require must be one of {', '.join(REQUIRED)}, not {request.require!r}")
    if request.require and sweep.baseline is None:
        raise ValueError(f"--require {request.require} needs a cell to be held against: --baseline NAME=VALUE")
    if request.require and max(len(request.each_seed(sweep)), _folds(sweep)) < FEWEST:
        hint = "" if sweep.elsewhere else " (--seeds 5, or auto)"
        raise ValueError(f"--require needs {FEWEST} seeds or more: fewer decide nothing{hint}")


def _check_proposal(sweep: SweepBase, request: Request) -> None:
    if sweep.baseline is None:
        raise ValueError("--proposal needs what it is held against: --baseline NAME=VALUE")
    if request.seeds not in (1, "auto"):
        raise ValueError(f"--proposal gives each cell the seeds that it needs: leave out --seeds {request.seeds}")
    if sweep.judge is not None or request.chooser is not None or _folds(sweep) > 1:
        raise ValueError("--proposal has a test of its own, over seeds alone: no judge, no chooser, no --over")


def _folds(sweep: SweepBase) -> int:
    return math.prod(map(len, sweep.replicates.values()))
