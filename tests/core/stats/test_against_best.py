"""Tests of differences: on worked numbers, and how often they err."""

import math

import numpy as np
import pytest
from false_claims import (
    EQUAL,
    beside_poor,
    claims_over_folds,
    false_claims,
    far_beside_wild,
    former,
    former_judged,
    found,
    holms,
    missed,
    normal,
    now_used,
    power,
)

from nnhp_torch.core.stats.against_baseline import AgainstBaseline
from nnhp_torch.core.stats.against_best import AgainstBest, _factor, _of_kind
from nnhp_torch.core.stats.pairs import equivalent, holm, paired_t_test


def bound(level):
    """A level in 150 sweeps, and three errors of the simulation."""
    return level + 3 * (level * (1 - level) / 150) ** 0.5


BOUND = bound(0.05)


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
    assert min(AgainstBest().judge([[0.9, 0.9, 0.9], [0.8, 0.8, 0.8], [0.7, 0.7, 0.7]]).p) > 0
    assert AgainstBest().judge([[0.9, 0.9, 0.9]] * 4).p == [1] * 4, "all the same"


def test_of_two_cells_nothing_was_picked_and_the_t_test_is_left():
    first, second = [0.951, 0.962, 0.943, 0.957], [0.942, 0.955, 0.938, 0.9535]
    judged = AgainstBest().judge([first, second])
    assert judged.p[1] == pytest.approx(paired_t_test(first, second), abs=0.005)
    # Differences of 9, 7, 5 and 3.5 thousandths: a mean of 6.125 and an error of 1.197, times 3.182.
    assert (judged.low[1], judged.high[1]) == pytest.approx((0.00232, 0.00993), abs=0.0004)


def test_what_is_clear_is_claimed_at_a_level_that_many_looks_have_lowered():
    rows = [[0.950, 0.951, 0.949, 0.9505, 0.9495], [0.5, 0.501, 0.499, 0.5005, 0.4995]]
    assert AgainstBest().judge(rows, 0.05 / 4**5).p[1] < 0.05 / 4**5


@pytest.mark.parametrize("name", EQUAL)
@pytest.mark.parametrize(("cells", "seeds"), [(4, 5), (9, 3)])
def test_equal_cells_are_seldom_said_to_differ(name, cells, seeds):
    """At most 5% of sweeps, 7% where spreads are very unequal, and three errors of the simulation."""
    level = 0.07 if "spread" in name else 0.05
    assert false_claims(now_used, EQUAL[name], cells, seeds, sweeps=150) <= bound(level)


def test_equal_cells_ahead_of_worse_ones_are_seldom_said_to_differ():
    def half_far_behind(cells, seeds, random):
        values = normal(cells, seeds, random)
        values[cells // 2 :] -= 0.03 * np.arange(1, cells - cells // 2 + 1)[:, None]
        return values

    random = np.random.default_rng(0)
    claims = sum(bool(found(now_used, half_far_behind(8, 5, random)) & set(range(4))) for _ in range(150))
    assert claims / 150 <= BOUND


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_true_differences_from_the_best_lie_in_all_intervals_at_once(seeds):
    """But for 5% of sweeps and three errors of the simulation; cells in steps, of spreads from one to three."""
    assert missed(6, seeds, sweeps=150) <= BOUND


def test_good_cells_are_as_good_beside_poor_and_wild_ones_as_they_are_alone():
    good = [[0.9700, 0.9703, 0.9696, 0.9702, 0.9699], [0.9699, 0.9703, 0.9695, 0.9701, 0.9700]]
    poor = [[0.1, 0.6, 0.9, 0.2, 0.5], [0.7, 0.1, 0.2, 0.4, 0.1], [0.1135] * 5]
    alone, beside = AgainstBest().judge(good), AgainstBest().judge([*good, *poor])
    assert alone.high[1] <= beside.high[1] < 2 * alone.high[1]
    assert beside.high[1] < 0.001 < former_reach([*good, *poor])
    assert (beside.low[4], beside.high[4]) == (0, math.inf), "no more is known than that it is worse"


def former_reach(rows):
    return former_judged(np.array(rows))[2][1]


def test_beside_poor_cells_good_ones_are_called_as_good_and_nothing_false_is_said():
    shares = beside_poor("three poor, wild", 5, sweeps=100)
    assert shares["as good"] > 0.6 > 0.05 > shares["was"]
    assert max(shares["claims"], shares["miss"]) <= BOUND


def test_wild_cells_do_not_hide_what_is_between_steady_ones():
    """.97 beside .1135 with one unstable cell between, three seeds; and ten standard deviations beside wild cells."""
    rows = [[0.970, 0.971, 0.969], [0.1135, 0.1134, 0.1135], [0.2, 0.9, 0.5]]
    assert AgainstBest().judge(rows).p[1] < 0.05 < former(np.array(rows))[1]
    assert far_beside_wild(now_used, 5, 5, sweeps=40) > 0.95
    assert far_beside_wild(now_used, 9, 3, sweeps=40) > 0.8 > far_beside_wild(holms, 9, 3, sweeps=40)


def test_a_spread_counts_as_that_of_its_kind():
    """Of three units variances count as alike up to a factor of 99, of ten up to 5.35: the F distribution's 99%."""
    assert _of_kind(np.array([1.0, 3.0, 98.0, 900.0]), _factor(3, 0.99)).tolist() == [34, 34, 250.5, 499]
    assert _of_kind(np.array([[1.0, 5.0, 26.0], [2.0, 2.0, 2.0]]), _factor(10, 0.99)).tolist() == [
        [3, pytest.approx(32 / 3), 15.5],
        [2] * 3,
    ]


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_folds_are_the_units_where_the_question_is_of_other_data(share):
    now, every_trial = claims_over_folds(share, 4, folds=3, seeds=5, sweeps=100)
    assert now <= 0.05 < 0.15 < every_trial


def test_more_is_found_than_by_holms_correction():
    one_better = [3.0] + [0.0] * 15
    assert power(now_used, one_better, 5, sweeps=60) > power(holms, one_better, 5, sweeps=60)


def test_to_be_the_same_within_a_bound_takes_evidence():
    """Differences of -1, 0 and 1: an error of 1 / √3; within 5 of 0 they are 8.66 errors from the bound."""
    assert equivalent([1, 2, 3], [2, 2, 2], 5) == pytest.approx((1 - (75 / 77) ** 0.5) / 2)
    assert equivalent([1, 2, 3], [2, 2, 2], 0.5) > 0.05, "no difference is seen, and little is shown"


def test_one_pair_says_nothing():
    with pytest.raises(ValueError, match="at least two pairs"):
        paired_t_test([0.9], [0.8])


def test_holms_correction_on_numbers_worked_by_hand():
    # Sorted: 0.01·4, 0.02·3, 0.03·2 (below the one before, so 0.06), 0.5·1.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([]) == []


@pytest.mark.parametrize("kind", [AgainstBest, AgainstBaseline])
def test_without_pairs_equal_cells_that_are_sorted_are_told_apart_as_rarely(kind):
    """Sorted by their values, rows look like pairs; as such a third of these tables would claim something."""
    random = np.random.default_rng(0)
    tables = [np.sort(random.normal(size=(2, 5))).tolist() for _ in range(150)]
    judges = [kind(199, paired=paired) for paired in (True, False)]
    as_pairs, without = (sum(min(judge.judge(rows).p) < 0.05 for rows in tables) for judge in judges)
    assert without <= 15 < as_pairs
    assert min(kind(199, paired=False).judge([[0.0, 1, 2, 3, 4], [9.0, 5, 8, 6, 7]]).p) < 0.05
