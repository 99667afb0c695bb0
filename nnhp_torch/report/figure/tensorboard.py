"""TensorBoard's run of a whole sweep: its picture under Images, what is to be said of it under Text.

Written with TensorBoard's own protocol buffers: torch's SummaryWriter would cost this process the import of torch.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnhp_torch.core.ledger.files import replacing

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary


def write(folder: Path, tag: str, png: bytes, *, step: int = 0, words: str = "") -> None:
    """Write a picture and words in place of those that were there; if they are the same, their file stays.

    Args:
        folder: the run's.
        tag: what TensorBoard calls the picture; the words have `/verdict` behind it.
        step: the epoch that they are of.
        words: in Markdown; empty: none.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    width, height = struct.unpack(">II", png[16:24])  # the PNG header's first two fields
    image = Summary.Image(encoded_image_string=png, height=height, width=width, colorspace=4)
    values = [
        Summary.Value(tag=tag, image=image),
        *([_value(f"{tag}/verdict", "text", words.encode("utf-8", "replace"))] if words else []),
    ]
    event = Event(step=step, summary=Summary(value=values))
    there, shown = _files(folder), event.SerializeToString()
    whole = [path for path in there if not path.name.startswith(".") and shown in path.read_bytes()]
    if not there or whole != there:
        event.wall_time = time.time()
        _replace(folder, [event], event.wall_time)


def write_curves(folder: Path, curves: Mapping[str, Sequence[float]], bands: Mapping[str, str], made: float) -> None:
    """Write curves over epochs from 1, and a chart for each with its band, in place of what the run had.

    Args:
        folder: the run's.
        curves: tag → value after each epoch; bands: the tag of a curve → the title of its chart. Its band lies between
            the tags with `/low` and `/high` behind it.
        made: when, in seconds: the same curves are the same file.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.custom_scalar import layout_pb2 as layout

    charts = []
    for name, title in bands.items():
        band = layout.MarginChartContent.Series(value=name, lower=f"{name}/low", upper=f"{name}/high")
        charts.append(layout.Chart(title=title, margin=layout.MarginChartContent(series=[band])))
    parts = layout.Layout(category=[layout.Category(title="mean of the seeds", chart=charts)])
    told = _value("custom_scalars__config__", "custom_scalars", parts.SerializeToString(), scalar=True)
    events = [Event(wall_time=made, summary=Summary(value=[told]))]
    for epoch in range(max(map(len, curves.values()), default=0)):
        values = [
            Summary.Value(tag=name, simple_value=curve[epoch])
            for name, curve in curves.items()
            if epoch < len(curve) and math.isfinite(curve[epoch])
        ]
        events.append(Event(wall_time=made, step=epoch + 1, summary=Summary(value=values)))
    _replace(folder, events, made)


def _replace(folder: Path, events: Sequence[Event], made: float) -> None:
    """Write these events into a run, and remove those that it had."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"events.out.tfevents.{made:017.6f}"
    old = [path for path in _files(folder) if path != new]
    with replacing(new) as written, open(written, "wb") as file:
        for event in (Event(wall_time=made, file_version="brain.Event:2"), *events):
            RecordWriter(file).write(event.SerializeToString())
    for path in old:
        path.unlink(missing_ok=True)  # what a kill has left half written had the same name, perhaps


def clear(folder: Path) -> None:
    """Removes what a run has."""
    for path in _files(folder):
        path.unlink()


def _value(tag: str, plugin: str, content: bytes, *, scalar: bool = False) -> Summary.Value:
    """A text, or what else a plugin reads, as TensorBoard keeps it: alone, or in a list of one."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    shape = TensorShapeProto(dim=[] if scalar else [TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[content], tensor_shape=shape)
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
    return Summary.Value(tag=tag, metadata=metadata, tensor=tensor)


def _files(folder: Path) -> list[Path]:
    """TensorBoard's files of a run, and what a kill has left half written; none that a symbolic link leads to."""
    names = "events.out.tfevents.*"
    return [] if folder.is_symlink() else [*folder.glob(names), *folder.glob(f".{names}.tmp")]
