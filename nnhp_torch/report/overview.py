"""Several sweeps at a glance: one table, one figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.summary import Cell, cells, twin, winner
from nnhp_torch.core.verdict import verdicts
from nnhp_torch.report.csv import write_rows
from nnhp_torch.report.look import BLUE, DPI, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Finding:
    """What one sweep of a study has found.

    Args:
        outcome: the sweep's.
        gathered: its cells, in grid order.
        best: the winning cell; None where nothing has completed.
        chosen: the cell that the study carries on by default; None where it chooses none.
    """

    outcome: Outcome
    gathered: Sequence[Cell]
    best: Cell | None
    chosen: Cell | None

    @property
    def monitor(self) -> str:
        """The metric that ranks the cells."""
        return self.outcome.sweep.monitor

    @property
    def verdict(self) -> str:
        """Whether the chosen cell does as well as the winner, as far as the seeds can tell."""
        if self.best is None or self.chosen is None or not self.chosen.completed:
            return ""
        if self.chosen is self.best:
            return "the same"
        (found,) = (v for v in verdicts(self.outcome.sweep, self.gathered) if v.cell is self.chosen)
        return f"{found.kind}, one seed" if math.isnan(found.p) else f"{found.kind} (p={found.p:.2g})"


def finding(outcome: Outcome, choice: Mapping[str, Any] | None) -> Finding:
    """Gathers a sweep's cells and finds the winner and the chosen one among them."""
    gathered = cells(outcome)
    chosen = next((cell for cell in gathered if choice and dict(cell.values) == dict(choice)), None)
    return Finding(outcome, gathered, winner(outcome.sweep, gathered), chosen)


HEADER = ("sweep", "chosen", "chosen accuracy", "winner", "winner accuracy", "test accuracy", "difference")


def rows(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    """A row a sweep, in the order of HEADER."""
    made: list[tuple[str, ...]] = []
    for f in findings:
        test = twin(f.outcome.sweep, "test", f.gathered)
        made.append(
            (
                f.outcome.sweep.name,
                _short(f.chosen) if f.chosen else "",
                f.chosen.text(f.monitor) if f.chosen else "",
                _short(f.best) if f.best else "none",
                f.best.text(f.monitor) if f.best else "",
                f.best.text(test) if f.best else "",
                f.verdict,
            )
        )
    return made


def _short(cell: Cell) -> str:
    """A cell's label, or its value alone where there is one: the sweep's name says of what."""
    return cell.label if len(cell.values) > 1 else cell.label.partition("=")[2]


def table(findings: Sequence[Finding]) -> Table:
    """The rows for the console."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    for name in HEADER:
        made.add_column(name, overflow="fold", no_wrap=name == "sweep")
    for row in rows(findings):
        made.add_row(*row)
    return made


def write_csv(path: Path, findings: Sequence[Finding]) -> None:
    """Writes the rows for a spreadsheet."""
    write_rows(path, [name.replace(" ", "_") for name in HEADER], rows(findings))


def draw(findings: Sequence[Finding]) -> Figure:
    """A panel per sweep: each cell's final value (mean, and one standard deviation aside), the winner filled in."""
    from matplotlib.figure import Figure

    columns = min(3, len(findings))
    lines = math.ceil(len(findings) / columns)
    heights = [
        max(len(f.gathered) for f in findings[line * columns : (line + 1) * columns]) + 2.2 for line in range(lines)
    ]
    figure = Figure(figsize=(4.6 * columns, 0.27 * sum(heights) + 0.6), dpi=DPI, layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    for axes in grid.flat[len(findings) :]:
        axes.remove()
    for axes, found in zip(grid.flat, findings, strict=False):
        _draw_panel(axes, found)
    repeated = {cell.trials: cell.repeated for f in findings for cell in f.gathered}
    spread = ", one seed"
    if max(repeated, default=1) > 1:
        spread = f", mean ± standard deviation of {repeated[max(repeated)]}"
        spread += ", or one seed" if min(repeated) == 1 else ""
    figure.suptitle(f"Every sweep at a glance: {findings[0].monitor} of the final weights{spread}", fontsize=13)
    return figure


def _draw_panel(axes: Axes, found: Finding) -> None:
    for place, cell in enumerate(found.gathered):
        mean, spread = cell.mean(found.monitor), cell.spread(found.monitor)
        if math.isnan(mean):
            continue
        filled = BLUE if cell is found.best else "white"
        axes.errorbar(
            mean,
            place,
            xerr=0 if math.isnan(spread) else spread,
            fmt="o",
            color=BLUE,
            markerfacecolor=filled,
            markersize=6,
            capsize=3,
            linewidth=1.4,
        )
    axes.set_yticks(range(len(found.gathered)), [_name(cell, found.chosen) for cell in found.gathered], fontsize=8)
    axes.set_ylim(len(found.gathered) - 0.5, -0.5)
    axes.set_title(", ".join(found.outcome.sweep.axes), fontsize=10.5, loc="left")
    axes.margins(x=0.08)
    tidy(axes, numbers="x", size=8)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)


def _name(cell: Cell, chosen: Cell | None) -> str:
    """The swept values, in the order that the title gives; the chosen cell is marked."""
    text = ", ".join(cell.texts.values())
    return f"{text} (chosen)" if cell is chosen else text
