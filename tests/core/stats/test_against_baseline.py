"""Every cell against a baseline: which are better, as good, worse, and who decides that."""

import csv
import dataclasses
import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import FakeLaunch, TinyConfig, completed
from false_claims import EQUAL, _apart, against_baseline, false_claims, told_by_the_best
from matplotlib.text import Text

import nnhp_torch
from nnhp_torch.cli.exit_status import UNMET
from nnhp_torch.cli.report import main as report
from nnhp_torch.core.errors import SweepError
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.loop.race import staying
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.stats.against_baseline import AgainstBaseline
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.words.answer import answer
from nnhp_torch.report.words.headline import headline
from nnhp_torch.search.space import Range, Search

PAGE = Path(nnhp_torch.__file__).parent / "plugins.md"
BASE = [0.9500, 0.9512, 0.9494, 0.9506, 0.9503]
VALUES = {0.1: BASE, 0.2: [v + 0.02 for v in BASE[::-1]], 0.3: [v - 0.03 for v in BASE[1:] + BASE[:1]], 0.4: BASE}


def _ran(sweep, store, values, **changes):
    """The outcome of a sweep over lr, with each cell's accuracies by seed; None is a trial that diverged."""
    swept = dataclasses.replace(sweep, **{"axes": {"lr": list(values)}, "baseline": {"lr": 0.1}, **changes})
    trials = swept.trials(seeds=range(len(next(iter(values.values())))))
    for trial in trials:
        value = values[trial.cell["lr"]][trial.config.seed]
        store.append(TrialResult.of(trial, "diverged") if value is None else completed(trial, value))
    return Sweeper(FakeLaunch(), store).run(swept, trials)


def _kinds(outcome):
    return [row.verdict for row in outcome.verdicts]


def test_cells_are_better_worse_or_as_good_as_the_baseline(sweep, store):
    outcome = _ran(sweep, store, VALUES)
    assert _kinds(outcome) == ["baseline", "better", "worse", "as good"]
    _, better, worse, _ = outcome.verdicts
    assert better.low == 0 < better.estimate == pytest.approx(0.02)
    assert better.high is None, "of what is told apart in a step-down no more is known"
    assert worse.estimate < 0 == worse.high
    said = answer(outcome.summary)
    assert "Is any better than the baseline, lr=0.1? Yes: 1 of 3, lr=0.2 by 2.00 points (more than 0)." in said
    assert "Worse: lr=0.3 by 3.00 points (more than 0)." in said
    assert (
        "paired, against the baseline (Dunnett, or drawn sweeps if spreads are unlike), corrected for 3 comparisons"
        in said
    )
    assert headline(outcome.summary) == "lr=0.2 is better than lr=0.1."
    written = [text.get_text() for text in outcome.figure().findobj(Text)]
    assert "a band: where its mean may be, compared with the baseline's (dotted)" in written


def test_nothing_is_better_than_the_best(sweep, store):
    outcome = _ran(sweep, store, {0.1: VALUES[0.2], 0.2: BASE, 0.3: VALUES[0.3]})
    assert _kinds(outcome) == ["baseline", "worse", "worse"]
    assert answer(outcome.summary).startswith("Is any better than the baseline, lr=0.1? No.\nWorse: ")
    assert headline(outcome.summary) == "Nothing is better than lr=0.1."


def test_of_a_metric_of_which_less_is_better_too_the_estimate_is_by_how_much_a_cell_is_better(sweep, store):
    outcome = _ran(sweep, store, VALUES, mode="min", smallest_effect=0.001)
    assert _kinds(outcome) == ["baseline", "worse", "better", "as good"]
    assert outcome.verdicts[2].estimate == pytest.approx(0.03)


def test_the_baseline_is_told_from_the_others_whichever_has_the_best_mean_and_from_several_at_once(sweep, store):
    """Against the best, two that are better by as much and beside each other are told from nothing but the worst."""
    generator = np.random.default_rng(0)
    values = dict(enumerate((0.95 + 0.003 * generator.normal(size=(4, 5)) + [[0], [0.012], [0.012], [0.012]]).tolist()))
    values = {number / 10 + 0.1: row for number, row in values.items()}
    assert _kinds(_ran(sweep, store, values)).count("better") == 3


