"""A joint search: what it draws, that it goes on where it was stopped, and that the poor trials end early."""

import dataclasses
import json
import math
import signal
import statistics
import time
from functools import partial

import numpy as np
import pytest
from conftest import LONG, FakeLaunch, TinyConfig, completed, environment
from forked import Script

import nnhp_torch
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.run.launch.workers import InProcess, Workers
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.search import journal as optunas
from nnhp_torch.search.chooser import OptunaChooser
from nnhp_torch.search.space import Range, Search

AXES = {"lr": Range(0.001, 1.0, log=True), "width": Range(2, 9)}


SEARCH = Search("tiny", TinyConfig(), AXES, build="toy:build")


@pytest.fixture
def search() -> Search:
    return SEARCH


def orders(trial):
    """Orders of magnitude from the best learning rate."""
    return abs(math.log10(trial.config.lr / 0.1))


class Scores(FakeLaunch):
    """Completes each trial with an accuracy that falls with the distance from the best learning rate."""

    def __call__(self, trials, listener):
        for trial in trials:
            if listener.stopping():
                return
            listener.started(trial)
            self.ran.append(trial.name)
            listener.ended(trial, completed(trial, 0.9 - 0.1 * orders(trial)))


def run(search, store, launch=None, trials=12, stop=None, **settings):
    chooser = OptunaChooser(search, store.folder, trials, **{"pruner": "none", **settings})
    launch = launch or Scores()
    made = partial(_seeded, search, seed=settings.get("seed", 123))
    return Sweeper(launch, store).run(search, [], stop or (lambda: False), chooser=chooser, make=made)


def _seeded(search, number, values, seed):
    return search.trial(number, {"seed": seed, **values})


def drawn(outcome):
    return [(trial.name, dict(trial.cell)) for trial in outcome.trials]


