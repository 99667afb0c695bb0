"""Trials as jobs of a SLURM of one node, which tests/slurm/start.sh starts: the local ledger, whatever ends them."""

import contextlib
import dataclasses
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import toy
from conftest import TinyConfig, environment
from forked import LONG, Script

from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.run.launch.on_slurm import job as slurm_job
from nnhp_torch.run.launch.on_slurm.commands import Slurm
from nnhp_torch.run.launch.on_slurm.job import NAME, record, recorded, refuse_jobs
from nnhp_torch.run.launch.workers import InProcess
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.trial.run_trial import run_trial

NEEDED = pytest.mark.needs("slurm")

SCRIPT = """
from conftest import TinyConfig
from nnhp_torch import Range, Search, Sweep, main
from nnhp_torch.run.launch.on_slurm import driver as on_slurm

on_slurm.ASK = 1.0
AXES = {"lr": [0.1, 0.01], "width": [4, 8]}
if __name__ == "__main__":
    main(Sweep("tiny", TinyConfig(), AXES, build="toy:build_slow"))
"""


class Drive:
    """The command of a sweep in a folder, as often as it is started."""

    def __init__(self, folder):
        self.folder, self.store = folder, ResultStore(folder / "tiny")
        (folder / "sweep.py").write_text(SCRIPT)
        self.seconds = 0.0  # that an epoch takes
        self.stops = 0

    def start(self, *flags, launcher=("--launcher", "slurm"), **environ):
        command = [sys.executable, str(self.folder / "sweep.py"), *launcher, "--accelerator", "cpu", "--log_dir"]
        self.process = subprocess.Popen(
            [*command, str(self.folder), *flags],
            env={**environment(), "SECONDS_AN_EPOCH": str(self.seconds), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
        )
        return self

    def end(self):
        out, err = self.process.communicate(timeout=4 * LONG)
        return self.process.returncode, out, err

    def run(self, *flags, **rest):
        return self.start(*flags, **rest).end()

    def trained(self):
        """How many epochs were trained to their end, in all attempts."""
        return sum(len(path.read_text().splitlines()) for path in self.store.folder.glob("*/trained"))

    def begun(self, count=1):
        """Wait until so many epochs have been trained."""
        wait_for(lambda: self.trained() >= count)

    def jobs(self, *states):
        """The jobs of this sweep in the queue, `ID_INDEX`."""
        only = [f"--states={','.join(states)}"] if states else []
        said = subprocess.run(["squeue", "-h", "-r", "-o", "%i %j", *only], capture_output=True, text=True).stdout
        return [line.split()[0] for line in said.splitlines() if line.split()[1].startswith("tiny-")]


def wait_for(condition):
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


@pytest.fixture
def drive(tmp_path):
    made = Drive(tmp_path)
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.communicate()
    if left := made.jobs():
        subprocess.run(["scancel", *left])
        wait_for(lambda: not made.jobs())


def digits(store):
    return {key: (r.name, r.status, r.history, r.test) for key, r in store.results().items()}


def equals_the_local_ledger(drive, tmp_path, monkeypatch, epochs=3, **axes):
    """Whether the ledger has each trial once, to the digits that this process comes to."""
    monkeypatch.setenv("SECONDS_AN_EPOCH", "0")
    axes = axes or {"lr": [0.1, 0.01], "width": [4, 8]}
    sweep = Sweep("tiny", TinyConfig(max_epochs=epochs), axes, build="toy:build_slow")
    here = ResultStore(tmp_path / "here" / "tiny")
    here.folder.mkdir(parents=True)
    Sweeper(InProcess("toy:build_slow", Runtime(str(here.folder), accelerator="cpu")), here).run(sweep, sweep.trials())
    ended = Counter(
        line.partition('"key": "')[2][:16]
        for line in drive.store.path.read_text().splitlines()
        if '"status": "interrupted"' not in line
    )
    assert set(ended.values()) == {1}, "a trial has two results"
    assert {k: v[1:] for k, v in digits(drive.store).items()} == {k: v[1:] for k, v in digits(here).items()}
    return drive.trained() - epochs * len(sweep.trials())


@NEEDED
def test_a_grid_over_an_array_of_two_gives_the_local_ledger(drive, tmp_path, monkeypatch):
    code, out, err = drive.run("--slurm.array", "2", "--slurm.partition", "low", "--slurm.time", "10")
    assert code == 0, out + err
    assert "4/4" in out
    assert "SLURM: " in out
    assert equals_the_local_ledger(drive, tmp_path, monkeypatch) == 0
    assert not (drive.store.folder / ".slurm").exists(), "what is done leaves nothing"


@NEEDED
def test_what_slurm_refuses_is_one_line_in_its_words(drive):
    code, out, err = drive.run("--slurm.partition", "nowhere")
    assert (code, len(err.splitlines())) == (2, 1), out + err
    assert "invalid partition specified: nowhere" in err
    assert not drive.store.path.exists()


@NEEDED
def test_a_job_that_cannot_begin_is_said_once_with_its_last_lines(drive):
    script = SCRIPT.replace("on_slurm.ASK", "import sys; sys.executable = '/no/python'; on_slurm.ASK")
    (drive.folder / "sweep.py").write_text(script)
    code, _, err = drive.run()
    assert code == 1
    assert "no trial can run there" in err
    assert "/no/python: No such file or directory" in err
    wait_for(lambda: not drive.jobs())


@NEEDED
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_trial_that_is_longer_than_its_jobs_goes_on_in_others(drive, tmp_path, monkeypatch):
    drive.seconds = 3
    flags = ["--slurm.time", "1", "--slurm.signal", "5", "--max_epochs", "60", "--grid.lr", "0.1", "--grid.width", "4"]
    code, out, err = drive.run(*flags)
    assert code == 0, out + err
    jobs = [len(list(path.glob("events*"))) for path in drive.store.folder.glob("lr=*")]
    assert min(jobs) > 1, "none was stopped"
    assert equals_the_local_ledger(drive, tmp_path, monkeypatch, epochs=60, lr=[0.1], width=[4]) <= sum(jobs) - 1


@NEEDED
@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("command", [["scancel", "--signal=USR1"], ["scancel"], ["scontrol", "requeue"]])
def test_a_trial_whose_job_is_told_to_end_goes_on(drive, tmp_path, monkeypatch, command):
    drive.seconds = 1
    drive.start("--max_epochs", "8")
    drive.begun(3)
    told = drive.jobs("RUNNING")
    for job in told:
        subprocess.run([*command, job])  # which may have ended by now
    code, out, err = drive.end()
    assert code == 0, out + err
    assert equals_the_local_ledger(drive, tmp_path, monkeypatch, epochs=8) <= len(told)


@NEEDED
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_trial_that_a_higher_partition_takes_the_place_of_goes_on(drive, tmp_path, monkeypatch):
    drive.seconds = 1
    drive.start("--max_epochs", "8", "--slurm.partition", "low")
    drive.begun(3)
    subprocess.run(["srun", "-p", "high", "-n2", "sleep", "3"], check=True)
    code, out, err = drive.end()
    assert code == 0, out + err
    assert equals_the_local_ledger(drive, tmp_path, monkeypatch, epochs=8) <= 2


@NEEDED
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_jobs_run_on_without_their_driver_and_another_one_finds_them(drive, tmp_path, monkeypatch):
    drive.seconds = 1
    drive.start("--max_epochs", "8")
    drive.begun(2)
    drive.process.kill()
    drive.process.communicate()
    before = len(drive.jobs())
    wait_for(lambda: len(drive.jobs()) < before)
    code, out, err = drive.run("--max_epochs", "8")
    assert code == 0, out + err
    assert equals_the_local_ledger(drive, tmp_path, monkeypatch, epochs=8) == 0


@NEEDED
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_half_a_minute_without_a_controller_changes_nothing(drive, tmp_path, monkeypatch):
    drive.seconds = 1
    drive.start("--max_epochs", "8")
    drive.begun(2)
    folder = os.path.dirname(os.environ["SLURM_CONF"])
    with open(f"{folder}/slurmctld.pid") as file:
        os.kill(int(file.read()), signal.SIGTERM)
    time.sleep(30)
    subprocess.run([os.path.join(os.path.dirname(__file__), "../../slurm/start.sh"), folder], check=True)
    code, out, err = drive.end()
    assert code == 0, out + err
    assert "SLURM does not answer" in out
    assert equals_the_local_ledger(drive, tmp_path, monkeypatch, epochs=8) == 0


@NEEDED
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_trial_that_kills_its_process_has_failed_alone_and_is_tried_again_if_asked(drive):
    (drive.folder / "sweep.py").write_text(SCRIPT.replace("build_slow", "build_killed_once"))
    code, out, err = drive.run()
    assert code == 1, out + err
    assert [r.status for r in drive.store.results().values()].count("failed") == 2
    assert all("exit status 137" in r.error for r in drive.store.results().values() if r.status == "failed")
    assert drive.run()[0] == 0


SEARCH = SCRIPT.replace("Sweep(", "Search(").replace("[0.1, 0.01]", "Range(0.001, 1.0, log=True)")
PRUNED = ["--trials", "5", "--pruner", "median", "--max_epochs", "3"]
RACE = ["--seeds", "auto", "--max_seeds", "5", "--grid.lr", "0.1", "--max_epochs", "3"]


@NEEDED
@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("script", "flags", "cluster"),
    [(SEARCH, PRUNED, ["--slurm.array", "1"]), (SCRIPT, RACE, ["--slurm.trials_per_job", "3"])],
)
def test_a_search_that_is_pruned_and_a_race_choose_and_end_what_they_do_locally(drive, script, flags, cluster):
    (drive.folder / "sweep.py").write_text(script)
    code, out, err = drive.run(*flags, *cluster)
    assert code == 0, out + err
    there = digits(drive.store)
    assert drive.run(*flags, "--fresh", "--jobs", "0", launcher=())[0] == 0
    assert there == digits(drive.store)


