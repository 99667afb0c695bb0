"""Reports of one sweep that are drawn while the next one trains."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from rich.console import Console

from nnhp_torch.cli import exit_status
from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.loop.listeners import each
from nnhp_torch.core.outcome import Outcome


class Drawing:
    """A thread that draws the reports of sweeps, one after another; as a context it is waited for."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "drawing")
        self._drawn: list[Future[None]] = []

    def __enter__(self) -> Drawing:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def later(self, report: SweepCallback) -> SweepCallback:
        """Return a report that hears of its sweep's end in the thread; of all else at once, as it was."""
        end = report.on_sweep_end

        def on_sweep_end(outcome: Outcome) -> None:
            self._drawn.append(self._thread.submit(end, outcome))

        report.on_sweep_end = on_sweep_end  # type: ignore[method-assign]
        return report

    def wait(self) -> None:
        """Wait for all of them, even if one raises, then raise the first error."""
        drawn, self._drawn = self._drawn, []
        each(partial(future.result) for future in drawn)

    def give_up(self) -> None:
        """Draw no further one."""
        self._thread.shutdown(cancel_futures=True)


def undrawn(out: Console) -> int:
    """Say what Ctrl-C has ended once the results and the table were there; return the exit status."""
    out.print("Interrupted while a picture was drawn: all results are in the ledger, and the same command draws it.")
    return exit_status.stopped()
