"""The lines that a person reads in the end."""

import dataclasses
import io
import math
import threading

import pytest
from conftest import FakeLaunch, completed
from rich.console import Console

from nnhp_torch.core.ledger.checkpoints import acquire
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.csv import TablesReport
from nnhp_torch.report.plotting.style import TERMINAL
from nnhp_torch.report.terminal.console import Terminal
from nnhp_torch.report.terminal.progress import ProgressReport
from nnhp_torch.report.terminal.table import TableReport, table
from nnhp_torch.run.checkpoint_tidying import CheckpointTidying, winner_checkpoint


def _console(width=100):
    return Terminal(io.StringIO(), width=width)


def _report(sweep, store, launch, seeds=(123,), width=100):
    out = _console(width)
    callbacks = [ProgressReport(out), TableReport(out, store, "python -m sweeps.tiny")]
    Sweeper(launch, store, callbacks).run(sweep, sweep.trials(seeds=seeds))
    return out.file.getvalue()


def test_the_end_names_the_winner_the_noise_and_what_to_do_next(sweep, store):
    best = sweep.trials()[2]
    text = _report(sweep, store, FakeLaunch({best.label: completed(best, 0.95)}))
    assert "Winner: lr=0.01, width=4 with val_accuracy=0.9500 (test 0.9400)" in text
    assert "Cannot be told from one seed: ahead of lr=0.1, width=4 by 5.00 points." in text
    assert f"Figure   {store.folder / 'figure.png'}" in text
    assert f"Curves   tensorboard --logdir {store.folder}" in text


@pytest.mark.parametrize(("scored", "column"), [(4, "trained_acc"), (3, "train_acc"), (0, "train_acc")])
def test_training_is_compared_as_scored_at_the_end_if_every_trial_has_that(sweep, store, scored, column):
    """Else as it was logged while it trained: means of both kinds would not be comparable."""
    results = {trial.label: completed(trial, 0.9) for trial in sweep.trials()}
    for trial in sweep.trials()[:scored]:
        results[trial.label] = dataclasses.replace(results[trial.label], trained={"trained_accuracy": 0.97})
    head, *rows = _report(sweep, store, FakeLaunch(results)).partition("lr  width")[2].splitlines()
    assert [word for word in head.split() if word.startswith("train")] == [column]
    assert ("0.9700" in rows[0]) == (column == "trained_acc")


def test_further_metrics_of_a_sweep_are_shown_in_table_and_csv_if_they_are_logged(sweep, store, tmp_path):
    shown = dataclasses.replace(sweep, extra_metrics=["val_sparsity", "val_unheard"])
    results = {
        trial.label: dataclasses.replace(completed(trial, 0.9), history={"val_accuracy": [0.9], "val_sparsity": [0.42]})
        for trial in shown.trials()
    }
    out = _console()
    callbacks = [TableReport(out, store, "python -m sweeps.tiny"), TablesReport(tmp_path)]
    Sweeper(FakeLaunch(results), store, callbacks).run(shown, shown.trials())
    assert "val_sparsity" in out.file.getvalue()
    assert "0.4200" in out.file.getvalue()
    head, first, *_ = (tmp_path / "results.csv").read_text().splitlines()
    assert dict(zip(head.split(","), first.split(","), strict=True))["val_sparsity"] == "0.42"
    assert "val_unheard" not in head + out.file.getvalue()
    with pytest.raises(ValueError, match="extra_metrics must be a list"):
        dataclasses.replace(sweep, extra_metrics="val_sparsity")


def test_where_all_trials_fail_no_winner_is_claimed(sweep, store):
    text = _report(
        sweep,
        store,
        FakeLaunch({t.label: TrialResult.of(t, "failed", "Traceback\nValueError: no") for t in sweep.trials()}),
    )
    assert "No winner" in text
    assert "Winner:" not in text
    assert "lr=0.1,width=4 failed: ValueError: no" in text


def test_without_a_terminal_each_trial_is_a_plain_line(sweep, store):
    lines = _report(sweep, store, FakeLaunch()).splitlines()
    assert lines[0] == "tiny: 4 trials to run"
    assert lines[1] == "✓ 1/4  lr=0.1, width=4  val_accuracy=0.9000  3 epochs, 1.5 s"


def test_seeds_are_named_where_there_are_several(sweep, store):
    lines = _report(sweep, store, FakeLaunch(), seeds=(1, 2)).splitlines()
    assert "lr=0.1, width=4, seed=1" in lines[1]


