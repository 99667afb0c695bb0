"""MNISTDataModule: MNIST-shaped images in memory, served as whole batches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, SequentialSampler
from torch.utils.data.distributed import DistributedSampler

from nnhp_torch import checks
from nnhp_torch.core.chance import mix
from nnhp_torch.mnist import files as mnist

SPLITS = ("holdout", "article")
FOLDS = 6  # parts of the training images; one is held out


class MNISTDataModule(L.LightningDataModule):
    """MNIST, FashionMNIST or KMNIST under any LightningModule, on any number of devices, without worker processes.

    A batch is (images float32 in [0, 1] of shape (batch, 1, 28, 28), labels int64 of shape (batch,)). The images stay
    in memory as bytes, shared by all data modules of the process, on the GPU if the Trainer uses one.

    Args:
        data_dir: where the files are or go; default: $NNHP_DATA_DIR, else a cache in the home directory.
        batch_size: training images per optimizer step, over all devices.
        split: `holdout`: a sixth of the training images (10,000) is for validation, the test images for the test;
            `article`: train on all training images, the test images are validation and test.
        dataset: MNIST, FashionMNIST or KMNIST.
        seed: of the order of the training images; each epoch has another.
        eval_batch_size: images per batch of validation, test and prediction, over all devices.
        as_bytes: leave the images as bytes (uint8, 0 to 255), for a module that scales them itself.
        fold: which sixth is for validation under `holdout`, in the images' own order: 0 to 5; default: the last.

    Raises:
        ValueError: an argument is out of range; the message says what would be right.

    Example:
        >>> data = MNISTDataModule(batch_size=2000, dataset="FashionMNIST")
        >>> L.Trainer(max_epochs=2).fit(model, data)  # doctest: +SKIP
    """

    def __init__(
        self,
        data_dir: str | None = None,
        batch_size: int = 128,
        split: str = "holdout",
        *,
        dataset: str = "MNIST",
        seed: int = 123,
        eval_batch_size: int = 10_000,
        as_bytes: bool = False,
        fold: int = FOLDS - 1,
    ) -> None:
        super().__init__()
        checks.choice("split", split, SPLITS)
        checks.choice("dataset", dataset, mnist.DATASETS)
        checks.choice("fold", fold, range(FOLDS))
        if split != "holdout" and fold != FOLDS - 1:
            raise ValueError(f"split {split!r} holds no images out: leave fold at {FOLDS - 1}, not {fold}")
        checks.whole("batch_size", batch_size, least=1)
        checks.whole("eval_batch_size", eval_batch_size, least=1)
        if type(seed) is not int:  # None would mean no shuffling
            raise ValueError(f"seed must be a whole number, not {seed!r}")
        self.save_hyperparameters()
        self.data_dir = Path(data_dir) if data_dir is not None else mnist.default_data_dir()
        self.batch_size = batch_size
        self.split = split
        self.dataset = dataset
        self.seed = seed
        self.eval_batch_size = eval_batch_size
        self.as_bytes = as_bytes
        self.fold = fold

    @property
    def checksums(self) -> dict[str, str]:
        """The MD5 that each file of the data set has, or has gzipped; no other file is read."""
        return dict(mnist.checksum(self.dataset, index) for index in range(4))

    def prepare_data(self) -> None:
        """Fetch what is missing; raise mnist.DatasetUnavailable if that cannot be."""
        _fetched(self.dataset, self.data_dir)

    def setup(self, stage: str | None = None) -> None:
        """Load the images, once per process and device.

        Raises:
            ValueError: batch_size is above the number of training images.
        """
        device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        images, labels, test_images, test_labels = _tensors(self.dataset, self.data_dir, device)
        size = len(images) // FOLDS if self.split == "holdout" else 0
        kept = len(images) - size
        if self.batch_size > kept:
            raise ValueError(f"batch_size must be at most {kept}, the number of training images, not {self.batch_size}")
        start = kept - (FOLDS - 1 - self.fold) * size
        held_out = slice(start, start + size)
        self.train = Images(_without(images, held_out), _without(labels, held_out), self.as_bytes)
        self.test = Images(test_images, test_labels, self.as_bytes)
        self.val = Images(images[held_out], labels[held_out], self.as_bytes) if size else self.test

    def train_dataloader(self) -> DataLoader[Any]:
        overfits = getattr(self.trainer, "overfit_batches", 0) > 0  # on the same batches in every epoch
        return _loader(self.train, self.batch_size, seed=None if overfits else self.seed)

    def val_dataloader(self) -> DataLoader[Any]:
        return _loader(self.val, self.eval_batch_size)

    def test_dataloader(self) -> DataLoader[Any]:
        return _loader(self.test, self.eval_batch_size)

    predict_dataloader = test_dataloader


class Images(Dataset[tuple[Tensor, Tensor]]):
    """Images as bytes (n, 28, 28) and labels (n,); an index tensor fetches a whole batch."""

    def __init__(self, images: Tensor, labels: Tensor, as_bytes: bool = False) -> None:
        self.images = images
        self.labels = labels
        self.as_bytes = as_bytes

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Images (batch, 1, 28, 28) in [0, 1] and labels (batch,); gathered as bytes, a quarter of the traffic."""
        index = index.to(self.images.device, non_blocking=True)
        # index_select copies whole images; indexing would copy them byte by byte.
        images = self.images.flatten(1).index_select(0, index).view(-1, 1, *self.images.shape[1:])
        return images if self.as_bytes else images.to(torch.float32).div_(255), self.labels[index]


