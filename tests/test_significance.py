"""What may be said of the winner, on worked numbers."""

import dataclasses

import pytest
from conftest import FakeLaunch, completed

from nnhp_torch.significance import compare_with, doubts, holm, paired_t_test
from nnhp_torch.summary import cells, winner
from nnhp_torch.sweeper import Sweeper


def test_the_paired_t_test_on_numbers_worked_by_hand():
    # Differences 1, 2, 3: mean 2, standard deviation 1, t = 2·√3 = 3.4641 with 2 degrees of freedom, for which
    # p = 1 - t / √(2 + t²) = 1 - √(12 / 14) = 0.07418.
    assert paired_t_test([2, 4, 6], [1, 2, 3]) == pytest.approx(1 - (12 / 14) ** 0.5, abs=1e-12)
    assert paired_t_test([1, 2, 3], [2, 4, 6]) == pytest.approx(1 - (12 / 14) ** 0.5, abs=1e-12), "two-sided"


def test_differences_that_do_not_vary_leave_no_doubt():
    assert paired_t_test([0.9, 0.8], [0.9, 0.8]) == 1
    assert paired_t_test([0.9, 0.8], [0.8, 0.7]) == 0


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
    return best, doubts(best, gathered, "val_accuracy"), compare_with(best, gathered, "val_accuracy")


def test_cells_within_the_noise_are_named_and_the_others_are_not(sweep, store):
    best, sentence, p_values = _doubts(
        sweep,
        store,
        {0.1: [0.95, 0.96, 0.94, 0.95], 0.2: [0.96, 0.94, 0.95, 0.945], 0.3: [0.90, 0.911, 0.889, 0.90]},
    )
    assert best.label == "lr=0.1"
    assert sentence.startswith("Cannot be told from the winner: lr=0.2 (paired t-test over 4 seeds")
    assert p_values["lr=0.3"] < 0.05 < p_values["lr=0.2"]


def test_a_sweep_that_distinguishes_nothing_says_so(sweep, store):
    _, sentence, _ = _doubts(sweep, store, {0.1: [0.95, 0.96, 0.94], 0.2: [0.96, 0.94, 0.945]})
    assert sentence.startswith("This sweep distinguishes nothing")


def test_a_clear_winner_is_called_one(sweep, store):
    _, sentence, _ = _doubts(sweep, store, {0.1: [0.95, 0.961, 0.94], 0.2: [0.65, 0.66, 0.64]})
    assert sentence.startswith("The winner differs from every other cell")


def test_with_one_seed_it_says_that_small_differences_are_noise(sweep, store):
    _, sentence, p_values = _doubts(sweep, store, {0.1: [0.95], 0.2: [0.65]})
    assert sentence.startswith("One seed: differences of a few tenths of a point are noise")
    assert p_values == {}
