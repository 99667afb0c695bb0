"""Cells that earlier calls have run on the same base and seeds: a sweep's reports show them beside its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from nnhp_torch.core.ledger.known import Known, Mismatch
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.names import distinct
from nnhp_torch.core.spec.trial import Trial, defaults


def earlier_trials(sweep: SweepBase, trials: Sequence[Trial], known: Known) -> list[Trial]:
    """Return the trials of other cells that have a result with each seed and replicate that is asked for.

    They differ from the trials that are asked for in the swept values alone. A race has none: its cells have the seeds
    that it chooses.

    Args:
        trials: those that are asked for.
        known: key → result of all that the ledger has.
    """
    if sweep.sampled or sweep.max_seeds is not None or not trials:
        return []
    seeds = list(dict.fromkeys(trial.config.seed for trial in trials))
    wanted = {trial.key for trial in trials}
    found = []
    for cell in _cells(sweep, trials, known):
        try:
            alone = replace(sweep, axes={axis: [value] for axis, value in cell.items()})
        except Exception:  # such a value is refused by now, in whatever way the configuration has
            continue
        made = alone.trials(seeds, trials[0].precision, trials[0].threads)
        if not any(trial.key in wanted for trial in made) and all(_is_known(trial, known) for trial in made):
            found += made
    return found


def _cells(sweep: SweepBase, trials: Sequence[Trial], known: Known) -> Iterator[dict[str, Any]]:
    """Yield the swept values of records on the sweep's base that are in none of the trials, each combination once."""
    usual = {**vars(sweep.base), **defaults(sweep.base)}
    fixed = sorted({*usual} - {*sweep.axes, *sweep.replicates, "seed"})

    def base_of(settings: Mapping[str, Any]) -> str:
        return json.dumps([settings.get(name, usual[name]) for name in fixed])

    base = base_of(vars(sweep.base))
    met = {distinct(trial.cell) for trial in trials}
    for result in known.values():
        settings = {**usual, **result.cell, **result.config}
        if not settings.keys() >= sweep.axes.keys():  # a project's, at which its code has a default of its own
            continue
        cell = {axis: settings[axis] for axis in sweep.axes}
        if distinct(cell) not in met and base_of(result.config) == base:
            met.add(distinct(cell))
            yield cell


def _is_known(trial: Trial, known: Known) -> bool:
    with suppress(Mismatch):
        result = known.of(trial)
        return result is not None and result.settled
    return False
