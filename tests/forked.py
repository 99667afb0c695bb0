"""Worker processes that are there in a moment: forks of one process that has imported what they need.

A worker imports torch and Lightning for some seconds. A test that is not about its start saves them with the fixture
`quick`. How workers really start is shown where it is left out: by the digits of run/test_launchers.py, by a trial on
two devices in run/test_ddp.py, and wherever a test runs a command.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from unittest import mock

get_context = multiprocessing.get_context
IMPORTED = ["torch.utils.tensorboard", "lightning.pytorch", "nnhp_torch.run.trial", "nnhp_torch.article.experiment"]


class Process(ForkServerProcess):
    """Has the environment of its start, as a process that is started anew."""

    def start(self) -> None:
        self._args = (dict(os.environ), self._target, *self._args)
        self._target = _run
        super().start()


def _run(environment, target, *args, **options):
    os.environ.clear()
    os.environ.update(environment)
    target(*args, **options)


class Context(ForkServerContext):
    Process = Process


CONTEXT = Context()


@contextmanager
def quick_workers() -> Iterator[None]:
    """Fork here what would be started anew."""
    CONTEXT.set_forkserver_preload(IMPORTED)
    forkserver.ensure_running()
    with mock.patch(
        "multiprocessing.get_context", lambda method=None: CONTEXT if method == "spawn" else get_context(method)
    ):
        yield
