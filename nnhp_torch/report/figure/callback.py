"""A sweep's pictures as files and in TensorBoard: put there, replaced, or taken away once they show something else."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.files import write
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.figure import tensorboard
from nnhp_torch.report.figure.drawing import plain_text, png
from nnhp_torch.report.figure.means import write_means
from nnhp_torch.report.terminal.table import in_markdown
from nnhp_torch.report.words.phrases import why_undrawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FigureReport(SweepCallback):
    """`figure.png`, and in TensorBoard (run `figure`) the same picture under Images, verdict and table under Text.

    Args:
        folder: the sweep's.
        draw: makes the picture. Default: that of a sweep.
    """

    writes = True

    def __init__(self, folder: Path, draw: Callable[[Summary], Figure] | None = None) -> None:
        self.path = folder / "figure.png"
        self.draw = draw

    def on_sweep_end(self, outcome: Outcome) -> None:
        summary = outcome.summary
        if not outcome.results:
            return
        if why_undrawn(summary):
            self.path.unlink(missing_ok=True)  # it would show an earlier state, and so would TensorBoard
            tensorboard.clear(self.path.with_suffix(""))
        else:
            from nnhp_torch.report.figure import whole  # and NumPy with it, which --help need not wait for

            name, step, words = outcome.sweep.name, last_epoch(outcome), in_markdown(summary)
            publish(lambda: (self.draw or whole.draw)(summary), self.path, name, step=step, words=words)
            write_means(self.path.parent, summary)


def last_epoch(outcome: Outcome) -> int:
    """The last epoch of the longest trial."""
    return max((result.epochs for result in outcome.results.values()), default=0)


def publish(
    draw: Callable[[], Figure], path: Path, tag: str, *, run: str | None = None, step: int = 0, words: str = ""
) -> None:
    """Draws a picture and puts it into a file and under TensorBoard's Images; Ctrl-C ends that at once.

    Args:
        draw: makes the figure.
        path: a PNG's.
        tag: what TensorBoard calls the picture.
        run: TensorBoard's run, a folder beside the file; default: called like the file.
        step: the epoch at which TensorBoard has it.
        words: what stands under Text there, in Markdown; empty: nothing.
    """
    with _ctrl_c_raises(), plain_text():
        save(draw(), path)
        tensorboard.write(path.with_name(run or path.stem), tag, path.read_bytes(), step=step, words=words)


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG, and replaces the old one in one step."""
    write(path, png(figure))


@contextmanager
def _ctrl_c_raises() -> Iterator[None]:
    """Lets Ctrl-C end at once what writes nothing that could be lost."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
