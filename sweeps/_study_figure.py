"""Which hyperparameter matters, as the study's page has it: a row a sweep on one axis, the widest effect on top."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnhp_torch.report.ends import values_of
from nnhp_torch.report.figure.drawing import dress
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.several import QUESTION, Effect, answer, axis_of, effects, keys_of
from nnhp_torch.report.style import BLUE, DPI, FAINT, GREY, LABEL, LIGHT_GREY, ORANGE, SMALL, WIDTH, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOP, ROW, BELOW = 1.6, 0.38, 0.5  # the head, a row, and what is below them, in inches
LEFT, RIGHT = 0.19, 0.9  # the axis, as shares of the figure's width
ROOM = 2.8  # below the least error, for the name of the value that has it
PALE = "#7FB8D8"  # of cells that cannot be told from the best


def draw(parts: Sequence[Part]) -> Figure:
    """Draw a dot a cell: filled the best, pale what cannot be told from it, hollow what is worse, ringed the choice."""
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
        _draw_row(axes, effect, row, shown=[axis.shown(mean) for _, mean, _, _ in effect.marks])
    axes.set_yticks([])
    axes.set_ylim(len(found) - 0.4, -0.6)
    head: dict[str, Any] = {"va": "top"}
    figure.text(0.012, 1 - 0.13 / tall, QUESTION, fontsize=19, fontweight="bold", **head)
    figure.text(0.012, 1 - 0.55 / tall, textwrap.fill(answer(found), 112), fontsize=LABEL + 1, **head)
    said = f"{axis.name.capitalize()} with the final weights, the mean of each cell; the widest effect on top."
    figure.text(0.012, 1 - 1.05 / tall, said, fontsize=LABEL, color=GREY, **head)
    keys = [axes.plot([], [], label=text, **_mark(tone))[0] for tone, text in keys_of(parts).items()]
    figure.legend(handles=keys, loc="lower right", ncols=len(keys), frameon=False, fontsize=LABEL)
    return figure


def _mark(tone: str) -> dict[str, Any]:
    """Return how a dot of a tone looks."""
    edge = {"worse": LIGHT_GREY, "choice": ORANGE}.get(tone, BLUE)
    face = {"best": BLUE, "alike": PALE}.get(tone, "none" if tone == "choice" else "white")
    size = 14 if tone == "choice" else 7.5
    return {"marker": "o", "linestyle": "", "color": edge, "markerfacecolor": face, "markersize": size, "mew": 1.5}


def _draw_row(axes: Axes, effect: Effect, row: int, *, shown: Sequence[float]) -> None:
    name: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "xycoords": axes.get_yaxis_transform()}
    axes.annotate(effect.name, (0, row), (-6, 1), fontsize=LABEL + 1, fontweight="bold", va="bottom", **name)
    axes.annotate(effect.said, (0, row), (-6, -1), fontsize=SMALL, color=GREY, va="top", **name)
    if not shown:
        return
    axes.plot([min(shown), max(shown)], [row] * 2, color=FAINT, linewidth=6, solid_capstyle="butt", zorder=1)
    for (_, _, tone, chosen), value in reversed(list(zip(effect.marks, shown, strict=True))):
        axes.plot(value, row, gid=f"row{row}.{tone}", zorder=3, **_mark(tone))
        if chosen:
            axes.plot(value, row, gid=f"row{row}.chosen", zorder=4, **_mark("choice"))
    text: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": SMALL}
    best, worst = (values_of(effect.marks[place][0]) for place in (0, -1))
    axes.annotate(best, (min(shown), row), (-11, 0), ha="right", color=BLUE, fontweight="bold", **text)
    if len(shown) > 1:
        axes.annotate(worst, (max(shown), row), (11, 0), ha="left", color=GREY, **text)
