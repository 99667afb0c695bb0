"""What a page draws stands where its number is: paths and labels, read back and held against the numbers themselves."""

import math
import re
from xml.etree import ElementTree

import pytest

from nnhp_torch.report.ends import End
from nnhp_torch.report.page import charts, svg
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.plotting.curves import apart

UNIT = Axis("loss", 0.0, 1.0, guessing=0.25)  # what is 0.25 stands at 0.25


def read(drawn):
    """A drawing, without the sentence for a screen reader that stands before a chart."""
    *_, drawing = ElementTree.fromstring(f"<div>{drawn}</div>")
    return drawing


def points(d):
    """Where a path of lines or dots goes, its relative steps added up, as places with y upward."""
    found = []
    for kind, numbers in re.findall(r"([Mlhv])((?:[ ]?-?\d+)+)", d):
        steps = [int(n) for n in re.findall(r"-?\d+", numbers)]
        if kind == "M":
            found.append(tuple(steps))
        elif kind == "l":
            assert steps[:2] == [0, 0], "so that a single point is seen"
            for dx, dy in zip(steps[2::2], steps[3::2], strict=True):
                found.append((found[-1][0] + dx, found[-1][1] + dy))
    return [(x / svg.SIZE, 1 - y / svg.SIZE) for x, y in found]


def paths(part, kind):
    return [path.get("d") for path in part.iter("path") if path.get("class") == kind]


def near(*expected):
    return [pytest.approx(point, abs=0.001) for point in expected]


def labels(part, kind):
    """The text of each label of a class, and where it stands."""
    found = [span for span in part.iter("span") if (span.get("class") or "").removesuffix(" second") == (kind or "")]
    places = [[float(n) / 100 for n in re.findall(r":([\d.]+)%", span.get("style", ""))] for span in found]
    return [(span.text, *at) for span, at in zip(found, places, strict=True)]


def groups(part):
    return {g.get("data-cell"): g for g in part.iter("g")}


def drawn_curves(cells, axis, names=(), *, paces=None, kept=()):
    """Curves of cells that have these colours: c0, c1, …"""
    made = []
    for place, seeds in enumerate(cells):
        name = names[place] if names else ""
        each = {unit: of[place] for unit, of in (paces or {}).items()}
        rings = kept[place] if kept else ()
        made.append(charts.Curves([*enumerate(seeds)], f"c{place}", name, bool(name), rings, each))
    return read(charts.curves(made, axis))


def drawn_strip(values, axis=UNIT, **more):
    end = End(None, "", "c0", [(str(n), value) for n, value in enumerate(values)], more.pop("interval", None), "")
    return read(svg.strip(end, axis, best=more.pop("best", math.nan), **more))


CELLS = [[[0.9, 0.5, 0.2], [0.7, 0.3, 0.2]], [[0.8, 0.4]], [[0.6, math.nan, 0.6]]]


@pytest.fixture(scope="module")
def curves():
    paces = {"steps": [10.0, 20.0, 5.0]}
    kept = [[(2, 0.3)], [], []]
    return drawn_curves(CELLS, UNIT, ["a", "b", ""], paces=paces, kept=kept)


def test_each_seed_has_its_line_and_their_median_a_thick_one(curves):
    a, b, c = (groups(curves)[number] for number in "012")
    assert list(groups(curves)) == ["2", "1", "0"], "the first is drawn last, above the others"
    assert [points(d) for d in paths(a, "seed")] == [
        near((1 / 3, 0.9), (2 / 3, 0.5), (1, 0.2)),
        near((1 / 3, 0.7), (2 / 3, 0.3), (1, 0.2)),
    ]
    assert [points(d) for d in paths(a, "median")] == [near((1 / 3, 0.8), (2 / 3, 0.4), (1, 0.2))]
    assert (paths(b, "seed"), paths(b, "median")) == ([], ["M333 200l0 0 334 400"]), "one seed is its own median"
    assert [points(d) for d in paths(c, "median")] == [near((1 / 3, 0.6), (1, 0.6))], "an epoch without a value"
    assert [g.get("class") for g in (a, b, c)] == ["curve c0", "curve c1", "curve c2"]


