"""A sweep stopped at any point, and run again: ledger, folder and exit status of one that was not (crash_points.py)."""

import collections
import gc
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from multiprocessing import RawValue
from pathlib import Path

import pytest
from conftest import LONG, PNG, TinyConfig
from crash_points import Points, Snapshots, content, in_a_fork, stack
from forked import CONTEXT, IMPORTED, fork_workers

from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.search.space import Range, Search


class Patience(SweepCallback):
    """Counts the epochs of each trial that it hears of, and ends at its second one a trial that is behind."""

    def __init__(self):
        self.heard = collections.Counter()

    def on_trial_start(self, trial):
        self.heard[trial.key] = 0

    def on_epoch_end(self, trial, epoch, metrics):
        self.heard[trial.key] += 1
        return "no patience" if self.heard[trial.key] == 2 and metrics["val_accuracy"] < 0.6 else None


def grid(axes, epochs, **more):
    return Sweep("tiny", TinyConfig(max_epochs=epochs), axes, build="toy:build_short", **more)


SEARCHED = Search("tiny", TinyConfig(max_epochs=4), {"lr": Range(0.001, 0.1, log=True)}, build="toy:build_short")
# What runs before it is stopped anywhere, what is stopped, with which options, and what may be killed in it.
SWEEPS = {
    "a grid, two jobs": (None, grid({"lr": [0.1, 0.001], "width": [4, 8]}, 3), ["--jobs", "2"]),
    "a search with pruning": (None, SEARCHED, ["--jobs", "1", "--trials", "5"]),
    "a search with few checkpoints": (None, SEARCHED, ["--jobs", "1", "--trials", "5"]),
    "a race": (None, grid({"lr": [0.1, 0.05]}, 1), ["--jobs", "2", "--seeds", "auto", "--max_seeds", "4"]),
    "folds": (None, grid({"lr": [0.1]}, 2, replicates={"width": [4, 8]}), ["--jobs", "1"]),
    "a longer training": (
        [grid({"lr": [0.1, 0.01]}, 1), ["--jobs", "1", "--keep_checkpoints", "last"]],
        grid({"lr": [0.1, 0.01]}, 2),
        ["--jobs", "1", "--keep_checkpoints", "last"],
    ),
}
SECONDS = {"a search with few checkpoints": 1000.0}  # between two checkpoints of a trial


def run(sweep, options, log_dir):
    """The exit status of a sweep as the command line runs it; what it prints goes to a file beside its folder."""
    from nnhp_torch import main
    from nnhp_torch.report.figure import callback
    from nnhp_torch.search import report

    with open(f"{log_dir}.out", "ab") as file:
        for standard in (1, 2):
            os.dup2(file.fileno(), standard)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    publish = callback.publish
    callback.png = lambda _: PNG  # what is drawn is nothing to this
    for part in (callback, report):
        part.publish = lambda draw, *args, **options: publish(lambda: None, *args, **options)
    fork_workers()
    time.perf_counter = lambda: 0.0  # so that what two runs write differs in no seconds
    try:
        argv = [*options, "--accelerator", "cpu", "--log_dir", str(log_dir)]
        main(sweep, argv=argv, callbacks=[Patience()])
    except SystemExit as end:
        return end.code


def found(log_dir):
    """What is in a folder, as far as it has to be the same: without times, and with a ledger's digits in curves."""
    import torch
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = Path(log_dir) / "tiny"
    files, curves = set(), {}
    for path in sorted(Path(log_dir).rglob("*")):
        name = str(path.relative_to(log_dir))
        if path.name.startswith("events.out."):
            name = f"{path.parent.relative_to(log_dir)}/events"
            if name not in files:
                events = EventAccumulator(str(path.parent)).Reload()
                tags = events.Tags()["scalars"]
                curves[name] = {tag: [(at.step, f"{at.value:.7g}") for at in events.Scalars(tag)] for tag in tags}
        if path.name != "workers.log" or path.stat().st_size:
            files.add(name)
    records = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    settled = [record for record in records if record["status"] in ("completed", "pruned", "diverged")]
    what = ("name", "status", "reason", "history", "test", "notes")
    ledger = {record["key"]: {name: record[name] for name in what} for record in settled}
    with open(folder / "results.csv") as file:
        head, *rows = [line.rstrip("\n").split(",") for line in file]
    table = [[cell for name, cell in zip(head, row, strict=True) if name not in ("seconds", "started")] for row in rows]
    weights = {}
    for path in sorted(folder.rglob("last.ckpt")):
        checkpoint = torch.load(path, weights_only=True)
        kept = checkpoint["epoch"], checkpoint["state_dict"], checkpoint["optimizer_states"]
        weights[str(path.relative_to(folder))] = repr(kept)
    return {
        "files": sorted(files),
        "ledger": ledger,
        "settled": len(settled),
        "table": table,
        "weights": weights,
        "curves": curves,
    }


