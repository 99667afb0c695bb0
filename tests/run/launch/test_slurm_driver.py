"""The driver of SLURM's jobs, with a SLURM that does what a test says: nothing is lost, nothing is submitted twice."""

import gc
import os
import re
import signal
import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from conftest import TinyConfig, completed
from stranger import SWEEP

from nnhp_torch.core.errors import PreparationError, WrongUsage
from nnhp_torch.core.interfaces import Listener, SweepCallback
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.run.launch.on_slurm import driver as on_slurm
from nnhp_torch.run.launch.on_slurm.commands import Slurm
from nnhp_torch.run.launch.on_slurm.job import NAME, record, recorded
from nnhp_torch.run.runtime import Runtime


class Cluster:
    """Runs what is submitted at the next look at its queue, with an outcome for each array in turn; then all complete.

    An outcome is `completed`; `killed` (no last words), or that once it has begun; or an exit status, after the trial
    has begun or before that.
    """

    def __init__(self, trials, outcomes=(), answers=(), reasons=()):
        self.trials = {trial.key: trial for trial in trials}
        self.outcomes = list(outcomes)
        self.answers = list(answers)  # of sbatch: an error, and whether it has submitted all the same
        self.reasons = list(reasons)  # of SLURM's, at looks at which all wait
        self.arrays = []  # how many jobs each has
        self.waiting = []

    def submit(self, command):
        (array,) = re.findall(r"\[ -e (\S+)\.trials \]", command)
        jobs = [(job, key) for key, job in recorded(Path(array).parent).items() if str(job).startswith(array)]
        error, done = self.answers.pop(0) if self.answers else (None, True)
        if done:
            self.arrays.append(len(jobs))
            self.waiting.append(jobs)
        if error:
            raise error

    def queue(self):
        listed = {job.name: "Resources" for jobs in self.waiting for job, _ in jobs}
        if self.reasons:
            return dict.fromkeys(listed, self.reasons.pop(0))
        waiting, self.waiting = self.waiting, []
        for jobs in waiting:
            outcome = self.outcomes.pop(0) if self.outcomes else "completed"
            for job, key in jobs:
                self.run(job, key, outcome)
        return listed

    def run(self, job, key, outcome):
        told, log = Path(f"{job}.{key}.told"), Path(f"{job}.log")
        log.write_text("slurmstepd: error: something\n")
        if outcome == "completed":
            told.write_text('\n{"val_accuracy": 0.5}\n')
            Path(f"{job}.{key}.result").write_text(completed(self.trials[key]).to_json())
        elif outcome == "begun":
            told.write_text("\n")
        elif outcome != "killed":
            told.write_text("\n" if outcome == 137 else "")
            log.write_text(f"slurmstepd: error: something\nexit status {outcome}\n")

    def cancel(self, jobs):
        self.waiting = []


@pytest.fixture
def stand_in(store, monkeypatch):
    """Has a cluster answer for SLURM, at once."""

    def stand_in(cluster):
        for name in ("submit", "queue", "cancel"):
            monkeypatch.setattr(on_slurm, name, getattr(cluster, name))
        monkeypatch.setattr(on_slurm, "ASK", 0.01)
        quick = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: time.sleep(0.002))
        monkeypatch.setattr(on_slurm, "time", quick)
        store.folder.mkdir(parents=True, exist_ok=True)
        return cluster

    return stand_in


@pytest.fixture
def run(sweep, store, stand_in):
    """Runs the sweep's four trials on a cluster; returns the outcome and the cluster."""

    def run(slurm=None, callbacks=(), **settings):
        cluster = stand_in(Cluster(sweep.trials(), **settings))
        launch = on_slurm.SlurmJobs("toy:build", Runtime(str(store.folder)), slurm or Slurm())
        outcome = Sweeper(launch, store, callbacks).run(sweep, sweep.trials())
        assert len(store.path.read_text().splitlines()) == 4, "each trial has one record"
        return outcome, cluster

    return run


def test_a_grid_is_one_array_and_leaves_nothing(run, store):
    outcome, cluster = run()
    assert outcome.successful
    assert cluster.arrays == [4]
    assert not (store.folder / ".slurm").exists()


def test_what_was_submitted_though_no_id_came_is_found_and_not_submitted_twice(run):
    outcome, cluster = run(answers=[(ConnectionError("Socket timed out"), True)])
    assert outcome.successful
    assert cluster.arrays == [4]


def test_what_was_not_submitted_is_submitted_anew(run):
    outcome, cluster = run(answers=[(ConnectionError("Unable to contact slurm controller"), False)])
    assert outcome.successful
    assert cluster.arrays == [4]


def test_jobs_that_have_gone_without_a_word_are_submitted_again(run):
    outcome, cluster = run(outcomes=["killed", "killed"])
    assert outcome.successful
    assert cluster.arrays == [4, 4, 4]


def test_a_trial_whose_job_goes_after_it_has_begun_begins_once(run):
    """The next job's record of it is empty at first, as that of a job is which SLURM puts back into its queue."""
    begun = []

    class Begun(SweepCallback):
        def on_trial_start(self, trial):
            begun.append(trial.key)

    outcome, cluster = run(outcomes=["begun", "begun"], callbacks=[Begun()])
    assert outcome.successful
    assert cluster.arrays == [4, 4, 4]
    assert len(begun) == len(set(begun)) == 4


def test_a_trial_that_comes_no_epoch_further_fails_after_so_many_jobs(run, monkeypatch):
    monkeypatch.setattr(on_slurm, "RETRIES", 3)
    outcome, cluster = run(outcomes=["killed"] * 3)
    assert {result.status for result in outcome.ordered} == {"failed"}
    assert outcome.ordered[0].error.startswith("jobs that came no epoch further: 3, the last with no word.")
    assert len(cluster.arrays) == 3


