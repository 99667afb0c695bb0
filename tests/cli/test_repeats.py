"""Seeds, replicates and races by the command line, and what would run."""

import csv
import dataclasses
import os
import re
import signal

import pytest
from stranger import SWEEP, here

import nnhp_torch
from nnhp_torch import ResultStore, SweepCallback
from nnhp_torch.cli.report import main as report_main


def test_dry_run_lists_the_trials_and_writes_nothing(command):
    _, out, _ = command("--dry_run", "--seeds", "2", expect=0)
    assert [line.split()[0] for line in out.splitlines()[:4]] == [
        "lr=0.1,seed=123",
        "lr=0.01,seed=123",
        "lr=0.1,seed=124",
        "lr=0.01,seed=124",
    ]
    assert "4 of 4 trials would run" in out
    assert not (command.folder / "lightning_logs").exists()


def test_over_repeats_each_cell_in_table_figure_and_ledger_and_goes_on_where_it_was_stopped(sweep, tmp_path, capsys):
    flags = ["--grid.lr", "[0.1, 0.01]", "--over.width", "[4, 6, 8]", "--seeds", "2", "--max_epochs", "1"]
    sweep = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]})

    class Stop(SweepCallback):
        def on_trial_end(self, trial, result):
            if (trial.label, *trial.replicate.values()) == ("lr=0.01", 6):
                os.kill(os.getpid(), signal.SIGTERM)

    assert here(sweep, tmp_path, *flags, callbacks=[Stop()]) == 128 + signal.SIGTERM
    folder = tmp_path / "tiny"
    assert (folder / "results.jsonl").read_bytes().count(b"\n") == 4
    assert here(sweep, tmp_path, *flags) == 0
    out = capsys.readouterr().out
    assert "lr=0.01, width=8, seed=124" in out
    assert "(2 seeds × 3 values of width, paired" in " ".join(out.split())
    assert (folder / "results.jsonl").read_bytes().count(b"\n") == 12
    with open(folder / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:3] == ["lr", "width", "seed"]
    assert [(row["width"], row["seed"]) for row in rows[::2]] == [
        (width, seed) for seed in ("123", "124") for width in ("4", "6", "8")
    ]
    assert (folder / "figure.png").exists()
    assert len(list(folder.glob("lr=*/events.out.tfevents.*"))) == 12


def test_a_race_has_its_cells_seeds_in_table_csv_page_and_figure_and_goes_on_where_it_was_stopped(
    tmp_path, capsys, quick
):
    sweep = dataclasses.replace(SWEEP, axes={"lr": [0.1, 0.0001, 0.01]})
    flags = ["--seeds", "auto", "--max_seeds", "6"]

    class Stop(SweepCallback):
        def on_trial_end(self, trial, result):
            if (trial.label, trial.config.seed) == ("lr=0.1", 126):
                os.kill(os.getpid(), signal.SIGTERM)

    assert here(sweep, tmp_path, *flags, callbacks=[Stop()]) == 128 + signal.SIGTERM
    out = " ".join(capsys.readouterr().out.split())
    assert "tiny: up to 18 trials to run" in out
    assert re.search(r"Interrupted: up to \d+ trials left", out)
    assert here(sweep, tmp_path, *flags) == 0
    out = capsys.readouterr().out
    folder = tmp_path / "tiny"
    with open(folder / "verdicts.csv", newline="") as file:
        rows = {row["lr"]: row for row in csv.DictReader(file)}
    assert rows["0.0001"]["verdict"] == "worse"
    trials = {lr: int(row["trials"]) for lr, row in rows.items()}
    total = sum(trials.values())
    assert 9 < total < 18
    assert (folder / "results.jsonl").read_bytes().count(b"\n") == total
    said = f"{total} trials; 6 seeds of every cell would have been 18"
    page = (folder / "report.html").read_text()
    for text in (out, page):
        assert said in " ".join(text.split())
    assert re.search(r"lr +seeds +val_acc", out)
    assert (folder / "figure.png").exists()
    assert here(sweep, tmp_path, *flags) == 0
    assert f"Nothing to run: all {total} trials" in " ".join(capsys.readouterr().out.split())
    assert report_main([str(folder)]) == 0
    assert said in (folder / "report.html").read_text()
    assert here(sweep, tmp_path / "workers", *flags, "--jobs", "2") == 0
    alone, beside = (ResultStore(path).results() for path in (folder, tmp_path / "workers" / "tiny"))
    assert {key: r.history for key, r in alone.items()} == {key: r.history for key, r in beside.items()}


def test_a_dry_run_says_what_is_the_same_in_all_and_that_so_few_steps_rank_little(capsys, tmp_path):
    from sweeps.learning_rate import SWEEP

    def said(*options):
        with pytest.raises(SystemExit, match="0"):
            nnhp_torch.main(SWEEP, argv=["--dry_run", "--log_dir", str(tmp_path), *options])
        return capsys.readouterr().out

    assert "The same in all: 3 hidden layers × 128 units, Adam, batch_size=30000, 80 epochs of MNIST\n" in said()
    assert "steps" not in said()
    assert "A trial has 6 optimizer steps in all (3 epochs of 2)" in said("--max_epochs", "3")
    assert "steps" not in said("--max_epochs", "3", "--base.batch_size", "100")


def test_a_dry_run_of_a_race_lists_what_is_chosen_and_how_many_more_there_may_be(command):
    _, out, _ = command("--seeds", "auto", "--dry_run", expect=0)
    assert "6 of 6 trials would run, and then up to 34 more" in out
    assert not (command.folder / "lightning_logs").exists()
