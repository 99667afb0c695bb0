"""Verdicts over runs that were made elsewhere, in the formats that W&B, MLflow and TensorBoard export."""

import csv
import io
import json
import os

import pytest
from torch.utils.tensorboard import SummaryWriter

from nnhp_torch import judge
from nnhp_torch.__main__ import COMMANDS
from nnhp_torch.cli.judge import main
from nnhp_torch.report.verdicts_json import document
from nnhp_torch.report.words.answer import answer

RUNS = [  # lr, seed, the accuracy after each of three epochs
    (lr, seed, [0.5, level - 0.01, round(level + 0.002 * seed - wobble * (seed == 2), 6)])
    for lr, level, wobble in ((0.1, 0.8, 0.0), (0.01, 0.9, 0.001), (0.001, 0.85, 0.002))
    for seed in (1, 2, 3)
]
ENDS = {(lr, seed): curve[-1] for lr, seed, curve in RUNS}


def _csv(rows, **settings):
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), **settings)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _steps(**names):
    """A row a step: column → what it holds of lr, seed, step, value."""
    return [
        {column: {"lr": lr, "seed": seed, "step": step, "value": value}.get(of, of) for column, of in names.items()}
        for lr, seed, curve in RUNS
        for step, value in enumerate(curve)
    ]


def plain():
    return _csv(plain_rows())


def semicolons():
    return "\ufeff" + _csv([{"seed": s, "lr": lr, "val_acc": end} for (lr, s), end in ENDS.items()], delimiter=";")


def mlflow():  # as mlflow 3.17's search_runs().to_csv() has it
    rows = [
        {
            **{"": n, "run_id": f"8135bc7681b7{n}", "experiment_id": 1, "status": "FINISHED"},
            **{"artifact_uri": f"mlruns/1/{n}", "start_time": "2026-11-30 05:06:56.232+00:00"},
            **{"end_time": "2026-11-30 05:06:56.552+00:00", "metrics.val_acc": end, "params.width": 32},
            **{"params.lr": lr, "params.seed": seed, "tags.mlflow.runName": "run"},
        }
        for n, ((lr, seed), end) in enumerate(ENDS.items())
    ]
    return _csv(rows[::-1])


def _of_wandb():
    """Summary, configuration and name of runs, as wandb 0.31's offline runs have them."""
    for n, ((lr, seed), end) in enumerate(ENDS.items()):
        ran = {"_timestamp": 1796033143.2 + n, "_step": 2, "_wandb": {"runtime": 0}, "_runtime": float("nan")}
        config = {"lr": lr, "seed": seed, "opt": {"name": "adam", "betas": [0.9, 0.99], "eps": {"of": lr}}}
        yield {"summary": ran | {"val_acc": end, "epoch": 2}, "config": config, "name": f"sunny-sun-{n}"}


def wandb_api():  # as the example in its documentation of exports writes project.csv
    return _csv([{"": n, **row} for n, row in enumerate(_of_wandb())])


def wandb_table():
    rows = [
        {"Name": "sunny-sun-1", "State": "finished", "Runtime": 1, "Sweep": "", "lr": lr, "seed": seed, "val_acc": end}
        for (lr, seed), end in ENDS.items()
    ]
    return _csv(rows, quoting=csv.QUOTE_ALL)


def wandb_history():  # Api().runs(…).histories(format="pandas"), joined with the configurations by run_id
    rows = _steps(_runtime=1.5, _step="step", _timestamp=1796033143.2, val_acc="value", lr="lr", seed="seed")
    rows = [row | {"run_id": f"2frr{row['lr']}{row['seed']}"} for row in rows]
    return _csv([row for each in rows[::-1] for row in (each, each | {"val_acc": "", "_step": each["_step"] + 0.5})])


def wandb_chart():
    table = [{"Step": step} for step in range(3)]
    for lr, seed, curve in RUNS:
        for row, value in zip(table, curve, strict=True):
            name = f"lr={lr}, seed={seed} - val_acc"
            row |= {name: value, f"{name}__MIN": value - 1, f"{name}__MAX": value + 1}
    return _csv(table, quoting=csv.QUOTE_ALL)


