"""A trial in TensorBoard: its curves, side by side, and its row in the table of settings."""

import dataclasses

import pytest
import toy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer

from nnhp_torch.run.trial.run_trial import run_trial
from nnhp_torch.run.trial.tensorboard import pairs, tag


def _events(folder):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    return events.Reload()


def test_curves_in_tensorboard_are_over_epochs_from_1(trial, runtime, tmp_path):
    result = run_trial(trial, toy.build, runtime)
    events = _events(tmp_path / trial.name)
    curves = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert len(curves) == 6, "the test is one point, at the last epoch"
    tests = {name: [value] for name, value in result.test.items()}
    assert {name: curves[tag(name)] for name in tests} == {n: [(3, pytest.approx(v))] for n, (v,) in tests.items()}
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
            raise toy.Killed

    with pytest.raises(toy.Killed):
        run_trial(trial, toy.build, runtime, on_epoch=stop)
    run_trial(trial, toy.build, runtime)
    events = _events(tmp_path / trial.name)
    for curve in ("accuracy/validation", "accuracy/train"):
        assert [event.step for event in events.Scalars(curve)] == [1, 2, 3]
    run_trial(trial, toy.build, runtime)  # as after a kill between the test and the ledger's line
    events = _events(tmp_path / trial.name)
    assert [event.step for event in events.Scalars("accuracy/test")] == [3]
    assert [event.step for event in events.Scalars("accuracy/train")] == [1, 2, 3]


def test_a_longer_trial_that_is_stopped_as_it_begins_has_its_own_tests_points_alone(
    trial, runtime, tmp_path, monkeypatch
):
    def kill(*_, **__):
        raise toy.Killed

    shorter = dataclasses.replace(trial, config=dataclasses.replace(trial.config, max_epochs=1))
    longer = dataclasses.replace(trial, shorter=shorter)
    run_trial(shorter, toy.build, runtime)
    with monkeypatch.context() as stopped:
        stopped.setattr("nnhp_torch.run.trial.run_trial.TrialLogger", kill)
        with pytest.raises(toy.Killed):
            run_trial(longer, toy.build, runtime)
    run_trial(longer, toy.build, runtime)
    events = _events(tmp_path / trial.name)
    assert [event.step for event in events.Scalars("accuracy/test")] == [3]
    assert [event.step for event in events.Scalars("accuracy/validation")] == [1, 2, 3]


@pytest.mark.parametrize("repeated", [(), ("seed",)])
def test_the_hparams_tab_has_the_swept_values_and_a_seed_if_there_are_several(trial, runtime, tmp_path, repeated):
    from tensorboard.plugins.hparams import plugin_data_pb2

    run_trial(trial, toy.build, dataclasses.replace(runtime, repeated=repeated))
    events = _events(tmp_path / trial.name)
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    expected = {"lr": 0.1, "width": 4, **dict.fromkeys(repeated, 123)}
    assert {name: value.number_value for name, value in start.items()} == expected
    assert "_hparams_/experiment" not in events.summary_metadata, "TensorBoard would take it for that of all runs"
    assert "hp_metric" not in events.Tags()["scalars"]


def test_a_number_that_is_too_large_for_a_float_is_shown_as_text(trial, runtime, tmp_path):
    large = dataclasses.replace(trial, cell={"n": 10**400})
    assert run_trial(large, toy.build, runtime).status == "completed"
    assert _events(tmp_path / trial.name).Tags()["scalars"]
