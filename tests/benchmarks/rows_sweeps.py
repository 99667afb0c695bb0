"""Rows about whole sweeps: what comes on top of training, the first sign of life, Keras, a GPU."""

from __future__ import annotations

import dataclasses
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import idx
import own_trial
from options import ROOT, Options
from processes import busiest, interleaved, packed, process
from report import Line, ratios
from timing import Timing

from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.mnist import files as mnist
from nnhp_torch.run.launch.machine import cores
from sweeps.__main__ import CHAIN, load


def prompt(options: Options) -> Iterator[Line]:
    """`python -m sweeps.batch_size` whole, against its longest worker's time in fit."""
    command = ["sweeps.batch_size", "--accelerator", "cpu", "--dataset", options.dataset]
    command += ["--max_epochs", "2"] if options.quick else []
    wall, longest = [], []
    for _ in range(options.few):
        with tempfile.TemporaryDirectory() as folder:
            wall.append(_seconds([*command, "--log_dir", folder]))
            results = list(ResultStore(Path(folder) / "batch_size").results().values())
        results.sort(key=lambda result: result.started)
        takes = packed([result.seconds for result in results], cores())
        longest.append(busiest([result.fit_seconds for result in results], takes))
    yield Line("python -m sweeps.batch_size, from prompt to prompt", wall, "s")
    yield Line("its longest worker's time in fit", longest, "s")
    beyond = [all_of_it - 1.1 * fit for all_of_it, fit in zip(wall, longest, strict=True)]
    yield Line("sweeps.batch_size: prompt to prompt beyond 1.1 × that fit", beyond, "s", "≤ 8")


def first_line(options: Options) -> Iterator[Line]:
    """From Enter to the first epoch's line on a terminal."""
    mnist.fetch(options.dataset, mnist.default_data_dir())

    def lightning() -> float:
        clock = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import lightning"], check=True)
        return time.perf_counter() - clock

    def enter() -> float:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            return _until(
                rb"epoch [1-9]",
                ["sweeps.batch_size", "--accelerator", "cpu", "--dataset", options.dataset, "--log_dir", folder],
            )

    runs = interleaved({"import": lightning, "enter": enter}, options.repeat)
    yield Line("import lightning", runs["import"], "s")
    yield Line("from Enter to the first epoch's line", runs["enter"], "s")
    beyond = [line - once for line, once in zip(runs["enter"], runs["import"], strict=True)]
    yield Line("the first epoch's line after one import lightning", beyond, "s", "≤ 3")


