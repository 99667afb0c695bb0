"""The record of each epoch: metrics and checkpoints, written so that a kill costs a second of training at most."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from nnhp_torch.core.ledger import fields
from nnhp_torch.core.ledger.checkpoints import BEST, LAST, TRAINED, Identity, acquire, owner
from nnhp_torch.core.ledger.files import must_be_file, name_too
from nnhp_torch.core.spec import read_files
from nnhp_torch.core.spec.objective import Objective, logged_name, unlogged
from nnhp_torch.core.spec.provenance import changed
from nnhp_torch.core.spec.trial import same
from nnhp_torch.run.resume.data_position import sums
from nnhp_torch.run.resume.generators import random_state, set_random_state
from nnhp_torch.run.resume.plain_values import on_host
from nnhp_torch.run.runtime import OnEpoch
from nnhp_torch.run.trial import ending
from nnhp_torch.run.trial.epoch_log import SHOWN, EpochLog, add, length, round_to_float32
from nnhp_torch.run.trial.hardware import differences, hardware
from nnhp_torch.run.trial.saving import RESUMABLE, read
from nnhp_torch.run.trial.tensorboard import TrialLogger

# Of a checkpoint's fields; the others say whose it is.
GOES_ON = [name for name in fields.STATE if name not in ("trial", "trainer", "sources")]

# What earlier checkpoints do not say.
UNSAID: dict[str, Any] = {
    "ended": True,
    "stopped": False,
    "hardware": {},
    "shown": {},
    "restored": False,
    **dict.fromkeys(("seconds", "fit_seconds"), 0.0),
    "unlogged": [],
    "asked": ["something in it, for all that is known,"],
}

SECONDS = 1.0  # between two checkpoints of a trial


class Recorder(Checkpoint):
    """Keeps each epoch's metrics, saves the last and the best checkpoint, and tells who listens.

    A Checkpoint, since Lightning calls those after all other callbacks, when early stopping has decided.

    Args:
        folder: where `last.ckpt` and `best.ckpt` go.
        identity: the trial's, which stands in its checkpoints; those of another are set aside, not used.
        objective: the metric that makes an epoch the best, and its direction.
        on_epoch: called with the epoch (from 1) and its metrics, on the first rank; a reason in return
            ends the training, as pruned.
        keeps_best: whether `best.ckpt` is to be there in the end.
        each_epoch: whether each epoch has its checkpoint, however short it is.
    """

    def __init__(
        self,
        folder: Path,
        identity: Identity,
        objective: Objective,
        *,
        on_epoch: OnEpoch | None = None,
        keeps_best: bool = True,
        each_epoch: bool = False,
    ) -> None:
        self.folder = folder
        self.last = folder / LAST
        self.best = folder / BEST
        self.identity = dict(identity)
        self.unloadable = ""  # why the module that is built cannot take its checkpoint, if it cannot
        self.foreign = False  # whether the last checkpoint is another trial's, whatever its folder says
        self.objective = objective
        self.on_epoch = on_epoch
        self.keeps_best = keeps_best
        self.each_epoch = each_epoch
        self.epoch_log = EpochLog()
        self.watch = ending.Watch()
        self.validated_at: int | None = None  # optimizer steps before the last validation, None before the first
        self.outdated = False  # whether the weights have changed since the last validation
        self.saved = -math.inf  # when the last checkpoint was made
        self.history: dict[str, list[float]] = {}
        self.hardware: dict[str, Any] = {}  # that the last epoch was trained on
        self.shown: dict[str, dict[str, Any]] = {}  # the Trainer's metrics, of this epoch and of those before
        self.unlogged: list[str] = []  # what the last epoch did not log, and others did
        self.settings: dict[str, Any] = {}  # of the Trainer, as build gives them
        self.sources: dict[str, str] = {}  # module → digest, of what makes the trial's
        self.asked: list[str] = []  # who has asked for the number of epochs
        self.complete = False
        self.stopped = False  # whether something has ended the training, and not the number of epochs
        self.ended = True  # whether nothing that acts at the training's end can still change the weights
        self.weights: dict[str, int] = {}  # the sum of each before that
        self.restored = False  # whether it has, as one that goes back to the best ones
        self.diverged = ""  # the reason, if there is one
        self.pruned = ""  # likewise
        self.told_to_end = ""  # likewise, by who heard the recorded epochs once more
        self.clock = time.perf_counter()  # since when seconds are not counted yet
        self.seconds = self.fit_seconds = 0.0  # of all attempts, each as far as its last epoch, and of this one
        self.notes: list[str] = []  # kept in the checkpoint: what holds of a resumed trial holds of it to its end

    @property
    def epochs(self) -> int:
        """Epochs recorded so far."""
        return length(self.history)

    def count_seconds(self, *, fit: bool = False) -> None:
        """Add the time since the last call, or since the trial began; of training and validation if it is so."""
        now = time.perf_counter()
        self.seconds += now - self.clock
        self.fit_seconds += (now - self.clock) * fit
        self.clock = now

    def note(self, text: str) -> None:
        """Keep what a reader must know of the result, once."""
        if text not in self.notes:
            self.notes.append(text)

    def resume(self, max_epochs: int) -> dict[str, Any]:
        """The last checkpoint's content, with this recorder's state restored; empty if the trial must start over."""
        must_be_file(self.last, self.best)
        if not self.last.exists() or not same(owner(self.folder), self.identity):
            return {}
        if self.unloadable:
            self.notes = [f"started over: its checkpoint cannot be loaded ({self.unloadable})"]
            return {}
        try:
            checkpoint = read(self.last)
            state = UNSAID | checkpoint["callbacks"][self.state_key]
            if not same(state.get("trial") or {}, self.identity):
                self.foreign = True
                return {}
            if state.get("trainer", {}) != self.settings:
                self.notes = ["started over: its checkpoint was made under other settings of the Trainer"]
                return {}
            if found := self._other_sources(state.get("sources", {})):
                self.notes = [f"started over: its checkpoint was made by another source of {', '.join(found)}"]
                return {}
            fields.check(state, fields.STATE)
            fields.check_epochs(state["history"], checkpoint["epoch"] + 1, max_epochs)
            self.load_state_dict(state)
        except Exception as error:
            why = str(error).splitlines()[0]
            logging.getLogger(__name__).warning("%s cannot be read (%s); the trial starts over", self.last, why)
            self.notes = [f"started over: its checkpoint cannot be read ({why})"]
            return {}
        return checkpoint

    def _other_sources(self, recorded: Mapping[str, str]) -> list[str]:
        """Return the modules that have changed; by its digest a script is known under another name, too."""
        today = self.sources.values()
        others = {name: digest for name, digest in recorded.items() if digest not in today}
        late = {name: digest for name, digest in others.items() if name not in self.sources}  # not imported yet
        unlike = changed([{"sources": late, "config": self.identity["config"]}])
        return [name for name in others if name in self.sources or name in unlike]

    def retell(self, history: Mapping[str, list[float]]) -> Iterator[tuple[int, str | None]]:
        """Tell recorded epochs to who listens; yield each with the answer."""
        for epoch in range(1, length(history) + 1):
            values = {name: curve[epoch - 1] for name, curve in history.items()}
            metrics = {name: value for name, value in values.items() if not math.isnan(value)}
            yield epoch, self.on_epoch(epoch, metrics) if self.on_epoch else None

    def go_on(self) -> None:
        """Tell the epochs of the checkpoint once more: who listens may keep account of them, and a stop may have come
        before the answer to the last one was heard. The others have had no reason to end the trial."""
        for epoch, reason in self.retell(self.history):
            self.told_to_end = (reason or "") if epoch == self.epochs else ""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if trainer.is_global_zero:
            if note := acquire(self.folder, self.identity, self.foreign):  # the other ranks have looked at it by now
                self.notes.append(note)
            self.foreign = False
            self._keep_best()  # in case a kill came between the last checkpoint and this
        self.epoch_log.listen(trainer)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        now = hardware(trainer.strategy.root_device.type, trainer.world_size)
        if found := differences(self.hardware, now):
            self.note(f"resumed, may differ: it was trained on {found}")

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.epoch_log.begin(trainer)
        self.epoch_log.show_again(trainer, self.shown)
        self._end_if_told(trainer, self.told_to_end)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.validated_at = trainer.global_step

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if short := ending.short_of_data(trainer):
            self.note(short)
        flags, values = self.watch.look(trainer, pl_module), self.epoch_log.take(trainer)
        shown = self.epoch_log.shown(trainer)
        finite, logged, for_loggers, *numbers = on_host(flags, values, trainer._logger_connector.metrics["log"], *shown)
        self.shown = {
            kind: {name: (getattr(tensors[name], "dtype", None), number) for name, number in of.items()}
            for kind, tensors, of in zip(SHOWN, shown, numbers, strict=True)
        }
        metrics = {name: round_to_float32(value) for name, value in logged.items()}
        metrics = trainer.strategy.broadcast(metrics)  # all ranks go by the first one's, which may have more
        self.unlogged = add(self.history, metrics, trainer.current_epoch)
        self.outdated = trainer.enable_validation and self.validated_at != trainer.global_step
        self.diverged = ending.divergence(trainer, metrics, self.objective, finite)
        if self.diverged:
            ending.stop(trainer)
        self.stopped, self.complete = ending.is_stopped(trainer), ending.is_last_epoch(trainer)
        if self.complete and ending.something_follows(trainer):
            self.ended, self.weights = False, sums(pl_module)
        for logger in self._loggers(trainer):  # Lightning gives them to all loggers after this
            logger.write({"epoch": trainer.current_epoch, **for_loggers})
        due = self.complete or self.each_epoch or self._is_best() or time.monotonic() > self.saved + SECONDS
        if due := trainer.strategy.broadcast(due):
            self._save(trainer)
        reason = None
        if trainer.is_global_zero and self.on_epoch is not None:
            try:
                reason = self.on_epoch(self.epochs, metrics)
            except BaseException:  # a stop that leaves time for it
                if not due and trainer.world_size == 1:
                    self._save(trainer)
                raise
        self._end_if_told(trainer, reason)

    def _end_if_told(self, trainer: L.Trainer, reason: str | None) -> None:
        reason = trainer.strategy.broadcast(reason)  # all ranks stop, or none
        if reason and not self.complete:
            self.pruned, self.complete = reason, True
            ending.stop(trainer)
            self._save(trainer)

    def finish(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the weights that others leave when a fit has ended, such as the best ones or an average."""
        if not self.ended:
            self.ended = True
            if trainer.is_global_zero and not self.stopped:
                name_too(self.last, self.last.with_name(TRAINED))  # more epochs would go on from there
            self.restored = self.weights != sums(pl_module)
            self.outdated |= trainer.enable_validation and self.restored
            self._save(trainer)

    def _save(self, trainer: L.Trainer) -> None:
        """Save this epoch's checkpoint, unnoticed by the training: a clock has said when."""
        self.count_seconds(fit=True)
        device = trainer.strategy.root_device
        self.hardware = hardware(device.type, trainer.world_size)
        self.asked = sorted({*self.asked, *getattr(trainer, "asked", ())})
        for logger in self._loggers(trainer):
            logger.experiment.flush()  # a trial that goes on from here writes the points after this epoch
        drawn = random_state(device)
        trainer.save_checkpoint(self.last, weights_only=False, storage_options=RESUMABLE)
        set_random_state(drawn, device)  # a hook may draw while it is saved
        self.saved = time.monotonic()
        if trainer.is_global_zero:
            self._keep_best()

    @staticmethod
    def _loggers(trainer: L.Trainer) -> list[TrialLogger]:
        return [logger for logger in trainer.loggers if isinstance(logger, TrialLogger)]

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["epoch"] = self.epochs - 1  # Lightning counts one more at the training's end

    def need_monitor(self) -> None:
        """Raise ValueError if a metric is monitored and none of those that were logged."""
        if self.objective.metric and not logged_name(self.objective.metric, self.history):
            raise ValueError(unlogged(self.objective.metric, self.history))

    def _is_best(self) -> bool:
        """Return whether the last epoch is the best so far, and its checkpoint will be asked for."""
        curve = self.history.get(logged_name(self.objective.metric, self.history), ())
        return self.keeps_best and bool(curve) and self.objective.best(curve)[1] == self.epochs

    def _keep_best(self) -> None:
        if self._is_best():
            name_too(self.last, self.best, wait=False)  # whoever saved it has

    @property
    def state_key(self) -> str:
        return "nnhp_torch.Recorder"

    def state_dict(self) -> dict[str, Any]:
        state = {name: getattr(self, name) for name in GOES_ON}
        sources = self.sources | read_files.read(str(self.folder.parents[1]))
        return {"trial": self.identity, "trainer": self.settings, "sources": sources, **state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        state = UNSAID | state_dict
        vars(self).update(deepcopy({name: state[name] for name in GOES_ON}))
