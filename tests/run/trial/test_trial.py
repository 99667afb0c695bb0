"""One trial: what it records, and how it ends."""

import dataclasses
import math
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import torch
import toy
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.overrides import TorchFunctionMode

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.run.resume import global_variables
from nnhp_torch.run.resume.generators import seed_all
from nnhp_torch.run.resume.isolation import kept_precisions
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.setup import Setup
from nnhp_torch.run.trial.recorder import Recorder
from nnhp_torch.run.trial.run_trial import run_trial


def test_a_trial_records_every_epoch_and_scores_the_test_set_once(trial, runtime):
    heard = []
    clock = time.perf_counter()
    result = run_trial(
        trial, toy.build, runtime, on_epoch=lambda epoch, metrics: heard.append((epoch, metrics["val_accuracy"]))
    )
    assert 0 < result.fit_seconds < result.seconds < time.perf_counter() - clock + 0.001  # which are rounded
    assert result.fit_seconds == round(result.fit_seconds, 3)
    assert (result.status, result.reason) == ("completed", "")
    assert set(result.history) == {"train_loss", "train_accuracy", "val_loss", "val_accuracy"}
    assert {len(values) for values in result.history.values()} == {3}
    assert heard == list(enumerate(result.history["val_accuracy"], 1))
    # The toy's three splits are the same images: the final weights score the same on two of them.
    assert result.test["test_accuracy"] == result.final("val_accuracy")
    assert result.hardware["accelerator"] == "cpu"
    assert result.versions["torch"] == torch.__version__


def test_the_initial_weights_are_a_function_of_the_seed_alone(trial, runtime):
    begun = []

    def noting(config):
        module, *rest = toy.build(config)
        begun.append({name: w.clone() for name, w in module.state_dict().items()})
        return module, *rest

    run_trial(trial, noting, runtime)
    seed_all(trial.config.seed, -1, 0)
    torch.testing.assert_close(toy.build(trial.config)[0].state_dict(), begun[0], rtol=0, atol=0)


def test_the_seconds_of_a_trial_that_was_stopped_are_those_of_all_its_runs(trial, runtime, monkeypatch):
    def stop(epoch, metrics):
        if epoch == 2:
            raise SIGTERMException

    monkeypatch.setenv("SECONDS_AN_EPOCH", "1")
    assert run_trial(trial, toy.build_slow, runtime, on_epoch=stop).status == "interrupted"
    monkeypatch.setenv("SECONDS_AN_EPOCH", "0")
    clock = time.perf_counter()
    result = run_trial(trial, toy.build_slow, runtime)
    last = time.perf_counter() - clock
    assert 2 < result.fit_seconds < result.seconds
    assert result.seconds > last + 2 - 0.1


def test_before_its_first_epoch_a_trial_has_none(tmp_path):
    assert Recorder(tmp_path, {}, Objective("val_accuracy", "max")).epochs == 0


LOOP: dict = {}
LOOP["again"] = [LOOP]


def test_a_script_may_have_a_global_container_that_contains_itself(trial, runtime):
    def here(config):
        return toy.build(config)

    assert run_trial(trial, here, runtime).status == "completed"


def test_what_an_earlier_checkpoint_does_not_say_is_taken_as_it_was_then(tmp_path):
    recorder = Recorder(tmp_path, {}, Objective("val_accuracy", "max"))
    state = recorder.state_dict()
    for unsaid in ("ended", "stopped", "asked"):
        del state[unsaid]
    recorder.load_state_dict(state)
    assert (recorder.ended, recorder.stopped) == (True, False)
    assert recorder.asked, "its number of epochs may have mattered"


def test_a_trial_prints_nothing_also_if_its_last_weights_are_scored_once_more(trial, runtime, capsys):
    def now_and_then(config):
        return Setup(*toy.build(config), trainer={"check_val_every_n_epoch": 2}, score_training=True)

    assert run_trial(trial, now_and_then, runtime).status == "completed"
    assert capsys.readouterr().out == ""


def test_the_training_data_are_scored_as_the_others_are_if_build_asks_and_nothing_else_changes(
    trial, runtime, tmp_path
):
    def scoring(config):
        return Setup(*toy.build(config), score_training=True)

    other = dataclasses.replace(runtime, folder=str(tmp_path / "other"))
    plain, scored = run_trial(trial, toy.build, runtime), run_trial(trial, scoring, other)
    assert (scored.history, scored.test, plain.trained) == (plain.history, plain.test, {})
    # The toy trains on the images that it validates on, but under dropout, with weights that change.
    # Its batches are others: what is added up in another order may have another last digit.
    validated = {name.replace("val", "trained"): scored.final(name) for name in ("val_loss", "val_accuracy")}
    assert scored.trained == pytest.approx(validated, rel=1e-6)
    assert scored.final("trained_loss") == pytest.approx(scored.test["test_loss"], rel=1e-6)
    assert scored.test["test_loss"] != pytest.approx(scored.final("train_loss"), rel=1e-3)
    events = EventAccumulator(str(tmp_path / "other" / trial.name)).Reload()
    assert [event.step for event in events.Scalars("accuracy/validation")] == [1, 2, 3], "and no logger hears of it"
    again = run_trial(trial, scoring, other)
    assert (again.history, again.test, again.trained) == (scored.history, scored.test, scored.trained)
    assert TrialResult.from_json(scored.to_json()).trained == scored.trained


