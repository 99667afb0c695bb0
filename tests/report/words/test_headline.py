"""The headline of a page is its finding, and the doubt in it is as large as the lead."""

import dataclasses

import pytest
from conftest import completed, summary_of

from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.words.headline import headline, numbers, standing


def _summary(sweep, *accuracies, name="lr", values=(0.1, 0.2, 0.3), curves=None):
    """Cells along one axis with these final accuracies by seed, on curves that end in them."""
    swept = dataclasses.replace(sweep, axes={name: list(values)})
    trials = swept.trials(seeds=range(len(accuracies[0])))
    cells = []
    for place, (value, of) in enumerate(zip(values, accuracies, strict=True)):
        own = [trial for trial in trials if trial.cell[name] == value]
        before = curves[place] if curves else [0.2 + 0.01 * place]
        results = [
            dataclasses.replace(completed(trial), history={"val_accuracy": [*before, accuracy]})
            for trial, accuracy in zip(own, of, strict=True)
        ]
        cells.append(Cell({name: value}, results, len(results)))
    return summary_of(swept, cells)


@pytest.mark.parametrize(
    ("accuracies", "said"),
    [
        ([[0.95, 0.96, 0.94], [0.65, 0.66, 0.64], [0.5, 0.51, 0.5]], "lr=0.1 is the best: every other is worse."),
        ([[0.72, 0.95, 0.60], [0.60, 0.55, 0.62], [0.5, 0.9, 0.6]], "In the end no lr can be told from the best."),
        (
            [[0.95, 0.96, 0.94, 0.95], [0.96, 0.94, 0.95, 0.945], [0.80, 0.811, 0.789, 0.80]],
            "lr=0.1 is ahead: 0.2 cannot be told from it; 0.3 is worse.",
        ),
        ([[0.95], [0.94], [0.93]], "lr=0.1 is ahead; 1 seed cannot tell whether by luck."),
        ([[0.95], [0.95], [0.93]], "2 of 3 end with the same mean, ahead of the others."),
    ],
)
def test_the_headline_is_the_verdict_on_all_cells_in_a_sentence(sweep, accuracies, said):
    assert headline(_summary(sweep, *accuracies)) == said


def test_the_others_are_named_as_long_as_they_have_room_and_none_goes_by_its_settings_name(sweep):
    best, alike = [0.95, 0.96, 0.94, 0.95], [0.96, 0.94, 0.95, 0.945]
    few = _summary(sweep, alike, best, [0.80, 0.811, 0.789, 0.80], values=(None, 4, 8), name="width")
    assert headline(few) == "width=4 is ahead: width=none cannot be told from it; 8 is worse."
    long = tuple(f"a value with many words, number {n}" for n in range(3))
    many = _summary(sweep, best, alike, [0.80, 0.811, 0.789, 0.80], values=long, name="width")
    assert headline(many).endswith(" is ahead: of the 2 others, 1 cannot be told from it and 1 is worse.")


def test_what_has_not_completed_takes_nothing_from_the_best_in_headline_and_row_alike(sweep):
    best, worse = [0.95, 0.96, 0.94], [0.5, 0.51, 0.5]
    whole = _summary(sweep, best, worse, worse)
    *cells, last = whole.cells
    gone = [dataclasses.replace(result, status="diverged") for result in last.results]
    summary = summary_of(whole.sweep, [*cells, dataclasses.replace(last, results=gone)])
    assert headline(summary) == "lr=0.1 is the best: the other that has completed is worse."
    axis = Axis.of_values(summary.sweep.objective, best)
    assert standing(summary, summary.cells[0], axis) == "5.00% · the best"
    assert ". The other that completed is behind by " in numbers(summary)
    alone = summary_of(whole.sweep, [cells[0], summary.cells[2]])
    assert headline(alone) == "lr=0.1 is the only one that has completed."
    assert standing(alone, alone.cells[0], axis) == "5.00% · ahead"


def test_a_setting_that_changes_nothing_and_a_sweep_that_learned_nothing_say_so(sweep):
    same = _summary(sweep, [0.95, 0.9], [0.95, 0.9], [0.95, 0.9], curves=[[0.2]] * 3)
    assert headline(same) == "Lr changes nothing here, to the last digit."
    assert numbers(same).startswith("No winner: the same in all 3")
    assert headline(_summary(sweep, [0.2], [0.21], [0.2], curves=[[0.2]] * 3)) == "Even the best has learned nothing."


def test_small_batches_need_fewer_epochs_and_not_fewer_steps_where_the_curves_of_several_seeds_say_so(sweep):
    """Below 50% of error after 1, 2 and 4 epochs: of 100 examples that is 10, 4 and 4 steps."""
    curves = [[0.6, 0.6, 0.6, 0.6], [0.3, 0.6, 0.6, 0.6], [0.3, 0.3, 0.3, 0.6]]

    def summary_with(seeds):
        of_seeds = ([0.6] * seeds, [0.61] * seeds, [0.62] * seeds)
        return _summary(sweep, *of_seeds, name="width", values=(4, 8, 16), curves=curves)

    assert "need" not in headline(summary_with(1)), "one seed tells nothing"
    summary = summary_with(5)
    assert headline(summary).startswith("Small widths need fewer epochs. ")
    base = type("Base", (type(sweep.base),), {"examples": 100})()
    batches = [
        Cell(c.values, [dataclasses.replace(r, config={**r.config, "batch_size": size}) for r in c.results], c.trials)
        for c, size in zip(summary.cells, (10, 50, 100), strict=True)
    ]
    told = summary_of(dataclasses.replace(summary.sweep, base=base), batches)
    assert headline(told).startswith("Small widths need fewer epochs, not fewer steps. ")


def test_each_cell_is_said_to_end_where_it_does_and_what_the_seeds_allow_to_say(sweep):
    summary = _summary(sweep, [0.9765] * 3, [0.9, 0.91, 0.9], [0.976, 0.977, 0.975])
    axis = Axis.of_values(sweep.objective, [0.9, 0.98])
    said = [standing(summary, cell, axis) for cell in summary.cells]
    assert said[0] == "2.35% · ahead"
    assert said[1] == "9.67% · behind by 7.32 points: worse"
    assert said[2].startswith("2.40% · behind by 0.05 points: ")
