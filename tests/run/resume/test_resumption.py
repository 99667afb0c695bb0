"""A trial that was stopped, whatever loads its data, goes on to every digit of one that was not."""

import collections
import dataclasses
import functools
import random

import lightning as L
import numpy as np
import pandas
import pytest
import torch
import toy
from conftest import TinyConfig
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from torchmetrics import MaxMetric

from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.run.resume.generators import random_state, set_random_state
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.setup import Setup
from nnhp_torch.run.trial.run_trial import run_trial
from nnhp_torch.run.weights import load

TRIAL = Sweep("loaders", TinyConfig(), {"lr": [0.1]}, build="toy:build").trials()[0]


class Noisy(Dataset):
    """An augmentation that draws from all three, in whichever process it runs."""

    def __init__(self):
        self.data = toy.ToyData().data

    def __len__(self):
        return 32

    def __getitem__(self, index):
        x, y = self.data[index]
        return x + torch.randn(()) + np.random.randn(1).astype("float32")[0] + random.gauss(0, 1), y


class Stream(IterableDataset):
    """Goes on where the epoch before has ended, and can say where that is."""

    def __init__(self):
        self.noisy = Noisy()
        self.place = 0

    def __iter__(self):
        for _ in range(24):
            self.place += 1
            yield self.noisy[self.place * 5 % 32]

    def state_dict(self):
        return {"place": self.place, "as": np.array([1.5, self.place])}

    def load_state_dict(self, state):
        self.place = state["place"]
        assert isinstance(state["as"], np.ndarray)


class Batches:
    """A batch sampler with chance of its own: Python's, NumPy's of either kind, torch's, and a counter."""

    def __init__(self):
        self.random = random.Random(1)
        self.old = np.random.RandomState(2)
        self.rngs = {"new": np.random.default_rng(3), "other": np.random.Generator(np.random.Philox(4))}
        self.generator = torch.Generator().manual_seed(5)

    def __len__(self):
        return 4

    def __iter__(self):
        for _ in range(4):
            yield [
                *self.random.sample(range(32), 2),
                self.old.randint(32),
                *(int(rng.integers(32)) for rng in self.rngs.values()),
                *torch.randint(32, (3,), generator=self.generator).tolist(),
            ]


def generator():
    return torch.Generator().manual_seed(7)


def loader(data=None, **options):
    return DataLoader(Noisy() if data is None else data, **{"batch_size": 8, **options})


def with_workers(**options):
    return loader(shuffle=True, num_workers=2, **options)


LOADERS = {
    "shuffle": lambda: loader(shuffle=True),
    "shuffle with a generator": lambda: loader(shuffle=True, generator=generator()),
    "random": lambda: loader(sampler=RandomSampler(Noisy(), replacement=True, num_samples=24, generator=generator())),
    "subset": lambda: loader(sampler=SubsetRandomSampler(range(3, 30))),
    "weighted": lambda: loader(sampler=WeightedRandomSampler(torch.arange(1.0, 33), 24)),
    "batch sampler": lambda: DataLoader(Noisy(), batch_sampler=Batches()),
    "workers": with_workers,
    "persistent workers": lambda: with_workers(persistent_workers=True),
    "workers and a batch sampler": lambda: DataLoader(Noisy(), batch_sampler=Batches(), num_workers=2),
    "stream": lambda: loader(Stream()),
    "stream with persistent workers": lambda: loader(Stream(), num_workers=2, persistent_workers=True),
    "dict": lambda: {"a": loader(shuffle=True), "b": loader(batch_size=4, shuffle=True, generator=generator())},
    "min size": lambda: CombinedLoader(
        {"a": loader(shuffle=True), "b": loader(batch_size=4, shuffle=True, generator=generator())}, "min_size"
    ),
    "cycle": lambda: CombinedLoader([with_workers(persistent_workers=True), loader(batch_size=4)], "max_size_cycle"),
}


class Data(L.LightningDataModule):
    def __init__(self, train, val):
        super().__init__()
        self.train_dataloader = train
        self.val_dataloader = val
        self.test_dataloader = loader


