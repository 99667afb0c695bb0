"""Trainings that jump, by how much one seed moves, and what has learned nothing."""

import dataclasses
import math

import numpy as np
import pytest
from conftest import completed

from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.steadiness import jumping, learned_nothing, one_seed_moves


def _cell(sweep, values, lr=0.1, curve=None):
    """A cell with these final accuracies, on curves that end in them."""
    swept = dataclasses.replace(sweep, axes={"lr": [lr]})
    results = [completed(trial) for trial in swept.trials(seeds=range(len(values)))]
    results = [
        dataclasses.replace(result, history={"val_accuracy": [*(curve or [value]), value]})
        for result, value in zip(results, values, strict=True)
    ]
    return Cell({"lr": lr}, results, len(results))


STEADY = [0.968, 0.9689, 0.9692, 0.9681, 0.9684]


def test_a_seed_far_behind_the_others_has_failed(sweep):
    jumps = _cell(sweep, [0.9331, 0.9569, 0.9543, 0.7346, 0.9594], lr=0.2)
    (found,) = jumping([_cell(sweep, STEADY), jumps], sweep.objective)
    assert found.cell is jumps
    assert (found.median, found.low, found.high, found.failed) == (0.9543, 0.7346, 0.9594, 1)


@pytest.mark.parametrize(("value", "failed"), [(0.8358, 1), (0.8360, 0)])
def test_a_seed_has_failed_that_is_five_of_a_normals_deviations_behind(sweep, value, failed):
    """The median is 0.91, half of the seeds within 0.01 of it: a normal has 0.014826 then, and five are 0.0741."""
    cells = [_cell(sweep, STEADY), _cell(sweep, [0.90, 0.91, 0.92, 0.93, value], lr=0.2)]
    assert sum(jumps.failed for jumps in jumping(cells, sweep.objective)) == failed


@pytest.mark.parametrize(("fall", "jumps"), [(0.187, 1), (0.186, 0)])
def test_a_fall_is_a_jump_from_ten_spreads_on_and_in_the_second_half_alone(sweep, fall, jumps):
    """A cell of three seeds that vary by 0.01 has that over 0.536, a chi-square's lower quartile, as spread: 0.0186."""
    late = [0.5, 0.5, 0.5, 0.5 + fall, 0.5]
    assert len(jumping([_cell(sweep, [0.90, 0.91, 0.92], curve=late)], sweep.objective)) == jumps
    early = [0.5, 0.5 + fall, 0.5, 0.5, 0.5, 0.5]
    assert not jumping([_cell(sweep, [0.90, 0.91, 0.92], curve=early)], sweep.objective)
    middle = [0.5, 0.5, 0.5 + fall, 0.5, 0.5]
    assert not jumping([_cell(sweep, [0.90, 0.91, 0.92], curve=middle)], sweep.objective)


def test_a_training_that_never_falls_falls_by_nothing(sweep):
    rising = _cell(sweep, [0.9331, 0.9569, 0.9543, 0.7346, 0.9594], lr=0.2, curve=[0.1, 0.2, 0.3])
    (found,) = jumping([_cell(sweep, STEADY), rising], sweep.objective)
    assert (found.failed, found.fall) == (1, 0.0)


def test_two_seeds_may_jump_and_a_cell_that_lacks_one_is_not_judged(sweep):
    cell = _cell(sweep, [0.90, 0.92], curve=[0.1, 0.5, 0.95, 0.4])
    assert len(jumping([cell], sweep.objective)) == 1
    assert not jumping([dataclasses.replace(cell, trials=3)], sweep.objective)


def test_of_cells_that_vary_alike_hardly_any_is_said_to_jump(sweep):
    """By chance two of three seeds often lie close together; by the bare quartile one sweep in four had a jump."""
    random = np.random.default_rng(0)
    sweeps = [
        [_cell(sweep, values, lr=lr) for lr, values in enumerate(0.9 + 0.004 * random.standard_normal((37, 3)), 1)]
        for _ in range(40)
    ]
    assert sum(bool(jumping(cells, sweep.objective)) for cells in sweeps) <= 1


def test_a_curve_that_falls_far_in_an_epoch_jumps_though_all_seeds_end_well(sweep):
    falls = _cell(sweep, STEADY, lr=0.2, curve=[0.1, 0.5, 0.97, 0.86])
    (found,) = jumping([_cell(sweep, STEADY), falls], sweep.objective)
    assert (found.failed, found.fall) == (0, pytest.approx(0.11))
    assert not jumping([_cell(sweep, STEADY), _cell(sweep, STEADY[::-1], lr=0.2)], sweep.objective)
    assert not jumping([_cell(sweep, [0.9])], sweep.objective), "one seed says nothing of that"


def test_the_ledger_tells_by_how_much_one_seed_moves_at_the_same_settings(sweep):
    one, others = _cell(sweep, STEADY[:1]), _cell(sweep, STEADY).results
    elsewhere = _cell(sweep, [0.1, 0.9], lr=0.3).results
    assert one_seed_moves([one], [*others, *elsewhere], "val_accuracy") == pytest.approx(0.00051, abs=1e-5)
    assert math.isnan(one_seed_moves([one], [*one.results, *elsewhere], "val_accuracy"))


def test_what_ends_no_better_than_after_the_first_epoch_has_learned_nothing(sweep):
    accuracy = Objective.of("val_accuracy")
    assert learned_nothing(_cell(sweep, [0.1064, 0.1135], curve=[0.11, 0.3]), accuracy)
    assert not learned_nothing(_cell(sweep, [0.1064, 0.5], curve=[0.11, 0.3]), accuracy), "one of them has"
    assert not learned_nothing(_cell(sweep, [0.97], curve=[0.97]), accuracy), "it was good at once"
    assert not learned_nothing(_cell(sweep, [0.1], curve=[0.1]), Objective.of("val_loss"))
