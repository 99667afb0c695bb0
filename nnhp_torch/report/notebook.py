"""Progress below a notebook's cell while the sweep runs: Jupyter's own display, shown anew in its place."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

from rich.console import RenderableType

from nnhp_torch.report.terminal import NOTEBOOK, Terminal

PAUSE = 0.5  # seconds between two pictures of a sweep whose epochs are shorter


class NotebookLive:
    """Stands in a notebook for what rich's Live is in a terminal, without widgets that a reader may lack.

    Args:
        get_renderable: what to show now.
    """

    def __init__(self, get_renderable: Callable[[], RenderableType]) -> None:
        self.get_renderable = get_renderable
        self._shown = -PAUSE
        self._display: Any = None

    def start(self) -> None:
        from IPython.display import display

        self._display = display({"text/plain": ""}, raw=True, display_id=True)
        self.refresh()

    def refresh(self) -> None:
        """Shows how it stands, unless it has done so just now."""
        if self._display is not None and time.monotonic() - self._shown >= PAUSE:
            self._shown = time.monotonic()
            out = io.StringIO()
            Terminal(out, width=NOTEBOOK).print(self.get_renderable())
            self._show(out.getvalue())

    def stop(self) -> None:
        """Takes away what has ended."""
        if self._display is not None:
            self._show("")
            self._display = None

    def _show(self, text: str) -> None:
        self._display.update({"text/plain": text}, raw=True)
