"""Samplers, data sets and modules that keep their place in a plain attribute, and generators in a script's globals."""

import collections
import dataclasses
import functools
import random
import types

import lightning as L
import numpy as np
import pytest
import torch
import toy
from conftest import TinyConfig
from test_resumption import LOADERS, Data, Module, Noisy, check, loader, run
from torch.utils.data import Subset

from nnhp_torch.run.resume.data_position import sums
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.setup import Setup
from nnhp_torch.run.trial.run_trial import run_trial


class Order:
    """A sampler that goes through its data in an order of its own."""

    def __init__(self):
        self.begin()

    def __len__(self):
        return 24

    def __iter__(self):
        for _ in range(24):
            yield self.step()


class Counting(Order):
    def begin(self):
        self.place = 0

    def step(self):
        self.place += 1
        return self.place * 5 % 32


class Rotating(Order):
    def begin(self):
        self.indices = list(range(32))
        self.array = np.arange(32)
        self.tensor = torch.arange(32)
        self.same = self.indices

    def step(self):
        self.indices.append(self.same.pop(0))
        self.array[:] = np.roll(self.array, 3)
        self.tensor.copy_(self.tensor.roll(5))
        return (self.indices[0] + int(self.array[0]) + int(self.tensor[0])) % 32


class Late(Order):
    """Has its place only once it has begun, in objects of its own."""

    def begin(self):
        self.inner = types.SimpleNamespace(deep=[{"place": None}])

    def step(self):
        self.inner.deep[0]["place"] = (self.inner.deep[0]["place"] or 0) + 3
        self.past = [*getattr(self, "past", []), self.inner.deep[0]["place"]]
        return sum(self.past) % 32


class Flipping(Order):
    """Is again what it was at the start after an epoch and its first batch."""

    def begin(self):
        self.up = False

    def __iter__(self):
        self.up = not self.up
        order = range(24) if self.up else range(31, 7, -1)
        yield from order


