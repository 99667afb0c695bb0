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
from nnhp_torch.core.spec.names import distinct, label, once, text, typed
from nnhp_torch.core.spec.objective import Mode, Objective, direction
from nnhp_torch.core.spec.status import Status

# What exports put before a column's name: W&B's API, MLflow, TensorBoard, Ray Tune, Optuna, scikit-learn.
PREFIXES = ("config.", "summary.", "params.", "metrics.", "hparam/", "config/", "params_", "param_")
STEPS = ("step", "Step", "_step", "epoch", "global_step", "trainer/global_step", "training_iteration")
RUNS = ("run_id", "run.id", "id", "run", "name", "run.name", "tags.mlflow.runName", "Name")
STATES = ("status", "Status", "state", "State", "run.state")
MOST = 6  # names that a line lists
LINE = 120  # letters of one that it has
ABOUT = "Runs that were made elsewhere"
NUMBER = "run number"  # what a cell's runs are told apart by if nothing else does it
FOLDS = {"fold", "folds", "kfold", "split"}  # words of a seed's name if it is none: they share training data
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
        value: the column that ranks them; names that W&B, MLflow, Ray and others put a prefix before are found.
        seed: the column that tells a cell's runs apart and pairs them with the other cells'; None: they have no pairs.
        step: the column that orders a run's rows; default: `step`, `_step`, `epoch` or `global_step`, if there is one.
        mode: `"max"` or `"min"`; default: what the value's name tells.
        smallest_effect: the smallest difference that matters; default: 0.001 of an accuracy.
        baseline: the cell that all others are held against, `{"lr": 0.01}`; default: the best.
        folder: where page, figure, CSV and verdicts.json go; default: nothing is written.

    Raises:
        ValueError: the table does not have what is asked of it, or the folder holds something else.

    Example:
        >>> rows = [{"lr": lr, "seed": s, "val_acc": lr + s / 100} for lr in (0.1, 0.9) for s in range(5)]
        >>> [row.verdict for row in judge(rows, "lr", "val_acc").verdicts]
        ['worse', 'best']
    """
    table = _Table(rows_of(frame), [cell] if isinstance(cell, str) else cell, value, seed, step, mode)
    given = {name: str(of) if isinstance(of, list) else plain(of) for name, of in (baseline or {}).items()}
    baseline = {table.short(name): of for name, of in given.items()} or None
    of_sweep: dict[str, Any] = {"about": ABOUT, "kind": RunsElsewhere if seed else UnpairedRuns, "baseline": baseline}
    of_sweep["smallest_effect"] = smallest_effect and smallest_effect / table.scale
    outcome = outcome_of(table.results(), table.objective.metric, mode, replicates=table.folds, **of_sweep)
    cells, sweep = once(trial.cell for trial in outcome.trials), outcome.sweep
    if baseline and not (baseline.keys() >= set(sweep.axes) and sweep.baseline in cells):
        raise ValueError(f"baseline: no cell is {label(baseline)}; the first is {label(cells[0])}")
    outcome = replace(outcome, remarks=[*_remarks(table, outcome, seed)])
    return outcome if folder is None else upstairs("cli.judge:write")(outcome, Path(folder))


class _Table:
    """Columns by their names, without what exports put before these, and which are meant: of cells, seeds, metrics."""

    def __init__(self, rows: Sequence[Row], cell: Sequence[str], value: str, seed: Any, step: Any, mode: Any) -> None:
        rows = [{**_parts(row), **row} for row in rows]
        names = dict.fromkeys(name for row in rows for name in row)
        if not cell or not rows:
            raise ValueError(f"--cell names what is compared, of {_listed([*names])}" if rows else "there are no rows")
        self.called: dict[str, str] = {}  # name → as the table has it
        for name in names:
            bare = next((name.removeprefix(prefix) for prefix in PREFIXES if name.startswith(prefix)), name)
            self.called[name if bare in names or bare in self.called else bare] = name
        self.columns = {name: _of_one_type([row.get(of) for row in rows]) for name, of in self.called.items()}
        self.cell = [self.column(name) for name in cell]
        values = zip(*(self.columns[name] for name in self.cell), strict=True)
        self.cells = [label(dict(zip(self.cell, of, strict=True))) for of in values]  # of each row
        self.step = self.column(step) if step else next((name for name in STEPS if name in self.columns), "")
        self.seed = self.column(seed, "; --seed none if runs have no pairs") if seed else self._numbered()
        self.folds = [self.seed] if FOLDS & {*re.split(r"[\W\d_]+", self.seed.lower())} else []
        ranks, compared = self.column(value), (*self.cell, self.seed)
        if len({*compared, ranks}) <= len(compared):
            raise ValueError("--cell, --seed and --value must be different columns")
        self.objective = objective = Objective.of(ranks, mode)
        twins = filter(None, (objective.twin(split, self.columns) for split in ("test", "train")))
        self.metrics = [ranks, *(name for name in twins if all(v is None or is_number(v) for v in self.columns[name]))]
        states = (name for name in STATES if self.called.get(name) == name and name not in compared)
        told = {*COMPLETED, *NOT_SO}  # one of these is in a column of states, and not in one of the United States
        self.state = next((name for name in states if told & {str(of).lower() for of in self.columns[name]}), "")
        self.scale = 100 if objective.is_accuracy and self._in_percent(ranks) else 1

    def short(self, name: str) -> str:
        """By which name a column is known here, if there is one."""
        return next((short for short, column in self.called.items() if name in (short, column)), name)

    def column(self, name: str, hint: str = "") -> str:
        """The same; a column that there is not is refused."""
        if (short := self.short(name)) in self.columns:
            return short
        names = [*self.called.values()]
        near = nearest(name, [*self.called, *names], alike=0.4)
        known = f"the nearest is {near!r}" if near else f"there are {_listed(names)}"
        known += "; or runs that are called lr=0.1,seed=2" if {*RUNS} & {*names} else ""
        raise ValueError(f"no column is called {name!r}: {known}{hint}")

    def _in_percent(self, column: str) -> bool:
        """Whether the values are from 0 to 100; float32 may round a share to a little more than 1."""
        highest: dict[str, float] = {}
        for cell, value in zip(self.cells, self.columns[column], strict=True):
            if is_number(value) and value <= 100:
                highest[cell] = max(value, highest.get(cell, value))
        shares, name = [cell[:LINE] for cell, most in highest.items() if most <= 1.001], self.called[column]
        if shares and len(shares) < len(highest):
            raise ValueError(f"{name} is above 1 in some rows, and nowhere in {shares[0]}: percent and shares?")
        return len(highest) > len(shares)

    def _numbered(self) -> str:
        """Number each cell's runs in a column; a row is a run of its own if no name tells runs apart."""
        named = next((name for name in RUNS if self.called.get(name) == name and self.step), "")
        runs = zip(self.cells, map(str, self.columns.get(named, range(len(self.cells)))), strict=True)
        met: dict[str, dict[str, int]] = {cell: {} for cell in self.cells}
        self.columns[NUMBER] = [met[cell].setdefault(run, len(met[cell]) + 1) for cell, run in runs]
        return NUMBER

    def results(self) -> list[TrialResult]:
        """The runs, in the order of their seeds, the same ones in each cell; what is no number is counted."""
        column = self.columns[self.seed]
        if None in column:
            raise ValueError(f"{self.called[self.seed]} is empty in row {column.index(None) + 1}")
        runs = [label({self.seed: seed}) for seed in column]  # of each row
        seeds = dict(zip(runs, column, strict=True))
        if all(map(is_number, column)):
            seeds = dict(sorted(seeds.items(), key=lambda of: of[1]))
        if not all(type(seed) is int and seed >= 0 for seed in column):
            seeds = {run: n for n, run in enumerate(seeds)}
        self.runs: dict[str, dict[str, list[int]]] = {cell: {} for cell in self.cells}  # → run → the places of its rows
        self.ends: dict[str, Any] = {}  # run → the step of its last value
        for place, (cell, run) in enumerate(zip(self.cells, runs, strict=True)):
            self.runs[cell].setdefault(run, []).append(place)
        found = [self._result(places, run, seeds[run]) for of in self.runs.values() for run, places in of.items()]
        if len(self.runs) < 2 or len(seeds) < 2:
            few = f"there is one cell, {self.cells[0][:LINE]}" if len(self.runs) < 2 else "each cell has one run"
            raise ValueError(f"{few}: two cells or more, with several seeds each, can be compared")
        for cell, of in self.runs.items():
            if lacks := _listed([run for run in seeds if run not in of]):
                raise ValueError(f"{cell[:LINE]} lacks {lacks}, which other cells have: cells are compared by the same")
        return sorted(found, key=lambda result: [*result.config.values()][-1])

    def _result(self, places: Sequence[int], run: str, seed: int) -> TrialResult:
        """A run's result, of one row or of one for each of its steps."""
        name, monitor, step = f"{self.cells[places[0]]}, {run}", self.objective.metric, len(places) > 1 and self.step
        cell = {axis: self.columns[axis][places[0]] for axis in self.cell}
        there = [(place, metrics) for place in places if (metrics := self._metrics(place)) or not step]
        steps = sorted((self._number(step, place) if step else 0.0, place, metrics) for place, metrics in there)
        for (now, place, _), (then, other, _) in itertools.pairwise(steps):
            if now == then:
                others = (of for of in self.called if of not in self.metrics)
                apart = sorted(self.called[of] for of in others if self.columns[of][place] != self.columns[of][other])
                hint = f"; they differ in {_listed(apart)}: one more --cell, or a --step?" if apart else ""
                raise ValueError(f"{name[:LINE]} is in row {place + 1} and in row {other + 1} below the head{hint}")
        curves = {of: curve for of in self.metrics if (curve := [at[of] for *_, at in steps if of in at])}
        last = steps[-1][1] if steps else places[-1]
        reason = str(self.columns[self.state][last] or "").lower() if self.state else ""
        status: Status = "completed" if reason in ("", *COMPLETED) else "failed"
        if status == "completed" and monitor not in curves:
            raise ValueError(f"{name[:LINE]} has no {monitor}")
        if status == "completed" and not math.isfinite(curves[monitor][-1]):
            status, reason = "diverged", f"{monitor} is no finite number"
        ends = [self.columns[self.step][place] for _, place, of in steps if monitor in of and self.step]
        self.ends |= {name: ends[-1]} if status == "completed" and is_number(ends and ends[-1]) else {}
        parts = {"history": curves} if step else {"restored": {of: curve[-1] for of, curve in curves.items()}}
        said, key = "" if status == "completed" else reason, f"row {places[0] + 1}"
        config = {**cell, "seed": 0, self.seed: seed} if self.folds else {**cell, "seed": seed}
        return TrialResult(key, "judged", name, config, cell, status, said, **parts)

    def _metrics(self, place: int) -> dict[str, float]:
        """The metrics that a row has."""
        return {of: self._number(of, place) / self.scale for of in self.metrics if self.columns[of][place] is not None}

    def _number(self, column: str, place: int) -> float:
        value = self.columns[column][place]
        if not is_number(value):
            given = "empty" if value is None else repr(str(value)[:80])
            raise ValueError(f"{self.called[column]} should be a number, not {given}, in row {place + 1}")
        return float(value) if abs(value) <= LARGEST else math.nan


