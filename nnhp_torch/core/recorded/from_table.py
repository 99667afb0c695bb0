"""Runs that were made elsewhere, judged by a table that has them: a row a run, or a row each of its steps."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnhp_torch.checks import nearest
from nnhp_torch.core.ledger.fields import LARGEST, is_number
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.recorded.exports import Row, rows_of
from nnhp_torch.core.recorded.from_ledger import RunsElsewhere, outcome_of
from nnhp_torch.core.spec.base import upstairs
from nnhp_torch.core.spec.names import distinct, label, once, typed
from nnhp_torch.core.spec.objective import Mode, Objective
from nnhp_torch.core.spec.status import Status

# What exports call a column: W&B's API, MLflow and TensorBoard put something before a name.
PREFIXES = ("config.", "summary.", "params.", "metrics.", "hparam/")
STEPS = ("step", "_step", "epoch", "global_step", "trainer/global_step")
RUNS = ("run_id", "run.id", "id", "run", "name", "run.name", "tags.mlflow.runName", "Name")
STATES = ("status", "state", "State", "run.state")
MOST = 6  # names that a line lists
ENDED: dict[str, Status] = {"finished": "completed", "completed": "completed", "running": "interrupted"}  # else failed


def judge(
    frame: Any,
    cell: str | Sequence[str],
    value: str,
    *,
    seed: str | None = "seed",
    step: str | None = None,
    mode: Mode | None = None,
    smallest_effect: float | None = None,
    baseline: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
) -> Outcome:
    """Say which settings are better, of runs that were made elsewhere; the Outcome is a sweep's.

    Its remarks say by which names columns were found, and what the table cannot tell.

    Args:
        frame: a data frame, a list of mappings, or a CSV's path: a row a run, or a row each of its steps.
        cell: the columns with the values to compare.
        value: the column that ranks them; names that W&B, MLflow and TensorBoard put a prefix before are found.
        seed: the column that tells a cell's runs apart and pairs them with the other cells'; None: they have no pairs.
        step: the column that orders a run's rows; default: `step`, `_step`, `epoch` or `global_step`, if there is one.
        mode: `"max"` or `"min"`; default: what the value's name tells.
        smallest_effect: the smallest difference that matters; default: 0.001 of an accuracy.
        baseline: the cell that all others are held against, `{"lr": 0.01}`; default: the best.
        folder: where page, figure, CSV and verdicts.json go; default: nothing is written.

    Raises:
        ValueError: a column is missing or holds no numbers; a run is missing, doubled, or the only one of its cell; or
            the folder holds something else.

    Example:
        >>> rows = [{"lr": lr, "seed": s, "val_acc": lr + s / 100} for lr in (0.1, 0.9) for s in range(5)]
        >>> [row.verdict for row in judge(rows, "lr", "val_acc").verdicts]
        ['worse', 'best']
    """
    table = _Table(rows_of(frame), [cell] if isinstance(cell, str) else cell, value, seed=seed, step=step, mode=mode)
    results = _seeded([table.result(places) for places in table.runs()], seed)
    given: dict[str, Any] = {"smallest_effect": smallest_effect, "baseline": dict(baseline) if baseline else None}
    monitor, about = table.objective.metric, "Runs that were made elsewhere"
    outcome = outcome_of(results, monitor, mode, about=about, kind=RunsElsewhere, **given)
    for axis in outcome.sweep.axes:
        if baseline and axis not in baseline:
            raise ValueError(f"baseline needs a value of {axis} too")
    if baseline and outcome.sweep.baseline not in [trial.cell for trial in outcome.trials]:
        first = label(outcome.trials[0].cell)
        raise ValueError(f"baseline: no run has {label(outcome.sweep.baseline or {})}; the first has {first}")
    outcome = replace(outcome, remarks=[*table.remarks(), *_unknown(outcome, seed)])
    return outcome if folder is None else upstairs("cli.judge:write")(outcome, Path(folder))


class _Table:
    """Rows, and which of their columns are meant: name → column of cells, seeds and metrics; one of these ranks."""

    def __init__(
        self, rows: Sequence[Row], cell: Sequence[str], value: str, *, seed: str | None, step: str | None, mode: Any
    ) -> None:
        self.rows = rows = [{**_parts(row), **row} for row in rows]
        self.names = names = once(column for row in rows for column in row)
        if not cell or not rows:
            raise ValueError(f"--cell names what is compared, of {_listed(names)}" if rows else "there are no rows")
        self.cell = {_bare(name): self.column(name) for name in cell}
        self.seed = {seed: self.column(seed, "; --seed none: they have no pairs")} if seed else {}
        ranks, found = self.column(value), {_bare(column): column for column in reversed(names)}
        if len({*self.cell.values(), *self.seed.values(), ranks}) < len(self.cell) + len(self.seed) + 1:
            raise ValueError("--cell, --seed and --value must be different columns")
        self.objective = objective = Objective.of(_bare(value), mode)
        there = {name: [of for row in rows if (of := row.get(column)) is not None] for name, column in found.items()}
        numeric = [name for name, values in there.items() if all(map(is_number, values))]
        twins = [twin for split in ("test", "train") if (twin := objective.twin(split, numeric))]
        self.metrics = {objective.metric: ranks, **{twin: found[twin] for twin in twins}}
        self.step = self.column(step) if step else next((found[name] for name in STEPS if name in found), None)
        self.state = next((column for column in STATES if column in names), "")
        self.percent = objective.is_accuracy and any(
            is_number(row.get(ranks)) and 1 < row[ranks] <= 100 for row in rows
        )

    def column(self, name: str, hint: str = "") -> str:
        """The column that is meant by a name: it, or the same behind an export's prefix."""
        for column in (name, *(prefix + name for prefix in PREFIXES)):
            if column in self.names:
                return column
        near = nearest(name, map(_bare, self.names), alike=0.4)
        known = f"the nearest is {near!r}" if near else f"there are {_listed(self.names)}"
        raise ValueError(f"no column is called {name!r}: {known}{hint}")

    def remarks(self) -> list[str]:
        """Which columns have other names than was said, and what was done with their values."""
        taken = {**self.cell, **self.seed, **self.metrics}
        said = "; ".join(f"{name} is {column}" for name, column in taken.items() if name != column)
        return [*filter(None, (said, f"{self.objective.metric} is in percent: divided by 100" * self.percent))]

    def runs(self) -> list[list[int]]:
        """The places of each run's rows: a row is a run of its own if neither a seed nor a name tells runs apart."""
        named = [column for column in RUNS if column in self.names and self.step][:1]
        repeats = [*self.seed.values()] or named
        apart = [*self.cell.values(), *repeats] if repeats else []
        runs: dict[str, list[int]] = {}
        for place, row in enumerate(self.rows):
            runs.setdefault(distinct([row.get(column) for column in apart] or place), []).append(place)
        return [*runs.values()]

    def metrics_at(self, place: int) -> dict[str, float]:
        """The metrics that a row has."""
        there = {name: of for name, of in self.metrics.items() if self.rows[place].get(of) is not None}
        return {name: self.number(of, place) / (100 if self.percent else 1) for name, of in there.items()}

    def number(self, column: str, place: int) -> float:
        value: Any = self.rows[place].get(column)
        if not is_number(value):
            raise ValueError(f"{column} should be a number, not {str(value)[:80]!r}, in row {place + 1}")
        return float(value) if abs(value) <= LARGEST else math.nan

    def result(self, places: Sequence[int]) -> TrialResult:
        """A run's result: one row, or one for each of its steps."""
        key, first, step = f"row {places[0] + 1}", self.rows[places[0]], self.step
        cell, seed = ({name: first.get(column) for name, column in of.items()} for of in (self.cell, self.seed))
        named, monitor = _named({**cell, **seed}), self.objective.metric
        if step and len(places) > 1:
            places = sorted(places, key=lambda place: self.number(step, place))
            places = [place for place in places if self.metrics_at(place)]
        for place, other in itertools.pairwise(places):
            row, beside = self.rows[place], self.rows[other]
            if step is None or row.get(step) == beside.get(step):
                others = [name for name in row if name not in self.metrics.values()]
                varied = [name for name in others if row[name] != beside.get(name)]
                hint = f"; they differ in {_listed(varied)}: one more --cell, or a --step?" if varied else ""
                raise ValueError(f"{named} is in row {place + 1} and in row {other + 1}{hint}")
        curves: dict[str, list[float]] = {}
        for place in places:
            for metric, value in self.metrics_at(place).items():
                curves.setdefault(metric, []).append(value)
        reason = str(first.get(self.state) or "").lower()
        status: Status = ENDED.get(reason, "failed") if reason else "completed"
        if status == "completed" and monitor not in curves:
            raise ValueError(f"{named} has no {monitor}")
        if status == "completed" and not math.isfinite(curves[monitor][-1]):
            status, reason = "diverged", f"{monitor} is no finite number"
        ends = {metric: curve[-1] for metric, curve in curves.items()}
        parts = {"history": curves} if len(places) > 1 else {"restored": ends}
        config = {**cell, "seed": next(iter(seed.values()), None)}
        said = "" if status == "completed" else reason
        return TrialResult(key, "judged", label({**cell, **seed}), config, cell, status, said, **parts)


