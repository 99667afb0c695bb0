"""Every metric has one value per epoch, however a module logs it."""

import json
import math

import pytest
import torch
import toy
from lightning.pytorch.trainer.connectors.logger_connector import result as lightnings
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader, TensorDataset

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.setup import Setup
from nnhp_torch.run.trial.run_trial import run_trial


def _run(trial, folder, change, monitor="val_accuracy", on_epoch=None, mode=None):
    """A trial of the toy's, with what `change` does to its module and its data."""

    def build(config):
        module, data, callbacks = toy.build(config)
        change(module, data)
        return module, data, callbacks

    result = run_trial(
        trial, build, Runtime(str(folder), accelerator="cpu", objective=Objective.of(monitor, mode)), on_epoch=on_epoch
    )
    assert result.status != "failed", result.reason
    return result


def _curves(folder, trial):
    events = EventAccumulator(str(folder / trial.name), size_guidance={"scalars": 0}).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def _logging(name, value, **how):
    """Lets the module's training step log a value of the batch's number and the epoch."""

    def change(module, data):
        step = module.training_step

        def training_step(batch, batch_idx):
            if (logged := value(batch_idx, module.current_epoch)) is not None:
                module.log(name, torch.tensor(float(logged)), **how)
            return step(batch, batch_idx)

        module.training_step = training_step

    return change


def test_what_is_logged_per_step_alone_is_the_epochs_mean_in_the_ledger_and_in_tensorboard(trial, tmp_path):
    result = _run(trial, tmp_path, _logging("batch_idx", lambda batch, epoch: batch + 10 * epoch))
    assert result.history["batch_idx"] == [2.5, 12.5, 22.5], "of six batches"
    assert _curves(tmp_path, trial)["batch_idx"] == [(1, 2.5), (2, 12.5), (3, 22.5)]


def test_what_is_logged_where_its_metric_is_already_moves_nothing(trial, tmp_path, monkeypatch):
    """Lightning looks through a copy of the metric for what to move, which takes as long as a small step."""
    moved = []
    monkeypatch.setattr(lightnings, "move_data_to_device", lambda thing, *_, **__: moved.append(type(thing)) or thing)
    _run(trial, tmp_path, _logging("batch_idx", lambda batch, epoch: batch))
    assert torch.Tensor not in moved


def test_each_batch_weighs_as_many_images_as_it_has(trial, tmp_path):
    def change(module, data):
        data.train_dataloader = lambda: DataLoader(data.data, batch_size=64)  # 64, then 32
        _logging("batch_idx", lambda batch, epoch: batch)(module, data)

    assert _run(trial, tmp_path, change).history["batch_idx"] == pytest.approx([1 / 3] * 3)


def test_what_is_logged_in_some_batches_is_the_mean_of_those(trial, tmp_path):
    log = _logging("some", lambda batch, epoch: batch if batch in (1, 3) else None)
    assert _run(trial, tmp_path, log).history["some"] == [2, 2, 2]


def test_what_is_logged_per_step_and_per_epoch_has_one_name_and_one_curve(trial, tmp_path):
    result = _run(trial, tmp_path, _logging("both", lambda batch, epoch: batch, on_step=True, on_epoch=True))
    assert result.history["both"] == [2.5] * 3
    assert not [name for name in result.history if name.endswith(("_step", "_epoch"))]
    curves = _curves(tmp_path, trial)
    assert curves["both"] == [(1, 2.5), (2, 2.5), (3, 2.5)]
    assert not [name for name in curves if name.endswith(("_step", "_epoch"))]


def test_a_monitor_may_have_the_name_that_lightning_gives_to_the_epochs_mean(trial, tmp_path):
    both = _logging("both_loss", lambda batch, epoch: batch, on_step=True, on_epoch=True)
    assert _run(trial, tmp_path, both, monitor="both_loss_epoch").final("both_loss_epoch") == 2.5


def test_the_training_itself_sees_the_metrics_that_it_sees_without_a_sweep(trial, tmp_path):
    seen = []

    def change(module, data):
        _logging("batch_idx", lambda batch, epoch: batch)(module, data)
        module.on_train_epoch_end = lambda: seen.append(float(module.trainer.callback_metrics["batch_idx"]))

    _run(trial, tmp_path, change)
    assert seen == [5, 5, 5], "Lightning's own: the last batch's"


def test_a_metric_has_a_place_for_every_epoch_and_nothing_in_those_that_did_not_log_it(trial, tmp_path):
    def change(module, data):
        _logging("second", lambda batch, epoch: epoch if epoch == 1 else None)(module, data)

    def stop(epoch, metrics):
        if epoch == 2:
            raise toy.Killed

    whole = _run(trial, tmp_path / "whole", change)
    with pytest.raises(toy.Killed):
        _run(trial, tmp_path, change, on_epoch=stop)
    for result in (whole, _run(trial, tmp_path, change)):
        assert result.history["second"] == [
            pytest.approx(math.nan, nan_ok=True),
            1,
            pytest.approx(math.nan, nan_ok=True),
        ]
        assert {len(values) for values in result.history.values()} == {3}
    assert '"second": [null, 1.0, null]' in whole.to_json()


def test_what_is_written_into_the_trainers_metrics_is_of_the_epochs_that_write_it(trial, tmp_path):
    """The value may be the very same object: a tensor that is changed in place, or a number that Python has once."""

    def change(module, data):
        average = torch.zeros(())

        def on_train_epoch_end():
            metrics = module.trainer.callback_metrics
            metrics["val_average"], metrics["one"] = average.add_(1), 1
            if module.current_epoch == 0:
                metrics.update(first=2.0)

        module.on_train_epoch_end = on_train_epoch_end

    result = _run(trial, tmp_path, change, monitor="val_average", mode="min")
    assert (result.history["val_average"], result.history["one"]) == ([1, 2, 3], [1, 1, 1])
    assert result.history["first"] == [2, pytest.approx(math.nan, nan_ok=True), pytest.approx(math.nan, nan_ok=True)]
    assert (result.final("val_average"), result.notes) == (3, [])


