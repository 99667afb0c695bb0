"""The same training without Lightning: the project's network, data and optimizer in a plain PyTorch loop."""

from __future__ import annotations

import time

import torch
from timing import Timing
from torch import Tensor
from torch.nn.functional import cross_entropy

from nnhp_torch.article.config import TrialConfig
from nnhp_torch.mnist.datamodule import EpochBatches, MNISTDataModule
from nnhp_torch.network.chunks import CHUNK
from nnhp_torch.network.mlp import MLP
from nnhp_torch.network.optimizers import make_optimizer
from nnhp_torch.run.resume.generators import seed_all
from nnhp_torch.run.trial.hardware import prefer_onednn


def run(config: TrialConfig, precision: str = "32-true") -> Timing:
    prefer_onednn()  # as a trial on the CPU does
    return train(config, precision)[0]


def train(config: TrialConfig, precision: str = "32-true") -> tuple[Timing, MLP]:
    """Trains on the same batches in the same order and the same chunks as a trial, with the same accuracies."""
    data = MNISTDataModule(
        batch_size=config.batch_size,
        split=config.protocol,
        dataset=config.dataset,
        seed=config.seed,
        as_bytes=True,
    )
    data.prepare_data()
    data.setup()
    seed_all(config.seed, -1, 0)
    net = MLP(784, 10, [config.n_nodes] * (1 + config.n_layers))
    optimizer = make_optimizer(config.optimizer, net.parameters(), config.lr, momentum=config.momentum)
    batches = EpochBatches(len(data.train), config.batch_size, config.seed)
    evaluation = EpochBatches(len(data.val), data.eval_batch_size)

    def forward(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Summed loss and number of right answers of a chunk."""
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            logits = net(x.float().div_(255)).float()
            return cross_entropy(logits, y, reduction="sum"), (logits.detach().argmax(1) == y).sum()

    clock = time.perf_counter()
    ends, history = [], []
    for epoch in range(config.max_epochs):
        batches.set_epoch(epoch)
        loss = right = torch.zeros(())
        for index in batches:
            x, y = data.train[index]
            optimizer.zero_grad()
            for some_x, some_y in zip(x.split(CHUNK), y.split(CHUNK), strict=True):
                some_loss, some_right = forward(some_x, some_y)
                (some_loss / len(y)).backward()
                loss, right = loss + some_loss.detach(), right + some_right
            optimizer.step()
        val_loss = val_right = torch.zeros(())
        with torch.no_grad():
            for index in evaluation:
                x, y = data.val[index]
                for some_x, some_y in zip(x.split(CHUNK), y.split(CHUNK), strict=True):
                    some_loss, some_right = forward(some_x, some_y)
                    val_loss, val_right = val_loss + some_loss, val_right + some_right
        history.append(torch.stack([loss, right]).tolist() + torch.stack([val_loss, val_right]).tolist())
        ends.append(time.perf_counter() - clock)
    return Timing(ends, ends[-1]), net
