"""A section of the student's page: what its picture measures, its one line, and what a guess is worth."""

import dataclasses
import re
from pathlib import Path

import pytest
from conftest import TinyConfig, completed

from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.recorded.from_ledger import recorded
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.report.page.part import Part
from sweeps import reference
from sweeps._study.claims import (
    GRADIENTS,
    OVERFITS,
    TOGETHER,
    TRAINED,
    WEIGHTS,
    Answer,
    answers,
    backed,
    kind_of,
    others,
    together,
)
from sweeps._study.lesson import NO_GUESS, answers_of, guesses, lesson
from sweeps._study.measures import MEASURES, NEVER, Measure
from sweeps._study.overview import draw, with_nought
from sweeps._study.pictures import picture
from sweeps._study.student import TILES, _bar, _evidence, _headline, _tile

ROOT = Path(reference.__file__).parent.parent

RATES = Sweep("momentum", TinyConfig(), {"lr": [0.1, 0.01, 0.001, 1.0]}, build="toy:build")
SPREAD = [0.001, -0.001, 0.002, -0.002, 0.0]


def _part(means, sweep=RATES, **histories):
    """A sweep whose cells reach these means with five seeds each; of one cell in another way than noise."""
    trials = sweep.trials(range(5))
    known = {}
    for trial in trials:
        mean, seed = means[trial.cell["lr"]], trial.config.seed
        value = mean[seed] if isinstance(mean, list) else mean + SPREAD[(seed + round(1000 * mean)) % 5]
        history = {name: of[trial.cell["lr"]] for name, of in histories.items()}
        known[trial.key] = dataclasses.replace(completed(trial, value), **({"history": history} if history else {}))
    return Part(Outcome(sweep, trials, known))


@pytest.fixture(scope="module")
def parts():
    return {part.sweep.name: part for part in reference.findings(ROOT)}


def test_a_guess_counts_by_its_verdict_and_says_how_far_behind_it_is():
    part = _part({0.1: 0.95, 0.01: [0.949, 0.951, 0.93, 0.953, 0.94], 0.001: 0.8, 1.0: 0.9})
    assert [verdict.kind for verdict in part.summary.verdicts] == ["best", "undecided", "worse", "worse"]
    assert guesses(part) == [
        ("0.1", 1.0, "It is ahead, and 1 other may be better."),
        ("0.01", 0.5, "It may be: 0.54 points behind lr=0.1, which may be luck."),
        ("0.001", 0.0, "Wrong: 15.00 points behind lr=0.1."),
        ("1", 0.0, "Wrong: 5.00 points behind lr=0.1."),
        (NO_GUESS, 0.0, "Wrong: 2 of 3 others are worse."),
    ]
    assert "Guessing blindly comes to 0.3 of 1." in _bar([part])[0], "the mean of 1, a half and three times 0"


def test_a_long_name_before_the_overviews_axis_is_not_cut():
    named = dataclasses.replace(RATES, name="a_hyperparameter_with_a_name_longer_than_others")
    (axes,) = draw([_part(dict.fromkeys(RATES.axes["lr"], 0.9), named)]).axes
    assert min(text.get_window_extent().x0 for text in axes.texts) > 0


def test_that_none_can_be_told_is_worth_a_point_if_no_other_is_worse():
    alike = [0.949, 0.951, 0.93, 0.953, 0.94]
    part = _part({0.1: 0.95, 0.01: alike, 0.001: alike[::-1], 1.0: [*alike[1:], alike[0]]})
    assert {verdict.kind for verdict in part.summary.others} == {"undecided"}
    assert guesses(part)[-1] == (NO_GUESS, 1.0, "Right.")
    assert [worth for _, worth, _ in guesses(part)[:-1]] == [0.5] * 4, "of the one in front, too: any other may beat it"


def test_what_is_shown_to_be_as_good_as_the_best_is_worth_as_much(parts):
    (text, worth, said) = next(of for of in guesses(parts["loss"]) if of[0] == "kl_divergence")
    assert (text, worth) == ("kl_divergence", 1.0)
    assert re.fullmatch(r"Right: 0\.01 points behind loss=cross_entropy, and shown to be as good\.", said)


