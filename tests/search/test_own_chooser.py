"""A chooser of one's own in place of Optuna's, as a page shows one."""

import json
import re
from pathlib import Path

import pytest
from conftest import FakeLaunch, TinyConfig

import nnhp_torch
from nnhp_torch.search.space import Range, Search

PAGE = Path(nnhp_torch.__file__).parent / "plugins.md"
AXES = {"lr": Range(0.001, 1.0, log=True), "width": [2, 3, 4, 5]}


@pytest.fixture
def sobol():
    _, script, _ = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found = {}
    exec(script, found)
    return found["Sobol"]


def _cells(folder):
    return [json.loads(line)["cell"] for line in (folder / "tiny" / "results.jsonl").read_text().splitlines()]


def test_the_pages_chooser_fills_the_ranges_evenly_and_needs_no_optuna(sobol, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("nnhp_torch.search.chooser.find_spec", lambda name: None)
    search = Search("tiny", TinyConfig(), AXES, "toy:build")
    outcome = search.run(chooser=sobol, launch=lambda *_: FakeLaunch(), log_dir=str(tmp_path))
    assert (len(outcome.ordered), outcome.left, outcome.successful) == (16, 0, True)
    cells = _cells(tmp_path)
    assert sorted(cell["width"] for cell in cells) == [2, 3, 4, 5] * 4 or {cell["width"] for cell in cells} == {
        2,
        3,
        4,
        5,
    }
    assert sum(cell["lr"] < 0.0316 for cell in cells) == 8, "half of the magnitudes"
    with pytest.raises(SystemExit, match="0"):
        nnhp_torch.main(search, chooser=sobol, argv=["--dry_run", "--log_dir", str(tmp_path)])
    assert "0 of 16 trials would run" in capsys.readouterr().out
    again = search.run(chooser=sobol, launch=lambda *_: FakeLaunch(), log_dir=str(tmp_path), seeds=[123])
    assert not again.ran, "it names the same cells, which the ledger has"


def test_what_is_asked_of_optuna_is_refused_beside_a_chooser_of_ones_own(sobol, tmp_path):
    search = Search("tiny", TinyConfig(), AXES, "toy:build")
    for asked in ({"trials": 3}, {"sampler": "random"}, {"pruner": "median"}, {"budget": 100}):
        with pytest.raises(ValueError, match=f"{next(iter(asked))} is for Optuna"):
            search.run(chooser=sobol, launch=lambda *_: FakeLaunch(), log_dir=str(tmp_path), **asked)
    assert not list(tmp_path.iterdir())


def test_a_chooser_may_end_a_trial_at_an_epoch_and_hears_of_every_result(sweep, tmp_path):
    heard = []

    class Halves(nnhp_torch.Chooser):
        """The next rate is half of the last one, as long as that helps."""

        def __init__(self, sweep):
            self.rates = [0.8]

        def remaining(self):
            return 3 - len(heard)

        def __iter__(self):
            while self.remaining():
                yield [{"lr": rate, "width": 4} for rate in self.rates]
                self.rates = [self.rates[0] / 2] if len(heard) else []

        def epoch_ended(self, values, epoch, metrics):
            return "too high a rate" if values["lr"] > 0.5 and epoch == 2 else None

        def settle(self, values, result):
            heard.append((values["lr"], result.status, result.epochs))

    outcome = sweep.run(chooser=Halves, jobs=0, log_dir=str(tmp_path), accelerator="cpu", seeds=[7])
    assert heard == [(0.8, "pruned", 2), (0.4, "completed", 3), (0.2, "completed", 3)]
    assert {trial.config.seed for trial in outcome.trials} == {7}


def test_a_chooser_that_names_more_than_it_said_has_no_total(sweep, tmp_path, capsys):
    class Batches(nnhp_torch.Chooser):
        def __init__(self, sweep):
            pass

        def __iter__(self):
            yield [{"lr": 0.1, "width": width} for width in (2, 3)]
            yield [{"lr": 0.2, "width": width} for width in (2, 3)]

    sweep.run(chooser=Batches, launch=lambda *_: FakeLaunch(), log_dir=str(tmp_path))
    assert re.findall(r"✓ +(\S+)  lr", capsys.readouterr().out) == ["1/2", "2/2", "3", "4"]


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.2, 1), (0.25, 2), (0.74, 3), (0.999, 4), (1.0, 4)])
def test_each_whole_number_has_as_much_of_a_range(share, value):
    assert Range(1, 4).at(share) == value


def test_a_share_of_a_logarithmic_range_is_one_of_its_magnitudes():
    assert Range(1e-4, 1e-1, log=True).at(1 / 3) == pytest.approx(1e-3)
    assert Range(1.0, 3.0).at(0.5) == 2.0
