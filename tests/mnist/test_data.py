"""Every image where it belongs, every evaluation whole, every epoch's order a function of the seed."""

import gc
import hashlib

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from nnhp_torch.core.chance import mix
from nnhp_torch.mnist import files as mnist
from nnhp_torch.mnist.datamodule import EpochBatches, InOrder, MNISTDataModule


def _ready(data_dir, **kwargs):
    datamodule = MNISTDataModule(data_dir, **{"batch_size": 40, **kwargs})
    datamodule.prepare_data()
    datamodule.setup()
    return datamodule


def _labels(loader):
    return torch.cat([labels for _, labels in loader])


def test_holdout_keeps_the_last_sixth_in_order_for_validation(small):
    images, labels, _, test_labels = (torch.tensor(array) for array in mnist.load("MNIST", mnist.Path(small)))
    datamodule = _ready(small)
    ((val_images, val_labels),) = datamodule.val_dataloader()
    assert torch.equal(val_labels, labels[100:].long())
    assert torch.equal((val_images * 255).round().to(torch.uint8).squeeze(1), images[100:])
    assert torch.equal(_labels(datamodule.test_dataloader()), test_labels.long())
    assert sorted(_labels(datamodule.train_dataloader()).tolist()) == sorted(labels[:100].tolist())


def test_it_knows_the_checksums_of_its_files(small):
    found = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in mnist.Path(small).rglob("*-ubyte")}
    assert _ready(small).checksums == found
    assert set(MNISTDataModule(small, dataset="KMNIST").checksums) == {
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte",
    }


def test_each_sixth_is_held_out_in_one_fold_and_trained_on_in_the_others(small):
    images, labels, _, _ = (torch.tensor(array) for array in mnist.load("MNIST", mnist.Path(small)))
    for fold in range(6):
        datamodule = _ready(small, fold=fold, as_bytes=True)
        part = slice(20 * fold, 20 * fold + 20)
        ((val_images, val_labels),) = datamodule.val_dataloader()
        assert torch.equal(val_images.squeeze(1), images[part])
        assert torch.equal(val_labels, labels[part].long())
        assert torch.equal(datamodule.train.images, torch.cat([images[: part.start], images[part.stop :]]))
        assert len(datamodule.train.labels) == 100


def test_a_fold_that_is_none_is_refused():
    with pytest.raises(ValueError, match="fold must be one of 0, 1, 2, 3, 4, 5, not 6"):
        MNISTDataModule(fold=6)


def test_the_articles_split_trains_on_all_and_validates_on_the_test_images(small):
    _, labels, _, test_labels = mnist.load("MNIST", mnist.Path(small))
    datamodule = _ready(small, split="article")
    assert sorted(_labels(datamodule.train_dataloader()).tolist()) == sorted(labels.tolist())
    for loader in (datamodule.val_dataloader(), datamodule.test_dataloader()):
        assert _labels(loader).tolist() == test_labels.tolist()


def test_a_batch_is_scaled_floats_with_a_channel_and_whole_labels(small):
    images, labels = next(iter(_ready(small).train_dataloader()))
    assert (images.shape, images.dtype) == ((40, 1, 28, 28), torch.float32)
    assert (labels.shape, labels.dtype) == ((40,), torch.int64)
    assert (images.min(), images.max()) == (0, 1)


def test_bytes_are_the_same_images_unscaled(small):
    (scaled, labels), (as_bytes, same) = (
        next(iter(_ready(small, as_bytes=flag).train_dataloader())) for flag in (False, True)
    )
    assert (as_bytes.shape, as_bytes.dtype) == ((40, 1, 28, 28), torch.uint8)
    assert torch.equal(as_bytes / 255, scaled)
    assert torch.equal(labels, same)