@pytest.mark.needs("optuna")
def test_the_same_seed_draws_the_same_trials_and_another_one_others(search, tmp_path):
    first, again, other = (
        run(search, ResultStore(tmp_path / folder), seed=seed) for folder, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert drawn(first) == drawn(again)
    assert len({trial.key for trial in first.trials}) == 12
    assert not {trial.config.lr for trial in first.trials} & {trial.config.lr for trial in other.trials}
    assert {trial.config.seed for trial in other.trials} == {2}


@pytest.mark.needs("optuna")
def test_values_stay_in_their_ranges_and_whole_ones_whole(search, store):
    outcome = run(search, store, trials=40, sampler="random")
    assert all(0.001 <= trial.config.lr <= 1.0 for trial in outcome.trials)
    assert {trial.config.width for trial in outcome.trials} == set(range(2, 10))
    small = sum(trial.config.lr < 0.03 for trial in outcome.trials)
    assert 10 < small < 30, "half of the magnitudes are below 0.03, where a plain range would have 3 % of the numbers"


@pytest.mark.needs("optuna")
def test_tpe_learns_where_to_look(search, tmp_path):
    def misses(sampler):
        outcome = run(search, ResultStore(tmp_path / sampler), trials=40, sampler=sampler)
        return statistics.median(map(orders, outcome.trials[20:]))

    assert misses("tpe") < 0.7 * misses("random")


@pytest.mark.needs("optuna")
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_that_was_stopped_goes_on_as_if_it_never_was(search, tmp_path, sampler):
    whole = run(search, ResultStore(tmp_path / "whole"), trials=20, sampler=sampler)
    store = ResultStore(tmp_path / "stopped")
    for stops_after in (3, 12):
        launch = Scores()
        outcome = run(search, store, launch, 20, lambda n=stops_after, la=launch: len(la.ran) >= n, sampler=sampler)
        assert outcome.interrupted
        assert outcome.left == 20 - len(outcome.results) > 0
    last = Scores()
    assert drawn(run(search, store, last, 20, sampler=sampler)) == drawn(whole)
    assert len(last.ran) == 5
    assert len(store.path.read_text().splitlines()) == 20
    finished = Scores()
    assert drawn(run(search, store, finished, 20, sampler=sampler)) == drawn(whole)
    assert finished.ran == []


@pytest.mark.needs("optuna")
def test_more_trials_go_on_from_those_there_are(search, store):
    few = run(search, store, trials=5)
    launch = Scores()
    more = run(search, store, launch, trials=8)
    assert drawn(more)[:5] == drawn(few)
    assert len(launch.ran) == 3


@pytest.mark.needs("optuna")
def test_a_failed_trial_stays_in_the_search_and_runs_again(search, store):
    class FailsOnce(Scores):
        def __call__(self, trials, listener):
            bad = next(trials)
            listener.started(bad)
            listener.ended(bad, TrialResult.of(bad, "failed", "ValueError: no"))
            super().__call__(trials, listener)

    first = run(search, store, FailsOnce(), trials=4)
    assert [result.status for result in first.ordered] == ["failed", *["completed"] * 3]
    launch = Scores()
    assert run(search, store, launch, trials=4).successful
    assert launch.ran == [first.trials[0].name]


@pytest.mark.needs("optuna")
def test_what_the_ledger_has_is_not_trained_again(store):
    small = Search("tiny", TinyConfig(), {"lr": [0.1, 0.2], "width": [4, 8]}, build="toy:build")
    launch = Scores()
    outcome = run(small, store, launch, trials=12, sampler="random")
    assert len(launch.ran) == len(outcome.trials) == len(store.path.read_text().splitlines()) == 4
    assert outcome.left == 0, "a draw that repeats an earlier one counts"
    wider = dataclasses.replace(small, axes={"lr": [0.1, 0.2, 0.3], "width": [4, 8]})
    launch = Scores()
    outcome = run(wider, store, launch, trials=40, sampler="random")
    assert len(launch.ran) == 2, "another search in the same folder takes what is there"
    assert len(outcome.ordered) == 6


@pytest.mark.needs("optuna")
@pytest.mark.parametrize("budget", [9, 11])
def test_a_budget_of_epochs_is_spent_and_never_overspent(search, store, budget):
    outcome = run(search, store, trials=100, budget=budget)
    assert sum(result.epochs for result in outcome.ordered) == 9, "three epochs each"
    assert outcome.left == 0


@pytest.mark.needs("optuna")
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_wherever_a_kill_cut_optunas_journal_the_same_trials_are_drawn(search, tmp_path, sampler):
    """A trial takes several lines, one for each setting: a kill between two leaves it half drawn."""
    store = ResultStore(tmp_path / "whole")
    whole = run(search, store, trials=12, sampler=sampler)
    lines = (store.folder / "optuna.journal").read_bytes().splitlines(keepends=True)
    assert len(lines) > 4 * 12
    for kept in range(len(lines)):
        cut = ResultStore(tmp_path / f"{kept} lines")
        cut.folder.mkdir()
        cut.path.write_bytes(store.path.read_bytes())
        (cut.folder / "optuna.journal").write_bytes(b"".join(lines[:kept]))
        assert drawn(run(search, cut, trials=12, sampler=sampler)) == drawn(whole), f"with {kept} lines"


@pytest.mark.needs("optuna")
def test_a_line_that_a_crash_tore_from_optunas_journal_is_cut_off(search, store):
    run(search, store, trials=3)
    journal = store.folder / "optuna.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "wor')
    assert len(run(search, store, trials=5).ordered) == 5
    assert journal.read_bytes().startswith(whole)
    assert len(run(search, store, trials=6).ordered) == 6


class Curves(FakeLaunch):
    """Trains nothing: tells each trial's epochs, and ends it where it is asked to."""

    def __call__(self, trials, listener):
        for trial in trials:
            listener.started(trial)
            self.ran.append(trial.name)
            curve, reason = [], None
            while reason is None and len(curve) < trial.config.max_epochs:
                curve.append(0.9 - 0.1 * orders(trial) - trial.config.width / 10 / (1 + len(curve)))
                reason = listener.epoch_ended(trial, len(curve), {"val_accuracy": curve[-1]})
            status = "pruned" if reason else "completed"
            history = {"val_accuracy": curve}
            listener.ended(trial, dataclasses.replace(completed(trial), status=status, history=history))


@pytest.mark.needs("optuna")
@pytest.mark.parametrize("pruner", ["hyperband", "median"])
def test_whatever_a_search_with_pruning_has_lost_it_answers_as_it_did(search, tmp_path, pruner):
    """Lines of the ledger, of Optuna's journal from any one on, or of both: a pruner notes what it was asked."""
    import optuna

    search = dataclasses.replace(search, base=TinyConfig(max_epochs=9))

    def records(store):
        outcome = run(search, store, Curves(), trials=11, pruner=pruner)
        (study,) = optuna.get_all_study_summaries(storage := optunas.storage(store.folder / "optuna.journal"))
        known = [
            (trial.state, trial.values, trial.intermediate_values, trial.system_attrs)
            for trial in optuna.load_study(study_name=study.study_name, storage=storage).trials
        ]
        return [(result.name, result.status, result.history) for result in outcome.ordered], known

    store = ResultStore(tmp_path / "whole")
    whole = records(store)
    assert {status for _, status, _ in whole[0]} == {"completed", "pruned"}
    ledger, journal = store.path.read_bytes(), (store.folder / "optuna.journal").read_bytes()
    results, lines = ledger.splitlines(keepends=True), journal.splitlines(keepends=True)
    lost = {f"the ledger's line {n}": (results[:n] + results[n + 1 :], lines) for n in range(len(results))}
    lost |= {f"all but {n} lines of the journal": (results, lines[:n]) for n in range(0, len(lines), 13)}
    ends = [n for n, line in enumerate(lines) if b'"values"' in line]  # where a trial has ended
    for n in range(len(lines) - 40, len(lines)):  # what a kill leaves
        lost[f"what comes after line {n}"] = results[: sum(n > end for end in ends)], lines[:n]
    for what, (results_left, lines_left) in lost.items():
        left = ResultStore(tmp_path / what)
        left.folder.mkdir()
        left.path.write_bytes(b"".join(results_left))
        (left.folder / "optuna.journal").write_bytes(b"".join(lines_left))
        assert records(left) == whole, what


@pytest.mark.needs("optuna")
@pytest.mark.parametrize("pruner", ["hyperband", "median"])
@pytest.mark.parametrize("said", [{"val_accuracy": math.nan}, {"val_accuracy": -math.inf}, {"val_loss": 0.5}], ids=str)
def test_an_epoch_whose_metric_is_no_number_ends_no_trial_and_is_in_no_study(search, store, pruner, said):
    """Pruners take NaN for the worst there is, and end a trial that has not logged its metric yet."""
    search = dataclasses.replace(search, base=TinyConfig(max_epochs=9))
    run(search, store, Curves(), trials=8, pruner=pruner)
    chooser = OptunaChooser(search, store.folder, 9, pruner=pruner)
    *_, (cell,) = chooser
    assert chooser.epoch_ended(cell, 1, said) is None
    assert chooser.epoch_ended(cell, 2, {"val_accuracy": -9.0}), "a poor trial, if there is a number"
    assert chooser.study.trials[-1].intermediate_values == {2: -9.0}
    curve = [math.nan, -9.0, math.inf]
    trial = _seeded(search, 8, cell, 123)
    chooser.settle(cell, dataclasses.replace(completed(trial), status="pruned", history={"val_accuracy": curve}))
    assert chooser.study.trials[-1].intermediate_values == {2: -9.0}


@pytest.mark.needs("optuna")
@pytest.mark.parametrize("pruner", ["hyperband", "median"])
def test_where_trials_are_ended_depends_on_no_default_of_optunas(search, store, pruner):
    search = dataclasses.replace(search, base=TinyConfig(max_epochs=9))
    outcome = run(search, store, Curves(), trials=30, pruner=pruner)
    ends = {"hyperband": "999399111193399199919999939993", "median": "999999111199199199929999989991"}
    assert "".join(str(result.epochs) for result in outcome.ordered) == ends[pruner], "by Optuna 4.9 and 5.0"


@pytest.mark.needs("optuna")
def test_importances_are_told_from_five_completed_trials_on(search, store):
    for trials in (4, 5):
        chooser = OptunaChooser(search, store.folder, trials, pruner="none")
        assert chooser.importances() == {}, "before it is opened"
        run(search, store, trials=trials)
        list(chooser)
        assert list(chooser.importances()) == (["lr", "width"] if trials == 5 else []), "what matters most comes first"


@pytest.mark.needs("optuna")
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("pruner", ["hyperband", "median"])
@pytest.mark.parametrize("launcher", [InProcess, Workers])
def test_poor_trials_end_early_and_are_never_ranked(search, store, pruner, launcher):
    search = dataclasses.replace(search, base=TinyConfig(max_epochs=9))
    store.folder.mkdir(parents=True)
    runtime = Runtime(str(store.folder), accelerator="cpu")
    launch = InProcess("toy:build", runtime) if launcher is InProcess else Workers("toy:build", runtime, jobs=2)
    outcome = run(search, store, launch, trials=14, pruner=pruner)
    pruned = [result for result in outcome.ordered if result.status == "pruned"]
    completed = [result for result in outcome.ordered if result.status == "completed"]
    assert len(pruned) + len(completed) == 14
    assert pruned
    assert all(1 <= result.epochs < 9 and not result.test and result.reason.startswith(pruner) for result in pruned)
    assert all(result.epochs == 9 and result.test for result in completed)
    assert outcome.successful
    assert outcome.left == 0
    assert outcome.summary.leader.completed[0].status == "completed"


@pytest.mark.needs("optuna")
def test_with_one_job_a_search_with_pruning_gives_the_same_numbers_again(search, tmp_path):
    search = dataclasses.replace(search, base=TinyConfig(max_epochs=9))

    def records(folder):
        folder.mkdir(parents=True)
        launch = InProcess("toy:build", Runtime(str(folder), accelerator="cpu"))
        outcome = run(search, ResultStore(folder), launch, trials=12, pruner="hyperband")
        return [(result.name, result.status, result.history, result.test) for result in outcome.ordered]

    assert records(tmp_path / "a") == records(tmp_path / "b")


@pytest.mark.needs("optuna")
def test_a_setting_that_makes_no_sense_beside_another_is_left_at_the_base():
    from sweeps.search import SEARCH

    def suggest(name, axis):
        assert name != "momentum"
        return "Adagrad" if name == "optimizer" else axis.high if isinstance(axis, Range) else axis[0]

    cell = SEARCH.sample(suggest)
    assert cell["momentum"] is None
    trial = SEARCH.trial(7, cell)
    assert (trial.config.optimizer, trial.config.lr) == ("Adagrad", 0.1)
    assert trial.name.startswith("0007-")


def test_the_ranges_contain_the_articles_grids():
    from importlib import import_module

    from sweeps.search import SEARCH

    for name in ("layers_nodes", "optimizer", "batch_size", "learning_rate", "momentum", "weight_regularization"):
        for axis, values in import_module(f"sweeps.{name}").SWEEP.axes.items():
            ours = SEARCH.axes[axis]
            inside = [ours.low <= v <= ours.high if isinstance(ours, Range) else v in ours for v in values]
            assert all(inside), axis


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Range(1.0, 0.1), "lower end and its upper end"),
        (lambda: Range(0.0, 0.1, log=True), "begins above 0"),
        (lambda: Search("s", TinyConfig(), {"lr": Range(-1.0, 1.0)}, "toy:build"), "lr must be a number above 0"),
        (
            lambda: Search("s", TinyConfig(), {"lr": [0.1, math.inf]}, "toy:build"),
            "lr must be a plain value and finite",
        ),
        (
            lambda: Search("s", TinyConfig(), {"lr": [0.1, math.nan]}, "toy:build"),
            "lr must be a plain value and finite",
        ),
        (
            lambda: Search("s", TinyConfig(), AXES, "toy:build", unless={"lr": ("width", 4)}),
            "lr cannot depend on width",
        ),
    ],
)
def test_ranges_that_make_no_sense_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_search_has_no_replicates():
    with pytest.raises(TypeError, match="replicates"):
        Search("s", TinyConfig(), {"lr": Range(0.1, 1.0)}, "toy:build", replicates={"width": [4, 5]})