def test_nothing_to_run_says_where_the_results_were_made(sweep, store):
    _report(sweep, store, FakeLaunch())
    text = _report(sweep, store, FakeLaunch())
    assert "Nothing to run: all 4 trials are in" in text
    assert "made 2026-01-02 on a CPU with torch 2.0" in text
    assert "--fresh" in text


@pytest.mark.parametrize("width", [200, 100, 70, 50])
def test_the_table_fits_the_terminal_and_cuts_nothing_off(sweep, store, width):
    best = sweep.trials()[0]
    launch = FakeLaunch({best.label: completed(best, 0.95)})
    summary = Sweeper(launch, store).run(sweep, sweep.trials(seeds=[1, 2, 3])).summary
    out = _console(width)
    out.print(table(summary, summary.cells, width=width))
    text = out.file.getvalue()
    assert "…" not in text
    assert len(text.splitlines()) == 5
    assert "val_acc" in text
    assert "winner" in text


def _with_checkpoints(store, launch):
    """A launch that leaves both checkpoints of each trial."""

    def run(trials, listener):
        for trial in trials:
            folder = store.folder / trial.name / "checkpoints"
            acquire(folder, trial.identity)
            for name in ("last", "best"):
                (folder / f"{name}.ckpt").touch()
            launch(iter([trial]), listener)

    return run


def _left(store):
    return sorted(f"{path.parent.parent.name}/{path.name}" for path in store.folder.glob("*/checkpoints/*.ckpt"))


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        ("winner", ["lr=0.01,width=4/last.ckpt"]),
        ("last", ["lr=0.01,width=4/last.ckpt", "lr=0.01,width=8/last.ckpt", "lr=0.1,width=8/last.ckpt"]),
        ("best", ["lr=0.01,width=4/best.ckpt", "lr=0.01,width=8/best.ckpt", "lr=0.1,width=8/best.ckpt"]),
    ],
)
def test_only_the_checkpoints_asked_for_stay_and_a_failed_trial_keeps_its_own(sweep, store, keep, left):
    failing, _, best, _ = sweep.trials()
    launch = FakeLaunch({failing.label: TrialResult.of(failing, "failed", "no"), best.label: completed(best, 0.95)})
    Sweeper(_with_checkpoints(store, launch), store, [CheckpointTidying(store.folder, keep)]).run(sweep, sweep.trials())
    failed = ["lr=0.1,width=4/best.ckpt", "lr=0.1,width=4/last.ckpt"]
    if keep == "winner":  # the sweep is not complete: any cell may still win
        left = [f"{trial.name}/last.ckpt" for trial in sweep.trials()[1:]]
    assert _left(store) == sorted(left + failed)


@pytest.mark.parametrize("order", [list, reversed])
@pytest.mark.parametrize(
    ("first", "second", "stays"), [(0.9, 0.95, "lr=0.1,seed=2"), (0.95, 0.9, "lr=0.1"), (0.9, 0.9, "lr=0.1")]
)
def test_when_all_is_done_only_the_winners_best_seed_stays(sweep, store, first, second, stays, order):
    """The first of equals, whichever has ended first."""
    small = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]})
    accuracies = {"lr=0.1": first, "lr=0.01": 0.8, "lr=0.1,seed=2": second, "lr=0.01,seed=2": 0.99}

    def launch(trials, listener):
        for trial in order(list(trials)):
            _with_checkpoints(store, FakeLaunch({trial.label: completed(trial, accuracies[trial.name])}))(
                iter([trial]), listener
            )

    Sweeper(launch, store, [CheckpointTidying(store.folder)]).run(small, small.trials(seeds=[123, 2]))
    assert _left(store) == [f"{stays}/last.ckpt"], "of the winning cell, though another trial was better"


def test_the_weights_that_are_named_are_never_another_trials(sweep, store):
    small = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]})
    outcome = Sweeper(_with_checkpoints(store, FakeLaunch()), store).run(small, small.trials())
    last = winner_checkpoint(outcome, store.folder)
    assert last == store.folder / "lr=0.1" / "checkpoints" / "last.ckpt"
    edited = dataclasses.replace(small.trials()[0], build="elsewhere:build")
    acquire(last.parent, edited.identity)
    last.touch()
    aside = winner_checkpoint(outcome, store.folder)
    assert aside == last.parent.with_name(f"checkpoints-{small.trials()[0].key[:8]}") / last.name
    aside.unlink()
    assert winner_checkpoint(outcome, store.folder) is None