class Module(toy.Toy):
    """Takes batches of combined loaders too, and draws in hooks of its own, also from its own generator."""

    def __init__(self, lr, width):
        super().__init__(lr, width)
        self.own = np.random.default_rng(1)
        self.worst = MaxMetric()  # over all epochs, as MNISTLitModule's best accuracy

    def _step(self, batch, stage):
        if isinstance(batch, dict):
            batch = list(batch.values())
        if isinstance(batch[0], (list, tuple)):
            batch = [torch.cat(parts) for parts in zip(*batch, strict=True)]
        x, y = batch
        return super()._step((x + 0.1 * float(self.own.normal()), y), stage)

    def on_train_start(self):
        torch.rand(3)
        self.worst.reset()

    def on_validation_epoch_end(self):
        self.worst(self.trainer.callback_metrics["val_loss"])
        self.log("val_worst", self.worst.compute())

    def on_train_epoch_start(self):
        torch.rand(self.current_epoch + 1)


class MidEpoch(L.Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch + 1 == self.epoch and batch_idx == 1:
            raise toy.Killed


class Reload(L.Callback):
    def __init__(self, every):
        self.every = every

    def setup(self, trainer, pl_module, stage):
        trainer.reload_dataloaders_every_n_epochs = self.every


def run(folder, train, val=loader, after=None, within=None, callbacks=lambda: (), max_epochs=3, trainer=(), **fields):
    """The trial's result; killed right after the checkpoint of an epoch, or in the middle of one."""

    def build(config):
        disturbed = [] if within is None else [MidEpoch(within)]
        module = Module(config.lr, config.width)
        return Setup(module, Data(train, val), [*callbacks(), *disturbed], dict(trainer))

    def on_epoch(epoch, metrics):
        if epoch == after:
            raise toy.Killed

    trial = dataclasses.replace(TRIAL, config=TinyConfig(max_epochs=max_epochs), **fields)
    return run_trial(trial, build, Runtime(str(folder), accelerator="cpu"), on_epoch=on_epoch)


TWICE_AND_BEFORE_THE_TEST = [{"within": 2}, {"after": 3}]


def check(tmp_path, train, stops=TWICE_AND_BEFORE_THE_TEST, **options):
    """Compares every digit of a stopped trial with those of one that was not; gives the stopped one's notes."""
    whole = run(tmp_path / "whole", train, **options)
    assert whole.status == "completed", whole.reason
    for stop in stops:
        with pytest.raises(toy.Killed):
            run(tmp_path / "killed", train, **options, **stop)
    resumed = run(tmp_path / "killed", train, **options)
    assert resumed.status == "completed", resumed.reason
    assert (resumed.history, resumed.test) == (whole.history, whole.test)
    assert len(set(whole.history["train_loss"])) == 3
    assert whole.notes == []
    return resumed.notes


@pytest.mark.filterwarnings("ignore:Trying to infer the `batch_size`")
@pytest.mark.parametrize("name", LOADERS)
def test_whatever_loads_its_data_a_stopped_trial_goes_on_to_the_same_digits(tmp_path, name):
    assert check(tmp_path, LOADERS[name]) == []


@pytest.mark.parametrize("stops", [[{"after": 1}], [{"after": 2}, {"within": 3}]])
def test_wherever_it_was_stopped_a_trial_goes_on_to_the_same_digits(tmp_path, stops):
    assert check(tmp_path, LOADERS["shuffle"], stops) == []


@pytest.mark.parametrize("options", [{"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}])
def test_validation_may_draw_too(tmp_path, options):
    assert check(tmp_path, LOADERS["shuffle"], [{"after": 2}], val=lambda: loader(**options)) == []


def test_validation_may_draw_from_a_generator_of_its_own(tmp_path):
    def val():
        return DataLoader(Noisy(), batch_sampler=Batches())

    assert check(tmp_path, LOADERS["shuffle"], [{"after": 2}], val=val) == []


@pytest.mark.parametrize("name", ["shuffle with a generator", "persistent workers"])
def test_loaders_may_be_made_anew_in_every_epoch(tmp_path, name):
    def made(loader):
        torch.rand(1)
        return loader()

    options = {"val": lambda: made(loader), "callbacks": lambda: [Reload(1)]}
    assert check(tmp_path, lambda: made(LOADERS[name]), **options) == []


def test_loaders_that_were_made_anew_some_epochs_before_are_said_to_be_in_doubt(tmp_path):
    def stopped(after):
        options = {"train": LOADERS["shuffle"], "callbacks": lambda: [Reload(2)], "max_epochs": 4}
        with pytest.raises(toy.Killed):
            run(tmp_path / str(after), after=after, **options)
        return run(tmp_path / str(after), **options)

    assert stopped(2).notes == []
    assert stopped(3).notes == [
        "resumed, may differ: its loader was made anew some epochs before (reload_dataloaders_every_n_epochs)"
    ]
    assert check(tmp_path, LOADERS["shuffle"], [{"after": 2}], callbacks=lambda: [Reload(2)]) == []


class Forgetful(IterableDataset):
    """Goes on where the epoch before has ended, but cannot say where that is."""

    def __init__(self):
        self.stream = iter(range(10_000))

    def __iter__(self):
        noisy = Noisy()
        for _ in range(24):
            yield noisy[next(self.stream) % 32]


class Own:
    """A loader that is no DataLoader."""

    def __iter__(self):
        yield from loader(shuffle=True)


class Opaque(Noisy):
    """Data with a state that only trust could load."""

    def state_dict(self):
        return {"epoch": TRIAL}

    def load_state_dict(self, state):
        raise AssertionError


@pytest.mark.parametrize(
    ("train", "doubts"),
    [
        (
            lambda: loader(Forgetful()),
            [
                "train_dataloader.dataset.stream is an iterator, whose place cannot be kept",
                "Forgetful is iterable and has no state_dict",
            ],
        ),
        (Own, ["Own is no DataLoader and has no state_dict"]),
        (
            lambda: loader(Opaque(), shuffle=True),
            ["the state of train_dataloader.dataset holds a Trial, which cannot be kept"],
        ),
    ],
)
def test_a_loader_that_cannot_say_where_it_is_is_said_to_be_in_doubt(tmp_path, train, doubts):
    assert run(tmp_path / "whole", train).notes == []
    for after in (1, 2):
        with pytest.raises(toy.Killed):
            run(tmp_path / "killed", train, after=after)
    assert run(tmp_path / "killed", train).notes == [f"resumed, may differ: {'; '.join(doubts)}"]


def test_a_checkpoint_from_before_random_state_was_kept_goes_on_with_a_word(tmp_path):
    with pytest.raises(toy.Killed):
        run(tmp_path, LOADERS["shuffle"], after=2)
    (last,) = tmp_path.glob("*/checkpoints/last.ckpt")
    checkpoint = torch.load(last, weights_only=True)
    del checkpoint["random_state"]
    torch.save(checkpoint, last)
    (note,) = run(tmp_path, LOADERS["shuffle"]).notes
    assert note == "resumed, may differ: its checkpoint keeps no random state of the epoch's end"


def test_the_random_state_of_a_gpu_is_of_no_use_to_a_fit_that_goes_on_without_one():
    cpu = torch.device("cpu")
    state = random_state(cpu)
    drawn = torch.rand(2)
    set_random_state({**state, "device": torch.zeros(1)}, cpu)
    assert torch.equal(torch.rand(2), drawn)


class Gpu:
    """Stands for torch's module of a kind of device."""

    state = torch.zeros(1)

    def get_rng_state(self):
        return self.state

    def set_rng_state(self, state):
        self.state = state


def test_the_random_state_of_a_gpu_goes_on_there_and_one_without_it_changes_nothing(monkeypatch):
    gpu, device = Gpu(), torch.device("cuda")
    monkeypatch.setattr(torch, "get_device_module", lambda device: gpu)
    state = random_state(device)
    gpu.state = torch.ones(1)
    set_random_state(random_state(torch.device("cpu")), device)
    assert gpu.state == 1
    set_random_state(state, device)
    assert gpu.state == 0


class Template(Module):
    """Keeps a net and a partial in its hyperparameters, as modules that are put together by a configuration do."""

    def __init__(self, net, optimizer, threshold=0.5):
        super().__init__(0.1, 4)
        self.save_hyperparameters(logger=False)
        self.net = net

    def configure_optimizers(self):
        return self.hparams.optimizer(params=self.parameters())


@pytest.mark.filterwarnings("ignore:Attribute 'net' is an instance of")
def test_hyperparameters_that_are_objects_keep_no_trial_from_going_on(tmp_path):
    def build(config):
        module = Template(toy.Toy(0.1, 4).net, functools.partial(torch.optim.Adam, lr=0.1))
        return module, Data(LOADERS["shuffle"], loader), [toy.Trained(trained)]

    def stop(epoch, metrics):
        if epoch == 2:
            raise toy.Killed

    trained = []
    whole, killed = (Runtime(str(tmp_path / name), accelerator="cpu") for name in ("a", "b"))
    with pytest.raises(toy.Killed):
        run_trial(TRIAL, build, killed, on_epoch=stop)
    resumed = run_trial(TRIAL, build, killed)
    assert trained == [1, 2, 3], "each once"
    uninterrupted = run_trial(TRIAL, build, whole)
    assert (resumed.history, resumed.test) == (uninterrupted.history, uninterrupted.test)
    assert resumed.notes == []
    checkpoint = torch.load(next(tmp_path.glob("b/*/checkpoints/last.ckpt")), weights_only=True)
    assert checkpoint["hyper_parameters"] == {"threshold": 0.5}, "what needs no trust is kept"


class Tells(L.Callback):
    """Puts things of its own into a checkpoint, one that only trust could load, and wants them back."""

    def __init__(self, wants=""):
        self.wants = wants
        self.state = {"trial": TRIAL}

    def state_dict(self):
        return self.state

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        checkpoint.update(mine=TRIAL, array=np.arange(3), number=np.float64(0.5))

    def on_load_checkpoint(self, trainer, pl_module, checkpoint):
        assert checkpoint["array"].tolist() == [0, 1, 2]
        assert checkpoint["number"] == 0.5
        checkpoint[self.wants or "array"]


def test_a_trial_goes_on_without_what_no_checkpoint_can_keep_and_says_so(tmp_path, caplog):
    whole = run(tmp_path / "whole", LOADERS["shuffle"], callbacks=lambda: [Tells()])
    assert whole.notes == []
    with pytest.raises(toy.Killed):
        run(tmp_path / "killed", LOADERS["shuffle"], after=2, callbacks=lambda: [Tells()])
    left_out = "Tells (with a Trial), mine (with a Trial)"
    said = [message for message in caplog.messages if message.startswith("No checkpoint")]
    cost = "a trial that is stopped goes on with what build makes of it"
    assert said == [f"No checkpoint can keep {left_out}: {cost}"] * 2, "once a trial"
    resumed = run(tmp_path / "killed", LOADERS["shuffle"], callbacks=lambda: [Tells()])
    assert resumed.history == whole.history
    assert resumed.notes == [], "it is what it was"


class Scale:
    """How inputs are scaled: an object that only trust could load."""

    def __init__(self, by):
        self.by = {"all": [by, {"ways", "means"}]}
        self.seen = collections.Counter()


class WithObjects(Module):
    """Writes objects of its own into its checkpoint and wants them back, as every model of pytorch-forecasting.

    One of its layers is among them, and its weights are no object of another kind. What it wants back is used.
    """

    counts = False

    def __init__(self, lr, width):
        super().__init__(lr, width)
        self.scale = Scale(2.0)

    def _step(self, batch, stage):
        if self.counts and stage == "train":
            self.scale.seen["batches"] += 1
        return super()._step((batch[0] * self.scale.by["all"][0], batch[1]), stage)

    def on_save_checkpoint(self, checkpoint):
        del checkpoint["state_dict"]["net.0.weight"]  # a hook may do so: what it is given is its own
        checkpoint["special"] = {"scale": self.scale, "net": self.net}
        checkpoint["first"] = self.net[0].weight

    def on_load_checkpoint(self, checkpoint):
        checkpoint["state_dict"]["net.0.weight"] = checkpoint["first"]
        self.scale = checkpoint["special"]["scale"]


class Counting(WithObjects):
    counts = True


@pytest.mark.parametrize("kind", [WithObjects, Counting])
@pytest.mark.parametrize("stop", TWICE_AND_BEFORE_THE_TEST, ids=str)
def test_a_module_that_wants_its_objects_back_goes_on_with_those_that_build_makes(tmp_path, monkeypatch, kind, stop):
    monkeypatch.setitem(globals(), "Module", kind)
    trained = []
    options = {"callbacks": lambda: [toy.Trained(trained)]}
    whole = run(tmp_path / "whole", LOADERS["shuffle"], **options)
    with pytest.raises(toy.Killed):
        run(tmp_path / "killed", LOADERS["shuffle"], **options, **stop)
    resumed = run(tmp_path / "killed", LOADERS["shuffle"], **options)
    assert trained == [1, 2, 3] * 2, "each once"
    assert (resumed.history, resumed.test) == (whole.history, whole.test)
    doubt = "resumed, may differ: its checkpoint could not keep special (with a Scale)"
    said = [note.partition(";")[0] for note in resumed.notes]
    assert said == [doubt] * kind.counts, "what has changed in training is said to be in doubt"
    (last,) = tmp_path.glob("killed/*/checkpoints/last.ckpt")
    assert "special" not in torch.load(last, weights_only=True)
    loaded = load(lambda config: (kind(config.lr, config.width), toy.ToyData(), []), TinyConfig(), last)
    assert loaded.scale.by == {"all": [2.0, {"ways", "means"}]}


def test_many_doubts_are_counted_in_one_sentence(tmp_path):
    made = []

    def train():
        made.append(1)
        data = Noisy()
        vars(data).update({f"_cache{n}": len(made) for n in range(24)})
        data.order = len(made)
        return loader(data)

    with pytest.raises(toy.Killed):
        run(tmp_path, train, after=2)
    (note,) = run(tmp_path, train).notes
    why = "is not what it was when the checkpoint was made"
    first = [f"train_dataloader.dataset.{name} {why}" for name in ("order", "_cache0", "_cache1")]
    assert note == f"resumed, may differ for 25 reasons: {'; '.join(first)}; …", "what is private is last"


class InASeries(Noisy):
    """Looks its rows up in a series of pandas, which remembers what it was asked."""

    def __init__(self):
        super().__init__()
        self.rows = pandas.Series(range(len(self)), index=[f"{row}th" for row in range(len(self))])

    def __getitem__(self, index):
        assert self.rows.index.is_unique
        return super().__getitem__(int(self.rows.loc[f"{index}th"]))


def test_what_pandas_has_cached_is_no_doubt(tmp_path):
    with pytest.raises(toy.Killed):
        run(tmp_path, lambda: loader(InASeries()), after=2)
    assert run(tmp_path, lambda: loader(InASeries())).notes == []


def test_a_trial_that_must_start_over_says_why(tmp_path):
    whole = run(tmp_path / "whole", LOADERS["shuffle"])
    with pytest.raises(toy.Killed):
        run(tmp_path / "killed", LOADERS["shuffle"], after=2, callbacks=lambda: [Tells("none")])
    resumed = run(tmp_path / "killed", LOADERS["shuffle"], callbacks=lambda: [Tells("none")])
    assert resumed.history == whole.history
    assert resumed.notes == ["started over: its checkpoint cannot be loaded (KeyError: 'none')"]
