"""Those who listen to a sweep, told in turn: one that raises is named, and costs the sweep nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from nnhp_torch.core.errors import SweepError
from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.files import disk_full
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.trial import Trial


class Listeners:
    """The callbacks of a sweep.

    What one misses of a trial by raising is not told again, but for a trial's end, which is told once more when the
    sweep ends: whoever could not send a result may be able to by then.

    Args:
        callbacks: told in this order.
        log: gets the traceback of the first error in each hook.
    """

    def __init__(self, callbacks: Iterable[SweepCallback], log: Path) -> None:
        self.callbacks = list(callbacks)
        self.log = log
        self._missed: dict[tuple[str, str], list[str]] = {}  # callback, hook → the trials that it has missed
        self._errors: dict[tuple[str, str], str] = {}  # likewise → the first error
        self._ends: list[tuple[SweepCallback, Trial, TrialResult]] = []  # trials' ends that were missed

    def sweep_started(self, outcome: Outcome) -> None:
        """Tell the beginning; an error ends the sweep before anything is done."""
        for callback in self.callbacks:
            callback.on_sweep_start(outcome)

    def trial_started(self, trial: Trial) -> None:
        for callback in self.callbacks:
            self._tell(callback, "on_trial_start", trial)

    def epoch_ended(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None:
        """Tell an epoch; return the first reason to end the trial there, if there is one."""
        answers = [self._tell(callback, "on_epoch_end", trial, epoch, metrics)[1] for callback in self.callbacks]
        return next(filter(None, answers), None)

    def waiting(self, words: str) -> None:
        for callback in self.callbacks:
            self._tell(callback, "on_wait", words)

    def trial_ended(self, trial: Trial, result: TrialResult) -> None:
        for callback in self.callbacks:
            if not self._tell(callback, "on_trial_end", trial, result)[0]:
                self._ends.append((callback, trial, result))

    def tell_again(self) -> list[str]:
        """Tell those trials' ends again that were missed; say what is lost, and of what."""
        told = [end[1].name for end in self._ends if self._tell(end[0], "on_trial_end", *end[1:])[0]]
        return [
            f"{callback} raised in {hook} ({error}; the traceback is in {self.log.name}): "
            + ("told again at the end, it took all" if hook == "on_trial_end" and not lost else f"it has missed {lost}")
            for (callback, hook), error in self._errors.items()
            for lost in [", ".join(dict.fromkeys(name for name in self._missed[callback, hook] if name not in told))]
        ]

    def sweep_ended(self, outcome: Outcome) -> None:
        """Tell the end to all, even if one raises (a progress bar must leave the terminal), then raise the first."""
        each(partial(callback.on_sweep_end, outcome) for callback in self.callbacks)

    def _tell(self, callback: SweepCallback, hook: str, *args: Any) -> tuple[bool, Any]:
        """Whether a callback has taken what it was told, and its answer."""
        try:
            return True, getattr(callback, hook)(*args)
        except Exception as error:
            if disk_full(error) or isinstance(error, SweepError):
                raise
            which = type(callback).__name__, hook
            self._missed.setdefault(which, []).append(getattr(args[0], "name", "words"))
            if which not in self._errors:
                self._errors[which] = traceback.format_exception_only(error)[-1].strip()
                with suppress(OSError), open(self.log, "a") as file:
                    traceback.print_exc(file=file)
            return False, None


def each(actions: Iterable[Callable[[], None]]) -> None:
    """Do all of them, even if one raises, then raise the first error."""
    errors = []
    for action in actions:
        try:
            action()
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]