@pytest.mark.parametrize("data", ["loaders", "the module's own"])
def test_training_data_that_come_otherwise_are_scored_too(trial, runtime, data):
    def build(config):
        names = ("train_dataloader", "val_dataloader")
        if data == "loaders":
            return Setup(toy.build(config)[0], [getattr(toy.ToyData(), name)() for name in names], score_training=True)
        own = type(
            "WithLoaders", (toy.Toy,), {name: lambda self, name=name: getattr(toy.ToyData(), name)() for name in names}
        )
        return Setup(own(config.lr, config.width), score_training=True)

    result = run_trial(trial, build, runtime)
    assert result.reason == ""
    assert result.trained["trained_accuracy"] == result.final("val_accuracy")


def test_the_checksums_that_a_data_module_knows_are_in_the_record(trial, runtime):
    def build(config):
        module, data, callbacks = toy.build(config)
        data.checksums = {"rows.csv": "0af1"}
        return module, data, callbacks

    result = run_trial(trial, build, runtime)
    assert TrialResult.from_json(result.to_json()).build["data"] == {"rows.csv": "0af1"}


def test_a_trial_that_was_pruned_stays_so_even_if_a_kill_came_before_its_record(trial, runtime):
    def prune(epoch, metrics):
        return "no good" if epoch == 2 else None

    first = run_trial(trial, toy.build, runtime, on_epoch=prune)
    again = run_trial(trial, toy.build, runtime)
    for result in (first, again):
        assert (result.status, result.reason, result.epochs, result.test) == ("pruned", "no good", 2, {})
    assert first.history == again.history


def test_the_same_trial_gives_the_same_digits_and_another_seed_gives_others(sweep, runtime, tmp_path):
    def history(seed, folder):
        trial = sweep.trials(seeds=[seed])[0]
        return run_trial(trial, toy.build, dataclasses.replace(runtime, folder=str(tmp_path / folder))).history

    assert history(1, "a") == history(1, "b") != history(2, "c")


def test_a_callback_that_raises_makes_a_failed_trial_with_its_traceback(wide, runtime):
    result = run_trial(wide, toy.build_raising, runtime)
    assert result.status == "failed"
    assert "my own callback" in result.reason.splitlines()[-1]
    assert "in boom" in result.reason
    assert (result.epochs, result.hardware["world_size"]) == (1, 1)
    open_files = {Path(file.path).parent for file in psutil.Process().open_files()}
    assert not [folder for folder in open_files if folder.is_relative_to(runtime.folder)], "the logger is closed"
    writers = [thread for thread in threading.enumerate() if "AsyncWriter" in type(thread).__name__]
    assert not writers, "and its thread has ended"


class Batches:
    """A loader that several devices could not share."""

    def __iter__(self):
        return iter(toy.ToyData().train_dataloader())


def test_on_one_device_a_trial_has_its_loaders_and_its_log_as_they_are(trial, runtime):
    def build(config):
        module, data, _ = toy.build(config)
        plain = module.log
        module.on_fit_start = lambda: seen.append(module.log == plain)
        return module, {"train": Batches(), "val": data.val_dataloader()}

    seen = []
    result = run_trial(trial, build, runtime)
    assert (result.status, result.notes, seen) == ("completed", [], [True])


@pytest.mark.parametrize("code", [0, "no licence"])
def test_a_module_that_calls_sys_exit_has_failed_and_no_signal_is_blamed(wide, runtime, code):
    def build(config):
        module, data, _ = toy.build(config)
        return module, data, [toy.AtEpoch(2, lambda *_: sys.exit(code))]

    result = run_trial(wide, build, runtime)
    assert (result.status, result.epochs) == ("failed", 1)
    assert result.reason.splitlines()[-1] == f"the trial's own code called sys.exit({code!r})"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_process_interrupts_its_trial(sweep, runtime, number):
    trial = dataclasses.replace(sweep, axes={"width": [int(number)]}).trials()[0]
    handlers = {  # Lightning's own asks SIGTERM's too; a job in the background ignores SIGINT
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: None),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    try:
        result = run_trial(trial, toy.build_signalling, runtime)
    finally:
        for known, before in handlers.items():
            signal.signal(known, before)
    assert (result.status, result.reason) == ("interrupted", "stopped by a signal")


