"""Runs that were made elsewhere, judged by a table that has them: a row a run, or a row each of its steps."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnhp_torch.checks import nearest
from nnhp_torch.core.ledger.fields import LARGEST, is_number
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.recorded.exports import Row, rows_of
from nnhp_torch.core.recorded.from_ledger import RunsElsewhere, UnpairedRuns, outcome_of
from nnhp_torch.core.spec.base import plain, upstairs
from nnhp_torch.core.spec.names import distinct, label, once, typed
from nnhp_torch.core.spec.objective import Mode, Objective
from nnhp_torch.core.spec.status import Status

# What exports call a column: W&B's API, MLflow and TensorBoard put something before a name.
PREFIXES = ("config.", "summary.", "params.", "metrics.", "hparam/")
STEPS = ("step", "_step", "epoch", "global_step", "trainer/global_step")
RUNS = ("run_id", "run.id", "id", "run", "name", "run.name", "tags.mlflow.runName", "Name")
STATES = ("status", "state", "State", "run.state")
MOST = 6  # names that a line lists
LINE = 120  # letters of one that it has
ABOUT = "Runs that were made elsewhere"
SHARE = 1.001  # that no share of right answers is above
NUMBER = "run number"  # the column that counts a cell's runs if nothing tells them apart
COMPLETED = ("finished", "completed", "complete", "success", "succeeded", "ok", "done", "terminated")
NOT_SO = ("failed", "fail", "error", "crashed", "killed", "running", "scheduled")  # nor is any other word


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
    as_written = {name: str(of) if isinstance(of, list) else plain(of) for name, of in (baseline or {}).items()}
    baseline = {_bare(name): of for name, of in as_written.items()} or None
    effect = None if smallest_effect is None else smallest_effect / table.scale
    given = {"smallest_effect": effect, "baseline": baseline}
    of_sweep: dict[str, Any] = {"about": ABOUT, "kind": RunsElsewhere if seed else UnpairedRuns, **given}
    outcome = outcome_of(table.results(), table.objective.metric, mode, **of_sweep)
    cells, sweep = once(trial.cell for trial in outcome.trials), outcome.sweep
    if baseline and not (baseline.keys() >= set(sweep.axes) and sweep.baseline in cells):
        raise ValueError(f"baseline: no cell is {label(baseline)}; the first is {label(cells[0])}")
    outcome = replace(outcome, remarks=[*_remarks(table, outcome, seed)])
    return outcome if folder is None else upstairs("cli.judge:write")(outcome, Path(folder))


class _Table:
    """Rows, and which of their columns are meant: name → column of cells, seeds and metrics; one of these ranks."""

    def __init__(
        self, rows: Sequence[Row], cell: Sequence[str], value: str, *, seed: str | None, step: str | None, mode: Any
    ) -> None:
        self.rows = rows = [{**_parts(row), **row} for row in rows]
        self.columns = columns = once(column for row in rows for column in row)
        if not cell or not rows:
            raise ValueError(f"--cell names what is compared, of {_listed(columns)}" if rows else "there are no rows")
        self.names: dict[str, str] = {}  # each column by its own name, and by that behind an export's prefix
        for prefix, column in itertools.product(("", *PREFIXES), columns):
            if column.startswith(prefix):
                self.names.setdefault(column.removeprefix(prefix), column)
        self.cell = {_bare(name): self.column(name) for name in cell}
        for column in self.cell.values():
            _have_one_type(rows, column)
        self.cells = [label(self._cell(row)) for row in rows]  # of each row
        self.step = self.column(step) if step else next(filter(None, map(self.names.get, STEPS)), None)
        self.seed = self.column(seed, "; --seed none if runs have no pairs") if seed else self._numbered()
        ranks, compared = self.column(value), [*self.cell.values(), self.seed]
        if len({*compared, ranks}) <= len(compared):
            raise ValueError("--cell, --seed and --value must be different columns")
        _have_one_type(rows, self.seed)
        self.objective = objective = Objective.of(_bare(value), mode)
        self.metrics = {objective.metric: ranks}
        for twin in filter(None, (objective.twin("test", self.names), objective.twin("train", self.names))):
            if all(map(is_number, self.values(self.names[twin]))):
                self.metrics[twin] = self.names[twin]
        states = (column for column in STATES if column in columns and column not in compared)
        told = {*COMPLETED, *NOT_SO}  # one of these is in a column of states, and not in one of the United States
        self.state = next((name for name in states if any(str(of).lower() in told for of in self.values(name))), "")
        self.scale = 100 if objective.is_accuracy and self._in_percent(ranks) else 1

    def column(self, name: str, hint: str = "") -> str:
        """The column that is meant by a name."""
        if name in self.names:
            return self.names[name]
        near = nearest(name, self.names, alike=0.4)
        known = f"the nearest is {near!r}" if near else f"there are {_listed(self.columns)}"
        known += "; or runs that are called lr=0.1,seed=2" if {*RUNS} & {*self.columns} else ""
        raise ValueError(f"no column is called {name!r}: {known}{hint}")

    def _in_percent(self, column: str) -> bool:
        """Whether the values are from 0 to 100; float32 may round a share to a little more than 1."""
        highest: dict[str, float] = {}
        for cell, row in zip(self.cells, self.rows, strict=True):
            value: Any = row.get(column)
            if is_number(value) and value <= 100:
                highest[cell] = max(value, highest.get(cell, value))
        shares = [cell for cell, value in highest.items() if value <= SHARE]
        if shares and len(shares) < len(highest):
            raise ValueError(
                f"{column} is above 1 in some rows, and nowhere in {shares[0][:LINE]}: percent and shares?"
            )
        return bool(highest) and not shares

    def values(self, column: str) -> Iterator[Any]:
        """The values of a column that are not empty."""
        return (value for row in self.rows if (value := row.get(column)) is not None)

    def _numbered(self) -> str:
        """Number each cell's runs in a column; a row is a run of its own if no name tells runs apart."""
        named = next((column for column in RUNS if column in self.columns and self.step), "")
        numbers: dict[str, dict[str, int]] = {cell: {} for cell in self.cells}
        for place, (cell, row) in enumerate(zip(self.cells, self.rows, strict=True)):
            met = numbers[cell]
            row[NUMBER] = met.setdefault(str(row.get(named, place)), len(met) + 1)
        return NUMBER

    def results(self) -> list[TrialResult]:
        """The runs, in the order of their seeds, the same ones in each cell; what is no number is counted."""
        cells: dict[str, dict[str, list[int]]] = {cell: {} for cell in self.cells}  # → run → the places of its rows
        seeds: dict[str, Any] = {}
        for place, row in enumerate(self.rows):
            if (seed := row.get(self.seed)) is None:
                raise ValueError(f"{self.seed} is empty in row {place + 1}")
            run = label({_bare(self.seed): seed})
            cells[self.cells[place]].setdefault(run, []).append(place)
            seeds[run] = seed
        order = sorted(seeds, key=seeds.__getitem__) if all(map(is_number, seeds.values())) else [*seeds]
        if not all(type(seed) is int and seed >= 0 for seed in seeds.values()):
            seeds = {run: n for n, run in enumerate(order)}
        found = [self._result(of[run], run, seeds[run]) for run in order for of in cells.values() if run in of]
        if len(cells) < 2 or len(seeds) < 2:
            few = f"there is one cell, {next(iter(cells))[:LINE]}" if len(cells) < 2 else "each cell has one run"
            raise ValueError(f"{few}: two cells or more, with several seeds each, can be compared")
        for cell, of in cells.items():
            if lacks := _listed([run for run in order if run not in of]):
                raise ValueError(f"{cell[:LINE]} lacks {lacks}, which other cells have: cells are compared by the same")
        return found

    def _cell(self, row: Row) -> Row:
        return {name: row.get(column) for name, column in self.cell.items()}

    def _result(self, places: Sequence[int], run: str, seed: int) -> TrialResult:
        """A run's result, of one row or of one for each of its steps."""
        first, monitor, step = self.rows[places[0]], self.objective.metric, self.step if len(places) > 1 else None
        cell, named = self._cell(first), f"{self.cells[places[0]]}, {run}"
        steps = [(self._number(step, place) if step else 0.0, place, self._metrics(place)) for place in places]
        steps = sorted(at for at in steps if at[2] or not step)
        for (now, place, _), (then, other, _) in itertools.pairwise(steps):
            if now == then:
                others = self.rows[place].keys() - self.metrics.values()
                varied = sorted(of for of in others if self.rows[place][of] != self.rows[other].get(of))
                hint = f"; they differ in {_listed(varied)}: one more --cell, or a --step?" if varied else ""
                twice = f"row {place + 1} and in row {other + 1} below the head"
                raise ValueError(f"{named[:LINE]} is in {twice}{hint}")
        curves = {name: curve for name in self.metrics if (curve := [of[name] for *_, of in steps if name in of])}
        reason = str(self.rows[steps[-1][1] if steps else places[-1]].get(self.state) or "").lower()
        status: Status = "completed" if reason in ("", *COMPLETED) else "failed"
        if status == "completed" and monitor not in curves:
            raise ValueError(f"{named[:LINE]} has no {monitor}")
        if status == "completed" and not math.isfinite(curves[monitor][-1]):
            status, reason = "diverged", f"{monitor} is no finite number"
        parts = {"history": curves} if step else {"restored": {name: curve[-1] for name, curve in curves.items()}}
        said, key = "" if status == "completed" else reason, f"row {places[0] + 1}"
        return TrialResult(key, "judged", named, {**cell, "seed": seed}, cell, status, said, **parts)

    def _metrics(self, place: int) -> dict[str, float]:
        """The metrics that a row has."""
        there = {name: of for name, of in self.metrics.items() if self.rows[place].get(of) is not None}
        return {name: self._number(of, place) / self.scale for name, of in there.items()}

    def _number(self, column: str, place: int) -> float:
        value: Any = self.rows[place].get(column)
        if not is_number(value):
            given = "empty" if value is None else repr(str(value)[:80])
            raise ValueError(f"{column} should be a number, not {given}, in row {place + 1}")
        return float(value) if abs(value) <= LARGEST else math.nan


