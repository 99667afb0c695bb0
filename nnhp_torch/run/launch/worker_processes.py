"""The processes that train one trial at a time: started, spoken to, missed when they die, ended."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nnhp_torch.core.errors import PreparationError, WrongUsage
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.messages import Died, RunTrial, Work
from nnhp_torch.run.launch.worker import AGAIN, UNGUARDED, serve
from nnhp_torch.run.resume.isolation import environment_of_one
from nnhp_torch.run.runtime import Build, Runtime

_starting = threading.Lock()  # a process inherits the environment, which all threads share


class Pool:
    """Idle workers, kept from one sweep for the next: a study starts them once. As a context, it ends them."""

    def __init__(self) -> None:
        self._idle: list[Slot] = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        while self._idle:
            self._idle.pop().kill()

    def keep(self, slots: Iterable[Slot]) -> None:
        self._idle += slots

    def slot(self, build: Build, runtime: Runtime, threads: int, *, index: int) -> Slot:
        """Return a worker: one that is idle and was started as this one would be, else a new one."""
        for slot in self._idle:
            if slot.started_as == (runtime.environment, runtime.world_size, threads, index) and slot.ending() is None:
                self._idle.remove(slot)
                slot.work(build, runtime)
                return slot
        return Slot(build, runtime, threads, index=index)


class Slot:
    """The process (one per rank) that trains one trial at a time, and the connection to its first rank."""

    def __init__(self, build: Build, runtime: Runtime, threads: int, *, index: int) -> None:
        self.trial: Trial | None = None
        self.spent = False  # whether a trial has changed global variables there
        self.index = index
        self.folder = runtime.folder
        self.started_as = runtime.environment, runtime.world_size, threads, index
        context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA, nor threads safely
        port = _free_port() if runtime.world_size > 1 else 0
        self.processes = []
        self.connections: list[Connection] = []
        for rank in range(runtime.world_size):
            here, there = context.Pipe()
            environment = {**runtime.environment, **_environment(threads, rank, runtime.world_size, port=port)}
            options = {"index": index, "rank": rank}
            process = context.Process(target=serve, args=(there, build, runtime), kwargs=options)
            with _starting, environment_of_one(environment):
                process.start()
            there.close()
            self.processes.append(process)
            self.connections.append(here)
        self.connection = self.connections[0]

    def handles(self) -> list[Any]:
        return [*self.connections, *(process.sentinel for process in self.processes)]

    def speaking(self) -> Connection | None:
        """Return the connection to a rank that has something to say; to one that has failed before the others mind."""
        return next((connection for connection in reversed(self.connections) if connection.poll()), None)

    def messages(self) -> Iterator[Any]:
        """Yield what its ranks have said by now, and that it has died if it has; nothing more once it is killed."""
        end = self.ending()  # before its last words, which may come until then
        with contextlib.suppress(EOFError, OSError):  # its process has ended, and says so below
            while (connection := self.speaking()) is not None:
                yield connection.recv()
        if end is not None and self.connections:
            yield Died(end)

    def send(self, message: Any) -> None:
        # A worker that has just died cannot be told; its sentinel says so at the next look.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def work(self, build: Build, runtime: Runtime) -> None:
        """Have it train for another sweep."""
        self.folder = runtime.folder
        self.send(Work(build, runtime))

    def run(self, trial: Trial) -> None:
        self.trial = trial
        for connection in self.connections:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send(RunTrial(trial))

    def ending(self) -> str | None:
        """Return how the first of its processes to end has ended, None while all live."""
        codes = [p.exitcode for p in self.processes if not p.is_alive()]
        if not codes:
            return None
        bad = next((code for code in codes if code), codes[0])
        if bad is not None and bad < 0:
            name = signal.Signals(-bad).name
            hint = " (the system kills so when memory runs out)" if name == "SIGKILL" else ""
            how = f"was killed by {name}{hint}"
        else:
            how = f"ended with exit status {bad}"
        log = ResultStore(self.folder).log
        printed = f"; what it printed is in {_shown(log)}" if log.is_file() and log.stat().st_size else ""
        return f"the worker process {how}{printed}"

    def refusal(self, how: str) -> PreparationError:
        """Return why no trial can run, of how its process has ended at its start."""
        if any(process.exitcode == UNGUARDED for process in self.processes):
            return WrongUsage(AGAIN)
        return PreparationError(how)

    def asked_to_end(self) -> bool:
        """Return whether one of its processes was ended by SIGTERM."""
        return any(process.exitcode == -signal.SIGTERM for process in self.processes)

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join()
        while self.connections:
            self.connections.pop().close()


def _environment(threads: int, rank: int, world_size: int, *, port: int) -> dict[str, str]:
    environment = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    environment["PYTHONHASHSEED"] = os.environ.get("PYTHONHASHSEED", "0")  # a set of names has one order everywhere
    if world_size > 1:  # what Lightning reads when its processes are started by somebody else
        environment |= {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "WORLD_SIZE": str(world_size),
            "NODE_RANK": "0",
            "LOCAL_RANK": str(rank),
        }
    return environment


def _shown(path: Path) -> str:
    """Return a path as people like to read it: from the working directory if it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _free_port() -> int:
    """A port that nobody has, below those that the system gives to connections: one of them could take it meanwhile."""
    first = 32768
    with contextlib.suppress(OSError, ValueError):
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    below = range(max(1024, first - 10_000), first)
    for port in random.SystemRandom().sample(below if len(below) > 1000 else range(10_000, 65_536), 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")
