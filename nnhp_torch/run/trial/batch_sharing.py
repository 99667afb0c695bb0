"""A module that was not written for several devices, on several: they share each batch, and score as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import lightning as L
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader
from torch.utils.data.distributed import DistributedSampler


def share(trainer: L.Trainer, module: L.LightningModule, note: Callable[[str], None]) -> None:
    """Have a Trainer's devices share each batch of a plain DataLoader, and take all logged means over all of them.

    Lightning gives each device whole batches of its own, pads evaluation with examples that it doubles, and leaves
    a logged value as it is on the first device. A DistributedSampler, which knows of the devices, is left alone.

    Args:
        note: told what cannot be kept.
    """
    log, strategy = module.log, trainer.strategy
    process, reduce = strategy.process_dataloader, strategy.reduce

    def log_for_all(*args: Any, **settings: Any) -> None:
        log(*args, **settings | {"sync_dist": not settings.get("rank_zero_only", False)})

    def reduce_exactly(value: Any, *args: Any, **settings: Any) -> Any:
        """Lightning cuts the mean of whole numbers down to one, and means are taken over a number of examples."""
        whole = isinstance(value, Tensor) and not value.is_floating_point()
        return reduce(value.double() if whole else value, *args, **settings)

    setattr(module, "log", log_for_all)  # noqa: B010  # of these two objects alone, not of their classes
    setattr(strategy, "reduce", reduce_exactly)  # noqa: B010
    setattr(strategy, "process_dataloader", lambda loader: process(_shared(loader, trainer, note)))  # noqa: B010


def _shared(loader: Any, trainer: L.Trainer, note: Callable[[str], None]) -> Any:
    batches = getattr(loader, "batch_sampler", None)
    if isinstance(getattr(loader, "sampler", None), DistributedSampler) or isinstance(batches, Share):
        return loader
    if not isinstance(loader, DataLoader) or batches is None or not hasattr(batches, "__len__"):
        kind = type(getattr(loader, "dataset", loader)).__name__
        note(f"each of {trainer.world_size} devices saw all of {kind}: its batches cannot be shared")
    else:
        object.__setattr__(loader, "batch_sampler", Share(batches, trainer, note))  # DataLoader itself refuses
    return loader


class Share:
    """One device's share of each batch of indices; the first device draws them for all.

    All devices get as many batches: a last one with too few examples for them joins the one before it.
    """

    def __init__(self, batches: Any, trainer: L.Trainer, note: Callable[[str], None]) -> None:
        self.batches = batches
        self.sampler = getattr(batches, "sampler", None)  # Lightning tells it the epoch
        self.trainer = trainer
        self.note = note

    @property
    def joined(self) -> bool:
        """Whether the last batch joins the one before it."""
        batches = self.batches
        if not isinstance(batches, BatchSampler) or batches.drop_last or len(batches) < 2:
            return False
        return 0 < len(batches.sampler) % batches.batch_size < self.trainer.world_size  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.batches) - self.joined

    def __iter__(self) -> Iterator[list[Any]]:
        rank, world = self.trainer.global_rank, self.trainer.world_size
        drawn = [list(batch) for batch in self.batches] if rank == 0 else []
        drawn = self.trainer.strategy.broadcast(drawn)
        if self.joined:
            drawn[-2:] = [drawn[-2] + drawn[-1]]
        if any(len(batch) < world for batch in drawn):
            raise ValueError(f"{world} devices need at least as many examples in a batch")
        if self.trainer.training and any(len(batch) % world for batch in drawn):
            self.note(f"{world} devices cannot share its batches evenly: some examples weigh more in training")
        yield from (batch[rank::world] for batch in drawn)
