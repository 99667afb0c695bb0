"""A number that two reports of a sweep show is the same number: in table, CSV, Markdown, page, figure and notebook."""

import csv
import dataclasses
import math
import re

import numpy as np
import pytest
from conftest import completed
from test_page import Elements

from nnhp_torch.core.outcome import Outcome
from nnhp_torch.report.csv import TablesReport
from nnhp_torch.report.figure import whole
from nnhp_torch.report.page import callback as pages
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.svg import SIZE
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.terminal.table import in_markdown

ENDS = {0.1: [40, 46, 30, 22, 25], 0.2: [50] * 5, 0.3: [12, 13, 14, 50, 50]}  # epochs of each seed


@pytest.fixture(scope="module")
def outcome(sweep):
    """Five seeds that stop at different epochs, of which the longest fall at last, as in early stopping.

    In the second cell they are all but without error.
    """
    rates = dataclasses.replace(sweep, axes={"lr": list(ENDS)})
    rng = np.random.RandomState(0)
    results = {}
    for trial in rates.trials(seeds=range(5)):
        length, lr = ENDS[trial.cell["lr"]][trial.config.seed], trial.cell["lr"]
        end = 0.9993 if lr == 0.2 else 0.975
        curve = [min(1.0, round(end - 0.4 * math.exp(-epoch / 4) + 0.0004 * rng.randn(), 4)) for epoch in range(length)]
        curve[-1] = end if lr == 0.2 else 0.96 + 0.002 * rng.randn()
        results[trial.key] = dataclasses.replace(
            completed(trial), history={"val_accuracy": curve, "train_accuracy": [value + 1e-4 for value in curve]}
        )
    return Outcome(rates, rates.trials(seeds=range(5)), results)


@pytest.fixture(scope="module")
def page(outcome, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    pages.write(path, Part(outcome))
    return path.read_text()


@pytest.fixture(scope="module")
def drawn(outcome):
    """Name → data of every line in the figure's picture of all cells."""
    figure = whole.draw(outcome.summary)
    return {line.get_gid(): line.get_xydata() for part in figure.subfigs[1].axes for line in part.get_lines()}


def _medians(page, epochs):
    """For each cell of the page's curves: the points of its thick line, as epoch and place from 0 to 1."""
    found = []
    for cell in range(len(ENDS)):
        (path,) = re.findall(rf'<g class="curve [^"]*" data-cell="{cell}"[^>]*>', page)[:1]
        group = page[page.index(path) :].partition("</g>")[0]
        (line,) = re.findall(r'<path d="([^"]*)" class="median">', group)
        numbers = [*map(int, re.findall(r"-?\d+", line))]
        points = np.cumsum(np.array([numbers[:2], *np.array(numbers[4:]).reshape(-1, 2)]), axis=0)
        found.append([(x * epochs / SIZE, 1 - y / SIZE) for x, y in points])
    return found


def test_figure_and_page_draw_one_median_to_the_same_epoch_on_the_same_axis(outcome, page, drawn):
    axis = Axis.of_curves(outcome.sweep, outcome.summary.cells)
    for cell, points in enumerate(_medians(page, epochs=50)):
        line = drawn[f"cell{cell}.median"]
        epochs, places = zip(*points, strict=True)
        assert epochs[-1] == pytest.approx(line[-1, 0], abs=0.1), "both end where fewer than half of the seeds go on"
        assert list(places) == pytest.approx([axis._place(shown) for shown in line[:, 1]], abs=0.001)
    assert drawn["cell0.median"][-1, 0] == 30


def test_the_middle_at_the_end_is_the_mean_that_table_page_and_csv_show(outcome, page, tmp_path):
    TablesReport(tmp_path).on_sweep_end(outcome)
    with open(tmp_path / "verdicts.csv", newline="") as file:
        written = [f"{float(row['val_accuracy']):.4f}±{float(row['spread']):.4f}" for row in csv.DictReader(file)]
    shown = [cell.text("val_accuracy") for cell in outcome.summary.cells]
    assert written == shown
    heads, *rows = next(table for table in Elements(page).tables if "lr" in table[0])
    (column,) = [i for i, head in enumerate(heads) if head.startswith("validation accuracy")]
    for text, row in zip(shown, rows, strict=True):
        assert text in str(outcome.table())
        assert text in in_markdown(outcome.summary)
        assert row[column].replace("\u2009", "").replace("\u202f", "") == text
        assert text in outcome._repr_html_()


def test_the_bar_of_the_figure_stands_at_that_mean(outcome):
    right = whole.draw(outcome.summary).subfigs[1].axes[1]
    bars = [line.get_xdata()[0] for line in right.get_lines() if line.get_marker() == "|"]
    means = [100 * (1 - cell.mean("val_accuracy")) for cell in outcome.summary.cells]
    assert bars == pytest.approx(means)


@pytest.mark.parametrize("others", [[], [0.5], [0.9]])
def test_errors_below_a_tenth_of_a_percent_have_places_of_their_own(sweep, others):
    values = [*others, 0.9992, 0.9995, 1.0]
    places = [Axis.of_values(sweep.objective, values).place(value) for value in values]
    assert sorted(set(places), reverse=True) == places
