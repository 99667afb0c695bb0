"""The panels show the numbers of the ledger."""

import dataclasses
import math

import numpy as np
import pytest
from conftest import completed
from matplotlib.figure import Figure

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.figure import panels
from nnhp_torch.report.plotting.style import LEGEND

CURVES = ([0.2, 0.4], [0.4, 0.8])
UNEQUAL = ([0.2, 0.4, 0.6], [0.4])


def _outcome(sweep, store, results, seeds=(123,)):
    trials = sweep.trials(seeds=seeds)
    for trial, result in zip(trials, results, strict=False):
        store.append(dataclasses.replace(result, key=trial.key, name=trial.name))
    return Sweeper(lambda trials, listener: None, store).run(sweep, trials)


def _with_history(trial, values):
    return dataclasses.replace(completed(trial), history={"train_accuracy": values, "val_accuracy": values})


def _drawn(outcome):
    figure = Figure(figsize=(11, 8), layout="constrained")
    panels.draw(figure, outcome.summary)
    return figure


def test_a_series_is_the_mean_over_the_seeds_with_one_standard_deviation(sweep, store):
    one = dataclasses.replace(sweep, axes={"lr": [0.1]})
    results = [_with_history(trial, values) for trial, values in zip(one.trials([1, 2]), CURVES, strict=True)]
    outcome = _outcome(one, store, results, seeds=[1, 2])
    series = panels.series(outcome.summary.cells[0], "val_accuracy")
    assert series.mean == pytest.approx([0.3, 0.6])
    spread = [0.1 * math.sqrt(2), 0.2 * math.sqrt(2)]
    assert series.low == pytest.approx(np.array([0.3, 0.6]) - spread)
    assert series.high == pytest.approx(np.array([0.3, 0.6]) + spread)


def test_runs_of_different_length_count_as_far_as_they_go(sweep, store):
    one = dataclasses.replace(sweep, axes={"lr": [0.1]})
    results = [_with_history(trial, values) for trial, values in zip(one.trials([1, 2]), UNEQUAL, strict=True)]
    outcome = _outcome(one, store, results, seeds=[1, 2])
    series = panels.series(outcome.summary.cells[0], "val_accuracy")
    assert series.mean == pytest.approx([0.3, 0.4, 0.6])
    assert series.low[1:] == pytest.approx(series.high[1:])


def test_a_curve_ends_when_fewer_than_half_of_its_seeds_are_left(sweep, store):
    one = dataclasses.replace(sweep, axes={"lr": [0.1]})
    curves = [[0.5] * 2, [0.5] * 3, [0.5] * 4, [0.5] * 5, [0.5, 0.5, 0.5, 0.5, 0.5, 0.1]]
    results = [_with_history(trial, curve) for trial, curve in zip(one.trials(range(5)), curves, strict=True)]
    series = panels.series(_outcome(one, store, results, seeds=range(5)).summary.cells[0], "val_accuracy")
    assert series.mean == pytest.approx([0.5] * 4), "three of five reach the fourth epoch, two the fifth"


def test_no_title_runs_into_the_next_one(sweep, store):
    wide = dataclasses.replace(
        sweep, axes={"lr": [0.1, 0.010000123], "width": [int("1234567890" * 3), int("9876543210" * 3)]}
    )
    results = [completed(trial, 0.96) for trial in wide.trials()]
    figure = _drawn(_outcome(wide, store, results))
    figure.draw_without_rendering()
    titles = [axes.title for axes in figure.axes]
    boxes = [title.get_window_extent() for title in titles]
    assert titles[0].get_text().count("\n") == 1
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_title_that_is_too_long_for_its_panel_takes_several_lines(sweep, store):
    long = [int(f"{digit}" * 19) for digit in range(1, 5)]
    narrow = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01], "width": long})
    figure = _drawn(_outcome(narrow, store, [completed(trial, 0.96) for trial in narrow.trials()]))
    figure.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert figure.axes[0].title.get_text() == "lr=0.1,\nwidth=1111111111111111111\nval_acc=0.9600"
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_titles_are_the_articles_and_say_what_went_wrong(sweep, store):
    trials = sweep.trials()
    results = [completed(trials[0], 0.9613), TrialResult.of(trials[1], "failed", "no"), completed(trials[2], 0.5)]
    shown = [axes.title for axes in _drawn(_outcome(sweep, store, results)).axes]
    assert [title.get_text() for title in shown] == [
        "lr=0.1, width=4  val_acc=0.9613",
        "lr=0.1, width=8  (failed)",
        "lr=0.01, width=4  val_acc=0.5000",
        "lr=0.01, width=8  (not run)",
    ]
    assert [title.get_fontweight() for title in shown] == ["bold", "normal", "normal", "normal"]


