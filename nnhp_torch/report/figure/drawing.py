"""A matplotlib figure as a PNG, and as Jupyter shows it; matplotlib is imported once something is drawn."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from nnhp_torch.report.plotting.axis import Axis, decades
from nnhp_torch.report.plotting.style import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis as Ruler
    from matplotlib.figure import Figure


@cache
def figure_class() -> type[Figure]:
    """A Figure that Jupyter shows also if the notebook knows nothing of matplotlib."""
    from matplotlib.figure import Figure

    class Drawing(Figure):
        def _repr_png_(self) -> bytes:
            with plain_text():
                return png(self)

    return Drawing


@contextmanager
def plain_text() -> Iterator[None]:
    """Draw a label's dollar signs as such; have no word said of what the font lacks, nor of a label without room."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing|constrained_layout not applied")
        yield


def png(figure: Figure) -> bytes:
    """A PNG of 256 colours, a third of the size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # once: savefig draws all of it twice, to lay the panels out
    drawn = Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()))
    written = io.BytesIO()
    drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(written, "png", optimize=True)
    return written.getvalue()


def dress(axes: Axes, axis: Axis, *, x: bool = False) -> None:
    """Give axes this scale, its numbers, and a dotted line at what guessing reaches; along y, or along x."""
    line, ruler = (axes.axvline, axes.xaxis) if x else (axes.axhline, axes.yaxis)
    if axis.log:
        (axes.set_xscale if x else axes.set_yscale)("log")
    number(ruler, axis, (axis.low, axis.high))
    (axes.set_xlim if x else axes.set_ylim)(axis.low, axis.high)
    if axis.guess is not None and axis.guessing is not None:
        line(axis.guessing, color=GREY, linestyle=":", linewidth=1)


def number(ruler: Ruler, axis: Axis, ends: tuple[float, float]) -> None:
    """Write the numbers of a logarithmic axis between two ends."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    if axis.log:
        ruler.set_major_locator(FixedLocator(decades(*ends, 10, dense=True)))
        ruler.set_minor_locator(NullLocator())
        ruler.set_major_formatter(FuncFormatter(axis.written))
