"""The answers that build may give, and what is said if it answers anything else."""

import dataclasses
import math

import lightning as L
import pytest
import torch
import toy
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger

from nnhp_torch.cli.main import main
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.run.setup import SETTINGS, Setup, WrongAnswer, setup_of
from nnhp_torch.run.trial.run_trial import run_trial


class WithLoaders(toy.Toy):
    """A module that serves its own data."""

    train_dataloader = toy.ToyData.train_dataloader
    val_dataloader = toy.ToyData.val_dataloader
    test_dataloader = toy.ToyData.val_dataloader

    def __init__(self, lr, width):
        super().__init__(lr, width)
        self.data = toy.ToyData().data


class WithoutTest(L.LightningDataModule):
    train_dataloader = toy.ToyData.train_dataloader
    val_dataloader = toy.ToyData.val_dataloader
    data = toy.ToyData().data


class NothingToTest(WithoutTest):
    def test_dataloader(self):
        pass


def loaders():
    data = toy.ToyData()
    return {"train": data.train_dataloader(), "val": data.val_dataloader(), "test": data.test_dataloader()}


def net():
    return toy.Toy(0.1, 4)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: (net(), toy.ToyData()),
        lambda: [net(), toy.ToyData(), None],
        lambda: (net(), toy.ToyData(), EarlyStopping("val_loss", patience=9)),
        lambda: (net(), loaders(), []),
        lambda: (net(), tuple(loaders().values())),
        lambda: WithLoaders(0.1, 4),
        lambda: (WithLoaders(0.1, 4), None, []),
        lambda: (WithLoaders(0.1, 4), WithoutTest(), []),
        lambda: Setup(net(), toy.ToyData()),
        lambda: Setup(net(), loaders(), callbacks=[RichProgressBar(), TQDMProgressBar()]),
    ],
    ids=[
        *("two-things", "list", "one-callback", "loaders", "tuple-of-loaders", "module-alone", "no-data"),
        *("own-test-loader", "setup", "progress-bars"),
    ],
)
def test_the_same_module_and_data_give_the_same_result_in_whatever_form_build_answers(trial, runtime, answer):
    whole = run_trial(trial, toy.build, dataclasses.replace(runtime, folder=runtime.folder + "/whole"))
    result = run_trial(trial, lambda config: answer(), runtime)
    assert (result.status, result.reason) == ("completed", "")
    assert (result.history, result.test) == (whole.history, whole.test)


def test_a_test_loader_that_returns_nothing_as_templates_have_it_stands_for_no_test(trial, runtime):
    result = run_trial(trial, lambda config: (net(), NothingToTest()), runtime)
    assert (result.status, result.reason, result.test) == ("completed", "", {})


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (None, "build answers None; does it end with"),
        (toy.Toy, "LightningModule first, not the class Toy itself"),
        ((toy.ToyData(), net(), []), "LightningModule first, not ToyData"),
        ((), "0 things"),
        ((net(), None, [], {}), "4 things"),
        (net(), "nothing to train on: Toy has no train_dataloader of its own"),
        ((net(), toy.ToyData, []), "not the class ToyData itself"),
        ((net(), toy.ToyData().data, []), "or loaders, not TensorDataset"),
        ((net(), {"train": [], "validation": []}, []), "no part 'validation'"),
        ((net(), toy.ToyData(), [EarlyStopping]), "Lightning callbacks, not the class EarlyStopping itself"),
        ((net(), toy.ToyData(), 3), "a list of Lightning callbacks, not 3"),
        (Setup(net(), toy.ToyData(), trainer=[1]), "dictionary of Trainer's arguments, not list"),
        (Setup(net(), toy.ToyData(), trainer={"max_epochs": 3}), "max_epochs: it is a field of the configuration"),
        (Setup(net(), toy.ToyData(), trainer={"precision": 16}), "give it on the command line, as --precision"),
        (Setup(net(), toy.ToyData(), trainer={"gradient_clip": 1}), "it may set accumulate_grad_batches"),
        (Setup(net(), toy.ToyData(), trainer={"gradient_clip_val": torch.tensor(3)}), "a plain value here, not Tensor"),
        (Setup(net(), toy.ToyData(), trainer={"gradient_clip_val": math.inf}), "should be finite, so that the ledger"),
    ],
)
def test_any_other_answer_is_refused_in_a_sentence(answer, sentence):
    with pytest.raises(WrongAnswer) as refusal:
        setup_of(answer)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_what_build_may_set_are_arguments_of_the_trainer():
    L.Trainer(
        logger=False,
        **dict.fromkeys(SETTINGS)
        | {"accumulate_grad_batches": 1, "max_steps": -1, "overfit_batches": 0, "reload_dataloaders_every_n_epochs": 0},
    )


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((net(), toy.ToyData), "not the class ToyData itself"),
        (
            Setup(net(), toy.ToyData(), trainer={"gradient_clip_algorithm": "round"}),
            "`gradient_clip_algorithm` round is invalid",
        ),
    ],
)
def test_a_wrong_answer_ends_the_sweep_before_anything_is_trained(sweep, tmp_path, capsys, answer, sentence):
    with pytest.raises(SystemExit) as end:
        main(dataclasses.replace(sweep, build=lambda config: answer), argv=run_here(tmp_path))
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
    assert not ResultStore(tmp_path / "tiny").results()