@NEEDED
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_trial_on_two_devices_of_a_node_has_the_digits_of_two_here(drive):
    flags = ["--devices", "2", "--strategy", "ddp", "--grid.lr", "0.1", "--grid.width", "8"]
    code, out, err = drive.run(*flags)
    assert code == 0, out + err
    there = digits(drive.store)
    assert drive.run(*flags, "--fresh", launcher=())[0] == 0
    assert there == digits(drive.store)


@NEEDED
@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_forty_trials_whose_jobs_end_at_random_are_forty_records(drive, tmp_path, monkeypatch):
    drive.seconds = 0.3
    lrs = [round(0.01 * n, 2) for n in range(1, 21)]
    drive.start("--max_epochs", "6", "--grid.lr", *map(str, lrs))
    chance = random.Random(0)
    next_stop = 5
    while drive.process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            drive.process.wait(0.5)
        if drive.trained() >= next_stop and (running := drive.jobs("RUNNING")):
            subprocess.run(["scancel", chance.choice(running)])
            drive.stops += 1
            next_stop = drive.trained() + chance.randint(5, 20)
    code, out, err = drive.end()
    assert code == 0, out + err
    assert drive.stops > 5
    more = equals_the_local_ledger(drive, tmp_path, monkeypatch, epochs=6, lr=lrs, width=[4, 8])
    assert more <= drive.stops
    assert len(drive.store.results()) == 40


