"""A figure of many cells: a line, a heat map, or the best beside a strip of all; each has every final value."""

import dataclasses
import time

import numpy as np
import pytest
from conftest import completed
from matplotlib.image import AxesImage

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.report.figure import many_cells, whole
from nnhp_torch.report.figure.callback import save


@dataclasses.dataclass(frozen=True)
class Config:
    lr: float = 0.1
    width: int = 4
    depth: int = 1
    activation: str = "relu"
    seed: int = 1
    max_epochs: int = 3


LR = [round(0.001 * i, 3) for i in range(1, 41)]
WIDTH = list(range(4, 29))  # 25


def _outcome(axes, seeds=(1,), lost=()):
    """A sweep whose accuracies grow from trial to trial, so that the last cell is the best."""
    sweep = Sweep("many", Config(), axes, build="toy:build")
    trials = sweep.trials(seeds)
    results = {t.key: completed(t, 0.5 + 0.45 * i / len(trials)) for i, t in enumerate(trials)}
    for place in lost:
        results[trials[place].key] = TrialResult.of(trials[place], "failed", "no")
    return Outcome(sweep, trials, results)


def _draw(outcome):
    figure = whole.draw(outcome.summary)
    figure.draw_without_rendering()
    return figure.subfigs[1]


def _errors(outcome):
    return [100 * (1 - cell.mean("val_accuracy")) for cell in outcome.summary.cells]


def test_one_long_axis_is_a_line_with_its_interval_and_the_best_marked():
    outcome = _outcome({"lr": LR}, seeds=(1, 2))
    (axes,) = _draw(outcome).axes
    line, rings, mark = axes.get_lines()
    assert pytest.approx(np.array([LR, _errors(outcome)])) == line.get_xydata().T
    assert len(rings.get_xdata()) == 80
    assert mark.get_xydata()[0] == pytest.approx([LR[-1], _errors(outcome)[-1]])
    assert len(axes.collections) == 1  # the band
    low, high = axes.get_ylim()
    assert all(low < error < high for error in rings.get_ydata())
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert "the best, lr=0.04" in axes.get_title(loc="left")


def test_values_that_are_no_numbers_are_not_joined_by_a_line():
    (axes,) = _draw(_outcome({"activation": [f"kind{i}" for i in range(30)]})).axes
    assert {line.get_linestyle() for line in axes.get_lines()} == {"None"}
    assert [text.get_text() for text in axes.get_xticklabels()] == [f"kind{i}" for i in range(0, 30, 2)]


def test_two_axes_are_a_heat_map_with_the_longer_one_along_x_and_the_best_framed():
    outcome = _outcome({"lr": LR, "width": WIDTH}, lost=[7])
    axes, bar = _draw(outcome).axes
    (image,) = [child for child in axes.get_children() if isinstance(child, AxesImage)]
    shown = np.ma.filled(image.get_array(), np.nan)
    expected = np.array(_errors(outcome)).reshape(len(LR), len(WIDTH)).T
    np.testing.assert_allclose(shown, expected)
    assert np.isnan(shown).sum() == 1
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("lr", "width")
    (frame,) = axes.patches
    assert frame.get_xy() == (len(LR) - 1.5, len(WIDTH) - 1.5)
    assert "grey: no result" in axes.get_title(loc="left")
    assert bar.get_ylabel() == "validation error"


def test_many_axes_are_the_best_24_beside_a_strip_of_all():
    axes = {"lr": LR[:5], "width": WIDTH[:5], "depth": [1, 2], "activation": ["relu", "tanh"]}
    outcome = _outcome(axes, lost=[0, 1])
    left, right = _draw(outcome).axes
    names = [text.get_text() for text in left.get_yticklabels()]
    assert len(names) == many_cells.SHOWN
    assert names[0] == ", ".join(outcome.summary.leader.texts.values())
    strip = np.concatenate([line.get_xydata() for line in right.get_lines()[-2:]])
    assert sorted(strip[:, 0]) == pytest.approx(sorted(e for e in _errors(outcome) if np.isfinite(e)))
    assert right.get_title(loc="left") == "all 98; 2 more have not completed"


@pytest.mark.parametrize(
    "axes", [{"lr": LR}, {"lr": LR, "width": WIDTH}, {"lr": LR[:5], "width": WIDTH[:5], "depth": [1, 2, 3]}]
)
def test_a_large_sweep_in_which_nothing_has_completed_can_be_drawn(axes):
    sweep = Sweep("many", Config(), axes, build="toy:build")
    assert _draw(Outcome(sweep, sweep.trials())).axes


def test_a_thousand_cells_are_drawn_within_five_seconds(tmp_path):
    outcome = _outcome({"lr": LR, "width": WIDTH})
    start = time.process_time()
    save(whole.draw(outcome.summary), tmp_path / "figure.png")
    assert time.process_time() - start < 5
