"""A sweep stopped at any point, and run again: ledger, folder and exit status of one that was not (crash_points.py)."""

import collections
import json
import os
import random
import signal
import sys
from pathlib import Path

import pytest
from conftest import LONG, TinyConfig
from crash_points import Points, Snapshots, in_a_fork
from forked import CONTEXT, IMPORTED, fork_workers

from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.search.space import Range, Search


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1"  # what is drawn is nothing to this


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
    return Sweep("tiny", TinyConfig(max_epochs=epochs), axes, build="toy:build", **more)


SEARCHED = Search("tiny", TinyConfig(max_epochs=4), {"lr": Range(0.001, 0.1, log=True)}, build="toy:build")
# What runs before it is stopped anywhere, what is stopped, with which options, and what may be killed in it.
SWEEPS = {
    "a grid, two jobs": (None, grid({"lr": [0.1, 0.001], "width": [4, 8]}, 3), ["--jobs", "2"]),
    "a search with pruning": (None, SEARCHED, ["--jobs", "1", "--trials", "5"]),
    "a race": (None, grid({"lr": [0.1, 0.05]}, 1), ["--jobs", "2", "--seeds", "auto", "--max_seeds", "4"]),
    "folds": (None, grid({"lr": [0.1]}, 2, replicates={"width": [4, 8]}), ["--jobs", "1"]),
    "a longer training": (
        [grid({"lr": [0.1, 0.01]}, 1), ["--jobs", "1", "--keep_checkpoints", "last"]],
        grid({"lr": [0.1, 0.01]}, 2),
        ["--jobs", "1", "--keep_checkpoints", "last"],
    ),
}


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
    callback.png = lambda _: PNG
    for part in (callback, report):
        part.publish = lambda draw, *args, **options: publish(lambda: None, *args, **options)
    fork_workers()
    try:
        argv = [*options, "--accelerator", "cpu", "--log_dir", str(log_dir)]
        main(sweep, argv=argv, callbacks=[Patience()])
    except SystemExit as end:
        return end.code


def found(log_dir):
    """What is in a folder, as far as it has to be the same: without times, and with an event file's curves."""
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
                curves[name] = {tag: [(at.step, at.value) for at in events.Scalars(tag)] for tag in tags}
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
    log_dir.mkdir()
    if earlier is not None:
        assert in_a_fork(lambda: run(*earlier, log_dir)) == 0


def stop_everywhere(name, folder, most):
    """Kill all processes at points of a sweep: how many points and states there were, and what has gone wrong."""
    earlier, sweep, options = SWEEPS[name]
    prepare(earlier, folder / "whole")
    snapshots = Snapshots(folder / "whole", folder / "states")

    def whole():
        points = Points(folder / "whole", snapshots.take)
        points.install()
        return run(sweep, options, folder / "whole")

    status = in_a_fork(whole)
    assert status == 0, status
    expected = in_a_fork(lambda: found(folder / "whole"))
    points = snapshots.points()
    states = {state: what for state, what in reversed(points)}  # with the first operation that came next
    drawn = sorted(states) if most is None else random.Random(name).sample(sorted(states), min(most, len(states)))
    wrong = {}
    for state in drawn:
        log_dir = folder / state
        snapshots.restore(state, log_dir)
        status = in_a_fork(lambda log_dir=log_dir: run(sweep, options, log_dir))
        if problems := in_a_fork(lambda log_dir=log_dir, s=status: differences(log_dir, s, expected)):
            wrong[f"{state} before {states[state]}"] = problems
    return len(points), len(states), len(drawn), wrong


def _nursery(function, answer, *args):
    """Import once what all runs need, and have them fork from here."""
    os.setpgid(0, 0)
    import lightning.pytorch.trainer.call
    import matplotlib.figure
    import optuna
    import tensorboard.backend.event_processing.event_accumulator
    import torch

    import nnhp_torch.cli.main
    import nnhp_torch.cli.search
    import nnhp_torch.report.figure.whole
    import nnhp_torch.report.page.callback
    import nnhp_torch.run.launch.worker

    torch.set_num_threads(1)
    answer.send(function(*args))


def in_a_nursery(function, *args):
    CONTEXT.set_forkserver_preload(IMPORTED)
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_nursery, args=(function, there, *args))
    process.start()
    there.close()
    try:
        return here.recv()
    finally:
        if process.is_alive():
            process.join(10)
            process.kill()


@pytest.mark.parametrize("name", SWEEPS)
def test_whenever_all_processes_are_killed_a_rerun_comes_to_the_same(name, tmp_path):
    points, states, tried, wrong = in_a_nursery(stop_everywhere, name, tmp_path, 10)
    print(f"{name}: {points} points, {states} different states, {tried} tried, {len(wrong)} wrong")
    assert not wrong, json.dumps(wrong, indent=1)