def test_a_baseline_that_did_not_end_says_nothing_of_the_others(sweep, store):
    outcome = _ran(sweep, store, {0.1: [0.9, None, 0.9, 0.9, 0.9], 0.2: BASE})
    assert _kinds(outcome) == ["unranked", "unranked"]
    assert answer(outcome.summary) == (
        "Nothing was compared: the baseline, lr=0.1, has not completed with all its seeds."
    )
    assert headline(outcome.summary) == "The baseline has not completed."


def test_two_seeds_are_too_few(sweep, store):
    outcome = _ran(sweep, store, {lr: of[:2] for lr, of in VALUES.items()})
    assert answer(outcome.summary).startswith(
        "Is any better than the baseline, lr=0.1? Cannot be told: 2 seeds are too few for any test."
    )
    assert {row.more for row in outcome.verdicts[1:3]} == {"--seeds 5"}


def test_in_a_race_what_is_as_good_as_a_baseline_needs_no_more_seeds(sweep, store):
    found = _ran(sweep, store, VALUES).summary.verdicts
    open_ = dataclasses.replace(found[2], kind="undecided", chance=0.5)
    assert [cell.label for cell in staying([*found[:2], open_, found[3]])] == ["lr=0.1", "lr=0.3"]
    assert staying(found) == []


def _cells(axes, baseline, **settings):
    made = Sweep("tiny", TinyConfig(**settings), axes, "toy:build", baseline=baseline)
    assert made.size == len(list(made.cells()))
    return list(made.cells()), made.baseline


