"""Checkpoints of a trial: how it goes on from one, which are not used, and that a kill leaves one whole."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
import toy
from conftest import environment
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nnhp_torch.callbacks import RestoreBestWeights
from nnhp_torch.core.ledger.checkpoints import acquire
from nnhp_torch.core.spec import trial as identity
from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.trial import recorder
from nnhp_torch.run.trial.recorder import Recorder
from nnhp_torch.run.trial.run_trial import run_trial
from nnhp_torch.run.trial.saving import AtomicCheckpointIO, read


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_stopped_trial_goes_on_from_its_last_epoch_to_the_same_digits(trial, runtime, tmp_path, epoch):
    whole = run_trial(trial, toy.build, dataclasses.replace(runtime, folder=str(tmp_path / "whole")))

    def stop(at, metrics):
        if at == epoch:
            raise toy.Killed

    with pytest.raises(toy.Killed):
        run_trial(trial, toy.build, runtime, on_epoch=stop)
    trained, heard = [], []
    resumed = run_trial(trial, toy.noting(trained), runtime, on_epoch=lambda *told: heard.append(told))
    assert trained == list(range(epoch + 1, 4)), "only the missing epochs are trained"
    told = [{name: curve[at] for name, curve in whole.history.items()} for at in range(3)]
    assert heard == list(enumerate(told, 1)), "who listens hears of all"
    assert resumed.history == whole.history
    assert resumed.test == whole.test


@pytest.mark.parametrize(
    ("seconds", "settings", "there"),
    [
        (1000, {}, [1, 1, 3]),
        (-1, {}, [1, 2, 3]),
        (1000, {"each_epoch": True}, [1, 2, 3]),
        (1000, {"keeps_best": True}, [1, 2, 3]),
    ],
    ids=["by the clock and at the end", "longer epochs", "as --check asks for", "the best, which here is the last"],
)
def test_there_is_a_checkpoint_a_second_and_one_at_the_end(trial, runtime, monkeypatch, seconds, settings, there):
    monkeypatch.setattr(recorder, "SECONDS", seconds)
    found, checkpoints = [], Path(runtime.folder) / trial.name / "checkpoints"
    run_trial(
        trial,
        toy.build,
        dataclasses.replace(runtime, **{"keeps_best": False, **settings}),
        on_epoch=lambda *_: found.append(read(checkpoints / "last.ckpt")["epoch"] + 1),
    )
    assert found == there
    assert (checkpoints / "best.ckpt").exists() == settings.get("keeps_best", False)


def test_a_kill_between_two_checkpoints_costs_their_epochs_and_changes_no_digit(trial, runtime, tmp_path, monkeypatch):
    """Of TensorBoard's curves either: those epochs' points are written anew."""

    def die(trainer, module):
        raise toy.Killed

    def draws(config):
        """Whoever draws random numbers while a checkpoint is made would come to others for a clock's sake."""
        module, data, _ = toy.build_shuffled(config)
        module.on_save_checkpoint = lambda checkpoint: torch.rand(7)
        return module, data, []

    def dying(config):
        return (*draws(config)[:2], [toy.AtEpoch(4, die)])

    monkeypatch.setattr(recorder, "SECONDS", 1000)
    trial = dataclasses.replace(trial, config=dataclasses.replace(trial.config, max_epochs=5))
    runtime = dataclasses.replace(runtime, keeps_best=False)
    saving = dataclasses.replace(runtime, folder=str(tmp_path / "whole"), each_epoch=True)
    whole = run_trial(trial, draws, saving)
    with pytest.raises(toy.Killed):
        run_trial(trial, dying, runtime)
    trained, heard = [], []
    resumed = run_trial(
        trial, lambda c: (*draws(c)[:2], [toy.Trained(trained)]), runtime, on_epoch=lambda at, _: heard.append(at)
    )
    assert (trained, heard) == ([2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert (resumed.history, resumed.test, resumed.notes) == (whole.history, whole.test, [])
    accumulator = EventAccumulator(str(tmp_path / trial.name)).Reload()
    assert [event.step for event in accumulator.Scalars("loss/train")] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_stop_before_the_answer_to_an_epoch_loses_no_decision_to_end_there(trial, runtime, tmp_path, epoch):
    """Who listens counts the epochs, and has to be told them all to answer as it did."""

    def patience(stopped=False):
        heard = []

        def on_epoch(at, metrics):
            heard.append(at)
            if stopped and at == epoch:
                raise toy.Killed
            return "no patience" if len(heard) >= epoch else None

        return on_epoch

    whole = run_trial(trial, toy.build, dataclasses.replace(runtime, folder=str(tmp_path / "b")), on_epoch=patience())
    with pytest.raises(toy.Killed):
        run_trial(trial, toy.build, runtime, on_epoch=patience(stopped=True))
    trained = []
    resumed = run_trial(trial, toy.noting(trained), runtime, on_epoch=patience())
    assert (resumed.status, resumed.reason, resumed.history) == (whole.status, whole.reason, whole.history)
    assert trained == []
    assert whole.status == ("pruned" if epoch < 3 else "completed")
    again = run_trial(trial, toy.build, runtime)
    assert (again.status, again.history) == (whole.status, whole.history), "the checkpoint knows it"


def test_a_trial_that_early_stopping_ended_is_not_trained_on_when_it_resumes(trial, runtime):
    from lightning.pytorch.callbacks import EarlyStopping

    def build(config):
        module, data, _ = toy.build(config)
        return module, data, [EarlyStopping("val_loss", patience=1, stopping_threshold=1e9)]

    def stop(at, metrics):
        raise toy.Killed

    with pytest.raises(toy.Killed):
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
    assert whole.history == plain.history, "the curve stays as it was measured"
    assert (set(whole.restored), plain.restored) == ({"val_loss", "val_accuracy"}, {})
    assert whole.final("val_loss") == min(plain.history["val_loss"]) < plain.final("val_loss")
    assert whole.test["test_loss"] == pytest.approx(whole.final("val_loss"))  # the toy's splits are the same images


@pytest.mark.parametrize("epoch", [1, 5, 8])
def test_what_a_callback_restores_at_the_end_a_resumed_trial_restores_too(trial, runtime, tmp_path, epoch):
    def stop(at, metrics):
        if at == epoch:
            raise KeyboardInterrupt

    def of(result):
        return result.history, result.restored, result.test

    trial = dataclasses.replace(trial, config=dataclasses.replace(trial.config, max_epochs=8))
    elsewhere = dataclasses.replace(runtime, folder=str(tmp_path / "whole"))
    whole = run_trial(trial, _restoring, elsewhere)
    assert run_trial(trial, _restoring, runtime, on_epoch=stop).status == "interrupted"
    resumed = run_trial(trial, _restoring, runtime)
    assert (*of(resumed), resumed.notes) == (*of(whole), [])
    again = run_trial(trial, _restoring, elsewhere)  # a kill before its record was written
    assert (*of(again), again.notes) == (*of(whole), [])


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
    trained = []
    run_trial(trial, toy.noting(trained), runtime)
    assert trained == ([] if semantics == 1 else [1, 2, 3])


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
    acquire(last.parent, trial.identity)
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
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.trial.saving import AtomicCheckpointIO, read
from nnhp_torch.run.trial.run_trial import run_trial

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
    trained = []
    resumed = run_trial(trial, toy.noting(trained), runtime)
    assert trained == [2, 3]
    assert resumed.history == run_trial(trial, toy.build, Runtime(str(tmp_path / "whole"), accelerator="cpu")).history
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt", "trial.json"]


def test_the_best_epoch_is_kept_although_a_kill_came_between_its_two_names(trial, runtime, tmp_path, monkeypatch):
    def die(recorder):
        if recorder.history:
            raise toy.Killed

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "_keep_best", die)
        with pytest.raises(toy.Killed):
            run_trial(trial, toy.build, runtime)
    folder = tmp_path / trial.name / "checkpoints"
    assert not (folder / "best.ckpt").exists()
    result = run_trial(trial, toy.build, dataclasses.replace(runtime, objective=Objective("val_loss", "max")))
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


def test_a_checkpoint_of_another_network_is_said_and_how_to_start_anew(trial, runtime):
    def wider(config):
        return toy.build(dataclasses.replace(config, width=5))

    def as_it_was(config):
        return toy.build(config)

    def stop(at, metrics):
        raise toy.Killed

    with pytest.raises(toy.Killed):
        run_trial(trial, as_it_was, runtime, on_epoch=stop)
    result = run_trial(trial, wider, runtime)
    assert result.status == "failed"
    line = result.reason.splitlines()[-1]
    assert "its checkpoint is of another network than the module builds now: --fresh starts anew" in line


def test_a_checkpoint_that_another_source_has_made_is_not_gone_on_from(trial, runtime, monkeypatch):
    whole = run_trial(dataclasses.replace(trial, name="whole"), toy.build, runtime)

    def stop(at, metrics):
        raise toy.Killed

    monkeypatch.setattr("nnhp_torch.run.trial.run_trial.sources", lambda *made: {"toy": "apart:0123456789abcdef"})
    with pytest.raises(toy.Killed):
        run_trial(trial, toy.build, runtime, on_epoch=stop)
    monkeypatch.undo()
    result = run_trial(trial, toy.build, runtime)
    assert result.notes == ["started over: its checkpoint was made by another source of toy"]
    assert result.history == whole.history