def wandb_chart_along_another_axis():  # which names each run's _step beside it, empty where only others are
    table = []
    for place, (lr, seed, curve) in enumerate(RUNS):
        for step, value in enumerate(curve):
            names = {f"lr={a}, seed={b} - {of}{end}": "" for a, b, _ in RUNS for of in TOLD for end in ENDINGS}
            own = dict.fromkeys((f"lr={lr}, seed={seed} - _step{end}" for end in ENDINGS), step)
            own |= dict.fromkeys((f"lr={lr}, seed={seed} - val_acc{end}" for end in ENDINGS), value)
            table.append({"Relative Time (Process)": step + place / 100, **names, **own})
    return _csv(table, quoting=csv.QUOTE_ALL)


TOLD, ENDINGS = ("_step", "val_acc"), ("", "__MIN", "__MAX")


def ray():  # a table of the trials' progress.csv
    settings = {"config/lr": "lr", "config/seed": "seed"}
    rows = _steps(val_acc="value", training_iteration="step", trial_id="x", **settings)
    return _csv([row | {"trial_id": f"4f{row['config/lr']}{row['config/seed']}"} for row in rows])


def optuna():  # as study.trials_dataframe().to_csv() has it
    rows = [
        {"": n, "number": n, "val_acc": end, "duration": "0 days 00:00:01", "params_lr": lr, "params_seed": seed}
        for n, ((lr, seed), end) in enumerate(ENDS.items())
    ]
    return _csv([row | {"state": "COMPLETE"} for row in rows])


CURVES = [wandb_history, wandb_chart, wandb_chart_along_another_axis, ray]
FORMATS = [plain, semicolons, mlflow, wandb_api, wandb_table, optuna, *CURVES]


@pytest.mark.parametrize("export", FORMATS)
def test_an_exports_numbers_are_its_sources_and_the_verdicts_are_those_of_a_plain_table(export, tmp_path):
    (tmp_path / "runs.csv").write_text(export(), encoding="utf-8")
    (tmp_path / "plain.csv").write_text(plain())
    outcome = judge(tmp_path / "runs.csv", "lr", "val_acc")
    assert {(r.cell["lr"], r.config["seed"]): r.final("val_acc") for r in outcome.ordered} == ENDS
    assert [r.config["seed"] for r in outcome.ordered] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert outcome.verdicts == judge(tmp_path / "plain.csv", "lr", "val_acc").verdicts
    curves = {(r.cell["lr"], r.config["seed"]): list(r.curve("val_acc")) for r in outcome.ordered}
    if export in CURVES:
        assert curves == {(lr, seed): curve for lr, seed, curve in RUNS}
    else:
        assert not any(curves.values()), "no curve is made up"


def test_mappings_in_a_frames_columns_are_columns_of_their_own_however_deep():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(_of_wandb())
    outcome = judge(frame, "lr", "val_acc")
    assert outcome.remarks[1] == "lr is config.lr; seed is config.seed; val_acc is summary.val_acc"
    assert outcome.verdicts == judge(plain_rows(), "lr", "val_acc").verdicts
    deep = judge(frame, "opt.eps.of", "val_acc")
    assert [row.verdict for row in deep.verdicts] == [row.verdict for row in outcome.verdicts]


def test_a_frames_texts_are_read_as_a_csvs_are():
    """MLflow's search_runs() has parameters as texts, of which 10 comes before 2 and none is a baseline's number."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(plain_rows()).astype({"lr": str, "seed": str})
    outcome = judge(frame, "lr", "val_acc", baseline={"lr": 0.1})
    assert outcome.verdicts == judge(plain_rows(), "lr", "val_acc", baseline={"lr": 0.1}).verdicts
    assert [run.config["seed"] for run in outcome.ordered] == [1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.filterwarnings("ignore:DataFrame columns are not unique")
@pytest.mark.parametrize("table", [{"lr": [0.1, 0.2], "val_acc": [0.5, 0.6]}, [(0.1, 0.5)], None, 5])
def test_what_is_no_table_of_rows_is_refused(table):
    with pytest.raises(ValueError, match=f"^runs are rows: .*, not {type(table).__name__}$"):
        judge(table, "lr", "val_acc")


def test_a_frame_with_two_columns_of_a_name_is_refused():
    """pandas gives the last of them to who asks for its rows."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(plain_rows())
    with pytest.raises(ValueError, match="the frame has two columns called 'val_acc'"):
        judge(pandas.concat([frame, frame[["val_acc"]] / 2], axis=1), "lr", "val_acc")


def _events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for lr, seed, curve in RUNS:
        with SummaryWriter(folder / f"lr={lr},seed={seed}") as writer:
            for step, value in enumerate(curve):
                writer.add_scalar("val_acc", value, step)
    for run in folder.iterdir():
        accumulator = EventAccumulator(str(run))
        accumulator.Reload()
        yield run.name, accumulator.Scalars("val_acc")


