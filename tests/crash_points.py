"""Every point at which a sweep may be stopped, and what a rerun makes of it.

A point is an operation of the driver or of a worker: a write (one to the end of a file twice: before it and half way),
an fsync, a rename, an unlink, …, a message between processes, the beginning and the end of a hook. What a kill of all
processes leaves is what is on the disk at that moment. So one run is enough to note it for every point: operations wait
for one another, and the folder is kept as it is before each. A rerun from each different state must then come to the
results of a run that was not stopped. Where processes live on (a worker alone is killed, or Ctrl-C comes), a run of its
own is stopped at the point.

Everything happens in forks of a process that has imported what they need, and pictures are not drawn.
"""

from __future__ import annotations

import builtins
import contextlib
import fcntl
import functools
import hashlib
import io
import json
import multiprocessing
import multiprocessing.connection
import os
import re
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

OPERATIONS = ("fsync", "replace", "rename", "link", "unlink", "remove", "mkdir", "rmdir", "open", "truncate")
SWEEP_HOOKS = ("on_sweep_start", "on_trial_start", "on_epoch_end", "on_trial_end", "on_sweep_end")
PLAIN = {name: getattr(os, name) for name in OPERATIONS}
OPEN = io.open


class Points:
    """Counts the operations of a run in all its processes, and does something before each.

    Args:
        folder: the operations on what lies there count.
        before: called with the operation in words, while all other processes wait.
        seconds: between two checkpoints of a trial: one after each epoch, or the first and the last alone, so that
            each run has as many operations.
    """

    def __init__(self, folder: Path, before: Callable[[str], None], seconds: float = -1.0) -> None:
        self.folder = str(folder)
        self.seconds = seconds
        self.before = before
        self.gate = OPEN(f"{folder}.gate", "w")
        self.turn = threading.RLock()
        self.depth = 0
        self.driver = os.getpid()
        os.register_at_fork(after_in_child=self._anew)

    def _anew(self) -> None:
        self.turn, self.depth = threading.RLock(), 0

    @property
    def role(self) -> str:
        return "driver" if os.getpid() == self.driver else "worker"

    @contextlib.contextmanager
    def at(self, what: str) -> Iterator[None]:
        """Wait for one's turn; the operation is done before the next one's."""
        with self.turn:
            if self.depth == 0:
                fcntl.lockf(self.gate, fcntl.LOCK_EX)
            self.depth += 1
            try:
                if self.depth == 1:
                    self.before(f"{self.role} {what}")
                yield
            finally:
                self.depth -= 1
                if self.depth == 0:
                    fcntl.lockf(self.gate, fcntl.LOCK_UN)

    def around(self, function: Any, what: str) -> Any:
        """A hook or a message: a point before it and one after it, none of which keeps the others waiting."""

        @functools.wraps(function)
        def wrapped(*args: Any, **options: Any) -> Any:
            with self.at(f"{what} begins"):
                pass
            try:
                return function(*args, **options)
            finally:
                with self.at(f"{what} ends"):
                    pass

        return wrapped

    def _counts(self, path: object) -> bool:
        return isinstance(path, (str, os.PathLike)) and os.path.abspath(path).startswith(f"{self.folder}/")

    def install(self, *, hooks_of_fits: bool = True) -> None:
        """Have this process, and those that it forks, stop at each operation."""
        import lightning.pytorch.trainer.call as calls

        from nnhp_torch.core.sweeper import Sweeper
        from nnhp_torch.run.trial import recorder

        recorder.SECONDS = self.seconds

        for name in OPERATIONS:
            setattr(os, name, self._operation(name))
        io.open = builtins.open = self._open
        for name in ("send", "recv"):
            kind = multiprocessing.connection.Connection
            setattr(kind, name, self.around(getattr(kind, name), f"message {name}"))
        for name in ("_call_callback_hooks", "_call_lightning_module_hook") if hooks_of_fits else ():
            setattr(calls, name, self.around(getattr(calls, name), name))
        made = Sweeper.__init__

        def make(sweeper: Any, *args: Any, **options: Any) -> None:
            made(sweeper, *args, **options)
            for callback in sweeper.callbacks:
                for name in SWEEP_HOOKS:
                    what = f"{type(callback).__name__}.{name}"
                    setattr(callback, name, self.around(getattr(callback, name), what))

        Sweeper.__init__ = make

    def _operation(self, name: str) -> Callable[..., Any]:
        plain = PLAIN[name]

        @functools.wraps(plain)
        def operation(*args: Any, **options: Any) -> Any:
            if name == "open" and not args[1] & (os.O_WRONLY | os.O_RDWR):
                return plain(*args, **options)
            if name != "fsync" and not any(map(self._counts, args[:2])):
                return plain(*args, **options)
            with self.at(f"{name} {os.path.basename(str(args[0]))}"):
                return None if name == "fsync" else plain(*args, **options)  # the machine stays up

        return operation

    def _open(self, file: Any, mode: str = "r", buffering: int = -1, *text: Any, **options: Any) -> Any:
        if not set(mode) & set("wxa+") or not self._counts(file):
            return OPEN(file, mode, buffering, *text, **options)
        with self.at(f"open {os.path.basename(file)}"):
            raw = _File(file, mode, self)
        if buffering == 0:
            return raw
        binary = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return binary if "b" in mode else io.TextIOWrapper(binary, *text, **options)


