"""Every file that is read, damaged by a seeded mutator: no traceback, no hang, nothing executed, nothing lost outside.

A reader takes the damaged file as it is, mends it, or says in a line what is wrong; nothing else.
"""

import io
import json
import os
import subprocess
import time
from contextlib import suppress

import idx
import numpy as np
import pytest
import toy
from conftest import FakeLaunch, TinyConfig, completed
from mutations import mutations

from nnhp_torch.cli.arguments.options import add_sweep_options, changed, read
from nnhp_torch.cli.arguments.parser import Parser
from nnhp_torch.cli.report import main as report
from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.checkpoints import LAST, OWNER, acquire, checkpoint_folder, remove, usable
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.recorded.from_table import judge
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.mnist import files as mnist
from nnhp_torch.mnist.files import DATASETS
from nnhp_torch.report.csv import TablesReport
from nnhp_torch.report.terminal.console import Terminal
from nnhp_torch.report.terminal.table import TableReport
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.trial.run_trial import run_trial
from nnhp_torch.run.trial.saving import read as read_checkpoint
from nnhp_torch.search.chooser import OptunaChooser
from nnhp_torch.search.space import Range, Search

LONGEST = 10  # seconds
SWEEP = Sweep("tiny", TinyConfig(), {"lr": [0.1, 0.01], "width": [4, 8]}, build="toy:build")
SEARCH = Search("tiny", TinyConfig(), {"lr": Range(0.001, 1.0, log=True), "width": Range(2, 9)}, build="toy:build")
TRIAL = SWEEP.trials()[0]


class Scores(FakeLaunch):
    def __call__(self, trials, listener):
        for trial in trials:
            listener.started(trial)
            listener.epoch_ended(trial, 1, {"val_accuracy": 0.4})
            listener.ended(trial, completed(trial, 0.9))


def in_a_line(error, said=""):
    assert said in str(error)
    assert len(str(error).splitlines()) == 1


def results(folder):
    store = ResultStore(folder)
    for seed in (1, 2):
        for trial in SWEEP.trials([seed]):
            store.append(completed(trial, 0.8 + trial.config.lr))
    return store


def ledger(folder):
    results(folder)
    yield folder / "results.jsonl"
    store = ResultStore(folder)
    out = Terminal(io.StringIO())
    while True:
        try:
            Sweeper(Scores(), store, [TableReport(out, store, "x"), TablesReport(folder)]).run(
                SWEEP, SWEEP.trials([1, 2])
            )
        except LedgerError as error:
            in_a_line(error, "results.jsonl, line")
        yield None


def owner(folder):
    checkpoints = checkpoint_folder(folder, TRIAL.name)
    acquire(checkpoints, TRIAL.identity)
    (checkpoints / LAST).touch()
    yield checkpoints / OWNER
    while True:
        usable(checkpoints, TRIAL.identity)
        remove(folder, checkpoints, TRIAL.identity)
        acquire(checkpoints, TRIAL.identity)
        (checkpoints / LAST).touch()
        yield None


def checkpoint(folder):
    run_trial(TRIAL, toy.build, Runtime(str(folder), accelerator="cpu"))
    path = checkpoint_folder(folder, TRIAL.name) / LAST
    whole = read_checkpoint(path)["state_dict"]
    yield path
    while True:
        try:
            weights = read_checkpoint(path).get("state_dict", {})
            assert all(value.equal(weights[name]) for name, value in whole.items() if name in weights)
        except ValueError as error:
            in_a_line(error)
        yield None


def journal(folder):
    def search(trials):
        chooser = OptunaChooser(SEARCH, folder, trials, pruner="hyperband")
        return Sweeper(Scores(), ResultStore(folder)).run(SEARCH, [], chooser=chooser)

    search(6)
    yield folder / "optuna.journal"
    before = (folder / "results.jsonl").read_bytes()
    while True:
        try:
            search(8)
        except LedgerError as error:
            in_a_line(error, "optuna.journal is damaged")
        (folder / "results.jsonl").write_bytes(before)
        yield None


