"""A stranger's LightningModule and data, small enough for a trial to take milliseconds."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import signal
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

import lightning as L
import numpy as np
import psutil
import torch
from conftest import LONG, TinyConfig
from torch.utils.data import DataLoader, TensorDataset

from nnhp_torch.run.setup import Setup


class Killed(BaseException):
    """Ends a trial as abruptly as one process can do it to itself."""


class Toy(L.LightningModule):
    def __init__(self, lr: float, width: int) -> None:
        super().__init__()
        self.lr = lr
        self.net = torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.Dropout(0.1), torch.nn.Linear(width, 2))

    def _step(self, batch, stage):
        x, y = batch
        logits = self.net(x)
        loss = torch.nn.functional.cross_entropy(logits, y)
        self.log(f"{stage}_loss", loss, on_step=False, on_epoch=True, sync_dist=True)
        accuracy = (logits.argmax(1) == y).float().mean()
        self.log(f"{stage}_accuracy", accuracy, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def training_step(self, batch, batch_idx):
        return self._step(batch, "train")

    def validation_step(self, batch, batch_idx):
        self._step(batch, "val")

    def test_step(self, batch, batch_idx):
        self._step(batch, "test")

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class ToyData(L.LightningDataModule):
    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(96, 3, generator=generator)
        self.data = TensorDataset(x, (x[:, 0] > 0).long())

    def train_dataloader(self):
        return DataLoader(self.data, batch_size=16, shuffle=False)

    def val_dataloader(self):
        return DataLoader(self.data, batch_size=96)

    test_dataloader = val_dataloader


class AtEpoch(L.Callback):
    """Does something at the end of an epoch (from 1), once the checkpoint of the one before is there."""

    def __init__(self, epoch: int, action) -> None:
        self.epoch = epoch
        self.action = action

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch + 1 == self.epoch:
            self.action(trainer, pl_module)


class Trained(L.Callback):
    """Notes which epochs (from 1) are trained to their end."""

    def __init__(self, epochs: list[int]) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs.append(trainer.current_epoch + 1)


def noting(epochs: list[int]):
    """A build whose trials note which epochs are trained."""
    return lambda config: (*build(config)[:2], [Trained(epochs)])


def build(config: TinyConfig):
    return Toy(config.lr, config.width), ToyData(), []


def build_short(config: TinyConfig):
    """An epoch has two batches."""
    return Setup(*build(config), trainer={"limit_train_batches": 2})


def build_counting_threads(config: TinyConfig):
    """Logs how many threads it has."""
    module, data, _ = build(config)
    module.on_train_epoch_end = lambda: module.log("threads", float(torch.get_num_threads()))
    return module, data, []


def build_slow(config: TinyConfig):
    """An epoch takes at least as many seconds as $SECONDS_AN_EPOCH says; each that is trained is noted in `trained`."""

    def pause_and_note(trainer, pl_module):
        time.sleep(float(os.environ["SECONDS_AN_EPOCH"]))
        with open(Path(trainer.logger.log_dir) / "trained", "a") as file:
            file.write(f"{trainer.current_epoch + 1}\n")

    module, data, _ = build(config)
    return module, data, [*(AtEpoch(epoch + 1, pause_and_note) for epoch in range(config.max_epochs))]


def build_raising(config: TinyConfig):
    """The second width raises in its second epoch."""

    def boom(trainer, pl_module):
        raise RuntimeError("my own callback")

    module, data, callbacks = build(config)
    return module, data, [AtEpoch(2, boom)] if config.width == 8 else callbacks


def build_interrupting_itself(config: TinyConfig):
    """The second width raises KeyboardInterrupt in its second epoch."""

    def boom(trainer, pl_module):
        raise KeyboardInterrupt

    module, data, callbacks = build(config)
    return module, data, [AtEpoch(2, boom)] if config.width == 8 else callbacks


def build_diverging(config: TinyConfig):
    """The second width's weights become NaN in its second epoch."""
    module, data, callbacks = build(config)

    def poison():
        if module.current_epoch == 1:
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.fill_(float("nan"))

    if config.width == 8:
        module.on_train_epoch_start = poison
    return module, data, callbacks


