"""One axis for what is judged: errors in percent, the same in every sweep, and other metrics on their own."""

import dataclasses
import math

import pytest
from conftest import completed
from matplotlib.figure import Figure

from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.report.figure.drawing import dress
from nnhp_torch.report.plotting.axis import Axis


def _cells(sweep, *finals):
    return _with(sweep, "val_accuracy", *([0.1, value] for value in finals))[1]


def _with(sweep, metric, *curves, mode=None):
    """A sweep by that metric, and a cell for each curve."""
    sweep = dataclasses.replace(sweep, monitor=metric, mode=mode)
    results = [dataclasses.replace(completed(sweep.trials()[0]), history={metric: curve}) for curve in curves]
    return sweep, [Cell(result.cell, [result], 1) for result in results]


def _dressed(axis):
    axes = Figure().subplots()
    dress(axes, axis)
    return axes


def test_every_sweep_by_accuracy_has_the_same_axis(sweep):
    poor, good = Axis.of_curves(sweep, _cells(sweep, 0.11, 0.12)), Axis.of_curves(sweep, _cells(sweep, 0.97, 0.98))
    assert poor == good
    assert (poor.name, poor.log) == ("validation error", True)
    axes = _dressed(good)
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.get_yticklabels()] == ["1%", "2%", "5%", "10%", "20%", "50%", "100%"]


def test_an_accuracy_is_shown_as_the_percentage_of_wrong_answers(sweep):
    axis = Axis.of_curves(sweep, _cells(sweep, 0.97))
    assert [*map(axis.shown, [0.97, 0.1])] == pytest.approx([3, 90])
    assert [axis.text(value) for value in (0.207, 0.9, 0.9504, 0.99488)] == ["79%", "10%", "5.0%", "0.51%"]


@pytest.mark.parametrize(("finals", "lowest"), [([0.97, 0.992], 0.1), ([0.99], 1.0), ([0.9995, 1.0], 0.001)])
def test_errors_below_one_percent_lengthen_the_axis_by_whole_decades(sweep, finals, lowest):
    axis = Axis.of_curves(sweep, _cells(sweep, *finals))
    assert axis.low == pytest.approx(0.95 * lowest)
    assert all(axis.low <= shown < axis.high for shown in map(axis.shown, finals))


def test_guessing_is_a_dotted_line_where_the_configuration_says_what_it_reaches(sweep):
    digits = type("Digits", (type(sweep.base),), {"guessing": {"accuracy": 0.1}})
    told = Axis.of_curves(dataclasses.replace(sweep, base=digits()), _cells(sweep, 0.97))
    (line,) = _dressed(told).get_lines()
    assert (line.get_ydata()[0], line.get_linestyle()) == (pytest.approx(90), ":")
    assert not _dressed(Axis.of_curves(sweep, _cells(sweep, 0.97))).get_lines()


@pytest.mark.parametrize(
    ("curves", "log"), [(([2.3, 0.9], [2.3, 0.1]), True), (([2.3, 2.0], [2.2, 1.9]), False), (([2.0, 0.0],), False)]
)
def test_another_metric_has_its_own_axis_logarithmic_if_it_spans_a_decade(sweep, curves, log):
    axis = Axis.of_curves(*_with(sweep, "val_loss", *curves))
    assert (axis.name, axis.error, axis.log) == ("val_loss", False, log)
    assert 0 <= axis.low <= min(curve[-1] for curve in curves) < axis.high
    assert axis.shown(0.25) == 0.25


def test_an_accuracy_in_percent_is_taken_as_it_is(sweep):
    axis = Axis.of_curves(*_with(sweep, "val_acc", [50.0, 97.0], [60.0, 98.0]))
    assert not axis.error
    assert axis.low <= 97 < 98 <= axis.high


def test_no_axis_has_what_the_metric_cannot_be(sweep):
    axis = Axis.of_curves(*_with(sweep, "val_f1", [0.5, 0.999], [0.5, 0.0]))
    assert (axis.low, axis.high) == (0.0, 1.0)


def test_final_values_over_a_decade_have_a_number_at_the_greatest_or_beyond_it(sweep):
    axis = Axis.of_values(sweep.objective, [0.975, 0.639])
    assert [text for _, text in axis.ticks(6)] == ["5%", "10%", "20%", "50%"]
    assert axis.place(0.5) == 1.0


def test_a_diverging_loss_does_not_take_the_frame_from_the_others(sweep):
    sweep, cells = _with(sweep, "val_loss", [2.0] * 50 + [1.0] * 50, [2.0] * 98 + [1e30, math.inf])
    lost = dataclasses.replace(cells[1].results[0], status="diverged")
    assert Axis.of_curves(sweep, [cells[0], Cell(lost.cell, [lost], 1)]).high < 3
