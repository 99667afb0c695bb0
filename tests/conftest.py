"""A tiny sweep without MNIST, and results made by hand."""

from __future__ import annotations

import dataclasses
import functools
import gc
import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: tests run side by side, and their nets are tiny

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from forked import LONG as LONG
from forked import quick_workers
from pretended import sitecustomize as pretended

from nnhp_torch.core.interfaces import Listener
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.figure import callback
from nnhp_torch.run.launch.machine import cores
from nnhp_torch.run.runtime import Runtime

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and nohup's, ignore it

pytest_plugins = ["stranger"]

HERE = Path(__file__).parent


def environment() -> dict[str, str]:
    """For a process that a test starts: it finds the package beside these tests, and the toys among them."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "painted: its sweep's figure is, pixel by pixel, as a user's")
    config.addinivalue_line("markers", "needs(package): of an extra, or a slurm that runs; skipped without it")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Nobody looks for garbage in what is imported, then or later: that would take a fifth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a package that is not there; `pytest -m needs` runs what the extras add.

    The longest come first: with -n, no process works on alone at the end.
    """
    FILES.update((item.module.__name__, item.module) for item in items)
    items.sort(key=lambda item: _subject(item.path) not in FIRST)
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.needs("selenium"))
        for mark in item.iter_markers("needs"):
            if reason := _lacks(mark.args[0]):
                item.add_marker(pytest.mark.skip(reason=reason))


@functools.cache
def _lacks(name: str) -> str:
    """Say what is not there of what a test needs: a package of an extra, or a SLURM that runs."""
    if name != "slurm":
        return "" if find_spec(name) else f"needs {name}, which an extra installs"
    answers = shutil.which("squeue") and subprocess.run(["squeue", "-h"], capture_output=True).returncode == 0
    return "" if answers else "needs SLURM, which tests/slurm/start.sh starts"


FIRST = ("benchmarks", "contract", "pages", "ray", "signals", "slurm", "study")

# What the tests of a file share takes long to make: with -n they run in one process. So do those on the Ray cluster,
# which the last of test_ray.py ends.
TOGETHER = ("ddp", "disk", "launchers", "notebook", "slurm", "tensorboard", "wheel")


def _subject(file: Path) -> str:
    return file.stem.removeprefix("test_")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: a process per core, but each of them imports torch."""
    return min(cores(), 8)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            subject = _subject(Path(file))
            return "on a cluster" if subject in ("contract", "ray") else file if subject in TOGETHER else nodeid

    return Scheduling(config, log)


@dataclasses.dataclass(frozen=True)
class TinyConfig:
    """A stranger's configuration: nothing of MNIST in it."""

    lr: float = 0.1
    width: int = 4
    seed: int = 123
    max_epochs: int = 3

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError(f"lr must be a number above 0, not {self.lr}")


FILES: dict[str, ModuleType] = {}  # those of tests that pytest has imported, by name


@pytest.fixture(scope="module", autouse=True)
def alone(request) -> None:
    """Of the files of tests only this one is imported, and what it imports of others, as if it ran alone.

    A trial looks at the variables of all modules of one's own at each epoch: those of all tests would take it a second.
    """
    needed, found = set(), [request.module.__name__]
    while found:
        name = found.pop()
        if name in FILES and name not in needed:
            needed.add(name)
            found += [str(getattr(thing, "__module__", "")) for thing in vars(FILES[name]).values()]
    for name, module in FILES.items():
        if name in needed:
            sys.modules[name] = module
        else:
            sys.modules.pop(name, None)


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1"  # as much of a picture as TensorBoard reads
UNSEEN = ("cli", "core", "project", "run", "search", "test_pages.py")  # whose tests look at no picture


@pytest.fixture(autouse=True)
def unpainted(request, monkeypatch) -> None:
    """A sweep's figure is composed as ever, and painted only where it is looked at: that takes as long as a trial."""
    if request.path.relative_to(HERE).parts[0] in UNSEEN and not request.node.get_closest_marker("painted"):
        monkeypatch.setattr(callback, "png", lambda figure: PNG)


@pytest.fixture(scope="session")
def sweep() -> Sweep:
    return Sweep("tiny", TinyConfig(), {"lr": [0.1, 0.01], "width": [4, 8]}, build="toy:build")


@pytest.fixture
def store(tmp_path) -> ResultStore:
    return ResultStore(tmp_path / "tiny")