class Counted(Noisy):
    """Data that change with the number of times that they were asked for."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def __getitem__(self, index):
        self.asked += 1
        x, y = super().__getitem__(index)
        return x + 0.01 * self.asked, y


ORDERS = {kind.__name__: kind for kind in (Counting, Rotating, Late, Flipping)}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_sampler_that_keeps_its_place_in_plain_attributes_goes_on_from_there(tmp_path, name, workers):
    assert check(tmp_path, lambda: loader(sampler=ORDERS[name](), num_workers=workers)) == []


def test_a_data_set_that_counts_goes_on_counting_in_training_and_in_validation(tmp_path):
    assert check(tmp_path, lambda: loader(Counted(), shuffle=True), val=lambda: loader(Counted())) == []


class Shuffling(Noisy):
    """Mixes what no checkpoint holds."""

    def __init__(self, wrap, count):
        super().__init__()
        self.order = collections.deque(map(wrap, range(count)), maxlen=count)

    def __getitem__(self, index):
        self.order.rotate(1)
        return super().__getitem__(int(str(self.order[0]).strip("n")) % 32)


class Named:
    def __init__(self, number):
        self.number = number

    def __str__(self):
        return f"n{self.number}"


def test_a_deque_goes_on_too(tmp_path):
    assert check(tmp_path, lambda: loader(Shuffling(int, 31)), [{"after": 2}]) == []


def test_a_place_that_cannot_be_kept_is_said_to_be_in_doubt(tmp_path):
    train = lambda: loader(Shuffling(Named, 5001))  # noqa: E731
    assert run(tmp_path / "whole", train).notes == []
    with pytest.raises(toy.Killed):
        run(tmp_path / "killed", train, after=2)
    assert run(tmp_path / "killed", train).notes == [
        "resumed, may differ: train_dataloader.dataset.order holds a Named, which cannot be kept"
    ]


def test_a_loader_that_is_not_made_as_it_was_is_said_to_be_in_doubt(tmp_path):
    made = []

    def train():
        made.append(1)
        return loader(Subset(Noisy(), [len(made), *range(20)]))

    with pytest.raises(toy.Killed):
        run(tmp_path, train, after=2)
    assert run(tmp_path, train).notes == [
        "resumed, may differ: train_dataloader.dataset.indices is not what it was when the checkpoint was made"
    ]


class Rarely(L.Callback):
    """Validates in every second epoch alone."""

    def setup(self, trainer, pl_module, stage):
        trainer.check_val_every_n_epoch = 2


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_trial_that_validates_in_every_second_epoch_goes_on_to_the_same_digits(tmp_path, after):
    options = {"val": lambda: loader(Counted()), "callbacks": lambda: [Rarely()], "max_epochs": 4}
    whole = run(tmp_path / "whole", LOADERS["shuffle"], **options)
    with pytest.raises(toy.Killed):
        run(tmp_path / "killed", LOADERS["shuffle"], after=after, **options)
    resumed = run(tmp_path / "killed", LOADERS["shuffle"], **options)
    assert whole.status == resumed.status == "completed"
    assert str(resumed.history) == str(whole.history), "NaN where it is not validated"
    assert resumed.notes == []


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_validation_loader_that_draws_its_data_in_a_later_epoch_holds_or_is_said_to_be_in_doubt(tmp_path, after):
    def val():
        return loader(Subset(Noisy(), torch.randperm(32)[:20].tolist()))

    options = {"val": val, "callbacks": lambda: [Rarely()], "max_epochs": 4}
    whole = run(tmp_path / "whole", LOADERS["shuffle"], **options)
    with pytest.raises(toy.Killed):
        run(tmp_path / "killed", LOADERS["shuffle"], after=after, **options)
    resumed = run(tmp_path / "killed", LOADERS["shuffle"], **options)
    same = str(resumed.history) == str(whole.history)
    doubts = ["resumed, may differ: val_dataloader.dataset.indices is not what it was when the checkpoint was made"]
    assert resumed.notes == ([] if same else doubts)


rng = np.random.default_rng(5)  # of a script that keeps its chance in global variables
CHANCE = {"torch": torch.Generator().manual_seed(6), "python": [random.Random(7)]}


class Global(Noisy):
    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        noise = rng.normal() + CHANCE["python"][0].gauss(0, 1)
        return x + torch.rand((), generator=CHANCE["torch"]) + float(noise), y


def test_generators_in_global_variables_go_on_and_no_trial_feels_the_one_before(tmp_path):
    assert check(tmp_path, lambda: loader(Global(), shuffle=True)) == []


class Chance:
    """Keeps its chance where all of its objects share it."""

    rng = np.random.default_rng(1)
    nested = {"a": ({"b": torch.Generator().manual_seed(2)},)}  # noqa: RUF012

    def __init__(self):
        self.own = np.random.RandomState(4)

    @staticmethod
    def drawn(generator=random.Random(3)):  # noqa: B008
        return generator.gauss(0, 1)


def _closing_over(generator):
    return lambda: generator.gauss(0, 1)


@dataclasses.dataclass(slots=True)
class Slotted:
    rng: random.Random
    unset: int = dataclasses.field(init=False)


OBJECT, SLOTTED, CLOSURE = Chance(), Slotted(random.Random(7)), _closing_over(random.Random(5))
METHOD, BUILTIN = random.Random(8).gauss, random.Random(9).random
PARTIAL = functools.partial(np.random.Generator.normal, np.random.default_rng(6))
HELD = {
    "a class": lambda: Chance.rng.normal(),
    "a list in a class": lambda: float(torch.rand((), generator=Chance.nested["a"][0]["b"])),
    "a default": lambda: Chance.drawn(),
    "a closure": lambda: CLOSURE(),
    "an object": lambda: OBJECT.own.normal(),
    "a partial": lambda: PARTIAL(),
    "an object with slots": lambda: SLOTTED.rng.gauss(0, 1),
    "a method": lambda: METHOD(0, 1),
    "a method written in C": lambda: BUILTIN(),
}


class Drawing(Noisy):
    def __init__(self, place):
        super().__init__()
        self.place = place

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x + HELD[self.place](), y


@pytest.mark.parametrize("place", HELD)
def test_a_generator_goes_on_wherever_a_global_variable_holds_it(tmp_path, place):
    assert check(tmp_path, lambda: loader(Drawing(place), shuffle=True)) == []


class Reminiscent(Module):
    """Trains as its memory of earlier epochs has it."""

    def __init__(self, lr, width):
        super().__init__(lr, width)
        self.count, self.losses, self.shift = 0, [], torch.zeros(1)
        self.best = None

    def training_step(self, batch, batch_idx):
        self.count += 1
        loss = super().training_step(batch, batch_idx)
        self.losses.append(float(loss.detach()))
        self.shift = self.shift + 0.1
        return loss * (1 + 0.1 * self.count + float(self.shift)) + 0.01 * sum(self.losses)

    def on_validation_epoch_end(self):
        super().on_validation_epoch_end()
        self.best = min(self.best or 9.0, float(self.trainer.callback_metrics["val_loss"]))
        self.log("val_best", self.best)
        self.log("sum", sum(self.losses))


class Warming(L.Callback):
    """A callback of one's own that counts."""

    def __init__(self):
        self.steps = 0

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.steps += 1
        trainer.optimizers[0].param_groups[0]["lr"] = 0.1 / self.steps


def test_a_module_and_a_callback_that_count_in_plain_attributes_go_on_counting(tmp_path):
    trial = toy_trial()

    def build(config):
        return Setup(Reminiscent(config.lr, config.width), Data(LOADERS["shuffle"], loader), [Warming()])

    def stop(epoch, metrics):
        raise toy.Killed

    whole, killed = (Runtime(str(tmp_path / name), accelerator="cpu") for name in ("whole", "killed"))
    for _ in range(2):
        with pytest.raises(toy.Killed):
            run_trial(trial, build, killed, on_epoch=stop)
    resumed, uninterrupted = run_trial(trial, build, killed), run_trial(trial, build, whole)
    assert resumed.status == "completed", resumed.reason
    assert (resumed.history, resumed.test) == (uninterrupted.history, uninterrupted.test)
    assert resumed.notes == []


def toy_trial():
    from nnhp_torch.core.spec.grid import Sweep

    return Sweep("places", TinyConfig(), {"lr": [0.1]}, build=toy.build).trials()[0]


@pytest.mark.parametrize(
    "content",
    [
        torch.rand(5, 3).t(),
        *(torch.rand(5).to(kind) for kind in (torch.bfloat16, torch.float64, torch.complex64)),
        torch.tensor([True, False]),
        torch.eye(3, dtype=torch.int64),
        torch.eye(3).to_sparse(),
        torch.tensor([float("nan"), float("inf")]),
    ],
    ids=lambda content: f"{content.dtype} {content.layout}",
)
def test_a_change_of_one_number_is_seen_in_whatever_a_module_holds(content):
    module = torch.nn.Module()
    module.register_buffer("held", content)
    before = sums(module)
    assert sums(module) == before
    module.held = content.clone().to_dense().contiguous()
    module.held.view(-1)[0] = module.held.view(-1)[0] == 0
    assert sums(module) != before
