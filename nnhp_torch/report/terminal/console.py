"""Standard output on which text is text: nothing that cannot be printed, and no reader who leaves, ends a sweep."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from nnhp_torch.core.spec.names import visible

_PLAIN = dict(zip("✓✗–‖←±…×·↑↓", ("+", "x", "-", "=", "<-", "+-", "...", "x", ".", "^", "v"), strict=True))


def _spell(error: UnicodeError) -> tuple[str, int]:
    """Stands in for what an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in letters), error.end


NOTEBOOK = 100  # letters that a cell's output has room for, as most people see it

codecs.register_error("nnhp_torch.spell", _spell)


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


class Terminal(Console):
    """Shows text as it is, without markup; wide enough for a table's row if it is piped into a file.

    Args:
        stream: default: standard output.
    """

    def __init__(self, stream: Any = None, **settings: Any) -> None:
        super().__init__(
            file=_Unbreakable(stream or sys.stdout or io.StringIO()),  # type: ignore[arg-type]
            markup=False,
            emoji=False,
            highlight=False,
            # In a notebook too it is plain text, although Jupyter asks for colours: they would be letters elsewhere.
            **{"force_jupyter": False, "force_terminal": False if in_notebook() else None, **settings},
        )
        if not self.is_terminal and "COLUMNS" not in os.environ and "width" not in settings:
            self.width = NOTEBOOK if in_notebook() else 120
        self.turn: AbstractContextManager[Any] = nullcontext()  # to be waited for by what is printed beside bars

    def print(self, *objects: Any, soft_wrap: bool | None = None, **settings: Any) -> None:
        """Prints; text that is piped into a file stays on one line, because people search by lines there."""
        if soft_wrap is None and not self.is_terminal and not in_notebook():
            soft_wrap = all(isinstance(part, (str, Text)) for part in objects)
        with self.turn:
            super().print(*objects, soft_wrap=soft_wrap, **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            lines = segment.text.split("\n")
            yield segment if segment.control else segment._replace(text="\n".join(map(visible, lines)))


class _Unbreakable:
    """A stream that spells what its encoding lacks, and is silent once it is closed or nobody reads it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with _leaving(self._stream):
            self._stream.write(text.encode(self._encoding, "nnhp_torch.spell").decode(self._encoding))
        return len(text)

    def flush(self) -> None:
        with _leaving(self._stream):
            self._stream.flush()


@contextmanager
def _leaving(stream: Any) -> Iterator[None]:
    """Let a sweep go on if its output is gone; what is written from then on goes nowhere."""
    with suppress(OSError, ValueError):
        try:
            yield
        except OSError:  # else Python would raise it once more at its end
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def open_standard_streams() -> None:
    """Puts the null device in the place of a standard stream that is closed, before a file of the sweep's takes it."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            os.dup2(opened, number)
            if opened != number:
                os.close(opened)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115