def page(folder):
    results(folder)
    assert report([str(folder)]) == 0
    text = (folder / "report.html").read_text()
    facts = text.split('id="known">')[1].split("</script>")[0]
    yield folder / "facts"
    while True:
        mutated = (folder / "facts").read_bytes()
        (folder / "report.html").write_bytes(text.encode().replace(facts.encode(), mutated))
        assert report([str(folder)]) == 0
        yield None


page.content = json.dumps(
    {
        "monitor": "val_accuracy",
        "mode": "max",
        "about": "About.",
        "command": "python mine.py",
        "max_seeds": None,
        "order": {"lr": [0.1, 0.01], "width": [4, 8]},
        "replicates": [],
        "guessing": {"accuracy": 0.5},
        "importances": {"lr": 0.7, "width": 0.3},
    }
).encode()


def settings(folder):
    folder.mkdir()
    yield folder / "mine.yaml"
    while True:
        parser = Parser(prog="mine")
        add_sweep_options(parser, SWEEP)
        try:
            args = parser.parse_args(["--config", str(folder / "mine.yaml")])
            changed(SWEEP, args)
            read(SWEEP, args)
        except (ValueError, SystemExit) as error:
            in_a_line(error)
        yield None


settings.content = (
    b"seeds: 3\nmax_epochs: 20\ngrid:\n  lr: [0.1, 0.01]\n  width: [4, 8]\nbase: {}\njobs: auto\nprecision: 32-true\n"
    b"log_dir: logs\nfail_fast: false\nmatters: 0.01\n"
)


def images(folder):
    files = idx.contents()
    idx.write(files, folder, gz=True)
    DATASETS["fuzz"] = idx.dataset(files)
    whole = mnist.load("fuzz", folder)
    yield min(folder.rglob("t10k-labels*"))
    while True:
        with suppress(mnist.DatasetUnavailable):
            assert all(map(np.array_equal, mnist.load("fuzz", folder), whole))
        yield None


def runs(folder):
    folder.mkdir()
    yield folder / "runs.csv"
    while True:
        try:
            judge(folder / "runs.csv", "lr", "val_acc")
        except ValueError as error:
            in_a_line(error)
        yield None


runs.content = b"summary,config,name,State,epoch\n" + b"".join(
    b"\"{'val_acc': 0.%d, 'test_acc': 0.8}\",\"{'lr': %g, 'seed': %d}\",lr=%g,finished,%d\n"
    % (9 - seed, lr, seed, lr, step)
    for lr in (0.1, 0.01)
    for seed in (1, 2)
    for step in (1, 2)
)
READERS = [
    ledger,
    owner,
    checkpoint,
    pytest.param(journal, marks=pytest.mark.needs("optuna")),
    page,
    settings,
    images,
    runs,
]


def fuzz(reader, tmp_path, monkeypatch, number):
    executed = []
    monkeypatch.setattr(os, "system", executed.append)
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **settings: executed.append(args))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").write_text("mine")
    opened = reader(tmp_path / "tiny")
    path = next(opened)
    content = getattr(reader, "content", None) or path.read_bytes()
    for place, mutated in enumerate(mutations(content, 1, number)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutated)
        clock = time.monotonic()
        try:
            next(opened)
        except Exception as error:
            error.add_note(f"mutation {place}: {mutated[:300]!r}")
            raise
        assert time.monotonic() - clock < LONGEST, f"mutation {place}"
    assert executed == []
    outside = {name for name in os.listdir(tmp_path) if not name.startswith(".")}
    assert outside == {"tiny", "elsewhere"}
    assert (tmp_path / "elsewhere").read_text() == "mine"


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.filterwarnings("ignore:.*torn")
def test_a_damaged_file_is_mended_or_refused_in_a_line(reader, tmp_path, monkeypatch, capsys):
    fuzz(reader, tmp_path, monkeypatch, 25)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.filterwarnings("ignore:.*torn")
def test_a_thousand_damages_of_each_file_are_mended_or_refused_in_a_line(reader, tmp_path, monkeypatch, capsys):
    fuzz(reader, tmp_path, monkeypatch, 1000)
