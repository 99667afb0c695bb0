"""The sweeper runs what is missing, writes it down first, and goes on after a failure."""

import dataclasses
import errno
import itertools
import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
from conftest import FakeLaunch, completed

from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.interfaces import Chooser, SweepCallback
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.run.launch.workers import InProcess
from nnhp_torch.run.runtime import Runtime


class Spy(SweepCallback):
    def __init__(self, store: ResultStore) -> None:
        self.store = store
        self.heard: list[str] = []

    def on_sweep_start(self, outcome):
        self.heard.append(f"sweep start {len(outcome.missing)} missing")

    def on_trial_start(self, trial):
        self.heard.append(f"start {trial.label}")

    def on_epoch_end(self, trial, epoch, metrics):
        self.heard.append(f"epoch {epoch} {metrics['val_accuracy']}")

    def on_trial_end(self, trial, result):
        assert self.store.results()[trial.key] == result, "the ledger comes before the callbacks"
        self.heard.append(f"end {trial.label} {result.status}")

    def on_sweep_end(self, outcome):
        self.heard.append(f"sweep end {len(outcome.ordered)} results")


def test_callbacks_hear_of_everything_in_order(sweep, store):
    spy = Spy(store)
    small = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]})
    Sweeper(FakeLaunch(), store, [spy]).run(small, small.trials())
    assert spy.heard == [
        "sweep start 2 missing",
        "start lr=0.1",
        "epoch 1 0.5",
        "end lr=0.1 completed",
        "start lr=0.01",
        "epoch 1 0.5",
        "end lr=0.01 completed",
        "sweep end 2 results",
    ]


def test_the_same_sweep_again_runs_nothing(sweep, store):
    Sweeper(FakeLaunch(), store).run(sweep, sweep.trials())
    again = FakeLaunch()
    outcome = Sweeper(again, store).run(sweep, sweep.trials())
    assert again.ran == []
    assert outcome.ran == []
    assert outcome.successful
    assert len(outcome.ordered) == 4


def test_a_wider_grid_runs_only_what_it_adds(sweep, store):
    Sweeper(FakeLaunch(), store).run(sweep, sweep.trials())
    wider = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01], "width": [4, 6, 8]})
    launch = FakeLaunch()
    outcome = Sweeper(launch, store).run(wider, wider.trials())
    assert launch.ran == ["lr=0.1,width=6", "lr=0.01,width=6"]
    assert [result.name for result in outcome.ordered] == [trial.name for trial in wider.trials()]


@pytest.mark.parametrize(
    ("status", "again"), [("failed", True), ("interrupted", True), ("diverged", False), ("pruned", False)]
)
def test_failed_and_interrupted_trials_run_again_and_diverged_and_pruned_ones_do_not(sweep, store, status, again):
    trial = sweep.trials()[1]
    store.append(TrialResult.of(trial, status, "because"))
    launch = FakeLaunch()
    Sweeper(launch, store).run(sweep, sweep.trials())
    assert (trial.name in launch.ran) is again


def test_a_failed_trial_does_not_end_the_sweep(sweep, store):
    bad = sweep.trials()[0]
    launch = FakeLaunch({bad.label: TrialResult.of(bad, "failed", "ValueError: no")})
    outcome = Sweeper(launch, store).run(sweep, sweep.trials())
    assert len(launch.ran) == 4
    assert not outcome.successful
    assert not outcome.interrupted, "nobody has stopped it"
    assert [trial.key for trial in outcome.missing] == [bad.key]


def test_fail_fast_stops_after_the_first_failure(sweep, store):
    bad = sweep.trials()[1]
    launch = FakeLaunch({bad.label: TrialResult.of(bad, "failed", "ValueError: no")})
    Sweeper(launch, store, fail_fast=True).run(sweep, sweep.trials())
    assert len(launch.ran) == 2


def test_a_launcher_that_breaks_leaves_its_trial_interrupted_and_the_rest_intact(sweep, store):
    broken = sweep.trials()[2]
    with pytest.raises(RuntimeError, match="boom"):
        Sweeper(FakeLaunch({broken.label: RuntimeError("boom")}), store).run(sweep, sweep.trials())
    assert [result.status for result in store.results().values()] == ["completed", "completed", "interrupted"]


