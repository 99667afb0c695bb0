"""Splits of anyone's dataset: a part to train on and a part held out, the classes alike in both."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Any, cast

import numpy as np
from torch.utils.data import Dataset, Subset, TensorDataset

from nnhp_torch import checks


def folds(
    dataset: Dataset[Any], count: int, fold: int, *, seed: int = 0, labels: Sequence[Any] | None = None
) -> tuple[Subset[Any], Subset[Any]]:
    """Split a dataset into parts that share each class evenly, and holds one of them out.

    Every example is held out in one of the folds. Their sizes differ by at most one, and so do those of each class.
    Values that fewer than `count` examples share, as a regression's targets, are no classes of their own.

    Args:
        count: how many parts.
        fold: which one is held out, from 0.
        seed: of the split; the same for all trials that should meet the same folds.
        labels: one for each example; default: the dataset's `targets`, the last of a TensorDataset's tensors, else
            what stands second in each example, which reads all of them.

    Returns:
        What to train on, and what is held out.

    Raises:
        ValueError: a count or a fold that the dataset cannot have, or another number of labels than examples.

    Example:
        >>> train, val = folds(dataset, count=5, fold=settings.fold)
    """
    if not isinstance(dataset, Sized):
        raise ValueError(f"folds need a dataset that knows its length, not {type(dataset).__name__}")
    checks.whole("count", count, least=2)
    checks.choice("fold", fold, range(count))
    size = len(dataset)
    if count > size:
        raise ValueError(f"count must be at most {size}, the number of examples, not {count}")
    classes = _classes(_labels(dataset) if labels is None else labels, count)
    if len(classes) != size:
        raise ValueError(f"{size} examples need as many labels, not {len(classes)}")
    # Bit for bit the same order with every NumPy: this generator is frozen.
    order = np.random.RandomState(seed).permutation(size)
    order = order[np.argsort(classes[order], kind="stable")]  # class by class, then dealt like cards
    held_out = np.zeros(size, dtype=bool)
    held_out[order[fold::count]] = True
    train, val = (Subset(dataset, np.flatnonzero(part).tolist()) for part in (~held_out, held_out))
    return train, val


def _labels(dataset: Any) -> Sequence[Any]:
    if hasattr(dataset, "targets"):
        return cast(Sequence[Any], dataset.targets)
    if isinstance(dataset, TensorDataset):
        return cast(Sequence[Any], dataset.tensors[-1])
    return [dataset[index][1] for index in range(len(dataset))]


def _classes(labels: Sequence[Any], count: int) -> np.ndarray[Any, Any]:
    """Return the class of each label by its number; rows, as of one-hot labels, count as a whole."""
    _, classes, sizes = np.unique(np.asarray(labels), axis=0, return_inverse=True, return_counts=True)
    classes = classes.reshape(-1)  # NumPy 2.0 keeps the shape of the rows
    return np.where(sizes[classes] < count, -1, classes)