@pytest.mark.parametrize("batch_size", [1, 7, 33, 99, 100])
def test_every_epoch_has_every_training_image_once_whatever_the_batch_size(small, batch_size):
    datamodule = _ready(small, batch_size=batch_size)
    loader = datamodule.train_dataloader()
    batches = [len(labels) for _, labels in loader]
    assert batches == [batch_size] * (100 // batch_size) + ([100 % batch_size] if 100 % batch_size else [])
    assert len(loader) == len(batches)


@pytest.mark.parametrize("eval_batch_size", [1, 7, 20, 10_000])
def test_every_evaluation_scores_every_image_in_order(small, eval_batch_size):
    datamodule = _ready(small, eval_batch_size=eval_batch_size)
    whole = _ready(small)
    assert torch.equal(_labels(datamodule.val_dataloader()), _labels(whole.val_dataloader()))


def _order(seed, epoch, size=1000, batch_size=100, **kwargs):
    batches = EpochBatches(size, batch_size, seed, **kwargs)
    batches.set_epoch(epoch)
    return list(batches)


def test_the_order_is_a_permutation_that_only_seed_and_epoch_decide():
    assert torch.cat(_order(1, 0)).sort().values.tolist() == list(range(1000))
    assert all(map(torch.equal, _order(1, 5), _order(1, 5)))
    assert torch.equal(torch.cat(_order(1, 5)), torch.cat(_order(1, 5, batch_size=7))), "cut otherwise, not shuffled"
    orders = [tuple(torch.cat(_order(seed, epoch)).tolist()) for seed in (123, 124) for epoch in (0, 1)]
    assert len(set(orders)) == 4, "also (123, 1) and (124, 0): seed and epoch are mixed, not added"


def test_the_chance_of_a_seed_stays_what_it_was():
    assert mix(123, 0, 0) == 4130543990272637630


def test_the_order_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    _order(1, 0)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize(
    ("size", "batch_size", "world"), [(100, 30, 2), (101, 25, 2), (65, 64, 2), (97, 32, 4), (7, 3, 3)]
)
def test_ranks_share_each_batch_without_overlap_padding_or_an_empty_share(seed, size, batch_size, world):
    shares = [_order(seed, 3, size, batch_size, world=world, rank=rank) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    assert {len(share) for share in shares} == {len(EpochBatches(size, batch_size, seed, world=world, rank=0))}
    assert all(len(batch) > 0 for share in shares for batch in share)
    assert sorted(torch.cat([torch.cat(share) for share in shares]).tolist()) == list(range(size))
    together = [torch.cat(batches) for batches in zip(*shares, strict=True)]
    alone = torch.cat(_order(seed, 3, size, batch_size))
    assert set(together[0].tolist()) == set(alone[: len(together[0])].tolist()), "the same effective batch"


def test_loaders_take_rank_and_world_from_torch_distributed(small, monkeypatch):
    datamodule = _ready(small, batch_size=33)
    shares = []
    for rank in range(2):
        for name, value in (("is_initialized", True), ("get_world_size", 2), ("get_rank", rank)):
            monkeypatch.setattr(torch.distributed, name, lambda value=value: value)
        loaders = (datamodule.train_dataloader(), datamodule.val_dataloader(), datamodule.test_dataloader())
        shares.append([[loader.dataset.labels[index].tolist() for index in loader.sampler] for loader in loaders])
    monkeypatch.undo()
    train, val, test = zip(*shares, strict=True)
    assert [[len(batch) for batch in share] for share in train] == [[17, 17, 17], [16, 16, 17]]
    assert [sum(map(len, share)) for share in val] == [10, 10]
    assert [sum(map(len, share)) for share in test] == [15, 15]


def test_more_ranks_than_examples_in_a_batch_are_refused():
    for size, batch_size in ((2, 3), (9, 2)):
        with pytest.raises(ValueError, match="3 processes need at least as many examples in a batch, not 2"):
            EpochBatches(size, batch_size, None, world=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "k-fold"}, "split must be one of holdout, article"),
        ({"dataset": "CIFAR10"}, "dataset must be one of MNIST, FashionMNIST, KMNIST"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, not 0"),
        ({"batch_size": 2000.0}, "batch_size must be a whole number of at least 1, not 2000.0"),
        ({"eval_batch_size": 0}, "eval_batch_size must be a whole number of at least 1"),
        ({"seed": None}, "seed must be a whole number, not None"),
    ],
)
def test_bad_arguments_are_refused_in_the_constructor(arguments, message):
    with pytest.raises(ValueError, match=message):
        MNISTDataModule(**arguments)


def test_a_batch_larger_than_the_data_is_refused_before_training(small):
    with pytest.raises(ValueError, match="batch_size must be at most 100, the number of training images, not 101"):
        _ready(small, batch_size=101)