def test_tensorboards_scalars_are_judged_as_a_long_table_or_a_file_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    long = []
    for run, scalars in _events(tmp_path / "runs"):
        rows = [{"Wall time": s.wall_time, "Step": s.step, "Value": s.value} for s in scalars]
        (tmp_path / f"run-{run}-tag-val_acc.csv").write_text(_csv(rows))  # as its download button does
        long += [{"run": run, "tag": "val_acc", "step": s.step, "value": s.value} for s in scalars]
        long += [{"run": run, "tag": "lr-Adam", "step": s.step, "value": 0.1} for s in scalars]
    (tmp_path / "long.csv").write_text(_csv(long))
    outcome = judge(tmp_path / "long.csv", "lr", "val_acc")
    ends = {(r.cell["lr"], r.config["seed"]): r.final("val_acc") for r in outcome.ordered}
    assert ends == pytest.approx(ENDS, rel=1e-6), "TensorBoard keeps float32"
    files = sorted(map(str, tmp_path.glob("run-*.csv")))
    assert main([*files, "--cell", "lr", "--value", "val_acc", "--name", "tb"]) == 0
    assert "Winner: lr=0.01" in capsys.readouterr().out
    rows = json.loads((tmp_path / "lightning_logs/tb/verdicts.json").read_text())["cells"]
    assert [row["estimate"] for row in rows] == [row.estimate for row in outcome.verdicts]


def test_the_command_shows_the_table_and_writes_page_csv_and_json(tmp_path, monkeypatch, capsys):
    assert "judge" in COMMANDS
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text(mlflow())
    asked = ["mine.csv", "--cell", "lr", "--value", "val_acc"]
    assert main(asked) == 0
    out = capsys.readouterr().out
    assert "lr is params.lr; seed is params.seed; val_acc is metrics.val_acc" in out
    assert "The table does not tell on which data val_acc was measured" in out
    assert "Winner: lr=0.01 with val_acc=0.9037" in out
    folder = tmp_path / "lightning_logs" / "mine"
    assert {"report.html", "results.csv", "verdicts.csv", "verdicts.json"} == {path.name for path in folder.iterdir()}
    page = (folder / "report.html").read_text()
    assert "lr=0.01 is the best" in page
    assert "final weights" not in page, "which nobody has told of"
    assert page.index("does not tell on which data") < page.index("Every trial"), "beside the answer"
    assert "How this was made" not in page, "nobody has told that either"
    assert main(asked) == 0, "its own files are replaced"