def test_a_job_ends_after_the_running_epoch_when_it_is_told_to_and_needs_no_driver(tmp_path, sweep, monkeypatch):
    """What SLURM runs, without SLURM."""
    trial = dataclasses.replace(sweep, base=TinyConfig(max_epochs=5)).trials()[0]
    runtime = Runtime(str(tmp_path), accelerator="cpu")
    ((key, job),) = record(tmp_path / NAME, [[trial]], "toy:build_slow", runtime).items()
    command = [sys.executable, "-m", slurm_job.__name__, str(job)]
    quick = [slurm_job.__file__, str(job)]
    env = {**environment(), "SECONDS_AN_EPOCH": "0.5"}
    result, told, trained = Path(f"{job}.{key}.result"), Path(f"{job}.{key}.told"), tmp_path / trial.name / "trained"
    process = Script(quick, tmp_path, env)
    wait_for(lambda: "val_accuracy" in told.read_text())
    process.send_signal(signal.SIGUSR1)
    out, _ = process.communicate()
    assert process.returncode == 0, out
    first = len(trained.read_text().splitlines())
    assert first < 5
    assert not result.exists()

    job.with_name("driver").write_text(json.dumps({key: [first, None]}))
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])  # a child is born with it
    process = subprocess.Popen(command, env=env)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
    process.send_signal(signal.SIGUSR1)
    assert process.wait(LONG) == 0
    assert len(trained.read_text().splitlines()) == first + 1, "told to end at its start, it comes an epoch further"
    job.with_name("driver").unlink()

    process = Script(quick, tmp_path, env)
    out, _ = process.communicate()
    assert process.returncode == 0, out
    assert len(told.read_text().splitlines()) == 1 + 5, "it tells all epochs again"
    monkeypatch.setenv("SECONDS_AN_EPOCH", "0")
    there, here = (
        TrialResult.from_json(result.read_text()),
        run_trial(trial, toy.build_slow, Runtime(str(tmp_path / "h"))),
    )
    assert (there.status, there.history, there.test) == (here.status, here.history, here.test)
    assert len(trained.read_text().splitlines()) == 5, "no epoch was trained twice"


