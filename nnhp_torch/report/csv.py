"""Tables for other programs: UTF-8, replaced in one step, and nothing in them that a spreadsheet would run."""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.files import replacing, write
from nnhp_torch.core.ledger.result import TrialResult, logged
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.names import is_number, is_plain, text, visible
from nnhp_torch.core.spec.objective import logged_name
from nnhp_torch.core.spec.trial import defaults
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.verdicts_json import document


class TablesReport(SweepCallback):
    """`results.csv`: a row a trial; `verdicts.csv`: a row a cell, once cells have several trials; `verdicts.json`.

    Args:
        folder: the sweep's.
        command: how the sweep is run; empty if no command line runs it.
    """

    writes = True

    def __init__(self, folder: Path, command: str = "") -> None:
        self.folder = folder
        self.command = command

    def on_sweep_end(self, outcome: Outcome) -> None:
        if outcome.results:
            write_rows(self.folder / "results.csv", *results_table(outcome.summary))
            path = self.folder / "verdicts.csv"
            if outcome.summary.several:
                write_verdicts(path, outcome.summary)
            else:
                path.unlink(missing_ok=True)  # it would show an earlier state
            text = json.dumps(document(outcome, self.command), indent=1, ensure_ascii=False, allow_nan=False)
            write(self.folder / "verdicts.json", f"{text}\n")


def write_rows(path: Path, header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> None:
    """Writes a header and rows; text that begins like a formula gets an apostrophe before it."""
    with replacing(path) as replacement, open(replacement, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(map(_harmless, row) for row in (header, *rows))


def results_table(summary: Summary) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The head and the rows of `results.csv`: one a trial, in their order; page and data frame have them as well.

    An axis that is called like one of the other columns has `grid.` before its name, a replicate `over.`. If there are
    trials of earlier calls, a last column tells them from this call's.
    """
    sweep, objective, names = summary.sweep, summary.sweep.objective, logged(summary.shown)
    over = (objective.twin("train", names), objective.twin("trained", names), sweep.monitor, summary.test)
    finals = [
        *dict.fromkeys(filter(None, (*over, *(name for name in sweep.extra_metrics if logged_name(name, names)))))
    ]
    earlier = {trial.key for trial in summary.earlier}
    fixed = ("status", "epochs", *finals, f"best_{sweep.monitor}", "best_epoch", "seconds", "reason")
    columns, settings = _settings(summary, fixed)
    rows = []
    for result in summary.shown:
        best, epoch = objective.best(result.curve(sweep.monitor))
        rows.append(
            (
                *settings(result),
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


def history_table(summary: Summary) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The head and the rows of all curves: one a trial and epoch, with each metric that was logged after it."""
    metrics = list(dict.fromkeys(name for result in summary.shown for name in result.history))
    columns, settings = _settings(summary, ("epoch", *metrics))
    rows: list[tuple[Any, ...]] = []
    for result in summary.shown:
        curves = itertools.zip_longest(*(result.history.get(name, ()) for name in metrics), fillvalue=math.nan)
        rows += [(*settings(result), epoch, *map(_digits, values)) for epoch, values in enumerate(curves, 1)]
    return [*columns, "epoch", *metrics], rows


def _settings(summary: Summary, others: Sequence[str]) -> tuple[list[str], Callable[[TrialResult], Iterator[Any]]]:
    """The columns of what tells the trials apart, and what a result has there; `others` are those beside them."""
    replicates, usual, taken = summary.sweep.replicates, defaults(summary.sweep.base), ("seed", *others)
    axes = list(dict.fromkeys(axis for result in summary.shown for axis in result.cell))
    columns = [f"grid.{axis}" if axis in taken else axis for axis in axes]
    columns += [f"over.{name}" if name in taken else name for name in replicates]

    def values(result: TrialResult) -> Iterator[Any]:
        yield from (_swept(result.cell.get(axis, ""), usual.get(axis)) for axis in axes)
        yield from (_swept(result.config.get(name, ""), usual.get(name)) for name in replicates)
        yield result.config.get("seed", "")

    return [*columns, "seed"], values


def write_verdicts(path: Path, summary: Summary) -> None:
    """Write a row a cell: the swept values, mean and spread, and what the seeds allow to say of it."""
    sweep, metric = summary.sweep, summary.sweep.monitor
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
        for v in summary.verdicts
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
