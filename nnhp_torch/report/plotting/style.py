"""How all that is looked at looks: colours, lines, words and numbers of figure, page, table and TensorBoard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnhp_torch.core.spec.objective import Split

# Of Okabe and Ito's palette. They mean validation and training everywhere, so that no cell has them.
BLUE = "#0072B2"
ORANGE = "#D55E00"
# Of cells: the seven that stay furthest apart, from each other and from those two, in the eyes of people who see
# no red, no green or no blue (G. M. Machado and others, 2009); each is visible on white.
CELLS = ("#332288", "#E69F00", "#E7298A", "#56B4E9", "#661100", "#8C6D31", "#000000")
# Of cells with one setting that is a number: from the least to the greatest.
RAMP = ("#08306b", "#0f4f94", "#1f6fb2", "#3a8cc0", "#56a6c6", "#6dbcc4", "#84d0bd")
WIDE = 4  # axes from which on a cell is called by its rank, because its values have no room
GREY = "#5f6368"  # of axes and numbers
LIGHT_GREY = "#9aa0a6"  # of what is in the background
FAINT = "#e3e3e3"  # of the grid

# In print, a screen's width without scrolling, and a megapixel or two.
DPI = 120  # dots per inch
WIDTH = 11.0  # of a sweep's figure, in inches
TITLE, LABEL, SMALL = 10, 9, 8  # sizes of letters, in points

TRAIN: dict[str, Any] = {"color": ORANGE, "linestyle": (0, (4, 1.5))}
VALIDATION: dict[str, Any] = {"color": BLUE, "linestyle": "-"}
# In a terminal: each can be read on white and on black.
TERMINAL = {"good": "#0a7d28", "early": "#0078a8", "warning": "#b85c00", "bad": "#d02f2f"}
WORDS: dict[Split | None, str] = {
    "train": "training",
    "val": "validation",
    "test": "test",
    "trained": "final training",
    None: "",
}
LEGEND = {**WORDS, "train": "training (running mean)"}  # of curves


def hex_of(name: str) -> str:
    """Return the colour that a name of a cell's stands for.

    >>> hex_of("c6"), hex_of("best")
    ('#000000', '#0072B2')
    """
    of = {"best": BLUE, "other": LIGHT_GREY}
    return of.get(name) or (RAMP if name[0] == "r" else CELLS)[int(name[1:])]


def tidy(axes: Axes, *, numbers: Literal["both", "x", "y"] = "both", size: float = LABEL) -> None:
    """Gives axes a faint grid behind the data, and grey lines and numbers at the left and the bottom alone.

    Args:
        numbers: which axes have numbers, and lines of the grid.
        size: of the numbers, in points.
    """
    axes.grid(axis=numbers, color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(axis=numbers, colors=GREY, labelsize=size)