def _of_a_stranger(trial, history, test=None):
    return dataclasses.replace(completed(trial), history=history, test=test or {})


def test_several_seeds_of_a_module_that_logs_the_monitor_alone_have_a_table_and_a_csv_without_empty_columns(
    sweep, store
):
    losses = dataclasses.replace(sweep, monitor="val_loss")
    trials = losses.trials(seeds=[1, 2])
    for place, trial in enumerate(trials):
        store.append(_of_a_stranger(trial, {"val_loss": [1.0, 0.1 * (1 + place % 4)]}))
    out = _console()
    callbacks = [TablesReport(store.folder), TableReport(out, store, "python mine.py")]
    Sweeper(FakeLaunch(), store, callbacks).run(losses, trials)
    head = next(line for line in out.file.getvalue().splitlines() if "val_loss" in line)
    assert head.split() == ["lr", "width", "val_loss", "↓", "best", "s/trial", "behind"], "less is better"
    assert "Winner: lr=0.1, width=4 with val_loss=0.1000±0.0000" in out.file.getvalue()
    columns = (store.folder / "results.csv").read_text().splitlines()[0].split(",")
    assert columns[2:7] == ["seed", "status", "epochs", "val_loss", "best_val_loss"]


def test_a_seed_without_the_metric_leaves_the_cell_unranked_and_breaks_nothing(sweep, store):
    losses = dataclasses.replace(sweep, monitor="val_loss", axes={"lr": [0.1, 0.01]})
    for trial in losses.trials(seeds=[1, 2]):
        missing = trial.cell["lr"] == 0.1 and trial.config.seed == 2
        store.append(_of_a_stranger(trial, {"val_loss": [math.nan if missing else 0.5]}))
    out = _console()
    Sweeper(FakeLaunch(), store, [TableReport(out, store, "x")]).run(losses, losses.trials(seeds=[1, 2]))
    assert "Winner: lr=0.01 with val_loss=0.5000±0.0000" in out.file.getvalue()


def test_twins_are_shown_under_the_names_that_the_module_gave_them(sweep, store):
    slashed = dataclasses.replace(sweep, monitor="val/acc", axes={"lr": [0.1, 0.01]})
    for trial in slashed.trials():
        value = 0.7 if trial.cell["lr"] == 0.1 else 0.65
        store.append(_of_a_stranger(trial, {"train/acc": [0.8], "val/acc": [value]}, {"test/acc": 0.6}))
    out = _console()
    Sweeper(FakeLaunch(), store, [TableReport(out, store, "x")]).run(slashed, slashed.trials())
    assert "val/acc ↑  test/acc  train/acc" in out.file.getvalue()
    assert "with val/acc=0.7000 (test 0.6000)" in out.file.getvalue()


def test_of_many_cells_the_table_has_the_best_and_the_worst_and_the_number_of_the_others(sweep, store):
    many = dataclasses.replace(sweep, axes={"lr": [round(0.001 * i, 3) for i in range(1, 301)]})
    accuracies = {trial.label: completed(trial, i / 300) for i, trial in enumerate(many.trials())}
    lines = _report(many, store, FakeLaunch(accuracies)).splitlines()
    (head,) = [number for number, line in enumerate(lines) if "val_acc" in line and "lr" in line.split()]
    assert [line.split()[0] for line in lines[head + 1 : head + 11]] == [f"{0.3 - 0.001 * i:g}" for i in range(10)]
    assert lines[head + 11].strip() == "… 280 more cells"
    assert [line.split()[0] for line in lines[head + 12 : head + 22]] == [f"{0.01 - 0.001 * i:g}" for i in range(10)]
    assert lines[head + 22].startswith("Winner: lr=0.3 ")


def test_axes_for_which_there_is_no_room_share_a_column_of_several_lines(sweep, store):
    trials = sweep.trials(seeds=[1, 2])
    for place, trial in enumerate(trials):
        store.append(completed(trial, 0.9 - 0.1 * (place % 4)))
    outcome = Sweeper(FakeLaunch(), store).run(sweep, trials)
    out = _console(34)
    out.print(table(outcome.summary, outcome.summary.cells, width=34))
    text = out.file.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 34
    for word in ("cell", "lr=0.01,", "width=8", "0.9000±0.0000", "winner"):
        assert word in text


