"""Trials on a Ray cluster of two nodes, started here: the same ledger as here, also when a node goes away."""

import dataclasses
import socket
import subprocess
import sys
import threading
import time

import pytest
from conftest import TinyConfig, environment

from nnhp_torch.cli import main as cli
from nnhp_torch.core.errors import WrongUsage
from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.run.launch import request
from nnhp_torch.run.launch.workers import InProcess
from nnhp_torch.run.runtime import Runtime
from sweeps.dropout import SWEEP

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning")]


def run(sweep, store, launch, callbacks=()):
    return Sweeper(launch, store, callbacks).run(sweep, sweep.trials())


def on_ray(cluster, folder, build="toy:build", accelerator="cpu", **settings):
    from nnhp_torch.run.launch.on_ray.tasks import RayTasks

    return RayTasks(build, Runtime(str(folder), accelerator=accelerator), cluster.address, **settings)


def here(sweep, folder):
    folder.mkdir(parents=True)
    return run(sweep, ResultStore(folder), InProcess("toy:build", Runtime(str(folder), accelerator="cpu")))


def digits(outcome):
    return [(result.name, result.status, result.history, result.test) for result in outcome.ordered]


@pytest.mark.needs("ray")
def test_a_process_that_is_killed_is_replaced_and_its_trial_goes_on(cluster, connection, sweep, store, tmp_path):
    outcome = run(sweep, store, on_ray(cluster, store.folder, "toy:build_killed_once"))
    assert outcome.successful
    assert digits(outcome) == digits(here(sweep, tmp_path / "here" / "tiny"))
    assert set(store.results()) == set(ResultStore(tmp_path / "here" / "tiny").results())
    assert all(list((store.folder / r.name).glob("events.out.tfevents.*")) for r in outcome.ordered)


@pytest.mark.needs("ray")
def test_a_keyboard_interrupt_of_a_trials_own_is_its_failure(cluster, connection, sweep, store):
    outcome = run(sweep, store, on_ray(cluster, store.folder, "toy:build_interrupting_itself"))
    assert [result.status for result in outcome.ordered] == ["completed", "failed"] * 2
    assert outcome.ordered[1].error == "the trial's own code raised KeyboardInterrupt"
    assert len(list((store.folder / outcome.ordered[1].name).glob("events.out.tfevents.*"))) == 1


@pytest.mark.needs("ray")
def test_what_no_node_has_is_refused(cluster, connection, sweep, store):
    with pytest.raises(WrongUsage, match="no node of the Ray cluster has 64 CPU and 0 GPU for a trial"):
        Sweeper(on_ray(cluster, store.folder), store).run(sweep, sweep.trials(threads=64))
    assert not store.path.exists()


@pytest.mark.needs("ray")
def test_from_the_command_line_a_real_sweep_runs_on_the_cluster(cluster, tmp_path):
    flags = ["--accelerator", "cpu", "--max_epochs", "1", "--grid.dropout", "[0.1, 0.5]", "--log_dir"]
    done = subprocess.run(
        [sys.executable, "-m", "sweeps.dropout", "--launcher", "ray", *flags, str(tmp_path / "ray")],
        env={**environment(), "RAY_ADDRESS": cluster.address},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Winner: dropout=" in done.stdout
    with pytest.raises(SystemExit, match="0"):
        cli.main(SWEEP, argv=[*flags, str(tmp_path / "local"), "--jobs", "0"])
    results = [ResultStore(tmp_path / where / "dropout").results() for where in ("ray", "local")]
    ray, local = ({key: (r.history, r.test) for key, r in records.items()} for records in results)
    assert ray == local


@pytest.mark.needs("ray")
def test_a_trial_runs_on_a_gpu_and_one_that_fails_there_takes_its_process_along(
    cluster, connection, sweep, store, gpus
):
    gpus(1)
    node = cluster.add_node(num_cpus=1, num_gpus=1, object_store_memory=100 * 2**20)  # the others pretend none
    two = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]}, build="toy:build_breaking")
    try:
        outcome = run(two, store, on_ray(cluster, store.folder, two.build, accelerator="gpu"))
    finally:
        cluster.remove_node(node)
    assert [result.status for result in outcome.ordered] == ["failed", "completed"]


