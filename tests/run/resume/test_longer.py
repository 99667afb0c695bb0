"""More epochs go on from the checkpoint of fewer, to every digit of a trial that never stopped; or it says why not."""

import dataclasses
import functools
import types

import lightning as L
import pytest
import torch
import toy
from conftest import TinyConfig
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint, StochasticWeightAveraging
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader

from nnhp_torch import GaussianNoise, RestoreBestWeights
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.run.checkpoint_tidying import CheckpointTidying, winner_checkpoint
from nnhp_torch.run.launch.workers import InProcess
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.setup import Setup

SWEEP = Sweep("tiny", TinyConfig(), {"lr": [0.1]}, build="toy:build")


class Shuffled(toy.ToyData):
    """Batches in an order of chance, with noise on them."""

    def train_dataloader(self):
        return DataLoader(toy.Augmented(*self.data.tensors), batch_size=16, shuffle=True)


class Scheduled(toy.Toy):
    """A module with a scheduler of its own, and whatever else is of its own by name."""

    def __init__(self, lr, width, scheduler=None, monitor=None, **own):
        super().__init__(lr, width)
        self.scheduler, self.monitor = scheduler, monitor
        vars(self).update(own)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)
        if self.scheduler is None:
            return optimizer
        chosen = {"scheduler": self.scheduler(optimizer)} | ({"monitor": self.monitor} if self.monitor else {})
        return {"optimizer": optimizer, "lr_scheduler": chosen}


SEEN = types.SimpleNamespace(trained=[])  # a plain list would be a variable that changes in training, which is noted


class Counted(L.Callback):
    """Knows which epochs have been trained, in whatever trial."""

    def on_train_epoch_start(self, trainer, pl_module):
        SEEN.trained.append(trainer.current_epoch + 1)


class Watch(CheckpointTidying):
    """Keeps the checkpoints that it is told to, and what it hears of epochs; may end a trial at one."""

    def __init__(self, folder, keep, end):
        super().__init__(folder, keep)
        self.heard, self.end = [], end

    def on_epoch_end(self, trial, epoch, metrics):
        self.heard.append((epoch, metrics))
        return "enough" if epoch == self.end else None


@dataclasses.dataclass
class Ran:
    """The end of a run."""

    outcome: Outcome
    trained: list[int]
    heard: list[tuple[int, dict[str, float]]]

    @property
    def results(self):
        return self.outcome.ordered

    @property
    def notes(self):
        return self.results[0].notes


def run(folder, build, max_epochs, keep="all", sweep=SWEEP, end=None, declared=SWEEP.base):
    """Runs the sweep with that many epochs per trial, in this process."""
    base = dataclasses.replace(sweep.base, max_epochs=max_epochs)
    sweep = dataclasses.replace(sweep, build=build, base=base, declared=declared)
    watch = Watch(folder, keep, end)
    runtime = Runtime(str(folder), accelerator="cpu", objective=sweep.objective)
    SEEN.trained.clear()
    outcome = Sweeper(InProcess(build, runtime), ResultStore(folder), [watch]).run(sweep, sweep.trials())
    assert all(result.status != "failed" for result in outcome.ordered), outcome.ordered[0].reason
    return Ran(outcome, list(SEEN.trained), watch.heard)


def made(scheduler=None, callbacks=lambda: (), trainer=None, data=None, kind=None, **own):
    """A build with a scheduler of its own, callbacks, and whatever else the module keeps."""

    def build(config):
        module = (kind or Scheduled)(config.lr, config.width, scheduler and scheduler(config), **own)
        return Setup(module, data or Shuffled(), [Counted(), *callbacks()], trainer or {})

    return build


GOES_ON = {
    "no schedule": {},
    "steps": {"scheduler": lambda config: functools.partial(StepLR, step_size=2, gamma=0.5)},
    "a plateau": {
        "scheduler": lambda config: functools.partial(ReduceLROnPlateau, patience=0, factor=0.5),
        "monitor": "train_loss",
    },
    "noise, whose hooks are removed at the end": {"callbacks": lambda: [GaussianNoise(0.1)]},
    "the best weights": {"callbacks": lambda: [RestoreBestWeights("val_loss", "min")]},
    "a mean of the weights": {"callbacks": lambda: [EMAWeightAveraging(decay=0.5)]},
    "stopped before": {"callbacks": lambda: [EarlyStopping("val_loss", patience=0, mode="max", min_delta=9.0)]},
    "stopped later": {"callbacks": lambda: [EarlyStopping("val_loss", patience=3, mode="max", min_delta=9.0)]},
    "stopped with the last epoch": {
        "callbacks": lambda: [EarlyStopping("val_loss", patience=2, mode="max", min_delta=9.0)]
    },
    "validated now and then": {"trainer": {"check_val_every_n_epoch": 2}},
}