def test_the_ends_of_a_range_may_be_numpys():
    ends = Range(np.float64(0.5), np.float32(0.75)), Range(np.int64(2), np.int32(9))
    assert [repr(axis) for axis in ends] == [repr(Range(0.5, 0.75)), repr(Range(2, 9))]
    assert ends[1].whole


def main(*args):
    from sweeps.search import SEARCH

    with pytest.raises(SystemExit) as raised:
        nnhp_torch.main(SEARCH, argv=args)
    return raised.value.code


@pytest.mark.needs("optuna")
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--trials", "0"], "trials must be a whole number of at least 1, not 0"),
        (["--trials", "many"], "trials"),
        (["--sampler", "grid"], "sampler"),
        (["--pruner", "tpe"], "pruner"),
        (["--budget", "79"], "a budget of 79 epochs is spent before one trial of 80 ends"),
        (["--seeds", "2"], "a search trains each trial with one seed"),
        (["--grid.lr", "[0.1]"], "axis lr is a range and needs its two ends"),
        (["--grid.lr", "[0.1, 0.01]"], "a range needs its lower end and its upper end, not [0.1, 0.01]"),
        (["--grid.lr", "[0.0, 0.1]"], "begins above 0"),
        (["--grid.lr", "[0.1, .inf]"], "a range needs its lower end and its upper end, not [0.1, inf]"),
        (["--grid.lr", "[.nan, 0.1]"], "a range needs its lower end and its upper end, not [nan, 0.1]"),
        (["--grid.dropout", "[0.5, 1.5]"], "dropout must be a number at least 0 and below 1"),
        (["--grid.momentum", "[null, 0.9]"], "a range needs its lower end"),
        (["--grid.optimizer", "[Adam, sgd]"], "did you mean SGD?"),
        (["--base.lr", "0.1"], "lr is what varies here: --grid.lr"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_value_gets_one_line_and_exit_status_2(args, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = main(*args)
    out, err = capsys.readouterr()
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert said in err
    assert not list(tmp_path.iterdir())


def test_without_optuna_one_line_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nnhp_torch.search.chooser.find_spec", lambda name: None)
    code = main()
    err = capsys.readouterr().err
    assert (code, len(err.splitlines())) == (2, 1)
    assert "pip install '.[search]'" in err
    assert not list(tmp_path.iterdir())


SCRIPT = """
from conftest import TinyConfig
from nnhp_torch.search.space import Range, Search
from nnhp_torch.cli.main import main

AXES = {"lr": Range(0.001, 1.0, log=True), "width": Range(2, 9)}
SEARCH = Search("tiny", TinyConfig(max_epochs=9), AXES, build="toy:build", about="About.")

if __name__ == "__main__":
    main(SEARCH)
"""


FLAGS = ["--accelerator", "cpu", "--jobs", "1", "--trials", "15"]


def start(folder):
    return Script(["search.py", *FLAGS], folder, environment())


def table(folder):
    lines = (folder / "lightning_logs" / "tiny" / "results.jsonl").read_text().splitlines()
    records = [record for record in map(json.loads, lines) if record["status"] in ("completed", "pruned")]
    return {record["name"]: (record["status"], record["history"], record["test"]) for record in records}, len(records)


@pytest.mark.needs("optuna")
@pytest.mark.usefixtures("quick")
def test_a_search_killed_again_and_again_ends_with_the_table_of_one_that_was_not(search, tmp_path, monkeypatch):
    search = dataclasses.replace(search, base=TinyConfig(max_epochs=9))
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
    (folders[1] / "search.py").write_text(SCRIPT)
    monkeypatch.chdir(folders[0])
    with pytest.raises(SystemExit, match="0"):
        nnhp_torch.main(search, argv=FLAGS)
    ledger = folders[1] / "lightning_logs" / "tiny" / "results.jsonl"
    for records in (2, 7):
        process = start(folders[1])
        end = time.monotonic() + LONG
        while not ledger.exists() or ledger.read_bytes().count(b"\n") < records:
            assert time.monotonic() < end, "waited in vain"
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    process = start(folders[1])
    out, _ = process.communicate(timeout=LONG)
    assert process.returncode == 0, out
    assert table(folders[1]) == table(folders[0])
    names, count = table(folders[1])
    assert len(names) == count == 15
    left = folders[1] / "lightning_logs" / "tiny"
    assert (left / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert list((left / "figure").glob("events.out.tfevents.*"))
    assert len((left / "results.csv").read_text().splitlines()) == 16
    assert all(list((left / name).glob("events.out.tfevents.*")) for name in names)
    assert "Winner: lr=" in out


def test_a_search_may_have_more_choices_than_a_sweep_may_have_cells():
    choices = list(range(1, 1001))
    assert Search("s", TinyConfig(), {"width": choices, "lr": choices}, "toy:build").axes["lr"] == choices
    with pytest.raises(ValueError, match="that would be 1000000 trials"):
        Sweep("s", TinyConfig(), {"width": choices, "lr": choices}, "toy:build")


def test_a_search_is_no_sweep_and_a_sweep_has_no_ranges():
    assert not isinstance(Search("s", TinyConfig(), AXES, "toy:build"), Sweep)
    with pytest.raises(ValueError, match=r"axis lr needs a list with at least one value, not Range"):
        Sweep("s", TinyConfig(), AXES, "toy:build")


@pytest.mark.needs("optuna")
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_what_is_drawn_depends_on_no_default_of_optunas(search, store, sampler):
    last = drawn(run(search, store, trials=32, sampler=sampler, pruner="hyperband"))[-1]
    of = {"tpe": ("0031-1468e450", {"lr": 0.0865, "width": 8}), "random": ("0031-1a24b1fb", {"lr": 0.0948, "width": 3})}
    assert last == of[sampler], "Optuna 4.9 and 5.0 draw these"


@pytest.mark.needs("optuna")
def test_another_optuna_than_the_ledgers_is_said_and_each_result_names_its_own(search, store, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: "4.0.0")
    first = run(search, store, trials=3)
    assert [result.versions["optuna"] for result in first.ordered] == ["4.0.0"] * 3
    monkeypatch.undo()
    assert run(search, store, trials=3).remarks == [], "nothing was sampled"
    (remark,) = run(search, store, trials=4).remarks
    assert remark.startswith("Sampled by Optuna 4.0.0 before and by ")


@pytest.mark.parametrize(
    ("axis", "least"),
    [
        (Range(0.99, 0.9999), 900),
        (Range(1.0, 1.01, log=True), 900),
        (Range(-0.9999, -0.99), 900),
        (Range(0.12345, 0.6), 400),
        (Range(1e-7, 1.0, log=True), 2000),
        (Range(-1, 1.5), 200),
        (Range(2, 2.0000001), 900),
    ],
    ids=str,
)
def test_numbers_that_are_drawn_lie_in_their_range_however_narrow_it_is(axis, least):
    values = [axis.rounded(axis.low + (axis.high - axis.low) * i / 5000) for i in range(5001)]
    values += [axis.rounded(math.exp(math.log(axis.low) * i / 5000)) for i in range(5001)] if axis.log else []
    assert all(axis.low <= value <= axis.high for value in values)
    assert len(set(values)) >= least, "and there are enough of them"


@pytest.mark.parametrize("ends", [(0.0, math.inf), (1, 10**400), (-1e308, 1e308), (math.nan, 1.0), (False, True)])
def test_a_range_that_nothing_can_be_drawn_from_is_refused(ends):
    with pytest.raises(ValueError, match="a range needs its lower end and its upper end"):
        Range(*ends)


@dataclasses.dataclass(frozen=True)
class Even(TinyConfig):
    def __post_init__(self):
        if self.width % 2 and self.lr < 0.1:
            raise ValueError("width must be even")


@pytest.mark.needs("optuna")
def test_what_the_configuration_refuses_is_skipped_and_said_and_the_search_goes_on(search, tmp_path):
    search = dataclasses.replace(search, base=Even())
    whole = run(search, ResultStore(tmp_path / "whole"), trials=20)
    store = ResultStore(tmp_path / "stopped")
    launch = Scores()
    run(search, store, launch, 20, lambda: len(launch.ran) >= 5)
    again = run(search, store, trials=20)
    assert drawn(again) == drawn(whole)
    assert 5 < len(whole.trials) < 20
    assert again.remarks == [f"Even refused {20 - len(whole.trials)} of what was sampled, such as: width must be even"]


@pytest.mark.needs("optuna")
def test_a_search_whose_base_has_another_default_by_now_samples_anew(search, store):
    def edited(depth):
        fields = [("depth", int, depth), *((f.name, f.type, f.default) for f in dataclasses.fields(TinyConfig))]
        made = dataclasses.make_dataclass("Edited", fields, frozen=True)
        return dataclasses.replace(search, base=made())

    class Depths(Scores):
        """The best learning rate depends on it."""

        def __call__(self, trials, listener):
            for trial in trials:
                listener.started(trial)
                listener.ended(trial, completed(trial, 0.9 - abs(math.log10(trial.config.lr) + trial.config.depth)))

    for depth in (1, 2):
        first, again = (run(edited(depth), store, Depths(), trials=13) for _ in range(2))
        assert len(first.ran) == 13
        assert again.ran == []
        alone = run(edited(depth), ResultStore(store.folder.parent / f"{depth}"), Depths(), trials=13)
        assert drawn(first) == drawn(alone), "what was learned of the other ones counts for nothing"
    assert run(edited(1), store, Depths(), trials=13).ran == [], "its own trials are still there"
