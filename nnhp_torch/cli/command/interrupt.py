"""What Ctrl-C and SIGTERM do while a sweep runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from nnhp_torch.cli import exit_status


class Interrupt:
    """Ctrl-C or SIGTERM asks for a tidy end; a second one ends at once.

    That ends the process, if a command line started it (`leaves`); else the call, because a notebook has more to lose.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.leaves = False
        self.listened = False  # before that, nothing was done
        self._before: dict[int, Any] = {}

    def requested(self) -> bool:
        return self.signal is not None

    def __enter__(self) -> Interrupt:
        self.listened = True
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Have signals do what they did before, as while a question is asked."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            if not self.leaves:
                signal.signal(signal.SIGINT, signal.default_int_handler)  # so that nobody takes it for the trial's own
                raise KeyboardInterrupt
            if os.isatty(1):
                os.write(1, b"\x1b[?25h")  # the cursor, which the progress bar hides
            os._exit(exit_status.stopped(number))  # workers see that their parent is gone, and end
        self.signal = number
