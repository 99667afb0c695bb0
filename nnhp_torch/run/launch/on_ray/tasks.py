"""Trials as tasks on a Ray cluster that is there already."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nnhp_torch.core.errors import ClusterLost, PreparationError, WrongUsage
from nnhp_torch.core.interfaces import Listener
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.on_ray.head import Head, connected, last_line
from nnhp_torch.run.launch.process import attempt, get_ready, preparation_error
from nnhp_torch.run.resume.isolation import environment_of_one
from nnhp_torch.run.runtime import Build, Runtime

Question = tuple[int, str, int, dict[str, float]]  # its number, the trial's key, the epoch, the metrics
RETRIES = 3  # of a trial that loses its node or process


@dataclass(eq=False)
class RayTasks:
    """Runs each trial as a task on a Ray cluster that is there; results and epochs come to the listener here.

    A trial that loses its node runs on another one, from its last checkpoint if the folder is shared. Every node
    needs this package, and the folder's path: checkpoints and TensorBoard files are written where the trial runs.

    Args:
        build: configuration → (module, data module, callbacks), or its "package.module:function".
        runtime: what the trials share, on one device each; a trial has as many CPUs as threads.
        address: `host:port` of the cluster, or `auto` for one that was started on this machine.
        jobs: trials at a time; default: as many as the cluster's CPUs and GPUs have room for.
    """

    build: Build
    runtime: Runtime
    address: str = "auto"
    jobs: int | None = field(default=None, kw_only=True)

    def __call__(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        first = next(trials, None)
        if first is None:
            return
        with connected(self.address, listener.stopping) as there:
            if not there:
                return
            self.ask = Head().ask
            self.needs = self._needs(first.threads)
            if self._prepared(first, listener):
                self._run(itertools.chain([first], trials), listener)

    def _prepared(self, first: Trial, listener: Listener) -> bool:
        """Return whether the data is at hand on the node that has tried; False if the sweep is to stop."""
        task = ray.remote(_prepare).options(**self.needs).remote(self.build, first, self.runtime)
        while not self.ask(ray.wait, [task], timeout=0.2)[0]:
            if listener.stopping():
                return False
        try:
            error = self.ask(ray.get, task)
        except ClusterLost:
            raise
        except Exception as failure:  # the node cannot even load the task
            reason = last_line(failure)
            raise PreparationError(f"no trial can run there: {reason}. Every node needs this package") from failure
        if error is not None:
            raise error
        return True

    def _run(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        board = ray.remote(Board).options(num_cpus=0, max_concurrency=10_000, scheduling_strategy=here).remote()
        # Not by options(), which would leave out what Ray does of itself: each trial on a GPU has a process of its own.
        train = ray.remote(**self.needs, max_retries=RETRIES, retry_exceptions=[NodeLeaves])(_train)
        running: dict[Any, Trial] = {}
        questions = board.questions.remote()
        waiting = itertools.chain(trials, itertools.repeat(None))
        while not listener.stopping():
            while len(running) < self.ask(self._room) and (trial := next(waiting)) is not None:
                listener.started(trial)
                what = (trial, self.build, self.runtime)
                task = self.ask(train.remote, *what, board=board)
                running[task] = trial
            if not running:
                return
            done, _ = self.ask(ray.wait, [questions, *running], num_returns=1, timeout=0.2)
            for task in done:
                if task == questions:
                    heard = self.ask(ray.get, questions)
                    board.reply.remote(_replies(heard, {t.key: t for t in running.values()}, listener))
                    questions = board.questions.remote()
                else:
                    trial = running.pop(task)
                    listener.ended(trial, self.ask(_result, task, trial))

    def _needs(self, threads: int) -> dict[str, float]:
        """Resources per trial; of a GPU a part, if there are to be more trials at a time than GPUs.

        Raises:
            WrongUsage: no node has as much.
        """
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        wants_gpu = self.runtime.accelerator in ("gpu", "cuda")
        if self.runtime.accelerator == "auto":
            wants_gpu = any(node.get("GPU", 0) >= 1 for node in nodes)
        needs = {"CPU": threads, "GPU": int(wants_gpu)}
        if not any(all(node.get(name, 0) >= count for name, count in needs.items()) for node in nodes):
            raise WrongUsage(f"no node of the Ray cluster has {needs['CPU']} CPU and {needs['GPU']} GPU for a trial")
        there = max(1, int(sum(node.get("GPU", 0) for node in nodes)))
        on_each = -(-(self.jobs or 1) // there)
        return {"num_cpus": needs["CPU"], "num_gpus": needs["GPU"] / on_each}

    def _room(self) -> int:
        """Trials at a time; nodes come and go."""
        if self.jobs is not None:
            return self.jobs
        there = ray.cluster_resources()
        room = there.get("CPU", 0) // self.needs["num_cpus"]
        if self.needs["num_gpus"]:
            room = min(room, there.get("GPU", 0))
        return max(1, int(room))


class Board:
    """An actor on the driver's node: epochs from the trials to the driver, and its replies back."""

    def __init__(self) -> None:
        self.numbers = itertools.count()
        self.unheard: asyncio.Queue[Question] = asyncio.Queue()
        self.open: dict[int, asyncio.Future[str | None]] = {}

    async def ask(self, key: str, epoch: int, metrics: dict[str, float]) -> str | None:
        """Take a trial's epoch; return the reason to end it there, if there is one."""
        number = next(self.numbers)
        self.open[number] = asyncio.get_running_loop().create_future()
        await self.unheard.put((number, key, epoch, metrics))
        return await self.open[number]

    async def questions(self) -> list[Question]:
        """Return the questions since the last call, at least one."""
        heard = [await self.unheard.get()]
        while not self.unheard.empty():
            heard.append(self.unheard.get_nowait())
        return heard

    async def reply(self, replies: Mapping[int, str | None]) -> None:
        """Let those trials go on."""
        for number, reason in replies.items():
            self.open.pop(number).set_result(reason)