def test_a_data_frame_is_judged_without_a_file(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    frame = pandas.DataFrame(_steps(lr="lr", seed="seed", epoch="step", val_acc="value"))
    outcome = judge(frame, ["lr"], "val_acc")
    assert outcome.summary.winner.label == "lr=0.01"
    assert outcome.figure() is not None
    assert len(outcome.frame()) == 9
    assert not list(tmp_path.iterdir())


def test_runs_without_seeds_in_common_have_no_pairs_and_that_is_said():
    rows = [{"lr": lr, "val_acc": end} for (lr, _), end in ENDS.items()]
    outcome = judge(rows, "lr", "val_acc", seed=None)
    assert "Runs have no pairs" in outcome.remarks[-1]
    assert outcome.summary.winner.label == "lr=0.01"
    said = answer(outcome.summary)
    assert "3 runs of each, unpaired, corrected for picking the best of 3" in said
    assert "One seed alone" not in said


@pytest.mark.parametrize("baseline", [None, {"lr": 0.01}])
def test_without_pairs_no_order_of_the_rows_matters(baseline):
    """Sorted by its metric, as W&B shows it, a table has the best run of each cell beside that of the others."""
    rows = [{"lr": lr, "val_acc": 0.8 + lr + (37 * run % 11) / 100} for lr in (0.01, 0.02, 0.04) for run in range(5)]
    orders = [rows, rows[::-1], sorted(rows, key=lambda row: row["val_acc"]), rows[7:] + rows[:7]]
    found = [judge(order, "lr", "val_acc", seed=None, baseline=baseline).verdicts for order in orders]
    told = [{row.cell["lr"]: (row.verdict, round(row.p, 9), row.low, row.high) for row in of} for of in found]
    assert {verdict for verdict, *_ in told[0].values()} > {"undecided"}
    assert told[1:] == [told[0]] * 3


def test_without_pairs_1_and_1_0_are_one_cell_too():
    """A column that is empty in some row has 1 as 1.0 in a part of an export."""
    rows = [{"width": width, "val_acc": 0.8 + n / 100} for n, width in enumerate((1, 1.0, 1, 2, 2, 2.0))]
    assert [row.trials for row in judge(rows, "width", "val_acc", seed=None).verdicts] == [3, 3]


def test_what_is_empty_is_a_value_of_its_own_and_that_is_said(tmp_path):
    """W&B and MLflow leave a field empty where a run has not set it, as warmup of most runs here."""
    rows = [row | {"warmup": "" if row["lr"] > 0.001 else 5} for row in plain_rows()]
    (tmp_path / "runs.csv").write_text(_csv(rows))
    outcome = judge(tmp_path / "runs.csv", ["lr", "warmup"], "val_acc")
    assert outcome.remarks[0] == "warmup is empty in 6 of 9 runs: they are compared as warmup=none."
    assert [row.cell["warmup"] for row in outcome.verdicts] == [5, None, None]


def test_a_setting_that_changes_with_the_cell_is_said_and_a_baseline_may_be_called_as_the_column_is():
    widths = {0.1: 64, 0.01: 64, 0.001: 512}
    rows = [{f"params.{name}": value for name, value in row.items()} for row in plain_rows()]
    for n, row in enumerate(rows):
        row |= {"params.width": widths[row["params.lr"]], "started": n, "host": "a"}
    outcome = judge(rows, "params.lr", "val_acc", baseline={"params.lr": 0.1})
    said = "From cell to cell params.width changes too, in all of their runs or some: what is found may be its effect."
    assert said in outcome.remarks
    assert said in document(outcome, "")["remarks"]
    lists = [row | {"sizes": "[64, 64]" if row["lr"] == 0.1 else "[8]"} for row in plain_rows() if row["lr"] > 0.001]
    assert judge(lists, "sizes", "val_acc", baseline={"sizes": [64, 64]}).verdicts[0].verdict == "baseline"
    assert outcome.verdicts == judge(plain_rows(), "lr", "val_acc", baseline={"lr": 0.1}).verdicts
    same = [
        row | {"layers": 2.0 if row["lr"] == 0.1 else 2} for row in plain_rows()
    ]  # as an export of two kinds has it
    for rows in (plain_rows(), same):
        assert not any("changes too" in remark for remark in judge(rows, "lr", "val_acc").remarks)


PARTS = {  # what a column holds of a run → whether it may be what makes the cells differ
    "half of a cell": (lambda run: 0.5 if run["lr"] == 0.1 and run["seed"] > 1 else 0, True),
    "one run": (lambda run: 0.5 if run["lr"] == 0.1 and run["seed"] == 2 else 0, True),
    "one run, the others empty": (lambda run: 0.5 if run["lr"] == 0.1 and run["seed"] == 2 else None, True),
    "half of each cell": (lambda run: 0.5 if run["seed"] > 1 else 0, False),
    "drawn in each cell": (lambda run: (37 * run["seed"] + int(1000 * run["lr"])) % 3, False),
    "measured": (lambda run: run["val_acc"] / 2, False),
}


@pytest.mark.parametrize("part", PARTS)
def test_so_is_one_that_differs_in_some_of_a_cells_runs_unless_its_name_is_a_metrics(part):
    of, named = PARTS[part]
    said = "From cell to cell dropout changes too, in all of their runs or some: what is found may be its effect."
    rows = [run | {"dropout": of(run)} for run in plain_rows()]
    assert (said in judge(rows, "lr", "val_acc").remarks) is named
    steps = [row | {"step": step, "dropout": row["dropout"] if step else None} for row in rows for step in range(3)]
    assert (said in judge(steps, "lr", "val_acc").remarks) is named, "in each row but the first"
    metric = [run | {"f1": of(run)} for run in plain_rows()]
    assert not any("changes too" in remark for remark in judge(metric, "lr", "val_acc").remarks)


def test_runs_that_end_at_other_steps_are_named_first_and_none_that_has_failed():
    """A run that was killed, or whose loss is no number from there on, which a frame has as empty."""
    rows = _steps(lr="lr", seed="seed", epoch="step", val_acc="value")
    cut = [row | {"val_acc": row["val_acc"] if row["epoch"] < 2 or row["lr"] < 0.1 else None} for row in rows]
    said = "Runs end at epoch 1 (lr=0.1, seed=1) to 2: each is judged by its last value."
    assert judge(cut, "lr", "val_acc").remarks[0] == f"{said} The rows up to 1 alone would judge all at one."
    short = [row for row in cut if row["val_acc"] is not None]
    assert judge(short, "lr", "val_acc").remarks[0].startswith(said)
    assert "end at" not in judge([row for row in rows if row["epoch"] < 2], "lr", "val_acc").remarks[0]
    ends = [row for row in short if row["epoch"] == (1 if row["lr"] == 0.1 else 2)]
    assert judge(ends, "lr", "val_acc").remarks[0] == said, "of a row a run"
    failed = [row | {"state": "crashed" if row["lr"] == 0.1 else "finished"} for row in short]
    assert not any("end at" in remark for remark in judge(failed, "lr", "val_acc").remarks)


def test_percent_beside_shares_is_refused_and_a_share_that_is_rounded_up_is_none():
    tenfold = [row | {"val_acc": row["val_acc"] * (100 if row["lr"] == 0.01 else 1)} for row in plain_rows()]
    with pytest.raises(ValueError, match=r"above 1 in some rows, and nowhere in lr=0\.1: percent and shares"):
        judge(tenfold, "lr", "val_acc")
    rounded = [
        row | {"val_acc": 1.0000001192092896 if row["val_acc"] > 0.904 else row["val_acc"]} for row in plain_rows()
    ]
    assert max(row.mean for row in judge(rounded, "lr", "val_acc").verdicts) > 0.9
    percent = [row | {"val_acc": row["val_acc"] * 100} for row in plain_rows()]
    kinds = {row.verdict for row in judge(percent, "lr", "val_acc", smallest_effect=20).verdicts}
    assert kinds == {"best", "as good"}, "20 points"


def test_the_same_ends_are_not_the_same_runs():
    """Of ten images each, three seeds of two cells end alike more often than not, and may differ by many points."""
    ends = {1: (1.0, 1.0, 1.0), 2: (1.0, 1.0, 1.0), 3: (1.0, 0.9, 1.0)}
    rows = [{"lr": lr, "seed": s, "val_acc": end} for lr, of in ends.items() for s, end in enumerate(of)]
    outcome = judge(rows, "lr", "val_acc", baseline={"lr": 1})
    assert [(row.verdict, row.low, row.high) for row in outcome.verdicts][1] == ("undecided", None, None)
    assert "lr=2 by 0.00 points (how far is not known)" in answer(outcome.summary)
    constant = [row | {"val_acc": 0.8} for row in rows]
    assert [row.verdict for row in judge(constant, "lr", "val_acc", baseline={"lr": 1}).verdicts][1:] == [
        "undecided"
    ] * 2


@pytest.mark.parametrize("baseline", [None, {"lr": 0.01}])
def test_where_all_accuracies_fall_one_is_the_best_all_the_same(baseline):
    """A table's first row need not be of the first epoch; and what `--require` finds better has to be named so."""
    rows = [row | {"val_acc": 0.95 - row["val_acc"]} for row in _steps(**STEPS)]
    outcome = judge(rows, "lr", "val_acc", baseline=baseline)
    assert outcome.remarks[0] == "val_acc ends worse than it begins in every run: is max the right mode?"
    assert {row.verdict for row in outcome.verdicts} > {"better" if baseline else "worse"}
    assert document(outcome, "")["winner"] == {"lr": 0.1}
    assert "Yes: " in answer(outcome.summary)


def test_the_last_rows_state_counts_and_a_column_of_other_words_is_none():
    rows = [row | {"state": "running" if row["step"] < 2 else "success"} for row in _steps(**STEPS)]
    assert all(run.status == "completed" for run in judge(rows, "lr", "val_acc").ordered)
    elsewhere = [row | {"state": ("NY", "CA", "TX")[row["seed"] % 3]} for row in plain_rows()]
    assert all(run.status == "completed" for run in judge(elsewhere, "lr", "val_acc").ordered)


STEPS = {"lr": "lr", "seed": "seed", "step": "step", "val_acc": "value"}


def test_a_column_is_read_as_a_whole_and_none_that_is_compared_is_a_state_or_a_number_by_its_looks(tmp_path):
    """Exports write 1 as 1.0 beside an empty field; layers of 8_4 are no 84, and a status may be what is compared."""
    sizes = {0.1: "8_4", 0.01: "84", 0.001: "8_8"}
    rows = [
        {"status": sizes[row["lr"]], **row, "seed": row["seed"] if row["lr"] == 0.1 else float(row["seed"])}
        for row in plain_rows()
    ]
    (tmp_path / "runs.csv").write_text("\r\n" + _csv(rows).replace(",", ", "))
    outcome = judge(tmp_path / "runs.csv", "status", "val_acc")
    assert [row.cell["status"] for row in outcome.verdicts] == ["8_4", 84, "8_8"]
    assert {r.config["seed"] for r in outcome.ordered} == {1, 2, 3}
    expected = judge(plain_rows(), "lr", "val_acc").verdicts
    assert [row.estimate for row in outcome.verdicts] == [row.estimate for row in expected[::-1]]


def test_utf_16_is_read_as_excel_and_windows_shells_write_it(tmp_path):
    (tmp_path / "runs.csv").write_text(plain(), encoding="utf-16")
    assert judge(tmp_path / "runs.csv", "lr", "val_acc").verdicts == judge(plain_rows(), "lr", "val_acc").verdicts


def test_a_table_may_come_through_a_pipe():
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        pipe.write(plain())
    assert judge(f"/dev/fd/{reading}", "lr", "val_acc").verdicts == judge(plain_rows(), "lr", "val_acc").verdicts
    os.close(reading)


def test_what_was_picked_by_test_data_values_in_percent_and_curves_of_other_lengths_are_said():
    rows = _steps(lr="lr", seed="seed", step="step", test_acc="value")[:-1]
    outcome = judge([row | {"test_acc": 100 * row["test_acc"]} for row in rows], "lr", "test_acc")
    said = " ".join(outcome.remarks)
    assert "because that picked it" in said
    assert "in percent: divided by 100" in said
    assert outcome.ordered[0].curve("test_acc")[:2] == pytest.approx([0.5, 0.84])
    assert said.startswith("Runs end at step 1 (lr=0.001, seed=3) to 2: each is judged by its last value. The rows up")
    assert "An epoch of the curves is a row of the table" in said


def test_against_a_baseline_they_are_better_or_worse_and_a_command_may_require_that(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.csv").write_text(plain())
    asked = ["runs.csv", "--cell", "lr", "--value", "val_acc", "--baseline"]
    assert main([*asked, "lr=0.001", "--require", "better"]) == 0
    assert "Is any better than the baseline, lr=0.001? Yes" in capsys.readouterr().out
    kinds = {
        row.cell["lr"]: row.verdict for row in judge(plain_rows(), "lr", "val_acc", baseline={"lr": 0.001}).verdicts
    }
    assert kinds == {0.1: "worse", 0.01: "better", 0.001: "baseline"}
    assert main([*asked, "lr=0.01", "--require", "better"]) == 4


def plain_rows():
    return [{"lr": lr, "seed": seed, "val_acc": end} for (lr, seed), end in ENDS.items()]


@pytest.mark.parametrize(("name", "folds"), [("fold", True), ("outer_fold", True), ("scaffold", False)])
def test_folds_share_training_data_so_that_their_error_is_wider(name, folds, tmp_path, monkeypatch):
    """Of 100 cross-validations of equal classifiers up to 12 found one worse as if folds were independent."""
    monkeypatch.chdir(tmp_path)
    points = {1: (0.80, 0.82, 0.81, 0.79, 0.83), 2: (0.83, 0.84, 0.85, 0.80, 0.84)}
    rows = [{"lr": lr, "run": fold, "val_acc": end} for lr, of in points.items() for fold, end in enumerate(of)]
    (tmp_path / "runs.csv").write_text(_csv(rows).replace("run", name))
    asked = ["runs.csv", "--cell", "lr", "--value", "val_acc", "--seed", name, "--baseline", "lr=1", "--require"]
    assert main([*asked, "better"]) == (4 if folds else 0)
    verdicts = json.loads((tmp_path / "lightning_logs/runs/verdicts.json").read_text())
    assert ("of other data: the unit is one of 5 values of" in verdicts["test"]) is folds
    by_rows = judge(rows, "lr", "val_acc", seed="run", baseline={"lr": 1}).verdicts
    assert [row["estimate"] for row in verdicts["cells"]] == [row.estimate for row in by_rows]


def test_what_more_seeds_would_do_is_said_without_a_command_that_there_is_not():
    rows = [
        {"lr": lr, "seed": s, "val_acc": 0.9 + lr / 100 + s / 100 * (-1) ** (s + lr)}
        for lr in (1, 2)
        for s in (1, 2, 3)
    ]
    for some, said in (
        (rows, "The chance that up to 20 seeds decide is"),
        (rows[:2] + rows[3:5], "Five seeds of each"),
    ):
        outcome = judge(some, "lr", "val_acc")
        assert said in answer(outcome.summary)
        assert "--seeds" not in answer(outcome.summary)
        assert {row.more for row in outcome.verdicts} == {None}


@pytest.mark.parametrize("column", ["State", "Status"])  # W&B's table; MLflow's, downloaded from its page
def test_a_run_that_has_failed_or_is_not_finite_ranks_nowhere(column):
    rows = [{"lr": lr, "seed": s, "val_acc": end, "State": "finished"} for (lr, s), end in ENDS.items()]
    rows[0]["State"] = "crashed"
    rows[3]["val_acc"] = float("inf")
    rows = [{name.replace("State", column): value for name, value in row.items()} for row in rows]
    outcome = judge(rows, "lr", "val_acc")
    assert [row.verdict for row in outcome.verdicts] == ["best", "unranked", "unranked"]
    endings = {result.status: result.reason for result in outcome.ordered}
    assert endings == {"completed": "", "failed": "crashed", "diverged": "val_acc is no finite number"}


PLAIN = plain().splitlines()
BAD = {
    "val_ac": ("no column is called 'val_ac': the nearest is 'val_acc'", PLAIN, ["--value", "val_ac"]),
    "cell": ("no column is called 'widht'", PLAIN, ["--cell", "widht"]),
    "no cell": ("--cell names what is compared, of lr, seed, val_acc", PLAIN, ["--cell", "[]"]),
    "no seed": ("no column is called 'seed': there are lr, val_acc; --seed none if", ["lr,val_acc", "0.1,0.9"], []),
    "same": ("must be different columns", PLAIN, ["--value", "seed", "--mode", "max"]),
    "text": ("val_acc should be a number, not 'good', in row 2", [*PLAIN[:2], "0.1,2,good", *PLAIN[3:]], []),
    "empty": ("lr=0.1, seed=2 has no val_acc", [*PLAIN[:2], "0.1,2,", *PLAIN[3:]], []),
    "no seed here": ("seed is empty in row 2", [*PLAIN[:2], "0.1,,0.9", *PLAIN[3:]], []),
    "no step here": (
        "step should be a number, not empty, in row 2",
        ["lr,seed,val_acc,step", "1,1,0.9,1", "1,1,0.9,"],
        [],
    ),
    "doubled": ("lr=0.1, seed=1 is in row 1 and in row 10", [*PLAIN, PLAIN[1]], []),
    "varies": (
        "they differ in width: one more --cell, or a --step?",
        ["lr,seed,val_acc,width", "0.1,1,0.9,4", "0.1,1,0.8,8"],
        [],
    ),
    "missing": ("lr=0.1 lacks seed=1, which other cells have", [PLAIN[0], *PLAIN[2:]], []),
    "unequal": ("lr=0.01 lacks seed=7", [*PLAIN, "0.1,7,0.8", "0.001,7,0.8"], []),
    "unpaired": ("lr=0.1 lacks run number=3", [PLAIN[0], *PLAIN[2:]], ["--seed", "none"]),
    "one seed": ("each cell has one run", [PLAIN[0], *PLAIN[1::3]], []),
    "one cell": ("there is one cell, lr=0.1", PLAIN[:4], []),
    "mode": ("does not say which is better", [PLAIN[0].replace("val_acc", "score"), *PLAIN[1:]], ["--value", "score"]),
    "nothing": ("there are no rows", PLAIN[:1], []),
    "head": ("two columns called 'lr'", ["lr,lr,val_acc", "1,2,3"], []),
    "fields": ("more fields in row 1", ["lr,seed,val_acc", "1,2,3,4"], []),
    "baseline": ("baseline: no cell is lr=7; the first is lr=0.001", PLAIN, ["--baseline", "lr=7"]),
    "no axis": ("baseline: width does not vary here, which lr does", PLAIN, ["--baseline", "width=7"]),
    "part of it": ("baseline: wid does not vary", PLAIN, ["--baseline", "lr=0.1", "wid=3"]),
    "require": ("--require better needs a cell to be held against", PLAIN, ["--require", "better"]),
    "part of one": (
        "baseline: no cell is lr=0.1; the first is lr=0.1, width=4",
        ["lr,width,seed,val_acc", *(f"0.1,{width},{seed},0.{width}" for width in (4, 8) for seed in (1, 2, 3))],
        ["--cell", "lr,width", "--baseline", "lr=0.1"],
    ),
    "two seeds": (
        "--require needs 3 seeds or more",
        [line for line in PLAIN if ",3," not in line],
        ["--baseline", "lr=0.1", "--require", "better"],
    ),
    "a folder elsewhere": ("--name becomes a folder: at most 200 letters", PLAIN, ["--name", "../x"]),
    "an absolute one": ("--name becomes a folder", PLAIN, ["--name", "/x"]),
    "a long one": ("--name becomes a folder", PLAIN, ["--name", "n" * 300]),
    "a log_dir that is a file": ("log_dir: runs.csv is a file", PLAIN, ["--log_dir", "runs.csv"]),
    "a folder that is a file": ("runs.csv holds something else", PLAIN, ["--log_dir", ".", "--name", "runs.csv"]),
    "as good of a loss": (
        "--require as-good needs --smallest_effect: which difference of val_loss is none?",
        [PLAIN[0].replace("acc", "loss"), *PLAIN[1:]],
        ["--value", "val_loss", "--baseline", "lr=0.1", "--require", "as-good"],
    ),
    "step": ("no column is called 'tick'", PLAIN, ["--step", "tick"]),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_judged_is_said_in_a_line_and_nothing_is_written(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    said, lines, more = BAD[case]
    (tmp_path / "runs.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(SystemExit) as end:
        main(["runs.csv", "--cell", "lr", "--value", "val_acc", *more])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["runs.csv"]


def test_a_run_without_a_number_is_a_failure_and_a_baselines_leaves_nothing_to_compare(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for lr, said in ((0.01, "Is any better than the baseline, lr=0.1?"), (0.1, "Nothing was compared: the baseline")):
        (tmp_path / "runs.csv").write_text(plain().replace(str(ENDS[lr, 2]), "nan"))
        argv = ["runs.csv", "--cell", "lr", "--value", "val_acc", "--baseline", "lr=0.1"]
        assert main(argv) == 1
        assert said in capsys.readouterr().out
        assert main([*argv, "--require", "better"]) == (0 if lr == 0.01 else 1), "lr=0.001 is better all the same"


def test_so_is_a_file_in_another_encoding(tmp_path):
    (tmp_path / "runs.csv").write_text(plain().replace("lr", "größe"), encoding="latin-1")
    with pytest.raises(ValueError, match=r"runs.csv is no table in UTF-8"):
        judge(tmp_path / "runs.csv", "größe", "val_acc")


@pytest.mark.parametrize("file", ["there.csv", "."])
def test_so_is_a_file_that_cannot_be_read(file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main([file, "--cell", "lr", "--value", "val_acc"])
    assert f"{file} cannot be read: " in capsys.readouterr().err


def test_a_sweeps_folder_anothers_files_and_what_is_read_are_not_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    logs = tmp_path / "lightning_logs"
    for name in ("sweep/results.jsonl", "sweep/report.html", "mine/thesis.txt", "own/own.csv"):
        (logs / name).parent.mkdir(parents=True, exist_ok=True)
        (logs / name).write_text(plain())
    page = '<script type="application/json" id="known">{"monitor": "val_acc"}</script>'
    (logs / "sweep" / "report.html").write_text(page)
    for name in ("sweep", "mine", "own"):
        with pytest.raises(SystemExit, match="2"):
            main(["lightning_logs/own/own.csv", "--cell", "lr", "--value", "val_acc", "--name", name])
        assert "another --name" in capsys.readouterr().err
    assert sorted(path.name for path in logs.rglob("*.*")) == ["own.csv", "report.html", "results.jsonl", "thesis.txt"]
    assert (logs / "sweep" / "report.html").read_text() == page
    columns = ["--cell", "lr", "--value", "val_acc", "--name", "judged"]
    assert main(["lightning_logs/own/own.csv", *columns]) == 0
    written = (logs / "judged" / "results.csv").read_bytes()
    with pytest.raises(SystemExit, match="2"):
        main(["lightning_logs/judged/results.csv", *columns])
    assert "would hold what is read from there" in capsys.readouterr().err
    assert (logs / "judged" / "results.csv").read_bytes() == written