def _seeded(results: Sequence[TrialResult], seed: str | None) -> list[TrialResult]:
    """The results with seeds that are whole numbers, the same ones in each cell."""
    cells: dict[str, list[TrialResult]] = {}
    for result in results:
        cells.setdefault(distinct(result.cell), []).append(result)
    given = {r.key: n if seed is None else r.config["seed"] for of in cells.values() for n, r in enumerate(of)}
    order = sorted(once(given.values()), key=lambda one: (not is_number(one), one if is_number(one) else 0, str(one)))
    whole = all(type(one) is int and one >= 0 for one in order)
    numbers = {distinct(one): one if whole else n for n, one in enumerate(order)}  # others are numbered in their order
    called = {numbers[distinct(one)]: f"{seed}={one}" if seed else f"run {one + 1}" for one in order}
    number = {key: numbers[distinct(one)] for key, one in given.items()}
    if len(cells) < 2 or len(called) < 2:
        few = f"there is one cell, {_named(results[0].cell)}" if len(cells) < 2 else "each cell has one run"
        raise ValueError(f"{few}: two cells or more, with several seeds each, can be compared")
    for of in cells.values():
        if lacks := [called[n] for n in sorted(called.keys() - {number[result.key] for result in of})]:
            named = _named(of[0].cell)
            raise ValueError(f"{named} lacks {_listed(lacks)}, which other cells have: cells are compared by the same")
    seeded = [replace(result, config={**result.config, "seed": number[result.key]}) for result in results]
    return sorted(seeded, key=lambda result: result.config["seed"])


