"""Rows about training itself: against the usual port, a bare loop, the machine's ceiling; side by side; memory."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import bare_loop
import matmul
import own_trial
import usual_port
from options import Options
from processes import interleaved, process
from report import Line, ratios

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.machine import cores
from nnhp_torch.run.launch.workers import Workers
from nnhp_torch.run.runtime import Runtime

BATCH_SIZES = (30_000, 2_000)
PRECISIONS = ("32-true", "bf16-mixed")


def usual(options: Options) -> Iterator[Line]:
    """Seconds an epoch against the usual port: one trial on one thread, and two side by side."""
    with ExitStack() as stack:
        port = stack.enter_context(process())
        one, other = (stack.enter_context(process(own_trial.start)) for _ in range(2))
        for precision, batch_size in itertools.product(PRECISIONS, BATCH_SIZES):
            config = options.trial(batch_size, 10)
            loading = (usual_port.run, options.dataset, batch_size, 2 if options.quick else 4)
            runs = interleaved(
                {
                    "usual port, no workers": partial(_per_epoch, [port], *loading, 0, precision),
                    "usual port, 2 workers": partial(_per_epoch, [port], *loading, 2, precision),
                    "one trial": partial(_per_epoch, [one], own_trial.run, config, precision),
                    "two trials side by side": partial(_per_epoch, [one, other], own_trial.run, config, precision),
                },
                options.repeat,
            )
            case = f"batch {batch_size}, {precision}"
            for name, seconds in runs.items():
                yield Line(f"{case}: {name}, an epoch", seconds, "s")
            best = min(list(runs.values())[:2], key=median)
            goal = 6 if precision == "32-true" else 8
            yield Line(f"{case}: one trial is faster by", ratios(best, runs["one trial"]), "×", f"≥ {goal}")
            side_by_side = ratios(best, runs["two trials side by side"])
            yield Line(f"{case}: two side by side, trials per minute by", side_by_side, "×", f"≥ {2 * goal}")


def _per_epoch(processes: list[Any], run: Any, *arguments: Any) -> float:
    """Seconds an epoch; two processes that take a second each count as half a second."""
    futures = [p.submit(run, *arguments) for p in processes]
    return 1 / sum(1 / future.result().per_epoch for future in futures)


def bare(options: Options) -> Iterator[Line]:
    """A trial with all of its logging against a bare loop over the same chunks, and against Trainer.fit alone."""
    runs = {"bare loop": bare_loop.run, "Trainer.fit": own_trial.without_sweeper, "trial": own_trial.run}
    with ExitStack() as stack:
        where = {name: stack.enter_context(process(own_trial.start)) for name in runs}
        for precision, batch_size in (*itertools.product(PRECISIONS, BATCH_SIZES), ("32-true", 128)):
            goal = 1.15 if batch_size in BATCH_SIZES else 1.25
            config = options.trial(batch_size, 20 if batch_size in BATCH_SIZES else 4)
            contestants = {name: partial(_fit, where[name], run, config, precision) for name, run in runs.items()}
            interleaved(contestants, 1)  # what happens once in a process
            took = interleaved(contestants, options.repeat)
            case = f"batch {batch_size}, {precision}"
            for name, seconds in took.items():
                yield Line(f"{case}: {name}, an epoch", seconds, "s")
            yield Line(f"{case}: Trainer.fit over bare loop", ratios(took["Trainer.fit"], took["bare loop"]), "×")
            yield Line(f"{case}: trial over bare loop", ratios(took["trial"], took["bare loop"]), "×", f"≤ {goal}")


def _fit(where: Any, run: Any, config: Any, precision: str) -> float:
    """Seconds an epoch, with all that a fit has to do beside its epochs."""
    timing = where.submit(run, config, precision).result()
    return timing.fit / config.max_epochs


def host(options: Options) -> Iterator[Line]:
    """CPU time beside the arithmetic: a trial of a tiny network, against Trainer.fit with a logger."""
    spent: dict[tuple[str, int], list[float]] = {}
    with process(own_trial.start) as trial, process(own_trial.start) as plain:
        for steps, epochs in ((4, 100), (200, 10)):
            epochs = 2 if options.quick else epochs
            contestants = {
                "trial": lambda case=(steps, epochs): trial.submit(own_trial.host, *case).result(),
                "Trainer.fit": lambda case=(steps, epochs): plain.submit(own_trial.host, *case, plain=True).result(),
            }
            interleaved(contestants, 1)
            for name, seconds in interleaved(contestants, options.repeat).items():
                spent[name, steps] = seconds
                yield Line(f"{name}: an epoch of {steps} steps", seconds, "s")
    epoch = ratios(spent["trial", 4], spent["Trainer.fit", 4])
    yield Line("host: an epoch of 4 steps, over Trainer.fit", epoch, "×", "≤ 1.3")
    of_steps = {
        name: [many - few for few, many in zip(spent[name, 4], spent[name, 200], strict=True)]
        for name in ("trial", "Trainer.fit")
    }
    step = ratios(of_steps["trial"], of_steps["Trainer.fit"])
    yield Line("host: a step, over Trainer.fit", step, "×", "≤ 1.1")


def efficiency(options: Options) -> Iterator[Line]:
    """FLOP/s in matrix products of one trial per core, over what the same cores can do."""
    config = options.trial(30_000, 10)
    width = config.n_nodes
    flops = matmul.training_flops([784, *[width] * (1 + config.n_layers), 10], 60_000, 10_000)
    with ExitStack() as stack:
        processes = [stack.enter_context(process(own_trial.start)) for _ in range(cores())]

        def trials() -> float:
            futures = [p.submit(own_trial.run, config) for p in processes]
            return sum(flops / future.result().per_epoch for future in futures) / 1e9

        def ceiling() -> float:
            return sum(f.result() for f in [p.submit(matmul.ceiling) for p in processes]) / 1e9

        runs = interleaved({"trials": trials, "ceiling": ceiling}, options.repeat)
    yield Line("fastest float32 matrix products of all cores", runs["ceiling"], "GFLOP/s")
    yield Line("batch 30000, 32-true: one trial per core, in its matrix products", runs["trials"], "GFLOP/s")
    yield Line("matrix products: share of the fastest", ratios(runs["trials"], runs["ceiling"]), "", "≥ 0.62")


def jobs(options: Options) -> Iterator[Line]:
    """--jobs 2 against --jobs 1 through the real launcher, one thread each."""
    config = options.trial(30_000, 10)
    runs = interleaved({str(n): partial(_launched, config, n, 13) for n in (1, 2)}, options.few)
    for n, results in runs.items():
        yield Line(f"--jobs {n}", [minute for minute, _ in results], "trials/min")
    first, second = ([minute for minute, _ in results] for results in runs.values())
    yield Line("--jobs 2 over --jobs 1", ratios(second, first), "×", "≥ 1.85")
    digits = [repr(history) for results in runs.values() for _, histories in results for history in histories]
    same = digits.count(digits[0]) / len(digits)
    yield Line("--jobs 1 and 2: share of trials with the same digits", [same], "", "≥ 1")


def _launched(config: Any, count: int, trials: int) -> tuple[float, list[Any]]:
    """Trials per minute, and what each measured, once every worker has had a trial to warm up.

    Counted from the end of the first trial, so that an odd number of them makes whole rounds of two workers, however
    far one is behind the other.
    """
    listener = _Clock()
    names = [f"warm-up-{i}" for i in range(count)] + [f"trial-{i}" for i in range(trials)]
    with tempfile.TemporaryDirectory() as folder:
        launch = Workers("nnhp_torch.article.experiment:build", Runtime(folder, accelerator="cpu"), count)
        launch((Trial("benchmark", config, {}, name) for name in names), listener)
    return 60 * (trials - 1) / (listener.last - listener.first), [(r.history, r.test) for r in listener.results]


class _Clock:
    """Listens to a launcher: from the end of the first measured trial to the end of the last."""

    def __init__(self) -> None:
        self.first = self.last = 0.0
        self.results: list[TrialResult] = []

    def started(self, trial: Trial) -> None:
        pass

    def epoch_ended(self, *_: Any) -> None:
        pass

    def ended(self, trial: Trial, result: TrialResult) -> None:
        if not result.settled:
            raise RuntimeError(result.reason)
        self.last = perf_counter()
        if not self.first and not trial.name.startswith("warm-up"):
            self.first = self.last
        self.results.append(result)

    def stopping(self) -> bool:
        return False


def memory(options: Options) -> Iterator[Line]:
    """A worker over 50 trials of one epoch."""
    trials, settled = (3, 2) if options.quick else (50, 10)
    config = options.trial(2_000, 1)
    with process(own_trial.start) as worker:
        after, above = worker.submit(own_trial.memory, config, trials).result()
    after, above = after[settled - 1 :], above[settled - 1 :]
    yield Line(f"resident memory of a worker after each of trials {settled} to {trials}", after, "MB")
    yield Line("memory: growth of a worker over these trials", [after[-1] - after[0]], "MB", "≤ 10")
    # The training images are 47 MB as bytes, 188 MB as float32: a copy would show.
    yield Line("memory: what a trial at batch 2000 needs beside that", above, "MB", "≤ 47")