class EpochBatches(DistributedSampler[Any]):
    """Yields whole batches as index tensors, each rank its share; Lightning leaves a DistributedSampler alone.

    In training the order is a function of (seed, epoch) alone, so that a resumed run sees what an uninterrupted one
    would have seen. In evaluation (seed None) the order is kept and nothing is padded: every image is scored once.

    Args:
        size: examples in the set.
        batch_size: examples per batch over all ranks; the last batch may be smaller.
        seed: of the permutation; None keeps the order.
        world, rank: number of processes, and which one this is.
    """

    def __init__(self, size: int, batch_size: int, seed: int | None = None, *, world: int = 1, rank: int = 0) -> None:
        if min(size, batch_size) < world:
            raise ValueError(
                f"{world} processes need at least as many examples in a batch, not {min(size, batch_size)}"
            )
        super().__init__(range(size), num_replicas=world, rank=rank, shuffle=seed is not None)  # type: ignore[arg-type]
        self.size = size
        self.batch_size = batch_size
        self.order_seed = seed

    def __iter__(self) -> Iterator[Any]:
        if self.order_seed is None:
            order = torch.arange(self.size)
        else:
            generator = torch.Generator().manual_seed(mix("order", self.order_seed, self.epoch))
            order = torch.randperm(self.size, generator=generator)
        for batch in order.split(self._sizes()):  # type: ignore[no-untyped-call]
            yield batch[self.rank :: self.num_replicas]

    def __len__(self) -> int:
        return len(self._sizes())

    def _sizes(self) -> list[int]:
        """Sizes of the batches; a last one too small to give each rank something joins the one before it."""
        whole, rest = divmod(self.size, self.batch_size)
        sizes = [self.batch_size] * whole + [rest] * (rest > 0)
        if len(sizes) > 1 and sizes[-1] < self.num_replicas:
            sizes[-2:] = [sizes[-2] + sizes[-1]]
        return sizes


class InOrder(EpochBatches, SequentialSampler):
    """EpochBatches without a seed. Under overfit_batches, Lightning replaces every other sampler by one of its own."""


def _loader(images: Images, batch_size: int, seed: int | None = None) -> DataLoader[Any]:
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    world = torch.distributed.get_world_size() if distributed else 1
    rank = torch.distributed.get_rank() if distributed else 0
    kind = InOrder if seed is None else EpochBatches
    sampler = kind(len(images), min(batch_size, len(images)), seed, world=world, rank=rank)
    return DataLoader(images, sampler=sampler, batch_size=None)


def _without(rows: Tensor, part: slice) -> Tensor:
    """Return the rows before and after a part; copied only if there are some behind it."""
    return rows[: part.start] if part.stop == len(rows) else torch.cat([rows[: part.start], rows[part.stop :]])


@lru_cache(maxsize=4)
def _fetched(dataset: str, data_dir: Path) -> None:
    """Fetch once a process: Lightning asks before every fit and test, and checksums take a tenth of a second."""
    mnist.fetch(dataset, data_dir)


@lru_cache(maxsize=4)
def _tensors(dataset: str, data_dir: Path, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Bytes (n, 28, 28) and int64 labels (n,) of both parts, on the device: loaded once for all trials."""
    train_x, train_y, test_x, test_y = (torch.tensor(array, device=device) for array in mnist.load(dataset, data_dir))
    return train_x, train_y.long(), test_x, test_y.long()
