"""TensorBoard on a sweep's folder: what its own HTTP interface serves, and what a browser shows of it."""

import io
import json
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from functools import partial

import pytest
import toy  # noqa: F401  # named by the sweep
from conftest import LONG, environment
from PIL import Image

from nnhp_torch.cli import main as cli
from nnhp_torch.core.ledger.store import ResultStore

RUNS = ["lr=0.1,width=4", "lr=0.1,width=8", "lr=0.01,width=4", "lr=0.01,width=8"]
OTHERS = ["max_epochs=1", "max_epochs=1,seed=124", "max_epochs=2", "max_epochs=2,seed=124"]
CURVES = {f"{metric}/{data}" for metric in ("accuracy", "loss") for data in ("train", "validation", "test")}
MEANS = ["mean of 2,max_epochs=1", "mean of 2,max_epochs=2"]
BANDED = {f"accuracy/{data}{side}" for data in ("train", "validation") for side in ("", "/low", "/high")}
STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A folder with a sweep of four trials, and another one of as many with two seeds."""
    from conftest import TinyConfig

    from nnhp_torch.core.spec.grid import Sweep

    folder = tmp_path_factory.mktemp("logs")
    tiny = Sweep("tiny", TinyConfig(), {"lr": [0.1, 0.01], "width": [4, 8]}, build="toy:build")
    other = Sweep("other", TinyConfig(), {"max_epochs": [1, 2]}, build="toy:build")
    for sweep, seeds in ((tiny, "1"), (other, "2")):
        flags = ["--log_dir", str(folder), "--accelerator", "cpu", "--jobs", "0", "--seeds", seeds]
        with pytest.raises(SystemExit, match="0"):
            cli.main(sweep, argv=flags)
    return folder


@pytest.fixture(scope="module")
def board(logs):
    """The address of a TensorBoard that serves the folder."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--port", "0", "--reload_interval", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            address = next(found[0] for line in process.stderr if (found := re.search(r"http://\S+/", line)))
            _until(lambda: len(_get(f"{address}data/runs")) == len(RUNS) + len(OTHERS) + len(MEANS) + 2)
            yield address
        finally:
            process.terminate()


def _get(url, question=None):
    data = None if question is None else json.dumps(question).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, {"Content-Type": "application/json"})) as answer:
        return json.load(answer)


def _by_loss(logs):
    """The trials' runs, the least val_loss first."""
    results = sorted(ResultStore(logs / "tiny").results().values(), key=lambda result: result.final("val_loss"))
    return [f"tiny/{result.name}" for result in results]


def _until(true):
    end = time.monotonic() + LONG
    while not (answer := true()):
        assert time.monotonic() < end, "TensorBoard does not show it"
        time.sleep(0.2)
    return answer


def test_every_trial_has_its_curves_over_epochs(board, logs):
    runs = [*(f"tiny/{run}" for run in RUNS), *(f"other/{run}" for run in OTHERS)]
    means = [f"other/{run}" for run in MEANS]
    tags = _until(lambda: (t := _get(f"{board}data/plugin/scalars/tags")) and len(t) == len(runs + means) and t)
    expected = dict.fromkeys(runs, CURVES) | dict.fromkeys(means, BANDED)
    assert {run: set(names) for run, names in tags.items()} == expected
    for result in ResultStore(logs / "tiny").results().values():
        points = _get(f"{board}data/plugin/scalars/scalars?run=tiny/{result.name}&tag=accuracy/validation")
        assert [step for _, step, _ in points] == [1, 2, 3]
        assert [value for _, _, value in points] == pytest.approx(result.history["val_accuracy"])


def test_the_mean_of_a_cells_seeds_is_a_run_of_its_own_with_a_standard_deviation_to_either_side(board, logs):
    results = [r for r in ResultStore(logs / "other").results().values() if r.cell == {"max_epochs": 2}]
    ends = [r.history["val_accuracy"][1] for r in results]
    shown = {}
    for side in ("", "/low", "/high"):
        at = f"run=other/mean of 2,max_epochs=2&tag=accuracy/validation{side}".replace(" ", "%20")
        *_, (_, step, shown[side]) = _get(f"{board}data/plugin/scalars/scalars?{at}")
        assert step == 2
    mean, spread = statistics.fmean(ends), statistics.stdev(ends)
    assert [shown[""], shown["/low"], shown["/high"]] == pytest.approx([mean, mean - spread, mean + spread])


def _rows(board, metric, order):
    sorted_by = [{"metric": {"group": "", "tag": metric}, "order": order}]
    question = {"experimentName": "", "allowedStatuses": STATUSES, "colParams": sorted_by, "sliceSize": 100}
    return _get(f"{board}data/plugin/hparams/session_groups", question)["sessionGroups"]