def test_an_answer_has_its_word_its_number_and_its_doubt():
    claim = "Faster? Yes with 0.5 and 0.9; cannot be told with 0.99: 12.2 epochs.\n(5 seeds, p=0.03)\nHigher? No: -0.1."
    assert answers(claim) == [
        Answer("Faster?", "Yes with 0.5 and 0.9; cannot be told with 0.99", "12.2 epochs.", "5 seeds, p=0.03"),
        Answer("Higher?", "No", "-0.1."),
    ]
    (both,) = answers("Faster? Yes by day; no, the opposite by night: 12 and 14.")
    assert (both.word, both.number, both.kinds) == (
        "Yes by day; no, the opposite by night",
        "12 and 14.",
        {"yes", "no"},
    )
    (each,) = answers("Better? No, the opposite with 1, 3 and 5; cannot be told with 10: 2.65% and 2.48%.")
    assert (each.word, each.number) == ("No, the opposite with 1, 3 and 5; cannot be told with 10", "2.65% and 2.48%.")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["Yes", "Yes with 1"], "yes"),
        (["Yes", "Cannot be told"], "mixed"),
        (["Yes with 0.5; cannot be told with 1"], "mixed"),
        (["Yes by day; no, the opposite by night"], "mixed"),
        (["No, the opposite with 1, 3 and 5; cannot be told with 10", "Cannot be told"], "no"),
        (["Cannot be told from one seed", "No"], "no"),
        (["Cannot be told from one seed"], "open"),
        ([], "none"),
    ],
)
def test_a_claim_holds_in_part_only_if_something_of_it_is_answered_with_yes(words, kind):
    assert kind_of([Answer("?", word, "") for word in words]) == kind


def test_what_the_answers_say_together_is_said_on_top_of_each_section_that_has_several(parts):
    """The sentences were written for the answers that the committed ledgers give; a test fails if one of them turns."""
    for part in (with_nought(part, list(parts.values())) for part in parts.values()):
        words = [answer.word for answer in answers_of(part, ROOT)]
        said = together(part, words)
        assert (part.sweep.name in TOGETHER) is bool(said)
        assert said or len(words) < 2, part.sweep.name
        assert not re.search(r"\d(?<!l[12])", said), "a number would have to be computed"
        section = lesson(1, part, [""], ROOT)
        assert section.count('class="in-short"') == bool(said)
        assert section.find('class="in-short"') < section.index('class="answered"')


def test_what_they_say_together_is_not_said_of_other_answers_nor_of_another_winner(parts):
    part = parts["noise"]
    assert together(part, ["Yes", "Cannot be told"])
    assert not together(part, ["Yes", "Yes"])
    fewer = Outcome(part.sweep, [t for t in part.outcome.trials if t.cell["noise"] != 0.2], part.outcome.results)
    assert not together(Part(fewer), ["Yes", "Cannot be told"])


def test_the_headline_counts_the_articles_claims_by_their_answers(parts):
    said, drawn = _headline(list(parts.values()), ROOT)
    names = [name for name in parts if name not in ("gradient_clipping", "label_smoothing")]
    kinds = [kind_of(answers_of(parts[name], ROOT)) for name in names]
    told = [TILES[kind] for kind in kinds]
    assert told == [re.findall("<b>([^<]*)</b>", _tile(1, parts[name], ROOT))[0] for name in names]
    counts = [str(kinds.count(kind)) for kind in ("yes", "mixed", "no", "open")]
    given = [count for count in counts if count != "0"]
    assert re.findall(r"\b\d+(?= )", said.partition(">")[2]) == [str(sum(map(int, counts))), *given]
    assert re.findall(r"flex-grow:(\d+)", drawn) == given
    assert kinds.count("none") == 4, "learning-rate decay, loss, activation and weight constraint"


