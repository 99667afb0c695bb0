"""The page of a sweep in a browser that has no network: it loads nothing, and people with other senses can read it."""

import csv
import dataclasses
import itertools
import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import FakeLaunch, TinyConfig, completed

import nnhp_torch
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.csv import TablesReport
from nnhp_torch.report.page.callback import PageReport

NARROW, WIDE = 390, 1280
LAST_TABLE = """
const table = [...document.querySelectorAll("table")].at(-1);
return [...table.rows].map(row => [...row.cells].map(cell => cell.textContent));
"""
FORWARD = (
    "return [...new Set([...document.querySelectorAll('.picked .on')].map(e => e.tagName + e.dataset.cell))].sort()"
)
DRAWN = """
return [...document.querySelectorAll("svg path.stop")].map(path => {
  const drawn = getComputedStyle(path);
  return drawn.stroke !== "none" && parseFloat(drawn.strokeWidth) >= 5;
});
"""
FIRSTS = "return [...document.querySelector('table').tBodies[0].rows].map(row => row.cells[0].textContent)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sweep of twelve cells with two seeds each, of which one trial failed and one diverged."""
    folder = tmp_path_factory.mktemp("page") / "tiny"
    rates = [0.001, 0.01, 0.1, 1.0]
    sweep = Sweep("tiny", TinyConfig(), {"lr": rates, "width": [4, 8, 16]}, build="toy:build", about="Two axes")
    trials = sweep.trials(seeds=[1, 2])
    outcomes = {trial.label: completed(trial, 0.9 + i / 977) for i, trial in enumerate(trials[:12])}
    outcomes[trials[5].label] = TrialResult.of(trials[5], "failed", "Traceback\nValueError: no")
    short = {name: values[:2] for name, values in completed(trials[2]).history.items()}
    outcomes[trials[2].label] = dataclasses.replace(completed(trials[2], 0.91), history=short)
    outcomes[trials[7].label] = dataclasses.replace(completed(trials[7]), status="diverged", reason="nan", notes=["oh"])
    callbacks = [TablesReport(folder), PageReport(folder, "python mine.py --seeds 2")]
    Sweeper(FakeLaunch(outcomes), ResultStore(folder), callbacks).run(sweep, trials)
    return folder


@pytest.fixture
def page(browser, folder):
    """The browser with the page, as wide as a desk's and light."""
    _look(browser)
    yield browser
    _look(browser)
    browser.get("about:blank")


def _look(browser, folder=None, width=WIDE, scheme="light"):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == NARROW}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    if folder is not None:
        browser.get(f"file://{folder / 'report.html'}")


def test_it_asks_for_nothing_but_itself_and_its_console_is_silent(page, folder):
    page.get_log("performance"), page.get_log("browser")
    _look(page, folder)
    heard = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [h["params"]["request"]["url"] for h in heard if h["method"] == "Network.requestWillBeSent"]
    assert asked == [f"file://{folder / 'report.html'}"]
    assert page.get_log("browser") == []


def test_its_last_table_shows_what_the_csv_has(page, folder):
    _look(page, folder)
    with open(folder / "results.csv", newline="") as file:
        assert page.execute_script(LAST_TABLE) == list(csv.reader(file))


def test_a_cell_comes_forward_when_its_row_or_its_line_is_pointed_at_and_stays_when_its_name_is_pressed(page, folder):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    _look(page, folder)
    row = page.find_element("css selector", "tr[data-cell='3']")
    ActionChains(page).move_to_element(row).perform()
    assert page.execute_script(FORWARD) == ["DIV3", "TR3", "g3"]
    button = page.find_element("css selector", "tr[data-cell='2'] button")
    button.send_keys(Keys.ENTER)
    ActionChains(page).move_to_element(page.find_element("tag name", "h1")).perform()
    assert page.execute_script(FORWARD) == ["DIV2", "TR2", "g2"]
    assert button.get_attribute("aria-pressed") == "true"
    button.send_keys(Keys.ESCAPE)
    assert page.execute_script(FORWARD) == []


def test_a_square_stands_where_a_run_stopped_as_the_caption_says(page, folder):
    _look(page, folder)
    assert "a square is where a run stopped" in page.find_element("tag name", "main").text
    assert set(page.execute_script(DRAWN)) == {True}