def test_a_baseline_that_the_grid_has_not_becomes_a_cell_at_the_bases_other_values():
    assert _cells({"lr": [0.1, 1.0]}, {"lr": 1}) == ([{"lr": 0.1}, {"lr": 1.0}], {"lr": 1.0})
    assert _cells({"lr": [0.2]}, {"lr": 0.1}) == ([{"lr": 0.1}, {"lr": 0.2}], {"lr": 0.1})
    cells, baseline = _cells({"lr": [0.1, 0.2], "width": [4, 8]}, {"lr": 0.2}, width=4)
    assert (len(cells), baseline) == (4, {"lr": 0.2, "width": 4})
    cells, _ = _cells({"lr": [0.1, 0.2], "width": [4, 8]}, {"lr": 0.2}, width=16)
    assert (len(cells), cells[0]) == (5, {"lr": 0.2, "width": 16})


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        ({"width": 4}, "baseline: width does not vary here, which lr does"),
        ({"lr": "high"}, "baseline: lr needs a number, such as 0.1, not 'high'"),
        ({"lr": float("nan")}, "lr must be a plain value and finite"),
        ({}, "baseline names a cell of a grid, such as {'lr': …}: not {}"),
        (0.1, "baseline names a cell of a grid, such as {'lr': …}: not 0.1"),
    ],
)
def test_what_is_no_cell_is_refused(baseline, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        _cells({"lr": [0.1, 0.2]}, baseline)


def test_a_search_has_no_baseline():
    with pytest.raises(ValueError, match="a search samples its cells"):
        Search("tiny", TinyConfig(), {"lr": Range(0.1, 1.0)}, "toy:build", baseline={"lr": 0.1})


class Scores:
    """Ends each trial with what its cell and seed give."""

    def __init__(self, *_):
        pass

    def __call__(self, trials, listener):
        for trial in trials:
            listener.started(trial)
            value = VALUES.get(trial.cell["lr"])
            result = completed(trial, value[trial.config.seed - 123]) if value else TrialResult.of(trial, "diverged")
            listener.ended(trial, result)


@pytest.fixture
def typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    swept = Sweep("tiny", TinyConfig(), {"lr": [0.2, 0.3, 0.4]}, "toy:build")

    def run(*argv):
        with pytest.raises(SystemExit) as ended:
            nnhp_torch.main(swept, launch=Scores, argv=[*argv, "--jobs", "0"])
        return ended.value.code

    return run


def test_what_is_required_decides_the_exit_status(typed, capsys):
    asked = ["--seeds", "5", "--baseline", "lr=0.1"]
    assert typed(*asked, "--require", "better") == 0
    assert typed(*asked, "--grid.lr", "0.3", "0.4", "--require", "as-good") == 0
    assert typed(*asked, "--grid.lr", "0.3", "--require", "as-good") == UNMET == 4
    assert "--require as-good: no cell is known to be; exit status 4" in capsys.readouterr().out
    rows = list(csv.DictReader(Path("lightning_logs/tiny/verdicts.csv").read_text().splitlines()))
    assert [row["verdict"] for row in rows] == [c["verdict"] for c in _document()["cells"]]
    assert _document()["compared_with"] == {"lr": 0.1}


def test_a_cell_that_diverges_is_no_failure_of_a_command_that_asks_for_a_better_one(typed, capsys):
    """The same command would not run it again, so that no exit status but this one could say what has been found."""
    asked = ["--seeds", "5", "--baseline", "lr=0.1", "--grid.lr", "0.2", "0.9"]
    assert typed(*asked) == 1
    assert typed(*asked, "--require", "better") == 0
    assert "Not compared: lr=0.9 (5 diverged)." in capsys.readouterr().out
    assert typed(*asked[:-3], "--grid.lr", "0.3", "0.9", "--require", "better") == UNMET
    assert typed("--seeds", "5", "--baseline", "lr=0.9", "--require", "better") == 1, "nothing could be compared"


def test_in_python_what_is_required_and_does_not_hold_is_an_error_once_all_has_run(tmp_path):
    swept = Sweep("tiny", TinyConfig(), {"lr": [0.2]}, "toy:build", baseline={"lr": 0.1})
    asked = {"seeds": 5, "jobs": 0, "launch": Scores, "log_dir": str(tmp_path), "require": "better"}
    assert _kinds(swept.run(**asked)) == ["baseline", "better"]
    with pytest.raises(SweepError, match="require='better': no cell is known to be"):
        dataclasses.replace(swept, axes={"lr": [0.3]}).run(**asked)
    assert (tmp_path / "tiny" / "verdicts.json").exists()


def test_values_of_the_baseline_that_nobody_named_are_said_above_the_table(typed, capsys, tmp_path):
    swept = Sweep(
        "both", TinyConfig(lr=0.3, width=4), {"lr": [0.1, 0.2], "width": [4, 8]}, "toy:build", baseline={"lr": 0.1}
    )
    outcome = swept.run(seeds=3, jobs=0, launch=Scores, log_dir=str(tmp_path))
    assert "The baseline is lr=0.1, width=4; width as in the base." in outcome.remarks
    out = capsys.readouterr().out
    assert out.index("The baseline is") < out.index("points ahead"), "above the table"
    both = ["--seeds", "3", "--log_dir", str(tmp_path / "logs"), "--jobs", "0", "--baseline", "lr=0.2,width=8"]
    with pytest.raises(SystemExit, match="0"):
        nnhp_torch.main(swept, argv=[*both, "--dry_run"])
    assert typed("--baseline", "lr=0.1") == 0
    assert "as in the base" not in capsys.readouterr().out, "one axis, which was named"


def _document():
    return json.loads(Path("lightning_logs/tiny/verdicts.json").read_text())


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--baseline", "width=4"], "baseline: width does not vary here"),
        (["--baseline", "0.1"], "0.1 should be NAME=VALUE, such as lr=0.01"),
        (["--baseline"], "--baseline needs a value"),
        (["--baseline", "lr=0.1", "--require", "better"], "--require needs 3 seeds or more"),
        (["--baseline", "lr=0.1", "--require", "better", "--seeds", "2"], "--require needs 3 seeds or more"),
        (["--require", "better", "--seeds", "5"], "--require better needs a cell to be held against"),
        (
            ["--baseline", "lr=0.2", "--grid.lr", "0.2", "--require", "better", "--seeds", "5"],
            "no cell beside the base",
        ),
        (["--baseline", "lr=0.1", "lr=0.2"], "a name has two values in lr=0.1 lr=0.2"),
        (["--baseline", "lr=0.1,lr=0.2"], "a name has two values in lr=0.1,lr=0.2"),
        (["--require", "best", "--seeds", "5"], "--require needs one of better, as-good or null, not best"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_a_line_before_anything_is_written(typed, argv, said, capsys):
    assert typed(*argv) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not list(Path().iterdir())


def test_false_claims_against_a_baseline_are_rare_also_beside_wild_cells():
    """The wild one is the last of nine, far too wild for a spread of all, with which a fifth of the sweeps claim it."""

    def wild_last(*of):
        return EQUAL["one of 50 times the spread"](*of)[::-1]

    assert false_claims(against_baseline, wild_last, cells=9, seeds=5, sweeps=300) <= 0.05
    one_spread = functools.partial(against_baseline, equal=-1.0)
    assert false_claims(one_spread, wild_last, cells=9, seeds=5, sweeps=300) > 0.15


def _with(**options):
    judge = AgainstBaseline()
    vars(judge).update(options)
    return judge


def test_dunnetts_comparison_on_blocks_on_numbers_worked_by_hand():
    """Without means and seeds' effects squares of 8/9, 2/9, 2/9: a spread of 1/3 over 4 degrees of freedom, the
    control's own is 2/3. A difference's variance is 1, its error 1 / √3, and t = 10√3 for the second row."""
    rows = [[1.0, 2.0, 3.0], [11.0, 13.0, 12.0], [1.0, 3.0, 2.0]]
    alone = 1 - (300 / 304) ** 0.5 * (1 + 2 / 304)  # Student's distribution with 4 degrees of freedom, both tails
    found = _with(equal=0.0).judge(rows)
    assert found.p == pytest.approx([1.0, alone * 2 / 0.8, 1.0])
    assert found.gap == [0, -10, 0]


def test_where_spreads_are_told_apart_it_tests_at_half_of_the_level():
    rows = (np.random.default_rng(17).normal(size=(4, 5)) * [[1], [1], [30], [30]] + [[0], [4], [0], [60]]).tolist()
    assert AgainstBaseline().judge(rows).p == pytest.approx(
        [min(1, 2 * p) for p in _with(equal=1.0, known=9, apart=1.0).judge(rows, 0.025).p]
    )


def test_equal_spreads_are_told_apart_in_four_of_ten_sweeps_of_three_seeds_and_in_two_of_five():
    def apart(seeds):
        sets = np.random.default_rng(1).normal(size=(100, 4, seeds)).tolist()
        return np.mean([len(set(AgainstBaseline().judge(rows).half_width)) > 1 for rows in sets])

    assert apart(3) == pytest.approx(0.4, abs=0.1)
    assert apart(5) == pytest.approx(0.2, abs=0.1)


@pytest.mark.parametrize(
    ("noise", "cells", "seeds"),
    [("uniform, spreads drawn", 4, 3), ("uniform, spreads drawn", 4, 5), ("spreads from 1 to 100", 9, 5)],
)
def test_false_claims_are_rare_where_t_tests_err_most(noise, cells, seeds):
    """5% of 1000 sweeps and two errors of the simulation; at the whole level, or with spreads pooled, it is more."""
    limit = 0.05 + 2 * (0.05 * 0.95 / 1000) ** 0.5
    assert false_claims(against_baseline, EQUAL[noise], cells, seeds, sweeps=1000) <= limit


def test_more_is_found_than_by_the_comparison_with_the_best():
    better = [0.0, 2.0, 2.0, 2.0]
    assert _apart(against_baseline, better, 5, 60) > 2 * _apart(told_by_the_best, better, 5, 60)


def test_the_pages_judge_is_used_in_every_report_and_in_a_race(tmp_path):
    *_, script = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found = {}
    exec(script, found)
    swept = Sweep("tiny", TinyConfig(), {"lr": [0.1, 0.2, 0.3]}, "toy:build", baseline={"lr": 0.1})
    outcome = swept.run(seeds=3, jobs=0, launch=Scores, log_dir=str(tmp_path), judge=found["Bootstrap"]())
    assert _kinds(outcome) == ["baseline", "better", "worse"]
    assert all(row.low < row.estimate < row.high for row in outcome.verdicts[1:])
    page = (tmp_path / "tiny" / "report.html").read_text()
    told = json.loads((tmp_path / "tiny" / "verdicts.json").read_text())
    assert "bootstrap of the paired differences, uncorrected" in page
    assert "bootstrap of the paired differences, uncorrected" in told["test"]


def test_a_page_that_is_made_again_from_its_ledger_has_the_same_baseline(typed, capsys):
    typed("--seeds", "5", "--baseline", "lr=0.1")
    before = Path("lightning_logs/tiny/report.html").read_text()
    assert report(["lightning_logs/tiny"]) == 0
    after = Path("lightning_logs/tiny/report.html").read_text()
    for text in (before, after):
        assert "<h1>" in text or "<h1 " in text
        assert "lr=0.2 is better than lr=0.1." in text
        assert "Is any better than the baseline, lr=0.1?" in text


def test_a_data_frame_has_what_is_said_of_each_trials_cell(sweep, store):
    frame = _ran(sweep, store, VALUES).frame()
    assert frame.groupby("lr")["verdict"].first().tolist() == ["baseline", "better", "worse", "as good"]
    assert frame["verdict_estimate"].iloc[1] == pytest.approx(0.02)
