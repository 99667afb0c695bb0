"""One trial: what it records, what it leaves, and how it goes on where it was stopped."""

import dataclasses
import errno
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest
import torch
import toy
from conftest import environment
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer

from nnhp_torch.callbacks import RestoreBestWeights
from nnhp_torch.core import trial as identity
from nnhp_torch.core.keeping import claim
from nnhp_torch.core.objective import Objective
from nnhp_torch.core.result import TrialResult
from nnhp_torch.run.answer import Setup
from nnhp_torch.run.logger import pairs, tag
from nnhp_torch.run.randomness import seed_all
from nnhp_torch.run.recorder import Recorder
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.saving import AtomicCheckpointIO
from nnhp_torch.run.trial import run_trial


@pytest.fixture
def runtime(tmp_path):
    return Runtime(str(tmp_path), accelerator="cpu", monitor="val_accuracy")


@pytest.fixture
def trial(sweep):
    return sweep.trials()[0]


@pytest.fixture
def wide(sweep):
    """The trial that the toy's disturbed builds disturb."""
    return sweep.trials()[1]


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
    assert scored.trained == {
        name.replace("val", "trained"): scored.final(name) for name in ("val_loss", "val_accuracy")
    }
    assert scored.final("trained_loss") == scored.test["test_loss"] != scored.final("train_loss")
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


class Killed(BaseException):
    """Ends a trial as abruptly as one process can do it to itself."""


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_stopped_trial_goes_on_from_its_last_epoch_to_the_same_digits(trial, runtime, tmp_path, epoch):
    whole = run_trial(trial, toy.build, dataclasses.replace(runtime, folder=str(tmp_path / "whole")))

    def stop(at, metrics):
        if at == epoch:
            raise Killed

    with pytest.raises(Killed):
        run_trial(trial, toy.build, runtime, on_epoch=stop)
    heard = []
    resumed = run_trial(trial, toy.build, runtime, on_epoch=lambda at, metrics: heard.append(at))
    assert heard == list(range(epoch + 1, 4)), "only the missing epochs are trained"
    assert resumed.history == whole.history
    assert resumed.test == whole.test


def test_a_trial_that_early_stopping_ended_is_not_trained_on_when_it_resumes(trial, runtime):
    from lightning.pytorch.callbacks import EarlyStopping

    def build(config):
        module, data, _ = toy.build(config)
        return module, data, [EarlyStopping("val_loss", patience=1, stopping_threshold=1e9)]

    def stop(at, metrics):
        raise Killed

    with pytest.raises(Killed):
        run_trial(trial, build, runtime, on_epoch=stop)
    result = run_trial(trial, build, runtime)
    assert (result.status, result.epochs) == ("completed", 1)
    assert result.test["test_accuracy"] == result.final("val_accuracy")


def _restoring(config):
    """Learns so fast that its last epoch is not its best; goes back to the best one at the end."""
    module, data, callbacks = toy.build(dataclasses.replace(config, lr=0.5))
    return module, data, [*callbacks, RestoreBestWeights("val_loss", mode="min")]


def test_what_ranks_and_is_tested_is_of_the_weights_that_callbacks_leave_at_the_end(trial, runtime, tmp_path):
    trial = dataclasses.replace(trial, config=dataclasses.replace(trial.config, max_epochs=8))
    whole = run_trial(trial, _restoring, runtime)
    plain = run_trial(dataclasses.replace(trial, name="plain"), lambda c: (*_restoring(c)[:2], []), runtime)
    assert whole.history["val_loss"][:-1] == plain.history["val_loss"][:-1]
    assert whole.final("val_loss") == min(plain.history["val_loss"]) < plain.final("val_loss")
    assert whole.test["test_loss"] == pytest.approx(whole.final("val_loss"))  # the toy's splits are the same images


@pytest.mark.parametrize("epoch", [1, 5, 8])
def test_what_a_callback_restores_at_the_end_a_resumed_trial_restores_too(trial, runtime, tmp_path, epoch):
    def stop(at, metrics):
        if at == epoch:
            raise KeyboardInterrupt

    trial = dataclasses.replace(trial, config=dataclasses.replace(trial.config, max_epochs=8))
    elsewhere = dataclasses.replace(runtime, folder=str(tmp_path / "whole"))
    whole = run_trial(trial, _restoring, elsewhere)
    assert run_trial(trial, _restoring, runtime, on_epoch=stop).status == "interrupted"
    resumed = run_trial(trial, _restoring, runtime)
    if epoch < 8:
        assert (resumed.history, resumed.test, resumed.notes) == (whole.history, whole.test, [])
    else:  # nobody can know what the callback had still to do
        assert "stopped while a callback or the module ended its training" in resumed.notes[0]
    again = run_trial(trial, _restoring, elsewhere)  # a kill before its record was written
    assert (again.history, again.test, again.notes) == (whole.history, whole.test, [])


