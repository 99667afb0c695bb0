"""Small IDX files in MNIST's shape, and a set that accepts them."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np

from nnhp_torch.mnist.files import NAMES

TRAIN, TEST = 120, 30


def contents(seed: int = 0) -> list[bytes]:
    """The four files of a small set, in the order of NAMES."""
    generator = np.random.default_rng(seed)
    files = []
    for count in (TRAIN, TEST):
        files.append(encode(generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)))
        files.append(encode(generator.integers(0, 10, count, dtype=np.uint8)))
    return files


def encode(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def dataset(files: list[bytes]) -> tuple[str, ...]:
    """A set with the checksums of these files."""
    return tuple(hashlib.md5(data).hexdigest() for data in files)


def resources(files: list[bytes]) -> list[tuple[str, str]]:
    """What torchvision would say of them."""
    return [(f"{name}.gz", hashlib.md5(zipped(data)).hexdigest()) for name, data in zip(NAMES, files, strict=True)]


def write(files: list[bytes], folder: Path, gz: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in zip(NAMES, files, strict=True):
        (folder / (f"{name}.gz" if gz else name)).write_bytes(zipped(data) if gz else data)