def _until(pattern: bytes, module: Sequence[str]) -> float:
    """Seconds from the start of `python -m …` on a terminal until it shows the pattern; it is killed then."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    clock = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *module],
        cwd=ROOT,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    try:
        while not re.search(pattern, shown):
            shown += os.read(ours, 65536)  # raises when the process has ended without it
        return time.perf_counter() - clock
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)


def keras(options: Options) -> Iterator[Line]:
    """The seven grids, 37 trials, against Keras on TensorFlow."""
    if not _has_keras(options):
        yield Line("the seven grids against Keras: TensorFlow is not installed", [], "")
        return
    trials = grids(options)
    measured = trials if options.full else [dataclasses.replace(trial, max_epochs=4) for trial in trials]
    if options.quick:
        trials, measured = trials[::12], [dataclasses.replace(trial, max_epochs=2) for trial in trials[::12]]
    precisions = ("32-true", "bf16-mixed")

    def whole(timings: Sequence[Timing]) -> list[float]:
        return [timing.whole(trial.max_epochs) for timing, trial in zip(timings, trials, strict=True)]

    def in_keras() -> float:
        return sum(whole(_in_keras(options, measured)))

    def here(precision: str) -> float:
        if options.full:
            with tempfile.TemporaryDirectory() as folder:
                return _seven_grids(options, folder, "--accelerator", "cpu", "--precision", precision)
        with process(own_trial.start, count=cores()) as pool:
            seconds = whole(list(pool.map(own_trial.run, measured, [precision] * len(measured))))
        return busiest(seconds, packed(seconds, cores()))

    contestants = {"keras": in_keras, **{precision: lambda p=precision: here(p) for precision in precisions}}
    runs = interleaved(contestants, 1 if options.full else options.few)
    how = "" if options.full else f", from {measured[0].max_epochs} epochs of each"
    yield Line(f"{len(trials)} trials of the seven grids in Keras{how}", runs["keras"], "s")
    for precision, goal in zip(precisions, (0.5, 0.33), strict=True):
        yield Line(f"the same here, {precision}, --jobs {cores()}", runs[precision], "s")
        yield Line(f"{precision} over Keras", ratios(runs[precision], runs["keras"]), "×", f"≤ {goal}")


def small(options: Options) -> Iterator[Line]:
    """Small batches, two trials side by side, against Keras."""
    if not _has_keras(options):
        yield Line("small batches against Keras: TensorFlow is not installed", [], "")
        return
    with process(own_trial.start) as one, process(own_trial.start) as other:
        for batch_size in (512,) if options.quick else (512, 128, 32):
            config = options.trial(batch_size, 3)

            def here(config: Any = config) -> float:
                futures = [where.submit(own_trial.run, config) for where in (one, other)]
                return 1 / sum(1 / future.result().per_epoch for future in futures)

            def in_keras(config: Any = config) -> float:
                return _in_keras(options, [config])[0].per_epoch

            runs = interleaved({"keras": in_keras, "here": here}, options.few)
            yield Line(f"batch {batch_size}: Keras, an epoch", runs["keras"], "s")
            yield Line(f"batch {batch_size}: two trials side by side, an epoch of one", runs["here"], "s")
            yield Line(f"batch {batch_size}: over Keras", ratios(runs["here"], runs["keras"]), "×", "≤ 0.4")


def _has_keras(options: Options) -> bool:
    found = subprocess.run([options.keras_python, "-c", "import tensorflow, keras"], capture_output=True)
    return found.returncode == 0


def grids(options: Options) -> list[Any]:
    """The configurations of the article's seven grids."""
    flags = {"protocol": "article", "dataset": options.dataset}
    return [trial.config for name in CHAIN for trial in load(name, {}, flags).trials()]


def _in_keras(options: Options, trials: Sequence[Any]) -> list[Timing]:
    folder = mnist.default_data_dir()
    mnist.fetch(options.dataset, folder)
    with tempfile.TemporaryDirectory() as plain:
        idx.write([idx.encode(array) for array in mnist.load(options.dataset, folder)], Path(plain))
        done = subprocess.run(
            [options.keras_python, str(Path(__file__).with_name("keras_port.py"))],
            input=json.dumps({"folder": plain, "trials": [dataclasses.asdict(trial) for trial in trials]}),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""},
        )
    return [Timing(ends, ends[-1]) for ends in json.loads(done.stdout)["ends"]]


def gpu(options: Options) -> Iterator[Line]:
    """The seven grids whole on one GPU."""
    import torch

    if not torch.cuda.is_available():
        yield Line("the seven grids on a GPU: there is none", [], "")
        return
    seconds = []
    for _ in range(options.few):
        with tempfile.TemporaryDirectory() as folder:
            seconds.append(_seven_grids(options, folder, "--accelerator", "gpu", "--jobs", str(options.gpu_jobs)))
    yield Line(f"the seven grids whole on one GPU, --jobs {options.gpu_jobs}", seconds, "s", "≤ 60")


def _seven_grids(options: Options, folder: str, *flags: str) -> float:
    command = ["sweeps", "--protocol", "article", "--dataset", options.dataset, "--only", f"[{', '.join(CHAIN)}]"]
    command += ["--max_epochs", "2"] if options.quick else []
    return _seconds([*command, "--log_dir", folder, *flags])


def _seconds(module: Sequence[str]) -> float:
    """Time `python -m …`, from prompt to prompt."""
    clock = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", *module], cwd=ROOT, capture_output=True, text=True)
    seconds = time.perf_counter() - clock
    if done.returncode:
        raise RuntimeError(f"{' '.join(module)} ended with exit status {done.returncode}:\n{done.stdout}{done.stderr}")
    return seconds