def _flipped(data):
    middle = data.index(b"/data/0") + 200  # within the first weights: torch.load alone would not notice
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: b"garbage", lambda data: data[:1000], _flipped],
    ids=["empty", "garbage", "truncated", "bit-flipped"],
)
def test_a_checkpoint_that_is_damaged_is_named_and_the_trial_starts_over(trial, runtime, tmp_path, caplog, damage):
    whole = run_trial(trial, toy.build, runtime)
    last = tmp_path / trial.name / "checkpoints" / "last.ckpt"
    last.write_bytes(damage(last.read_bytes()))
    again = run_trial(trial, toy.build, runtime)
    assert str(last) in caplog.text
    assert again.history == whole.history


WRONG = {
    "texts": ({"history": {"val_loss": ["0.5", "0.4", "0.3"]}}, "its history is not a mapping of lists of numbers"),
    "a number": ({"history": {"val_loss": 0.5}}, "its history is not a mapping of lists of numbers"),
    "a list": ({"history": [0.5, 0.4, 0.3]}, "its history is not a mapping of lists of numbers"),
    "another length": ({"history": {"val_loss": [0.5]}}, "it is of epoch 3, and its history has 1 of val_loss"),
    "complete": ({"complete": "no"}, "its complete is not true or false"),
    "notes": ({"notes": "started over"}, "its notes is not a list of texts"),
}


@pytest.mark.parametrize(("change", "said"), WRONG.values(), ids=WRONG)
def test_a_checkpoint_with_a_wrong_state_is_named_and_the_trial_starts_over(trial, runtime, tmp_path, change, said):
    whole = run_trial(trial, toy.build, runtime)
    last = tmp_path / trial.name / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(last, weights_only=True)
    checkpoint["callbacks"]["nnhp_torch.Recorder"].update(change)
    torch.save(checkpoint, last)
    again = run_trial(trial, toy.build, runtime)
    assert (again.status, again.history) == ("completed", whole.history)
    assert again.notes == [f"started over: its checkpoint cannot be read ({said})"]


def test_a_checkpoint_of_more_epochs_than_the_trial_has_is_not_used(trial, runtime, tmp_path):
    whole = run_trial(trial, toy.build, runtime)
    last = tmp_path / trial.name / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(last, weights_only=True)
    history = checkpoint["callbacks"]["nnhp_torch.Recorder"]["history"]
    checkpoint["epoch"] = 4
    for values in history.values():
        values += [0.5, 0.5]
    torch.save(checkpoint, last)
    again = run_trial(trial, toy.build, runtime)
    assert again.history == whole.history
    assert "it is of epoch 5, and the trial has 3" in again.notes[0]