def run_here(tmp_path):
    return ["--jobs", "0", "--accelerator", "cpu", "--log_dir", str(tmp_path)]


@dataclasses.dataclass(frozen=True)
class Clipped:
    clip: float | None = None
    seed: int = 123
    max_epochs: int = 2


def build_clipped(config: Clipped):
    return Setup(net(), toy.ToyData(), trainer={"gradient_clip_val": config.clip})


def test_a_setting_of_the_trainer_is_swept_as_any_other_field(tmp_path):
    with pytest.raises(SystemExit) as end:
        main(Sweep("clip", Clipped(), {"clip": [None, 1e-9]}, build_clipped), argv=run_here(tmp_path))
    assert end.value.code == 0
    free, clipped = ResultStore(tmp_path / "clip").results().values()
    assert free.key != clipped.key
    assert free.history != clipped.history
    assert [result.build["trainer"] for result in (free, clipped)] == [
        {"gradient_clip_val": None},
        {"gradient_clip_val": 1e-9},
    ], "the ledger says under which settings each was trained"


def build_saving(config):
    from lightning.pytorch.callbacks import ModelCheckpoint

    return *toy.build(config)[:2], [ModelCheckpoint(save_last=True, filename="{epoch}")]


def test_what_a_model_checkpoint_of_ones_own_saves_is_neither_removed_nor_taken_for_the_sweepers(sweep, tmp_path):
    for keep in ("winner", "best", "last"):
        logs = tmp_path / keep
        with pytest.raises(SystemExit) as end:
            main(dataclasses.replace(sweep, build=build_saving), argv=[*run_here(logs), "--keep_checkpoints", keep])
        assert end.value.code == 0
        assert len(list(logs.glob("tiny/*/model_checkpoints/last.ckpt"))) == 4
        assert len(list(logs.glob("tiny/*/model_checkpoints/epoch=2.ckpt"))) == 4
        assert len(list(logs.glob("tiny/*/checkpoints/*.ckpt"))) == (1 if keep == "winner" else 4)


class Looking(L.Callback):
    """Notes what a project finds at its Trainer."""

    def on_test_end(self, trainer, pl_module):
        self.found = trainer, pl_module.logger, torch.load(trainer.checkpoint_callback.best_model_path)["state_dict"]


def test_a_project_finds_its_own_things_where_lightning_leaves_them(trial, runtime, tmp_path):
    looking, own = Looking(), ModelCheckpoint(dirpath=tmp_path / "shared")

    def build(config):
        module, data, _ = toy.build(config)
        return Setup(module, data, [looking, *more], loggers=[CSVLogger(tmp_path / "csv")])

    for more, note in (([], []), ([own], [f"its ModelCheckpoint saves to {own.dirpath}, which trials share"])):
        folder = tmp_path / f"with_{len(more)}"
        result = run_trial(trial, build, dataclasses.replace(runtime, folder=str(folder)))
        trainer, logger, weights = looking.found
        assert isinstance(logger, CSVLogger)
        assert trainer.default_root_dir == str(folder / trial.name)
        assert isinstance(trainer.checkpoint_callback, ModelCheckpoint)
        assert (trainer.checkpoint_callback is own) == bool(more)
        assert all(torch.equal(weights[name], value) for name, value in trainer.lightning_module.state_dict().items())
        assert [said.partition(":")[0] for said in result.notes] == note


@pytest.mark.filterwarnings("ignore")  # dynamo cannot trace one that is an error
def test_a_compiled_module_is_trained_as_the_module_itself(trial, runtime):
    def build(config):
        module, *rest = toy.build(config)
        return torch.compile(module, backend="eager"), *rest

    plain = run_trial(trial, toy.build, runtime)
    compiled = run_trial(trial, build, dataclasses.replace(runtime, folder=runtime.folder + "/compiled"))
    assert compiled.status == "completed", compiled.reason
    assert compiled.history["val_loss"] == pytest.approx(plain.history["val_loss"], rel=1e-5)


def test_a_checkpoint_made_under_other_settings_of_the_trainer_is_not_gone_on_from(trial, runtime):
    def stop(epoch, metrics):
        raise KeyboardInterrupt

    def build_limited(config):
        return Setup(*toy.build(config), trainer={"limit_train_batches": 2})

    run_trial(trial, toy.build, runtime, on_epoch=stop)
    result = run_trial(trial, build_limited, runtime)
    afresh = run_trial(trial, build_limited, dataclasses.replace(runtime, folder=runtime.folder + "/afresh"))
    assert result.history == afresh.history
    assert result.notes == ["started over: its checkpoint was made under other settings of the Trainer"]
