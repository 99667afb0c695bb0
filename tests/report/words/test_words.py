"""The words about a sweep's winner: the answer, the numbers, the test."""

import dataclasses
import re

import pytest
from conftest import FakeLaunch, completed

from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.verdict import Verdict
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.sections import cards
from nnhp_torch.report.terminal.table import in_markdown
from nnhp_torch.report.words.answer import answer
from nnhp_torch.report.words.headline import headline
from nnhp_torch.report.words.phrases import interval, sources


def _found(sweep, store, accuracies, *, more=None, **changes):
    """The summary of a sweep over lr, with each cell's accuracies by seed; `more` axes have one value."""
    swept = dataclasses.replace(sweep, axes={"lr": list(accuracies), **(more or {})}, **changes)
    trials = swept.trials(seeds=range(len(next(iter(accuracies.values())))))
    for trial in trials:
        store.append(completed(trial, accuracies[trial.cell["lr"]][trial.config.seed]))
    return Sweeper(FakeLaunch(), store).run(swept, trials).summary


def _answer(sweep, store, accuracies, **changes):
    return answer(_found(sweep, store, accuracies, **changes)).splitlines()


def test_a_clear_winner_is_called_one_then_comes_the_number_then_the_test(sweep, store):
    assert _answer(sweep, store, {0.1: [0.95, 0.96, 0.94], 0.2: [0.65, 0.66, 0.64]}) == [
        "Is it the best? Yes: every other cell is worse, the next by 30.00 points (29.05 to 30.95).",
        "One seed alone would have picked it in 3 of 3 cases.",
        "(3 seeds, paired, corrected for picking the best of 2, 5% level; "
        "as good means within 0.10 points (--smallest_effect 0.001))",
    ]


def test_cells_that_are_told_from_the_winner_and_those_that_are_not_are_named_with_their_numbers(sweep, store):
    said = _answer(
        sweep,
        store,
        {0.1: [0.95, 0.96, 0.94, 0.95], 0.2: [0.96, 0.94, 0.95, 0.945], 0.3: [0.90, 0.911, 0.889, 0.90]},
    )
    assert said[0].startswith("Is it the best? Cannot be told from lr=0.2 by 0.13 points (")
    assert "The chance that up to 20 seeds decide is " in said[0]
    assert said[0].endswith("% (--seeds auto gives them where they may).")
    assert said[1] == "Worse: lr=0.3 by 5.00 points (more than 0).", "no interval that begins at 0.00"


def test_a_sweep_that_distinguishes_nothing_says_that_the_seeds_are_too_few_for_the_largest_difference(sweep, store):
    said, *_ = _answer(sweep, store, {0.1: [0.72, 0.95, 0.60], 0.2: [0.60, 0.55, 0.62]})
    assert "Cannot be told from any other cell: 3 seeds are too few for 16.67 points, the largest difference." in said
    assert "(--seeds auto gives them where they may)" in said


def test_two_seeds_are_said_to_be_too_few_for_any_test_and_whether_they_agree(sweep, store):
    said = _answer(sweep, store, {0.1: [0.95, 0.94], 0.2: [0.59, 0.58]})
    assert said[0] == (
        "Is it the best? Cannot be told, 2 seeds are too few for any test: ahead of lr=0.2 by 36.00 points; both agree."
    )
    assert said[1] == "--seeds 5 decides more."


def test_over_folds_it_says_of_which_data_the_question_is_where_the_spread_comes_from_and_what_is_missing(sweep, store):
    swept = dataclasses.replace(sweep, axes={"lr": [0.1, 0.2]}, replicates={"width": [1, 2, 3]})
    for trial in swept.trials(seeds=range(3)):
        fold, seed, other = trial.config.width, trial.config.seed, trial.cell["lr"] == 0.2
        store.append(completed(trial, 0.9 + fold / 100 - other * (0.02, 0.03, -0.01)[fold - 1] + seed * fold / 10_000))
    outcome = Sweeper(FakeLaunch(), store).run(swept, swept.trials(seeds=range(3)))
    found = outcome.summary
    said, *_, test = answer(found).splitlines()
    assert said.endswith("More seeds would hardly decide that (chance 0%): what is missing is other data.")
    names, deviations, advice = sources(found).values()
    assert names == ["cells", "folds", "cell × fold", "seeds"]
    assert deviations[3] == "0.02 points", "of 1, 2 and 3 ten-thousandths, by fold"
    assert advice[2].startswith("folds: a difference of two cells has a standard error of ")
    assert advice[3].endswith("What is missing for other data is folds, not seeds.")
    assert "| cell × fold | " in in_markdown(found)
    assert '<td class="wrap">cell × fold</td>' in cards(Part(outcome, "x"))
    assert "of other data: the unit is one of 3 values of width, a mean over its seeds" in test


def test_each_question_of_a_claim_is_a_title_of_its_card(sweep, store):
    said = "Faster? Yes: 3 of 5.\n(5 seeds)\nBetter? Cannot be told from one seed: +1.\nOf all."
    asked = dataclasses.replace(sweep, axes={"lr": [0.1, 0.2]}, claim=lambda cells: said)
    for trial in asked.trials(seeds=[0]):
        store.append(completed(trial, 0.9))
    made = cards(Part(Sweeper(FakeLaunch(), store).run(asked, asked.trials(seeds=[0]))))
    assert re.findall("<h3>([^<]*)</h3>", made) == ["Faster? Yes.", "Better? Cannot be told from one seed."]
    assert re.findall("<p[^>]*>([^<]*)</p>", made)[:4] == ["3 of 5.", "(5 seeds)", "+1.", "Of all."]


