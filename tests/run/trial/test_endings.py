"""A trial is completed only if its epochs are there, or somebody has asked it to stop."""

import pytest
import toy
from torch.utils.data import DataLoader, Dataset

from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.trial.run_trial import run_trial

HOOKS = (
    *("training_step", "validation_step", "test_step", "on_train_epoch_start", "on_train_epoch_end"),
    *("on_train_batch_end", "on_validation_epoch_end", "on_before_optimizer_step"),
)


def ended(module, *_):
    """As next() on an iterator that has come to its end."""
    if module.current_epoch == 1 or module.trainer.testing:
        next(iter(()))


def run(trial, runtime, change):
    def build(config):
        module, data, callbacks = toy.build(config)
        return change(module, data) or (module, data, callbacks)

    return run_trial(trial, build, runtime)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_stop_iteration_in_a_hook_fails_its_trial_and_is_named(trial, runtime, hook):
    def change(module, data):
        own = getattr(module, hook)
        setattr(module, hook, lambda *args: (ended(module), own(*args))[1])

    result = run(trial, runtime, change)
    assert result.status == "failed"
    assert f"StopIteration in Toy.{hook}" in result.error or f"SingleDeviceStrategy.{hook}" in result.error


def test_a_stop_iteration_in_a_step_that_optimizes_by_hand_fails_too(trial, runtime):
    def change(module, data):
        module.automatic_optimization = False
        module.training_step = lambda *args: ended(module)

    assert run(trial, runtime, change).error.startswith("RuntimeError: StopIteration in ")


def test_a_training_that_ends_before_its_epochs_though_nobody_asked_has_failed(trial, runtime):
    def change(module, data):
        module.on_train_start = lambda: setattr(module.trainer.fit_loop, "max_batches", 0)

    result = run(trial, runtime, change)
    assert (result.status, result.epochs) == ("failed", 0)
    assert result.error == "its training ended after 0 of 3 epochs, and nobody had asked it to stop"


def test_whoever_asks_to_stop_or_to_skip_the_rest_of_an_epoch_is_heard(trial, runtime):
    def stops(module, data):
        module.on_train_epoch_end = lambda: setattr(module.trainer, "should_stop", module.current_epoch == 1)

    def skips(module, data):
        module.on_train_batch_start = lambda batch, batch_idx: -1 if batch_idx == 1 else None

    for change, epochs in ((stops, 2), (skips, 3)):
        of = Runtime(f"{runtime.folder}/{epochs}", accelerator="cpu", objective=Objective("train_loss", "min"))
        result = run(trial, of, change)
        assert (result.status, result.epochs, result.notes) == ("completed", epochs, [])


class Taking(toy.Toy):
    def training_step(self, dataloader_iter):
        batch, *_ = next(dataloader_iter)
        for _ in range(3):
            next(dataloader_iter)
        self.log("train_loss", 1.0, batch_size=len(batch[0]))
        return self.net(batch[0]).square().mean()


@pytest.mark.filterwarnings("ignore:.*dataloader_iter")
def test_a_step_that_takes_batches_until_there_are_none_ends_its_epoch(trial, runtime):
    of = Runtime(runtime.folder, accelerator="cpu", objective=Objective("train_loss", "min"))
    result = run(trial, of, lambda module, data: (Taking(0.1, 4), data, []))
    assert (result.status, result.epochs, result.notes) == ("completed", 3, [])


class Short(Dataset):
    """Comes to its end before its length: a map-style data set that goes through a stream of its own."""

    def __init__(self, rows, count):
        self.rows = rows
        self.count = count

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        if index >= self.count:
            raise StopIteration
        return self.rows[index]


def test_a_loader_that_ends_before_its_length_is_noted(trial, runtime):
    def change(module, data):
        data.train_dataloader = lambda: DataLoader(Short(data.data, 16), batch_size=8)
        module.on_train_epoch_end = lambda: module.log("val_accuracy", 0.5)

    result = run(trial, runtime, change)
    assert result.status == "completed", result.reason
    assert result.notes[0] == "its loader ended after 2 of 12 batches in epoch 1"
