"""Which files a person's own code reads beside its sources, such as a table or a YAML: an edit makes results stale."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import time
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from nnhp_torch.core.spec.imports import is_installed

READ = "file:"  # before the digest of such a file, which stands among a result's sources
MOST = 50  # of a folder of images, the first
_LONG = 2**23  # bytes of a file's beginning and of its end that count; those between are not looked at
_PACKAGE = str(Path(__file__).parents[2])

_of_imports: dict[str, str] = {}  # path → digest, when it was first read; empty if it is written, too, or not there
_of_trial: dict[str, str] = {}
_named: dict[str, str] = {}  # likewise, of a file that a setting names, or a database: it may be written unheard, too
_home = [""]  # the working directory that the trial began in
_began = [time.time_ns()]  # what is newer was written by the trial, a program that it has started or another trial


def begin() -> None:
    """Forget what trials have read; what imports have read, all trials of this process are made of."""
    _of_trial.clear()
    _named.clear()
    _home[:], _began[:] = [os.getcwd()], [time.time_ns()]


def named(settings: Any) -> None:
    """Take the files that settings name for read: a library may open one beside Python, as of HDF5 or Parquet."""
    match settings:
        case str() | os.PathLike():
            if os.path.isfile(settings):
                _note(os.path.abspath(settings), _named)
        case list() | tuple() | set():
            for inner in settings:
                named(inner)
        case dict():
            named([*settings.values()])
        case Namespace():
            named(vars(settings))


def read(folder: str) -> dict[str, str]:
    """Return the files that imports and this trial have read, by their paths from the working directory.

    Those that are not below it, are hidden, were written since the trial began, or lie in this folder, a sweep's, do
    not count.
    """
    home, own = _home[0], os.path.abspath(folder) + os.sep
    both = {path: digest and _joined(_of_imports.get(path) or digest, digest) for path, digest in _of_trial.items()}
    both = {path: digest for path, digest in _named.items() if digest and not _is_new(path)} | _of_imports | both
    found = {path: digest for path, digest in both.items() if digest and not path.startswith(own)}
    names = {os.path.relpath(path, home): READ + digest for path, digest in found.items()}
    return {name: digest for name, digest in names.items() if not name.startswith(".")}


def file_digest(path: str) -> str:
    """Digest of a file's size, beginning and end; empty if it cannot be read."""
    try:
        found = os.stat(path)
        return _digest(path, found.st_size, found.st_mtime_ns) if Path(path).is_file() else ""
    except OSError:
        return ""


@functools.lru_cache(maxsize=1000)
def _digest(path: str, size: int, _: int) -> str:
    with open(path, "rb") as file:
        hashed = hashlib.sha256(f"{size} ".encode() + file.read(_LONG))
        file.seek(max(size - _LONG, file.tell()))
        hashed.update(file.read(_LONG))
    return hashed.hexdigest()[:16]


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(args[0], str | os.PathLike):
        with suppress(OSError, ValueError):  # whoever opens it shall hear of that
            if args[2] & (os.O_WRONLY | os.O_RDWR):
                _unread(os.path.abspath(os.fspath(args[0])))
            # Ten thousand images are opened as fast as without this: no path is looked at before who opens it.
            elif len(_of_trial) < MOST and (readers := _readers(sys._getframe(1))) is not None:
                _note(os.path.abspath(os.fspath(args[0])), readers)
    elif event == "sqlite3.connect":
        if _readers(sys._getframe(1)) is not None:
            named(args[0])
    elif event == "os.rename" and isinstance(args[1], str | os.PathLike):  # os.replace too
        _unread(os.path.abspath(os.fspath(args[1])))


def _unread(path: str) -> None:
    for found in (_of_imports, _of_trial, _named):
        if path in found:
            found[path] = ""


def _joined(one: str, other: str) -> str:
    """Return what stands for both contents of a file: no file has that digest if it was edited between them."""
    return one if other in one.split("+") else f"{one}+{other}"


def _note(path: str, found: dict[str, str]) -> None:
    if found is _of_imports and found.get(path):  # by a script that each trial imports anew, or by another module
        found[path] = _joined(found[path], file_digest(path))
    if path in found or len(found) >= MOST or path.endswith((".py", ".pyc")) or is_installed(path):
        return
    if path.startswith((_home[0] or os.getcwd()) + os.sep):
        found[path] = ""  # already: own code that stands in for `open` is called by what follows, too
        if not _is_new(path):
            found[path] = file_digest(path)


def _is_new(path: str) -> bool:
    try:
        return os.stat(path).st_mtime_ns >= _began[0]
    except OSError:
        return True


def _is_ours(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_code.co_filename.startswith(_PACKAGE)


def _readers(frame: FrameType | None) -> dict[str, str] | None:
    """Whether a file is opened by code of one's own, called from this package's or from nobody's, and in an import."""
    own = False
    while frame is not None:
        code = frame.f_code  # which is an event, too, each time
        file = code.co_filename
        if _is_ours(frame):
            break
        if os.path.isabs(file) and not is_installed(file):
            own = True
            if code.co_name == "<module>" and not _is_ours(frame.f_back):  # a main block is run for each trial
                return _of_imports
        frame = frame.f_back
    return _of_trial if own else None


sys.addaudithook(_hear)