def _remarks(table: _Table, outcome: Outcome, seed: str | None) -> Iterator[str]:
    """Say what may mislead, how columns were read, what is empty, as exports leave it, and what no table tells."""
    monitor, objective, runs = outcome.sweep.monitor, outcome.sweep.objective, outcome.ordered
    curves, split = [run.curve(monitor) for run in runs if run.status == "completed"], objective.split
    first, last = (of(table.ends.items(), key=lambda run: run[1], default=("", 0)) for of in (min, max))
    if first[1] < last[1] and table.step not in table.cell:
        at_one = f" The rows up to {text(first[1])} alone would judge all at one." if any(curves) else ""
        ends = f"{table.called[table.step]} {text(first[1])} ({first[0]}) to {text(last[1])}"
        yield f"Runs end at {ends}: each is judged by its last value.{at_one}"
    if curves and all(len(curve) > 1 and objective.better(curve[0], curve[-1]) for curve in curves):
        yield f"{monitor} ends worse than it begins in every run: is {objective.mode} the right mode?"
    if also := _listed([*_confounded(table)]):
        yield f"From cell to cell {also} changes too, in all of their runs or some: what is found may be its effect."
    taken = {name: table.called.get(name, name) for name in (*table.cell, table.seed, *table.metrics)}
    if renamed := "; ".join(f"{name} is {column}" for name, column in taken.items() if name != column):
        yield renamed
    if table.scale > 1:
        yield f"{monitor} is in percent: divided by 100, as the smallest effect is if one was given"
    for axis in outcome.sweep.axes:
        if empty := sum(run.cell[axis] is None for run in runs):
            yield f"{axis} is empty in {empty} of {len(runs)} runs: they are compared as {axis}=none."
    name = f"by its name it is {split} data" if split else "nor does its name"
    told = f"The table does not tell on which data {monitor} was measured ({name}), nor whether all have the same."
    picked = f"Cells are ranked by {monitor}: what the best has on test data is too good, because that picked it."
    yield picked if split == "test" else told
    paired = f"Runs with the same {seed} are compared in pairs; what they share beside it, the table does not tell."
    yield paired if seed else "Runs have no pairs: the test is the unpaired one, which holds if they are independent."
    if any(curves):
        yield "An epoch of the curves is a row of the table, whatever its step was."