def _replies(heard: list[Question], running: Mapping[str, Trial], listener: Listener) -> dict[int, str | None]:
    """Pass the listener's replies on for each epoch that was asked about, unless its trial has ended since."""
    said = {}
    for number, key, epoch, metrics in heard:
        trial = running.get(key)
        said[number] = listener.epoch_ended(trial, epoch, metrics) if trial else None
    return said


class NodeLeaves(RuntimeError):
    """The trial's process was asked to end while the sweep goes on: the trial is for another node."""


def _train(trial: Trial, build: Build, runtime: Runtime, *, board: Any) -> TrialResult | OSError:
    """Train a trial, on whatever node."""

    def on_epoch(epoch: int, metrics: Mapping[str, float]) -> str | None:
        reason: str | None = ray.get(board.ask.remote(trial.key, epoch, dict(metrics)))
        return reason

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's; a KeyboardInterrupt is the trial's own
    with environment_of_one(runtime.environment):
        get_ready()
        try:
            result = attempt(trial, build, runtime, on_epoch=on_epoch)
        except OSError as error:
            return error  # raised here, it would count as the task's failure, and be tried again
    if result.status == "interrupted":
        raise NodeLeaves("the trial's process was asked to end")
    return result


def _prepare(build: Build, trial: Trial, runtime: Runtime) -> PreparationError | None:
    with environment_of_one(runtime.environment):
        return preparation_error(trial, build, runtime)


def _result(task: Any, trial: Trial) -> TrialResult:
    try:
        result: TrialResult | OSError = ray.get(task)
    except RayTaskError as error:  # the task's own, not the cluster's
        why = str(error)
        if isinstance(error.cause, NodeLeaves):
            why = f"{1 + RETRIES} times a signal has stopped it"
        return TrialResult.of(trial, "failed", why)
    except RayError as error:
        return TrialResult.of(trial, "failed", f"lost on the Ray cluster {1 + RETRIES} times: {last_line(error)}")
    if isinstance(result, OSError):
        raise result  # a full disk, which the next trial would find full as well
    return result