def test_the_images_are_in_memory_once_however_many_data_modules_there_are(small):
    first, second = _ready(small), _ready(small, split="article", batch_size=7)
    assert first.train.images.untyped_storage().data_ptr() == second.train.images.untyped_storage().data_ptr()
    assert first.train.images.dtype == torch.uint8


class Remembers(L.LightningModule):
    """A stranger's convolutional network that remembers the labels it was given."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 5, stride=3), torch.nn.Flatten(), torch.nn.Linear(128, 10))
        self.seen = []
        self.scored = []

    def training_step(self, batch, batch_idx):
        self.seen.append(batch[1].tolist())
        return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.scored.append(len(batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def predict_step(self, batch, batch_idx):
        return batch[1]


def _trainer(epochs, **options):
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return L.Trainer(accelerator="cpu", max_epochs=epochs, **{**quiet, **options})


def _fit(small, tmp_path, epochs, ckpt_path=None):
    module = Remembers()
    keep = ModelCheckpoint(tmp_path / "checkpoints", filename="last", enable_version_counter=False)
    trainer = _trainer(epochs, enable_checkpointing=True, callbacks=[keep])
    trainer.fit(module, datamodule=MNISTDataModule(small, batch_size=40), ckpt_path=ckpt_path, weights_only=True)
    return module


def test_a_resumed_run_sees_the_epochs_that_an_uninterrupted_one_would_have_seen(small, tmp_path):
    whole = _fit(small, tmp_path, epochs=4)
    assert len({tuple(map(tuple, whole.seen[i : i + 3])) for i in range(0, 12, 3)}) == 4, "four different orders"
    _fit(small, tmp_path, epochs=2)
    resumed = _fit(small, tmp_path, epochs=4, ckpt_path=tmp_path / "checkpoints" / "last.ckpt")
    assert resumed.seen == whole.seen[6:]


def test_lightning_leaves_the_sampler_alone_and_scores_every_image(small):
    module = Remembers()
    trainer = _trainer(1, num_sanity_val_steps=0)
    trainer.fit(module, datamodule=MNISTDataModule(small, batch_size=40, eval_batch_size=7))
    assert type(trainer.train_dataloader.sampler) is EpochBatches
    assert type(trainer.val_dataloaders.sampler) is InOrder
    assert module.scored == [7, 7, 6]


@pytest.mark.parametrize(("share", "trained", "scored"), [(2, [40, 40], [7, 7]), (0.5, [40], [7])])
def test_overfitting_trains_on_the_same_whole_batches_in_every_epoch(small, share, trained, scored):
    module = Remembers()
    trainer = _trainer(2, overfit_batches=share, num_sanity_val_steps=0)
    trainer.fit(module, datamodule=MNISTDataModule(small, batch_size=40, eval_batch_size=7))
    assert [len(labels) for labels in module.seen] == trained * 2
    assert module.seen[: len(trained)] == module.seen[len(trained) :]
    assert module.scored == scored * 2


@pytest.mark.parametrize(
    ("options", "trained", "scored"),
    [
        ({"limit_train_batches": 2, "limit_val_batches": 0.7}, [40, 40] * 2, [7, 7] * 2),
        ({"fast_dev_run": True}, [40], [7]),
        ({"reload_dataloaders_every_n_epochs": 1}, [40, 40, 20] * 2, [7, 7, 6] * 2),
    ],
    ids=str,
)
def test_a_trainers_limits_count_whole_batches_and_each_epoch_has_an_order_of_its_own(small, options, trained, scored):
    module = Remembers()
    trainer = _trainer(2, num_sanity_val_steps=0, **options)
    trainer.fit(module, datamodule=MNISTDataModule(small, batch_size=40, eval_batch_size=7))
    assert [len(labels) for labels in module.seen] == trained
    assert module.scored == scored
    assert len(set(map(tuple, module.seen))) == len(trained)


def test_predictions_come_for_every_test_image_in_order(small):
    datamodule = MNISTDataModule(small, batch_size=40, eval_batch_size=7)
    predicted = _trainer(1).predict(Remembers(), datamodule=datamodule)
    assert [len(batch) for batch in predicted] == [7, 7, 7, 7, 2]
    assert torch.equal(torch.cat(predicted), _labels(_ready(small).test_dataloader()))


def test_data_modules_of_finished_trials_are_not_kept(small):
    import weakref

    datamodule = _ready(small)
    reference = weakref.ref(datamodule)
    del datamodule
    gc.collect()
    assert reference() is None
