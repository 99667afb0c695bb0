"""`--check` says whether resumed equals uninterrupted here, to which digit, and which metric departs first."""

import os

import pytest
import toy
from conftest import TinyConfig

from nnhp_torch import Range, Search, Sweep, main
from nnhp_torch.run import callbacks
from nnhp_torch.run.setup import Setup


class Shuffled(toy.ShuffledData):
    def train_dataloader(self):
        return toy.DataLoader(self.data, batch_size=16, shuffle=True)


class Hidden:
    """Counts where nobody looks: in the environment."""

    def __init__(self):
        os.environ["COUNT"] = "0"

    def factor(self):
        os.environ["COUNT"] = str(int(os.environ["COUNT"]) + 1)
        return 1 + int(os.environ["COUNT"]) / 100


class Scaled(toy.Toy):
    """Its training loss is scaled by something."""

    def __init__(self, lr, width, factor):
        super().__init__(lr, width)
        self.factor = factor

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * self.factor()


def build(config):
    return toy.Toy(config.lr, config.width), Shuffled(), []


def build_hidden(config):
    return Scaled(config.lr, config.width, Hidden().factor), Shuffled(), []


def build_urandom(config):
    return Scaled(config.lr, config.width, lambda: 1 + os.urandom(1)[0] / 1000), Shuffled(), []


def build_raising(config):
    raise RuntimeError("no such luck")


@pytest.fixture
def checked(tmp_path, capsys):
    """The exit status of a command line with --check, and its last lines; nothing may be left behind."""

    def checked(plan, *argv):
        options = ["--check", "--accelerator", "cpu", "--log_dir", str(tmp_path / "logs"), *argv]
        with pytest.raises(SystemExit) as end:
            main(plan, argv=options if "--jobs" in argv else [*options, "--jobs", "0"])
        assert not list(tmp_path.iterdir())
        return end.value.code, "".join(capsys.readouterr())

    return checked


def plan(build):
    return Sweep("tiny", TinyConfig(), {"lr": [0.1, 0.01]}, build)


EQUAL = "Resumed equals uninterrupted: 6 metrics to all 7 digits, the weights to the last bit."


def test_what_is_deterministic_is_said_to_be_equal(checked):
    status, out = checked(plan(build))
    assert status == 0
    assert "Trains all 3 epochs of lr=0.1 twice: at once, and stopped after the first, half of them and the last" in out
    assert out.splitlines()[-1] == EQUAL


@pytest.mark.parametrize(
    ("build", "status", "said"), [(build, 0, EQUAL), (build_urandom, 1, "Two trainings with the same seed differ")]
)
def test_on_a_gpu_too_where_some_operations_have_an_order_of_their_own(checked, gpus, build, status, said):
    gpus(1)
    found, out = checked(plan(build), "--accelerator", "gpu")
    assert (found, said in out) == (status, True)


def test_in_worker_processes_too(checked, quick):
    assert checked(plan("toy:build"), "--jobs", "2")[0] == 0


@pytest.mark.needs("optuna")
def test_of_a_search_too(checked):
    status, out = checked(Search("tiny", TinyConfig(), {"lr": Range(0.01, 0.1)}, build))
    assert (status, out.splitlines()[-1]) == (0, EQUAL)


def test_a_state_that_nobody_sees_is_found_by_its_metric_and_its_epoch(checked):
    status, out = checked(plan(build_hidden))
    assert status == 1
    assert "Resumed differs from uninterrupted: train_loss departs first, in epoch 2: 0." in out
    assert "digits agree)" in out


def test_numbers_that_no_seed_reaches_are_found_before_any_stop(checked):
    status, out = checked(plan(build_urandom))
    assert status == 1
    assert "Two trainings with the same seed differ before any stop: train_loss departs first, in epoch 1: " in out


def test_a_sweeper_that_forgot_to_put_the_random_state_back_would_be_found(checked, monkeypatch):
    monkeypatch.setattr(callbacks, "go_on", lambda trainer, kept, places: ["nothing was put back"])
    status, out = checked(plan(build))
    assert status == 1
    assert "train_loss departs first, in epoch 2" in out
    assert "Its note: resumed, may differ: nothing was put back" in out


def test_a_trial_that_cannot_be_compared_is_not_said_to_be_equal(checked, monkeypatch):
    status, out = checked(plan(build_raising))
    assert (status, out.splitlines()[-1]) == (1, "The trial failed: RuntimeError: no such luck")
    monkeypatch.setattr("nnhp_torch.run.trial.recorder.read", lambda path: {})
    status, out = checked(plan(build))
    assert (status, out.splitlines()[-2]) == (1, "Cannot be compared: the trial did not go on, it began anew.")


def build_changing_late(config):
    """Draws from a state that nobody sees from its fourth epoch on."""
    module, data, callbacks = build_hidden(config)
    scaled, plain = module.training_step, super(Scaled, module).training_step
    module.training_step = lambda *args: (scaled if module.current_epoch > 2 else plain)(*args)
    return module, data, callbacks


def test_what_changes_after_the_first_epochs_is_found_too(checked):
    status, out = checked(plan(build_changing_late), "--max_epochs", "5")
    assert status == 1
    assert "Resumed differs from uninterrupted: train_loss departs first, in epoch 5: 0." in out


def test_what_makes_no_sense_is_wrong_usage(checked):
    status, out = checked(plan(lambda config: Setup(None)))
    assert status == 2
    assert "build answers None" in out