@pytest.mark.parametrize(
    ("setup", "said"),
    [
        ("echo no such module; exit 3", "no such module\nexit status 3\n"),
        ("set -e\nfalse", "exit status 1\n"),
        ("srun() { return 7; }", "exit status 7\n"),
        ("srun() { kill -USR1 $$; return 138; }", "exit status 0\n"),
        ("srun() { return 0; }", ""),
    ],
)
def test_the_last_line_of_a_jobs_log_says_how_it_has_failed_also_before_its_trial(tmp_path, setup, said):
    (tmp_path / "1f3a9cab.trials").touch()
    command = Slurm.of({"setup": setup}).command(tmp_path / "1f3a9cab", 1, 1, Runtime(str(tmp_path)))
    script = command.partition("<<'END'\n")[2].removesuffix("END")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, said)


def test_nothing_that_lies_in_a_folder_of_jobs_is_executed_by_the_driver(tmp_path, monkeypatch):
    class Hostile:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    left = tmp_path / NAME / "1f3a9cab"
    left.parent.mkdir()
    left.with_suffix(".trials").write_bytes(pickle.dumps(Hostile()))
    left.with_suffix(".0.0123456789abcdef.told").touch()
    monkeypatch.setattr(slurm_job, "queue", lambda: {"1f3a9cab.0": ""})
    with pytest.raises(LedgerError, match=f"has jobs in SLURM.*scancel --name={tmp_path.name}-1f3a9cab; rm -r"):
        refuse_jobs(tmp_path)
    assert recorded(tmp_path / NAME) == {"0123456789abcdef": left.with_suffix(".0")}
    assert not (tmp_path / "executed").exists()
    monkeypatch.setattr(slurm_job, "queue", dict)
    refuse_jobs(tmp_path)  # they have ended, and nothing is left to take
    assert not left.parent.exists()


@pytest.mark.parametrize("limit", ["0", "UNLIMITED", "2:00", "90", "0-1"])
def test_a_time_limit_leaves_room_for_the_signal_if_there_is_one(limit):
    assert Slurm.of({"time": limit}).signal == 60


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"nodes": "2"}, "slurm.nodes cannot be 2: a trial is one task on one node"),
        ({"array": "0"}, "slurm.array must be a number of at least 1, not 0"),
        ({"time": 3600}, "slurm.time needs quotes"),
        ({"time": "1"}, "slurm.signal must be below slurm.time, which is 60 seconds, not 60"),
        ({"time": "1:30:00", "signal": 5400}, "which is 5400 seconds, not 5400"),
        ({"time": "2-12", "signal": 300_000}, "which is 216000 seconds"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given, said):
    with pytest.raises(ValueError, match=said):
        Slurm.of(given)