def test_a_loss_that_is_not_finite_makes_a_diverged_trial_that_names_the_epoch(wide, runtime):
    result = run_trial(wide, toy.build_diverging, runtime)
    assert result.status == "diverged"
    assert "epoch 2" in result.reason
    assert result.epochs == 2, "it stops there"
    assert math.isnan(result.history["train_loss"][1])
    assert math.isfinite(result.history["val_accuracy"][1]), "accuracy alone would not have told"


def test_the_articles_network_diverges_at_an_absurd_learning_rate_though_its_accuracy_is_finite(runtime):
    from nnhp_torch.article.config import TrialConfig
    from nnhp_torch.article.experiment import build
    from nnhp_torch.core.spec.grid import Sweep

    trial = Sweep("absurd", TrialConfig(max_epochs=5), {"lr": [1e30]}, build=build).trials()[0]
    result = run_trial(trial, build, runtime)
    assert (result.status, result.reason) == ("diverged", f"not finite in epoch {result.epochs}: train_loss")
    assert result.epochs < 5
    assert not math.isfinite(result.final("train_loss"))
    assert math.isfinite(result.final("val_accuracy"))


class Waits(TorchFunctionMode):
    """Counts how often a number is asked for, or several at once; not where they are on the host already."""

    ASKS = ("__bool__", "__float__", "__int__", "cpu", "item", "tolist")
    count = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **kwargs or {})
        tensors = [thing for thing in args if isinstance(thing, torch.Tensor)]
        on_host = any(hasattr(tensor, "on_host") or tensor.dtype == torch.uint8 for tensor in tensors)
        name = getattr(function, "__name__", "")
        self.count += name in self.ASKS and not on_host
        if isinstance(result, torch.Tensor) and (on_host or name == "cpu"):
            result = result.clone() if any(result is tensor for tensor in tensors) else result
            result.on_host = True
        return result


def test_an_epochs_end_waits_for_the_device_twice_more_than_a_trainers(sweep, tmp_path, monkeypatch):
    """However many weights there are: a GPU would have the host wait for all that it was given, each time.

    Once for the metrics, with what tells whether all is finite, and once for the sums by which weights are compared.
    """
    monkeypatch.setattr(
        global_variables, "own_variables", dict
    )  # a checkpoint waits for each network in a global one, too

    def fit(config):
        module, data, _ = toy.build(config)
        logger = TensorBoardLogger(tmp_path / str(config.max_epochs))
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        Trainer(accelerator="cpu", max_epochs=config.max_epochs, logger=logger, log_every_n_steps=10**9, **quiet).fit(
            module, data
        )

    def ours(config):
        (trial,) = dataclasses.replace(sweep, base=config, axes={"lr": [0.1]}).trials()
        assert run_trial(trial, toy.build, Runtime(str(tmp_path), accelerator="cpu")).status == "completed"

    def of_an_epoch(run):
        found = []
        for epochs in (1, 3):
            with Waits() as waits:
                run(dataclasses.replace(sweep.base, max_epochs=epochs))
            found.append(waits.count)
        return (found[1] - found[0]) / 2

    assert of_an_epoch(ours) <= of_an_epoch(fit) + 2


def test_an_allocation_that_cannot_succeed_is_a_failed_trial(trial, runtime):
    def build(config):
        module, data, _ = toy.build(config)
        return module, data, [toy.AtEpoch(1, lambda *_: torch.empty(1 << 60))]

    result = run_trial(trial, build, runtime)
    assert result.status == "failed"
    assert "memory" in result.reason


def test_a_metric_that_is_not_logged_fails_and_lists_the_ones_there_are(trial, runtime):
    result = run_trial(trial, toy.build, dataclasses.replace(runtime, objective=Objective("val_f1", "max")))
    assert (result.status, result.epochs) == ("failed", 3), "a later epoch might have logged it"
    assert "'val_f1'; logged were train_accuracy, train_loss, val_accuracy, val_loss" in result.reason


DEVICES = {
    "another name": (lambda patch: patch.setattr("nnhp_torch.run.trial.hardware._cpu_name", lambda: "B"), "B after"),
    "no AVX-512": (lambda patch: patch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "NO"), "NO after"),
    "TF32": (lambda patch: torch.set_float32_matmul_precision("high"), "high after"),
}


@pytest.mark.parametrize(("change", "after"), DEVICES.values(), ids=DEVICES)
@pytest.mark.parametrize("at", [2, 3])
def test_a_trial_that_goes_on_on_another_device_is_said_to_be_in_doubt(trial, runtime, monkeypatch, change, after, at):
    def stop(epoch, metrics):
        if epoch == at:
            raise toy.Killed

    with pytest.raises(toy.Killed):
        run_trial(trial, toy.build, runtime, on_epoch=stop)
    with kept_precisions(), monkeypatch.context() as patch:
        change(patch)
        (note,) = run_trial(trial, toy.build, runtime).notes
    assert note.startswith("resumed, may differ: it was trained on ")
    assert note.endswith(f" before, {after}")