@pytest.mark.parametrize("name", GOES_ON)
def test_more_epochs_go_on_from_fewer_to_every_digit_of_a_trial_that_never_stopped(name, tmp_path):
    build = made(**GOES_ON[name])
    whole = run(tmp_path / "whole", build, 5)
    before = run(tmp_path / "longer", build, 3)
    longer = run(tmp_path / "longer", build, 5)
    (expected,), (result,) = whole.results, longer.results
    assert result.status == "completed"
    assert repr((result.history, result.test)) == repr((expected.history, expected.test))  # NaN is NaN
    assert before.trained + longer.trained == whole.trained, "no epoch was trained twice"
    assert longer.heard == whole.heard, "who listens hears of all epochs"
    assert [note for note in result.notes if not note.startswith("its first ")] == []
    assert result.notes != []
    assert run(tmp_path / "longer", build, 3).trained == [], "the shorter trial's result is there as before"


class Annealed(Scheduled):
    """Asks how far the training has come, as a module does that anneals something."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * (1 + self.current_epoch / self.trainer.max_epochs)


class OneCycle(Scheduled):
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.lr)
        steps = self.trainer.estimated_stepping_batches
        return [optimizer], [{"scheduler": OneCycleLR(optimizer, 0.1, steps), "interval": "step"}]


class LastEpoch(L.Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        assert trainer.current_epoch < trainer.max_epochs


def cosine(config):
    return functools.partial(CosineAnnealingLR, T_max=config.max_epochs)


def falling(config):
    return lambda optimizer: LambdaLR(optimizer, lambda epoch: 1 - epoch / config.max_epochs)


def falling_by_default(config):
    def by_share(optimizer, epochs=config.max_epochs):
        return LambdaLR(optimizer, lambda epoch: 1 - epoch / epochs)

    return by_share


class Slots:
    __slots__ = ("epochs",)

    def __init__(self, epochs):
        self.epochs = epochs


class Sized(Shuffled):
    def __init__(self, size):
        super().__init__()
        self.size = size


def drawing(config):
    torch.rand(config.max_epochs)
    return made()(config)


STARTS_OVER = {
    "module.scheduler.keywords.T_max is 5 instead of 3": made(cosine),
    "module.scheduler.config.max_epochs is 5 instead of 3": made(falling),
    "module.scheduler.defaults.0.0 is 5 instead of 3": made(falling_by_default),
    "module.slots.epochs is 5 instead of 3": lambda config: made(slots=Slots(config.max_epochs))(config),
    "module.net.0.weight is another": drawing,
    "data.size is 5 instead of 3": lambda config: made(data=Sized(config.max_epochs))(config),
    "callbacks.1.patience is 5 instead of 3": lambda config: made(
        callbacks=lambda: [EarlyStopping("val_loss", patience=config.max_epochs)]
    )(config),
    "trainer.min_epochs is 5 instead of 3": lambda config: made(trainer={"min_epochs": config.max_epochs})(config),
    "Annealed.training_step asked for the number of epochs": made(kind=Annealed),
    "OneCycle.configure_optimizers asked for the number of epochs": made(kind=OneCycle),
    "LastEpoch.on_train_epoch_end asked for the number of epochs": made(callbacks=lambda: [LastEpoch()]),
    "StochasticWeightAveraging.on_train_epoch_start asked for the number of epochs": made(
        callbacks=lambda: [StochasticWeightAveraging(0.05)]
    ),
}


@pytest.mark.parametrize("why", STARTS_OVER)
def test_what_may_depend_on_the_number_of_epochs_starts_over_and_says_why(why, tmp_path):
    build = STARTS_OVER[why]
    run(tmp_path, build, 3)
    longer = run(tmp_path, build, 5)
    assert longer.trained == [1, 2, 3, 4, 5]
    (note,) = [note for note in longer.notes if note.startswith("started over")]
    if "builtins.getattr in it would have to be executed" in note and torch.__version__ < "2.7":
        pytest.skip("torch 2.6 cannot read what a StochasticWeightAveraging has saved, and the note says so")
    assert why in note, note
    assert note.startswith("started over, although 3 of its epochs were trained before: ")


def test_what_was_stopped_before_ends_with_the_same_weights_under_more_epochs(tmp_path):
    def callbacks():
        stop = EarlyStopping("val_loss", patience=0, mode="max", min_delta=9.0)
        return [stop, RestoreBestWeights("val_loss", "max")]  # the first epoch's, and not those that it stops with

    shorter = run(tmp_path, made(callbacks=callbacks), 3)
    longer = run(tmp_path, made(callbacks=callbacks), 5)
    assert longer.trained == []
    assert longer.results[0].test == shorter.results[0].test
    assert longer.results[0].history == shorter.results[0].history


def test_checkpoints_that_were_not_kept_are_told_of_in_one_line_and_the_winners_goes_on(tmp_path):
    sweep = dataclasses.replace(SWEEP, axes={"lr": [0.1, 0.2, 0.3]})
    run(tmp_path, made(), 3, "winner", sweep)
    longer = run(tmp_path, made(), 5, "winner", sweep)
    assert sorted(longer.trained) == [1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 5]
    assert longer.outcome.remarks == [
        "2 of these trials started from epoch 1, although the ledger has fewer epochs of them: their checkpoints "
        "were not kept (--keep_checkpoints last keeps them)."
    ]
    notes = [note for result in longer.results for note in result.notes]
    assert notes == ["its first 3 epochs were trained before, in a shorter trial; the seconds are those of the others"]
    again = run(tmp_path, made(), 3, "winner", sweep)
    assert again.trained == []
    assert winner_checkpoint(again.outcome, tmp_path).exists(), "the winner of fewer epochs keeps its weights"


@pytest.mark.parametrize(("declared", "folders"), [(SWEEP.base, {"lr=0.1", "lr=0.1,max_epochs=5"}), (None, {"lr=0.1"})])
def test_what_the_shorter_trial_has_left_stays_and_the_longer_one_has_all_its_curves(declared, folders, tmp_path):
    """In a folder of its own, or in the same, if it is declared anew with more epochs."""
    build = made(callbacks=lambda: [ModelCheckpoint(monitor="val_loss")])
    run(tmp_path, build, 3, "last", declared=declared)
    before = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.ckpt")}
    longer = run(tmp_path, build, 5, "last", declared=declared)
    assert longer.trained == [4, 5]
    after = [path.read_bytes() for path in tmp_path.rglob("*.ckpt")]
    assert all(content in after for content in before.values()), "nothing is lost"
    assert longer.notes == [
        "trained on, may differ: its ModelCheckpoint knows the epochs since then alone",
        "its first 3 epochs were trained before, in a shorter trial; the seconds are those of the others",
    ]
    assert {path.parent.parent.name for path in tmp_path.rglob("last.ckpt")} == folders
    events = EventAccumulator(str(tmp_path / longer.results[0].name)).Reload()
    curve = [(event.step, event.value) for event in events.Scalars("loss/train")]
    assert curve == [(i, pytest.approx(value)) for i, value in enumerate(longer.results[0].history["train_loss"], 1)]


def test_a_trial_goes_on_from_the_longest_there_is_and_after_a_kill_from_its_own_checkpoint(tmp_path):
    build = made()
    for epochs, trained in ((2, [1, 2]), (3, [3]), (6, [4, 5, 6])):
        assert run(tmp_path, build, epochs).trained == trained
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, made(callbacks=lambda: [toy.AtEpoch(8, _interrupt)]), 9)
    resumed = run(tmp_path, build, 9)
    assert resumed.trained == [8, 9]
    assert resumed.results[0].history == run(tmp_path / "whole", build, 9).results[0].history


def _interrupt(trainer, pl_module):
    raise KeyboardInterrupt


def test_a_reason_to_end_it_in_its_first_epochs_ends_it_there_without_training(tmp_path):
    whole = run(tmp_path / "whole", made(), 5, end=2).results[0]
    run(tmp_path / "longer", made(), 3)
    longer = run(tmp_path / "longer", made(), 5, end=2)
    (result,) = longer.results
    assert longer.trained == []
    assert (result.status, result.reason, result.history) == ("pruned", "enough", whole.history)


@pytest.mark.parametrize("change", ["lr", "build"])
def test_another_trials_checkpoint_is_none_to_go_on_from(change, tmp_path):
    run(tmp_path, made(), 3)
    other = dataclasses.replace(SWEEP, axes={"lr": [0.2]}) if change == "lr" else SWEEP
    build = made() if change == "lr" else toy.build
    longer = run(tmp_path, build, 5, sweep=other)
    assert longer.results[0].epochs == 5
    assert "its first" not in "".join(longer.notes)


def test_a_changed_source_starts_over(tmp_path, monkeypatch):
    run(tmp_path, made(), 3)
    monkeypatch.setattr(
        "nnhp_torch.core.ledger.fewer_epochs._changed", lambda sources: "the source of mine has changed"
    )
    longer = run(tmp_path, made(), 5)
    assert longer.trained == [1, 2, 3, 4, 5]
    assert longer.outcome.remarks == [
        "1 of these trials started from epoch 1, although the ledger has fewer epochs of them: the source of mine has "
        "changed."
    ]


def test_a_checkpoint_of_before_the_askers_were_noted_starts_over(tmp_path):
    run(tmp_path, made(), 3)
    (last,) = tmp_path.rglob("last.ckpt")
    checkpoint = torch.load(last, weights_only=True)
    for name in ("asked", "stopped", "ended"):
        del checkpoint["callbacks"]["nnhp_torch.Recorder"][name]
    torch.save(checkpoint, last)
    longer = run(tmp_path, made(), 5)
    assert longer.trained == [1, 2, 3, 4, 5]
    assert "something in it, for all that is known, asked for the number of epochs" in longer.notes[0]
