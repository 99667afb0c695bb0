"""A person's own pictures of digits, brought into the form of MNIST."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader

SIDE, INNER = 28, 20  # pixels of an MNIST image, and of the box that its digit fits
FAINT = 0.2  # share of the darkest stroke below which a pixel counts as paper
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


class DigitImages(L.LightningDataModule):
    """Pictures of single digits in a folder, to predict: each file in the order of the names.

    A batch is images float32 in [0, 1] of shape (n, 1, 28, 28), as MNISTDataModule gives.

    Args:
        folder: holds PNG, JPEG or other image files, one digit in each, dark on light or light on dark.

    Raises:
        ValueError: there is no picture in the folder, or nothing on one of them.

    Example:
        >>> pictures = DigitImages("photos")
        >>> pictures.names
        ['seven.png']
        >>> L.Trainer().predict(model, pictures)  # doctest: +SKIP
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        paths = sorted(path for path in Path(folder).expanduser().glob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise ValueError(f"there is no picture ({', '.join(SUFFIXES)}) in the folder {folder}")
        self.names = [path.name for path in paths]
        self.images = torch.stack([read_digit(path) for path in paths]).unsqueeze(1) / 255  # (n, 1, 28, 28)

    def predict_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(self.images, batch_size=len(self.images))  # type: ignore[arg-type]


def read_digit(path: Path) -> Tensor:
    """One picture as MNIST would have it: uint8 (28, 28), light on dark.

    As MNIST was made (yann.lecun.com/exdb/mnist): the digit scaled to fit 20 × 20 pixels, its proportions kept, and its
    centre of mass put on pixel (14, 14) of 28 × 28.

    Raises:
        ValueError: the file is no picture, or nothing is on it.
    """
    try:
        with Image.open(path) as file:
            rgba = file.convert("RGBA")
    except UnidentifiedImageError:
        raise ValueError(f"{path} is no picture") from None
    paper = Image.new("RGBA", rgba.size, "white")  # behind what is transparent
    ink = strokes(np.asarray(Image.alpha_composite(paper, rgba).convert("L"), dtype=np.float64))
    if not ink.any():
        raise ValueError(f"there is nothing on {path}: all its pixels are alike")
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = INNER / max(digit.shape)
    height, width = (max(1, round(scale * side)) for side in digit.shape)
    box = Image.fromarray((255 * digit).astype(np.uint8))
    small = np.asarray(box.resize((width, height), Image.Resampling.BOX), dtype=np.float64)
    small = small * 255 / small.max()  # a thin stroke would be pale
    top, left = (round(SIDE / 2 - centre) for centre in centre_of_mass(small))
    top, left = min(max(top, 0), SIDE - height), min(max(left, 0), SIDE - width)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + height, left : left + width] = small.round()
    return torch.from_numpy(image)


def strokes(
    grey: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """How much ink is on each pixel, 0 to 1: the distance from the paper's grey, which is the median of the rim's."""
    rim = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = np.abs(grey - np.median(rim))
    if ink.max() > 0:
        ink = ink / ink.max()
    return np.where(ink < FAINT, 0.0, ink)


def centre_of_mass(image: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float]:
    """Row and column, from 0, in pixels."""
    rows, columns = (np.arange(side) for side in image.shape)
    total = image.sum()
    return float(image.sum(1) @ rows / total), float(image.sum(0) @ columns / total)
