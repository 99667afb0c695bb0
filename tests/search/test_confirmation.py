"""The best of a search, once more on seeds that chose none of them."""

import csv
import dataclasses
import os
import signal

import pytest
from conftest import TinyConfig, completed

import nnhp_torch
from nnhp_torch import Range, ResultStore, Search, SweepCallback
from nnhp_torch.cli.command.search import confirmation
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome

SEARCH = Search(
    "tiny", TinyConfig(), {"lr": Range(0.001, 1.0, log=True), "width": Range(2, 9)}, build="toy:build", about="About."
)


def outcome(accuracies):
    """A search in which the widths from 2 on have these accuracies; None: that one was pruned."""
    trials = [SEARCH.trial(i, {"lr": 0.1, "width": 2 + i}) for i in range(len(accuracies))]
    results = {
        trial.key: completed(trial, accuracy) if accuracy else TrialResult.of(trial, "pruned", "no promise")
        for trial, accuracy in zip(trials, accuracies, strict=True)
    }
    return Outcome(SEARCH, trials, results)


def test_the_best_that_completed_run_once_more_each_with_all_of_the_other_seeds():
    sweep = confirmation(SEARCH, outcome([0.7, 0.9, None, 0.8]), 2)
    assert list(sweep.cells()) == [{"lr": 0.1, "width": 3}, {"lr": 0.1, "width": 5}]
    trials = sweep.trials([124, 125])
    assert [(t.config.width, t.config.seed) for t in trials] == [(3, 124), (5, 124), (3, 125), (5, 125)]
    assert len({trial.name for trial in trials}) == 4
    assert (sweep.name, sweep.size, sweep.base) == ("tiny-confirm", 2, SEARCH.base)


def test_where_fewer_have_completed_those_are_confirmed():
    assert confirmation(SEARCH, outcome([0.7, None]), 5).size == 1
    assert confirmation(SEARCH, outcome([None, None]), 5) is None


def run(tmp_path, *flags, **settings):
    always = ["--jobs", "0", "--accelerator", "cpu", "--log_dir", str(tmp_path), "--pruner", "none", "--trials", "6"]
    with pytest.raises(SystemExit) as end:
        nnhp_torch.main(SEARCH, argv=[*always, *flags], **settings)
    return end.value.code


class StopAt(SweepCallback):
    """Asks for a tidy end after so many trials."""

    def __init__(self, trials):
        self.left = trials

    def on_trial_end(self, trial, result):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGTERM)


def records(folder):
    return [
        dataclasses.replace(r, seconds=0, fit_seconds=0, started="") for r in ResultStore(folder).results().values()
    ]


@pytest.mark.needs("optuna")
def test_confirmed_trials_alone_see_the_test_images_and_rank_by_the_other_seeds_alone(tmp_path, capsys):
    flags = ["--confirm", "2", "--confirm_seeds", "2"]
    assert run(tmp_path / "whole", *flags) == 0
    out = capsys.readouterr().out
    searched, confirmed = (records(tmp_path / "whole" / f"tiny-tpe-none{part}") for part in ("", "-confirm"))
    assert len(searched) == 6
    assert not any(result.test for result in searched)
    assert all(result.test for result in confirmed)
    best = sorted(searched, key=lambda result: -result.final("val_accuracy"))[:2]
    assert [(r.cell, r.config["seed"]) for r in confirmed] == [(r.cell, seed) for seed in (124, 125) for r in best]
    means = {repr(r.cell): sum(x.final("val_accuracy") for x in confirmed if x.cell == r.cell) / 2 for r in best}
    assert f"val_accuracy={max(means.values()):.4f}±" in out.split("the best 2 on other seeds")[1]
    assert f"had val_accuracy={best[0].final('val_accuracy'):.4f} with the seed that chose it" in out

    for trials in (4, 2 + 1):  # in the midst of the search, then of the confirmation
        assert run(tmp_path / "stopped", *flags, callbacks=[StopAt(trials)]) == 128 + signal.SIGTERM
    assert len(records(tmp_path / "stopped" / "tiny-tpe-none-confirm")) == 1
    assert run(tmp_path / "stopped", *flags) == 0
    for part in ("", "-confirm"):
        assert records(tmp_path / "stopped" / f"tiny-tpe-none{part}") == records(
            tmp_path / "whole" / f"tiny-tpe-none{part}"
        )
    capsys.readouterr()
    assert run(tmp_path / "whole", *flags) == 0
    assert capsys.readouterr().out.count("Nothing to run") == 2
    with open(tmp_path / "whole" / "tiny-tpe-none-confirm" / "results.csv", newline="") as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["124", "124", "125", "125"]
    assert (tmp_path / "whole" / "tiny-tpe-none-confirm" / "figure.png").exists()


@pytest.mark.needs("optuna")
def test_from_python_the_outcome_is_that_of_the_best_on_other_seeds(tmp_path):
    asked = {"trials": 3, "pruner": "none", "confirm": 2, "confirm_seeds": 2, "jobs": 0, "log_dir": str(tmp_path)}
    outcome = SEARCH.run(**asked)
    assert outcome.sweep.name == "tiny-tpe-none-confirm"
    assert sorted(trial.config.seed for trial in outcome.trials) == [124, 124, 125, 125]
    assert "with the seed that chose it" in outcome.summary.claim


@pytest.mark.needs("optuna")
def test_without_confirmation_each_completed_trial_has_its_test(tmp_path, capsys):
    assert run(tmp_path, "--trials", "2") == 0
    assert all(result.test for result in records(tmp_path / "tiny-tpe-none"))
    assert not (tmp_path / "tiny-tpe-none-confirm").exists()
    assert "--confirm 5 runs the best five on other seeds" in capsys.readouterr().out


@pytest.mark.needs("optuna")
def test_a_dry_run_says_what_would_be_confirmed_and_writes_nothing(tmp_path, capsys):
    assert run(tmp_path, "--confirm", "5", "--seeds", "[7]", "--dry_run") == 0
    assert "The best 5 would run with each of the seeds 8 to 10" in " ".join(capsys.readouterr().out.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.needs("optuna")
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--confirm", "-1"], "confirm must be a whole number of at least 0, not -1"),
        (["--confirm", "many"], "confirm"),
        (
            ["--confirm", "5", "--confirm_seeds", "1"],
            "confirm_seeds must be at least 2, because one seed is luck, not 1",
        ),
    ],
)
def test_a_confirmation_that_makes_no_sense_is_refused_in_one_line(tmp_path, capsys, flags, said):
    assert run(tmp_path, *flags) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_confirmation_keeps_all_that_the_search_says_of_how_its_trials_run_and_are_judged():
    search = dataclasses.replace(
        SEARCH, smallest_effect=0.01, extra_metrics=["val_f1"], environment={"data_dir": "DATA"}, next_steps="Look."
    )
    sweep = confirmation(search, outcome([0.7, 0.9]), 2)
    own = {"name", "axes", "claim", "next_steps"}
    for part in {part.name for part in dataclasses.fields(Search)} - {"unless"} - own:
        assert getattr(sweep, part) == getattr(search, part), part