def test_a_mean_leaves_out_what_was_never_reached_and_says_so():
    measure = Measure("Epochs", "", lambda result, cells: 0.0, " epochs")
    assert measure.said([8.0, 9.0]) == "8.5 epochs"
    assert measure.said([80.0, NEVER, NEVER]) == "80.0 epochs in 1 of 3 runs, else never"
    assert measure.said([NEVER]) == "never"


def test_a_pictures_numbers_are_the_runs_own():
    never, late = [0.5] * 8, [0.5] * 3 + [0.95] * 5
    soon = [0.95] * 8
    part = _part(
        dict.fromkeys(RATES.axes["lr"], 0.9),
        val_accuracy={0.1: never, 0.01: late, 0.001: soon, 1.0: late},
    )
    drawn = picture(part, ROOT)
    assert re.findall(r'class="said">([^<]*)<', drawn) == ["never", "4.0 epochs", "1.0 epochs", "4.0 epochs"]
    assert drawn.count('class="beyond"') == 5
    assert re.findall(r'data-cell="(\d)"', drawn) == ["0", "1", "2", "3"]
    assert {*re.findall(r'd="M(\d+) 500h0" class="ring"', drawn)} == {"500", "153"}, "4 and 1 of 8, with room beside"


def test_a_picture_has_room_for_every_run():
    falls = [0.9] * 10 + [0.9, 0.8] * 2
    curves = {0.1: [0.9] * 14, 0.01: falls, 0.001: [0.9] * 14, 1.0: [0.9] * 14}
    sweep = dataclasses.replace(RATES, name="optimizer")
    drawn = picture(_part(dict.fromkeys(RATES.axes["lr"], 0.9), sweep, val_accuracy=curves), ROOT)
    assert re.findall(r'class="said">([^<]*)<', drawn) == ["0.0 falls", "2.0 falls", "0.0 falls", "0.0 falls"]
    assert {*re.findall(r'd="M(\d+) 500h0" class="ring"', drawn)} == {"37", "963"}


# Section → where its line has numbers of cells.
SAID = {
    "optimizer": r"(\d+\.\d) \(final",
    "batch_size": r"(\d+%)(?=[^(]*of its)",
    "momentum": r"momentum=[\d.]+ (\d+\.\d)",
    "batch_norm": r"(\d+\.\d)(?= without it|; by| in \d)",
    "learning_rate": r"in (\d+\.\d)",
    "early_stopping": r"(\d\.\d\d)% (?:in|\()",
    "activity_regularization": r"0\.(\d\d)(?=[,;.])",
}


@pytest.mark.parametrize("name", SAID)
def test_the_picture_of_a_claim_shows_the_numbers_that_its_line_says(parts, name):
    found = re.findall(r'class="said">([^<]*)<|aria-label="([^"]*)"', picture(parts[name], ROOT))
    drawn = " ".join(text for both in found for text in both)
    said = re.findall(SAID[name], answers_of(parts[name], ROOT)[-1 if name == "early_stopping" else 0].number)
    assert said
    assert {*said} <= {*re.findall(r"\d+(?:\.\d+)?", drawn), *re.findall(r"\d+%", drawn)}


def test_each_section_has_one_line_and_one_picture_of_what_is_claimed(parts):
    for number, part in enumerate(parts.values(), 1):
        section = lesson(number, part, [""], ROOT)
        assert section.count('class="answered"') == 1, part.sweep.name
        answered = section.partition('class="answered"')[2].partition("</p>")[0]
        for answer in answers_of(part, ROOT):
            assert f"{answer.question} {answer.word}." in answered
        assert section.count("<figure") + section.count('class="pairs"') + section.count('class="heat with"') in (
            1,
            2,
            3,
        )
        assert "<details" not in section, "nothing is folded away"
    assert {*MEASURES} <= {*parts}


def test_what_is_not_stopped_has_one_name_in_a_section(parts):
    section = lesson(1, parts["early_stopping"], [""], ROOT)
    assert "no patience" not in section
    assert "patience=none" not in section
    assert {*re.findall(r">(no stopping)<", section)} == {"no stopping"}
    assert ">no stopping is ahead: " in section


