"""Lightning callbacks that a trial has: seeds for every epoch, and an end when it has diverged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import lightning as L
import torch
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.nn.parameter import is_lazy

from nnhp_torch.run.resume import global_variables
from nnhp_torch.run.resume.data_position import Positions, digests_of, structure
from nnhp_torch.run.resume.generators import random_state, seed_all, set_random_state
from nnhp_torch.run.resume.loaders import stop_workers
from nnhp_torch.run.resume.random_state import around, go_on, go_on_to_test, state_at_end
from nnhp_torch.run.resume.untrusted import LEFT_OUT, changed

FEW = 3  # doubts that a note names


class EpochSeed(L.Callback):
    """Makes a resumed fit draw what an uninterrupted one does.

    It seeds random, NumPy and torch at each epoch's first batch, by a mixture of seed, epoch and rank. A loader has
    drawn its order by then, so the checkpoint of an epoch's end keeps the random state too: of these generators in
    each process, of those that loaders, samplers, datasets, the module, its data module and callbacks hold, and of
    whatever around the loaders has a `state_dict`, or a place in plain attributes. A fit that goes on from there puts
    it back, then makes the epoch's loader and iterator as an uninterrupted one would.

    An epoch's worker processes end with it, also persistent ones, which would carry their own random state into
    the next. It must be the first callback of the Trainer.

    Args:
        seed: the trial's seed.
        on_doubt: called with the reasons for which the resumed fit may differ from an uninterrupted one, in a sentence.

    Example:
        >>> trainer = L.Trainer(callbacks=[EpochSeed(seed=7)], logger=False)
    """

    def __init__(self, seed: int, on_doubt: Callable[[str], None] = rank_zero_warn) -> None:
        self.seed = seed
        self.on_doubt = on_doubt
        self._state: dict[str, Any] | None = None  # of the checkpoint that the fit goes on from
        self._positions = Positions()
        self._before_loaders: dict[str, dict[str, str]] = {}
        self._lacking: dict[str, Any] = {}  # its checkpoint, if objects were left out of that
        self._network = ""  # the structure that it began with

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data = {path: part for path, part in around(trainer).items() if path.startswith("datamodule")}
        self._before_loaders = digests_of(data, data)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._positions, owners = Positions(), around(trainer)
        self._positions.look(owners, global_variables.digests())
        self._positions.look_again(owners, self._before_loaders)
        self._network = (self._state or {}).get("network") or structure(pl_module)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            self._positions.look(around(trainer, of_parts=False), {})

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        progress: Any = trainer.fit_loop.epoch_progress.current
        if progress.processed > progress.completed or trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            state = state_at_end(trainer, self._positions)
            checkpoint["random_state"] = {**state, "network": self._network}

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self._state = checkpoint.get("random_state", {})
        self._lacking = checkpoint if LEFT_OUT in checkpoint else {}

    def finish(self, trainer: L.Trainer) -> None:
        """Put back what a training that is complete has left; in the place of training on."""
        state, self._state = self._state or {}, None
        self._network = state.get("network", "")
        self._say(trainer, go_on_to_test(trainer, state, self._positions))

    def _say(self, trainer: L.Trainer, doubts: list[str]) -> None:
        """Say why the digits may differ, in a sentence: data in pandas has some two dozen caches that do."""
        device = trainer.strategy.root_device
        state, lacking, self._lacking = random_state(device), self._lacking, {}
        found = dict.fromkeys([*changed(lacking, trainer), *doubts])
        doubts = sorted(found, key=lambda doubt: "._" in doubt)  # what is private last
        set_random_state(state, device)  # hooks may have drawn
        if doubts:
            many = f" for {len(doubts)} reasons" if len(doubts) > FEW else ""
            self.on_doubt(f"resumed, may differ{many}: {'; '.join(doubts[:FEW])}{'; …' if many else ''}")

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._state is not None:
            state, self._state = self._state, None
            self._say(trainer, go_on(trainer, state, self._positions))
        if trainer.current_epoch > 0:  # the first epoch's iterator is there already, with its workers
            stop_workers(trainer.train_dataloader)
            stop_workers(trainer.val_dataloaders)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 0:
            seed_all(self.seed, trainer.current_epoch, trainer.global_rank)


class StopWhenDiverged(L.Callback):
    """Stops the training after an epoch that ends with a loss or weights that are NaN or infinite.

    Accuracy alone would not tell.

    Args:
        monitor: the loss's name; if the module logs no such metric, it is what training_step returns.

    Attributes:
        epoch: the `trainer.current_epoch` (from 0) that ended so; None so far.
        found: what was not finite; empty so far.

    Example:
        >>> trainer = L.Trainer(callbacks=[StopWhenDiverged()], logger=False)
    """

    def __init__(self, monitor: str = "train_loss") -> None:
        self.monitor = monitor
        self.epoch: int | None = None
        self.found = ""
        self._returned: Any = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.epoch, self.found = None, ""

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._returned = outputs.get("loss") if isinstance(outputs, Mapping) else outputs

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        finite = self.look(trainer, pl_module)
        flags = zip(finite, torch.stack([*finite.values()]).tolist(), strict=True)
        self.found = next((name for name, so in flags if not so), "")
        # One process must not stop alone: the others would wait for it for ever.
        if trainer.strategy.reduce_boolean_decision(bool(self.found), all=False):
            self.epoch = trainer.current_epoch
            trainer.should_stop = True

    def look(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Tensor]:
        """Return whether the loss and the weights are finite, without a wait for their device."""
        logged = trainer.callback_metrics.get(self.monitor)
        loss, name = (self._returned, "what training_step returned") if logged is None else (logged, self.monitor)
        device = trainer.strategy.root_device
        return {name: _finite([loss], device), "the weights": _finite(pl_module.parameters(), device)}


def _finite(values: Iterable[Any], device: torch.device) -> Tensor:
    """Whether none holds NaN or infinity, which what is no tensor of such numbers cannot."""
    tensors = [value for value in values if isinstance(value, Tensor) and not is_lazy(value)]
    flags = [torch.isfinite(tensor).all() for tensor in tensors]
    whole = [getattr(flag, "full_tensor", lambda flag=flag: flag)() for flag in flags]  # of one that devices share
    return torch.stack([flag.to(device) for flag in whole]).all() if whole else torch.ones((), device=device).bool()
