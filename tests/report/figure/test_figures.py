"""The sweep's figure: all cells in one picture, the article's panels below, and what was the same in all."""

import dataclasses
import itertools

from conftest import completed

from nnhp_torch.article.config import TrialConfig
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.report.figure import callback, whole


def _outcome(sweep, seeds=(123,)):
    trials = sweep.trials(seeds)
    return Outcome(sweep, trials, {t.key: completed(t, 0.9 + i / 1000) for i, t in enumerate(trials)})


def _draw(outcome):
    figure = whole.draw(outcome.summary)
    figure.draw_without_rendering()
    return figure


def _texts(figure):
    return [text.get_text() for text in figure.subfigs[0].texts]


def test_the_picture_of_all_cells_stands_above_a_panel_for_each(sweep):
    _, above, below = _draw(_outcome(sweep)).subfigs
    assert [axes.get_title(loc="left") for axes in above.axes] == ["each epoch", "at the end"]
    assert len(below.axes) == sweep.size


def test_further_metrics_that_a_sweep_shows_have_a_picture_below_with_a_place_for_each_cell(sweep):
    shown = dataclasses.replace(sweep, extra_metrics=["train_accuracy", "val_unheard"])
    *_, last = _draw(_outcome(shown, seeds=(1, 2))).subfigs
    (axes,) = last.axes
    assert axes.get_title() == "train accuracy"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.1\n4", "0.1\n8", "0.01\n4", "0.01\n8"]
    assert len(axes.lines[0].get_xdata()) == 2, "a ring per trial"
    assert axes.lines[1].get_ydata()[0] == sum(axes.lines[0].get_ydata()) / 2


def test_the_head_says_what_was_the_same_in_all_cells(sweep):
    one = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]})
    assert _texts(_draw(_outcome(one, seeds=(1, 2)))) == [
        "tiny",
        "The same in all cells: width=4, max_epochs=3; 2 seeds",
    ]


def test_a_configuration_that_knows_how_people_say_its_settings_says_them_itself():
    base = TrialConfig(max_epochs=80, momentum=0.5, dropout=0.25)
    outcome = _outcome(Sweep("batches", base, {"batch_size": [2000, 5000]}, build="toy:build"))
    _, said = _texts(_draw(outcome))
    settings = "3 hidden layers × 128 units, Adam lr=0.01 momentum=0.5, dropout=0.25, 80 epochs of MNIST"
    assert said == f"The same in all cells: {settings}; one seed"


def test_no_text_of_the_figure_lies_on_another(sweep):
    wide = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01, 0.001], "width": [64, 1234567890123456, 256]})
    figure = _draw(_outcome(wide, seeds=(1, 2)))
    head, above, below = figure.subfigs
    shown = [*head.texts, *above.legends, *below.legends]
    for axes in (*above.axes, *below.axes):
        shown += [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
        low, high = axes.get_xlim()
        shown += [tick.label1 for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = {part: part.get_window_extent() for part in shown if part.get_visible()}
    boxes = {part: box for part, box in boxes.items() if box.width > 1}
    assert not [(a, b) for a, b in itertools.combinations(boxes, 2) if boxes[a].overlaps(boxes[b])]
    assert all(figure.bbox.padded(1).contains(*corner) for box in boxes.values() for corner in box.corners())


def test_a_sweep_in_which_nothing_ran_can_be_drawn(sweep):
    assert _draw(Outcome(sweep, sweep.trials())).axes


def test_in_tensorboard_the_mean_of_more_seeds_takes_the_place_of_that_of_fewer(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr(callback, "publish", lambda *args, **options: None)
    for seeds in ((1, 2), (1, 2, 3)):
        callback.FigureReport(tmp_path).on_sweep_end(_outcome(sweep, seeds))
    cells = [trial.name for trial in sweep.trials()]
    assert {path.name for path in tmp_path.iterdir()} == {f"mean of 3,{cell}" for cell in cells}
