"""What a sweep says of the claim that goes with it, and when it says that it cannot tell."""

import dataclasses

import pytest
from conftest import FakeLaunch, completed

from nnhp_torch.core.summary import Cell, cells
from nnhp_torch.core.sweeper import Sweeper
from sweeps import activity_regularization, batch_norm, dropout, early_stopping, gradient_clipping
from sweeps._base import judged


@pytest.mark.parametrize(
    ("effects", "p", "said"),
    [
        ([0.004], 1.0, "With one seed that is noise: it neither bears out nor refutes that pigs fly."),
        ([0.006], 1.0, "As far as one seed can say, this bears out that pigs fly."),
        ([-0.006], 1.0, "As far as one seed can say, this does not bear out that pigs fly."),
        ([0.2, -0.1], 0.05, "Over 2 seeds that is noise (p=0.05): it neither bears out nor refutes that pigs fly."),
        ([0.001, 0.002], 0.049, "Over 2 seeds (p=0.049), this bears out that pigs fly."),
        ([-0.001, -0.002], 0.049, "Over 2 seeds (p=0.049), this does not bear out that pigs fly."),
    ],
)
def test_a_claim_is_borne_out_only_by_what_is_more_than_noise(effects, p, said):
    assert judged("pigs fly", effects, p) == said


def _verdict(sweep, store, accuracies, **changes):
    """Of a sweep whose cells have these accuracies by seed, in the order of the grid."""
    trials = sweep.trials(seeds=range(len(accuracies[0])))
    by_cell = dict(zip(dict.fromkeys(trial.label for trial in trials), accuracies, strict=True))
    for trial in trials:
        result = completed(trial, by_cell[trial.label][trial.config.seed])
        history = result.history | {
            metric: [values[trial.label]] * 3 for metric, values in changes.items() if trial.label in values
        }
        store.append(dataclasses.replace(result, history=history))
    return sweep.verdict(cells(Sweeper(FakeLaunch(), store).run(sweep, trials)))


def test_a_regularizer_is_judged_by_its_best_cell_against_the_least_of_it(store):
    said = _verdict(dropout.SWEEP, store, [[0.90], [0.93], [0.95], [0.91]])
    assert said.startswith(
        "From dropout=0.1 to dropout=0.5, the best of the others, val_accuracy goes from 0.9000 to 0.9500"
    )
    assert said.endswith("As far as one seed can say, this bears out that dropout helps on images not seen.")


def test_a_regularizer_whose_gain_the_seeds_cannot_tell_from_none_is_not_called_one(store):
    scattered = [0.91, 0.96, 0.90]
    said = _verdict(dropout.SWEEP, store, [[0.92, 0.91, 0.93], scattered, scattered, scattered])
    assert "Over 3 seeds that is noise (p=" in said


def test_the_best_of_several_regularizers_pays_for_having_been_picked(store):
    """Differences of 1, 2 and 3 points over three seeds have p=0.0742; Holm triples the smallest of three."""
    said = _verdict(dropout.SWEEP, store, [[0.90, 0.90, 0.90], *[[0.91, 0.92, 0.93]] * 3])
    assert "(p=0.22)" in said


@pytest.mark.parametrize(
    ("accuracies", "ending"),
    [
        # off and on at the lower rate, off and on at the higher one
        ([[0.90], [0.91], [0.50], [0.95]], "this bears out that batch normalization lets"),
        ([[0.90], [0.95], [0.90], [0.92]], "this does not bear out that batch normalization lets"),
        ([[0.90], [0.70], [0.90], [0.89]], "this does not bear out that batch normalization lets"),
        ([[0.90], [0.91], [0.90], [0.912]], "With one seed that is noise"),
    ],
    ids=["gains more at the higher rate", "gains less there", "loses less there", "gains as much there"],
)
def test_batch_norm_must_gain_at_the_higher_rate_and_more_than_at_the_lower(store, accuracies, ending):
    assert ending in _verdict(batch_norm.SWEEP, store, accuracies)


def test_batch_norm_over_seeds_is_judged_by_a_paired_test(store):
    said = _verdict(batch_norm.SWEEP, store, [[0.9, 0.9], [0.9, 0.9], [0.5, 0.6], [0.95, 0.951]])
    assert "by +0.0000 at lr=0.001, by +0.4005 at lr=0.1" in said
    assert "(p=0.078): it neither bears out nor refutes" in said


def test_early_stopping_says_what_each_patience_saves_and_costs(store):
    said = _verdict(early_stopping.SWEEP, store, [[0.95], [0.90], [0.93], [0.94], [0.96]])
    assert said.startswith(
        "Early stopping, against 3 epochs: patience 1 trains 3 epochs and changes val_accuracy by -0.0500"
    )
    assert said.endswith("by +0.0100.")


def test_a_price_on_activity_bears_out_sparsity_only_if_every_step_adds_zeros(store):
    labels = [trial.label for trial in activity_regularization.SWEEP.trials()]
    shares = dict(zip(labels, [0.3, 0.4, 0.5, 0.6, 0.3, 0.5, 0.4, 0.6], strict=True))
    said = _verdict(activity_regularization.SWEEP, store, [[0.9]] * 8, val_sparsity=shares)
    assert "l1 bears it out (zeros by strength: 0.30, 0.40, 0.50, 0.60)" in said
    assert "l2 does not bear it out (zeros by strength: 0.30, 0.50, 0.40, 0.60)" in said


def test_a_rate_at_which_the_network_diverges_without_clipping_answers_its_claim(sweep):
    result = completed(sweep.trials()[0], 0.9)
    diverged = dataclasses.replace(result, status="diverged", history={})
    found = [
        Cell(values, [diverged if values == {"lr": 1.0, "gradient_clip": None} else result], trials=1)
        for values in gradient_clipping.SWEEP.cells()
    ]
    told = gradient_clipping.SWEEP.verdict(found)
    assert told == (
        "At lr=1.0 the network diverges without gradient clipping and reaches val_accuracy=0.9000 with it (one seed): "
        "gradient clipping lets it train at that rate."
    )
