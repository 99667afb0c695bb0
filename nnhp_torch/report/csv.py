"""Tables for a spreadsheet: UTF-8, replaced in one step, and nothing in them that a spreadsheet would run."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.files import replacing
from nnhp_torch.core.ledger.result import TrialResult, logged
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.names import is_number, is_plain, text, visible
from nnhp_torch.core.spec.objective import Mode, Objective, standing
from nnhp_torch.core.spec.plan import Plan
from nnhp_torch.core.spec.trial import defaults
from nnhp_torch.core.stats.summary import Cell, cells
from nnhp_torch.core.stats.verdict import Verdict, verdicts


class CsvReport(SweepCallback):
    """`results.csv`: a row a trial; `verdicts.csv`: a row a cell, once cells have several trials."""

    writes = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_sweep_end(self, outcome: Outcome) -> None:
        if outcome.results:
            write_rows(self.folder / "results.csv", *results_table(outcome))
            self._write_verdicts(outcome.sweep, cells(outcome))

    def _write_verdicts(self, sweep: Plan, gathered: list[Cell]) -> None:
        path = self.folder / "verdicts.csv"
        if any(cell.trials > 1 for cell in gathered):
            write_verdicts(path, sweep, verdicts(sweep, gathered))
        else:
            path.unlink(missing_ok=True)  # it would show an earlier state


def write_rows(path: Path, header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> None:
    """Writes a header and rows; text that begins like a formula gets an apostrophe before it."""
    with replacing(path) as replacement, open(replacement, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(map(_harmless, row) for row in (header, *rows))


def results_table(outcome: Outcome) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The head and the rows of `results.csv`, which the page and the data frame have as well."""
    sweep = outcome.sweep
    return trials_table(
        outcome.shown_results,
        monitor=sweep.monitor,
        mode=sweep.objective.mode,
        defaults=defaults(sweep.base),
        replicates=list(outcome.replicates),
        shows=sweep.shows,
        earlier=[trial.key for trial in outcome.earlier],
    )


def trials_table(
    results: Sequence[TrialResult],
    *,
    monitor: str = "val_accuracy",
    mode: Mode | None = None,
    defaults: Mapping[str, Any] | None = None,
    replicates: Iterable[str] = (),
    shows: Iterable[str] = (),
    earlier: Collection[str] = (),
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """A head, and a row a trial: the swept values, replicates, seed, status and the final accuracies.

    An axis that is called like one of the fixed columns (`seed`, `status`, `epochs`, `seconds`, `reason`, `best_epoch`
    or a metric) has `grid.` before its name, as on the command line: `grid.epochs` is the swept value, `epochs` how
    many were trained. A replicate has `over.` there.

    Args:
        defaults: of the configuration's fields, by which values of another type are told apart.
        replicates: fields whose values repeat each cell.
        shows: further metrics.
        earlier: keys of the results of earlier calls; if there are any, a last column tells them from this call's.
    """
    objective = Objective.of(monitor, mode)
    names = logged(results)
    train, trained, test = (objective.twin(split, names) for split in ("train", "trained", "test"))
    finals = list(
        dict.fromkeys(filter(None, (train, trained, monitor, test, *(n for n in shows if standing(n, names)))))
    )
    axes = list(dict.fromkeys(axis for result in results for axis in result.cell))
    usual = defaults or {}
    fixed = ("seed", "status", "epochs", *finals, f"best_{monitor}", "best_epoch", "seconds", "reason")
    columns = [f"grid.{axis}" if axis in fixed else axis for axis in axes]
    columns += [f"over.{name}" if name in fixed else name for name in replicates]
    rows = []
    for result in results:
        best, epoch = result.best(monitor, objective.mode)
        rows.append(
            (
                *(_swept(result.cell.get(axis, ""), usual.get(axis)) for axis in axes),
                *(_swept(result.config.get(name, ""), usual.get(name)) for name in replicates),
                result.config.get("seed", ""),
                result.status,
                result.epochs,
                *(_digits(result.final(name)) for name in finals),
                _digits(best),
                epoch or "",
                round(result.seconds, 2),
                result.error,
                *(["earlier" if result.key in earlier else "this"] if earlier else []),
            )
        )
    return [*columns, *fixed, *(["call"] if earlier else [])], rows


def write_verdicts(path: Path, sweep: Plan, found: Sequence[Verdict]) -> None:
    """Writes a row a cell: the swept values, mean and spread, and what the seeds allow to say of it."""
    metric = sweep.monitor
    header = ("trials", metric, "spread", "verdict", "behind", "behind_low", "behind_high", "p", "chance")
    columns = [f"grid.{axis}" if axis in header else axis for axis in sweep.axes]
    rows = [
        (
            *(_swept(v.cell.values[axis], v.cell.defaults.get(axis)) for axis in sweep.axes),
            len(v.cell.completed),
            *map(_digits, (v.cell.mean(metric), v.cell.spread(metric))),
            v.kind,
            *map(_digits, (v.gap, v.low, v.high, v.p)),
            _digits(v.chance) if v.kind == "undecided" and v.p == v.p else "",
        )
        for v in found
    ]
    write_rows(path, (*columns, *header), rows)


def _harmless(value: Any) -> Any:
    """Puts an apostrophe before text that a spreadsheet would take for a formula; a number stays one."""
    if not isinstance(value, str):
        return value
    return f"'{visible(value)}" if value[:1] in tuple("=+-@\t\r") and not is_number(value) else visible(value)


def _swept(value: Any, default: Any) -> Any:
    """A value as a spreadsheet takes it; with its type if a value of another type has the same letters."""
    return value if value == "" or is_plain(value, default) else text(value, default)


def _digits(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