def _remarks(table: _Table, outcome: Outcome, seed: str | None) -> Iterator[str]:
    """Say how columns were read, what is empty, as exports leave what a run has not set, and what no table tells."""
    monitor, split, runs = outcome.sweep.monitor, outcome.sweep.objective.split, outcome.ordered
    taken = {**table.cell, _bare(table.seed): table.seed, **table.metrics}
    if renamed := "; ".join(f"{name} is {column}" for name, column in taken.items() if name != column):
        yield renamed
    if table.scale > 1:
        yield f"{monitor} is in percent: divided by 100, as the smallest effect is if one was given"
    for axis in outcome.sweep.axes:
        if empty := sum(run.cell[axis] is None for run in runs):
            yield f"{axis} is empty in {empty} of {len(runs)} runs: they are compared as {axis}=none."
    if also := _listed([*_confounded(table, any(run.epochs for run in runs))]):
        yield f"From cell to cell {also} changes too, and within none: what is found may be its effect."
    by_name = f"by its name it is {split} data" if split else "nor does its name"
    yield (
        f"Cells are ranked by {monitor}: what the best has on test data is too good, because that picked it."
        if split == "test"
        else f"The table does not tell on which data {monitor} was measured ({by_name}), nor whether all have the same."
    )
    yield (
        f"Runs with the same {seed} are compared in pairs; what they share beside it, the table does not tell."
        if seed
        else "Runs have no pairs: the test is the unpaired one, which holds if they are independent."
    )
    least, most = (of(run.epochs for run in runs) for of in (min, max))
    if least < most:
        yield f"Runs have {least} to {most} values: the last counts."
    if most:
        yield "An epoch of the curves is a row of the table, whatever its step was."