def test_a_square_is_where_a_run_stopped_early_and_a_ring_where_it_went_back_to(curves):
    a, b, c = (groups(curves)[number] for number in "012")
    assert [points(d) for d in paths(b, "stop")] == [near((2 / 3, 0.4))]
    assert paths(a, "stop") == paths(c, "stop") == []
    assert [points(d) for kind in ("kept", "hole") for d in paths(a, kind)] == [near((2 / 3, 0.3))] * 2
    assert paths(b, "kept") == []
    one = drawn_curves([[[0.5]]], UNIT)
    assert len(paths(one, "stop")) == 1, "an only epoch would not be seen as a line"
    assert [g.get("style") for g in one.iter("g")] == [None]


def test_a_line_on_others_has_dashes_between_which_each_of_them_is_seen():
    same, other = [0.2, 0.4, 0.6], [0.2, 0.5, 0.9]
    near = [value + 0.003 for value in same]
    drawn = read(
        charts.curves([charts.Curves([(0, of)], f"c{n}") for n, of in enumerate((same, other, near, same))], UNIT)
    )
    dashes = [median.get("style") for median in drawn.iter("path") if median.get("class") == "median"]
    looks = [look and re.findall(r"dasharray:(\d+) (\d+)", look)[0] for look in dashes[::-1]]
    assert looks == [("7", "14"), None, ("14", "7"), None], "the first on top"


def test_what_is_beyond_the_axis_is_not_drawn_at_its_end():
    """A loss that begins at 7 and comes by at 3 has no plateau at 1, and no line through what is not shown."""
    cell = charts.Curves([(0, [7.0, 2.0, 0.8, 3.0, 0.4, 0.2])], "c0", "a", named=True)
    (line,) = paths(read(charts.curves([cell], UNIT)), "median")
    assert points(line) == [(0.5, pytest.approx(0.8)), (0.833, pytest.approx(0.4)), (1.0, pytest.approx(0.2))]
    assert line.count("M") == 2, "it breaks between them"


def test_numbers_and_names_stand_beside_what_they_name(curves):
    assert labels(curves, "y") == [(text, pytest.approx(1 - float(text), abs=1e-4)) for text, _ in labels(curves, "y")]
    lines = [y for _, y in points(paths(curves, "grid")[0])]
    assert [1 - y for y in lines] == [pytest.approx(at, abs=0.001) for _, at in labels(curves, "y")]
    counts = [len(labels(drawn_curves([[]], Axis("loss", 0, most / 10)), "y")) for most in (9, 9.5)]
    assert counts == [10, 5]
    assert labels(curves, "end c0") == [("a", pytest.approx(0.8))]
    assert labels(curves, "end c1") == [("b", pytest.approx(0.6))]
    assert labels(curves, "end c2") == [], "it has no name"
    assert [points(d)[0] for d in paths(curves, "guessing")] == near((0, 0.25))
    assert labels(curves, "guess") == [("guessing", 0.75)]


def test_another_unit_stretches_each_line_until_the_least_budget(curves):
    assert [n for n, _ in labels(curves, "x epochs")] == ["1", "2", "3"]
    assert [at for _, at in labels(curves, "x epochs")] == [pytest.approx(n / 3, abs=1e-4) for n in (1, 2, 3)]
    budget = 15  # of 30, 40 and 15 steps the least
    steps = labels(curves, "x steps")
    assert [int(n) for n, _ in steps] == [*range(0, budget + 1, 2)]
    assert [at for _, at in steps] == [pytest.approx(int(n) / budget, abs=1e-4) for n, _ in steps]
    widths = [float(groups(curves)[number].get("style").partition(":")[2]) for number in "012"]
    assert widths == [pytest.approx(3 * pace / budget) for pace in (10, 20, 5)]


def test_a_cell_that_has_no_curve_yet_is_no_budget():
    drawn = drawn_curves([[], [[0.5, 0.4]]], UNIT, ["a", "b"], paces={"steps": [1.0, 10.0]})
    assert labels(drawn, "x steps")[-1] == ("20", 1)


