"""Ctrl-C, SIGTERM, SIGKILL: a sweep ends as asked, and goes on to the same digits when run again."""

import asyncio
import json
import os
import random
import signal
import time

import psutil
import pytest
import toy
from conftest import LONG, TinyConfig, environment
from forked import Script

from nnhp_torch.cli import main as cli
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.run.launch.process import attempt
from nnhp_torch.run.launch.workers import InProcess
from nnhp_torch.run.runtime import Runtime

SCRIPT = """
import sys, time
from conftest import TinyConfig
from nnhp_torch.cli.main import main
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.report.figure.callback import FigureReport

def tidy_up_long(self, outcome):
    print("tidying up", flush=True)
    time.sleep(1000)

if __name__ == "__main__":
    epochs, build = int(sys.argv.pop(1)), sys.argv.pop(1)
    if "--tidy_up_long" in sys.argv:
        sys.argv.remove("--tidy_up_long")
        FigureReport.on_sweep_end = tidy_up_long
    main(Sweep("tiny", TinyConfig(max_epochs=epochs), {"lr": [0.1, 0.01, 0.001]}, build=build))
"""


@pytest.fixture
def start(tmp_path):
    """Starts a sweep of some epochs in a process group of its own, and clears it away in the end."""
    started = []

    def popen(*options, epochs=1_000_000, build="toy:build", quick=True):
        (tmp_path / "sweep.py").write_text(SCRIPT)
        command = ["sweep.py", str(epochs), build, "--accelerator", "cpu", "--jobs", "1", *options]
        process = Script(command, tmp_path, environment(), quick=quick)
        started.append(process)
        return process

    popen.folder = tmp_path / "lightning_logs" / "tiny"
    yield popen
    for process in started:
        process.clear_away()


def _records(folder):
    path = folder / "results.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _wait(condition, process):
    end = time.monotonic() + LONG
    while not condition():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def _wait_for_trials(folder, process, count=1, since=0.0):
    """Until so many trials have saved a checkpoint, since some time."""
    last = "*/checkpoints/last.ckpt"
    _wait(lambda: sum(path.stat().st_mtime > since for path in folder.glob(last)) >= count, process)


def _workers(process):
    return psutil.Process(process.pid).children(recursive=True)


def _assert_gone(workers):
    assert workers
    assert not psutil.wait_procs(workers, timeout=LONG)[1], "no worker is left"


@pytest.mark.parametrize(
    ("number", "to_all", "status", "jobs"),
    [
        (signal.SIGINT, True, 130, 2),
        (signal.SIGTERM, False, 143, 1),
        pytest.param(signal.SIGTERM, True, 143, 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, True, 130, 2, marks=pytest.mark.slow),
    ],
    ids=["Ctrl-C", "SIGTERM", "SIGTERM to the group", "Ctrl-C, workers started as a user's"],
)
def test_a_signal_ends_the_sweep_tidily_and_running_trials_are_interrupted(
    start, number, to_all, status, jobs, request
):
    process = start("--jobs", str(jobs), quick="user" not in request.node.callspec.id)
    _wait_for_trials(start.folder, process, jobs)
    workers = _workers(process)
    os.killpg(process.pid, number) if to_all else process.send_signal(number)
    out, _ = process.communicate(timeout=LONG)
    assert process.returncode == status, out
    assert [record["status"] for record in _records(start.folder)] == ["interrupted"] * jobs
    assert "Interrupted: 3 trials left" in out
    assert "Traceback" not in out
    _assert_gone(workers)


def test_a_signal_while_the_data_is_prepared_ends_the_sweep_before_any_trial(start):
    process = start(build="toy:build_preparing_long")
    _wait((start.folder.parent.parent / "preparing").exists, process)
    workers = _workers(process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=LONG)
    assert process.returncode == 143, out
    assert _records(start.folder) == []
    assert "Traceback" not in out
    _assert_gone(workers)