def build_killed_once(config: TinyConfig):
    """The second width's process is killed in its second epoch, once."""

    def kill(trainer, pl_module):
        marker = Path(trainer.logger.log_dir) / "killed"
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    module, data, callbacks = build(config)
    return module, data, [AtEpoch(2, kill)] if config.width == 8 else callbacks


def build_without_data(config: TinyConfig):
    """Data that nobody can fetch."""
    module, data, callbacks = build(config)

    def prepare_data():
        raise RuntimeError("no data anywhere")

    data.prepare_data = prepare_data
    return module, data, callbacks


def build_losing_a_rank(config: TinyConfig):
    """The second width loses its second process in its second epoch."""

    def kill(trainer, pl_module):
        if trainer.global_rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    module, data, callbacks = build(config)
    return module, data, [AtEpoch(2, kill)] if config.width == 8 else callbacks


def build_preparing_long(config: TinyConfig):
    """Data that takes long to fetch, and says when it has begun."""
    module, data, callbacks = build(config)

    def prepare_data():
        Path("preparing").touch()
        time.sleep(2 * LONG)

    data.prepare_data = prepare_data
    return module, data, callbacks


def build_signalling(config: TinyConfig):
    """Sends its process the signal number `width` in its second epoch."""
    module, data, _ = build(config)
    return module, data, [AtEpoch(2, lambda *_: os.kill(os.getpid(), config.width))]


def build_exiting(config: TinyConfig):
    """Ends its process, as a broken extension module may do when it is imported."""
    os._exit(3)


def build_killed_beside_a_child(config: TinyConfig):
    """The second width's process is killed in its second epoch, while one that it forked lives on."""

    def fork_and_kill(trainer, pl_module):
        child = os.fork()
        if child == 0:
            time.sleep(2 * LONG)
            os._exit(0)
        (Path(trainer.logger.log_dir) / "child").write_text(str(child))
        os.kill(os.getpid(), signal.SIGKILL)

    module, data, callbacks = build(config)
    return module, data, [AtEpoch(2, fork_and_kill)] if config.width == 8 else callbacks


