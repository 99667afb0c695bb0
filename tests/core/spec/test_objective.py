"""A metric's direction and its twins, by its name."""

import math

import pytest

from nnhp_torch.core.spec.objective import Objective, direction


@pytest.mark.parametrize(
    ("metric", "mode"),
    [
        *((name, "min") for name in ("val_loss", "loss", "val/mse", "valid_perplexity", "val_MeanSquaredError", "wer")),
        *((name, "max") for name in ("val_accuracy", "val/acc", "val_f1", "val_BinaryF1Score", "BinaryAUROC", "r2")),
        ("val_dice_loss", "min"),
        ("val_loss/dataloader_idx_0", "min"),
        ("val_glossary", None),
        ("score", None),
        ("top-1-accuracy", "max"),
        ("val-loss", "min"),
    ],
)
def test_the_direction_follows_from_a_name_that_tells(metric, mode):
    assert direction(metric) == mode


TURNED = (
    "val_neg_log_likelihood NegLogLikelihood val_minus_loss inverse_mse error_free accuracy_gap acc_drop acc_std "
    "val_loss_difference loss/distance epochs_to_accuracy 1-accuracy val/1-acc -val_loss"
)


@pytest.mark.parametrize("metric", TURNED.split())
def test_a_name_with_a_word_that_may_turn_it_tells_no_direction_and_no_share(metric):
    assert direction(metric) is None
    with pytest.raises(ValueError, match="does not say which is better"):
        Objective.of(metric)
    for mode in ("max", "min"):
        assert not Objective.of(metric, mode).is_accuracy
        assert Objective.of(metric, mode).bounds([-2.0, 3.0]) == (-math.inf, math.inf)


def test_a_mode_that_is_given_wins_over_the_name_and_a_name_that_does_not_tell_needs_one():
    assert Objective.of("val_loss", "max").mode == "max"
    assert Objective.of("val_score", "min").mode == "min"
    with pytest.raises(ValueError, match=r"the name 'val_score' does not say which is better: give mode max"):
        Objective.of("val_score")
    with pytest.raises(ValueError, match="mode must be max or min, not 'most'"):
        Objective.of("val_loss", "most")


@pytest.mark.parametrize(
    ("metric", "train", "test", "name"),
    [
        ("val_accuracy", "train_accuracy", "test_accuracy", "accuracy"),
        ("val/acc", "train/acc", "test/acc", "acc"),
        ("valid_loss", "train_loss", "test_loss", "loss"),
        ("validation_loss", "training_loss", "test_loss", "loss"),
        ("val-loss", "train-loss", "test-loss", "loss"),
        ("Val Loss", "Train Loss", "Test Loss", "Loss"),
        ("loss_val", "loss_train", "loss_test", "loss"),
        ("val_loss/dataloader_idx_1", "train_loss", "test_loss/dataloader_idx_1", "loss/dataloader_idx_1"),
        ("val_loss", "train_loss", "test_loss/dataloader_idx_0", "loss"),
        ("g_loss", "", "", "g_loss"),
        ("interval_loss", "", "", "interval_loss"),
    ],
)
def test_twins_are_found_under_whatever_spelling_the_module_has(metric, train, test, name):
    objective = Objective.of(metric)
    logged = {"train_accuracy", "interval_loss", "g_loss", metric, train, test} - {""}
    assert (objective.twin("train", logged), objective.twin("test", logged), objective.name) == (train, test, name)
    assert objective.twin("test", {metric}) == "", "where it was not logged there is none"


def test_a_training_metric_is_no_twin_of_itself():
    objective = Objective.of("train_loss")
    assert objective.split == "train"
    assert objective.twin("train", {"train_loss", "training_loss"}) == ""


def test_the_best_is_the_first_of_equal_numbers_and_never_nan():
    less = Objective.of("val_loss")
    assert less.best([math.nan, 0.5, 0.4, math.inf, 0.4]) == (0.4, 3)
    assert less.best([math.nan])[1] == 0
    assert less.better(0.4, 0.5)
    assert less.better(0.5, math.nan)
    assert not less.better(math.nan, 0.5)