CHANGES = {
    "a setting": lambda trial: dataclasses.replace(trial, config=dataclasses.replace(trial.config, lr=0.01)),
    "a longer training": lambda trial: dataclasses.replace(
        trial, config=dataclasses.replace(trial.config, max_epochs=4)
    ),
    "the build": lambda trial: dataclasses.replace(trial, build="elsewhere:build"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_checkpoints_of_another_trial_under_the_same_name_are_set_aside_and_said_so(trial, runtime, tmp_path, change):
    first = run_trial(trial, toy.build, runtime)
    other = change(trial)
    second = run_trial(other, toy.build, runtime)
    alone = run_trial(other, toy.build, dataclasses.replace(runtime, folder=str(tmp_path / "alone")))
    assert second.history == alone.history
    aside = tmp_path / trial.name / f"checkpoints-{trial.key[:8]}"
    assert second.notes == [
        f"began anew: checkpoints of the trial with key {trial.key} lay here, they are in {aside.name} now"
    ]
    state = torch.load(aside / "last.ckpt", weights_only=True)["callbacks"]["nnhp_torch.Recorder"]
    assert state["history"] == first.history


@pytest.mark.parametrize("semantics", [1, 2])
def test_a_checkpoint_of_other_semantics_is_another_trials(trial, runtime, monkeypatch, semantics):
    run_trial(trial, toy.build, runtime)
    monkeypatch.setattr(identity, "SEMANTICS", semantics)
    heard = []
    run_trial(trial, toy.build, runtime, on_epoch=lambda epoch, metrics: heard.append(epoch))
    assert heard == ([] if semantics == 1 else [1, 2, 3])


def test_a_checkpoint_that_does_not_say_whose_it_is_is_not_used(trial, runtime, tmp_path):
    run_trial(trial, toy.build, runtime)
    folder = tmp_path / trial.name
    (folder / "checkpoints" / "trial.json").unlink()
    for aside in ("checkpoints-unknown", "checkpoints-unknown+"):
        again = run_trial(trial, toy.build, runtime)
        assert aside in again.notes[0]
        assert (folder / aside / "last.ckpt").exists()
        (folder / "checkpoints" / "trial.json").unlink()


def test_a_checkpoint_that_was_copied_into_another_trials_folder_is_not_used(trial, wide, runtime, tmp_path):
    run_trial(trial, toy.build, runtime)
    whole = run_trial(wide, toy.build, runtime)
    last = tmp_path / wide.name / "checkpoints" / "last.ckpt"
    last.write_bytes((tmp_path / trial.name / "checkpoints" / "last.ckpt").read_bytes())
    again = run_trial(wide, toy.build, runtime)
    assert again.history == whole.history
    assert "began anew" in again.notes[0]


def test_nothing_in_a_malicious_checkpoint_is_executed(trial, runtime, tmp_path, caplog):
    class Malicious:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    last = tmp_path / trial.name / "checkpoints" / "last.ckpt"
    claim(last.parent, trial.identity)
    torch.save({"callbacks": Malicious()}, last)
    result = run_trial(trial, toy.build, runtime)
    assert result.status == "completed"
    assert "starts over" in caplog.text
    assert not (tmp_path / "executed").exists()


def test_a_save_that_breaks_off_leaves_the_checkpoint_before_it(tmp_path):
    class Breaks:
        def __reduce__(self):
            raise OSError(28, "No space left on device")

    target = tmp_path / "last.ckpt"
    plugin = AtomicCheckpointIO()
    plugin.save_checkpoint({"weight": torch.ones(3)}, target)
    with pytest.raises(OSError, match="No space left"):
        plugin.save_checkpoint({"weight": torch.zeros(3), "bad": Breaks()}, target)
    assert torch.load(target, weights_only=True)["weight"].tolist() == [1, 1, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


DIES_WHILE_SAVING = """
import os, signal, sys
import toy, torch
from conftest import TinyConfig
from nnhp_torch.core.grid import Sweep
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.saving import AtomicCheckpointIO
from nnhp_torch.run.trial import run_trial

save, saves = torch.save, []

def dies_at_the_second_save(content, file):
    save(content, file)
    saves.append(content)
    if len(saves) == 2:
        file.truncate(file.tell() // 2)
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

torch.save = dies_at_the_second_save
sweep = Sweep("tiny", TinyConfig(), {"lr": [0.1, 0.01], "width": [4, 8]}, build="toy:build")
run_trial(sweep.trials()[0], toy.build, Runtime(sys.argv[1], accelerator="cpu"))
"""


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(trial, runtime, tmp_path):
    elsewhere = Path("/dev/shm")  # a TMPDIR on another file system, from which no file can be renamed to its place
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    with tempfile.TemporaryDirectory(dir=elsewhere) as temporary:
        command = [sys.executable, "-W", "ignore", "-c", DIES_WHILE_SAVING, str(tmp_path)]
        done = subprocess.run(command, env={**environment(), "TMPDIR": temporary}, capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert not list(Path(temporary).rglob("*.ckpt"))
    folder = tmp_path / trial.name / "checkpoints"
    assert (folder / ".last.ckpt.tmp").exists(), "it died in the middle"
    assert torch.load(folder / "last.ckpt", weights_only=True)["epoch"] == 0
    heard = []
    resumed = run_trial(trial, toy.build, runtime, on_epoch=lambda epoch, metrics: heard.append(epoch))
    assert heard == [2, 3]
    assert resumed.history == run_trial(trial, toy.build, Runtime(str(tmp_path / "whole"), accelerator="cpu")).history
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt", "trial.json"]


def test_the_best_epoch_is_kept_although_a_kill_came_between_its_two_names(trial, runtime, tmp_path, monkeypatch):
    def die(recorder):
        if recorder.history:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "_keep_best", die)
        with pytest.raises(Killed):
            run_trial(trial, toy.build, runtime)
    folder = tmp_path / trial.name / "checkpoints"
    assert not (folder / "best.ckpt").exists()
    result = run_trial(trial, toy.build, dataclasses.replace(runtime, monitor="val_loss", mode="max"))
    assert result.best("val_loss", "max")[1] == 1, "the first epoch, which the kill kept from being named"
    assert torch.load(folder / "best.ckpt", weights_only=True)["epoch"] == 0


def test_a_file_system_without_hard_links_has_a_best_checkpoint_too(trial, runtime, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    result = run_trial(trial, toy.build, runtime)
    best = torch.load(tmp_path / trial.name / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["epoch"] + 1 == result.best("val_accuracy")[1]


def test_last_and_best_checkpoints_are_those_of_their_epochs(trial, runtime, tmp_path):
    result = run_trial(trial, toy.build, runtime)
    folder = tmp_path / trial.name / "checkpoints"
    last, best = (torch.load(folder / name, weights_only=True) for name in ("last.ckpt", "best.ckpt"))
    assert last["epoch"] == 2
    assert best["epoch"] + 1 == result.best("val_accuracy")[1]


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


def test_a_checkpoint_of_another_network_is_said_and_how_to_start_anew(trial, runtime):
    def wider(config):
        return toy.build(dataclasses.replace(config, width=5))

    def stop(at, metrics):
        raise Killed

    with pytest.raises(Killed):
        run_trial(trial, toy.build, runtime, on_epoch=stop)
    result = run_trial(trial, wider, runtime)
    assert result.status == "failed"
    line = result.reason.splitlines()[-1]
    assert "its checkpoint is of another network than the module builds now: --fresh starts anew" in line


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
    from nnhp_torch.core.grid import Sweep

    trial = Sweep("absurd", TrialConfig(max_epochs=5), {"lr": [1e30]}, build=build).trials()[0]
    result = run_trial(trial, build, runtime)
    assert (result.status, result.reason) == ("diverged", f"not finite in epoch {result.epochs}: train_loss")
    assert result.epochs < 5
    assert not math.isfinite(result.final("train_loss"))
    assert math.isfinite(result.final("val_accuracy"))


def test_an_allocation_that_cannot_succeed_is_a_failed_trial(trial, runtime):
    def build(config):
        module, data, _ = toy.build(config)
        return module, data, [toy.AtEpoch(1, lambda *_: torch.empty(1 << 60))]

    result = run_trial(trial, build, runtime)
    assert result.status == "failed"
    assert "memory" in result.reason


def test_a_metric_that_is_not_logged_fails_and_lists_the_ones_there_are(trial, runtime):
    result = run_trial(trial, toy.build, dataclasses.replace(runtime, monitor="val_f1"))
    assert (result.status, result.epochs) == ("failed", 1), "in its first epoch"
    assert "'val_f1'; logged were train_accuracy, train_loss, val_accuracy, val_loss" in result.reason


def _events(folder):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    return events.Reload()


def test_curves_in_tensorboard_are_over_epochs_from_1(trial, runtime, tmp_path):
    result = run_trial(trial, toy.build, runtime)
    events = _events(tmp_path / trial.name)
    curves = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert len(curves) == 4, "the test has no curve"
    for name, values in result.history.items():
        assert curves[tag(name)] == [(epoch, pytest.approx(value)) for epoch, value in enumerate(values, 1)]


def test_metrics_over_several_data_lie_side_by_side_in_tensorboard():
    names = ("train_loss", "val_loss", "valid/acc", "lr", "val_loss/dataloader_idx_1")
    tags = ["loss/train", "loss/validation", "acc/validation", "lr", "loss/dataloader_idx_1/validation"]
    assert [tag(name) for name in names] == tags
    assert pairs(tags) == {"loss": "^loss/(train|validation)$"}


def test_a_resumed_trials_curves_have_each_epoch_once(trial, runtime, tmp_path, monkeypatch):
    # Files of one second are read in the order of their names, in which a tenth comes before a ninth.
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(0))

    def stop(at, metrics):
        if at == 2:
            raise Killed

    with pytest.raises(Killed):
        run_trial(trial, toy.build, runtime, on_epoch=stop)
    run_trial(trial, toy.build, runtime)
    events = _events(tmp_path / trial.name)
    assert [event.step for event in events.Scalars("accuracy/validation")] == [1, 2, 3]


@pytest.mark.parametrize("repeated", [(), ("seed",)])
def test_the_hparams_tab_has_the_swept_values_and_the_test_and_a_seed_if_there_are_several(
    trial, runtime, tmp_path, repeated
):
    from tensorboard.plugins.hparams import plugin_data_pb2

    result = run_trial(trial, toy.build, dataclasses.replace(runtime, repeated=repeated))
    events = _events(tmp_path / trial.name)
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    tests = {name.replace("_", "/"): value for name, value in result.test.items()}
    expected = {"lr": 0.1, "width": 4, **dict.fromkeys(repeated, 123), **tests}
    assert {name: value.number_value for name, value in start.items()} == expected
    assert "_hparams_/experiment" not in events.summary_metadata, "TensorBoard would take it for that of all runs"
    assert "hp_metric" not in events.Tags()["scalars"]