def test_no_setting_of_a_section_is_both_varied_and_fixed(parts):
    for part in parts.values():
        (roles,) = re.findall(r"<p[^>]*>Varied: ([^<]*)</p>", lesson(1, part, [""], ROOT))
        varied, _, fixed = roles.partition(". Fixed: ")
        assert varied == ", ".join(part.sweep.axes)
        assert not any(f"{axis}=" in fixed for axis in part.sweep.axes)
        assert ("learning rate of its own" in fixed) is ("lr" not in part.sweep.axes)


def test_a_claim_that_another_ledger_answers_leads_to_its_page(parts):
    folder = ROOT / reference.FOLDER
    found = {name: ways for name, part in parts.items() if (ways := _evidence(part, folder, ROOT))}
    assert {*found} == {"batch_size", "weight_regularization", "dropout"}
    assert all((folder / way).is_file() for ways in found.values() for way in ways)
    section = lesson(1, parts["dropout"], ["own.html", *found["dropout"]], ROOT)
    for way, name in zip(found["dropout"], ("trained", "overfits"), strict=True):
        assert f'<a href="{way}">Runs behind the claim: {name}</a>' in section


def test_dropout_is_told_by_the_network_without_it_and_by_training_images_that_were_scored_in_the_end(parts):
    """Its ledger is older than that: the gap is a newer one's, in line and picture; what helps is told as it was."""
    whole = with_nought(parts["dropout"], list(parts.values()))
    gap, helps, where_it_overfits, _ = answers_of(whole, ROOT)
    assert gap.question == "Does dropout narrow the gap between training and validation?"
    assert gap.number.endswith("there is no overfitting to prevent.")
    assert "from dropout=0 to dropout=" in helps.number
    assert where_it_overfits.question.startswith("Does dropout at lr=0.01 and momentum=0.9 narrow the gap")
    drawn = re.findall(r'class="said">(-?[\d.]+) points<', picture(whole, ROOT))
    assert re.findall(r"(-?\d\.\d\d) at", gap.number + where_it_overfits.number) == drawn
    assert len(drawn) == 5


def test_a_newer_ledger_answers_by_itself_and_one_elsewhere_without_the_evidence_too(parts, tmp_path):
    assert not backed(parts["noise"], ROOT)
    assert [*others(parts["dropout"], ROOT)] == [TRAINED, OVERFITS]
    assert [*others(parts["batch_size"], ROOT)] == [GRADIENTS]
    newer = Part(recorded(ROOT / TRAINED, "val_accuracy"))
    assert backed(newer, ROOT)[TRAINED] is newer
    assert [*others(newer, ROOT)] == [OVERFITS]
    assert not backed(parts["dropout"], tmp_path)
    assert "Validation error after each epoch" in picture(parts["dropout"], tmp_path), "nothing else is known"
    newer = Part(recorded(ROOT / WEIGHTS, "val_accuracy"))
    assert not others(newer, ROOT)


def test_the_penalties_and_next_to_none_have_a_histogram_each(parts):
    drawn = picture(parts["weight_regularization"], ROOT)
    assert re.findall(r"<strong>([^<]*)</strong></p>", drawn) == [
        "l1",
        "l2",
        "l2 of 1e-09, which is next to none",
    ]


def test_a_sections_pictures_have_headings_below_its_own(parts):
    section = lesson(1, parts["noise"], [""], ROOT)
    assert section.count("<h2") == section.count("</h2>") == 1
    assert section.count("<h3") == section.count("</h3>") == 2


def test_a_square_calls_the_leader_what_the_heading_does(parts):
    """Of layers and nodes three others cannot be told from the leader: it is ahead, and not the best."""
    section = lesson(1, parts["layers_nodes"], [""], ROOT)
    assert "n_nodes=256 is ahead" in section
    assert "<small>ahead</small>" in section
    assert "<small>best</small>" not in section