def test_a_page_tells_the_command_that_may_decide_or_the_one_that_made_it(sweep, store):
    swept = dataclasses.replace(sweep, axes={"lr": [0.1, 0.2]})
    trials = swept.trials(seeds=range(3))
    for trial in trials:
        store.append(completed(trial, [0.9, 0.91, 0.92][trial.config.seed] - (trial.cell["lr"] == 0.2) / 2))
    found = Sweeper(FakeLaunch(), store)
    assert "<h3>Try it</h3>" in cards(Part(found.run(swept, trials), "python rates.py --seeds 3"))
    one = Part(found.run(swept, trials[:2]), "python rates.py --seeds 1 --jobs 2")
    assert one.further == "python rates.py --jobs 2 --seeds 5"
    assert "<h3>More seeds may decide</h3>" in cards(one)


def test_as_good_a_cell_as_the_winner_is_named_and_the_answer_is_no(sweep, store):
    values = [0.95, 0.951, 0.949, 0.9505]
    said = _answer(sweep, store, {0.1: values, 0.2: values, 0.3: [value - 0.0003 for value in values], 0.4: [0.5] * 4})
    assert said[0] == (
        "Is it the best? No. As good: lr=0.2, the same to the last digit; lr=0.3 by 0.03 points (0.02 to 0.04)."
    )


def test_a_setting_that_changes_nothing_crowns_no_winner(sweep, store):
    for seeds in (1, 2):
        found = _found(sweep, store, {lr: [0.95] * seeds for lr in (0.1, 0.2, 0.3)})
        assert found.why_no_winner == "the same in all 3, to the last digit: lr changes nothing here."
        assert answer(found) == ""
        found = _found(sweep, store, {lr: [0.95] * seeds for lr in (0.1, 0.2)}, more={"width": [4]})
        assert "digit: lr changes nothing here" in found.why_no_winner, "width was not varied"


def test_cells_that_guess_crown_no_winner(sweep, store):
    found = _found(sweep, store, {0.1: [0.4, 0.1], 0.2: [0.3, 0.1]})
    assert found.why_no_winner.startswith("even the best, lr=0.1, learned nothing")


def test_what_is_better_than_a_baseline_is_so_however_poor_both_are(sweep, store):
    """`--require better` holds then, and the text beside it says the same."""
    falls = {0.1: [0.1, 0.11, 0.12, 0.1, 0.11], 0.2: [0.3, 0.31, 0.32, 0.3, 0.31]}
    found = _found(sweep, store, falls, baseline={"lr": 0.1})
    assert (found.why_no_winner, found.winner.label) == ("", "lr=0.2")
    assert answer(found).startswith("Is any better than the baseline, lr=0.1? Yes: 1 of 1, lr=0.2 by ")
    assert headline(found) == "lr=0.2 is better than lr=0.1."


def test_a_metric_that_is_no_accuracy_has_its_own_unit_and_says_that_nothing_is_known_to_matter(sweep, store):
    said, *_, test = _answer(sweep, store, {0.1: [1.0] * 3, 0.2: [1.0] * 3, 0.3: [0.9] * 3}, monitor="val_loss")
    assert "all of them end with the same" in said
    assert test.endswith("no smallest difference that matters is given (--smallest_effect): no cell is called as good)")


def test_with_one_seed_it_gives_the_number_what_one_seed_moves_and_the_command_that_decides(sweep, store):
    said = _answer(sweep, store, {0.1: [0.95], 0.2: [0.94]})
    assert said[0] == "Is it the best? Cannot be told from one seed: ahead of lr=0.2 by 1.00 points."
    assert said[1].endswith("--seeds 5 decides more.")
    swept = dataclasses.replace(sweep, axes={"lr": [0.1, 0.2]})
    known = [completed(trial, 0.93 + trial.config.seed / 100) for trial in swept.trials(seeds=range(3))]
    outcome = Sweeper(FakeLaunch(), store).run(swept, swept.trials(seeds=[0]))
    found = dataclasses.replace(outcome, known={result.key: result for result in known}).summary
    assert "One seed moves such a lead by 1.41 points (standard deviation, from the ledger)." in answer(found)


def test_a_cell_that_is_behind_in_every_seed_is_said_to_be(sweep, store):
    said = _answer(sweep, store, {0.1: [0.96, 0.96, 0.95, 0.96], 0.2: [0.95, 0.70, 0.94, 0.955], 0.3: [0.5] * 4})
    assert "although behind in every trial" in said[0]


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((0.03542, 0.0123456, 0.1), "0.03542 (0.01235 to 0.10000)"),
        ((1.5, -0.2, 3), "1.500 (-0.200 to 3.000)"),
        ((12345.6, 7, 20000), "12346 (7 to 20000)"),
        ((0.0, -0.5, 0.5), "0.0000 (-0.5000 to 0.5000)"),
        ((1.234e-9, 1e-10, 3e-9), "1.234e-09 (1e-10 to 3e-09)"),
    ],
)
def test_the_ends_of_an_interval_have_the_decimals_of_the_estimate(ends, said):
    gap, low, high = ends
    verdict = Verdict(Cell({}, [], 1), "undecided", gap=gap, low=low, high=high, p=0.5)
    assert interval(verdict, Objective("val_loss", "min")) == said