@pytest.fixture
def trial(sweep) -> Trial:
    return sweep.trials()[0]


@pytest.fixture
def wide(sweep) -> Trial:
    """The trial that the toy's disturbed builds disturb."""
    return sweep.trials()[1]


@pytest.fixture
def runtime(tmp_path) -> Runtime:
    return Runtime(str(tmp_path), accelerator="cpu")


@pytest.fixture
def quick() -> Iterator[None]:
    """Worker processes start in a moment, as forks of one that has imported all: for what is not about their start."""
    with quick_workers():
        yield


@pytest.fixture
def gpus(monkeypatch) -> Callable[[int], None]:
    """Called with a number: so many GPUs are pretended, in this process and in those that it starts."""

    def have(count: int) -> None:
        monkeypatch.setenv("PRETENDED_GPUS", str(count))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE / "pretended"), environment()["PYTHONPATH"]]))
        for module in (pretended.LIGHTNING, pretended.MACHINE):
            for replacement in pretended.patches(module):
                monkeypatch.setattr(*replacement)

    return have


@pytest.fixture
def small(tmp_path, monkeypatch) -> Iterator[str]:
    """A folder with a set of 120 + 30 images that passes for MNIST."""
    import idx

    from nnhp_torch.mnist.datamodule import _tensors
    from nnhp_torch.mnist.files import DATASETS

    files = idx.contents()
    monkeypatch.setitem(DATASETS, "MNIST", idx.dataset(files))
    idx.write(files, tmp_path / "small")
    _tensors.cache_clear()
    yield str(tmp_path / "small")
    _tensors.cache_clear()


@pytest.fixture(scope="session")
def cluster():
    """A head without a CPU for trials, and two nodes with one each."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)  # nodes inherit where the package and the toys are
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
        head = {"num_cpus": 0, "object_store_memory": 100 * 2**20, "_system_config": quick}
        made = Cluster(initialize_head=True, head_node_args=head)
        made.workers = [made.add_node(num_cpus=1, object_store_memory=100 * 2**20) for _ in range(2)]
        yield made
        made.shutdown()


@pytest.fixture(scope="session")
def connection(cluster):
    """A connection that is there already: tests that share it share the nodes' processes, too."""
    from nnhp_torch.run.launch.on_ray.head import connected

    with connected(cluster.address):
        yield


@pytest.fixture(scope="session")
def browser():
    """Chromium, which notes what it loads and what its console says."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("there is no chromium with its chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "window-size=1500,1100",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as opened:
        yield opened


def summary_of(sweep: Sweep, cells: Sequence[Cell]) -> Summary:
    """The summary of cells made by hand."""
    made = Summary(sweep, [], {})
    vars(made).update(cells=list(cells), shown=[result for cell in cells for result in cell.results])
    return made


def completed(trial: Trial, accuracy: float = 0.9) -> TrialResult:
    """A result that a trial of three epochs might give."""
    return TrialResult(
        key=trial.key,
        sweep=trial.sweep,
        name=trial.name,
        config=vars(trial.config),
        cell=dict(trial.cell),
        status="completed",
        history={
            "train_accuracy": [0.5, 0.8, accuracy],
            "val_accuracy": [0.5, accuracy + 0.01, accuracy],
            "train_loss": [2.0, 1.0, 0.5],
            "val_loss": [2.0, 1.0, 0.6],
        },
        test={"test_accuracy": accuracy - 0.01},
        seconds=1.5,
        fit_seconds=1.0,
        started="2026-01-02T03:04:05+00:00",
        versions={"torch": "2.0"},
        hardware={"accelerator": "cpu", "device": "a CPU", "world_size": 1},
    )


class FakeLaunch:
    """Runs no training: each trial gives what `outcomes` says for its label, or completes."""

    def __init__(self, outcomes: dict[str, TrialResult | Exception] | None = None) -> None:
        self.outcomes = outcomes or {}
        self.ran: list[str] = []

    def __call__(self, trials: Iterator[Trial], listener: Listener) -> None:
        for trial in trials:
            if listener.stopping():
                return
            listener.started(trial)
            self.ran.append(trial.name)
            outcome = self.outcomes.get(trial.label, completed(trial))
            if isinstance(outcome, Exception):
                raise outcome
            if outcome.history:
                listener.epoch_ended(trial, 1, {"val_accuracy": 0.5})
            listener.ended(trial, dataclasses.replace(outcome, key=trial.key, name=trial.name))
