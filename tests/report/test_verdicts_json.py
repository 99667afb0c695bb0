"""What may be said of a sweep, for programs."""

import dataclasses
import json

from conftest import FakeLaunch, completed

from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.csv import TablesReport
from nnhp_torch.report.verdicts_json import VERSION

VALUES = {0.1: [0.95, 0.951, 0.9495, 0.9505, 0.9502], 0.2: [0.9, 0.902, 0.898, 0.901, 0.9], 0.3: [0.949, 0.953] * 2}


def _ran(sweep, store, values, command="python tiny.py --seeds 5"):
    """The outcome and the document of a sweep whose cells have these accuracies by seed."""
    swept = dataclasses.replace(sweep, axes={"lr": list(values)})
    trials = [t for t in swept.trials(seeds=range(5)) if t.config.seed < len(values[t.cell["lr"]])]
    for trial in trials:
        store.append(completed(trial, values[trial.cell["lr"]][trial.config.seed]))
    outcome = Sweeper(FakeLaunch(), store, [TablesReport(store.folder, command)]).run(swept, trials)
    return outcome, json.loads((store.folder / "verdicts.json").read_text())


def test_the_file_has_what_python_has(sweep, store):
    outcome, found = _ran(sweep, store, {lr: VALUES[lr] for lr in (0.1, 0.2)})
    assert (found["version"], found["metric"], found["level"]) == (VERSION, "val_accuracy", 0.05)
    assert found["compared_with"] == found["winner"] == {"lr": 0.1}
    assert "corrected for picking the best of 2" in found["test"]
    best, worse = outcome.verdicts
    assert (best.verdict, best.estimate, worse.verdict) == ("best", 0.0, "worse")
    assert worse.low < worse.estimate < worse.high < 0, "the estimate is by how much it is better"
    for row, told in zip(outcome.verdicts, found["cells"], strict=True):
        plain = dataclasses.asdict(row)
        assert plain.pop("more") is None is told.pop("next")
        assert told == plain


def test_an_undecided_cell_has_the_command_that_may_decide(sweep, store):
    values = {0.1: VALUES[0.1][:4], 0.3: VALUES[0.3]}
    _, found = _ran(sweep, store, values)
    row = next(row for row in found["cells"] if row["verdict"] == "undecided")
    assert 0 < row["chance"] < 1
    assert row["next"] in (None, "python tiny.py --seeds auto")
    _, found = _ran(sweep, store, {lr: of[:2] for lr, of in values.items()}, "python tiny.py --seeds=2 --jobs 1")
    assert [row["next"] for row in found["cells"]] == ["python tiny.py --jobs 1 --seeds 5", None]
    assert [row["p"] for row in found["cells"]] == [None, 1.0]


def test_a_sweep_of_one_seed_claims_nothing(sweep, store):
    outcome, found = _ran(sweep, store, {0.1: [0.95], 0.2: [0.2]})
    assert [row.verdict for row in outcome.verdicts] == ["best", "undecided"]
    assert found["test"] == ""
    assert found["cells"][1]["p"] is found["cells"][1]["chance"] is None