def build_killed_in_mid_message(config: TinyConfig):
    """The second width's process is killed when half of a message is written, while one that it forked lives on."""

    def fork_and_kill(trainer, pl_module):
        folder = Path(trainer.logger.log_dir)

        def send_half(connection, message):
            os.write(connection.fileno(), message[: len(message) // 2])
            child = os.fork()
            if child == 0:
                time.sleep(2 * LONG)
                os._exit(0)
            (folder / "child").write_text(str(child))
            os.kill(os.getpid(), signal.SIGKILL)

        Connection._send = send_half

    module, data, callbacks = build(config)
    return module, data, [AtEpoch(2, fork_and_kill)] if config.width == 8 else callbacks


BANK: list[float] = []


class Banking(Toy):
    """Weighs its loss by what a global variable has heard of."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        BANK.append(float(loss.detach()))
        return loss * (1 + 0.01 * len(BANK))


def build_global(config: TinyConfig):
    return Banking(config.lr, config.width), ToyData(), []


def build_counting(config: TinyConfig):
    """Weighs its loss by how often it was called in this process."""
    BANK.append(0.0)
    module, data, _ = build(config)
    weight, step = len(BANK), module.training_step
    module.training_step = lambda *batch: step(*batch) * weight
    return module, data, []


def build_changing_its_process(config: TinyConfig):
    """The first width's trial changes whatever it can, when it is built and in its second epoch."""
    if config.width == 4:
        change_process()
    module, data, _ = build(config)
    return module, data, [AtEpoch(2, lambda *_: change_process())] if config.width == 4 else []


def change_process():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = True
    torch.backends.mkldnn.enabled = False
    torch.backends.mkldnn.fp32_precision = "tf32"
    torch.backends.cuda.enable_math_sdp(False)
    torch.set_flush_denormal(True)
    torch.nn.functional.relu = torch.nn.Linear.extra_repr = lambda *_: ""
    np.seterr(all="raise")
    multiprocessing.set_start_method("spawn", force=True)
    torch.autograd.set_detect_anomaly(True)
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    os.environ["PL_GLOBAL_SEED"] = "1"
    os.environ.pop("HOME", None)
    logging.getLogger("lightning.pytorch").setLevel(logging.CRITICAL)
    warnings.simplefilter("always")
    os.chdir("/")


def build_raising_on_one_rank(config: TinyConfig):
    """The second width raises in its second process alone, which the first would wait for."""

    def boom(trainer, pl_module):
        if trainer.global_rank == 1:
            raise RuntimeError("on this rank alone")

    module, data, callbacks = build(config)
    return module, data, [AtEpoch(2, boom)] if config.width == 8 else callbacks


class Unaware(L.LightningModule):
    """A module and its data that know of one device: plain loaders, nothing synchronized. Its targets are 0 to 99."""

    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        (y,) = batch
        self.log("seen", y.sum(), on_step=False, on_epoch=True, reduce_fx="sum")
        self.log("steps", float(self.global_step + 1), on_step=False, on_epoch=True, reduce_fx="max")
        return (self.net(y[:, None] / 100) - y[:, None] / 100).square().mean()

    def validation_step(self, batch, batch_idx, stage="val"):
        (y,) = batch
        self.log(f"{stage}_target", y.mean())
        self.log(f"{stage}_loss", (self.net(y[:, None] / 100) - y[:, None] / 100).square().mean())

    def test_step(self, batch, batch_idx):
        self.validation_step(batch, batch_idx, "test")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class UnawareData(L.LightningDataModule):
    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self.data = TensorDataset(torch.arange(100.0))
        self.batch_size = batch_size

    def train_dataloader(self):
        return DataLoader(self.data, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.data, batch_size=3)

    def test_dataloader(self):
        return DataLoader(self.data, batch_size=7)


def build_unaware_of_devices(config: TinyConfig):
    """A stranger's module and data; the width is the batch size."""
    return Unaware(), UnawareData(config.width), []


class Augmented(TensorDataset):
    """Noise from torch, NumPy and Python, drawn in whichever process it runs."""

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x + 0.1 * torch.randn(()) + 0.1 * np.random.randn(1).astype("float32")[0] + random.gauss(0, 0.1), y


class ShuffledData(ToyData):
    """A shuffled loader with two workers, and noise in validation too."""

    def __init__(self) -> None:
        super().__init__()
        self.data = Augmented(*self.data.tensors)

    def train_dataloader(self):
        return DataLoader(self.data, batch_size=16, shuffle=True, num_workers=2, persistent_workers=True)


def build_shuffled(config: TinyConfig):
    return Toy(config.lr, config.width), ShuffledData(), []


def build_starting(config: TinyConfig):
    """Logs how processes are started in the one that a trial runs in, by the number of the method."""
    module, data, _ = build(config)
    method = multiprocessing.get_all_start_methods().index(multiprocessing.get_start_method())
    return module, data, [AtEpoch(1, lambda trainer, pl_module: pl_module.log("method", float(method)))]


def build_saying_where(config: TinyConfig):
    """Logs which GPU a trial is on, and whether products may be less exact than float32."""

    def say(trainer, pl_module):
        pl_module.log("gpu", float(torch.cuda.current_device()))
        pl_module.log("precision", float(torch.get_float32_matmul_precision() != "highest"))

    module, data, _ = build(config)
    return module, data, [AtEpoch(1, say)]


BROKEN: list[str] = []


def build_breaking(config: TinyConfig):
    """The first rate's trial fails and leaves its process unable to train; the width says what it fails of."""

    def break_down(trainer, pl_module):
        if BROKEN or config.lr == 0.1:
            out_of_memory = config.width == 8 and not BROKEN
            BROKEN.append("by this trial")
            raise MemoryError if out_of_memory else RuntimeError("CUDA error: device-side assert triggered")

    module, data, _ = build(config)
    return module, data, [AtEpoch(1, break_down)]


def build_hungry(config: TinyConfig):
    """The second width runs out of memory beside the first, which lives until that one's process has ended."""
    module, data, _ = build(config)

    def eat(trainer, pl_module):
        holding, asked = (Path(trainer.logger.log_dir).parent / name for name in ("holding", "asked"))
        if config.width == 4:
            holding.touch()
            _wait_for(asked.exists)
            _wait_for(lambda: not psutil.pid_exists(int(asked.read_text() or 0)))
            holding.unlink()
        elif not asked.exists():
            _wait_for(holding.exists)
            part = asked.with_suffix(".part")
            part.write_text(str(os.getpid()))
            part.rename(asked)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    return module, data, [AtEpoch(2, eat)]


def _wait_for(condition):
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