@pytest.mark.needs("ray")
def test_when_a_node_goes_away_in_mid_sweep_the_ledger_is_the_same(cluster, connection, sweep, store, tmp_path):
    """The last but one of the tests: the cluster has one node less after it."""
    longer = dataclasses.replace(sweep, base=TinyConfig(max_epochs=60))  # so that two run at a time for sure
    running = set()

    class KillANode(SweepCallback):
        def on_epoch_end(self, trial, epoch, metrics):
            running.add(trial.key)
            if len(running) == 2 and len(cluster.workers) == 2:  # both nodes are at work
                cluster.remove_node(cluster.workers.pop(), allow_graceful=False)

        def on_trial_end(self, trial, result):
            running.discard(trial.key)

    outcome = run(longer, store, on_ray(cluster, store.folder), [KillANode()])
    assert len(cluster.workers) == 1
    assert outcome.successful
    assert digits(outcome) == digits(here(longer, tmp_path / "here" / "tiny"))
    assert len(store.path.read_text().splitlines()) == 4
    attempts = [len(list((store.folder / r.name).glob("events.out.tfevents.*"))) for r in outcome.ordered]
    assert sorted(attempts) == [1, 1, 1, 2], "one trial has run on both nodes"


DRIVER = """
import os
import sys
import time
from conftest import TinyConfig
from nnhp_torch.cli.main import main
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.run.launch.on_ray import head as cluster
from nnhp_torch.run.launch.on_ray import tasks as ray

cluster.PATIENCE = 4


# The head goes away at the worst moment: when it is just to be asked something.
def room(self, room=ray.RayTasks._room):
    head = ray.ray.get_runtime_context().gcs_address
    while os.path.exists(sys.argv[0] + ".kill") and cluster.answers_at(head):
        time.sleep(0.1)
    return room(self)


ray.RayTasks._room = room
main(Sweep("tiny", TinyConfig(), {"max_epochs": [2, 1_000_000]}, build="toy:build"))
"""