def _confounded(table: _Table, by_step: bool) -> Iterator[str]:
    """The other columns that change with the cells alone, such as a width that was set beside the rate."""
    known = {*table.cell.values(), *table.metrics.values(), table.seed, by_step and table.step, table.state, *RUNS}
    for column in (column for column in table.columns if column not in known):
        found: dict[str, set[str]] = {cell: set() for cell in table.cells}
        for cell, row in zip(table.cells, table.rows, strict=True):
            found[cell].add(distinct(row.get(column)))
        if all(len(of) == 1 for of in found.values()) and len(set.union(*found.values())) > 1:
            yield column


def _have_one_type(rows: Sequence[Row], column: str) -> None:
    """Make a column's numbers whole if they all are, and else none: exports write 1 as 1.0 beside an empty field."""
    numbers = [row for row in rows if is_number(row.get(column))]
    if any(isinstance(row[column], float) for row in numbers):
        kind = int if all(float(row[column]).is_integer() for row in numbers) else float
        for row in numbers:
            row[column] = kind(row[column])


def _bare(column: str) -> str:
    return next((column[len(prefix) :] for prefix in PREFIXES if column.startswith(prefix)), column)


def _parts(row: Row) -> Row:
    """What a run's name tells of it: `lr=0.1,seed=2`."""
    names = " ".join(str(row[column]) for column in RUNS if column in row)
    return {name: typed(value) for name, value in re.findall(r"([A-Za-z_][\w.]*)=([^,;/\s]+)", names)}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:40] for name in names[:MOST]) + (f" and {len(names) - MOST} more" if names[MOST:] else "")