def differences(log_dir, status, whole):
    """In which respects a sweep that was stopped and run again differs from one that was not."""
    if status != 0:
        return [f"exit status {status}: {Path(f'{log_dir}.out').read_text()[-2000:]}"]
    now = json.loads(json.dumps(found(log_dir)))
    return [f"{name}: {now[name]} instead of {whole[name]}"[:3000] for name in whole if now[name] != whole[name]]


def prepare(earlier, log_dir):
    """Make the folder as it is before the sweep that is stopped; what runs in it before runs once."""
    before = log_dir.parent / "before"
    if not before.exists():
        before.mkdir()
        if earlier is not None:
            assert in_a_fork(lambda: run(*earlier, before)) == 0
    shutil.copytree(before, log_dir)


def count(name, folder):
    """Run a sweep once without a stop: what it comes to, and what was on the disk at each point."""
    earlier, sweep, options = SWEEPS[name]
    prepare(earlier, folder / "whole")
    snapshots = Snapshots(folder / "whole", folder / "states")

    def whole():
        Points(folder / "whole", snapshots.take, SECONDS.get(name, -1.0)).install()
        return run(sweep, options, folder / "whole")

    status = in_a_fork(whole)
    assert status == 0, status
    return snapshots, in_a_fork(lambda: found(folder / "whole"))


def rerun(name, log_dir, expected):
    """What is wrong after the sweep has run again."""
    _, sweep, options = SWEEPS[name]
    status = in_a_fork(lambda: run(sweep, options, log_dir))
    return in_a_fork(lambda: differences(log_dir, status, expected))


def kill_everything(name, folder, counted, *, most):
    """Kill all processes at points of a sweep: how many points there are, how many were tried, what has gone wrong."""
    snapshots, expected = counted
    states = {state: what for state, what, _ in reversed(snapshots.points())}  # with the first operation that came next
    drawn = draw(name, sorted(states), most)
    wrong = {}
    for state in drawn:
        snapshots.restore(state, folder / state)
        if problems := rerun(name, folder / state, expected):
            wrong[f"{state}, before {states[state]}"] = problems
    return len(snapshots.points()), len(states), len(drawn), wrong


def groups(counted, victim):
    """The points at which one process may be stopped: the first of each group, and how many there are in all.

    Those are one group that stand at the same calls of our code, before the same operation, with the same on the disk.
    """
    # Nothing that another process sees happens between the hooks of a fit.
    outside = [point for point in counted[0].points() if "_call_" not in point[1] and point[1].startswith(role(victim))]
    first = {}
    for number, point in enumerate(outside, 1):
        first.setdefault(point, number)
    return first, len(outside)


def role(victim):
    return "worker" if victim == "worker" else ""


def stop_at(name, number, log_dir, victim):
    """Kill one worker, or press Ctrl-C, at the n-th point outside of a fit's hooks; the other processes live on.

    Returns: what is wrong with how that ends, and before which operation it was.
    """
    earlier, sweep, options = SWEEPS[name]
    prepare(earlier, log_dir)
    seen = RawValue("i", 0)

    def before(what):
        if what.startswith(role(victim)):
            seen.value += 1
            if seen.value == number:
                Path(f"{log_dir}.at").write_text(f"{what}\t{stack()}")
                os.kill(os.getpid(), signal.SIGKILL) if victim == "worker" else os.killpg(0, signal.SIGINT)

    def stopped():
        Points(log_dir, before, SECONDS.get(name, -1.0)).install(hooks_of_fits=False)
        return run(sweep, options, log_dir)

    status = in_a_fork(stopped)
    printed, at = Path(f"{log_dir}.out").read_text(), Path(f"{log_dir}.at")
    expected = (0, 1) if victim == "worker" else (0, 130)
    wrong = [] if status in expected else [f"exit status {status}: {printed[-2000:]}"]
    wrong += ["Traceback"] * (victim != "worker" and "Traceback" in printed)
    return wrong, at.read_text() if at.exists() else "the end"


