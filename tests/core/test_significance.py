"""Tests of differences: on worked numbers, and how often they err."""

import math

import numpy as np
import pytest
from false_claims import EQUAL, false_claims, former, found, missed, normal, now_used, power

from nnhp_torch.core.stats.significance import against_best, holm, paired_t_test


def test_the_paired_t_test_on_numbers_worked_by_hand():
    # Differences 1, 2, 3: mean 2, standard deviation 1, t = 2·√3 = 3.4641 with 2 degrees of freedom, for which
    # p = 1 - t / √(2 + t²) = 1 - √(12 / 14) = 0.07418.
    assert paired_t_test([2, 4, 6], [1, 2, 3]) == pytest.approx(1 - (12 / 14) ** 0.5, abs=1e-12)
    assert paired_t_test([1, 2, 3], [2, 4, 6]) == pytest.approx(1 - (12 / 14) ** 0.5, abs=1e-12), "two-sided"


def test_differences_that_do_not_vary_leave_the_doubt_that_the_metrics_steps_leave():
    assert paired_t_test([0.9, 0.8], [0.9, 0.8]) == 1
    # Steps of 0.1, which hide a standard deviation of 0.1 / √6 of a difference: t = √12 with 1 degree of freedom.
    assert paired_t_test([0.9, 0.8], [0.8, 0.7]) == pytest.approx(1 - 2 * math.atan(12**0.5) / math.pi)
    assert 0 < paired_t_test([0.9, 0.8, 0.7001], [0.7, 0.6, 0.5001]) < 1e-6


def test_values_without_any_spread_get_no_p_of_0():
    assert min(against_best([[0.9, 0.9, 0.9], [0.8, 0.8, 0.8], [0.7, 0.7, 0.7]]).p) > 0
    assert against_best([[0.9, 0.9]] * 4).p == [1] * 4, "all the same"


def test_of_two_cells_nothing_was_picked_and_the_t_test_is_left():
    first, second = [0.951, 0.962, 0.943, 0.957], [0.942, 0.955, 0.938, 0.9535]
    p = against_best([first, second]).p[1]
    assert p == pytest.approx(paired_t_test(first, second), abs=0.005)


@pytest.mark.parametrize("name", EQUAL)
@pytest.mark.parametrize(("cells", "seeds"), [(4, 2), (9, 2), (4, 5), (9, 3)])
def test_equal_cells_are_seldom_said_to_differ(name, cells, seeds):
    """At most 5% of sweeps and three errors of the simulation; without the correction up to twice as many."""
    assert false_claims(now_used, EQUAL[name], cells, seeds, sweeps=150) <= 0.05 + 3 * (0.05 * 0.95 / 150) ** 0.5


def test_equal_cells_ahead_of_worse_ones_are_seldom_said_to_differ():
    def half_far_behind(cells, seeds, random):
        values = normal(cells, seeds, random)
        values[cells // 2 :] -= 0.03 * np.arange(1, cells - cells // 2 + 1)[:, None]
        return values

    random = np.random.default_rng(0)
    claims = sum(bool(found(now_used, half_far_behind(8, 5, random)) & set(range(4))) for _ in range(150))
    assert claims / 150 <= 0.05 + 3 * (0.05 * 0.95 / 150) ** 0.5


@pytest.mark.parametrize("seeds", [2, 5])
def test_the_true_differences_from_the_best_lie_in_all_intervals_at_once(seeds):
    """But for 5% of sweeps and three errors of the simulation; cells in steps, of spreads from one to three."""
    assert missed(6, seeds, sweeps=150) <= 0.05 + 3 * (0.05 * 0.95 / 150) ** 0.5


def test_more_is_found_than_by_holms_correction():
    one_better = [3.0] + [0.0] * 15
    assert power(now_used, one_better, 5, sweeps=60) > power(former, one_better, 5, sweeps=60)


def test_one_pair_says_nothing():
    with pytest.raises(ValueError, match="at least two pairs"):
        paired_t_test([0.9], [0.8])


def test_holms_correction_on_numbers_worked_by_hand():
    # Sorted: 0.01·4, 0.02·3, 0.03·2 (below the one before, so 0.06), 0.5·1.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([]) == []
