"""The figure of a study: every sweep's cells on one axis, each seed a ring, the base's own value a line."""

import dataclasses
import itertools

import pytest
from conftest import TinyConfig, completed

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.grid import Sweep
from sweeps import _study_figure
from sweeps._study import Finding

RATES = Sweep("rates", TinyConfig(), {"lr": [0.1, 0.01]}, build="toy:build")
WIDTHS = Sweep("widths", TinyConfig(lr=0.01), {"width": [8, 16, 32]}, build="toy:build")


def _finding(sweep, accuracies, seeds, choice=None):
    """A sweep whose trials reach these accuracies, cell by cell."""
    trials = sweep.trials(seeds)
    known = {
        t.key: completed(t, accuracies[t.cell[next(iter(sweep.axes))]][seeds.index(t.config.seed)]) for t in trials
    }
    return Finding(Outcome(sweep, trials, known), choice)


@pytest.fixture
def findings():
    """One of five seeds, and one of one seed on what the first has chosen."""
    rates = {0.1: [0.8, 0.81, 0.79, 0.8, 0.8], 0.01: [0.95, 0.951, 0.949, 0.95, 0.95]}
    first = _finding(RATES, rates, [1, 2, 3, 4, 5], {"lr": 0.01})
    return [first, _finding(WIDTHS, {8: [0.96], 16: [0.5], 32: [0.97]}, [1])]


def _rings(axes):
    return {line.get_gid(): line for line in axes.get_lines() if (line.get_gid() or "").startswith("cell")}


def test_all_panels_have_one_axis_on_which_each_seed_is_a_ring(findings):
    rates, widths = _study_figure.draw(findings).axes
    assert rates.get_xlim() == widths.get_xlim()
    assert rates.get_xscale() == "log"
    assert list(_rings(rates)["cell0"].get_xdata()) == pytest.approx([20, 19, 21, 20, 20])  # percent of error
    low, high = rates.get_xlim()
    for axes in (rates, widths):
        for line in _rings(axes).values():
            assert all(low < x < high for x in line.get_xdata())


def test_one_seed_is_paler_than_five_and_has_no_bar(findings):
    rates, widths = _study_figure.draw(findings).axes
    assert _rings(rates)["cell0"].get_alpha() > 2 * _rings(widths)["cell0"].get_alpha()
    bars = [[line for line in axes.get_lines() if line.get_marker() == "|"] for axes in (rates, widths)]
    assert [len(found) for found in bars] == [2, 0]


def test_the_bases_own_value_is_a_line_also_if_another_sweep_has_run_it(findings):
    drawn = _study_figure.draw(findings).axes
    lines = [[line for line in axes.get_lines() if line.get_gid() == "base"] for axes in drawn]
    assert [line.get_xdata()[0] for (line,) in lines] == pytest.approx([20, 5])
    unknown = [findings[1]]  # which has no cell of its base
    (axes,) = _study_figure.draw(unknown).axes
    assert not [line for line in axes.get_lines() if line.get_gid() == "base"]


def test_a_panel_says_what_was_swept_on_which_base_what_was_chosen_and_what_is_best(findings):
    rates, widths = _study_figure.draw(findings).axes
    assert rates.get_title(loc="left") == "lr"
    assert [text.get_text() for text in widths.texts] == ["on lr=0.01, max_epochs=3"]
    labels = rates.get_yticklabels()
    assert [(label.get_text(), label.get_fontweight()) for label in labels] == [
        ("0.1", "normal"),
        ("0.01 (chosen)", "bold"),
    ]


def test_what_went_wrong_stands_in_its_row(findings):
    first = findings[0]
    trial = first.outcome.trials[0]
    lost = {**first.outcome.results, trial.key: TrialResult.of(trial, "diverged", "nan")}
    outcome = dataclasses.replace(first.outcome, results=lost)
    (axes,) = _study_figure.draw([Finding(outcome, None)]).axes
    assert "1 diverged" in [text.get_text() for text in axes.texts]


def test_panels_go_down_two_columns_in_the_order_of_the_study(findings):
    figure = _study_figure.draw([*findings, *findings])
    boxes = [axes.get_position() for axes in figure.axes]
    columns = [box.x0 > 0.5 for box in boxes]
    assert columns == sorted(columns)
    assert set(columns) == {False, True}
    assert all(b.y1 < a.y0 for a, b in itertools.pairwise(boxes) if (a.x0 > 0.5) == (b.x0 > 0.5))
    assert all(box.y0 > 0 and box.y1 < 1 for box in boxes)