def test_the_hparams_tab_has_the_swept_values_of_all_sweeps_and_sorts_by_the_metrics(board, logs):
    columns = _get(f"{board}data/plugin/hparams/experiment", {"experimentName": ""})
    of_both = {"lr", "width", "max_epochs", "seed"}
    assert {info["name"] for info in columns["hparamInfos"]} == of_both
    assert {info["name"]["tag"] for info in columns["metricInfos"]} >= CURVES
    for order, names in (("ORDER_DESC", _by_loss(logs)[::-1]), ("ORDER_ASC", _by_loss(logs))):
        rows = _rows(board, "loss/validation", order)
        assert [row["name"] for row in rows if row["name"].startswith("tiny/")] == names
    found = {row["name"]: row["hparams"] for row in rows}
    measured = {row["name"]: {m["name"]["tag"]: m["value"] for m in row["metricValues"]} for row in rows}
    for name, result in ((f"tiny/{r.name}", r) for r in ResultStore(logs / "tiny").results().values()):
        assert {axis: found[name][axis] for axis in result.cell} == result.cell
        assert measured[name]["accuracy/test"] == pytest.approx(result.test["test_accuracy"])
        assert "seed" not in found[name], "there is one"
    assert sorted(found[f"other/{run}"]["seed"] for run in OTHERS) == [123, 123, 124, 124]


def test_training_and_validation_share_a_chart(board):
    layout = _get(f"{board}data/plugin/custom_scalars/layout")
    charts = [chart for part in layout["category"] for chart in part["chart"]]
    assert {chart["title"] for chart in charts if "margin" in chart} == {
        f"accuracy/{data}: mean ± standard deviation" for data in ("train", "validation")
    }
    charts = {chart["title"]: chart["multiline"]["tag"] for chart in charts if "multiline" in chart}
    assert charts == {name: [f"^{name}/(train|validation)$"] for name in ("accuracy", "loss")}


def test_the_answer_and_the_table_are_under_text(board):
    assert _get(f"{board}data/plugin/text/tags") == {"tiny/figure": ["tiny/verdict"], "other/figure": ["other/verdict"]}
    (shown,) = _get(f"{board}data/plugin/text/text?run=other/figure&tag=other/verdict")
    assert shown["step"] == 2
    assert "<table>" in shown["text"]
    assert "← winner" in shown["text"]


def test_the_figure_is_under_images(board, logs):
    assert set(_get(f"{board}data/plugin/images/tags")) == {"tiny/figure", "other/figure"}
    (image,) = _get(f"{board}data/plugin/images/images?run=tiny/figure&tag=tiny&sample=0")
    with urllib.request.urlopen(f"{board}data/plugin/images/individualImage?{image['query']}") as answer:
        shown = Image.open(io.BytesIO(answer.read()))
    with Image.open(logs / "tiny" / "figure.png") as figure:
        assert shown.size == figure.size


# --- in a browser ---

ELEMENTS = """
const found = [], walk = node => {
  if (node.matches(arguments[0])) found.push(node);
  for (const child of [...(node.shadowRoot ? node.shadowRoot.children : []), ...node.children]) walk(child);
};
walk(document.body);
return found;
"""


def _show(browser, board, tab):
    browser.get("about:blank")
    browser.get(f"{board}#{tab}")

    def elements(selector, text=""):
        return [
            found for found in browser.execute_script(ELEMENTS, selector) if text in found.get_attribute("textContent")
        ]

    return elements


def test_a_browser_shows_all_trials_in_one_chart_per_metric(browser, board):
    elements = _show(browser, board, "timeseries")
    card = _until(lambda: elements("scalar-card", "accuracy/validation"))[0]
    _until(lambda: all(run in card.get_attribute("textContent") for run in RUNS))


def test_a_browser_sorts_the_hparams_tab(browser, board, logs):
    elements = _show(browser, board, "hparams")
    _until(lambda: len(elements("vaadin-grid-cell-content", "tiny/")) == len(RUNS))
    headers = {found.text for found in elements(".table-header")}
    assert {"lr", "accuracy/test", "accuracy/validation"} <= headers
    for direction, names in (("Ascending", _by_loss(logs)), ("Descending", _by_loss(logs)[::-1])):
        for choice in ("loss/validation", direction):
            items = elements(".sorting paper-item", choice)
            (item,) = [found for found in items if found.get_attribute("textContent").strip() == choice]
            browser.execute_script("arguments[0].click()", item)
        _until(partial(_listed, elements, names))


def _listed(elements, names):
    return [found.text for found in elements("vaadin-grid-cell-content", "tiny/")] == names


def test_a_browser_shows_the_figures(browser, board, logs):
    elements = _show(browser, board, "images")
    natural = "return [arguments[0].naturalWidth, arguments[0].naturalHeight]"
    sizes = []
    for name in ("tiny", "other"):
        with Image.open(logs / name / "figure.png") as figure:
            sizes.append(list(figure.size))

    def shown():
        images = [img for img in elements("img") if "individualImage" in (img.get_attribute("src") or "")]
        return sorted(browser.execute_script(natural, img) for img in images) == sorted(sizes)

    _until(shown)


def test_a_browser_shows_the_two_curves_of_each_trial_in_one_chart_per_metric(browser, board):
    elements = _show(browser, board, "custom_scalars")
    _until(lambda: len(elements("#matches-list", f"(tiny/{RUNS[0]})")) == 2)
    for metric, chart in zip(("accuracy", "loss"), elements("#matches-list", f"(tiny/{RUNS[0]})"), strict=True):
        named = chart.get_attribute("textContent")
        for run in RUNS:
            assert f"{metric}/train (tiny/{run})" in named
            assert f"{metric}/validation (tiny/{run})" in named
