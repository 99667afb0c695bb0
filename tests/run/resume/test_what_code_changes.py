"""What code changes while it trains, beside numbers: a stopped trial goes on with it, or says that it may not."""

import enum
import functools

import lightning as L
import pytest
import torch
import toy
from test_places import toy_trial
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanMetric

from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.setup import Setup
from nnhp_torch.run.trial.run_trial import run_trial


class Net(toy.Toy):
    """Weighs its loss, and changes something as an epoch begins or ends."""

    weight = 1.0

    def __init__(self, lr, width):
        super().__init__(lr, width)
        self.prepare()

    def prepare(self):
        pass

    def weigh(self, loss):
        return loss * self.weight

    def training_step(self, batch, batch_idx):
        return self.weigh(super().training_step(batch, batch_idx))


class AWeightByAnotherName(Net):
    """torch's spectral_norm has it lie where the weight does, until the first batch."""

    def prepare(self):
        torch.nn.utils.spectral_norm(self.net[0])


class Hyperparameters(Net):
    def __init__(self, lr, width, forcing=1.0):
        super().__init__(lr, width)
        self.save_hyperparameters()

    def weigh(self, loss):
        return loss * self.hparams.forcing

    def on_train_epoch_end(self):
        self.hparams.forcing *= 0.5


class ReadsItsMetrics(Net):
    def on_train_epoch_start(self):
        self.weight = float(self.trainer.callback_metrics.get("val_loss", 1.0))


class ReadsWhatItLogs(Net):
    def on_train_epoch_start(self):
        self.weight = float(self.trainer.logged_metrics.get("train_loss", 1.0))


class SetsItsRateAtTheStart(Net):
    def on_train_start(self):
        for group in self.optimizers().param_groups:
            group["lr"] = 0.001

    def on_train_batch_end(self, *_):
        if self.global_step == 4:
            for group in self.optimizers().param_groups:
                group["lr"] = self.lr


class AddsUpGradients(Net):
    """As Lightning's page on manual optimization has it; the epochs have no even number of batches."""

    def prepare(self):
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        self.manual_backward(super().training_step(batch, batch_idx))
        if (batch_idx + 1) % 4 == 0:
            self.optimizers().step()
            self.optimizers().zero_grad()