def test_a_metric_that_is_undefined_beside_a_finite_loss_makes_no_diverged_trial(trial, tmp_path):
    result = _run(trial, tmp_path, _logging("auc", lambda batch, epoch: math.nan if epoch == 0 else 0.5))
    assert (result.status, result.epochs) == ("completed", 3)
    assert math.isnan(result.history["auc"][0])


def test_a_monitor_that_is_not_finite_does(trial, tmp_path):
    log = _logging("val_auc", lambda batch, epoch: math.nan if epoch == 1 else 0.5)
    result = _run(trial, tmp_path, log, monitor="val_auc")
    assert (result.status, result.reason) == ("diverged", "not finite in epoch 2: val_auc")


LATE = {"late": (2, [None, None, 2.0]), "seldom": (1, [None, 1.0, None]), "at first": (0, [0.0, None, None])}


@pytest.mark.parametrize(("at", "curve"), LATE.values(), ids=LATE)
def test_a_monitor_that_some_epochs_do_not_log_ranks_by_the_last_one_that_does_and_it_is_said(
    trial, tmp_path, at, curve
):
    def log(module, data):
        module.on_train_epoch_end = lambda: module.current_epoch == at and module.log("val_fid", float(at))

    def stop(epoch, metrics):
        if epoch == 2:
            raise toy.Killed

    with pytest.raises(toy.Killed):
        _run(trial, tmp_path, log, monitor="val_fid", on_epoch=stop)
    result = _run(trial, tmp_path, log, monitor="val_fid")
    assert result.status == "completed", result.reason
    assert json.loads(result.to_json())["history"]["val_fid"] == curve
    assert TrialResult.from_json(result.to_json()).final("val_fid") == at
    said = f"val_fid was last logged in epoch {at + 1} of 3: that value counts"
    assert result.notes == ([] if at == 2 else [said])
    assert result.restored == ({} if at == 2 else {"val_fid": at})


def test_a_metric_that_is_undefined_in_the_last_epoch_has_no_earlier_value(trial, tmp_path):
    result = _run(trial, tmp_path, _logging("auc", lambda batch, epoch: math.nan if epoch == 2 else 0.5))
    assert math.isnan(result.final("auc"))


def test_what_the_training_step_returns_decides_where_no_loss_is_logged_and_so_do_the_weights(trial, tmp_path):
    def bare(module, data):
        module.training_step = lambda batch, batch_idx: module.net(batch[0]).sum() * math.inf

    def poisoned(module, data):
        def poison():
            with torch.no_grad():
                module.net[0].bias.fill_(math.nan)

        module.on_validation_end = poison

    for change, what in ((bare, "what training_step returned"), (poisoned, "the weights")):
        result = _run(trial, tmp_path / what, change)
        assert (result.status, result.reason) == ("diverged", f"not finite in epoch 1: {what}")


def _two_loaders(module, data):
    easy, hard = (DataLoader(TensorDataset(*data.data[:48]), batch_size=48), DataLoader(data.data, batch_size=96))
    data.val_dataloader = data.test_dataloader = lambda: [easy, hard]
    module.validation_step = lambda batch, batch_idx, dataloader_idx=0: module._step(batch, "val")
    module.test_step = lambda batch, batch_idx, dataloader_idx=0: module._step(batch, "test")


@pytest.mark.parametrize("monitor", ["val_loss", "val_loss/dataloader_idx_1"])
def test_two_loaders_are_recorded_under_lightnings_names_and_the_first_is_what_the_plain_name_means(
    trial, tmp_path, monitor
):
    result = _run(trial, tmp_path, _two_loaders, monitor=monitor)
    assert result.status == "completed", result.reason
    assert {"val_loss/dataloader_idx_0", "val_loss/dataloader_idx_1"} < set(result.history)
    assert {"test_loss/dataloader_idx_0", "test_loss/dataloader_idx_1"} < set(result.test)
    assert (
        result.final("val_loss")
        == result.final("val_loss/dataloader_idx_0")
        != result.final("val_loss/dataloader_idx_1")
    )
    assert result.best("val_loss", "min")[1] == 3


def test_where_the_last_epoch_was_not_validated_the_final_weights_are(trial, tmp_path):
    def change(module, data):
        module.setup = lambda stage: setattr(module.trainer, "check_val_every_n_epoch", 2)

    result = _run(trial, tmp_path, change)
    assert (result.status, result.reason) == ("completed", "")
    assert [math.isfinite(value) for value in result.history["val_accuracy"]] == [False, True, True]
    assert result.test["test_accuracy"] == result.final("val_accuracy"), "both of the same images"


@pytest.mark.parametrize("stopped", [False, True])
def test_where_batches_came_after_the_last_validation_the_final_weights_are_validated(trial, tmp_path, stopped):
    """Six batches, a validation after the fourth: what ranks must be of the weights after the sixth."""

    def build(config):
        return Setup(*toy.build(config), trainer={"val_check_interval": 4})

    def stop(epoch, metrics):
        if stopped and epoch == 3:
            raise toy.Killed

    runtime = Runtime(str(tmp_path), accelerator="cpu")
    if stopped:
        with pytest.raises(toy.Killed):
            run_trial(trial, build, runtime, on_epoch=stop)
    result = run_trial(trial, build, runtime)
    assert (result.status, result.reason) == ("completed", "")
    for metric in ("accuracy", "loss"):
        assert result.test[f"test_{metric}"] == result.final(f"val_{metric}"), "both of the same images"
