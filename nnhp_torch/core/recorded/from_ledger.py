"""A sweep as its ledger tells it, for a reader who has neither the script nor the module behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.result import TrialResult, logged
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.loop.chosen import Chosen
from nnhp_torch.core.loop.race import Race
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.grid import Listed
from nnhp_torch.core.spec.names import distinct, once
from nnhp_torch.core.spec.objective import Mode, logged_name, unlogged
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.core.stats.proposals import Proposal


@dataclass(frozen=True)
class RecordedTrial(Trial):
    """A trial with the key that the ledger has: it is not computed anew, because the build is not at hand."""

    recorded: str = ""

    @property
    def key(self) -> str:
        """The key as the ledger has it."""
        return self.recorded


@dataclass(frozen=True)
class RecordedSearch(Listed):
    """A search as its ledger tells it: its trials are called by their number and their key."""

    sampled: ClassVar[bool] = True


@dataclass(frozen=True)
class RunsElsewhere(Listed):
    """A sweep of runs that nobody here has trained."""

    elsewhere: ClassVar[bool] = True


@dataclass(frozen=True)
class UnpairedRuns(RunsElsewhere):
    """Runs that no seed tells apart."""

    paired: ClassVar[bool] = False


def recorded(
    folder: Path,
    monitor: str,
    mode: Mode | None = None,
    *,
    about: str = "",
    replicates: Sequence[str] = (),
    guessing: Mapping[str, float] | None = None,
    examples: int | None = None,
    max_seeds: int | None = None,
    baseline: Mapping[str, Any] | None = None,
    proposal: Mapping[str, Any] | None = None,
    order: Mapping[str, Sequence[Any]] | None = None,
) -> Outcome:
    """The outcome that a folder's ledger holds, of all the trials in it.

    Settings that differ from trial to trial are axes, also if the sweep did not vary them but two of its runs did. Each
    cell has as many trials as there are seeds (and values of replicates), so that one of which some are missing is not
    ranked.

    Args:
        monitor: what ranks the cells. mode: `max` or `min`; default: what its name tells.
        about: what the sweep is about. replicates: settings that repeat each cell. guessing: metric → what is
            reached without having learned. examples: how many an epoch trains on.
        max_seeds: of a race, as it was asked for: each cell has the seeds that the race chose for it.
        baseline: the cell that all are held against, as it was asked for.
        proposal: which one it was, if it was one: of the trials in the ledger those of other proposals are left out.
        order: axis → its values as the sweep had them; default: numbers by their size, others as they were met.

    Raises:
        LedgerError: there is no ledger, it is damaged, or no trial has logged the monitor.
        ValueError: the monitor's name does not tell its direction.
    """
    store = ResultStore(folder)
    results = [dataclasses.replace(result, key=key) for key, result in store.results().items()]
    if not results:
        raise LedgerError(f"{folder} has no results: {store.path.name} is missing or empty")
    names = logged(results)
    if names and not logged_name(monitor, names):
        raise LedgerError(f"{store.path}: {unlogged(monitor, names)}: --monitor names one of them")
    if proposal is not None:
        tried = order or {}
        results = [
            r for r in results if r.cell == baseline or all(r.cell.get(axis) in of for axis, of in tried.items())
        ]
    told = {"guessing": dict(guessing or {}), "examples": examples}
    of_sweep: dict[str, Any] = {"about": about, "max_seeds": max_seeds, "baseline": baseline}
    of_sweep["proposal"] = proposal and Proposal(**proposal)
    outcome = outcome_of(results, monitor, mode, replicates=replicates, told=told, order=order, **of_sweep)
    return dataclasses.replace(outcome, folder=folder)


def outcome_of(
    results: Sequence[TrialResult],
    monitor: str,
    mode: Mode | None = None,
    *,
    replicates: Sequence[str] = (),
    told: Mapping[str, Any] | None = None,
    order: Mapping[str, Sequence[Any]] | None = None,
    kind: type[Listed] | None = None,
    **of_sweep: Any,
) -> Outcome:
    """The outcome of some results; see recorded.

    Args:
        told: what the configuration knows beside its settings: `guessing`, `examples`.
        kind: of the sweep; default: a search if the results are called as those of one are.
        of_sweep: further fields of it.
    """
    races = of_sweep.get("max_seeds") is not None
    base, axes = _configuration(results, told or {}), _axes(results, replicates)
    met = _in_order(once(_some(result, axes) for result in results), order or {})
    repeats = once(_some(result, (*replicates, "seed")) for result in results)
    if races:  # their rounds are in the order of the seeds, not of their ends
        repeats.sort(key=lambda repeat: repeat["seed"])
    sampled = all(result.name.endswith(f"-{result.key[:8]}") and result.name[:4].isdecimal() for result in results)
    sweep = (kind or (RecordedSearch if sampled else Listed))(
        name=results[0].sweep,
        base=base(),
        axes={axis: once(cell[axis] for cell in met) for axis in axes},
        build="recorded",
        monitor=monitor,
        mode=mode,
        replicates={name: once(repeat[name] for repeat in repeats) for name in replicates},
        listed=met,
        **of_sweep,
    )
    of = {distinct(_some(result, (*axes, *replicates, "seed"))): result for result in results}
    trials: list[Trial] = []
    for repeat in repeats:
        for cell in met:
            place = distinct({**cell, **repeat})
            name, key = (of[place].name, of[place].key) if place in of else ("", f"missing {place}")
            config = base(**{**cell, **repeat})
            replicate = {name: repeat[name] for name in replicates}
            trials.append(RecordedTrial(sweep.name, config, cell, name=name, replicate=replicate, recorded=key))
    known = {r.key: dataclasses.replace(r, cell=_some(r, axes)) for r in results}
    if races:
        of_values = {distinct(trial.values): trial for trial in trials}
        chosen = Chosen(Race(sweep, trials), lambda number, values: of_values[distinct(values)])
        trials = chosen.open(lambda trial: known.get(trial.key))
    return Outcome(sweep, trials, known, known=known)


class _Settings:
    """A configuration with whatever settings the records have; the latest record's values are its defaults."""

    usual: Mapping[str, Any] = {}
    max_epochs = 1  # of records that do not tell

    def __init__(self, **values: Any) -> None:
        vars(self).update({**self.usual, **values})

    def __replace__(self, **values: Any) -> _Settings:
        return type(self)(**{**vars(self), **values})


