"""One picture of all cells has every curve, and every final value inside its frame."""

import dataclasses
import itertools

import numpy as np
import pytest
from conftest import completed, summary_of
from matplotlib.figure import Figure

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.verdict import verdicts
from nnhp_torch.report.ends import colours
from nnhp_torch.report.figure import all_cells
from nnhp_torch.report.plotting.curves import median_curve
from nnhp_torch.report.plotting.style import BLUE, CELLS, ORANGE, RAMP, hex_of


def _gathered(sweep, accuracies, seeds=(1,)):
    """The sweep's cells, each with the accuracies of its seeds."""
    trials = sweep.trials(seeds)
    per_cell = [trials[i :: sweep.size] for i in range(sweep.size)]
    return [
        Cell(of[0].cell, [completed(t, value) for t, value in zip(of, values, strict=True)], len(seeds))
        for of, values in zip(per_cell, accuracies, strict=True)
    ]


def _drawn(sweep, gathered):
    figure = Figure(figsize=(11, 5), layout="constrained")
    all_cells.draw(figure, summary_of(sweep, gathered))
    return figure


def _lines(axes):
    """Name → data of what is drawn of cells."""
    return {line.get_gid(): line.get_xydata() for line in axes.get_lines() if line.get_gid()}


def test_every_seeds_final_value_is_a_ring_in_its_cells_row_within_the_frame(sweep):
    accuracies = [[0.9, 0.91], [0.97, 0.05], [0.989, 0.98], [0.985, 0.5]]
    _, right = _drawn(sweep, _gathered(sweep, accuracies, seeds=(1, 2))).axes
    low, high = right.get_xlim()
    rings = _lines(right)
    for i, values in enumerate(accuracies):
        for seed, value in enumerate(values):
            ((x, y),) = rings[f"cell{i}.end{seed}"]
            assert y == i
            assert low < x < high
            assert x == pytest.approx(100 * (1 - value))


def test_the_ends_have_their_own_axis_which_they_fill(sweep):
    left, right = _drawn(sweep, _gathered(sweep, [[0.97], [0.972], [0.975], [0.976]])).axes
    low, high = right.get_xlim()
    assert high - low < 1.2 * 0.6, "percent, of which the curves' axis has a hundred"
    assert left.get_ylim()[1] > 100


def test_a_thin_line_per_seed_and_a_thick_one_for_their_median(sweep):
    one = dataclasses.replace(sweep, axes={"lr": [0.1]})
    left, _ = _drawn(one, _gathered(one, [[0.9, 0.8, 0.1]], seeds=(1, 2, 3))).axes
    lines = _lines(left)
    assert set(lines) == {"cell0.seed0", "cell0.seed1", "cell0.seed2", "cell0.median"}
    assert lines["cell0.median"][:, 1] == pytest.approx([50, 19, 20])  # of error, after each of three epochs
    widths = {line.get_gid(): line.get_linewidth() for line in left.get_lines() if line.get_gid()}
    assert widths["cell0.median"] > 2 * widths["cell0.seed0"]


def test_the_median_goes_as_far_as_half_of_the_seeds():
    curves = [np.array([3.0, 2.0, 1.0, 0.5]), np.array([5.0, 4.0]), np.array([7.0, 6.0, 5.0])]
    assert list(median_curve(curves)) == [5.0, 4.0, 3.0]
    assert list(median_curve(curves[:2])) == [4.0, 3.0, 1.0, 0.5]
    assert len(median_curve([])) == 0


def test_a_square_stands_where_a_run_stopped(sweep):
    one = dataclasses.replace(sweep, axes={"width": [4, 8]})
    whole = [0.5, 0.8, 0.9]
    gathered = [
        Cell(t.cell, [dataclasses.replace(completed(t), history={"val_accuracy": whole[:n]})], 1)
        for t, n in zip(one.trials(), (3, 2), strict=True)
    ]
    lines = _lines(_drawn(one, gathered).axes[0])
    assert set(lines) == {"cell0.median", "cell1.median", "cell1.seed0.stop"}
    assert lines["cell1.seed0.stop"][0] == pytest.approx([2, 20])


