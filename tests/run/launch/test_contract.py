"""What every launcher does alike: in this process, in workers, on Ray, on SLURM, and the one that a page shows."""

import dataclasses
import re
from pathlib import Path

import pytest
from conftest import TinyConfig, environment

from nnhp_torch.core.errors import PreparationError
from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.run.launch.on_slurm import driver as slurm
from nnhp_torch.run.launch.on_slurm.commands import Slurm
from nnhp_torch.run.launch.workers import InProcess, Workers
from nnhp_torch.run.runtime import Runtime

PAGE = Path(__file__).parents[3] / "nnhp_torch" / "plugins.md"
LAUNCHERS = [
    *("here", "workers", "page"),
    *(pytest.param(name, marks=pytest.mark.needs(name)) for name in ("slurm", "ray")),
]


@pytest.fixture
def of_the_page(quick):
    """The page's launcher."""
    script, *_ = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found = {}
    exec(script, found)
    return found["Threads"]


@pytest.fixture
def on_slurm(monkeypatch):
    """Makes launchers whose jobs end with the test."""
    made = []

    def make(build, runtime):
        made.append(slurm.SlurmJobs(build, runtime, Slurm(trials_per_job=2)))
        return made[-1]

    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setattr(slurm, "ASK", 1.0)
    yield make
    for launch in made:
        launch.cancel()


@pytest.fixture(params=LAUNCHERS)
def launch(request):
    """Makes a launcher of a build and a Runtime."""
    if request.param == "ray":
        request.getfixturevalue("connection")
        from nnhp_torch.run.launch.on_ray.tasks import RayTasks

        address = request.getfixturevalue("cluster").address
        return lambda build, runtime: RayTasks(build, runtime, address)
    if request.param == "slurm":
        return request.getfixturevalue("on_slurm")
    if request.param == "page":
        return request.getfixturevalue("of_the_page")
    if request.param == "workers":
        request.getfixturevalue("quick")
        return lambda build, runtime: Workers(build, runtime, jobs=2)
    return InProcess


def run(launch, sweep, store, build="toy:build", *, callbacks=(), stop=lambda: False):
    store.folder.mkdir(parents=True, exist_ok=True)
    made = launch(build, Runtime(str(store.folder), accelerator="cpu"))
    return Sweeper(made, store, callbacks).run(sweep, sweep.trials(), stop)


class Heard(SweepCallback):
    """Hears of all that a launcher tells, and ends the narrow networks after two epochs."""

    def __init__(self):
        self.told = {}

    def on_trial_start(self, trial):
        self.told.setdefault(trial.key, []).append("start")

    def on_epoch_end(self, trial, epoch, metrics):
        self.told[trial.key].append((epoch, metrics["val_accuracy"]))
        return "not wide enough" if trial.config.width == 4 and epoch == 2 else None

    def on_trial_end(self, trial, result):
        self.told[trial.key].append(result.status)


@pytest.fixture(scope="module")
def digits(sweep, tmp_path_factory):
    """The sweep in this process: key → epochs and test scores."""
    outcome = run(InProcess, sweep, ResultStore(tmp_path_factory.mktemp("here") / "tiny"))
    return {result.key: (result.history, result.test) for result in outcome.ordered}


def test_it_trains_all_tells_each_epoch_in_its_order_and_ends_a_trial_when_it_is_answered_so(
    launch, sweep, store, digits
):
    heard = Heard()
    outcome = run(launch, sweep, store, callbacks=[heard])
    assert [(r.status, r.epochs, r.reason) for r in outcome.ordered] == [
        ("pruned", 2, "not wide enough"),
        ("completed", 3, ""),
    ] * 2
    for result in outcome.ordered:
        history, test = digits[result.key]
        assert result.history == {name: values[: result.epochs] for name, values in history.items()}
        assert result.test == (test if result.status == "completed" else {})
        values = list(enumerate(result.history["val_accuracy"], 1))
        assert heard.told[result.key] == ["start", *values, result.status]
    assert not run(launch, sweep, store).ran, "what the ledger has is settled"


def test_a_trial_that_raises_fails_alone(launch, sweep, store):
    outcome = run(launch, sweep, store, "toy:build_raising")
    assert [result.status for result in outcome.ordered] == ["completed", "failed"] * 2
    assert "my own callback" in outcome.ordered[1].reason


def test_data_that_cannot_be_had_ends_the_sweep_before_any_result(launch, sweep, store):
    with pytest.raises(PreparationError, match="no data anywhere"):
        run(launch, sweep, store, "toy:build_without_data")
    assert {result.status for result in store.results().values()} <= {"interrupted"}


def test_a_stop_leaves_what_runs_interrupted(launch, sweep, store):
    heard = []

    class Listening(SweepCallback):
        def on_epoch_end(self, trial, epoch, metrics):
            heard.append(epoch)

    long = dataclasses.replace(sweep, base=TinyConfig(max_epochs=100_000))
    outcome = run(launch, long, store, callbacks=[Listening()], stop=lambda: len(heard) > 5)
    assert outcome.interrupted
    assert {result.status for result in outcome.ordered} == {"interrupted"}


@pytest.mark.parametrize("launch", LAUNCHERS[:3], indirect=True)  # a node of the cluster here has one CPU
def test_the_trials_have_the_threads_that_their_keys_say(launch, sweep, store):
    store.folder.mkdir(parents=True)
    trials = dataclasses.replace(sweep, axes={"lr": [0.1]}).trials(threads=3)
    made = launch("toy:build_counting_threads", Runtime(str(store.folder), accelerator="cpu"))
    (result,) = Sweeper(made, store).run(sweep, trials).ordered
    assert result.history["threads"] == [3.0] * 3
