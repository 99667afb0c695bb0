"""The page of a sweep: one file, whose numbers are those of results.csv and whose texts are text."""

import csv
import dataclasses
import math
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import FakeLaunch, TinyConfig, completed

from nnhp_torch.cli.report import main as report
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.csv import TablesReport
from nnhp_torch.report.page import callback as pages
from nnhp_torch.report.page import charts, svg
from nnhp_torch.report.page.callback import PageReport
from nnhp_torch.report.page.html.document import write_page
from nnhp_torch.report.page.html.markup import tag
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.sections import course, sections
from nnhp_torch.report.page.tables import breaking
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.search.space import Range, Search

HOSTILE = "<script>alert(1)</script></style><img src=x onerror=alert(2)>\"onload='alert(3)'\x1b[2J"


class Elements(HTMLParser):
    """The parts of a page: its elements, their attributes, and the cells of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.cell: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, name, attributes):
        self.found.append((name, dict(attributes)))
        if name == "table":
            self.tables.append([])
        elif name == "tr":
            self.tables[-1].append([])
        elif name in ("td", "th"):
            self.cell = []

    def handle_endtag(self, name):
        if name in ("td", "th"):
            self.tables[-1][-1].append("".join(self.cell))
            self.cell = None

    def handle_data(self, text):
        if self.cell is not None:
            self.cell.append(text)


def _run(sweep, store, launch=None, seeds=(123,), command="python mine.py"):
    callbacks = [TablesReport(store.folder), PageReport(store.folder, command)]
    Sweeper(launch or FakeLaunch(), store, callbacks).run(sweep, sweep.trials(seeds=seeds))
    return (store.folder / "report.html").read_text()


def _rows(store):
    with open(store.folder / "results.csv", newline="") as file:
        return list(csv.reader(file))


def test_every_number_of_its_last_table_is_that_of_the_csv(sweep, store):
    accuracies = {trial.label: completed(trial, 0.9 + i / 977) for i, trial in enumerate(sweep.trials())}
    found = Elements(_run(sweep, store, FakeLaunch(accuracies), seeds=(1, 2)))
    assert found.tables[-1] == _rows(store)
    assert len(found.tables[-1]) == 9


def test_its_last_table_has_the_further_metrics_and_the_cells_of_earlier_calls_as_the_csv_has(sweep, store):
    wide = dataclasses.replace(sweep, axes={"lr": [0.1]}, extra_metrics=["val_loss"])
    _run(dataclasses.replace(wide, axes={"lr": [0.01]}), store)
    (head, *rows) = Elements(_run(wide, store)).tables[-1]
    assert [head, *rows] == _rows(store)
    assert [row[head.index("call")] for row in rows] == ["this", "earlier"]
    assert [row[head.index("val_loss")] for row in rows] == ["0.6", "0.6"]


def test_it_says_by_how_much_one_seed_moves_as_the_terminal_does(sweep, store):
    for trial in sweep.trials(seeds=(1, 2, 3)):
        store.append(completed(trial, 0.9 + trial.config.seed / 100 + trial.config.lr / 10))
    assert "One seed moves such a lead by 1.41 points (standard deviation, from the ledger)" in _run(
        sweep, store, seeds=(1,)
    )


def test_what_a_ledger_says_is_text_wherever_it_stands(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Hostile:
        label: str = "plain"
        other: str = HOSTILE
        seed: int = 123
        max_epochs: int = 3

    sweep = Sweep("hostile", Hostile(), {"label": [HOSTILE, "b"], "max_epochs": [3, 4]}, "toy:build", about=HOSTILE)
    store = ResultStore(tmp_path / "hostile")
    failing, noted, *_ = sweep.trials()
    launch = FakeLaunch(
        {
            failing.label: TrialResult.of(
                failing, "failed", f"Traceback\n{HOSTILE}\n{HOSTILE}", versions={"a": HOSTILE}
            ),
            noted.label: dataclasses.replace(completed(noted), notes=[HOSTILE], hardware={"device": HOSTILE}),
        }
    )
    text = _run(sweep, store, launch, command=HOSTILE)
    found = Elements(text).found
    assert [name for name, _ in found if name in ("script", "style", "img")] == ["style", "script", "script"]
    assert not [name for _, attributes in found for name in attributes if name.startswith("on")]
    assert text.count("&lt;script&gt;alert(1)") > 8
    assert "\x1b" not in text
    assert Elements(tag("p", title=HOSTILE)).found == [("p", {"title": HOSTILE.replace("\x1b", "\\x1b")})]


def test_it_loads_nothing(sweep, store):
    text = _run(sweep, store)
    policy = [a["content"] for name, a in Elements(text).found if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy[0].startswith("default-src 'none'")
    for name, attributes in Elements(text).found:
        assert name != "link"
        assert not {"src", "srcset"} & set(attributes)
        assert attributes.get("href", "#").startswith("#")
    assert "url(" not in text
    assert "@import" not in text


def test_it_says_the_winner_what_failed_what_was_the_same_and_how_to_repeat_it(sweep, store):
    failing, *_ = sweep.trials()
    text = _run(sweep, store, FakeLaunch({failing.label: TrialResult.of(failing, "failed", "Traceback\nOops: no")}))
    for said in (
        "It makes no difference that matters: all are as good.",
        "1 trial failed</strong>: Oops: no",
        "<dt>max_epochs</dt><dd>3</dd>",
        "a CPU (cpu)",
        "torch 2.0",
        "<code>python mine.py</code>",
        "lr and width together",
    ):
        assert said in text
    assert "<dt>width</dt>" not in text


def test_it_is_there_while_the_sweep_runs_and_costs_little(sweep, store, monkeypatch):
    clock, seen, written = [0.0], [], []
    monkeypatch.setattr(pages.time, "monotonic", lambda: clock[0])
    write = pages.write

    def writing(path, part):
        clock[0] += 1.0  # what it takes
        written.append(len(part.outcome.results))
        write(path, part)

    monkeypatch.setattr(pages, "write", writing)

    def launch(trials, listener):
        for trial in trials:
            clock[0] += 6.0
            FakeLaunch()(iter([trial]), listener)
            path = store.folder / "report.html"
            seen.append("Running: " in path.read_text() if path.exists() else None)

    text = _run(sweep, store, launch, seeds=(1, 2))
    assert written == [2, 6, 8], "after six seconds, then after twenty times what that took, then at the end"
    assert seen[:2] == [None, True]
    assert "Running: " not in text


def test_each_cell_may_be_the_baseline_but_while_the_sweep_runs_no_bootstrap_is_spent_on_it(sweep, store):
    outcome = Sweeper(FakeLaunch(), store).run(sweep, sweep.trials(seeds=(1, 2)))
    shown = ["".join(sections(Part(outcome, running=running))) for running in (True, False)]
    assert ["Compared with" in text for text in shown] == [False, True]
    assert ["data-against" in text for text in shown] == [False, True]


@pytest.mark.parametrize("kind", ["failed", "diverged"])
def test_a_sweep_without_a_curve_or_a_winner_has_a_page_too(sweep, store, kind):
    launch = FakeLaunch({trial.label: TrialResult.of(trial, kind, "no") for trial in sweep.trials()})
    text = _run(sweep, store, launch)
    assert "No winner" in text
    assert f"4 trials {kind}</strong>: no" in text


def test_a_ledger_alone_gives_the_same_page_again(sweep, store, capsys):
    base = type("Base", (TinyConfig,), {"examples": 100})()
    losses = dataclasses.replace(sweep, base=base, monitor="val_loss", about="Of rates.\n\nAnd of widths.")
    first = _run(losses, store, seeds=(1, 2))
    path = store.folder / "report.html"
    assert report([str(store.folder)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    again = path.read_text()
    assert again.partition("<footer>")[0] == first.partition("<footer>")[0]
    assert '"examples": 100' in again, "by which a page counts steps"
    path.unlink()
    report([str(store.folder), "--monitor", "val_loss"])
    assert "validation loss" in path.read_text()
    assert "the same in all 4, to the last digit: lr, width changes nothing here" in path.read_text()


def test_a_searchs_page_says_that_it_is_one_and_advises_to_confirm_from_its_ledger_alone_too(store):
    search = Search("joint", TinyConfig(), {"lr": Range(0.01, 0.1)}, build="toy:build")
    for number, lr in enumerate([0.02, 0.05]):
        trial = search.trial(number, {"lr": lr})
        store.append(completed(trial, 0.9 + lr))
    report([str(store.folder)])
    text = re.sub("</?span[^>]*>", "", unescape((store.folder / "report.html").read_text()))
    assert "A joint search over lr" in text
    assert "--confirm 5 runs the best five on other seeds" in text
    assert "--seeds 5" not in text
    assert "How to make it again" not in text, "nobody has noted the command"


def test_a_ledger_alone_gives_the_cells_in_the_order_of_the_grid_whichever_ended_first(sweep, store):
    swept = dataclasses.replace(sweep, axes={"lr": [0.3, 0.1, 0.2]})
    trials = swept.trials()
    Sweeper(FakeLaunch(), store).run(swept, [trials[i] for i in (2, 0, 1)])

    def shown():
        report([str(store.folder)])
        return [row[0] for row in Elements((store.folder / "report.html").read_text()).tables[0][1:]]

    assert shown() == ["0.1", "0.2", "0.3"]
    Sweeper(FakeLaunch(), store, [PageReport(store.folder)]).run(swept, trials)
    assert shown() == ["0.3", "0.1", "0.2"], "which the sweep's own page knows"


def test_the_band_behind_the_rings_of_a_cell_is_its_verdicts_interval(sweep, store):
    swept = dataclasses.replace(sweep, axes={"lr": [0.1, 0.2]})
    accuracies = {0.1: (0.97, 0.98, 0.975), 0.2: (0.90, 0.91, 0.90)}
    trials = swept.trials(seeds=[0, 1, 2])
    for trial in trials:
        store.append(completed(trial, accuracies[trial.cell["lr"]][trial.config.seed]))
    outcome = Sweeper(FakeLaunch(), store, [PageReport(store.folder)]).run(swept, trials)
    text = (store.folder / "report.html").read_text()
    _, verdict = outcome.summary.verdicts
    axis = Axis.of_values(swept.objective, (value for values in accuracies.values() for value in values))
    low, high = sorted(1000 * axis.place(0.975 - behind) for behind in (verdict.low, verdict.high))
    assert text.count('class="interval"') == 1, "the best has none"
    assert f'<path d="M{low:.0f} 500H{high:.0f}" class="interval">' in text
    assert "a band where the mean may be, compared with the best's" in unescape(text)


def test_a_cell_of_which_a_seed_is_missing_in_the_ledger_is_not_ranked(sweep, store):
    best = sweep.trials(seeds=[1])[0]
    launch = FakeLaunch({best.label: completed(best, 0.99)})
    Sweeper(launch, store).run(sweep, [*sweep.trials(seeds=[1]), *sweep.trials(seeds=[2])[1:]])
    report([str(store.folder)])
    text = (store.folder / "report.html").read_text()
    assert "So far lr=0.1, width=4 leads." in text
    assert "1 not run" in text


def test_what_two_runs_of_a_ledger_differ_in_is_an_axis(sweep, store):
    for epochs in (3, 5):
        longer = dataclasses.replace(sweep, base=dataclasses.replace(sweep.base, max_epochs=epochs))
        Sweeper(FakeLaunch(), store).run(longer, longer.trials())
    report([str(store.folder)])
    assert Elements((store.folder / "report.html").read_text()).tables[0][0][:3] == ["lr", "width", "max_epochs"]


def test_several_folders_have_one_page_more_over_all_of_them(sweep, tmp_path, capsys):
    for name in ("one", "two"):
        named = dataclasses.replace(sweep, name=name)
        Sweeper(FakeLaunch(), ResultStore(tmp_path / name)).run(named, named.trials())
    assert report([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    found = Elements(text)
    links = [attributes["href"] for name, attributes in found.found if name == "a"]
    assert links == ["one/report.html", "two/report.html"] * 2
    ids = [attributes["id"] for _, attributes in found.found if "id" in attributes]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "there is no results.jsonl in nowhere"),
        (["tiny", "--monitor", "val_acc"], "no metric is called 'val_acc'; logged were test_accuracy, train_accuracy"),
        (["tiny", "--out", "x.html"], "--out is for the page over several folders"),
    ],
)
def test_a_wrong_use_of_report_is_refused_in_a_line(sweep, store, monkeypatch, capsys, arguments, said):
    Sweeper(FakeLaunch(), store).run(sweep, sweep.trials())
    monkeypatch.chdir(store.folder.parent)
    with pytest.raises(SystemExit, match="2"):
        report(arguments)
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not Path("tiny/report.html").exists()


def test_accuracies_stand_on_an_axis_as_errors_in_percent_and_what_spans_a_decade_on_a_logarithm():
    accuracy = Axis.of_values(Objective("val_accuracy", "max"), [0.1, 0.97])
    assert (accuracy.name, accuracy.log) == ("validation error", True)
    assert [text for _, text in accuracy.ticks()] == ["5%", "10%", "20%", "50%", "100%"]
    assert accuracy.place(1.0) == 0.0
    assert math.isnan(accuracy.place(math.nan))
    loss = Axis.of_values(Objective("val_loss", "min"), [0.5, 0.6])
    assert not loss.log
    assert [text for _, text in loss.ticks(6)] == ["0.5", "0.52", "0.54", "0.56", "0.58", "0.6"]
    assert Axis.of_values(Objective("val_loss", "min"), [0.01, 3.0]).log


def test_a_square_marks_each_run_that_stopped_before_the_longest_and_one_that_has_a_single_epoch():
    """A whole run of several epochs has none; a single epoch has no line that could be seen."""

    def marked(*seeds):
        drawn = charts.curves([charts.Curves([*enumerate(seeds)], "c0")], Axis("loss", 0.0, 1.0))
        stops = re.findall(r'd="([^"]*)" class="stop"', drawn) or re.findall(r'class="stop" d="([^"]*)"', drawn)
        return re.findall(r"M(\d+) (\d+)h0", "".join(stops))

    assert marked([0.5, 0.5, 0.5], [0.5, 0.25], [0.25, 0.5, 0.75]) == [
        (str(round(2 * svg.SIZE / 3)), str(3 * svg.SIZE // 4))
    ]
    assert len(marked([0.5, 0.5, 0.5], [0.5, 0.25], [0.5], [])) == 2
    assert marked([0.5, 0.5]) == []
    assert len(marked([0.5])) == 1


def test_a_ring_marks_the_epoch_whose_weights_were_kept_on_a_curve_that_stays_as_measured(sweep, store):
    one = dataclasses.replace(sweep, axes={"lr": [0.1]})
    (trial,) = one.trials()
    result = dataclasses.replace(completed(trial, 0.9), restored={"val_accuracy": 0.91})
    text = _run(one, store, FakeLaunch({trial.label: result}))
    y = round(1000 * (1 - Axis.of_curves(one, [Cell(result.cell, [result], 1)]).place(0.91)))
    assert f'd="M667 {y}h0" class="kept"' in text, "the second of three epochs"
    assert "a ring is the epoch whose weights were kept." in text
    assert 'data-other="91.00%">9.00%</span>' in text
    assert ">With the weights that were kept</h2>" in text
    assert ">With the final weights</h2>" not in text


def test_why_trials_were_pruned_is_told_once_for_those_whose_reasons_differ_in_numbers_alone(sweep, store):
    reasons = [f"hyperband saw no promise in val_accuracy=0.{n} after epoch {n}" for n in (2, 3)]
    reasons += ["hopeless after two epochs"] * 2
    for trial, reason in zip(sweep.trials(), reasons, strict=True):
        store.append(dataclasses.replace(completed(trial), status="pruned", reason=reason))
    Sweeper(FakeLaunch(), store, [PageReport(store.folder)]).run(sweep, sweep.trials())
    page = (store.folder / "report.html").read_text()
    assert "2 trials pruned</strong>: hyperband saw no promise in val_accuracy=… after epoch …" in page
    assert "2 trials pruned</strong>: hopeless after two epochs" in page


def test_a_picture_is_called_by_the_metrics_name_in_words(sweep, store):
    loss = dataclasses.replace(sweep, monitor="val_loss")
    Sweeper(FakeLaunch(), store, [PageReport(store.folder)]).run(loss, loss.trials())
    assert ">Validation loss after each epoch<" in (store.folder / "report.html").read_text()


def test_a_search_without_its_journal_has_the_command_that_makes_its_page_and_not_one_that_samples_anew(tmp_path):
    command = "python -m sweeps.search --trials 9"
    trials = Search("mine", TinyConfig(), {"lr": Range(0.1, 1.0)}, build="toy:build")
    outcome = dataclasses.replace(Outcome(trials, []), folder=tmp_path / "mine")
    typed, does = Part(outcome, command).again
    assert typed == f"python -m nnhp_torch report {tmp_path / 'mine'}"
    assert does.startswith("Makes this page from its ledger, and trains nothing. It was run by python -m sweeps.search")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "optuna.journal").touch()
    assert Part(outcome, command).again[0] == command
    assert Part(dataclasses.replace(outcome, folder=Path()), command).again[0] == command, "of which nobody knows it"


def test_the_names_at_the_lines_ends_stand_above_the_chart_too_for_a_screen_without_room(sweep, store):
    drawn = course(Part(Sweeper(FakeLaunch(), store).run(sweep, sweep.trials())))
    ends = re.findall(r'class="end \w+"[^>]*>([^<]*)<', drawn)
    above = drawn.partition('class="names"')[2].partition("</p>")[0]
    assert ends
    assert {*re.findall(r'class="key \w+">([^<]*?) <', above)} == {*ends}


def test_the_head_of_a_column_breaks_behind_underscores_alone():
    assert breaking("activity_reg<type") == "activity_<wbr>reg&lt;type"


def test_a_page_that_would_be_another_in_its_date_alone_stays_as_it_is(tmp_path):
    path = tmp_path / "page.html"
    write_page(path, "A page", [tag("p", "one")])
    old = re.sub(r"Made \S+ \S+ UTC", "Made 2001-01-01 00:00 UTC", path.read_text())
    path.write_text(old)
    write_page(path, "A page", [tag("p", "one")])
    assert path.read_text() == old
    write_page(path, "A page", [tag("p", "two")])
    assert "2001" not in path.read_text()
    assert "two" in path.read_text()
