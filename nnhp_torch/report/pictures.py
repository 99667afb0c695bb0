"""A sweep's pictures as files and in TensorBoard: put there, replaced, or taken away once they show something else."""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnhp_torch.core.files import replacing
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.roles import SweepCallback
from nnhp_torch.core.summary import Cell, cells

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FigureReport(SweepCallback):
    """`figure.png`, and the same picture under Images in TensorBoard (run `figure`)."""

    writes = True

    def __init__(self, folder: Path) -> None:
        self.path = folder / "figure.png"

    def on_sweep_end(self, outcome: Outcome) -> None:
        gathered = cells(outcome)
        if not outcome.results:
            return
        if why_undrawn(gathered):
            withdraw(self.path)
        else:
            from nnhp_torch.report import figures  # and NumPy with it, which --help need not wait for

            publish(lambda: figures.draw(outcome, gathered), self.path, outcome.sweep.name)


def why_undrawn(gathered: Sequence[Cell]) -> str:
    """Why there is no figure of these cells; empty if there is one."""
    if not any(result.history for cell in gathered for result in cell.results):
        return "none, because no trial has finished an epoch"
    return ""


def publish(draw: Callable[[], Figure], path: Path, tag: str, run: str | None = None) -> None:
    """Draws a picture and puts it into a file and under TensorBoard's Images; Ctrl-C ends that at once.

    Args:
        draw: makes the figure.
        path: a PNG's.
        tag: what TensorBoard calls the picture.
        run: TensorBoard's run, a folder beside the file; default: called like the file.
    """
    with _ctrl_c_raises(), plain_text():
        save(draw(), path)
        write_image(_run(path, run), tag, path.read_bytes())


@contextmanager
def plain_text() -> Iterator[None]:
    """Draws a label's dollar signs as such, and what the font lacks as a box without a word about it."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG of 256 colours, a third of the size, and replaces the old one in one step."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # once: savefig draws all of it twice, to lay the panels out
    drawn = Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()))
    with replacing(path) as replacement:
        drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(replacement, "png", optimize=True)


def withdraw(path: Path, run: str | None = None) -> None:
    """Removes a picture that shows an earlier state, from its file and from TensorBoard; the ledger has its numbers."""
    path.unlink(missing_ok=True)
    for old in _images(_run(path, run)):
        old.unlink()


def write_image(folder: Path, tag: str, png: bytes) -> None:
    """Puts a PNG under TensorBoard's Images, in place of the one that was there.

    Written with TensorBoard's own protocol buffers: torch's SummaryWriter would cost this process the import of torch.
    """
    import struct

    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    width, height = struct.unpack(">II", png[16:24])  # the PNG header's first two fields
    old = _images(folder)
    image = Summary.Image(encoded_image_string=png, height=height, width=width, colorspace=4)
    summary = Summary(value=[Summary.Value(tag=tag, image=image)])
    now = time.time()
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"events.out.tfevents.{now:017.6f}"
    with replacing(new) as written, open(written, "wb") as file:
        for event in (Event(wall_time=now, file_version="brain.Event:2"), Event(wall_time=now, summary=summary)):
            RecordWriter(file).write(event.SerializeToString())
    for path in old:
        path.unlink()


def _run(path: Path, run: str | None) -> Path:
    return path.with_name(run or path.stem)


def _images(folder: Path) -> list[Path]:
    """TensorBoard's files of a run, and what a kill has left half written; none that a symbolic link leads to."""
    names = "events.out.tfevents.*"
    return [] if folder.is_symlink() else [*folder.glob(names), *folder.glob(f".{names}.tmp")]


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
