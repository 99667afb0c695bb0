"""Each of Lightning's callbacks under a stop: the same digits, said to be in doubt, or refused by name."""

import logging

import lightning as L
import pytest
import torch
import toy
from lightning.pytorch import callbacks as of
from test_resumption import TRIAL, run_trial

from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.setup import Setup, WrongAnswer, setup_of


class Net(toy.Toy):
    """What most of these callbacks look for: a backbone, batch normalization, a schedule; few of its weights learn."""

    def __init__(self):
        super().__init__(0.05, 4)
        self.backbone = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 3))
        self.register_buffer("bank", torch.zeros(3), persistent=False)

    def _step(self, batch, stage):
        x, y = batch
        if self.training:
            self.bank = 0.9 * self.bank + 0.1 * x.mean(0)
        return super()._step((self.backbone(x) + self.bank, y), stage)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD([w for w in self.parameters() if w.requires_grad], self.lr, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2)]


class Thawing(of.BaseFinetuning):
    def freeze_before_training(self, pl_module):
        self.freeze(pl_module.backbone)

    def finetune_function(self, pl_module, epoch, optimizer):
        if epoch == 1:
            self.unfreeze_and_add_param_group(pl_module.backbone, optimizer, lr=0.05)


class At(L.Callback):
    """Does something when the second epoch begins, and never again."""

    def __init__(self, action):
        self.action = action

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            self.action(trainer, pl_module)


def adds_weights(trainer, pl_module):
    pl_module.late = torch.nn.Linear(3, 3)
    trainer.optimizers[0].add_param_group({"params": pl_module.late.parameters()})


def pruning(**options):
    return [of.ModelPruning("l1_unstructured", amount=0.2, use_lottery_ticket_hypothesis=False, **options)]


class Ema(of.EMAWeightAveraging):
    def __init__(self):
        super().__init__(decay=0.9, update_every_n_steps=0, update_starting_at_epoch=1)


SAME = {
    "none": list,
    "BackboneFinetuning": lambda: [of.BackboneFinetuning(1, lambda epoch: 1.5, train_bn=False)],
    "BaseFinetuning": lambda: [Thawing()],
    "StochasticWeightAveraging": lambda: [of.StochasticWeightAveraging(0.05, swa_epoch_start=2)],
    "WeightAveraging": lambda: [of.WeightAveraging()],
    "EMAWeightAveraging": lambda: [Ema()],
    "GradientAccumulationScheduler": lambda: [of.GradientAccumulationScheduler({0: 1, 1: 3})],
    "LambdaCallback": lambda: [
        of.LambdaCallback(on_train_epoch_start=lambda t, _: t.optimizers[0].param_groups[0].update(momentum=0.5))
    ],
    "EarlyStopping": lambda: [of.EarlyStopping("val_loss", patience=1, mode="max")],
    "ModelCheckpoint": lambda: [of.ModelCheckpoint(monitor="val_loss", save_top_k=2)],
    "LearningRateMonitor": lambda: [of.LearningRateMonitor()],
    "Timer without a duration": lambda: [of.Timer()],
    "OnExceptionCheckpoint": lambda: [of.OnExceptionCheckpoint(".")],
    "weights freeze": lambda: [At(lambda _, module: module.backbone.requires_grad_(False))],
    "layers are put into eval": lambda: [At(lambda _, module: module.backbone.eval())],
    "a dropout's rate changes": lambda: [At(lambda _, module: setattr(module.net[1], "p", 0.5))],
    "gradients are clipped from then on": lambda: [At(lambda trainer, _: setattr(trainer, "gradient_clip_val", 0.01))],
    "the end is moved": lambda: [At(lambda trainer, _: setattr(trainer.fit_loop, "max_epochs", 3))],
}
STARTS_OVER = {
    "SpikeDetection": lambda: [of.SpikeDetection(warmup=3, exclude_batches_path="skip.json")],
    # Lightning adds an epoch for the statistics of batch normalization, and cannot go on from it.
    "StochasticWeightAveraging in the epoch that it adds": SAME["StochasticWeightAveraging"],
    "ModelPruning that is not permanent": lambda: pruning(make_pruning_permanent=False),
    "weights are added": lambda: [At(adds_weights)],
}
IN_DOUBT = {"ModelPruning": pruning}
REFUSED = {
    "BatchSizeFinder": of.BatchSizeFinder,
    "LearningRateFinder": of.LearningRateFinder,
    "Timer": lambda: of.Timer("00:01:00:00"),
}


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def trial(folder, callbacks, stop=None):
    def on_epoch(epoch, metrics):
        if epoch == stop:
            raise toy.Killed

    setup = lambda config: Setup(Net(), toy.ToyData(), callbacks())  # noqa: E731
    return run_trial(
        TRIAL, setup, Runtime(str(folder), accelerator="cpu", objective=Objective.of("val_loss")), on_epoch=on_epoch
    )


def stopped(tmp_path, callbacks, last=3):
    """The trial at once, and the same one stopped after its second epoch and after its last."""
    whole = trial(tmp_path / "whole", callbacks)
    assert (whole.status, whole.notes) == ("completed", []), whole.reason
    for stop in (2, min(last, whole.epochs)):
        with pytest.raises(toy.Killed):
            trial(tmp_path / "killed", callbacks, stop)
    return whole, trial(tmp_path / "killed", callbacks)


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


@pytest.mark.parametrize("name", SAME)
def test_under_each_of_lightnings_callbacks_a_stopped_trial_comes_to_the_same_digits(tmp_path, name):
    whole, resumed = stopped(tmp_path, SAME[name])
    assert (resumed.history, resumed.test, resumed.notes) == (whole.history, whole.test, [])


@pytest.mark.parametrize("name", STARTS_OVER)
def test_a_trial_that_cannot_load_what_it_has_saved_starts_over_to_the_same_digits(tmp_path, name):
    whole, resumed = stopped(tmp_path, STARTS_OVER[name], last=4)
    assert (resumed.history, resumed.test) == (whole.history, whole.test)
    (note,) = resumed.notes
    assert note.startswith("started over: its checkpoint cannot be")


@pytest.mark.parametrize("name", IN_DOUBT)
def test_weights_that_a_checkpoint_does_not_bring_back_are_said_to_be_in_doubt(tmp_path, name):
    _, resumed = stopped(tmp_path, IN_DOUBT[name])
    assert resumed.status == "completed", resumed.reason
    assert resumed.notes, "one for each stop"
    for note in resumed.notes:
        assert note.startswith("resumed, may differ")
        assert ": module.net.0.weight_orig and 29 more is not what it was when the checkpoint was made" in note


@pytest.mark.parametrize("name", REFUSED)
def test_a_callback_by_which_a_result_would_depend_on_the_machine_is_refused_by_name(name):
    with pytest.raises(WrongAnswer, match=name):
        setup_of((Net(), toy.ToyData(), [REFUSED[name]()]))


def test_every_callback_of_lightnings_is_tried_here_or_only_shows_something():
    shows = {
        *("BasePredictionWriter", "Callback", "Checkpoint", "DeviceStatsMonitor", "ModelSummary", "ProgressBar"),
        *("RichModelSummary", "RichProgressBar", "ThroughputMonitor", "TQDMProgressBar"),
    }
    tried = {name.partition(" ")[0] for name in (*SAME, *STARTS_OVER, *IN_DOUBT, *REFUSED)}
    assert set(of.__all__) - shows <= tried