def test_a_second_signal_ends_at_once_even_the_tidy_end_of_the_first(start):
    process = start("--tidy_up_long")
    _wait_for_trials(start.folder, process)
    workers = _workers(process)
    process.send_signal(signal.SIGINT)
    while process.stdout.readline() != "tidying up\n":
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=LONG) == 130, "the tidy end takes longer"
    assert [record["status"] for record in _records(start.folder)] == ["interrupted"]
    _assert_gone(workers)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_in_this_process_too_a_signal_ends_the_sweep_after_the_epoch(tmp_path, number, status, capsys):
    sweep = Sweep("tiny", TinyConfig(max_epochs=50), {"width": [int(number), 99]}, build=toy.build_signalling)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as raised:
        cli.main(sweep, argv=["--jobs", "0", "--accelerator", "cpu", "--log_dir", str(tmp_path)])
    assert raised.value.code == status
    assert [(r["status"], len(r["history"]["val_loss"])) for r in _records(tmp_path / "tiny")] == [("interrupted", 2)]
    assert "Interrupted: 2 trials left" in capsys.readouterr().out
    assert signal.getsignal(number) == before


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no words")


@pytest.mark.parametrize("own", [KeyboardInterrupt, asyncio.CancelledError, GeneratorExit, BaseException, Unprintable])
def test_whatever_a_trials_own_code_raises_in_this_process_it_alone_has_failed(tmp_path, capsys, own):
    def build(config):
        module, data, _ = toy.build(config)

        def boom(*_):
            raise own

        return module, data, [toy.AtEpoch(2, boom)] if config.width == 8 else []

    sweep = Sweep("tiny", TinyConfig(max_epochs=2), {"width": [8, 4]}, build=build)
    with pytest.raises(SystemExit) as raised:
        cli.main(sweep, argv=["--jobs", "0", "--accelerator", "cpu", "--log_dir", str(tmp_path)])
    assert raised.value.code == 1
    failed, completed = _records(tmp_path / "tiny")
    assert (failed["status"], completed["status"]) == ("failed", "completed")
    assert own.__name__ in failed["reason"]
    assert "Interrupted" not in capsys.readouterr().out


def test_what_is_no_exception_fails_a_workers_trial_and_not_the_worker(trial, runtime):
    def build(config):
        raise asyncio.CancelledError

    assert attempt(trial, build, runtime, on_epoch=lambda *_: None).status == "failed"


def _outcome(results):
    completed = [result for result in results if result["status"] == "completed"]
    outcome = {result["key"]: (result["history"], result["test"]) for result in completed}
    assert len(outcome) == len(completed), "one completed record a trial"
    return outcome


WAYS = {
    "everything killed": lambda process: os.killpg(process.pid, signal.SIGKILL),
    "the parent killed": lambda process: process.kill(),
    "Ctrl-C": lambda process: os.killpg(process.pid, signal.SIGINT),
}


def test_a_sweep_stopped_in_every_way_ends_with_the_digits_of_one_that_was_not(start, tmp_path):
    epochs, grid = 25, ("--grid.lr", "[0.1, 0.01]")
    whole = ResultStore(tmp_path / "whole" / "tiny")
    sweep = Sweep("tiny", TinyConfig(max_epochs=epochs), {"lr": [0.1, 0.01]}, build=toy.build)
    Sweeper(InProcess(toy.build, Runtime(str(whole.folder), accelerator="cpu")), whole).run(sweep, sweep.trials())
    generator = random.Random(1)
    for jobs, way in zip("211", WAYS, strict=True):
        began = time.time()
        process = start("--jobs", jobs, *grid, epochs=epochs)
        _wait_for_trials(start.folder, process, since=began)
        time.sleep(generator.uniform(0, 0.1))
        assert process.poll() is None, f"{way} came too late to show anything"
        WAYS[way](process)
        process.wait(timeout=LONG)
    process = start("--jobs", "1", *grid, epochs=epochs)
    out, _ = process.communicate(timeout=LONG)
    assert process.returncode == 0, out
    assert _outcome(_records(start.folder)) == _outcome(_records(whole.folder))


def test_a_second_sweep_on_the_same_folder_is_refused_and_names_the_first(start):
    first = start()
    _wait_for_trials(start.folder, first)
    for options in ((), ("--fresh",)):
        second = start(*options)
        out, _ = second.communicate(timeout=LONG)
        assert second.returncode == 2
        assert f"in use by process {first.pid}" in out
        assert len(out.splitlines()) == 1
    assert first.poll() is None, "the first goes on"
