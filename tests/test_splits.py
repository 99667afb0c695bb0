"""Folds of anyone's data: all of it held out once, the classes alike in each."""

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from nnhp_torch import folds

LABELS = torch.tensor([0] * 50 + [1] * 31 + [2] * 22)
ROWS = TensorDataset(torch.arange(103.0), LABELS)


def _held_out(dataset, count=5, **rest):
    parts = [folds(dataset, count, fold, **rest) for fold in range(count)]
    assert all(sorted(train.indices + val.indices) == list(range(len(dataset))) for train, val in parts)
    return [val.indices for _, val in parts]


def test_every_example_is_held_out_once_and_trained_on_otherwise():
    assert sorted(index for part in _held_out(ROWS) for index in part) == list(range(103))
    assert folds(ROWS, 5, 0)[1][0][0] == folds(ROWS, 5, 0)[1].indices[0], "the examples are the dataset's own"


def test_the_folds_have_the_same_size_and_the_same_classes_but_for_one_example():
    held_out = _held_out(ROWS)
    assert {len(part) for part in held_out} == {20, 21}
    for label, size in enumerate((50, 31, 22)):
        assert {sum(LABELS[part] == label).item() for part in held_out} <= {size // 5, size // 5 + 1}


def test_the_split_is_a_function_of_the_seed():
    assert _held_out(ROWS, seed=1) == _held_out(ROWS, seed=1) != _held_out(ROWS, seed=2)


class Items(Dataset):
    """Examples that have to be read one by one."""

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return torch.zeros(3), self.labels[index]


class Targets(Items):
    """As torchvision's datasets, which know their labels without reading an image."""

    def __init__(self, labels):
        super().__init__(labels)
        self.targets = labels

    def __getitem__(self, index):
        raise AssertionError("not to be read")


@pytest.mark.parametrize(
    "dataset",
    [
        Items(LABELS.tolist()),
        Items([f"class {label}" for label in LABELS]),
        Targets(LABELS),
        TensorDataset(torch.zeros(103), torch.nn.functional.one_hot(LABELS).flip(1)),
    ],
    ids=["items", "strings", "targets", "one-hot"],
)
def test_labels_are_found_where_a_dataset_has_them(dataset):
    assert _held_out(dataset) == _held_out(ROWS)


def test_labels_may_be_given():
    assert _held_out(Targets([0] * 103), labels=LABELS) == _held_out(ROWS)


def test_a_regressions_targets_are_split_at_random():
    targets = torch.arange(100.0)
    first, second = (_held_out(TensorDataset(targets, targets), seed=seed) for seed in (1, 2))
    assert first != second
    assert np.mean(first[0]) != np.mean(range(0, 100, 5)), "not every fifth of the sorted ones"


class Stream(IterableDataset):
    def __iter__(self):
        yield from ROWS


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 1, "fold": 0}, "count must be a whole number of at least 2, not 1"),
        ({"count": 3, "fold": 3}, "fold must be one of 0, 1, 2, not 3"),
        ({"count": 104, "fold": 0}, "count must be at most 103, the number of examples, not 104"),
        ({"count": 3, "fold": 0, "labels": [1, 2]}, "103 examples need as many labels, not 2"),
        ({"count": 3, "fold": 0, "dataset": Stream()}, "folds need a dataset that knows its length, not Stream"),
    ],
)
def test_folds_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        folds(**{"dataset": ROWS, **settings})
