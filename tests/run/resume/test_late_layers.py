"""Modules whose state is not in their state_dict from the start: resumed and loaded as Lightning itself loads them."""

import lightning as L
import pytest
import torch
import toy

from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.trial.run_trial import run_trial
from nnhp_torch.run.weights import load


class Late(toy.Toy):
    """Makes its layers when a Trainer says so."""

    def __init__(self, config):
        super().__init__(config.lr, config.width)
        self.made = [self.net]
        del self.net
        self.net = None

    def make(self):
        if self.net is None:
            (self.net,) = self.made


class InConfigureModel(Late):
    def configure_model(self):
        self.make()


class InSetup(Late):
    def setup(self, stage):
        assert self.trainer.datamodule.data, "it looks at its data"
        self.make()


class InOnLoad(Late):
    """Lacks its layers until a checkpoint is loaded, or the training begins."""

    def configure_optimizers(self):
        self.make()
        return super().configure_optimizers()

    def on_load_checkpoint(self, checkpoint):
        self.make()


class LeavesOut(toy.Toy):
    """Keeps a part that does not learn out of its checkpoints."""

    def __init__(self, config):
        super().__init__(config.lr, config.width)
        self.frozen = torch.nn.Linear(3, 3).requires_grad_(False)
        self.strict_loading = False

    def _step(self, batch, stage):
        return super()._step((self.frozen(batch[0]), batch[1]), stage)

    def on_save_checkpoint(self, checkpoint):
        for name in ("frozen.weight", "frozen.bias"):
            del checkpoint["state_dict"][name]


class PutsBack(LeavesOut):
    def __init__(self, config):
        super().__init__(config)
        self.strict_loading = True

    def on_load_checkpoint(self, checkpoint):
        checkpoint["state_dict"] |= {f"frozen.{name}": w for name, w in self.frozen.state_dict().items()}


MODULES = {kind.__name__: kind for kind in (InConfigureModel, InSetup, InOnLoad, LeavesOut, PutsBack)}


@pytest.mark.filterwarnings("ignore:The .* does not have many workers", "ignore:Found keys that are")
@pytest.mark.parametrize("name", MODULES)
def test_whenever_a_module_makes_its_layers_it_goes_on_and_its_weights_are_loaded(trial, tmp_path, name):
    def build(config):
        L.seed_everything(1, verbose=False)
        return MODULES[name](config), toy.ToyData(), []

    def stop(at, metrics):
        if at == last:
            raise toy.Killed

    whole, killed = (Runtime(str(tmp_path / folder), accelerator="cpu") for folder in ("whole", "killed"))
    uninterrupted = run_trial(trial, build, whole)
    assert uninterrupted.status == "completed", uninterrupted.reason
    for last in (2, 3):  # noqa: B007  # which stop() reads
        with pytest.raises(toy.Killed):
            run_trial(trial, build, killed, on_epoch=stop)
    resumed = run_trial(trial, build, killed)
    assert (resumed.status, resumed.history, resumed.test, resumed.notes) == (
        "completed",
        uninterrupted.history,
        uninterrupted.test,
        [],
    )
    model = load(build, trial.config, tmp_path / "whole" / trial.name / "checkpoints" / "last.ckpt")
    assert not model.training
    x, y = toy.ToyData().data.tensors
    logits = model.net(model.frozen(x) if hasattr(model, "frozen") else x)
    assert torch.nn.functional.cross_entropy(logits, y).item() == pytest.approx(resumed.test["test_loss"], rel=1e-6)


def test_weights_that_are_damaged_are_not_loaded(trial, runtime, tmp_path):
    run_trial(trial, toy.build, runtime)
    last = tmp_path / trial.name / "checkpoints" / "last.ckpt"
    data = bytearray(last.read_bytes())
    data[data.index(b"/data/0") + 200] ^= 1  # torch.load alone would not notice
    last.write_bytes(data)
    with pytest.raises(ValueError, match=r"last.ckpt cannot be read: the checksum of .* is wrong"):
        load(toy.build, trial.config, last)
