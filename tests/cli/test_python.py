"""A sweep from Python: on the command line's own path, with the results at hand."""

import dataclasses
import importlib
import io
import runpy
import signal
import sys
from pathlib import Path

import pytest
import toy
import yaml
from conftest import FakeLaunch, TinyConfig, completed

from nnhp_torch.cli import main as cli
from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.grid import Sweep


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Sweep("tiny", TinyConfig(max_epochs=2), {"lr": [0.1, 0.001]}, build="toy:build")


def test_a_sweep_runs_without_a_command_line_and_nothing_runs_twice(small, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    outcome = small.run(seeds=2, jobs=0, accelerator="cpu")
    assert outcome.successful
    ran = [(trial.cell["lr"], trial.config.seed) for trial in outcome.trials]
    assert ran == [(0.1, 123), (0.001, 123), (0.1, 124), (0.001, 124)]
    assert "Winner: lr=0.1 with val_accuracy=" in capsys.readouterr().out
    assert not small.run(seeds=2, jobs=0, accelerator="cpu").ran


SCRIPT = """
from dataclasses import dataclass

import toy
from nnhp_torch import Sweep, main


@dataclass(frozen=True)
class Settings:
    lr: float = 0.1
    width: int = 4
    seed: int = 123
    max_epochs: int = 2


def build(settings):
    return toy.build(settings)


SWEEP = Sweep("mine", Settings(), {"lr": [0.1, 0.01]}, build)

if __name__ == "__main__":
    main(SWEEP)
"""


@pytest.mark.parametrize("name", ["its own", "__main__"])  # the latter until 0.2
def test_a_script_that_is_run_and_one_that_is_imported_are_one_maker(name, tmp_path, monkeypatch):
    script = tmp_path / "run_or_imported.py"
    script.write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(script), "--jobs", "0", "--accelerator", "cpu"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(script), run_name="__main__")
    assert end.value.code == 0
    written = [tmp_path / "lightning_logs/mine/results.jsonl", *tmp_path.rglob("trial.json")]
    if name == "__main__":
        for path in written:
            path.write_text(path.read_text().replace('"run_or_imported', '"__main__'))
    assert all((f'"{script.stem}' in path.read_text()) == (name == "its own") for path in written)
    sweep = importlib.import_module(script.stem).SWEEP
    outcome = sweep.run(jobs=0, accelerator="cpu")
    assert not outcome.ran
    assert outcome.best.load() is not None
    script.write_text(SCRIPT.replace("toy.build(settings)", "toy.build(settings) or None"))
    assert len(sweep.run(jobs=0, accelerator="cpu").stale) == 2


def test_the_digits_are_those_of_the_command_line(small):
    outcome = small.run(jobs=0, accelerator="cpu")
    with pytest.raises(SystemExit):
        cli.main(small, argv=["--jobs", "0", "--accelerator", "cpu", "--log_dir", "other"])
    again = small.run(jobs=0, accelerator="cpu", log_dir="other")
    assert not again.ran
    assert [(r.key, r.history, r.test) for r in again.ordered] == [(r.key, r.history, r.test) for r in outcome.ordered]


def test_a_build_that_workers_cannot_import_runs_in_this_process_and_it_says_so(small, capsys):
    def build(config):
        return toy.build(config)

    outcome = dataclasses.replace(small, build=build).run(jobs=2, accelerator="cpu")
    assert outcome.successful
    assert "Runs in this process, because" in capsys.readouterr().out


def test_a_race_runs_from_python_too(small):
    outcome = small.run(seeds="auto", max_seeds=4, jobs=0, accelerator="cpu")
    assert outcome.successful
    assert 6 <= len(outcome.ordered) <= 8
    assert "seeds" in str(outcome.table())
    assert outcome.best.trial in outcome.trials


def test_callbacks_of_ones_own_are_told(small):
    heard = []

    class Listening(SweepCallback):
        def on_epoch_end(self, trial, epoch, metrics):
            heard.append((trial.label, epoch))

    small.run(jobs=0, accelerator="cpu", callbacks=[Listening()])
    assert heard == [("lr=0.1", 1), ("lr=0.1", 2), ("lr=0.001", 1), ("lr=0.001", 2)]


