"""Messages between the parent process and its workers.

    parent → worker    Prepare, then RunTrial for each trial; after each Epoch its answer: a reason to prune, or None;
                       Work before the trials of another sweep
    worker → parent    Prepared, then Epoch after Epoch and one Ended for each trial, or DiskFull

Of a worker that says nothing any more its Slot says that it has Died.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from nnhp_torch.core.errors import PreparationError
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.runtime import Build, Runtime


class Work(NamedTuple):
    """Train the trials of this sweep from now on."""

    build: Build
    runtime: Runtime


class Prepare(NamedTuple):
    """Try whether such a trial can run, and fetch the data."""

    trial: Trial


class RunTrial(NamedTuple):
    """Run a trial."""

    trial: Trial


class Prepared(NamedTuple):
    """Trials can run, or an error says why not.

    Args:
        spent: as of Ended.
    """

    error: PreparationError | None = None
    spent: bool = False


class Epoch(NamedTuple):
    """An epoch (from 1) of the trial has ended; the answer is awaited."""

    number: int
    metrics: Mapping[str, float]


class Ended(NamedTuple):
    """The trial has ended, in whatever way.

    Args:
        spent: it has changed global variables, so that the next trial needs another process.
    """

    result: TrialResult
    spent: bool = False


class DiskFull(NamedTuple):
    """The trial could not be written, and no other one could."""

    error: OSError


class Died(NamedTuple):
    """The process has ended, and how."""

    how: str