class Lookahead(torch.optim.Optimizer):
    """Has a counter, and weights that are slow, beside what torch gives to its state_dict."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})
        self.steps, self.slow = 0, [weight.detach().clone() for weight in self.param_groups[0]["params"]]

    @torch.no_grad()
    def step(self, closure):
        with torch.enable_grad():
            loss = closure()
        self.steps += 1
        for weight, slow in zip(self.param_groups[0]["params"], self.slow, strict=True):
            weight.add_(weight.grad, alpha=-self.param_groups[0]["lr"])
            if self.steps % 4 == 0:
                weight.copy_(slow.lerp_(weight, 0.5))
        return loss


class HasALookahead(Net):
    def configure_optimizers(self):
        return Lookahead(self.parameters(), self.lr)


class Best(MeanMetric):
    """A metric that keeps more than its states."""

    def __init__(self):
        super().__init__()
        self.best = 9.0

    def compute(self):
        self.best = min(self.best, float(super().compute()))
        return torch.tensor(self.best)


class HasAMetricOfItsOwn(Net):
    def prepare(self):
        self.measured = Best()

    def on_validation_epoch_end(self):
        self.measured.update(float(self.current_epoch))
        self.log("val_best", self.measured.compute())
        self.measured.reset()


class Average:
    """Gives its state, but not all of it."""

    def __init__(self):
        self.value, self.n = 0.0, 0

    def update(self, value):
        self.n += 1
        self.value += (value - self.value) / min(self.n, 5)

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


class HasAnAverage(Net):
    def prepare(self):
        self.average = Average()

    def weigh(self, loss):
        self.average.update(float(loss.detach()))
        return loss / (0.1 + self.average.value)


class Decay(L.Callback):
    """Counts, and writes something into checkpoints that has nothing to do with it."""

    def __init__(self):
        self.epochs = 0

    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs += 1

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        pl_module.weight = 0.5**self.epochs

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        checkpoint["commit"] = "f00"


class Graded(TensorDataset):
    """Becomes harder from epoch to epoch."""

    epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x * (1 + self.epoch), y


class Data(toy.ToyData):
    def __init__(self):
        super().__init__()
        self.graded = Graded(*self.data.tensors)

    def train_dataloader(self):
        return DataLoader(self.graded, batch_size=16, shuffle=True)


class CountsItsLoaders(Data):
    """Each loader that it makes has larger batches; Lightning makes one more for a fit that goes on."""

    made = 0

    def train_dataloader(self):
        self.made += 1
        return DataLoader(self.data, batch_size=16 + self.made, shuffle=True)


class GivesItsCount(CountsItsLoaders):
    def state_dict(self):
        return {"made": self.made}

    def load_state_dict(self, state_dict):
        self.made = state_dict["made"]


class Grade(L.Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        trainer.train_dataloader.dataset.set_epoch(trainer.current_epoch + 1)


class Plateau(Net):
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), self.lr)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "monitor": "val_loss", "strict": False},
        }


class ASparseTensor(Net):
    """Its graph loses weight with each epoch."""

    def prepare(self):
        self.graph = torch.eye(40).to_sparse()

    def weigh(self, loss):
        return loss * self.graph.to_dense().sum() / 40

    def on_train_epoch_end(self):
        self.graph = (self.graph * 0.5).coalesce()


class OtherWeights(Net):
    """Goes to other weights when its fit has ended, as to the best ones."""

    def on_train_end(self):
        torch.nn.init.ones_(self.net[0].weight)


class OtherWeightsLater(Net):
    def on_fit_end(self):
        torch.nn.init.ones_(self.net[0].weight)


def stopped(tmp_path, kind, callbacks=lambda: (), trainer=(), data=Data, after=(1, 2, 3)):
    """A trial that was not stopped, and one that was after these epochs, by default after each."""

    def build(config):
        return Setup(kind(config.lr, config.width), data(), [*callbacks()], dict(trainer))

    def stop(last, epoch, metrics):
        if epoch == last:
            raise toy.Killed

    whole, killed = (Runtime(str(tmp_path / name), accelerator="cpu", each_epoch=True) for name in ("whole", "killed"))
    for last in after:
        with pytest.raises(toy.Killed):
            run_trial(toy_trial(), build, killed, on_epoch=functools.partial(stop, last))
    expected, resumed = run_trial(toy_trial(), build, whole), run_trial(toy_trial(), build, killed)
    assert (expected.status, resumed.status) == ("completed", "completed"), expected.reason + resumed.reason
    assert expected.notes == []
    return expected, resumed


SELDOM = {"check_val_every_n_epoch": 2}  # Lightning clears gradients before a validation


@pytest.mark.filterwarnings("ignore:ReduceLROnPlateau conditioned on metric")  # as it is in a plain Trainer
@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (AWeightByAnotherName, {}),
        (Hyperparameters, {}),
        (ReadsItsMetrics, {}),
        (ReadsWhatItLogs, {}),
        (SetsItsRateAtTheStart, {}),
        (AddsUpGradients, {"trainer": SELDOM}),
        (HasALookahead, {}),
        (HasAMetricOfItsOwn, {}),
        (HasAnAverage, {}),
        (Plateau, {}),
        (Plateau, {"trainer": SELDOM}),
        (Net, {"callbacks": lambda: [Decay()]}),
        (Net, {"callbacks": lambda: [Grade()]}),
        (Net, {"data": CountsItsLoaders, "trainer": {"reload_dataloaders_every_n_epochs": 1}}),
        (Net, {"data": GivesItsCount, "trainer": {"reload_dataloaders_every_n_epochs": 1}}),
        (ASparseTensor, {}),
        (OtherWeights, {}),
        (OtherWeightsLater, {}),
    ],
)
def test_whatever_its_code_has_changed_a_stopped_trial_goes_on_with_it(tmp_path, kind, more):
    whole, resumed = stopped(tmp_path, kind, **more)
    assert str((resumed.history, resumed.test, resumed.restored)) == str((whole.history, whole.test, whole.restored))
    assert resumed.notes == []


class Phase(enum.Enum):
    WARM = 0.1
    MAIN = 1.0


class Scale:
    def __init__(self, by):
        self.by = by


class Swaps(Net):
    def on_train_epoch_start(self):
        if self.current_epoch == 1:
            self.swap()


class AFunction(Swaps):
    def prepare(self):
        self.loss = F.relu

    def weigh(self, loss):
        return self.loss(loss)

    def swap(self):
        self.loss = F.softplus


class AMethod(Swaps):
    def prepare(self):
        self.weigh = self.warm

    def warm(self, loss):
        return loss * 0.1

    def swap(self):
        self.weigh = lambda loss: loss


class AnObject(Swaps):
    def prepare(self):
        self.scales = {"warm": Scale(0.1), "main": Scale(1.0)}
        self.scale = self.scales["warm"]

    def weigh(self, loss):
        return loss * self.scale.by

    def swap(self):
        self.scale = self.scales["main"]


class ALayer(Swaps):
    def swap(self):
        self.net[1] = torch.nn.Tanh()


class AMember(Swaps):
    def prepare(self):
        self.phase = Phase.WARM

    def weigh(self, loss):
        return loss * (0.1 if self.phase is Phase.WARM else 1.0)

    def swap(self):
        self.phase = Phase.MAIN


class AHook(Swaps):
    def swap(self):
        self.net[0].weight.register_hook(lambda gradient: gradient * 0)


class AnAttribute(Swaps):
    def prepare(self):
        self.warmup = 0.1

    def weigh(self, loss):
        return loss * getattr(self, "warmup", 1.0)

    def swap(self):
        del self.warmup


class ACallback(Swaps):
    def swap(self):
        self.trainer.callbacks.append(Decay())


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (AFunction, "module.loss is another object, function or class"),
        (AMethod, "module.weigh is another object, function or class"),
        (AnObject, "module.scale is another object, function or class"),
        (ALayer, "module.net.1 is another object, function or class"),
        (AMember, "module.phase is another object, function or class"),
        (AnAttribute, "module.warmup was taken out in training"),
        (AHook, "module.net.0.weight._backward_hooks is another object, function or class"),
        (ACallback, "trainer.callbacks is another object, function or class"),
    ],
)
def test_what_stands_for_another_thing_since_some_epoch_is_said_to_be_in_doubt(tmp_path, kind, what):
    whole, resumed = stopped(tmp_path, kind, after=[2])
    assert resumed.history != whole.history
    assert what in " ".join(resumed.notes)
    assert (Phase.WARM.value, Phase.MAIN.value) == (0.1, 1.0)


@pytest.mark.parametrize("kind", [OtherWeights, OtherWeightsLater])
def test_what_ranks_is_of_the_weights_that_a_module_leaves_at_its_end(tmp_path, kind):
    """What is tested is of those, too."""
    whole, _ = stopped(tmp_path, kind, after=[])
    assert whole.restored["val_loss"] == whole.test["test_loss"], "it tests on its validation data"
    assert whole.restored["val_loss"] != whole.history["val_loss"][-1]