@pytest.mark.parametrize(("count", "dense"), [(2, "0.65"), (100, "0.40"), (800, "0.15")])
def test_the_more_lines_the_fainter_each(count, dense):
    drawn = drawn_curves([[[0.5, 0.4]]] * count, UNIT)
    assert (drawn.get("class"), drawn.get("style")) == ("chart swaps many", f"--dense:{dense}")
    assert drawn_curves([[[0.5]]], UNIT, ["a"]).get("class") == "chart swaps named"


def test_a_long_curve_keeps_its_last_point_and_few_others():
    drawn = drawn_curves([[[n / 7000 for n in range(7000)]]] * 10, UNIT)
    found = points(paths(drawn, "median")[0])
    assert len(found) == len(range(0, 6999, 3)) + 1, "a twentieth of all, since each cell has its median too"
    assert found[-1] == pytest.approx((1, 1), abs=0.001)


def test_a_strip_has_a_ring_for_each_value_and_lines_at_means():
    drawn = drawn_strip([0.2, math.nan, 0.4], interval=(0.5, 0.1), best=0.6, repeats=["0", "1", "2"])
    rings = [near((0.2, 0.5)), near((0.4, 0.5))]
    assert [points(d) for kind in ("ring", "hole") for d in paths(drawn, kind)] == rings * 2
    assert [path.get("data-seed") for path in drawn.iter("path") if path.get("class") == "ring"] == ["0", "2"]
    assert paths(drawn, "mean") == ["M300 180V820"]
    assert paths(drawn, "of-best") == ["M600 0v1000"]
    assert paths(drawn, "interval") == ["M100 500H500"]
    assert paths(drawn, "cut") == []
    beyond = drawn_strip([0.2, 0.4], interval=(0.5, 1.2))
    assert paths(beyond, "interval") == ["M500 500H1000"]
    assert paths(beyond, "cut") == ["M985 250L1000 500l-15 250"], "an arrow where it goes on beyond the axis"
    narrow = Axis("loss", 0.0, 0.65)  # more than six tenths
    at = [0.2 * n / 0.65 for n in range(4)]
    assert [x for x, _ in points(paths(drawn_strip([0.2], narrow), "grid")[0])] == [
        pytest.approx(x, abs=0.001) for x in at
    ]
    assert labels(read(svg.strip_axis(narrow)), None) == [
        (f"{n / 10:.6g}", pytest.approx(x, abs=1e-4)) for n, x in zip((0, 2, 4, 6), at, strict=True)
    ]


def test_a_strip_of_one_value_has_a_dot_and_no_mean():
    drawn = drawn_strip([0.2])
    assert {path.get("class") for path in drawn.iter("path")} == {"grid", "dot"}
    assert [points(d) for d in paths(drawn, "dot")] == [near((0.2, 0.5))]
    assert {path.get("class") for path in drawn_strip([], interval=(0.1, math.nan)).iter("path")} == {"grid"}


def test_a_value_beyond_all_is_a_square_at_the_end_and_leaves_the_strip_no_mean():
    drawn = drawn_strip([0.2, math.inf], repeats=["0", "1"])
    assert [points(d) for d in paths(drawn, "ring")] == [near((0.2, 0.5))]
    assert [points(d) for d in paths(drawn, "beyond")] == [near((1, 0.5))]
    assert [path.get("data-seed") for path in drawn.iter("path") if path.get("class") == "beyond"] == ["1"]
    assert paths(drawn, "mean") == []


def test_of_many_numbers_below_a_chart_every_second_may_go():
    many, few = ([str(span) for span in svg.below([(0.1 * n, str(n)) for n in range(count)])] for count in (5, 4))
    assert [number for number, span in enumerate(many) if "second" in span] == [1, 3]
    assert "second" not in "".join(few)


