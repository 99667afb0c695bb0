"""Writing so that a kill loses nothing, and what the system answers if it cannot be done."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nnhp_torch.core.errors import NotAFile


@contextmanager
def replacing(path: Path, *, wait: bool = True) -> Iterator[Path]:
    """Give a name beside `path` to write to; if the block ends well it takes the place of `path`, else it is removed.

    A kill, or a machine that goes down, leaves the old content or the new one, whole.

    Args:
        wait: for the disk, which takes milliseconds. Without it a kill does no harm either, but a machine that goes
            down may.
    """
    must_be_file(path)
    written = path.with_name(f".{path.name}.tmp")
    try:
        yield written
        if wait:
            on_disk(written)
        os.replace(written, path)
    finally:
        written.unlink(missing_ok=True)


def write(path: Path, content: str | bytes, *, wait: bool = True) -> None:
    """Have a file hold a text, or bytes, whole; see replacing()."""
    with replacing(path, wait=wait) as written:
        written.write_bytes(content.encode() if isinstance(content, str) else content)


def read(path: Path) -> str:
    """Return a small file's content; empty if there is none."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def read_json(path: Path) -> dict[str, Any]:
    """Return the mapping that a small file has; empty if there is none, or nothing that can be read."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def on_disk(*paths: Path) -> None:
    """Wait until what was written to these files is on the disk; those that are not there are left out."""
    for path in paths:
        with suppress(FileNotFoundError), open(path, "rb") as file:
            os.fsync(file.fileno())


def name_too(path: Path, name: Path, *, wait: bool = True) -> None:
    """Give a file a second name, which keeps the content when another file takes the place of the first."""
    with replacing(name, wait=wait) as link:
        link.unlink(missing_ok=True)
        try:
            os.link(path, link)
        except OSError:  # a file system without such names, as some network and cloud drives are
            shutil.copyfile(path, link)


def append(path: Path, text: str) -> None:
    """Add a line to a file and wait until it is on the disk; a write that fails leaves the file as it was."""
    line = text.encode() + b"\n"
    with open(path, "ab+", buffering=0) as file:  # a buffer would be written again when it closes
        end = cut_torn_line(file)
        try:
            while line:
                line = line[file.write(line) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise


def cut_torn_line(file: Any) -> int:
    """Cut off what a crash has left behind the last whole line of an open file; return where that ends."""
    end = _end_of_last_line(file)
    file.truncate(end)
    return end


def _end_of_last_line(file: Any) -> int:
    end = file.seek(0, os.SEEK_END)
    position = end
    while position > 0:
        step = min(position, 65536)
        file.seek(position - step)
        found = file.read(step).rfind(b"\n")
        if found >= 0:
            return int(position - step + found + 1)
        position -= step
    return 0


def must_be_file(*paths: Path) -> None:
    """Raise NotAFile if anything else is there under one of the names, which must not be replaced."""
    for path in paths:
        if path.exists() and not path.is_file():
            kind = "a directory" if path.is_dir() else "a FIFO or a device"
            raise NotAFile(f"{path} is {kind}, and a file belongs there. Nothing was changed: move it away")


def disk_full(error: BaseException | None) -> bool:
    """Whether the system says that nothing more can be written: a full disk, a used-up quota, a file-size limit."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def read_only(error: BaseException | None) -> bool:
    """Return whether the system says that nothing may be written there."""
    return isinstance(error, OSError) and error.errno in (errno.EROFS, errno.EACCES, errno.EPERM)
