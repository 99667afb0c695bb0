"""Processes that are there in a moment: forks of one that has imported what they need.

A process imports torch and Lightning for some seconds. A test that is not about its start saves them: for workers with
the fixture `quick`, for a script with `Script`. How workers really start is shown where `quick` is left out: by the
digits of run/launch/test_launchers.py, by a trial on two devices in run/launch/test_ddp.py, and by the workers of
scripts. How a script really starts is shown by the pages' (test_pages.py), by the wheel's, and wherever a test runs a
command.
"""

from __future__ import annotations

import functools
import importlib.metadata
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, process
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext, ForkProcess, ForkServerContext, ForkServerProcess
from pathlib import Path
from unittest import mock

from pretended import sitecustomize as pretended

LONG = 240  # seconds that nothing healthy takes, on however loaded a machine: for limits that only end what hangs
get_context = multiprocessing.get_context
# For each Trainer that it makes, Lightning reads what all packages say of themselves: as long as a tiny trial's epoch.
importlib.metadata.entry_points = functools.cache(importlib.metadata.entry_points)
IMPORTED = [
    "forked",
    "torch.utils.tensorboard",
    "lightning.pytorch",
    "nnhp_torch.run.trial.run_trial",
    "nnhp_torch.article.experiment",
    *("fsspec.implementations.chained", "torch.utils.serialization"),  # which a first trial would come to
    "warmed",
]


class Process(ForkServerProcess):
    """Has the environment of its start, as a process that is started anew."""

    def start(self) -> None:
        self._args = (dict(os.environ), self._target, *self._args)
        self._target = _run
        super().start()


def _run(environment, target, *args, **options):
    os.environ.clear()
    os.environ.update(environment)
    pretended.pretend(pretended.LIGHTNING, pretended.MACHINE)
    target(*args, **options)


class Context(ForkServerContext):
    Process = Process


CONTEXT = Context()


class Fork(ForkProcess):
    def run(self) -> None:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__  # those of the script may be caught
        super().run()


class ForksContext(ForkContext):
    Process = Fork


FORKS = ForksContext()


def begin() -> None:
    """Start the process that forks, if there is none yet, without the GPUs that the test at hand may pretend."""
    CONTEXT.set_forkserver_preload(IMPORTED)
    with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path))):  # Python 3.11 ignores ours
        os.environ.pop("PRETENDED_GPUS", None)
        forkserver.ensure_running()


@contextmanager
def quick_workers() -> Iterator[None]:
    """Fork here what would be started anew."""
    begin()
    with mock.patch(
        "multiprocessing.get_context", lambda method=None: CONTEXT if method == "spawn" else get_context(method)
    ):
        yield


def fork_workers() -> None:
    """For a script that has imported what its workers need: they are forks of it."""
    multiprocessing.get_context = lambda method=None: FORKS if method == "spawn" else get_context(method)


class Script:
    """Runs a Python file as `python file arguments` does, in a folder and a process group of its own.

    Has what the tests use of subprocess.Popen; among what it prints is what it says on stderr. If it is quick, its
    workers are forks of it.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], *, quick: bool = True
    ) -> None:
        begin()
        reader, writer = CONTEXT.Pipe(duplex=False)
        arguments = (list(command), str(folder), dict(environment), writer, quick)
        self._process = CONTEXT.Process(target=_become, args=arguments)
        self._process.start()
        writer.close()
        self.pid = self._process.pid
        self.stdout = os.fdopen(os.dup(reader.fileno()))

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("the script", timeout)
        return self.returncode

    def communicate(self, timeout: float = LONG) -> tuple[str, str]:
        """All that it prints from now to its end."""
        with self.stdout:
            out = self.stdout.read()
        self.wait(timeout)
        return out, ""

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def clear_away(self) -> None:
        """Kill what still runs of its process group."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self._process.join()
        self.stdout.close()


def _become(command: list[str], folder: str, environment: dict[str, str], output: Connection, quick: bool) -> None:
    """Be what Python is when it starts, and run a file."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    pretended.pretend(pretended.LIGHTNING, pretended.MACHINE)
    for standard in (1, 2):
        os.dup2(output.fileno(), standard)
    output.close()
    # Nobody's child, as far as multiprocessing knows.
    process.ORIGINAL_DIR = folder
    process._parent_process = None
    multiprocessing.set_start_method(None, force=True)
    sys.path[:0] = [folder, *environment.get("PYTHONPATH", "").split(os.pathsep)]
    sys.argv = command
    if quick:
        fork_workers()
    runpy.run_path(command[0], run_name="__main__")