def test_a_trial_that_is_cut_off_keeps_the_history_that_was_told(sweep, store):
    def launch(trials, listener):
        for trial in (next(trials), next(trials)):
            listener.started(trial)
            listener.epoch_ended(trial, 1, {"val_accuracy": 0.5})
            listener.epoch_ended(trial, 2, {"val_accuracy": 0.75, "val_f1": 0.25})
        listener.ended(trial, TrialResult.of(trial, "failed", "the worker process was killed by SIGKILL"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Sweeper(launch, store).run(sweep, sweep.trials())
    lost, cut_off = store.results().values()
    assert (lost.status, cut_off.status) == ("failed", "interrupted")
    for result in (lost, cut_off):
        assert result.epochs == 2
        assert result.history["val_accuracy"] == [0.5, 0.75]
        assert math.isnan(result.history["val_f1"][0])


def test_a_callback_that_raises_is_named_and_costs_the_sweep_nothing(sweep, store):
    """It is told once more of the trials' ends that it has missed, and then what it has missed for good is said."""

    class Hook(SweepCallback):
        def __init__(self, refused, answers_again):
            self.refused, self.answers_again, self.took = refused, answers_again, []

        def on_trial_end(self, trial, result):
            if trial.label == self.refused:
                self.refused = "" if self.answers_again else self.refused
                raise ConnectionError("500")
            self.took.append(trial.label)

    class Silent(Hook):
        def on_epoch_end(self, trial, epoch, metrics):
            if trial.label == self.refused:
                raise ValueError("no such epoch")

    third, last = sweep.trials()[2].label, sweep.trials()[3].label
    callbacks = [Hook(third, True), Silent(last, False)]
    outcome = Sweeper(FakeLaunch(), store, callbacks).run(sweep, sweep.trials())
    assert outcome.successful
    labels = [trial.label for trial in sweep.trials()]
    assert callbacks[0].took == [*labels[:2], labels[3], third]
    assert callbacks[1].took == labels[:3]
    name = sweep.trials()[3].name
    said = "the traceback is in workers.log"
    assert outcome.remarks == [
        f"Hook raised in on_trial_end (ConnectionError: 500; {said}): told again at the end, it took all",
        f"Silent raised in on_epoch_end (ValueError: no such epoch; {said}): it has missed {name}",
        f"Silent raised in on_trial_end (ConnectionError: 500; {said}): it has missed {name}",
    ]
    assert store.log.read_text().count("Traceback") == 3, "one for each hook"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), LedgerError("no")])
def test_what_no_sweep_can_go_on_with_is_raised_whoever_listens(sweep, store, error):
    class Full(SweepCallback):
        def on_trial_end(self, trial, result):
            raise error

    with pytest.raises(type(error)):
        Sweeper(FakeLaunch(), store, [Full()]).run(sweep, sweep.trials())
    assert [result.status for result in store.results().values()] == ["completed"]


@pytest.mark.parametrize("read_only", [False, True])
def test_what_writes_hears_nothing_of_a_sweep_in_a_folder_that_cannot_be_written(sweep, store, monkeypatch, read_only):
    Sweeper(FakeLaunch(), store).run(sweep, sweep.trials())
    reader, writer = Spy(store), Spy(store)
    writer.writes = True
    monkeypatch.setattr(store, "lock", lambda: nullcontext())
    store.read_only = read_only
    Sweeper(FakeLaunch(), store, [reader, writer]).run(sweep, sweep.trials())
    assert reader.heard == ["sweep start 0 missing", "sweep end 4 results"]
    assert writer.heard == ([] if read_only else reader.heard)


@pytest.mark.parametrize("hook", ["on_sweep_start", "on_sweep_end"])
def test_where_its_beginning_or_end_raises_the_error_comes_out_and_all_callbacks_hear_of_the_end(sweep, store, hook):
    class Bad(SweepCallback):
        pass

    def boom(self, *_):
        raise RuntimeError("my callback")

    setattr(Bad, hook, boom)
    ends = []

    class Listening(SweepCallback):
        def on_sweep_end(self, outcome):
            ends.append([result.status for result in outcome.ordered])

    with pytest.raises(RuntimeError, match="my callback"):
        Sweeper(FakeLaunch(), store, [Bad(), Listening()]).run(sweep, sweep.trials())
    recorded = [result.status for result in store.results().values()]
    assert ends == [recorded], "and what they hear is what the ledger holds"
    assert len(recorded) == {"on_sweep_start": 0, "on_sweep_end": 4}.get(hook, 1)
    with store.lock():
        pass  # the folder is free again


