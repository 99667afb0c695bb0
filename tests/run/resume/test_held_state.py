"""State that a module does not have in its own attributes, but in what it holds: kept, or said to be in doubt."""

import functools

import lightning as L
import numpy as np
import pytest
import torch
import toy
from test_places import toy_trial
from test_resumption import Data, Module, loader
from torchmetrics import MetricTracker, SumMetric

from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.setup import Setup
from nnhp_torch.run.trial.run_trial import run_trial


class Count:
    n = 0

    def __call__(self):
        self.n += 1
        return self.n


class InASlot:
    __slots__ = ("n",)

    def __init__(self):
        self.n = 0

    __call__ = Count.__call__


class WithStateDict(Count):
    """As an average of torch_ema's: it gives its state, and takes it back."""

    def __init__(self):
        self.hidden = {"object": self}

    def state_dict(self):
        return {"n": self.n}

    def load_state_dict(self, state):
        self.n = state["n"]


class OfAClass(Count):
    def __call__(self):
        OfAClass.n += 1
        return OfAClass.n


class Teacher:
    """An average of some weights, in a list so that it is no part of the module."""

    def __init__(self):
        self.net = [torch.nn.Linear(2, 1)]

    def __call__(self):
        with torch.no_grad():
            self.net[0].weight.mul_(1.1)
            return float(self.net[0].weight.abs().sum())


class Stepped:
    """A weight that is none of the module's, with an optimizer that Lightning does not know."""

    def __init__(self):
        self.weight = torch.ones(1, requires_grad=True)
        self.optimizer = torch.optim.SGD([self.weight], lr=0.01, momentum=0.9)

    def __call__(self):
        self.weight.grad = torch.ones(1)
        self.optimizer.step()
        return float(self.weight.detach())


class Regrouped(Stepped):
    """Its optimizer gets another weight in training, which the one that is made anew has not."""

    def __call__(self):
        if len(self.optimizer.param_groups) == 1:
            self.optimizer.add_param_group({"params": [torch.ones(1, requires_grad=True)]})
        return super().__call__()


class Summing:
    """A metric over all epochs, in a dictionary, so that it is no part of the module."""

    def __init__(self):
        self.metrics = {"sum": SumMetric()}

    def __call__(self):
        self.metrics["sum"].update(1)
        return float(self.metrics["sum"].compute())


class Tracking(torch.nn.Module):
    """Has one more metric after each batch, as torchmetrics' tracker after each epoch."""

    def __init__(self):
        super().__init__()
        self.tracker = MetricTracker(SumMetric(), maximize=True)

    def forward(self):
        self.tracker.increment()
        self.tracker.update(1)
        return float(self.tracker.compute_all().sum())


class InFloat32:
    """What NumPy makes of it has the digits of its type, not those of Python's numbers."""

    n = np.float32(1)

    def __call__(self):
        self.n = self.n * 1.1
        return float(self.n * 2**20 % 1)


def in_a_closure():
    n = 0

    def count():
        nonlocal n
        n += 1
        return n

    return count


def in_a_list():
    return functools.partial(lambda held: held[0](), [Count()])


CALLS = []


class ByNumber(Count):
    """A dict of its own that has an object and, once training has begun, numbers under numbers."""

    def __init__(self):
        self.seen = {"object": Count()}

    def __call__(self):
        self.seen[len(self.seen)] = 1.0
        return sum(value for key, value in self.seen.items() if isinstance(key, int))


class InAGrowingList(Count):
    def __init__(self):
        self.seen = [Count()]

    def __call__(self):
        self.seen.append(1.0)
        return len(self.seen)


class TakenOut(Count):
    def __init__(self):
        self.seen = {"object": Count(), **dict.fromkeys(range(30), 1.0)}

    def __call__(self):
        self.seen.popitem()
        return len(self.seen)


class ByObject(Count):
    def __init__(self):
        self.seen = {"object": Count()}

    def __call__(self):
        self.seen[torch.device("cpu", len(self.seen))] = 1.0
        return len(self.seen)


def in_a_global_variable():
    return lambda: CALLS.append(1) or len(CALLS)


