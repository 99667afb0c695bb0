"""How all pictures look: colours that the colour-blind tell apart, and axes that leave the data in front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette.
ORANGE = "#D55E00"
BLUE = "#0072B2"
GREY = "#5f6368"  # of axes and numbers
LIGHT_GREY = "#9aa0a6"  # of what is in the background
DPI = 150


def tidy(axes: Axes, *, numbers: Literal["both", "x"] = "both", size: float = 9) -> None:
    """Gives axes a faint grid behind the data, and grey lines and numbers at the left and the bottom alone.

    Args:
        numbers: which axes have numbers, and lines of the grid.
        size: of the numbers, in points.
    """
    axes.grid(axis=numbers, color="#e3e3e3", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(axis=numbers, colors=GREY, labelsize=size)