def test_the_interval_of_each_verdict_is_a_band_seen_from_the_bests_mean(sweep):
    one = dataclasses.replace(sweep, axes={"lr": [0.1, 0.2, 0.3]})
    gathered = _gathered(one, [[0.97, 0.975, 0.98], [0.90, 0.91, 0.90], [0.97, 0.974, 0.979]], seeds=(1, 2, 3))
    _, right = _drawn(one, gathered).axes
    bands = {name: ends for name, ends in _lines(right).items() if name.endswith("interval")}
    assert set(bands) == {"cell2.interval"}, "of a cell found worse beside another no more is known"
    (line,) = [line.get_xdata()[0] for line in right.get_lines() if line.get_gid() == "best"]
    assert line == pytest.approx(100 * (1 - 0.975))
    for place, verdict in enumerate(verdicts(gathered, one)):
        if verdict.bounded and verdict.kind != "best":
            ends = bands[f"cell{place}.interval"][:, 0]
            low, high = right.get_xlim()
            assert ends == pytest.approx([max(low, line + 100 * verdict.low), min(high, line + 100 * verdict.high)])
            assert min(ends) < line
    worse = dataclasses.replace(sweep, axes={"lr": [0.1, 0.2]})
    ends = _lines(_drawn(worse, _gathered(worse, [[0.97, 0.975, 0.98], [0.9, 0.91, 0.9]], seeds=(1, 2, 3))).axes[1])
    assert min(ends["cell1.interval"][:, 0]) > line, "of the only other one it is"
    alone = _drawn(one, _gathered(one, [[0.9], [0.8], [0.7]])).axes[1]
    assert not [name for name in _lines(alone) if name.endswith("interval")], "one seed tells nothing"


def test_what_went_wrong_stands_where_the_ring_would_be(sweep):
    one = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01, 0.001]})
    trials = one.trials()
    lost = TrialResult.of(trials[1], "diverged", "NaN", history={"val_accuracy": [0.5, 0.1]})
    results = [[completed(trials[0])], [lost], []]
    gathered = [Cell(t.cell, found, 1) for t, found in zip(trials, results, strict=True)]
    left, right = _drawn(one, gathered).axes
    assert {text.get_text() for text in right.texts} >= {"10.0% · ahead", "diverged", "not run"}
    (mark,) = [line for line in left.get_lines() if line.get_gid() == "cell1.seed0.stop"]
    assert mark.get_marker() == "x"


def test_a_colour_per_cell_of_which_none_means_training_or_validation_and_of_many_the_bests_alone(sweep):
    assert not {BLUE, ORANGE} & set(CELLS)
    four = _gathered(sweep, [[0.9]] * 4)
    assert colours(summary_of(sweep, four), four) == ["c0", "c1", "c2", "c3"]
    nine = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01, 0.001], "width": [4, 8, 16]})
    cells = _gathered(nine, [[0.9 + i / 100] for i in range(9)])
    assert colours(summary_of(nine, cells), cells) == ["other"] * 8 + ["best"]


def test_values_that_have_an_order_go_from_dark_to_light(sweep):
    sizes = dataclasses.replace(sweep, axes={"width": [16, 4, 8]})
    cells = _gathered(sizes, [[0.9]] * 3)
    assert colours(summary_of(sizes, cells), cells) == ["r6", "r0", "r3"]
    assert [hex_of(name) for name in ("r0", "r6", "best")] == [RAMP[0], RAMP[6], BLUE]


def test_a_few_cells_have_their_names_at_the_ends_of_their_lines_none_on_another(sweep):
    one = dataclasses.replace(sweep, axes={"width": [4, 8, 16]})
    left, _ = _drawn(one, _gathered(one, [[0.97], [0.9701], [0.9702]])).axes
    names = {text.get_text(): text.get_position()[1] for text in left.texts}
    places = [names[name] for name in ("16", "8", "4")]
    assert places == sorted(places)
    assert min(b - a for a, b in itertools.pairwise(places)) >= 0.045 - 1e-9
