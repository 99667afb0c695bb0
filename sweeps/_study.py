"""Several sweeps at a glance: what each has found, in one table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.report.csv import write_rows
from nnhp_torch.report.page.part import Part


def verdict(part: Part) -> str:
    """Whether the chosen cell does as well as the winner, as far as the seeds can tell."""
    best, chosen = part.summary.leader, part.chosen
    if best is None or chosen is None or not chosen.completed:
        return ""
    if chosen is best:
        return "the same"
    found = part.summary.verdict(chosen)
    return f"{found.kind}, one seed" if math.isnan(found.p) else f"{found.kind} (p={found.p:.2g})"


HEADER = ("sweep", "chosen", "chosen accuracy", "winner", "winner accuracy", "test accuracy", "difference")


def rows(findings: Sequence[Part]) -> list[tuple[str, ...]]:
    """Return a row a sweep, in the order of HEADER."""
    made: list[tuple[str, ...]] = []
    for f in findings:
        chosen, best, monitor = f.chosen, f.summary.leader, f.outcome.sweep.monitor
        made.append(
            (
                f.outcome.sweep.name,
                _short(chosen) if chosen else "",
                chosen.text(monitor) if chosen else "",
                _short(best) if best else "none",
                best.text(monitor) if best else "",
                best.text(f.summary.test) if best else "",
                verdict(f),
            )
        )
    return made


def _short(cell: Cell) -> str:
    """Return a cell's label, or its value alone if there is one: the sweep's name says of what."""
    return cell.label if len(cell.values) > 1 else cell.label.partition("=")[2]


def table(findings: Sequence[Part]) -> Table:
    """Return the rows for the console."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    for name in HEADER:
        made.add_column(name, overflow="fold", no_wrap=name == "sweep")
    for row in rows(findings):
        made.add_row(*row)
    return made


def write_csv(path: Path, findings: Sequence[Part]) -> None:
    """Write the rows for a spreadsheet."""
    write_rows(path, [name.replace(" ", "_") for name in HEADER], rows(findings))


def with_nought(part: Part, known: Sequence[Part]) -> Part:
    """Return the sweep, that of dropout with a network that has none if another sweep's ledger has it."""
    sweep = part.sweep
    if sweep.name != "dropout" or not isinstance(sweep, Sweep):
        return part
    sweep = dataclasses.replace(sweep, axes={"dropout": [0.0, *sweep.axes["dropout"]]})
    seeds = list(dict.fromkeys(trial.config.seed for trial in part.outcome.trials))
    results = {key: result for other in (*known, part) for key, result in other.outcome.results.items()}
    trials = sweep.trials(seeds)
    if not all(trial.key in results for trial in trials):
        return part
    here = {
        trial.key: dataclasses.replace(results[trial.key], cell=dict(trial.cell), sweep=sweep.name) for trial in trials
    }
    return dataclasses.replace(
        part, outcome=dataclasses.replace(part.outcome, sweep=sweep, trials=trials, results=here)
    )