def test_a_stop_leaves_the_rest_for_the_next_run(sweep, store):
    launch = FakeLaunch()
    outcome = Sweeper(launch, store).run(sweep, sweep.trials(), stop=lambda: len(launch.ran) == 2)
    assert outcome.interrupted
    assert len(outcome.missing) == 2
    assert Sweeper(FakeLaunch(), store).run(sweep, sweep.trials()).successful


def test_of_a_complete_sweep_nothing_is_left(sweep):
    trials = sweep.trials()
    results = {trial.key: completed(trial) for trial in trials}
    assert [Outcome(sweep, trials, results, unchosen=more).left for more in (0, 3)] == [0, 3]
    assert (Outcome(sweep, trials, results).left, Outcome(sweep, trials).left) == (0, 4)
    assert not Outcome(sweep, trials).interrupted


def test_an_outcome_has_its_sweeps_replicates(sweep):
    repeated = dataclasses.replace(sweep, axes={"lr": [0.1]}, replicates={"width": [4, 6]})
    assert list(repeated.replicates["width"]) == [4, 6]


def test_only_the_trials_asked_for_are_reported(sweep, store):
    Sweeper(FakeLaunch(), store).run(sweep, sweep.trials(seeds=[1, 2]))
    outcome = Sweeper(FakeLaunch(), store).run(sweep, sweep.trials(seeds=[2]))
    assert {result.config["seed"] for result in outcome.ordered} == {2}


def _winner(sweep, store, accuracies, statuses=None):
    trials = sweep.trials(seeds=[1, 2])
    outcomes = {}
    for trial, accuracy in zip(trials, accuracies, strict=True):
        status = (statuses or {}).get(trial.name, "completed")
        store.append(dataclasses.replace(completed(trial, accuracy), status=status))
        outcomes[trial.name] = accuracy
    outcome = Sweeper(FakeLaunch(), store).run(sweep, trials)
    return outcome.summary.leader


def test_the_winner_is_the_best_mean_over_the_seeds_and_not_the_best_trial(sweep, store):
    best = _winner(sweep, store, [0.99, 0.90, 0.5, 0.5, 0.70, 0.91, 0.5, 0.5])
    assert best.label == "lr=0.1, width=8"
    assert best.mean("val_accuracy") == pytest.approx(0.905)
    assert best.spread("val_accuracy") == pytest.approx(0.005 * 2**0.5)
    assert best.text("val_accuracy") == "0.9050±0.0071"


def test_a_cell_with_a_diverged_seed_is_never_ranked(sweep, store):
    best = _winner(sweep, store, [0.99, 0.9, 0.5, 0.5, 0.99, 0.9, 0.5, 0.5], {"lr=0.1,width=4,seed=2": "diverged"})
    assert best.label == "lr=0.1, width=8"


def test_where_nothing_has_completed_there_is_no_winner(sweep, store):
    names = {trial.name: "diverged" for trial in sweep.trials(seeds=[1, 2])}
    assert _winner(sweep, store, [0.9] * 8, names) is None


def test_with_mode_min_less_is_better(sweep, store):
    losses = dataclasses.replace(sweep, monitor="val_loss", mode="min")
    for trial, loss in zip(losses.trials(), [3.0, 1.0, 2.0, 4.0], strict=True):
        store.append(dataclasses.replace(completed(trial), history={"val_loss": [9.0, loss]}))
    outcome = Sweeper(FakeLaunch(), store).run(losses, losses.trials())
    assert outcome.summary.leader.label == "lr=0.1, width=8"


def test_a_monitor_that_is_never_logged_ends_the_sweep_with_its_first_trial(sweep, store):
    lost = dataclasses.replace(sweep, monitor="val_f1")
    launch = InProcess(sweep.build, Runtime(str(store.folder), accelerator="cpu", objective=Objective.of("val_f1")))
    outcome = Sweeper(launch, store).run(lost, lost.trials())
    (result,) = outcome.results.values()
    assert (result.status, result.epochs) == ("failed", 3)
    assert outcome.unlogged == (
        "no metric is called 'val_f1'; logged were train_accuracy, train_loss, val_accuracy, val_loss"
    )
    assert outcome.left == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sweep": "other"}, "it is of the sweep 'other', not of 'tiny'"),
        ({"config": {"lr": 0.5, "width": 4, "seed": 123, "max_epochs": 3}}, "another lr"),
        ({"cell": {"lr": 0.5}}, "its cell has another lr"),
    ],
)
def test_a_record_that_is_not_its_trials_is_refused_by_line(sweep, store, change, said):
    trial = sweep.trials()[0]
    store.append(dataclasses.replace(completed(trial), **change))
    with pytest.raises(LedgerError, match=f"line 1: .*{said}"):
        Sweeper(FakeLaunch(), store).run(sweep, sweep.trials())


