"""Gradient noise: how far the gradient of a batch is from that of all training images, at the same weights.

Each step goes by the gradient of its batch, which is a guess at that of all images. At the start of each epoch
`gradient_noise` is how far the gradients of the epoch's batches are from the one of all images, root mean square, in
lengths of that one. At the start of the first epoch all trainings of a seed have the same weights. (It backs what the
sweep batch_size says, and is no part of the study.)
"""

from dataclasses import replace
from typing import Any

import lightning as L
import torch
from torch import Tensor

from nnhp_torch import Setup, Sweep, TrialConfig, main
from nnhp_torch.article import experiment


class GradientNoise(L.Callback):
    """Logs the `gradient_noise` that an epoch starts with."""

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data: Any = trainer
        classifier: Any = pl_module
        weights, found, sizes = list(pl_module.parameters()), [], []
        for batch in data.datamodule.train_dataloader():
            x, y = (part.to(pl_module.device) for part in batch)
            loss, _ = classifier.loss_and_logits(x, y)
            found.append(torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, weights)]))
            sizes.append(len(y))
        pl_module.log("gradient_noise", noise(torch.stack(found), torch.tensor(sizes)))


def noise(gradients: Tensor, sizes: Tensor) -> Tensor:
    """Return how far batches' gradients (batches, weights) are from the one of all images, in its lengths."""
    share = (sizes / sizes.sum()).to(gradients)
    whole = share @ gradients
    off: Tensor = (share @ (gradients - whole).square().sum(1)).sqrt() / whole.norm()
    return off


def build(config: TrialConfig) -> Setup:
    """As the article's, and gradient_noise is logged."""
    setup = experiment.build(config)
    return replace(setup, callbacks=[*setup.callbacks, GradientNoise()])


# It imports no other file of this folder: what those say may change without a trial being another one.
SWEEP = Sweep(
    name="gradient_noise",
    base=TrialConfig(n_layers=2, n_nodes=128, max_epochs=5),
    axes={"batch_size": [2_000, 5_000, 10_000, 30_000]},
    build="sweeps.gradient_noise:build",
    environment={"data_dir": "NNHP_DATA_DIR"},
    about=__doc__,
    extra_metrics=["gradient_noise"],
)

if __name__ == "__main__":
    main(SWEEP)