def test_a_second_ctrl_c_ends_the_call_and_not_the_process_which_may_be_a_notebooks(small):
    class Impatient(SweepCallback):
        def on_epoch_end(self, trial, epoch, metrics):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    outcome = small.run(jobs=0, accelerator="cpu", callbacks=[Impatient()])
    assert outcome.interrupted
    assert small.run(jobs=0, accelerator="cpu").successful


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        (
            {"epochs": 3},
            TypeError,
            r"run\(\) has no argument 'epochs'; there are callbacks, launch",
        ),
        ({"seeds": 0}, ValueError, "seeds must be a number of at least 1"),
        ({"jobs": -1}, ValueError, "jobs must be auto or a number of at least 0, not -1"),
        ({"callbacks": [3]}, ValueError, "callbacks should be SweepCallbacks, not int"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_done(small, tmp_path, asked, error, said):
    with pytest.raises(error, match=said):
        small.run(**asked)
    assert not list(tmp_path.iterdir())


def test_the_best_trial_gives_its_settings_its_weights_and_a_configuration_to_run_again(small, tmp_path):
    outcome = small.run(jobs=0, accelerator="cpu")
    assert outcome.best.settings == {"lr": 0.1, "width": 4, "seed": 123, "max_epochs": 2}
    module = outcome.best.load()
    assert isinstance(module, toy.Toy)
    assert not module.training
    x, y = toy.ToyData().data.tensors
    accuracy = (module.net(x).argmax(1) == y).float().mean()
    assert accuracy.item() == pytest.approx(outcome.best.result.final("val_accuracy"))
    outcome.best.save_config(tmp_path / "winner.yaml")
    assert yaml.safe_load((tmp_path / "winner.yaml").read_text())["grid"] == {"lr": [0.1]}
    with pytest.raises(SystemExit) as end:
        cli.main(small, argv=["--config", "winner.yaml", "--jobs", "0", "--accelerator", "cpu", "--dry_run"])
    assert end.value.code == 0
    outcome.best.checkpoint.unlink()
    with pytest.raises(FileNotFoundError, match=r"the weights of lr=0.1 are not there"):
        outcome.best.load()


def _outcome(small, tmp_path):
    trials = small.trials(seeds=[1, 2])
    results = {t.key: completed(t, 0.9 if t.cell["lr"] == 0.1 else 0.5) for t in trials}
    return Outcome(small, trials, results, folder=tmp_path)


def test_its_table_is_text_and_for_jupyter_html_in_which_nothing_is_run(small, tmp_path):
    outcome = _outcome(small, tmp_path)
    text = str(outcome.table())
    assert text.splitlines()[0].split()[:2] == ["lr", "val_acc"]
    assert "← winner" in text
    assert "<td>0.9000±0.0000</td>" in outcome._repr_html_()
    hostile = outcome.table()
    hostile.columns = {"<b>": ["<script>"]}
    assert "<th>&lt;b&gt;</th>" in hostile._repr_html_()
    assert "<script>" not in hostile._repr_html_()


def test_its_figure_is_that_of_the_sweep(small, tmp_path):
    written = io.BytesIO()
    _outcome(small, tmp_path).figure().savefig(written, dpi=20)
    assert written.getvalue().startswith(b"\x89PNG")


def test_its_frame_has_the_rows_of_the_csv(small, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = _outcome(small, tmp_path).frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["val_accuracy"]) == [0.9, 0.5, 0.9, 0.5]
    assert list(frame["lr"]) == [0.1, 0.001, 0.1, 0.001]
    assert list(frame["seed"]) == [1, 1, 2, 2]


def test_its_history_has_a_row_for_each_trial_and_epoch_with_the_numbers_of_the_ledger(small, tmp_path):
    pytest.importorskip("pandas")
    outcome = _outcome(small, tmp_path)
    frame = outcome.frame(history=True)
    assert list(frame.columns) == ["lr", "seed", "epoch", *outcome.ordered[0].history]
    (result,) = [r for r in outcome.ordered if r.cell["lr"] == 0.001 and r.config["seed"] == 2]
    of_one = frame[(frame["lr"] == 0.001) & (frame["seed"] == 2)]
    assert list(of_one["epoch"]) == list(range(1, result.epochs + 1))
    for name, curve in result.history.items():
        assert list(of_one[name]) == pytest.approx(curve, rel=1e-5)


def test_without_pandas_its_frame_says_what_to_install(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="needs pandas: pip install pandas"):
        _outcome(small, tmp_path).frame()


def test_without_a_winner_there_is_no_best(small, tmp_path):
    with pytest.raises(LookupError, match="no cell has completed with all its seeds"):
        _ = Outcome(small, small.trials(), folder=tmp_path).best


def test_a_launcher_of_ones_own_is_given_build_and_runtime_and_runs_the_trials(sweep, tmp_path):
    given = []

    def launch(build, runtime):
        given.append((build, Path(runtime.folder)))
        return FakeLaunch()

    outcome = sweep.run(launch=launch, log_dir=str(tmp_path))
    assert given == [("toy:build", tmp_path / "tiny")]
    assert repr(outcome) == str(outcome.table()), "in a REPL too"
    assert len(repr(outcome.best)) < 300
    assert outcome.successful