def test_a_terminal_breaks_no_word_and_a_file_no_line(sweep, store):
    accuracies = {trial.label: completed(trial, 0.9 - place / 100) for place, trial in enumerate(sweep.trials())}
    wide = _report(sweep, store, FakeLaunch(accuracies), width=60)
    sentence = "Is it the best? Cannot be told from one seed: ahead of lr=0.1, width=8 by 1.00 points."
    assert sentence in wide
    out = Console(file=io.StringIO(), width=60, force_terminal=True, color_system=None)
    Sweeper(FakeLaunch(), store, [TableReport(out, store, "x")]).run(sweep, sweep.trials())
    lines = out.file.getvalue().splitlines()
    (first,) = [number for number, line in enumerate(lines) if line.startswith("Is it the best?")]
    assert " ".join(line.strip() for line in lines[first : first + 2]) == sentence
    first, last = (next(n for n, line in enumerate(lines) if line.startswith(word)) for word in ("Nothing", "Page"))
    again = [line.rstrip() for line in lines[first:last]]
    assert max(map(len, again)) <= 60
    assert "on a CPU with torch 2.0. --fresh runs them anew and keeps the old folder." in " ".join(again)


def test_the_weights_say_whose_seed_they_are_if_there_are_several_and_until_when_they_are_kept(sweep, store):
    small = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]})
    out = _console(200)
    callbacks = [TableReport(out, store, "x")]
    Sweeper(_with_checkpoints(store, FakeLaunch()), store, callbacks).run(small, small.trials(seeds=[123, 2]))
    weights = store.folder / "lr=0.1" / "checkpoints" / "last.ckpt"
    said = f"{weights}\n         of seed=123, the best of its cell; kept until another trial wins"
    assert said in out.file.getvalue()
    out = _console(200)
    callbacks = [TableReport(out, store, "x", keep="best")]
    Sweeper(_with_checkpoints(store, FakeLaunch()), store, callbacks).run(small, small.trials(seeds=[123]))
    assert "kept until" not in out.file.getvalue()


def test_the_bars_say_what_is_left_and_what_is_waited_for(sweep, store):
    shown, now = [], [0.0]
    out = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None, get_time=lambda: now[0])
    progress = ProgressReport(out)

    def render():
        screen = _console()
        screen.print(progress.bars.get_renderable())
        shown.append(screen.file.getvalue())

    def launch(trials, listener):
        render()
        listener.waiting("4 waiting (Resources)")
        render()
        for trial in trials:
            listener.started(trial)
            listener.started(trial)  # as in a cluster's second job
            for epoch in (1, 2):
                now[0] += 60
                listener.epoch_ended(trial, epoch, {"val_accuracy": 0.5})
            render()
            listener.waiting("1 running, 2 waiting")
            listener.ended(trial, completed(trial))
            render()

    Sweeper(launch, store, [progress]).run(sweep, sweep.trials())
    assert "starting: the first trial begins in a few seconds" in shown[0]
    assert "4 waiting (Resources)" in shown[1]
    assert "trials" not in shown[1]
    first, trial = shown[2].splitlines()
    assert "0/4 trials" in first
    assert "0:10:00" in first, "two of twelve epochs have taken two minutes"
    assert "epoch 2/3  val_accuracy=0.5000" in trial
    assert "1/4 trials  1 running, 2 waiting" in shown[3]
    assert len(shown[3].splitlines()) == 1, "a trial that has ended has a line of its own, not a bar"


def test_the_bars_are_not_drawn_while_a_line_is_printed_above_them():
    """Drawn in between they would be one less than the line counts with, and the line above it would be gone."""
    out = Terminal(io.StringIO(), force_terminal=True)
    progress, alive = ProgressReport(out), []

    class Line:
        def __rich__(self):
            draws = threading.Thread(target=progress.bars.refresh, daemon=True)
            draws.start()
            draws.join(0.1)
            alive.append(draws.is_alive())
            return "a trial has ended"

    with progress:
        out.print(Line())
    assert alive == [True]


@pytest.mark.parametrize("colour", ["#ffffff", "#000000"])
def test_each_colour_of_the_terminal_can_be_read_on_white_and_on_black(colour):
    def luminance(of):
        parts = [int(of[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for name, of in TERMINAL.items():
        low, high = sorted([luminance(of), luminance(colour)])
        assert (high + 0.05) / (low + 0.05) > 3.9, name
