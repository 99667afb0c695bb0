"""Which hyperparameter matters: a row a sweep on one axis, in the study's figure as on its page."""

import dataclasses
import math
import re

import pytest
from conftest import TinyConfig, completed

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.report.ends import named_values, values_of
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.several import answer, effects, overview
from sweeps._study.overview import draw

RATES = Sweep("rates", TinyConfig(), {"lr": [0.1, 0.01]}, build="toy:build")
WIDTHS = Sweep("widths", TinyConfig(lr=0.01), {"width": [8, 16, 32]}, build="toy:build")


def _part(sweep, accuracies, seeds=(1, 2, 3, 4, 5), choice=None):
    """A sweep whose trials reach these accuracies, cell by cell."""
    trials = sweep.trials(seeds)
    (axis,) = sweep.axes
    known = {t.key: completed(t, accuracies[t.cell[axis]][seeds.index(t.config.seed)]) for t in trials}
    return Part(Outcome(sweep, trials, known), choice=choice)


@pytest.fixture
def parts():
    """One of little effect, and one in which one cell is worse, one cannot be told, one is chosen."""
    rates = {0.1: [0.953, 0.948, 0.951, 0.951, 0.949], 0.01: [0.95, 0.951, 0.949, 0.952, 0.95]}
    widths = {8: [0.8, 0.81, 0.79, 0.8, 0.8], 16: [0.9, 0.96, 0.95, 0.97, 0.96], 32: [0.97, 0.97, 0.971, 0.97, 0.97]}
    return [_part(RATES, rates, choice={"lr": 0.01}), _part(WIDTHS, widths)]


def _marks(figure):
    (axes,) = figure.axes
    rows = [line for line in axes.get_lines() if (line.get_gid() or "").startswith("row")]
    return [(line.get_gid(), float(line.get_xdata()[0])) for line in rows]


def test_the_widest_effect_is_on_top_and_every_cell_is_a_mark_at_its_mean_error(parts):
    marks = _marks(draw(parts))
    of_widths = sorted(place for name, place in marks if name.startswith("row0"))
    assert of_widths == pytest.approx([2.98, 5.2, 20.0])
    low, high = draw(parts).axes[0].get_xlim()
    assert all(low < place < high for _, place in marks)


def test_tones_are_the_verdicts_and_the_choice_has_a_ring(parts):
    names = [name for name, _ in _marks(draw(parts))]
    assert sorted(name for name in names if name.startswith("row0")) == ["row0.best", "row0.open", "row0.worse"]
    assert sorted(name for name in names if name.startswith("row1")) == ["row1.best", "row1.chosen", "row1.open"]


def test_a_cell_that_cannot_be_told_shows_how_far_its_seeds_lie_apart(parts):
    """Width 16 lies between 3% and 10%, rate 0.01 between 4.8% and 5.1%; the best and what is worse have no line."""
    (axes,) = draw(parts).axes
    lines = [line for line in axes.get_lines() if line.get_linewidth() == 1.2 and len(line.get_xdata()) == 2]
    assert [sorted(line.get_xdata()) for line in lines] == [pytest.approx(of) for of in ([3.0, 10.0], [4.8, 5.1])]
    assert "".join(overview(parts, ["a", "b"])).count('class="seeds"') == 2


def test_page_and_figure_say_the_same_sentence_computed_from_the_effects(parts):
    said = "A wrong widths costs 17 points and more. 1 of the 2 move the error by less than a point."
    assert answer(effects(parts)) == said
    assert said in "".join(overview(parts, ["a", "b"]))
    assert said in [" ".join(text.get_text().split()) for text in draw(parts).texts]


def test_what_a_sweep_varies_beside_its_own_is_not_said_to_be_its_own_cost(parts):
    """A learning rate that has a sweep of its own is no cost of batch normalization."""
    beside = Sweep("norms", TinyConfig(), {"lr": [0.1, 0.01], "width": [8, 16]}, build="toy:build")
    trials = beside.trials([1, 2])
    known = {t.key: completed(t, {0.1: 0.5, 0.01: 0.9}[t.cell["lr"]]) for t in trials}
    norms = Part(Outcome(beside, trials, known))
    assert "A wrong widths costs 17" in answer(effects([*parts, norms]))
    assert "A wrong norms costs 40 points and more." in answer(effects([norms]))
    told = {effect.name: effect.said for effect in effects([*parts, norms])}
    assert told["norms"].endswith("; varies lr and width too")
    assert not any("varies" in said for name, said in told.items() if name != "norms")


def test_a_screen_reader_hears_which_is_best_and_worst_and_was_chosen(parts):
    drawn = "".join(overview(parts, ["a", "b"]))
    assert re.findall(r'role="img" aria-label="([^"]*)"', drawn) == [
        "best width=32: 2.98%; worst width=8: 20.0%",
        "best lr=0.1: 4.96%; worst lr=0.01: 4.96%; chosen lr=0.01: 4.96%",
    ]


def test_a_sweep_in_which_nothing_has_completed_has_a_row_without_marks(parts):
    lost = {t.key: TrialResult.of(t, "diverged", "nan") for t in parts[1].outcome.trials}
    parts[1] = dataclasses.replace(parts[1], outcome=dataclasses.replace(parts[1].outcome, results=lost))
    by_name = {effect.name: effect for effect in effects(parts)}
    assert by_name["widths"].said == "none has completed"
    assert math.isnan(by_name["widths"].size)
    assert {name[:4] for name, _ in _marks(draw(parts))} == {"row0"}


def test_what_is_on_or_off_is_called_by_its_name(parts):
    cell = parts[0].summary.cells[0]
    both = dataclasses.replace(cell, values={"lr": 0.1, "batch_norm": True})
    assert values_of(both) == "0.1, batch norm"
    assert values_of(dataclasses.replace(cell, values={"patience": None})) == "patience=none", "which is not 0"


def test_where_no_heading_says_of_what_a_number_has_its_name_beside_others(parts):
    cell = parts[0].summary.cells[0]
    named = {
        "lr=0.1, no batch norm": {"lr": 0.1, "batch_norm": False},
        "lr=1, gradient_clip=none": {"lr": 1.0, "gradient_clip": None},
        "l1, reg=0.1": {"reg_type": "l1", "reg": 0.1},
        "patience=none": {"patience": None},
        "0.1": {"lr": 0.1},
    }
    assert [named_values(dataclasses.replace(cell, values=values)) for values in named.values()] == [*named]