@pytest.mark.needs("ray")
def test_when_the_head_goes_away_the_table_comes_and_how_to_go_on(cluster, store, tmp_path):
    """The last of the tests: there is no cluster after it."""
    import ray

    ray.shutdown()  # what is connected here would end this process with the cluster
    (tmp_path / "driver.py").write_text(DRIVER)
    flags = ["--launcher", "ray", "--accelerator", "cpu", "--log_dir", str(tmp_path)]
    driver = subprocess.Popen(
        [sys.executable, str(tmp_path / "driver.py"), *flags],
        env={**environment(), "RAY_ADDRESS": cluster.address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_for(lambda: store.path.exists() and list(store.folder.glob("*=1000000/checkpoints/last.ckpt")), 240)
        (tmp_path / "driver.py.kill").touch()
        time.sleep(2)
        cluster.head_node.kill_gcs_server(check_alive=False)
        out, err = driver.communicate(timeout=240)
    finally:
        driver.kill()
    assert driver.returncode == 1, out + err
    assert "So far max_epochs=2 leads" in out
    (line,) = err.splitlines()
    assert line.startswith("python driver.py: the head of the Ray cluster at ")
    assert "run the same command again: what has ended is in the ledger" in line
    assert [result.status for result in store.results().values()] == ["completed", "interrupted"]


def _wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("args", "address", "said"),
    [
        (["--launcher", "dask"], "", "launcher"),
        pytest.param(
            ["--launcher", "ray"], "", "give --ray_address or set RAY_ADDRESS", marks=pytest.mark.needs("ray")
        ),
        pytest.param(
            ["--launcher", "ray", "--jobs", "0"], "auto", "jobs must be auto or", marks=pytest.mark.needs("ray")
        ),
        pytest.param(
            ["--launcher", "ray", "--devices", "2"], "auto", "each trial has one device", marks=pytest.mark.needs("ray")
        ),
        pytest.param(
            ["--launcher", "ray", "--ray_address", "127.0.0.1:9"],
            "",
            "no Ray cluster answers at 127.0.0.1:9: [Errno 111] Connection refused",
            marks=pytest.mark.needs("ray"),
        ),
    ],
)
def test_a_wrong_value_gets_one_line_and_exit_status_2(args, address, said, tmp_path, monkeypatch, capsys):
    from sweeps.dropout import SWEEP

    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(SystemExit) as raised:
        cli.main(SWEEP, argv=[*args, "--log_dir", str(tmp_path)])
    _, err = capsys.readouterr()
    assert (raised.value.code, len(err.splitlines())) == (2, 1), err
    assert said in err
    assert not list(tmp_path.glob("*/results.jsonl"))


def test_without_ray_one_line_says_what_to_install(tmp_path, monkeypatch, capsys):
    from sweeps.dropout import SWEEP

    monkeypatch.setattr(request, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as raised:
        cli.main(SWEEP, argv=["--launcher", "ray", "--log_dir", str(tmp_path)])
    err = capsys.readouterr().err
    assert (raised.value.code, len(err.splitlines())) == (2, 1)
    assert "pip install '.[ray]'" in err


def test_the_local_launcher_imports_no_ray():
    check = "import sys, sweeps.dropout, nnhp_torch.run.launch.workers; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


@pytest.mark.needs("ray")
def test_what_listens_and_is_no_ray_is_refused_at_once(monkeypatch):
    from nnhp_torch.run.launch.on_ray import head as ray_head

    monkeypatch.setattr(ray_head.ray, "is_initialized", lambda: False)  # by the tests above
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"SSH-2.0-OpenSSH_9.6\r\n"), daemon=True).start()
        said = r"no Ray cluster answers at .*: something else than Ray listens there"
        with pytest.raises(WrongUsage, match=said), ray_head.connected(f"127.0.0.1:{server.getsockname()[1]}"):
            pass


@pytest.mark.needs("ray")
def test_what_listens_and_does_not_speak_as_ray_is_refused_after_a_while_and_left_at_once_on_ctrl_c(monkeypatch):
    from nnhp_torch.run.launch.on_ray import head as ray_head

    never = threading.Event()
    monkeypatch.setattr(ray_head.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray_head.ray, "init", lambda **_: never.wait())  # Ray's own patience is minutes
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # HTTP/2, as any gRPC server has it
        threading.Thread(target=lambda: [server.accept()[0].sendall(settings) for _ in range(2)], daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with ray_head.connected(address, stopping=lambda: True) as there:
            assert not there
        monkeypatch.setattr(ray_head, "LONGEST", 0.5)
        said = "no Ray cluster answers at .*: what listens there has not spoken as Ray does for 0.5 seconds"
        with pytest.raises(WrongUsage, match=said), ray_head.connected(address):
            pass
    never.set()


@pytest.mark.needs("ray")
def test_what_a_trial_has_raised_is_not_called_lost_on_the_cluster(sweep, monkeypatch):
    from ray.exceptions import RayTaskError, WorkerCrashedError

    from nnhp_torch.run.launch.on_ray import tasks as on_ray

    def reason(error):
        def raising(task):
            raise error

        monkeypatch.setattr(on_ray.ray, "get", raising)
        return on_ray._result(None, sweep.trials()[0]).reason

    own = RayTaskError("_train", "Traceback\nValueError: my own", ValueError("my own")).as_instanceof_cause()
    assert reason(own).endswith("ValueError: my own")
    stopped = RayTaskError("_train", "Traceback\nNodeLeaves", on_ray.NodeLeaves("asked to end")).as_instanceof_cause()
    assert reason(stopped) == "4 times a signal has stopped it"
    assert reason(WorkerCrashedError()).startswith("lost on the Ray cluster 4 times: ")