def _configuration(results: Iterable[TrialResult], told: Mapping[str, Any]) -> type[_Settings]:
    settings: dict[str, Any] = {"seed": 0}
    for result in results:
        settings |= {**result.config, **result.cell}
    return type("Recorded", (_Settings,), {"usual": settings, **told})


def _axes(results: Sequence[TrialResult], replicates: Sequence[str]) -> list[str]:
    """The swept settings, and behind them the others that differ among the records."""
    swept = list(dict.fromkeys(axis for result in results for axis in result.cell))
    known = (*swept, *replicates, "seed")
    above = {".".join(axis.split(".")[:n]) for axis in swept for n in range(1, axis.count(".") + 1)}  # of a list's key
    others = dict.fromkeys(name for r in results for name in r.config if name not in (*known, *above))
    return [*swept, *(name for name in others if len(once(r.config.get(name) for r in results)) > 1)]


def _in_order(cells: list[dict[str, Any]], order: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The cells as a grid has them: a ledger has them as their trials ended."""
    places: dict[str, list[str]] = {}
    for axis in cells[0]:
        met = once(cell[axis] for cell in cells)
        if axis not in order and all(isinstance(value, (int, float)) for value in met):
            met.sort()
        places[axis] = list(map(distinct, [*order.get(axis, ()), *met]))
    return sorted(cells, key=lambda cell: [places[axis].index(distinct(value)) for axis, value in cell.items()])


def _some(result: TrialResult, names: Sequence[str]) -> dict[str, Any]:
    """Some of a record's settings."""
    values = {**result.config, **result.cell}  # a project's configuration leaves out what its code has as default
    return {name: values.get(name) for name in names}
