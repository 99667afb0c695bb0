"""A trial that goes on from the checkpoint of the same one with fewer epochs, as if that had been stopped there.

It does so if it comes to the digits of one that never stopped: neither what `build` makes, nor any code that the
training runs may know how many epochs there are to be.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint

from nnhp_torch.core.ledger.checkpoints import BEST, LAST, TRAINED, acquire, checkpoint_folder, owner, usable
from nnhp_torch.core.ledger.files import name_too
from nnhp_torch.core.spec.trial import Trial, same
from nnhp_torch.run.resume.difference import difference
from nnhp_torch.run.resume.generators import seed_all
from nnhp_torch.run.resume.isolation import isolated
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.setup import Setup, setup_of
from nnhp_torch.run.trial.recorder import Recorder
from nnhp_torch.run.trial.saving import AtomicCheckpointIO

# Code that has to know the number of epochs and computes nothing by it; callbacks of Lightning's do.
_LIGHTNING = L.Trainer.__module__.removesuffix("trainer.trainer")
_MACHINERY = (_LIGHTNING, "nnhp_torch.run.")
_NO_MACHINERY = (f"{_LIGHTNING}callbacks.", f"{_LIGHTNING}demos.")


class Trainer(L.Trainer):
    """Lightning's; it notes in `asked` who asks it for the number of epochs."""

    @property
    def max_epochs(self) -> int | None:
        """As Lightning's; also asked by whoever asks for the estimated number of steps."""
        if who := _asking(sys._getframe(1)):
            vars(self).setdefault("asked", set()).add(who)  # no __init__, because Lightning reads its signature
        return super().max_epochs

    @property
    def checkpoint_callback(self) -> Checkpoint | None:
        """The project's own, or one like Lightning's default: the sweeper's has no `best_model_path`."""
        first = super().checkpoint_callback
        return _stand_in(first) if isinstance(first, Recorder) else first


def _asking(frame: FrameType | None) -> str:
    """Return the function that asks; empty if that is part of the machinery."""
    while frame is not None and frame.f_globals.get("__name__") == L.Trainer.__module__:
        frame = frame.f_back
    module = frame.f_globals.get("__name__", "") if frame else ""
    if frame is None or (module.startswith(_MACHINERY) and not module.startswith(_NO_MACHINERY)):
        return ""
    owner = type(frame.f_locals["self"]).__name__ if "self" in frame.f_locals else module
    return getattr(frame.f_code, "co_qualname", f"{owner}.{frame.f_code.co_name}")  # there from Python 3.11 on


def _stand_in(recorder: Recorder) -> ModelCheckpoint:
    """Return what a project without a ModelCheckpoint finds: Lightning's default one, which has saved this."""
    made = ModelCheckpoint(recorder.folder)
    made.best_model_path = str(recorder.last) if recorder.last.exists() else ""
    return made


class Lengthening:
    """The way of a trial from the checkpoint of a shorter one to its own.

    Args:
        trial: the longer one; it names the shorter one, if there is any.
        build: makes both: the shorter one now, before the other has drawn any random number.
        runtime: where the folders of both are.
    """

    def __init__(self, trial: Trial, build: Callable[[Any], Any], runtime: Runtime) -> None:
        self.trial = trial
        self.folder = checkpoint_folder(runtime.folder, trial.name)
        self.runtime = runtime
        self.made: Setup | None = None  # the shorter one, if its checkpoint is here
        its_own = same(owner(self.folder), trial.identity) and (self.folder / LAST).exists()
        self.shorter = None if its_own else trial.shorter
        if self.shorter is not None and self._source().is_dir():
            with isolated():
                seed_all(trial.config.seed, -1, 0)
                self.made = setup_of(build(self.shorter.config))

    def go_on(self, setup: Setup, recorder: Recorder) -> bool:
        """Make of the shorter trial's checkpoint this one's, or note why it cannot be.

        Args:
            setup: what build has made of the longer one.
            recorder: the longer one's.
        """
        if self.shorter is None:
            return False
        source = self._source()
        earlier = Recorder(source, self.shorter.identity, recorder.objective)
        earlier.settings, earlier.sources = recorder.settings, recorder.sources
        if (trained := source / TRAINED).exists():
            earlier.last = trained
        checkpoint = earlier.resume(self.shorter.config.max_epochs)
        if why := self._why_not(setup, earlier, checkpoint):
            epochs = self.shorter.config.max_epochs
            recorder.note(f"started over, although {epochs} of its epochs were trained before: {why}")
            return False
        reason = _replay(earlier, recorder)
        checkpoint["epoch"] = earlier.epochs - 1
        state = checkpoint["callbacks"][recorder.state_key]
        state |= {
            "trial": recorder.identity,
            "history": earlier.history,
            "complete": earlier.stopped or bool(reason),
            "ended": True,
            "seconds": 0.0,
            "fit_seconds": 0.0,
            "pruned": reason,
            "notes": [
                *state["notes"],
                *self._begin_anew(setup, checkpoint),
                *self._claim(earlier.epochs),
            ],
        }
        AtomicCheckpointIO().save_checkpoint(checkpoint, recorder.last)
        if (best := self._source() / BEST).exists():
            name_too(best, recorder.best)
        return True

    def _source(self) -> Path:
        """Return where the shorter trial's checkpoints are; if they are not here, no folder of that name is."""
        assert self.shorter is not None
        place = checkpoint_folder(self.runtime.folder, self.shorter.name)
        return usable(place, self.shorter.identity) or place / "none"

    def _why_not(self, setup: Setup, earlier: Recorder, checkpoint: dict[str, Any]) -> str:
        """Say why this is no way to the same digits; empty if it is one."""
        if self.runtime.world_size > 1:
            return "a trial on several devices is not trained longer"
        if self.made is None:
            return "its checkpoint is not on this machine"
        parts = ("module", "data", "callbacks", "trainer")
        one, other = ({name: getattr(made, name) for name in parts} for made in (self.made, setup))
        self.made = None
        if found := difference(one, other):
            return f"{found}, of which the training may make use"
        if not checkpoint:
            return (earlier.notes or ["its checkpoint is another trial's"])[0].removeprefix("started over: ")
        if earlier.asked:
            return f"{' and '.join(earlier.asked)} asked for the number of epochs"
        return ""

    def _begin_anew(self, setup: Setup, checkpoint: dict[str, Any]) -> list[str]:
        """Have build's ModelCheckpoints begin anew, else they remove files of the shorter trial's; say so in words."""
        known = [
            checkpoint["callbacks"].pop(c.state_key, None) for c in setup.callbacks if isinstance(c, ModelCheckpoint)
        ]
        return ["trained on, may differ: its ModelCheckpoint knows the epochs since then alone"] if any(known) else []

    def _claim(self, epochs: int) -> list[str]:
        """Make the folder this trial's own; in words, what has come of it."""
        elsewhere = self._source() != self.folder
        moved = acquire(self.folder, self.trial.identity)
        note = f"its first {epochs} epochs were trained before, in a shorter trial; the seconds are those of the others"
        return [note, *([moved] if moved and elsewhere else [])]


def _replay(earlier: Recorder, recorder: Recorder) -> str:
    """Tell the shorter trial's epochs to whoever listens; a reason to end it at one leaves only those until then."""
    last = earlier.epochs
    for epoch, reason in recorder.retell(earlier.history):
        if reason and not (earlier.stopped and epoch == last):
            earlier.history = {name: curve[:epoch] for name, curve in earlier.history.items()}
            return reason
    return ""