def test_the_drawing_holds_each_cells_curves_and_names_its_axes(sweep, store):
    trials = sweep.trials()
    outcome = _outcome(sweep, store, [completed(trial, 0.9 + i / 100) for i, trial in enumerate(trials)])
    figure = _drawn(outcome)
    axes = figure.get_axes()
    assert len(axes) == 4
    for i, ax in enumerate(axes):
        lines = {line.get_label(): list(line.get_ydata()) for line in ax.get_lines()}
        assert lines["validation"] == pytest.approx([0.5, 0.91 + i / 100, 0.9 + i / 100])
        assert lines[LEGEND["train"]] == pytest.approx([0.5, 0.8, 0.9 + i / 100])
    assert [ax.get_xlabel() for ax in axes] == ["", "", "epoch", "epoch"]
    assert [ax.get_ylabel() for ax in axes] == ["accuracy", "", "accuracy", ""]
    assert axes[0].get_ylim() == axes[3].get_ylim()
    assert figure.legends


def test_a_sweep_in_which_nothing_ran_can_be_drawn(sweep):
    assert _drawn(Outcome(sweep, sweep.trials())).get_axes()


@pytest.mark.parametrize(
    ("axes", "shape"),
    [((4,), (2, 2)), ((3, 3), (3, 3)), ((2, 4), (2, 4)), ((7,), (3, 3)), ((1,), (1, 1))],
)
def test_panels_are_laid_out_by_the_axes(sweep, axes, shape):
    values = {name: [0.1 * i for i in range(1, n + 1)] for name, n in zip(("lr", "width"), axes, strict=False)}
    wide = dataclasses.replace(sweep, axes=values)
    assert panels.shape(Outcome(wide, wide.trials()).summary.cells) == shape


def test_every_seeds_final_value_is_in_the_frame_and_nothing_that_the_metric_cannot_be(sweep, store):
    one = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]})
    finals = [0.985, 0.98, 0.98, 0.05]  # one seed of the second cell has not learned
    results = [completed(trial, value) for trial, value in zip(one.trials([1, 2]), finals, strict=True)]
    outcome = _outcome(one, store, results, seeds=[1, 2])
    low, high = _drawn(outcome).axes[0].get_ylim()
    assert low <= 0.05
    assert high == 1.0


@pytest.mark.parametrize(
    ("monitor", "logged", "legend"),
    [
        ("val/acc", ("train/acc", "val/acc"), [LEGEND["train"], "validation"]),
        ("val_loss", ("val_loss",), ["validation"]),
        ("train_loss", ("train_loss",), [LEGEND["train"]]),
        ("g_loss", ("g_loss", "d_loss"), ["g_loss"]),
    ],
)
def test_the_legend_names_what_was_logged_and_nothing_else(sweep, store, monitor, logged, legend):
    one = dataclasses.replace(sweep, monitor=monitor, mode="min", axes={"lr": [0.1]})
    result = dataclasses.replace(completed(one.trials()[0]), history={name: [0.5, 0.4] for name in logged}, test={})
    figure = _drawn(_outcome(one, store, [result]))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == legend
