"""What may be said of the winner, on worked numbers."""

import dataclasses
import math

import numpy as np
import pytest
from conftest import FakeLaunch, completed
from false_claims import EQUAL, false_claims, former, found, normal, now_used, power

from nnhp_torch.core.significance import compare_with_best, doubts, holm, p_values_against_best, paired_t_test
from nnhp_torch.core.summary import cells, winner
from nnhp_torch.core.sweeper import Sweeper


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
    assert min(p_values_against_best([[0.9, 0.9, 0.9], [0.8, 0.8, 0.8], [0.7, 0.7, 0.7]])) > 0
    assert p_values_against_best([[0.9, 0.9]] * 4) == [1] * 4, "all the same"


def test_of_two_cells_nothing_was_picked_and_the_t_test_is_left():
    first, second = [0.951, 0.962, 0.943, 0.957], [0.942, 0.955, 0.938, 0.9535]
    p = p_values_against_best([first, second])[1]
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


def test_more_is_found_than_by_holms_correction():
    one_better = [3.0] + [0.0] * 15
    assert power(now_used, one_better, 5, sweeps=60) > power(former, one_better, 5, sweeps=60)


def test_less_is_better_where_the_metric_is_a_loss(sweep, store):
    losses = {0.1: [0.11, 0.12, 0.10], 0.2: [0.51, 0.53, 0.51]}
    swept = dataclasses.replace(sweep, axes={"lr": list(losses)}, mode="min")
    _, _, p_values = _doubts(swept, store, losses)
    assert 0 < p_values["lr=0.2"] < 0.05


def test_one_pair_says_nothing():
    with pytest.raises(ValueError, match="at least two pairs"):
        paired_t_test([0.9], [0.8])


def test_holms_correction_on_numbers_worked_by_hand():
    # Sorted: 0.01·4, 0.02·3, 0.03·2 (below the one before, so 0.06), 0.5·1.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([]) == []


def _doubts(sweep, store, accuracies):
    """Of a sweep over lr, with each cell's accuracies by seed."""
    swept = dataclasses.replace(sweep, axes={"lr": list(accuracies)})
    trials = swept.trials(seeds=range(len(next(iter(accuracies.values())))))
    for trial in trials:
        store.append(completed(trial, accuracies[trial.cell["lr"]][trial.config.seed]))
    gathered = cells(Sweeper(FakeLaunch(), store).run(swept, trials))
    best = winner(swept, gathered)
    return best, doubts(best, gathered, swept.objective), compare_with_best(best, gathered, swept.objective)


def test_cells_within_the_noise_are_named_and_the_others_are_not(sweep, store):
    best, sentence, p_values = _doubts(
        sweep,
        store,
        {0.1: [0.95, 0.96, 0.94, 0.95], 0.2: [0.96, 0.94, 0.95, 0.945], 0.3: [0.90, 0.911, 0.889, 0.90]},
    )
    assert best.label == "lr=0.1"
    assert sentence.startswith(
        "Cannot be told from the winner: lr=0.2.\nOf 2 others 1 differ from it. (4 seeds, paired"
    )
    assert p_values["lr=0.3"] < 0.05 < p_values["lr=0.2"]


def test_a_sweep_that_distinguishes_nothing_says_of_what_the_seeds_were_too_few(sweep, store):
    _, sentence, _ = _doubts(sweep, store, {0.1: [0.95, 0.96, 0.94], 0.2: [0.96, 0.94, 0.945]})
    assert sentence.startswith("No cell can be told from the winner: 3 seeds are too few for +0.2 points or less.")


def test_a_clear_winner_is_called_one(sweep, store):
    _, sentence, _ = _doubts(sweep, store, {0.1: [0.95, 0.961, 0.94], 0.2: [0.65, 0.66, 0.64]})
    assert sentence.startswith("The winner differs from every other cell, from the next by +30.0 points.")


def test_with_one_seed_it_says_that_small_differences_are_noise(sweep, store):
    _, sentence, p_values = _doubts(sweep, store, {0.1: [0.95], 0.2: [0.65]})
    assert sentence.startswith("One seed: differences of a few tenths of a point are noise")
    assert p_values == {}
