"""The outcome of runs that were made elsewhere, from a table that has them: a row a run, or a row each of its steps."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nnhp_torch.checks import nearest
from nnhp_torch.core.ledger.fields import LARGEST, is_number
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.recorded.from_ledger import RunsElsewhere, outcome_of
from nnhp_torch.core.spec.names import distinct, label, once, typed
from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.core.spec.status import Status

Row = Mapping[str, Any]

# What exports call a column: W&B's API, MLflow and TensorBoard put something before a name.
PREFIXES = ("config.", "summary.", "params.", "metrics.", "hparam/")
STEPS = ("step", "_step", "epoch", "global_step", "trainer/global_step")
RUNS = ("run_id", "run.id", "id", "run", "name", "run.name", "tags.mlflow.runName", "Name")
STATES = ("status", "state", "State", "run.state")
ENDED: dict[str, Status] = {"finished": "completed", "completed": "completed", "running": "interrupted"}  # else failed


def judged(
    rows: Iterable[Row],
    cell: Sequence[str],
    value: str,
    *,
    seed: str | None = "seed",
    name: str = "judged",
    **rest: Any,
) -> Outcome:
    """Return what may be said of the runs in a table, and in its remarks what the table cannot tell.

    Args:
        cell: columns whose values are compared. value: the column that ranks them.
        seed: the column that tells a cell's runs apart, and pairs them with the others'; None: they have no pairs.
        rest: `step`, the column that orders the rows of a run (default: one of the usual names), and `mode`.

    Raises:
        ValueError: a column is missing or holds no numbers; a run is missing, doubled, or the only one of its cell.
    """
    rows = [{**_parts(row), **row} for row in rows]
    columns = _Columns.of(rows, cell, value, seed=seed, **rest)
    runs: dict[str, list[int]] = {}  # what tells a run apart → the places of its rows
    for place, row in enumerate(rows):
        run = [row.get(column) for column in columns.apart] or [place]
        runs.setdefault(distinct(run), []).append(place)
    results = [_result(name, places, rows, columns=columns) for places in runs.values()]
    results = _seeded(results, seed)
    outcome = outcome_of(
        results, columns.value, rest.get("mode"), about="Runs that were made elsewhere", kind=RunsElsewhere
    )
    return replace(outcome, remarks=[*columns.remarks, *_empty(results), *_unknown(outcome, seed)])


@dataclass(frozen=True)
class _Columns:
    """The columns that are meant: name → column of cells and metrics, of which `value` ranks.

    Args:
        apart: columns that tell runs apart; none: each row is a run.
        scale: what accuracies in percent are divided by.
    """

    cell: Mapping[str, str]
    metrics: Mapping[str, str]
    value: str
    seed: str | None
    step: str | None
    state: str
    apart: Sequence[str]
    scale: float
    remarks: Sequence[str]

    @classmethod
    def of(
        cls, rows: Sequence[Row], cell: Sequence[str], value: str, *, seed: str | None, step: str = "", mode: Any = None
    ) -> _Columns:
        names = once(column for row in rows for column in row)
        if not cell or not rows:
            raise ValueError(f"--cell names what is compared, of {_listed(names)}" if rows else "there are no rows")
        bare = {_bare(column): column for column in reversed(names)}
        cells = {_bare(name): _column(name, names) for name in cell}
        apart = seed and _column(seed, names, "; --seed none: they have no pairs")
        monitor, ranks = _bare(value), _column(value, names)
        if len({*cells.values(), apart, ranks}) < len(cells) + 2:
            raise ValueError("--cell, --seed and --value must be different columns")
        objective = Objective.of(monitor, mode)
        numeric = {name for name, column in bare.items() if all(_may_be_number(row.get(column)) for row in rows)}
        twins = [twin for split in ("test", "train") if (twin := objective.twin(split, numeric))]
        metrics = {monitor: ranks, **{twin: bare[twin] for twin in twins}}
        usual = [bare[name] for name in STEPS if name in bare]
        order = _column(step, names) if step else next(iter(usual), None)
        runs = [column for column in RUNS if column in names][:1] if order else []
        percent = objective.is_accuracy and any(is_number(row.get(ranks)) and 1 < row[ranks] <= 100 for row in rows)
        taken = {**cells, **({seed: apart} if seed and apart else {}), **metrics}
        remarks = ["; ".join(f"{name} is {column}" for name, column in taken.items() if name != column)]
        remarks += [f"{monitor} is in percent: divided by 100"] if percent else []
        tells = [*cells.values(), *([apart] if apart else runs)] if apart or runs else []
        state = next((column for column in STATES if column in names), "")
        scale = 100.0 if percent else 1.0
        return cls(cells, metrics, monitor, apart, order, state, tells, scale, [*filter(None, remarks)])

    def at(self, place: int, row: Row) -> dict[str, float]:
        """The metrics that a row has."""
        there = {name: row[of] for name, of in self.metrics.items() if row.get(of) is not None}
        return {name: _number(value, self.metrics[name], place) / self.scale for name, value in there.items()}


def _result(name: str, places: Sequence[int], rows: Sequence[Row], *, columns: _Columns) -> TrialResult:
    """A run's result: one row, or one for each of its steps."""
    key, first = f"row {places[0] + 1}", rows[places[0]]
    cell = {name: first.get(column) for name, column in columns.cell.items()}
    known = cell if columns.seed is None else {**cell, "seed": first.get(columns.seed)}
    if columns.step and len(places) > 1:
        step = columns.step
        places = sorted(places, key=lambda place: _number(rows[place].get(step), step, place))
        places = [place for place in places if columns.at(place, rows[place])]
    for one, other in itertools.pairwise(places):
        if columns.step is None or rows[one].get(columns.step) == rows[other].get(columns.step):
            others = [name for name in rows[one] if name not in columns.metrics.values()]
            varied = [name for name in others if rows[one].get(name) != rows[other].get(name)]
            hint = f"; they differ in {_listed(varied)}: one more --cell, or a --step?" if varied else ""
            raise ValueError(f"{_named(known)} is in row {one + 1} and in row {other + 1}{hint}")
    curves: dict[str, list[float]] = {}
    for place in places:
        for metric, value in columns.at(place, rows[place]).items():
            curves.setdefault(metric, []).append(value)
    said = str(first.get(columns.state, "")).lower()
    status: Status = ENDED.get(said, "failed") if said else "completed"
    if status == "completed" and columns.value not in curves:
        raise ValueError(f"{_named(known)} has no {columns.value}")
    if status == "completed" and not math.isfinite(curves[columns.value][-1]):
        status, said = "diverged", f"{columns.value} is no finite number"
    ends = {metric: curve[-1] for metric, curve in curves.items()}
    parts = {"history": curves} if len(places) > 1 else {"restored": ends}
    reason, config = said if status != "completed" else "", {**cell, "seed": known.get("seed")}
    return TrialResult(key, name, label(known), config, cell, status, reason, **parts)


