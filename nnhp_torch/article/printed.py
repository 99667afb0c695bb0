"""The article's code exactly as printed (`--protocol printed`), kept apart from what its prose means.

Its loop over the layers holds the output layer, compile and fit as well. So the network grows: each stage puts a
hidden layer of 784 units (whatever n_nodes is) and a softmax of 10 on top of the softmax before, and trains the whole
for all epochs with a new optimizer; the history shown is the last stage's. `momentum` goes to an option that Keras
ignores.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import ClassVar

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from nnhp_torch.article.config import TrialConfig
from nnhp_torch.mnist.datamodule import EpochBatches
from nnhp_torch.network import catalog
from nnhp_torch.network.chunks import step_loss
from nnhp_torch.network.classifier import Classifier
from nnhp_torch.network.mlp import in_place

PIXELS, CLASSES = 28 * 28, 10


def build(config: TrialConfig) -> tuple[Classifier, list[L.Callback]]:
    """Return the printed network and the callback that trains the stages before its last.

    What the printed code has no place for, a TrialConfig of this protocol refuses. Momentum has no effect in it.
    """
    _pass_over_an_mlps_draws([PIXELS] * (config.n_layers + 1) + [CLASSES])
    net = PrintedNet(config.n_nodes, config.n_layers, config.activation, dropout=config.dropout)
    module = Classifier(
        net,
        CLASSES,
        optimizer=config.optimizer,
        lr=config.lr,
        loss=config.loss,
        reg_type=config.reg_type,
        reg=config.reg,
    )
    return module, [EarlierStages(config.max_epochs, config.seed)]


def _pass_over_an_mlps_draws(widths: Sequence[int]) -> None:
    """Leave the generator where an MLP's initialisation leaves it: the results there are were drawn from there on.

    Each of its layers draws its kernel twice, torch's way and Glorot's, and its bias once.
    """
    torch.rand(sum(2 * before * after + after for before, after in itertools.pairwise(widths)))


class PrintedNet(nn.Module):
    """Dense(n_nodes), then per stage Dense(784), dropout and Dense(10), with a softmax from stage to stage.

    Args:
        n_nodes: units of the first layer.
        stages: how many times the printed loop goes round.
        activation: of the hidden layers.
        dropout: after each hidden layer of 784.
    """

    takes_chunks: ClassVar[bool] = True

    def __init__(self, n_nodes: int, stages: int, activation: str, *, dropout: float) -> None:
        super().__init__()
        self.activation = in_place(catalog.resolve("activation", activation)())
        self.dropout = nn.Dropout(dropout)
        self.first = nn.Linear(PIXELS, n_nodes)
        widths = [n_nodes] + [CLASSES] * (stages - 1)
        self.hidden = nn.ModuleList(nn.Linear(width, PIXELS) for width in widths)
        self.outputs = nn.ModuleList(nn.Linear(PIXELS, CLASSES) for _ in widths)
        self.depth = stages  # the stages there are so far
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def kernels(self) -> list[Tensor]:
        """Return the kernels on which the penalty lies, each (784, width before)."""
        return [layer.weight for layer in list(self.hidden)[: self.depth]]  # type: ignore[misc]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, 10) of the last stage there is, for x (batch, 1, 28, 28)."""
        x = self.activation(self.first(x.flatten(1)))  # (batch, n_nodes)
        for stage in range(self.depth):
            if stage > 0:
                x = x.softmax(1)  # (batch, 10)
            x = self.outputs[stage](self.dropout(self.activation(self.hidden[stage](x))))  # (batch, 10)
        return x


class EarlierStages(L.Callback):
    """Trains all stages but the last before the fit begins; the fit itself is the last stage.

    Args:
        epochs: of each stage.
        seed: of the order of the images.

    Raises:
        ValueError: at the start of a fit, if it uses several devices.
    """

    def __init__(self, epochs: int, seed: int) -> None:
        self.epochs = epochs
        self.seed = seed

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.world_size > 1:
            raise ValueError("the printed protocol trains on one device")
        if trainer.current_epoch > 0:
            return  # a resumed fit: the checkpoint has the earlier stages in it
        assert isinstance(pl_module, Classifier)
        net = pl_module.net
        assert isinstance(net, PrintedNet)
        stages = net.depth
        for stage in range(1, stages):
            net.depth = stage
            self._train(trainer, pl_module, stage)
        net.depth = stages
        pl_module.zero_grad()

    def _train(self, trainer: L.Trainer, module: Classifier, stage: int) -> None:
        optimizer = module.configure_optimizers()
        assert isinstance(optimizer, Optimizer)  # alone, as there is no schedule
        loader = trainer.train_dataloader
        for epoch in range(self.epochs):
            # An order of its own for every epoch of every stage; the last stage has the epochs from 0.
            batches = EpochBatches(len(loader.dataset), trainer.datamodule.batch_size, self.seed)  # type: ignore[union-attr,attr-defined]
            batches.set_epoch(-(stage * self.epochs + epoch) - 1)
            for index in batches:
                x, y = loader.dataset[index]  # type: ignore[union-attr]
                optimizer.zero_grad()
                with trainer.precision_plugin.train_step_context():
                    loss, _ = step_loss(module, x, y)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
