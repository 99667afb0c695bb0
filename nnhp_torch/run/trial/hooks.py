"""What holds for every hook, whoever's it is: a profiler, since that is what Lightning tells of each of them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock
from lightning.pytorch.loops import fetchers
from lightning.pytorch.profilers import PassThroughProfiler

from nnhp_torch.run.resume.loaders import drawing_as


class HookGuard(PassThroughProfiler):
    """Makes an error of a StopIteration in a hook, and has data that are split at random split alike in each stage.

    Lightning would take that error for the end of the data, without a word; and it calls `setup` and `prepare_data`
    anew before a validation and a test: what they draw there by the seed of the process would be another split, with
    validation and test data that have been trained on.

    Trials side by side prepare their data one after another: those of the same data would write one file.

    Args:
        trainer: asked when a hook is called, since it is made after its profiler.
        folder: the sweep's, in which one process at a time prepares its data.
    """

    def __init__(self, trainer: Callable[[], Any], folder: Path) -> None:
        super().__init__()
        self.trainer = trainer
        self.folder = folder
        self._first: dict[str, dict[str, Any]] = {}  # the random state before a hook's first call, by the hook

    def profile(self, action_name: str) -> Any:
        guarded = _guarded(action_name)
        if not guarded.may_split_data:
            return guarded
        trainer = self.trainer()
        things = {"datamodule": trainer.datamodule, "module": trainer.lightning_module}
        both = ExitStack()
        both.enter_context(guarded)
        if action_name.endswith(".prepare_data"):
            both.enter_context(_alone(self.folder))
        both.enter_context(drawing_as(self._first.setdefault(action_name, {}), things, trainer.strategy.root_device))
        return both


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process of the sweep is in here; a lock dies with its process, however that ends."""
    lock = FileLock(folder.with_name(f".{folder.name}.data.lock"))
    with suppress(OSError, NotImplementedError):  # of a file system without locks
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


class _Guarded:
    def __init__(self, action: str) -> None:
        self.action = action
        of_data = action.startswith(("[LightningDataModule]", "[LightningModule]"))
        self.may_split_data = of_data and action.endswith((".setup", ".prepare_data"))

    def __enter__(self) -> str:
        return self.action

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, StopIteration) and not _is_of_the_loader(trace):
            raise RuntimeError(
                f"StopIteration in {self.action.partition(']')[2]}, which Lightning takes for the end of the data: "
                "does it call next() on an iterator that has ended?"
            ) from error


_guarded = cache(_Guarded)  # some two hundred are entered in an epoch of four steps


def _is_of_the_loader(trace: TracebackType | None) -> bool:
    """Return whether it is the end of the data, as a training_step that takes `dataloader_iter` comes to it."""
    return any(frame.f_code.co_filename == fetchers.__file__ for frame, _ in traceback.walk_tb(trace))