def test_a_result_goes_by_its_trials_name_whatever_its_record_says(sweep, store):
    trial = sweep.trials()[0]
    store.append(dataclasses.replace(completed(trial), name="somewhere else"))
    outcome = Sweeper(FakeLaunch(), store).run(sweep, [trial])
    assert [result.name for result in outcome.ordered] == [trial.name]
    assert outcome.ran == []


REFERENCE = Path(__file__).parents[2] / "lightning_logs" / "reference" / "batch_size" / "results.jsonl"


def test_a_ledger_of_the_first_schema_is_read_and_nothing_of_it_runs_again(store):
    from sweeps.batch_size import SWEEP

    store.folder.mkdir()
    line = REFERENCE.read_text().splitlines(keepends=True)[0]
    assert line.startswith('{"schema": 1, ')
    store.path.write_text(line)
    launch = FakeLaunch()
    trials = [trial for trial in SWEEP.trials() if trial.label == "batch_size=5000"]
    outcome = Sweeper(launch, store).run(SWEEP, trials)
    assert launch.ran == []
    assert [result.status for result in outcome.ordered] == ["completed"]
    assert store.path.read_text() == line


def _made(trial, name="toy:build", sources=None):
    return dataclasses.replace(
        completed(trial), build={"name": name, "config": "conftest:TinyConfig", "sources": sources or {}}
    )


def test_results_of_another_build_are_left_out_and_stay_in_the_ledger(sweep, store):
    trial = sweep.trials()[0]
    store.append(_made(trial, "toy:build_raising"))
    launch = FakeLaunch()
    outcome = Sweeper(launch, store).run(sweep, [trial])
    assert launch.ran == [trial.name]
    assert outcome.remarks == ["Left out: 1 of these trials had results by another build or configuration class."]
    assert len(store.path.read_text().splitlines()) == 2
    other = dataclasses.replace(sweep, build="toy:build_raising")
    assert Sweeper(FakeLaunch(), store).run(other, other.trials()[:1]).ran == []


def test_results_of_a_former_source_are_stale_and_run_anew_if_asked(sweep, store):
    taken, failed = sweep.trials()[:2]
    store.append(_made(taken, sources={"toy": "0123456789abcdef"}))
    store.append(dataclasses.replace(_made(failed, sources={"toy": "0123456789abcdef"}), status="failed"))
    outcome = Sweeper(FakeLaunch(), store).run(sweep, [taken, failed], stop=lambda: True)
    assert outcome.ran == []
    assert outcome.remarks == [
        "Stale: the source of toy has changed since 1 of these results were made. --stale rerun runs them anew, "
        "--stale use takes them as they are."
    ]
    assert set(outcome.stale) == {taken.key}
    launch = FakeLaunch()
    anew = Sweeper(launch, store, rerun=True).run(sweep, [taken, failed])
    assert launch.ran == [taken.name, failed.name]
    assert (list(anew.remarks), list(anew.stale)) == ([], [])
    assert not Sweeper(FakeLaunch(), store).run(sweep, [taken, failed]).stale, "they are of today"


@pytest.mark.parametrize(("files", "said"), [(200, True), (199, False)])
def test_that_only_the_nearest_200_files_are_watched_is_said_where_there_are_more(sweep, store, files, said):
    trial = sweep.trials()[0]
    store.append(_made(trial, sources={f"company.module_{number}": "" for number in range(files)}))
    remarks = Sweeper(FakeLaunch(), store).run(sweep, [trial]).remarks
    line = "Of the files that trials import the nearest 200 are watched: no edit of others is seen."
    assert list(remarks) == [line] * said


def test_a_source_that_is_edited_while_trials_run_is_said_at_the_end_of_that_sweep(sweep, store):
    first, second = sweep.trials()[:2]
    former = _made(second, sources={"toy": "0123456789abcdef"})
    outcome = Sweeper(FakeLaunch({second.label: former}), store).run(sweep, [first, second])
    assert outcome.ran == [first.key, second.key]
    assert set(outcome.stale) == {second.key}