class Holding(Module):
    """Weighs its loss by what it holds, each thing under its name."""

    def __init__(self, config, makers):
        super().__init__(config.lr, config.width)
        self.makers = makers
        self.begin()

    def begin(self):
        hold(self, self.makers)

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * weight(self, self.makers)


def hold(owner, makers):
    for name, make in makers.items():
        setattr(owner, name, make())


def weight(owner, names):
    held = [getattr(owner, name) for name in names]
    return 1 + 0.01 * sum(thing() if callable(thing) else next(thing) for thing in held)


class Late(Holding):
    def begin(self):
        pass

    def on_train_start(self):
        hold(self, self.makers)


class VeryLate(Late):
    def on_train_start(self):
        pass

    def training_step(self, batch, batch_idx):
        if not hasattr(self, "held"):
            hold(self, self.makers)
        return super().training_step(batch, batch_idx)


class Hooked(Holding):
    def begin(self):
        for make in self.makers.values():
            next(self.children()).register_forward_hook(hook(make()))

    def training_step(self, batch, batch_idx):
        return Module.training_step(self, batch, batch_idx)


def hook(held):
    return lambda module, args, out: out * (1 + 0.01 * held())


class Called(Late):
    """Weighs it by what a callback holds."""

    def configure_callbacks(self):
        return [Caller(self.makers)]

    def on_train_start(self):
        pass

    def training_step(self, batch, batch_idx):
        return Module.training_step(self, batch, batch_idx) * self.now


class Caller(L.Callback):
    def __init__(self, makers):
        self.names = list(makers)
        hold(self, makers)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        pl_module.now = weight(self, self.names)


def stopped(tmp_path, kind, makers):
    """A trial that was not stopped, and one that was after its first two epochs."""

    def build(config):
        data = Data(lambda: loader(shuffle=True, batch_size=16), lambda: loader(batch_size=32))
        data.test_dataloader = data.val_dataloader
        return Setup(kind(config, makers), data)

    def stop(epoch, metrics):
        raise toy.Killed

    def begin_anew():  # as another process does
        CALLS.clear()
        OfAClass.n = 0

    whole, killed = (Runtime(str(tmp_path / name), accelerator="cpu") for name in ("whole", "killed"))
    for _ in range(2):
        begin_anew()
        with pytest.raises(toy.Killed):
            run_trial(toy_trial(), build, killed, on_epoch=stop)
    begin_anew()
    resumed = run_trial(toy_trial(), build, killed)
    begin_anew()
    assert resumed.status == "completed", resumed.reason
    return run_trial(toy_trial(), build, whole), resumed


COUNT = [
    *(Count, InASlot, in_a_list, Teacher, in_a_closure, WithStateDict, Stepped, Summing, InFloat32, ByNumber),
    InAGrowingList,
]


@pytest.mark.parametrize("kind", [Holding, Late, Hooked, Called])
def test_whatever_a_module_counts_in_it_goes_on_counting(tmp_path, kind):
    whole, resumed = stopped(tmp_path, kind, {make.__name__: make for make in COUNT})
    assert (resumed.history, resumed.test, resumed.notes) == (whole.history, whole.test, [])


@pytest.mark.parametrize(
    ("kind", "make", "why"),
    [
        (Holding, lambda: iter(range(1000)), "module.held is an iterator, whose place cannot be kept"),
        (Holding, OfAClass, "OfAClass.n is a variable that changes in training and belongs to no trial"),
        (Holding, in_a_global_variable, "CALLS is a variable that changes in training and belongs to no trial"),
        (VeryLate, Count, "module.held was made in training, and is not there"),
        (Holding, Tracking, "module.held.tracker.1 was made in training, and is not there"),
        (Holding, TakenOut, "module.held.seen.[28] was taken out in training"),
        (Holding, ByObject, "module.held.seen.[device(type='cpu', index=1)] was made in training, and is not there"),
        (Holding, Regrouped, "module.held.optimizer does not take its state back (ValueError)"),
    ],
)
def test_what_cannot_be_kept_is_said_to_be_in_doubt(tmp_path, kind, make, why):
    whole, resumed = stopped(tmp_path, kind, {"held": make})
    assert resumed.history != whole.history
    assert all(note.startswith("resumed, may differ") for note in resumed.notes)
    assert why in " ".join(resumed.notes)