def stop_one(name, folder, counted, *, most, victim):
    """Stop at points of a sweep, and go on from each different content that this leaves."""
    first, points = groups(counted, victim)
    drawn = draw(f"{name} {victim}", sorted(first.values()), most)
    wrong, gone_on = {}, set()
    for number in drawn:
        log_dir = folder / f"{victim} {number}"
        problems, at = stop_at(name, number, log_dir, victim)
        left = in_a_fork(lambda log_dir=log_dir: content(log_dir))
        if left not in gone_on:
            problems += rerun(name, log_dir, counted[1])
        gone_on.add(left)
        if problems:
            wrong[f"{number}, before {at}"] = problems
        shutil.rmtree(log_dir)
    return points, len(first), len(drawn), wrong


def draw(name, points, most):
    return points if most is None else random.Random(name).sample(points, min(most, len(points)))


def _nursery(requests):
    """Import and find out once what all runs need, by a sweep that runs here, and have the others fork from here."""
    os.setpgid(0, 0)
    import torch

    torch.set_num_threads(1)
    standard = [os.dup(number) for number in (1, 2)]
    with tempfile.TemporaryDirectory() as folder:
        assert run(grid({"lr": [0.1, 0.2]}, 1), ["--jobs", "0"], f"{folder}/a") == 0
        found(f"{folder}/a")
        content(Path(folder))
    for number, kept in zip((1, 2), standard, strict=True):
        os.dup2(kept, number)
    gc.freeze()
    while True:
        function, *args = requests.recv()
        requests.send(function(*args))


@pytest.fixture(scope="module")
def nursery():
    CONTEXT.set_forkserver_preload(IMPORTED)
    here, there = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_nursery, args=(there,))
    process.start()
    there.close()
    yield here
    process.kill()
    process.join()


def explore(folder, wanted):
    """Stop sweeps at points: for each sweep and victim how many there are, how many were tried, what has gone wrong."""
    found, counted = {}, {}
    for name, victim, most in wanted:
        own = folder / name
        if name not in counted:
            own.mkdir()
            counted[name] = count(name, own)
        if victim == "everything":
            found[f"{name}, {victim}"] = kill_everything(name, own, counted[name], most=most)
        else:
            found[f"{name}, {victim}"] = stop_one(name, own, counted[name], most=most, victim=victim)
    return found


def check(nursery, folder, wanted):
    nursery.send((explore, folder, wanted))
    found = nursery.recv()
    for what, (points, different, tried, wrong) in found.items():
        print(f"{what}: {points} points, {different} of them different, {tried} tried, {len(wrong)} wrong")
    wrong = {what: problems for what, (*_, problems) in found.items() if problems}
    assert not wrong, json.dumps(wrong, indent=1)


# A search and a race choose other trials when a trial has failed, as one does that loses its worker.
KILLED_ALONE = ("a grid, two jobs", "folds", "a longer training")


DRAWN = {  # a hundred points: more of the sweeps that are short
    "a grid, two jobs": {"everything": 12, "Ctrl-C": 3, "worker": 4},
    "a search with pruning": {"everything": 12, "Ctrl-C": 3},
    "a search with few checkpoints": {"everything": 8, "Ctrl-C": 1},
    "a race": {"everything": 12, "Ctrl-C": 3},
    "folds": {"everything": 18, "Ctrl-C": 5, "worker": 3},
    "a longer training": {"everything": 18, "Ctrl-C": 4, "worker": 3},
}


@pytest.mark.needs("optuna")
@pytest.mark.timeout(15 * LONG)  # some twenty seconds where nothing else runs
@pytest.mark.parametrize("name", SWEEPS)
def test_at_points_that_are_drawn_a_sweep_may_be_stopped_and_comes_to_the_same(name, tmp_path, nursery):
    check(nursery, tmp_path, [(name, victim, most) for victim, most in DRAWN[name].items()])


@pytest.mark.slow
@pytest.mark.needs("optuna")
@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize("name", SWEEPS)
def test_at_whatever_point_all_processes_of_a_sweep_are_killed_it_comes_to_the_same(name, tmp_path, nursery):
    check(nursery, tmp_path, [(name, "everything", None)])


@pytest.mark.slow
@pytest.mark.needs("optuna")
@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize("name", SWEEPS)
def test_at_whatever_point_ctrl_c_comes_a_sweep_comes_to_the_same(name, tmp_path, nursery):
    check(nursery, tmp_path, [(name, "Ctrl-C", None)])


@pytest.mark.slow
@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize("name", KILLED_ALONE)
def test_at_whatever_point_a_worker_is_killed_a_sweep_comes_to_the_same(name, tmp_path, nursery):
    check(nursery, tmp_path, [(name, "worker", None)])
