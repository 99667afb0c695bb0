"""A matplotlib figure as a PNG, and as Jupyter shows it; matplotlib is imported once something is drawn."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    """Draws a label's dollar signs as such, and what the font lacks as a box without a word about it."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
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
