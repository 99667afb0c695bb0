"""One more value keeps the picture: what earlier calls ran on the same base and seeds stands beside it."""

import csv
import dataclasses

import pytest
from conftest import FakeLaunch, completed
from matplotlib.figure import Figure

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.csv import TablesReport
from nnhp_torch.report.figure import all_cells, panels
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.plotting.style import LIGHT_GREY
from nnhp_torch.report.terminal.console import Terminal
from nnhp_torch.report.terminal.table import TableReport


@pytest.fixture
def rates(sweep):
    """Two rates, of which the first is the better one."""
    return dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]})


def _with(sweep, *values, **changes):
    return dataclasses.replace(sweep, axes={"lr": list(values)}, **changes)


def _run(sweep, store, accuracies=None, seeds=(1, 2), callbacks=(), **settings):
    trials = sweep.trials(seeds, **settings)
    for trial in trials if accuracies else ():
        if trial.key not in store.results():
            store.append(completed(trial, accuracies[trial.config.lr]))
    return Sweeper(FakeLaunch(), store, callbacks).run(sweep, trials)


def _shown(outcome):
    return [(cell.label, cell.earlier) for cell in outcome.summary.cells]


def test_the_cells_of_earlier_calls_are_shown_behind_those_that_are_asked_for(rates, store):
    assert _shown(_run(rates, store)) == [("lr=0.1", False), ("lr=0.01", False)]
    outcome = _run(_with(rates, 0.5, 0.1), store)
    assert _shown(outcome) == [("lr=0.5", False), ("lr=0.1", False), ("lr=0.01", True)]
    assert len(outcome.ran) == 2, "they are not run again"
    assert (outcome.left, outcome.successful) == (0, True)


@pytest.mark.parametrize("change", ["base", "precision", "threads", "seeds", "a seed more", "status"])
def test_only_what_ran_on_the_same_base_with_the_same_seeds_is_shown(rates, store, change):
    if change == "status":
        for trial in rates.trials([1, 2]):
            store.append(TrialResult.of(trial, "failed", "because"))
    else:
        _run(rates, store)
    asked = _with(rates, 0.5, **({"base": dataclasses.replace(rates.base, width=6)} if change == "base" else {}))
    settings = {"precision": "bf16-mixed"} if change == "precision" else {"threads": 2} if change == "threads" else {}
    seeds = {"seeds": (3, 4), "a seed more": (1, 2, 3)}.get(change, (1, 2))
    assert _shown(_run(asked, store, seeds=seeds, **settings)) == [("lr=0.5", False)]


def test_each_value_of_a_replicate_must_be_there(rates, store):
    folds = {"replicates": {"width": [4, 6]}}
    _run(_with(rates, 0.1, **folds), store)
    _run(_with(rates, 0.01, replicates={"width": [4]}), store)
    assert _shown(_run(_with(rates, 0.5, **folds), store)) == [("lr=0.5", False), ("lr=0.1", True)]


def test_a_cell_counts_the_same_whoever_asked_for_it(rates, store):
    accuracies = {0.1: 0.9, 0.01: 0.8, 0.5: 0.7}
    _run(rates, store, accuracies)
    sweep = _with(rates, 0.5)
    outcome = _run(sweep, store, accuracies)
    assert outcome.summary.winner.label == "lr=0.1"
    together = _with(rates, 0.1, 0.01, 0.5)
    asked = _run(together, store, accuracies).summary
    said = {v.cell.label: (v.kind, v.gap, v.p) for v in outcome.summary.verdicts}
    assert said == {v.cell.label: (v.kind, v.gap, v.p) for v in asked.verdicts}


def test_what_a_sweep_says_of_its_claim_is_said_of_the_cells_that_were_asked_for(rates, store, capsys):
    _run(rates, store)
    sweep = _with(rates, 0.5, claim=lambda cells: f"said of {len(cells)}")
    _run(sweep, store, callbacks=[TableReport(Terminal(), store, "python tiny.py")])
    assert "said of 1" in capsys.readouterr().out


def test_table_and_csv_tell_them_from_this_calls(rates, store, capsys):
    accuracies = {0.1: 0.9, 0.01: 0.8, 0.5: 0.7}
    reports = [TableReport(Terminal(), store, "python tiny.py"), TablesReport(store.folder)]
    _run(rates, store, accuracies, callbacks=reports)
    assert "earlier" not in capsys.readouterr().out
    assert "call" not in (store.folder / "results.csv").read_text().splitlines()[0]
    _run(_with(rates, 0.5), store, accuracies, callbacks=reports)
    out = capsys.readouterr().out
    rows = {line.split()[0]: line.rstrip() for line in out.splitlines() if line.split()[:1]}
    assert rows["0.1"].endswith("← winner, earlier")
    assert rows["0.01"].endswith(" earlier")
    assert "earlier" not in rows["0.5"]
    assert "earlier: of earlier calls, on the same base and with the same seeds" in out
    assert "Winner: lr=0.1 with val_accuracy=0.9000±0.0000 (test 0.8900±0.0000), of an earlier call" in out
    with open(store.folder / "results.csv", newline="") as file:
        calls = [(row["lr"], row["call"]) for row in csv.DictReader(file)]
    assert sorted(calls) == [*[("0.01", "earlier")] * 2, *[("0.1", "earlier")] * 2, *[("0.5", "this")] * 2]


def test_figure_and_page_have_them_in_grey(rates, store):
    _run(rates, store)
    outcome = _run(_with(rates, 0.5), store)
    figure = Figure(figsize=(11, 5), layout="constrained")
    all_cells.draw(figure, outcome.summary)
    left, _ = figure.axes
    colours = {line.get_gid(): line.get_color() for line in left.get_lines()}
    assert [colours[f"cell{i}.median"] == LIGHT_GREY for i in range(3)] == [False, True, True]
    titles = [panels.title(cell, "val_accuracy") for cell in outcome.summary.cells]
    assert [title.endswith("(earlier)") for title in titles] == [False, True, True]
    assert Part(outcome).colours == ["r6", "other", "other"]


def test_a_record_that_cannot_be_its_trials_is_left_out(rates, store):
    trial, *_ = _with(rates, 0.1).trials([1])
    store.append(dataclasses.replace(completed(trial), cell={"lr": 0.2}))
    assert _shown(_run(_with(rates, 0.5), store, seeds=[1])) == [("lr=0.5", False)]