def test_a_trial_whose_job_dies_of_it_fails_at_once_with_the_last_lines(run):
    outcome, cluster = run(outcomes=[137])
    assert {result.status for result in outcome.ordered} == {"failed"}
    assert outcome.ordered[0].reason.startswith("slurmstepd: error: something")
    assert "jobs that came no epoch further: 1, the last with exit status 137" in outcome.ordered[0].error
    assert cluster.arrays == [4]


def test_where_no_job_can_begin_it_is_said_and_none_is_submitted_again(run, store):
    with pytest.raises(PreparationError, match=r"no trial can run there.*\n.*something\nexit status 127"):
        run(outcomes=[127] * 9)
    assert not (store.folder / ".slurm").exists()


def test_fewer_jobs_are_submitted_where_there_is_a_limit(run):
    outcome, cluster = run(answers=[(WrongUsage("sbatch: QOSMaxSubmitJobPerUserLimit"), False)])
    assert outcome.successful
    assert cluster.arrays == [2, 2]


def test_many_trials_leave_the_drivers_memory_flat(store, stand_in, monkeypatch):
    """Beside the sweep's own list of results: what is kept of a trial goes when it ends."""
    trials, sizes = Sweep("tiny", TinyConfig(), {"width": list(range(1, 401))}, "toy:build").trials(), []

    launchers = tracemalloc.Filter(True, f"*{os.sep}run{os.sep}launch{os.sep}*", all_frames=True)
    # An import, and the sources that a warning about an earlier test's garbage quotes, stay for good.
    others = [tracemalloc.Filter(False, name, all_frames=True) for name in ("*linecache.py", "<frozen importlib*")]

    class Deaf(Listener):
        ran = 0

        def ended(self, trial, result):
            self.ran += 1
            if self.ran in (100, 300):
                gc.collect()
                traces = tracemalloc.take_snapshot().filter_traces([launchers, *others]).traces
                sizes.append(sum(trace.size for trace in traces))

    monkeypatch.setattr(on_slurm, "AHEAD", 50)
    stand_in(Cluster(trials))
    gc.collect()
    tracemalloc.start(10)
    listener = Deaf()
    try:
        on_slurm.SlurmJobs("toy:build", Runtime(str(store.folder)), Slurm())(iter(trials), listener)
    finally:
        tracemalloc.stop()
    assert listener.ran == 400
    assert sizes[1] < sizes[0] + 100_000, "a trial's record has 2,000 bytes and more"


def test_what_slurm_refuses_otherwise_ends_the_sweep(run, store):
    with pytest.raises(WrongUsage, match="invalid partition"):
        run(answers=[(WrongUsage("sbatch: invalid partition specified: gpu"), False)])
    assert not (store.folder / ".slurm").exists()


def test_a_job_that_has_no_reason_to_wait_is_not_said_to_have_one(sweep, store, run):
    class Words(SweepCallback):
        said: ClassVar = []

        def on_wait(self, words):
            self.said.append(words)

    run(reasons=["None", "Priority"], callbacks=[Words()])
    assert Words.said[:2] == ["SLURM: 0 running, 4 waiting", "SLURM: 0 running, 4 waiting (Priority)"]


def test_jobs_of_an_earlier_driver_are_taken_and_those_of_other_trials_left_alone(run, sweep, store):
    trials = sweep.trials()
    other = sweep.trials(seeds=[7])[:1]
    runtime = Runtime(str(store.folder))
    left = record(store.folder / NAME, [other], "toy:build", runtime)
    ((key, done),) = record(store.folder / NAME, [trials[:1]], "toy:build", runtime).items()
    Path(f"{done}.{key}.told").write_text("\n")
    Path(f"{done}.{key}.result").write_text(completed(trials[0]).to_json())
    outcome, cluster = run(slurm=Slurm(array=1))
    assert outcome.successful
    assert cluster.arrays == [3]
    assert recorded(store.folder / NAME) == left


@pytest.fixture
def login(command, monkeypatch):
    """The command of a stranger's two trials where there is a SLURM, and the folder of its jobs, in which one is."""
    monkeypatch.setattr("nnhp_torch.run.launch.request.which", str)
    folder = command.folder / "lightning_logs" / SWEEP.name
    made = record(folder / NAME, [SWEEP.trials()[:1]], SWEEP.build, Runtime(str(folder)))
    return lambda *flags, expect: command("--launcher", "slurm", *flags, expect=expect)[1], made


def test_a_dry_run_says_which_trials_are_in_jobs_and_what_would_be_submitted_beside_them(login):
    command, made = login
    out = command("--dry_run", expect=0)
    (job,) = made.values()
    assert f"lr=0.1  in {SWEEP.name}-{job.stem}" in out
    assert f"1 of 2 trials would run; results go to lightning_logs/{SWEEP.name}\nSLURM has 1 trial in" in out
    assert "--array=0-0\n" in out


def test_ctrl_c_asks_what_becomes_of_the_jobs_before_it_says_what_is_left(login, monkeypatch):
    command, made = login

    class Stopped(on_slurm.SlurmJobs):
        def __call__(self, trials, listener):
            trial = next(trials)
            self.taken[trial.key] = on_slurm.Taken(trial, made[trial.key])
            listener.started(trial)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("nnhp_torch.cli.command.prepared.SlurmJobs", Stopped)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda words: print(words) or "n")
    out = command(expect=128 + signal.SIGINT)
    said = [
        "End them? [y/N]",
        "run on; the same command takes what they have done",
        "the sweep was stopped",
        "2 trials left",
    ]
    assert sorted(said, key=out.index) == said
