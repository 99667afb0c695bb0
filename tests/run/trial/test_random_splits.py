"""Data that are split at random whenever Lightning sets them up are split alike for training, validation and test."""

import random
from dataclasses import replace
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
import toy
from torch.utils.data import DataLoader, Subset

from nnhp_torch.run.setup import Setup
from nnhp_torch.run.trial.run_trial import run_trial

OF_THE_SCRIPT = np.random.default_rng(0)


def orders(owner):
    """Ways to shuffle 96 rows, by the generators that people take for it."""
    return {
        "torch": lambda: torch.randperm(96).tolist(),
        "numpy": lambda: np.random.permutation(96).tolist(),
        "python": lambda: random.sample(range(96), 96),
        "a generator of its own": lambda: torch.randperm(96, generator=owner.generator).tolist(),
        "a generator of the script's": lambda: OF_THE_SCRIPT.permutation(96).tolist(),
    }


class Splits(toy.ToyData):
    """Splits anew at each call of a hook, and writes down who has which rows."""

    def __init__(self, way, hook, seen):
        super().__init__()
        self.way, self.seen = way, seen
        self.generator = torch.Generator().manual_seed(1)
        setattr(self, hook, self.split)

    def split(self, stage=None):
        order = orders(self)[self.way]()
        self.parts = {"train": order[:60], "val": order[60:80], "test": order[80:]}
        self.seen.append(self.parts)

    def loader(self, part):
        return DataLoader(Subset(self.data, self.parts[part]), batch_size=20)

    def train_dataloader(self):
        return self.loader("train")

    def val_dataloader(self):
        return self.loader("val")

    def test_dataloader(self):
        return self.loader("test")


class Other(L.Callback):
    """Leaves other weights than the last epoch's, so that they are validated once more, and draws meanwhile."""

    def on_train_end(self, trainer, pl_module):
        torch.rand(1), np.random.rand(), random.random(), OF_THE_SCRIPT.random()
        torch.rand(1, generator=trainer.datamodule.generator)
        with torch.no_grad():
            pl_module.net[0].weight.zero_()


@pytest.mark.parametrize("hook", ["setup", "prepare_data"])
@pytest.mark.parametrize("way", orders(None))
def test_no_stage_has_rows_that_were_trained_on(trial, runtime, way, hook):
    seen = []

    def build(config):
        module, _, _ = toy.build(config)
        return Setup(module, Splits(way, hook, seen), [Other()], score_training=True)

    result = run_trial(trial, build, runtime)
    assert result.status == "completed", result.error
    assert result.restored
    assert len(seen) >= 3  # fit, validate, test
    assert all(parts == seen[0] for parts in seen), "another split in a later stage"


def test_setting_data_up_once_more_changes_no_later_draw(trial, runtime):
    """What is drawn after a hook's second call is what would be drawn if it had drawn nothing."""
    drawn = []

    class Draws(toy.Toy):
        def on_test_start(self):
            drawn.append((torch.rand(1).item(), np.random.rand(), random.random()))

    for hook in ("setup", "unused"):

        def build(config, hook=hook):
            data = Splits("torch", hook, [])
            data.split()
            return Draws(0.1, 4), data, []

        result = run_trial(trial, build, replace(runtime, folder=Path(runtime.folder) / hook))
        assert result.status == "completed", result.error
    assert drawn[0] == drawn[1]