def _confounded(table: _Table) -> Iterator[str]:
    """The other settings that change with the cells, such as a width beside the rate, in one of them maybe in part."""
    meant = {*table.cell, *table.metrics, table.seed, table.state, table.step}
    for name in (name for name, column in table.called.items() if name not in meant and column not in RUNS):
        column, found = table.columns[name], list[list[str]]()
        for of in table.runs.values():
            each = [{distinct(column[at]) for at in places if column[at] is not None} for places in of.values()]
            if any(len(values) > 1 for values in each):
                break  # no setting
            found.append([next(iter(values), "") for values in each])
        else:
            once_each, different = [len({*of}) == 1 for of in found], len({*itertools.chain(*found)})
            partly = any(once_each) and 2 * different <= sum(map(len, found)) and direction(name) is None
            if different > 1 and (partly or all(once_each)):
                yield table.called[name]


def _of_one_type(values: list[Any]) -> list[Any]:
    """A column, its numbers whole if all are, and else none: exports write 1 as 1.0 beside an empty field."""
    if not any(isinstance(value, float) for value in values):
        return values
    whole = all(abs(value) <= LARGEST and float(value).is_integer() for value in values if is_number(value))
    return [(int if whole else float)(value) if is_number(value) else value for value in values]


def _parts(row: Row) -> Row:
    """What a run's name tells of it: `lr=0.1,seed=2`."""
    names = " ".join(str(row[column]) for column in RUNS if column in row)
    return {name: typed(value) for name, value in re.findall(r"([A-Za-z_][\w.]*)=([^,;/\s]+)", names)}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:40] for name in names[:MOST]) + (f" and {len(names) - MOST} more" if names[MOST:] else "")
