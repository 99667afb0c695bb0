"""Whatever settings of the Trainer build gives, a trial that was stopped goes on to every digit of one that was not."""

import dataclasses

import pytest
import torch
import toy
from lightning.pytorch.callbacks import EarlyStopping
from test_resumption import LOADERS, TRIAL, Data, Module, loader, run

from nnhp_torch.core.errors import WrongUsage
from nnhp_torch.run.launch.process import prepare
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.setup import Setup
from nnhp_torch.run.trial.run_trial import run_trial

SETTINGS = [
    {"gradient_clip_val": 0.1},
    {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
    {"accumulate_grad_batches": 3},
    {"limit_train_batches": 3, "limit_val_batches": 1, "limit_test_batches": 0.5},
    {"limit_train_batches": 0.5},
    {"val_check_interval": 2},
    {"val_check_interval": 0.25},
    {"val_check_interval": 3, "check_val_every_n_epoch": None},
    {"check_val_every_n_epoch": 2},
    {"overfit_batches": 2},
    {"reload_dataloaders_every_n_epochs": 1},
    {"deterministic": True, "detect_anomaly": True, "inference_mode": False},
    {"min_epochs": 2, "min_steps": 9},
]


def name(settings):
    return "-".join(f"{key}={value}" for key, value in settings.items())


def compare(tmp_path, stops, **options):
    """The uninterrupted trial, once the stopped one has shown to be equal to it."""
    whole = run(tmp_path / "whole", LOADERS["shuffle"], **options)
    assert whole.status == "completed", whole.reason
    for stop in stops:
        with pytest.raises(toy.Killed):
            run(tmp_path / "killed", LOADERS["shuffle"], **options, **stop)
    resumed = run(tmp_path / "killed", LOADERS["shuffle"], **options)
    assert resumed.status == "completed", resumed.reason
    assert str((resumed.history, resumed.test)) == str((whole.history, whole.test)), "NaN where nothing is validated"
    assert (resumed.notes, whole.notes) == ([], [])
    return whole


@pytest.mark.filterwarnings("ignore:You requested to overfit", "ignore:.*sampler has shuffling enabled")
@pytest.mark.parametrize("settings", SETTINGS, ids=name)
def test_under_any_settings_of_the_trainer_a_stopped_trial_goes_on_to_the_same_digits(tmp_path, settings):
    compare(tmp_path, [{"within": 2}, {"within": 2}, {"after": 2}], trainer=settings)


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_in_any_precision_a_stopped_trial_goes_on_to_the_same_digits(tmp_path, precision):
    """Those of its weights too: float64's last ones are in no logged loss."""
    compare(tmp_path, [{"within": 2}, {"after": 2}, {"after": 3}], precision=precision)
    whole, resumed = (
        torch.load(next((tmp_path / name).rglob("last.ckpt")), weights_only=True)["state_dict"]
        for name in ("whole", "killed")
    )
    assert all(torch.equal(w, resumed[name]) for name, w in whole.items())


@pytest.mark.filterwarnings("ignore:You passed .*16-mixed")
def test_a_precision_that_this_machine_has_not_is_refused_before_any_trial(tmp_path):
    """Lightning would train in another one, and the ledger would not know."""
    trial, runtime = dataclasses.replace(TRIAL, precision="16-mixed"), Runtime(str(tmp_path), accelerator="cpu")
    with pytest.raises(WrongUsage, match="precision 16-mixed needs a GPU: Lightning would take bf16-mixed for it"):
        prepare(trial, toy.build, runtime)


@pytest.mark.parametrize(("least", "epochs"), [({}, 2), ({"min_epochs": 3}, 3), ({"min_steps": 13}, 4)])
def test_early_stopping_is_heard_once_there_were_min_epochs_and_min_steps(tmp_path, least, epochs):
    def callbacks():
        return [EarlyStopping("val_loss", patience=1, min_delta=9.0)]

    stops = [{"within": 2}, {"after": 2}]
    assert compare(tmp_path, stops, trainer=least, callbacks=callbacks, max_epochs=6).epochs == epochs


@pytest.mark.parametrize(("at", "status"), [(2, "pruned"), (3, "completed")])
def test_a_trial_without_promise_ends_at_once_whatever_min_epochs_says_unless_it_has_ended(tmp_path, at, status):
    def build(config):
        return Setup(Module(0.1, 4), Data(loader, loader), trainer={"min_epochs": 3})

    runtime = Runtime(str(tmp_path), accelerator="cpu")
    result = run_trial(TRIAL, build, runtime, on_epoch=lambda epoch, metrics: "no promise" if epoch == at else None)
    assert (result.status, result.epochs) == (status, at)
