"""The study at a glance: what each sweep has found, in one table; which hyperparameter matters, in one figure."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.report.csv import write_rows
from nnhp_torch.report.ends import named_values
from nnhp_torch.report.figure.drawing import dress
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.several import QUESTION, WHAT, Effect, answer, axis_of, effects, keys_of
from nnhp_torch.report.plotting.style import BLUE, DPI, FAINT, GREY, LABEL, LIGHT_GREY, ORANGE, SMALL, WIDTH, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOP, ROW, BELOW = 1.6, 0.38, 0.5  # the head, a row, and what is below them, in inches
EDGE, LEFT, RIGHT = 0.012, 0.19, 0.9  # where letters begin, and the axis, as shares of the figure's width
ROOM = 2.8  # below the least error, for the name of the value that has it
PALE = "#7FB8D8"  # of cells that are as good as the best


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


def draw(parts: Sequence[Part]) -> Figure:
    """Draw a dot a cell: filled the best, pale what is as good, hollow what else; its seeds if they cannot tell."""
    from matplotlib.figure import Figure

    found = effects(parts)
    axis = axis_of(found)
    tall = TOP + ROW * len(found) + BELOW
    figure = Figure(figsize=(WIDTH, tall), dpi=DPI)
    axes = figure.add_axes((LEFT, BELOW / tall, RIGHT - LEFT, ROW * len(found) / tall))
    tidy(axes, numbers="x")
    dress(axes, axis, x=True)
    if axis.log:
        axes.set_xlim(left=axis.low / ROOM)
    axes.xaxis.set_major_formatter(axis.written)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    axes.spines[:].set_visible(False)
    for row, effect in enumerate(found):
        seeds = [[*map(axis.shown, ends)] for ends in effect.seeds]
        _draw_row(axes, effect, row, shown=[axis.shown(mean) for _, mean, _, _ in effect.marks], seeds=seeds)
    axes.set_yticks([])
    axes.set_ylim(len(found) - 0.4, -0.6)
    beyond = EDGE - min((text.get_window_extent().x0 for text in axes.texts), default=math.inf) / figure.bbox.width
    if beyond > 0:  # the axis makes way for what is written before it
        axes.set_position((LEFT + beyond, BELOW / tall, RIGHT - LEFT - beyond, ROW * len(found) / tall))
    head: dict[str, Any] = {"va": "top"}
    figure.text(EDGE, 1 - 0.13 / tall, QUESTION, fontsize=19, fontweight="bold", **head)
    figure.text(EDGE, 1 - 0.55 / tall, textwrap.fill(answer(found), 112), fontsize=LABEL + 1, **head)
    said = WHAT.format(axis.name.capitalize())
    figure.text(EDGE, 1 - 1.05 / tall, said, fontsize=LABEL, color=GREY, **head)
    keys = [axes.plot([], [], label=text, **_mark(tone))[0] for tone, text in keys_of(parts).items()]
    figure.legend(handles=keys, loc="lower right", ncols=len(keys), frameon=False, fontsize=LABEL)
    return figure


def _mark(tone: str) -> dict[str, Any]:
    """Return how a dot of a tone looks."""
    edge = {"worse": LIGHT_GREY, "choice": ORANGE}.get(tone, BLUE)
    face = {"best": BLUE, "alike": PALE}.get(tone, "none" if tone == "choice" else "white")
    size = 14 if tone == "choice" else 7.5
    return {"marker": "o", "linestyle": "", "color": edge, "markerfacecolor": face, "markersize": size, "mew": 1.5}


def _draw_row(
    axes: Axes, effect: Effect, row: int, *, shown: Sequence[float], seeds: Sequence[Sequence[float]]
) -> None:
    name: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "xycoords": axes.get_yaxis_transform()}
    axes.annotate(effect.name, (0, row), (-6, 1), fontsize=LABEL + 1, fontweight="bold", va="bottom", **name)
    axes.annotate(effect.said, (0, row), (-6, -1), fontsize=SMALL, color=GREY, va="top", **name)
    if not shown:
        return
    axes.plot([min(shown), max(shown)], [row] * 2, color=FAINT, linewidth=6, solid_capstyle="butt", zorder=1)
    for ends in seeds:
        axes.plot(ends, [row] * 2, color=BLUE, linewidth=1.2, zorder=2)
    for (_, _, tone, chosen), value in reversed(list(zip(effect.marks, shown, strict=True))):
        axes.plot(value, row, gid=f"row{row}.{tone}", zorder=3, **_mark(tone))
        if chosen:
            axes.plot(value, row, gid=f"row{row}.chosen", zorder=4, **_mark("choice"))
    text: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": SMALL}
    best, worst = (named_values(effect.marks[place][0]) for place in (0, -1))
    drawn = [*shown, *(end for ends in seeds for end in ends)]
    axes.annotate(best, (min(drawn), row), (-11, 0), ha="right", color=BLUE, fontweight="bold", **text)
    if len(shown) > 1:
        axes.annotate(worst, (max(drawn), row), (11, 0), ha="left", color=GREY, **text)
