"""TensorBoard's run of a whole sweep: its picture under Images, what is to be said of it under Text.

Written with TensorBoard's own protocol buffers: torch's SummaryWriter would cost this process the import of torch.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nnhp_torch.core.ledger.files import replacing

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary


def write(folder: Path, tag: str, png: bytes, *, step: int = 0, words: str = "") -> None:
    """Writes a picture and words, in place of those that were there.

    Args:
        folder: the run's.
        tag: what TensorBoard calls the picture; the words have `/verdict` behind it.
        step: the epoch that they are of.
        words: in Markdown; empty: none.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    width, height = struct.unpack(">II", png[16:24])  # the PNG header's first two fields
    image = Summary.Image(encoded_image_string=png, height=height, width=width, colorspace=4)
    values = [Summary.Value(tag=tag, image=image), *([_text(tag, words)] if words else [])]
    old, now = _files(folder), time.time()
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"events.out.tfevents.{now:017.6f}"
    events = (
        Event(wall_time=now, file_version="brain.Event:2"),
        Event(wall_time=now, step=step, summary=Summary(value=values)),
    )
    with replacing(new) as written, open(written, "wb") as file:
        for event in events:
            RecordWriter(file).write(event.SerializeToString())
    for path in old:
        path.unlink()


def clear(folder: Path) -> None:
    """Removes what a run has."""
    for path in _files(folder):
        path.unlink()


def _text(tag: str, words: str) -> Summary.Value:
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    plugin = SummaryMetadata.PluginData(plugin_name="text")
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[words.encode("utf-8", "replace")], tensor_shape=shape)
    return Summary.Value(tag=f"{tag}/verdict", metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor)


def _files(folder: Path) -> list[Path]:
    """TensorBoard's files of a run, and what a kill has left half written; none that a symbolic link leads to."""
    names = "events.out.tfevents.*"
    return [] if folder.is_symlink() else [*folder.glob(names), *folder.glob(f".{names}.tmp")]