def test_along_an_axis_each_trial_has_a_dot_and_a_line_goes_through_the_means():
    cells = [(7, 0.0, [0.2, 0.4]), (3, 0.5, [0.6]), (5, 1.0, [0.6])]
    drawn = read(charts.response(cells, UNIT, [(0.5, "32")], name="width", colours=["hue0", "hue1", "hue2"], alt=""))
    assert [points(d) for d in paths(drawn, "through")] == [near((0, 0.3), (0.5, 0.6), (1, 0.6))]
    assert {number: [points(d) for d in paths(g, "spot")] for number, g in groups(drawn).items()} == {
        "5": [near((1, 0.6))],
        "3": [near((0.5, 0.6))],
        "7": [near((0, 0.2), (0, 0.4))],
    }
    assert (labels(drawn, "x"), labels(drawn, "unit")) == ([("32", 0.5)], [("width",)])
    assert labels(drawn, "y") == [(text, pytest.approx(1 - float(text), abs=1e-4)) for text, _ in labels(drawn, "y")]
    narrow = [
        charts.response(cells[1:2], Axis("loss", 0, most / 10), [], name="", colours=["x"], alt="") for most in (7, 7.5)
    ]
    assert [len(labels(read(drawn), "y")) for drawn in narrow] == [8, 4]
    assert [y for _, y in points(paths(drawn, "grid")[0])] == [1 - at for _, at in labels(drawn, "y")]


def test_between_parallel_axes_each_cells_line_meets_its_places():
    axes = [("lr", [(0.25, "0.1")]), ("width", []), ("loss", [(1.0, "2")])]
    rows = [[0.0, 0.5, 1.0], [1.0, 0.0, 0.25]]
    drawn = read(charts.parallel(rows, axes, ["hue0", "hue1"], numbers=[4, 9], alt=""))
    assert {number: [points(d) for d in paths(g, "median")] for number, g in groups(drawn).items()} == {
        "9": [near((0, 1), (0.5, 0), (1, 0.25))],
        "4": [near((0, 0), (0.5, 0.5), (1, 1))],
    }
    assert [x for x, _ in points(paths(drawn, "axis")[0])] == [0, 0.5, 1]
    assert labels(drawn, "axis-name") == [("lr", 0), ("width", 0.5), ("loss", 1)]
    assert labels(drawn, "axis-number") == [("0.1", 0, 0.75), ("2", 1, 0)]
    for few in (1, 2):
        drawn = read(charts.parallel([[0.5] * few], axes[:few], ["x"], numbers=[0], alt=""))
        assert [x for x, _ in points(paths(drawn, "axis")[0])] == [0, 1][:few]
        assert [at for _, at in labels(drawn, "axis-name")] == [0, 1][:few]


def test_screen_readers_and_the_keyboard_pass_a_drawing_over():
    (drawn,) = drawn_strip([0.2]).iter("svg")
    hidden = {"viewBox": "0 0 1000 1000", "preserveAspectRatio": "none", "aria-hidden": "true", "focusable": "false"}
    assert drawn.attrib == hidden
    assert read(svg.strip_axis(UNIT)).get("aria-hidden") == "true"


@pytest.mark.parametrize(
    ("most", "numbers"),
    [
        (1, [1]),
        (3, [1, 2, 3]),
        (8, [*range(1, 9)]),
        (9, [0, 2, 4, 6, 8]),
        (20, [0, 5, 10, 15, 20]),
        (85, [0, 20, 40, 60, 80]),
        (4e9, [n * 5 * 10**8 for n in range(9)]),
    ],
)
def test_whole_numbers_along_epochs_begin_with_the_first_while_all_have_room(most, numbers):
    assert svg.whole_ticks(most) == [(number / most, str(number)) for number in numbers]


@pytest.mark.parametrize(
    ("places", "made"),
    [
        ([], []),
        ([0.5], [0.5]),
        ([0.1, 0.11, 0.5], [0.1, 0.15, 0.5]),
        ([0.97, 0.98, 0.99], [0.9, 0.95, 1.0]),
        ([0.2, 0.2, 1.4], [0.2, 0.25, 1.0]),
    ],
)
def test_names_are_moved_apart_and_stay_inside(places, made):
    assert apart(places, 0.05) == [pytest.approx(place) for place in made]