class _File(io.FileIO):
    """A file whose writes are points; io's buffers write through it."""

    def __init__(self, path: Any, mode: str, points: Points) -> None:
        super().__init__(path, mode.replace("b", "").replace("t", ""))
        self.points, self.what, self.appends = points, os.path.basename(path), "a" in mode

    def write(self, data: Any) -> int:
        data = memoryview(data).cast("B")
        done = 0
        if self.appends:
            with self.points.at(f"write {self.what}"):
                done = super().write(data[: len(data) // 2]) or 0
        with self.points.at(f"write {self.what}"):
            return done + (super().write(data[done:]) or 0)

    def truncate(self, size: int | None = None) -> int:
        with self.points.at(f"truncate {self.what}"):
            return super().truncate(size)


def stack() -> str:
    """Where in our code this thread is: module and line of each of its calls, the innermost first."""
    frame, places = sys._getframe(1), []
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("nnhp_torch."):
            places.append(f"{module.removeprefix('nnhp_torch.')}:{frame.f_lineno}")
        frame = frame.f_back
    return " ".join(places)


# What is another in each run and nothing to the next one: times, and who wrote.
PASSING = re.compile(rb'\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:[\d.]+)?(\+00:00)?|\d\d:\d\d:\d\d UTC|"worker_id": ?"[^"]*"')


def content(folder: Path) -> str:
    """A digest of all that a rerun can see of a folder: the same for two runs that differ in their times alone."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        name, data = str(path.relative_to(folder)), b""
        if path.name.startswith("events.out."):
            name = f"{path.parent.relative_to(folder)}/events"
            events = [[event.step, str(event.summary)] for event in EventFileLoader(str(path)).Load()]
            data = json.dumps([path.stat().st_size, *events]).encode()
        elif path.is_file():
            data = PASSING.sub(b"", path.read_bytes())
        found.setdefault(name, []).append(hashlib.sha256(data).hexdigest())
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:20]


class Snapshots:
    """Keeps what is in a folder at each point, each content once."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder, self.store = folder, store
        self.known: dict[str, tuple[Any, str]] = {}
        self.last = multiprocessing.RawArray("c", 20)  # the state at the last point of any process,
        store.mkdir()

    def take(self, what: str) -> None:
        if not self.last.value:  # unless the disk is no longer what it was then
            self.last.value = self._state().encode()
        with OPEN(self.store / "points", "a") as file:
            file.write(f"{self.last.value.decode()} {what}\t{stack()}\n")
        if not what.endswith((" begins", " ends")):
            self.last.value = b""

    def _state(self) -> str:
        text = json.dumps(sorted(self._look(str(self.folder))))
        name = hashlib.sha256(text.encode()).hexdigest()[:20]
        if not os.path.exists(self.store / name):
            with OPEN(self.store / name, "w") as file:
                file.write(text)
        return name

    def _look(self, folder: str) -> Iterator[tuple[str, str]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                path = os.path.relpath(entry.path, self.folder)
                if entry.is_dir(follow_symlinks=False):
                    yield path, ""
                    yield from self._look(entry.path)
                else:
                    found = entry.stat()
                    sign = found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
                    if self.known.get(path, (None,))[0] != sign:
                        self.known[path] = sign, self._keep(entry.path)
                    yield path, self.known[path][1]

    def _keep(self, path: str) -> str:
        with OPEN(path, "rb") as file:
            content = file.read()
        name = "blob-" + hashlib.sha256(content).hexdigest()[:20]
        if not os.path.exists(self.store / name):
            with OPEN(self.store / name, "wb") as file:
                file.write(content)
        return name

    def points(self) -> list[tuple[str, str, str]]:
        """Each point's state, the operation that came next, and where in our code it stands."""
        lines = (self.store / "points").read_text().splitlines()
        return [(*line.partition("\t")[0].split(" ", 1), line.partition("\t")[2]) for line in lines]

    def restore(self, name: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        for path, blob in json.loads((self.store / name).read_text()):
            if blob:
                shutil.copyfile(self.store / blob, folder / path)
            else:
                (folder / path).mkdir()


def in_a_fork(function: Callable[[], Any]) -> Any:
    """What a function gives in a process of its own; how that has ended if it gives nothing."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.setpgid(0, 0)
            answer = json.dumps(function())
        except BaseException:
            answer = json.dumps(traceback.format_exc())
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with OPEN(reader, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return json.loads(answer) if answer else f"ended with {os.waitstatus_to_exitcode(status)}"