@pytest.mark.parametrize("monitor", ["val_nothing", "test_loss"])
def test_a_monitor_that_no_result_has_logged_is_refused_though_nothing_is_left_to_run(sweep, store, monitor):
    """It was said that no cell had completed, and by a metric of the test the cells were even ranked."""
    trials = sweep.trials()
    Sweeper(FakeLaunch(), store).run(sweep, trials)
    other = dataclasses.replace(sweep, monitor=monitor, mode="min")
    with pytest.raises(LedgerError, match=f"no metric is called '{monitor}'; logged were .*val_accuracy"):
        Sweeper(FakeLaunch(), store).run(other, trials)
    assert Sweeper(FakeLaunch(), store).run(sweep, trials).ran == []


class Chooses(Chooser):
    """Chooses the cells of these trials one after another."""

    def __init__(self, trials):
        self.left = [trial.values for trial in trials]
        self.told = []

    def remaining(self):
        return len(self.left)

    def __iter__(self):
        while self.left:
            yield [self.left.pop(0)]

    def settle(self, values, result):
        self.told.append((values, result.status))


def test_a_search_runs_what_it_chooses_and_hears_of_every_result(sweep, store):
    trials = sweep.trials()
    store.append(completed(trials[1]))
    chooser, launch = Chooses([*trials, trials[0]]), FakeLaunch()
    outcome = Sweeper(launch, store).run(sweep, [], chooser=chooser)
    assert launch.ran == [trial.name for trial in (trials[0], *trials[2:])], "neither the ledger's nor one twice"
    assert chooser.told == [(trial.values, "completed") for trial in (*trials, trials[0])]
    assert (outcome.left, [result.name for result in outcome.ordered]) == (0, [trial.name for trial in trials])


def test_a_search_may_choose_again_what_is_running(sweep, store):
    first, second = sweep.trials()[:2]

    def launch(trials, listener):
        trial = next(trials)
        listener.started(trial)
        assert [other.name for other in trials] == [second.name]
        listener.ended(trial, completed(trial))

    outcome = Sweeper(launch, store).run(sweep, [], chooser=Chooses([first, first, second]))
    assert outcome.left == 1


def test_a_search_never_hears_of_a_record_that_is_not_its_trials(sweep, store):
    trial = sweep.trials()[0]
    store.append(dataclasses.replace(completed(trial), sweep="other"))
    chooser = Chooses([trial])
    with pytest.raises(LedgerError, match=r"line 1: .*it is of the sweep 'other'"):
        Sweeper(FakeLaunch(), store).run(sweep, [], chooser=chooser)
    assert chooser.told == []


class Waiting(Chooser):
    """Has nothing to choose yet."""

    def remaining(self):
        return 1

    def __iter__(self):
        while True:
            yield []


def test_a_chooser_may_wait_where_the_ledger_has_fewer_epochs_of_each_trial(sweep, store):
    Sweeper(FakeLaunch(), store).run(sweep, sweep.trials())
    heard = []
    more = dataclasses.replace(sweep, base=dataclasses.replace(sweep.base, max_epochs=5))
    Sweeper(lambda trials, listener: heard.extend(itertools.islice(trials, 5)), store).run(
        more, more.trials(), chooser=Waiting()
    )
    assert len(heard) == 5
    assert heard[-1] is None


def test_results_of_several_devices_in_one_table_are_said_to_be_mixed(sweep, store):
    trials = sweep.trials()
    made = [{"device": "A", "float32_matmul": "high"}, {"device": "A"}, {"device": "B", "float32_matmul": "highest"}]
    for trial, hardware in zip(trials, made, strict=False):
        before = Sweeper(FakeLaunch(), store).run(sweep, trials[: len(store.results())]).remarks
        store.append(dataclasses.replace(completed(trial), hardware=hardware))
    assert before == [], "what an earlier record does not say is taken for the same"
    (line,) = Sweeper(FakeLaunch(), store).run(sweep, trials[:3]).remarks
    assert line == (
        "Mixed in these results: devices A (2) and B (1); precisions of float32 products high (1) and highest (1). "
        "Digits may differ by that alone."
    )


def test_several_threads_of_a_launcher_take_each_trial_once_and_are_heard_one_at_a_time(sweep, store):
    inside, most = set(), []

    class Slow(SweepCallback):
        def on_trial_start(self, trial):
            inside.add(trial.key)
            time.sleep(0.02)
            most.append(len(inside))
            inside.remove(trial.key)

    def launch(trials, listener):
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(FakeLaunch(), [trials] * 4, [listener] * 4))

    outcome = Sweeper(launch, store, [Slow()]).run(sweep, sweep.trials(range(3)))
    assert outcome.successful
    assert most == [1] * len(outcome.trials)
