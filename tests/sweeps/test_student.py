"""The student's page: what it says is what the ledgers say, and a guess opens it."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from sweeps import reference
from sweeps._study.overview import with_nought
from sweeps._study.pictures import BINS, _shares

REFERENCE = Path(reference.__file__).parent.parent / reference.FOLDER
PAGE = f"file://{REFERENCE / 'index.html'}"
ROOT = REFERENCE.parent.parent


@pytest.fixture
def page(browser):
    size = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(PAGE)
    yield browser
    browser.get("about:blank")


def test_what_the_article_does_not_have_is_no_claim_of_it_at_a_glance():
    tiles = re.findall(r'<a href="#(\w+)" class="tile \w+ also">', (REFERENCE / "index.html").read_text())
    assert tiles == ["gradient_clipping", "label_smoothing"]


def _press(page, lesson, text):
    for button in page.find_elements("css selector", f"#{lesson} .guess button"):
        if button.text == text:
            page.execute_script("arguments[0].click()", button)


def test_the_sections_are_the_articles_in_its_order_each_with_its_command(page):
    lessons = [lesson.get_attribute("id") for lesson in page.find_elements("css selector", ".lesson")]
    assert lessons == [found.outcome.sweep.name for found in reference.findings(ROOT)]
    for name in lessons:
        (command,) = page.find_elements("css selector", f"#{name} pre code")
        assert command.get_attribute("textContent").startswith(f"python -m sweeps.{name} ")


def test_a_picture_appears_when_the_winner_is_guessed_and_the_guess_is_counted_once(page):
    answer = page.find_element("css selector", "#optimizer .answer")
    told_above = page.find_element("css selector", ".tile[href='#optimizer'] b")
    assert not answer.is_displayed()
    assert not told_above.is_displayed()
    _press(page, "optimizer", "SGD")
    assert told_above.is_displayed()
    assert answer.is_displayed()
    assert "You said SGD. Wrong: 33.23 points behind Adam. It counts 0." in answer.text
    told = answer.find_element("css selector", "[role=status]")
    assert told.text.startswith("You said SGD."), "which a screen reader says at once, and stays where it is"
    assert page.switch_to.active_element.text != answer.text, "or it would say all of the answer first"
    _press(page, "optimizer", "Adam")
    assert page.find_element("id", "score").text == "Score: 0 of 1, 16 guesses to go"
    _press(page, "batch_size", "any may be the best")
    _press(page, "dropout", "0.1")
    assert page.find_element("id", "score").text == "Score: 1½ of 3, 14 guesses to go"


def test_an_answer_is_one_line_and_one_picture_that_is_seen_without_unfolding(page):
    for part in reference.findings(ROOT):
        name = part.sweep.name
        page.execute_script("document.querySelector(arguments[0] + ' .guess button').click()", f"#{name}")
        (line,) = page.find_elements("css selector", f"#{name} .answered")
        assert line.is_displayed()
        drawn = page.find_elements("css selector", f"#{name} .answer svg")
        assert drawn, name
        assert all(picture.is_displayed() for picture in drawn), name


def test_without_its_script_the_page_hides_no_answer_and_asks_for_no_guess():
    text = (REFERENCE / "index.html").read_text()
    body = text.partition("<main>")[2].partition("</main>")[0]
    assert {*re.findall(r'class="(lesson[^"]*)"', body)} == {"lesson"}
    assert "unguessed" not in body
    hidden = re.findall(r'class="([^"]*)" hidden', body)
    assert {*hidden} == {"guess", "bar-of-guesses", "soft rule"}


def test_one_seed_tells_the_study_as_it_alone_would_have(page):
    _press(page, "batch_size", "2000")
    rings = "return [...document.querySelectorAll('#batch_size .ring')].filter(r => r.checkVisibility()).length"
    assert page.execute_script(rings) == 60, "in the claim's two pictures and in that of the final errors"
    page.find_element("id", "one").click()
    assert page.execute_script(rings) == 12
    told = [json.loads(line.get_attribute("data-one")) for line in page.find_elements("css selector", ".of-one")]
    same = sum(lines[0].endswith("the winner of all seeds.") for lines in told)
    assert page.find_element("id", "told").text == f"seed=123 alone: the same winner in {same} of 17 sweeps"
    page.find_element("id", "all").click()
    assert page.execute_script(rings) == 60


def test_that_one_seed_names_the_same_winner_is_no_alarm_and_the_button_back_waits_for_it(page):
    button = page.find_element("id", "all")
    assert not button.is_enabled()
    page.find_element("id", "one").click()
    assert button.is_enabled()
    colours = {}
    for line in page.find_elements("css selector", ".of-one"):
        same = line.get_attribute("textContent").endswith("the winner of all seeds.")
        colours.setdefault(same, set()).add(line.value_of_css_property("color"))
    assert len(colours[True]) == len(colours[False]) == 1
    assert colours[True] != colours[False]


def test_all_answers_are_shown_at_once_and_the_score_stays_what_was_guessed(page):
    _press(page, "optimizer", "Adam")
    button = page.find_element("id", "show")
    button.click()
    assert all(answer.is_displayed() for answer in page.find_elements("css selector", ".answer"))
    _press(page, "loss", "mse")
    assert page.find_element("id", "score").text == "Score: 1 of 1"
    assert not button.is_enabled()


def test_it_fits_a_phone_and_its_console_is_silent(page):
    page.get_log("browser")
    size = {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.get(PAGE)
    for lesson in page.find_elements("css selector", ".lesson"):
        page.execute_script("arguments[0].classList.remove('guessing')", lesson)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    assert page.get_log("browser") == []
    assert (REFERENCE / "index.html").stat().st_size < 1_000_000


def test_before_a_guess_too_the_lines_of_an_answer_are_drawn_as_afterwards(page):
    """Paper shows them; the sections that wait for a guess once shared their class with the dotted line of guessing."""
    drawn = "return getComputedStyle(document.querySelector('.lesson.guessing .median.validation')).strokeDasharray"
    assert page.execute_script(drawn) == "none"


def test_an_accessibility_checker_finds_nothing_and_a_key_opens_an_answer(page):
    found = find_spec("axe_playwright_python")
    if found is None:
        pytest.skip("axe-playwright-python, which has axe-core in it, is not installed")
    from selenium.webdriver.common.keys import Keys

    button = page.find_element("css selector", "#loss .guess button")
    button.send_keys(Keys.ENTER)
    assert page.find_element("css selector", "#loss .answer").is_displayed()
    page.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
    page.set_script_timeout(120)  # on a machine that is busy
    page.execute_script((Path(found.origin).parent / "axe.min.js").read_text())
    answer = page.execute_async_script("axe.run().then(arguments[0])")
    assert {v["id"]: [node["html"] for node in v["nodes"]][:3] for v in answer["violations"]} == {}


def test_dropout_has_its_nought_from_the_ledger_before_it():
    parts = reference.findings(ROOT)
    (dropout,) = [part for part in parts if part.sweep.name == "dropout"]
    nought, *others = with_nought(dropout, parts).summary.cells
    assert nought.values == {"dropout": 0.0}
    (before,) = [part for part in parts if part.sweep.name == "weight_regularization"]
    (same,) = [c for c in before.summary.cells if c.values == {"reg_type": "l2", "reg": 0.0001}]
    assert nought.values_of("val_accuracy") == same.values_of("val_accuracy")
    assert [cell.label for cell in others] == [cell.label for cell in dropout.summary.cells]


def test_a_histogram_is_spread_over_even_bins_and_keeps_its_share():
    shares = _shares([-0.1, 0.0, 0.1], [0.0, 10.0, 30.0], -0.2)
    assert len(shares) == BINS
    assert sum(shares) == pytest.approx(1.0)
    assert sum(shares[BINS // 2 + 1 :]) == pytest.approx(0.75, abs=0.04)
