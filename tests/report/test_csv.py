"""The tables that a spreadsheet opens."""

import csv
import dataclasses
import io

from conftest import FakeLaunch, TinyConfig, completed, summary_of

from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.csv import TablesReport, results_table, write_rows
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.terminal.console import Terminal
from sweeps._study import overview


def _of(sweep, *results, **defaults):
    """The summary of these results, under a configuration with further settings that have these defaults."""
    settings = [(name, type(default), default) for name, default in defaults.items()]
    base = dataclasses.make_dataclass("Base", settings, bases=(TinyConfig,), frozen=True)()
    return summary_of(dataclasses.replace(sweep, base=base), [Cell({}, results, len(results))])


def test_the_csv_has_a_row_a_trial_and_says_why_one_failed(sweep, tmp_path):
    good, bad = sweep.trials()[:2]
    failed = dataclasses.replace(
        completed(bad), status="failed", reason="Traceback\nValueError: no", history={}, test={}
    )
    write_rows(tmp_path / "results.csv", *results_table(_of(sweep, completed(good), failed)))
    first, second = csv.DictReader((tmp_path / "results.csv").read_text().splitlines())
    assert first == {
        "lr": "0.1",
        "width": "4",
        "seed": "123",
        "status": "completed",
        "epochs": "3",
        "train_accuracy": "0.9",
        "val_accuracy": "0.9",
        "test_accuracy": "0.89",
        "best_val_accuracy": "0.91",
        "best_epoch": "2",
        "seconds": "1.5",
        "reason": "",
    }
    assert (second["status"], second["val_accuracy"], second["reason"]) == ("failed", "", "ValueError: no")


def test_the_csv_tells_values_of_different_types_apart(sweep, tmp_path):
    results = [
        dataclasses.replace(completed(sweep.trials()[0]), cell={"kind": kind}) for kind in ("1", 1, "none", None)
    ]
    write_rows(tmp_path / "results.csv", *results_table(_of(sweep, *results, kind="none")))
    rows = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    assert [row["kind"] for row in rows] == ["1", "1 (int)", "none", "none (NoneType)"]


def test_the_csv_is_utf_8_and_harmless_and_an_axis_called_like_a_fixed_column_has_one_of_its_own(sweep, tmp_path):
    result = completed(sweep.trials()[0])
    cell = {"epochs": -0.5, "act": "=1+1", "other": "é\udc80"}
    write_rows(tmp_path / "results.csv", *results_table(_of(sweep, dataclasses.replace(result, cell=cell))))
    (row,) = csv.DictReader((tmp_path / "results.csv").read_text(encoding="utf-8").splitlines())
    assert (row["grid.epochs"], row["epochs"], row["act"], row["other"]) == ("-0.5", "3", "'=1+1", "é\\udc80")


def test_the_table_of_a_study_is_utf_8_and_harmless_too(sweep, store, tmp_path):
    spelled = dataclasses.replace(sweep, axes={"width": ["=1+1 [relu] é"]})
    outcome = Sweeper(FakeLaunch(), store).run(spelled, spelled.trials())
    found = [Part(outcome)]
    overview.write_csv(tmp_path / "study.csv", found)
    (row,) = csv.DictReader((tmp_path / "study.csv").read_text(encoding="utf-8").splitlines())
    assert (row["sweep"], row["winner"]) == ("tiny", "'=1+1 [relu] é")
    out = Terminal(io.StringIO(), width=140)
    out.print(overview.table(found))
    assert "=1+1 [relu] é" in out.file.getvalue()


def test_verdicts_have_a_row_a_cell_and_none_are_left_of_an_earlier_state(sweep, store):
    swept = dataclasses.replace(sweep, axes={"lr": [0.1, 0.2]})
    path = store.folder / "verdicts.csv"
    accuracies = {0.1: (0.90, 0.91), 0.2: (0.5, 0.51)}
    launch = FakeLaunch()
    for trial in swept.trials(seeds=[0, 1]):
        store.append(completed(trial, accuracies[trial.cell["lr"]][trial.config.seed]))
    Sweeper(launch, store, [TablesReport(store.folder)]).run(swept, swept.trials(seeds=[0, 1]))
    best, other = csv.DictReader(path.read_text().splitlines())
    assert (best["lr"], best["verdict"], best["trials"]) == ("0.1", "best", "2")
    assert (other["verdict"], other["behind"], other["val_accuracy"]) == ("undecided", "0.4", "0.505")
    assert {other[name] for name in ("behind_low", "behind_high", "p", "chance")} == {""}, "two are too few"
    Sweeper(launch, store, [TablesReport(store.folder)]).run(swept, swept.trials(seeds=[0]))
    assert not path.exists()