def _seeded(results: list[TrialResult], seed: str | None) -> list[TrialResult]:
    """The results with seeds that are whole numbers, the same ones in each cell."""
    cells: dict[str, list[TrialResult]] = {}
    for result in results:
        cells.setdefault(distinct(result.cell), []).append(result)
    given = once(result.config["seed"] for result in results)
    if any(type(one) is not int or one < 0 for one in given):  # they are numbered in their order
        given.sort(key=lambda one: (not is_number(one), one if is_number(one) else 0, str(one)))
        number = {distinct(one): n for n, one in enumerate(given)}
    else:
        number = {distinct(one): one for one in given}
    number = {r.key: number[distinct(r.config["seed"])] for r in results}
    if seed is None:
        number = {result.key: n for of in cells.values() for n, result in enumerate(of)}
    called = {number[r.key]: f"{seed}={r.config['seed']}" if seed else f"run {number[r.key] + 1}" for r in results}
    if len(cells) < 2 or len(called) < 2:
        few = f"there is one cell, {_named(results[0].cell)}" if len(cells) < 2 else "each cell has one run"
        raise ValueError(f"{few}: two cells or more, with several seeds each, can be compared")
    for of in cells.values():
        if lacks := [called[n] for n in sorted(called.keys() - {number[result.key] for result in of})]:
            named = _named(of[0].cell)
            raise ValueError(f"{named} lacks {_listed(lacks)}, which other cells have: cells are compared by the same")
    seeded = [replace(result, config={**result.config, "seed": number[result.key]}) for result in results]
    return sorted(seeded, key=lambda result: result.config["seed"])


def _empty(results: Sequence[TrialResult]) -> list[str]:
    """Which values are not there: exports leave a field empty where a run has not set it."""
    counts = {name: sum(result.cell[name] is None for result in results) for name in results[0].cell}
    return [
        f"{name} is empty in {number} of {len(results)} runs: they are compared as {name}=none."
        for name, number in counts.items()
        if number
    ]


def _unknown(outcome: Outcome, seed: str | None) -> list[str]:
    """What no table tells."""
    monitor, split = outcome.sweep.monitor, outcome.sweep.objective.split
    by_name = f" (by its name, on {split} data)" if split else ""
    lines = [f"The table does not tell on which data {monitor} was measured{by_name}, nor whether on the same for all."]
    if split == "test":
        lines = [f"Cells are ranked by {monitor}: what the best has on test data is too good, because that picked it."]
    lines.append(
        f"Runs with the same {seed} are compared in pairs; what they share beside it, the table does not tell."
        if seed
        else "Runs have no pairs and are compared as they come: if they are independent, the test holds and finds less."
    )
    lengths = {result.epochs for result in outcome.ordered}
    if len(lengths) > 1:
        lines.append(f"Runs have {min(lengths)} to {max(lengths)} values: the last counts.")
    return [*lines, *(["An epoch of the curves is a row of the table, whatever its step was."] if max(lengths) else [])]


def _column(name: str, columns: Sequence[str], hint: str = "") -> str:
    """The column that is meant by a name: it, or the same behind an export's prefix."""
    for column in (name, *(prefix + name for prefix in PREFIXES)):
        if column in columns:
            return column
    near = nearest(name, map(_bare, columns), alike=0.4)
    known = f"the nearest is {near!r}" if near else f"there are {_listed(columns)}"
    raise ValueError(f"no column is called {name!r}: {known}{hint}")


def _bare(column: str) -> str:
    return next((column[len(prefix) :] for prefix in PREFIXES if column.startswith(prefix)), column)


def _parts(row: Row) -> dict[str, Any]:
    """What a run's name tells of it: `lr=0.1,seed=2`."""
    names = " ".join(str(row[column]) for column in RUNS if column in row)
    return {name: typed(value) for name, value in re.findall(r"([A-Za-z_][\w.]*)=([^,;/\s]+)", names)}


def _may_be_number(value: Any) -> bool:
    return value is None or is_number(value)


def _number(value: Any, column: str, place: int) -> float:
    if not is_number(value):
        raise ValueError(f"{column} should be a number, not {str(value)[:80]!r}, in row {place + 1}")
    return float(value) if abs(value) <= LARGEST else math.nan


def _named(values: Mapping[str, Any]) -> str:
    """A run or a cell, in no more letters than a line has."""
    return label(values)[:120]


def _listed(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(name[:40] for name in names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")
