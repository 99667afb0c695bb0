"""A person's own pictures of digits, brought into the form of MNIST."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import lightning as L
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps
from scipy.ndimage import center_of_mass
from torch import Tensor
from torch.utils.data import DataLoader

SIDE, INNER = 28, 20  # pixels of an MNIST image, and of the box that its digit fits
FAINT = 0.2  # share of the darkest stroke below which a pixel counts as paper
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
COLUMNS, ENLARGED, GAP, TEXT = 5, 5, 12, 30  # of a sheet: images side by side; times, and pixels

Grey = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class DigitImages(L.LightningDataModule):
    """Pictures of single digits in a folder, to predict: each file in the order of the names.

    A batch is images float32 in [0, 1] of shape (n, 1, 28, 28), as MNISTDataModule gives. A file on which no digit can
    be read is left out with a warning.

    Args:
        folder: holds PNG, JPEG or other image files, one digit in each, dark on light or light on dark; or one file.

    Attributes:
        names: of the files that are read; images: they themselves, in the same order.
        refused: why the others are not read, a sentence each.

    Raises:
        ValueError: there is no such folder, no picture in it, or none on which there is a digit.

    Example:
        >>> pictures = DigitImages("photos")
        >>> pictures.names
        ['seven.png']
        >>> L.Trainer().predict(model, pictures)  # doctest: +SKIP
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.refused: list[str] = []
        read = {}
        for path in _pictures(Path(folder).expanduser()):
            try:
                read[path.name] = read_digit(path)
            except ValueError as error:
                self.refused.append(str(error))
        if not read:
            raise ValueError("; ".join(self.refused))
        for why in self.refused:
            warnings.warn(f"left out: {why}", stacklevel=2)
        self.names = list(read)
        self.images = torch.stack(list(read.values())).unsqueeze(1) / 255  # (n, 1, 28, 28)

    def predict_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(self.images, batch_size=len(self.images))  # type: ignore[arg-type]


def _pictures(folder: Path) -> list[Path]:
    """Return the picture files of a folder, by name; a file alone is itself."""
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"there is no picture ({', '.join(SUFFIXES)}) in the folder {folder}")
    return paths


def sheet(images: Tensor, captions: Sequence[str]) -> Image.Image:
    """One picture of all images, enlarged and with a caption below each.

    Args:
        images: in [0, 1], of shape (n, 1, 28, 28).
        captions: a line or several for each.
    """
    columns = min(len(captions), COLUMNS)
    width, height = SIDE * ENLARGED + GAP, SIDE * ENLARGED + GAP + TEXT
    page = Image.new("L", (columns * width + GAP, -(-len(captions) // columns) * height + GAP), "white")
    draw = ImageDraw.Draw(page)
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = GAP + place % columns * width, GAP + place // columns * height
        pixels = Image.fromarray((255 * image.squeeze(0)).round().to(torch.uint8).numpy())
        page.paste(pixels.resize((SIDE * ENLARGED,) * 2, Image.Resampling.NEAREST), (left, top))
        draw.multiline_text((left, top + SIDE * ENLARGED + 3), caption, fill="black")
    return page


def read_digit(path: Path) -> Tensor:
    """One picture as MNIST would have it: uint8 (28, 28), light on dark.

    As MNIST was made (yann.lecun.com/exdb/mnist): the digit scaled to fit 20 × 20 pixels, its proportions kept, and its
    centre of mass put on pixel (14, 14) of 28 × 28.

    Raises:
        ValueError: the file is no picture, or nothing is on it.
    """
    try:
        with Image.open(path) as file:
            grey = _grey(ImageOps.exif_transpose(file))
    except (OSError, SyntaxError, Image.DecompressionBombError):  # SyntaxError: Pillow's, of a broken PNG
        raise ValueError(f"{path} is no picture that can be read") from None
    ink = strokes(grey)
    if not ink.any():
        raise ValueError(f"there is nothing on {path}: all its pixels are alike")
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = INNER / max(digit.shape)
    height, width = (max(1, round(scale * side)) for side in digit.shape)
    box = Image.fromarray((255 * digit).astype(np.uint8))
    small = np.asarray(box.resize((width, height), Image.Resampling.BOX), dtype=np.float64)
    small = small * 255 / small.max()  # a thin stroke would be pale
    top, left = (round(SIDE / 2 - centre) for centre in center_of_mass(small))
    top, left = min(max(top, 0), SIDE - height), min(max(left, 0), SIDE - width)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + height, left : left + width] = small.round()
    return torch.from_numpy(image)


def _grey(picture: Image.Image) -> Grey:
    """Return its grey values, of whatever depth they are; what is transparent shows white paper."""
    if picture.mode[0] in "IF":  # 16 bits and more, which Pillow would cut off at 255
        return np.asarray(picture, dtype=np.float64)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.asarray(picture.convert("RGB").convert("L"), dtype=np.float64)


def strokes(grey: Grey) -> Grey:
    """How much ink is on each pixel, 0 to 1: the distance from the paper's grey, which is the median of the rim's."""
    rim = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = np.abs(grey - np.median(rim))
    if ink.max() > 0:
        ink = ink / ink.max()
    return np.where(ink < FAINT, 0.0, ink)
