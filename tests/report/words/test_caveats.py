"""What to ask of a grid before its winner is believed."""

import dataclasses

import pytest
from conftest import completed

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.report.words.caveats import caveats


def _caveats(sweep, axes, accuracies, slope=0.0, lost=()):
    """The answers of a sweep whose cells end with these accuracies, after forty epochs of some slope."""
    swept = dataclasses.replace(sweep, axes=axes)
    results = {}
    for place, (trial, accuracy) in enumerate(zip(swept.trials(), accuracies, strict=True)):
        curve = [accuracy - slope * left for left in range(39, -1, -1)]
        results[trial.key] = dataclasses.replace(completed(trial), history={"val_accuracy": curve})
        if place in lost:
            results[trial.key] = TrialResult.of(trial, "diverged", "nan")
    return {caveat.question: caveat for caveat in caveats(Outcome(swept, swept.trials(), results).summary)}


EDGE, LATE, LOST = (
    "Is the best at the grid's edge?",
    "Is it still improving in the last tenth of the epochs?",
    "How many trials were infeasible (diverged or failed)?",
)


@pytest.mark.parametrize(
    ("widths", "accuracies", "said"),
    [
        ([4, 8, 16], [0.9, 0.8, 0.7], "Yes, width=4 is the least that was tried"),
        ([4, 8, 16], [0.7, 0.8, 0.9], "Yes, width=16 is the greatest that was tried"),
        ([4, 8, 16], [0.7, 0.9, 0.8], "No"),
        ([0, 8, 16], [0.9, 0.8, 0.7], "No"),
    ],
)
def test_the_best_value_lies_at_the_edge_or_within_and_of_nought_there_is_no_less(sweep, widths, accuracies, said):
    found = _caveats(sweep, {"width": widths}, accuracies)
    assert found[EDGE].answer == said
    assert bool(found[EDGE].leaves) == said.startswith("Yes")


def test_an_axis_of_lists_has_no_edge_and_a_number_beside_it_has(sweep):
    assert EDGE not in _caveats(sweep, {"width": [[4], [4, 4], [8]]}, [0.9, 0.8, 0.7])
    mixed = _caveats(sweep, {"width": [[4], [4, 4]], "lr": [0.1, 0.2, 0.3]}, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    assert mixed[EDGE].answer == "Yes, lr=0.1 is the least that was tried"


def test_a_cell_that_still_gains_more_than_what_matters_is_counted(sweep):
    assert (
        _caveats(sweep, {"width": [4, 8]}, [0.9, 0.8], slope=0.0006)[LATE].answer
        == "2 of 2 cells by more than 0.10 points"
    )
    assert _caveats(sweep, {"width": [4, 8]}, [0.9, 0.8], slope=0.0002)[LATE].answer == "No"


def test_what_diverged_is_infeasible(sweep):
    assert _caveats(sweep, {"width": [4, 8, 16]}, [0.9, 0.8, 0.7], lost=[2])[LOST].answer == "1 of 3"
    assert _caveats(sweep, {"width": [4, 8, 16]}, [0.9, 0.8, 0.7])[LOST].answer == "None"