def test_the_head_of_a_column_sorts_by_it(page, folder):
    _look(page, folder)
    before = page.execute_script(FIRSTS)
    head = page.find_element("css selector", "thead th button")
    head.click()
    assert page.execute_script(FIRSTS) == sorted(before, key=float)
    head.click()
    assert page.execute_script(FIRSTS) == sorted(before, key=float, reverse=True)
    assert page.execute_script("return document.querySelector('th[aria-sort]').textContent") == "lr"


@pytest.mark.parametrize(("width", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light")])
def test_an_accessibility_checker_finds_nothing_and_no_screen_is_too_narrow(page, folder, width, scheme):
    found = find_spec("axe_playwright_python")
    if found is None:
        pytest.skip("axe-playwright-python, which has axe-core in it, is not installed")
    axe = (Path(found.origin).parent / "axe.min.js").read_text()
    _look(page, folder, width, scheme)
    page.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
    page.execute_script(axe)
    answer = page.execute_async_script("axe.run().then(arguments[0])")
    assert {v["id"]: [node["html"] for node in v["nodes"]][:3] for v in answer["violations"]} == {}
    assert {"color-contrast", "empty-table-header", "th-has-data-cells"} <= {p["id"] for p in answer["passes"]}
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_all_of_it_is_there_without_its_script(page, folder):
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        _look(page, folder)
        shown = page.find_element("tag name", "main").text
        summary = page.find_element("css selector", "summary")
        summary.click()
        assert summary.find_element("xpath", "..").get_attribute("open") is not None
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    for said in ("lr=1, width=16 is ahead", "ValueError: no", "python mine.py --seeds 2", "Two axes"):
        assert said in shown


REFERENCE = Path(nnhp_torch.__file__).parent.parent / "lightning_logs" / "reference"
TOO_WIDE = """
const shown = frame => !frame.closest("details:not([open])") && frame.scrollWidth > frame.clientWidth + 1;
return [...document.querySelectorAll(".scroll")].filter(shown).map(frame => frame.getAttribute("aria-label"));
"""
ON_ANOTHER = """
const left = document.querySelector(".first .ends")?.getBoundingClientRect().left ?? 0;
const right = name => name.getBoundingClientRect().right;
return left < 400 ? [] : [...document.querySelectorAll(".first .chart .end")].map(right).filter(x => x > left);
"""
ABOVE_THE_FOLD = """
const top = document.querySelectorAll("h1, .lead, .controls + section .chart, .controls + section .said");
return [...top].map(element => element.getBoundingClientRect().bottom).every(bottom => bottom <= 900);
"""


@pytest.mark.parametrize("sweep", sorted(page.parent.name for page in REFERENCE.glob("*/report.html")))
def test_no_table_of_a_reference_page_is_wider_than_its_frame_and_the_finding_stands_above_the_fold(page, sweep):
    for width in (390, 1280, 1440, 1920):
        _look(page, REFERENCE / sweep, width)
        for font in ("sans-serif", "DejaVu Sans", "serif"):
            page.execute_script(f"document.documentElement.style.fontFamily = '{font}'")
            assert page.execute_script(TOO_WIDE) == [], (width, font)
            assert page.execute_script(ON_ANOTHER) == [], "names at the lines' ends, on the picture beside them"
            assert page.execute_script("return document.documentElement.scrollWidth") <= width
    _look(page, REFERENCE / sweep, 1440)
    assert page.execute_script(ABOVE_THE_FOLD)


def test_the_same_curves_run_along_epochs_steps_or_seconds(page):
    _look(page, REFERENCE / "batch_size", 1440)
    (steps,) = page.find_elements("css selector", "input[value=steps]")
    unit = page.find_element("css selector", ".unit.steps")
    assert not unit.is_displayed()
    widths = "return [...document.querySelectorAll('.first g.curve')].map(g => getComputedStyle(g).transform)"
    assert set(page.execute_script(widths)) == {"none"}
    steps.click()
    assert unit.is_displayed()
    assert len(set(page.execute_script(widths))) == 4, "an epoch has more steps the smaller the batch"


def _select(page, name, value):
    from selenium.webdriver.support.select import Select

    Select(page.find_element("css selector", f"select[name={name}]")).select_by_value(value)


def _first_said(page):
    return page.find_element("css selector", ".ends .row .said").text


def test_pictures_show_accuracies_instead_of_errors_and_stand_on_their_heads(page):
    _look(page, REFERENCE / "batch_size", 1440)
    numbers = (
        "return [...document.querySelectorAll('.first .y')].map(e => [e.getBoundingClientRect().top, e.textContent])"
    )
    before = page.execute_script(numbers)
    assert {text for _, text in before} >= {"2%", "50%"}
    page.find_element("css selector", "input[value=accuracy]").click()
    after = page.execute_script(numbers)
    assert {text for _, text in after} >= {"98%", "50%"}
    (two,), (ninety_eight,) = [[y for y, text in of if text == said] for of, said in ((before, "2%"), (after, "98%"))]
    assert two > 500 > ninety_eight, "the less error the lower, the more accuracy the higher"
    assert _first_said(page).startswith("97.65% · ahead")
    lead = page.find_element("css selector", ".lead")
    assert lead.text.startswith("batch_size=2000: validation accuracy 97.65%, test 97.64%.")
    page.find_element("css selector", "input[value=error]").click()
    assert page.execute_script(numbers) == before


def test_a_cell_goes_and_comes_back_and_so_do_seeds(page):
    _look(page, REFERENCE / "batch_size", 1440)
    visible = "p => p.checkVisibility({visibilityProperty: true})"
    seen = f"return [...document.querySelectorAll('.first g.curve path')].filter({visible}).length"
    assert page.execute_script(seen) == 4 * 6, "five seeds and their median"
    box = page.find_element("css selector", "input[aria-label='show the curve of 5000']")
    box.click()
    assert page.execute_script(seen) == 3 * 6
    box.click()
    _select(page, "seeds", "medians")
    assert page.execute_script(seen) == 4
    _select(page, "seeds", "0")
    assert page.execute_script(seen) == 4, "a line for one seed of each cell"
    rings = "return [...document.querySelectorAll('.ends .ring')].filter(p => p.checkVisibility()).length"
    assert page.execute_script(rings) == 4
    _select(page, "seeds", "")
    assert page.execute_script(seen) == 4 * 6


def test_a_name_stands_where_its_curve_ends_that_of_one_seed_too(page):
    """Of four seeds the highest rate ends near 80% of error, where the median does; with seed 123 at 12%."""
    _look(page, REFERENCE / "learning_rate", 1440)
    ends = """return [...document.querySelectorAll(".end")].map(
        e => [e.textContent, parseFloat(e.style.getPropertyValue("--y"))])"""
    before = dict(page.execute_script(ends))
    _select(page, "seeds", "0")
    one = dict(page.execute_script(ends))
    assert before["0.1"] < 10
    assert 30 < one["0.1"] < 60
    gaps = sorted(one.values())
    assert min(b - a for a, b in itertools.pairwise(gaps)) > 5, "none stands on another"
    _select(page, "seeds", "")
    assert dict(page.execute_script(ends)) == before


def test_another_cell_is_compared_with_and_judged(page):
    _look(page, REFERENCE / "batch_size", 1440)
    line = "return document.querySelector('.of-best').getAttribute('d')"
    before = page.execute_script(line)
    _select(page, "base", "3")
    value, _, verdict = _first_said(page).partition(": ")
    assert value == "2.35% · ahead by 0.52 points"
    assert verdict in ("better", "cannot be told"), "as the statistics have it"
    assert page.execute_script(line) != before
    caption = page.find_element("css selector", ".ends figcaption")
    assert caption.text == "A ring is a trial, a bar their mean, a dotted line the mean of 30000."
    _select(page, "base", "")
    assert caption.text.endswith(", a band where the mean may be, compared with the best's.")
    assert _first_said(page) == "2.35% · ahead"
    assert page.execute_script(line) == before


def test_what_lies_under_the_pointer_is_told(page):
    from selenium.webdriver.common.action_chains import ActionChains

    _look(page, REFERENCE / "batch_size", 1440)
    chart = page.find_element("css selector", ".first .chart")
    corner = page.execute_script(
        "const r = document.querySelector('.first .chart svg').getBoundingClientRect(); return [r.width, r.height]"
    )
    ActionChains(page).move_to_element_with_offset(chart, round(corner[0] * 0.4), round(corner[1] * 0.25)).perform()
    tip = page.find_element("css selector", ".tip").text
    name, epoch, value = tip.split(" · ")
    assert name in ("2000", "5000", "10000", "30000")
    assert epoch.startswith("epoch 7")
    assert 1.5 < float(value.rstrip("%")) < 4


def test_the_command_is_copied(page):
    _look(page, REFERENCE / "batch_size", 1440)
    button = page.find_element("css selector", ".card pre .copy")
    button.click()
    page.implicitly_wait(1)
    assert page.find_element("xpath", "//button[text()='copied']") == button
    assert page.execute_script("return getSelection().toString()").startswith("python -m sweeps.batch_size")


FOCUS = """
const e = document.activeElement, style = getComputedStyle(e);
const label = e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent ?? e.textContent;
return [e.tagName, label.trim(), style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0];
"""


def _press(page, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(page).send_keys(*keys).perform()


def test_all_that_a_mouse_does_on_it_the_keyboard_does_and_one_sees_where_one_is(page):
    from selenium.webdriver.common.keys import Keys

    _look(page, REFERENCE / "batch_size", 1440)
    met, done = [], {}
    while len(met) < 60:
        _press(page, Keys.TAB)
        kind, label, seen = page.execute_script(FOCUS)
        if kind == "BODY":
            break
        assert label, kind
        assert seen, label
        met.append(label)
        if label == "epochs":
            _press(page, Keys.ARROW_RIGHT)
            done["steps"] = page.find_element("css selector", ".unit.steps").is_displayed()
        elif label == "show the curve of 5000":
            _press(page, Keys.SPACE)
            done["gone"] = bool(page.find_elements("css selector", "g.gone[data-cell='1']"))
        elif label == "10000":
            _press(page, Keys.ENTER)
            done["forward"] = bool(page.find_elements("css selector", "g.on[data-cell='2']"))
        elif label == "copy" and "copied" not in done:
            _press(page, Keys.ENTER)
            page.implicitly_wait(1)
            done["copied"] = bool(page.find_elements("xpath", "//button[text()='copied']"))
        elif kind == "SUMMARY":
            _press(page, Keys.ENTER)
            done["opened"] = bool(page.find_elements("css selector", "details[open]"))
    assert done == dict.fromkeys(["steps", "gone", "forward", "copied", "opened"], True), met
    assert met[0] == "← the study"


def _heard(page):
    """What a screen reader is told: role and name of each element that has one."""
    tree = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    kept = [node for node in tree if not node["ignored"]]
    return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in kept]


def test_a_screen_reader_hears_a_chart_as_a_sentence_and_not_its_numbers(page):
    _look(page, REFERENCE / "batch_size", 1440)
    heard = _heard(page)
    *small, large = sorted(name for role, name in heard if role == "image")
    assert large.startswith("validation error along 80 epochs (medians): 2000 from 6.86% to 2.3")
    assert len(small) == 4
    assert {name.split(" from ")[0] for name in small} == {"error: training"}
    said = [name for role, name in heard if role == "StaticText"]
    assert not {"20%", "50%", "guessing"} & set(said)
    assert ("radiogroup", "Along") in heard
    assert [name for role, name in heard if role == "link"] == ["← the study"]
    row = page.find_element("css selector", ".ends .row").get_attribute("textContent")
    assert row.startswith("2000\u00a02.35%"), "Orca read 20002.35%"


def test_study_search_and_confirmation_lead_to_each_other(page):
    ways = {
        "search": ["../study/report.html", "../search-confirm/report.html"],
        "search-confirm": ["../study/report.html", "../search/report.html"],
        "study": ["../index.html", "../search/report.html"],
    }
    for name, expected in ways.items():
        _look(page, REFERENCE / name, 1440)
        assert [link.get_dom_attribute("href") for link in page.find_elements("css selector", "nav a")] == expected
    _look(page, REFERENCE / "search", 1440)
    assert "of 122 (100 pruned)" in page.find_element("tag name", "main").text