def _unknown(outcome: Outcome, seed: str | None) -> list[str]:
    """What no table tells, and what of this one is not there: exports leave empty what a run has not set."""
    monitor, split, runs = outcome.sweep.monitor, outcome.sweep.objective.split, outcome.ordered
    empty = {axis: sum(run.cell[axis] is None for run in runs) for axis in outcome.sweep.axes}
    lines = [
        f"{axis} is empty in {number} of {len(runs)} runs: they are compared as {axis}=none."
        for axis, number in empty.items()
        if number
    ]
    by_name = f" (by its name, on {split} data)" if split else ""
    lines.append(
        f"Cells are ranked by {monitor}: what the best has on test data is too good, because that picked it."
        if split == "test"
        else f"The table does not tell on which data {monitor} was measured{by_name}, nor whether on the same for all."
    )
    lines.append(
        f"Runs with the same {seed} are compared in pairs; what they share beside it, the table does not tell."
        if seed
        else "Runs have no pairs and are compared as they come: if they are independent, the test holds and finds less."
    )
    lengths = {run.epochs for run in runs}
    if len(lengths) > 1:
        lines.append(f"Runs have {min(lengths)} to {max(lengths)} values: the last counts.")
    return [*lines, *(["An epoch of the curves is a row of the table, whatever its step was."] if max(lengths) else [])]


def _bare(column: str) -> str:
    return next((column[len(prefix) :] for prefix in PREFIXES if column.startswith(prefix)), column)


def _parts(row: Row) -> Row:
    """What a run's name tells of it: `lr=0.1,seed=2`."""
    names = " ".join(str(row[column]) for column in RUNS if column in row)
    return {name: typed(value) for name, value in re.findall(r"([A-Za-z_][\w.]*)=([^,;/\s]+)", names)}


def _named(values: Mapping[str, Any]) -> str:
    """A run or a cell, in no more letters than a line has."""
    return label(values)[:120]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:40] for name in names[:MOST]) + (f" and {len(names) - MOST} more" if names[MOST:] else "")
