"""Any two options together, against a network that is trained by its formulas alone."""

from __future__ import annotations

import itertools
import math

import idx
import lightning as L
import numpy as np
import pytest
import torch
from pairs import Perceptron, covering
from torch.utils.data import DataLoader, TensorDataset

from nnhp_torch import GaussianNoise, MLPClassifier, MNISTDataModule, RestoreBestWeights, WeightConstraint
from nnhp_torch.mnist.files import DATASETS
from nnhp_torch.network import chunks

OPTIONS = {
    "hidden_sizes": [(5, 4), (6,), ()],
    "activation": ["relu", "sigmoid", "tanh", "linear", "gelu", "silu", "leaky_relu", "elu"],
    "dropout": [0.0, 0.3],
    "batch_norm": [False, True],
    "loss": ["cross_entropy", "kl_divergence", "mse"],
    "label_smoothing": [0.0, 0.1],
    "class_weights": [False, True],
    "reg_type": ["l1", "l2"],
    "reg": [0.0, 0.01, (0.0, 0.02)],
    "activity_reg_type": ["l1", "l2"],
    "activity_reg": [0.0, 0.01],
    "optimizer": ["Adam", "Adagrad", "RMSprop", "SGD", "torch.optim.AdamW"],
    "momentum": [None, 0.5],
    "lr": [0.01, 0.2],
    "lr_decay": ["constant", "step", "exponential", "cosine"],
    "log_sparsity": [False, True],
    "precision": ["32-true", "64-true", "bf16-mixed", "bf16-true", "16-true"],
    "accumulate": [1, 2],
    "clip": [None, ("norm", 0.05), ("value", 0.01)],
    "chunk": [2_500, 3],
    "batch": ["five", "a last one of one", "whole", "one"],
    "evaluated": ["whole", "one by one", "none"],
    "num_classes": [2, 3, 10],
    "only_one_class": [False, True],
    "data": ["rows", "images", "transposed", "bytes", "int32 labels", "MNIST", "MNIST as bytes", "MNIST, no holdout"],
    "fold": [5, 0, 3],
    "noise": [0.0, 0.1],
    "constraint": ["none", "max_norm", "unit_norm", "min_max_norm", "non_neg"],
    "restore": ["", "val_loss", "val_accuracy"],
}

NO_LAYER = {"dropout": 0.3, "batch_norm": True, "reg": 0.01, "activity_reg": 0.01, "log_sparsity": True}
# What makes no sense together, and what the refusal says of it.
REFUSED = [
    *(({"hidden_sizes": (), name: value}, f"{name}={value} is for hidden layers") for name, value in NO_LAYER.items()),
    *(({"hidden_sizes": sizes, "reg": (0.0, 0.02)}, r"reg.*for (each of 1 )?hidden layers") for sizes in [(6,), ()]),
    ({"optimizer": "Adagrad", "momentum": 0.5}, "Adagrad has no momentum"),
    ({"data": "MNIST, no holdout", "fold": 0}, "holds no images out: leave fold at 5"),
    ({"data": "MNIST, no holdout", "fold": 3}, "holds no images out: leave fold at 5"),
    *(
        ({"evaluated": "none", "restore": metric}, "there are no validation data to log")
        for metric in ("val_loss", "val_accuracy")
    ),
]
# What this test does not put together: a set of digits has ten classes and is never empty.
APART = [
    *({"data": d, "num_classes": n} for d in OPTIONS["data"] if "MNIST" in d for n in (2, 3)),
    *({"data": d, "evaluated": "none"} for d in OPTIONS["data"] if "MNIST" in d),
    *({"data": d, "only_one_class": True} for d in OPTIONS["data"] if "MNIST" in d),
    *({"data": d, "batch": "one"} for d in OPTIONS["data"] if "MNIST" in d),  # slow
]
EPOCHS = 2


def sense(case):
    return not any(bad.items() <= case.items() for bad in (*APART, *(refused for refused, _ in REFUSED)))


CASES = covering(OPTIONS, sense)


class Watch(L.Callback):
    """Seeds each batch, keeps its batches, what was logged and a checkpoint after the first."""

    def __init__(self, path):
        self.path = path
        self.batches = [[] for _ in range(EPOCHS)]
        self.logged = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        torch.manual_seed(batch_idx)
        self.batches[trainer.current_epoch].append([part.clone() for part in batch])

    def on_train_epoch_end(self, trainer, pl_module):
        self.logged.append({name: value.item() for name, value in trainer.callback_metrics.items()})
        if trainer.current_epoch == 0:
            trainer.save_checkpoint(self.path)


def examples(case):
    """The rows to train on and those to validate on, from the raw ones, and what serves them."""
    if "MNIST" in case["data"]:
        arrays = [
            torch.from_numpy(np.frombuffer(f, np.uint8, offset=o).copy())
            for f, o in zip(idx.contents(), (16, 8) * 2, strict=True)
        ]
        x, y, test_x, test_y = (a.view(-1, 1, 28, 28) if a.numel() > 200 else a.long() for a in arrays)
        held_out = torch.zeros(120, dtype=bool)
        held_out[20 * case["fold"] : 20 * (case["fold"] + 1)] = True
        if "no holdout" in case["data"]:
            return (x, y), (test_x, test_y)
        return (x[~held_out], y[~held_out]), (x[held_out], y[held_out])
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(21, 6, generator=generator)
    y = torch.zeros(21).long() if case["only_one_class"] else x.abs().argmax(1) % case["num_classes"]
    if case["data"] == "bytes":
        x = (60 * x.abs()).clamp(max=255).byte()
    elif case["data"] in ("images", "transposed"):
        x = x.view(21, 1, 2, 3)
    y = y.int() if case["data"] == "int32 labels" else y
    return (x[:11], y[:11]), (x[11:], y[11:])


def serve(case, folder):
    (x, y), (val_x, val_y) = examples(case)
    size = {
        "five": 5,
        "a last one of one": len(x) - 1 if len(x) < 50 else 33 if len(x) == 100 else 119,
        "whole": len(x),
        "one": 1,
    }
    each = 1 if case["evaluated"] == "one by one" else 100
    if "MNIST" in case["data"]:
        settings = {"split": "article" if "no holdout" in case["data"] else "holdout", "fold": case["fold"]}
        as_bytes = "bytes" in case["data"]
        return MNISTDataModule(str(folder), size[case["batch"]], eval_batch_size=each, as_bytes=as_bytes, **settings)
    if case["data"] == "transposed":  # the same numbers, and no longer one after the other in memory
        x, val_x = (part.transpose(2, 3).contiguous().transpose(2, 3) for part in (x, val_x))
    if case["evaluated"] == "none":
        val_x, val_y = val_x[:0], val_y[:0]
    data = L.LightningDataModule()
    data.train_dataloader = lambda: DataLoader(TensorDataset(x, y), size[case["batch"]])
    data.val_dataloader = lambda: DataLoader(TensorDataset(val_x, val_y), each)
    return data


def module(case):
    names = ("hidden_sizes", "activation", "dropout", "batch_norm", "loss", "label_smoothing", "reg_type", "reg")
    more = (
        "activity_reg_type",
        "activity_reg",
        "optimizer",
        "momentum",
        "lr",
        "lr_decay",
        "log_sparsity",
        "num_classes",
    )
    weights = [1 + (k % 3) / 2 for k in range(case["num_classes"])] if case["class_weights"] else None
    torch.manual_seed(1)
    features = 784 if "MNIST" in case["data"] else 6
    return MLPClassifier(features, class_weights=weights, **{name: case[name] for name in names + more})


def fit(case, folder, **resume):
    model, watch = module(case), Watch(folder / "half.ckpt")
    callbacks = [watch]
    if case["noise"]:
        callbacks.append(GaussianNoise(case["noise"]))
    if case["constraint"] != "none":
        callbacks.append(WeightConstraint(case["constraint"]))
    if case["restore"]:
        callbacks.append(RestoreBestWeights(case["restore"]))
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    clip = (
        {}
        if case["clip"] is None
        else {"gradient_clip_algorithm": case["clip"][0], "gradient_clip_val": case["clip"][1]}
    )
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS,
        precision=case["precision"],
        accumulate_grad_batches=case["accumulate"],
        num_sanity_val_steps=0,
        callbacks=callbacks,
        **quiet,
        **clip,
    )
    trainer.precision_plugin.convert_module(model)  # else a resumed one takes float64 weights into float32
    trainer.fit(model, datamodule=serve(case, folder), **resume)
    return model, watch


def plain(x):
    return x.float() / 255 if x.dtype == torch.uint8 else x


def rows(x):
    return sorted(map(tuple, plain(x).flatten(1).tolist()))


def check(case, folder, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", case["chunk"])
    monkeypatch.setitem(DATASETS, "MNIST", idx.dataset(idx.contents()))
    idx.write(idx.contents(), folder)
    beginning = module(case)
    model, watch = fit(case, folder)
    dtype = model.net.output.weight.dtype
    (x, y), (val_x, val_y) = examples(case)

    # What was trained on are the rows that there are, once an epoch.
    for epoch in watch.batches:
        seen = torch.cat([batch[0] for batch in epoch])
        assert rows(seen) == rows(plain(x).to(dtype) if seen.dtype != torch.uint8 else x)
        assert sorted(torch.cat([batch[1] for batch in epoch]).tolist()) == sorted(y.tolist())

    # What it learns: losses, accuracies, and weights after two epochs.
    exact = {"32-true": 2e-3, "64-true": 1e-7}.get(case["precision"])
    if case["batch_norm"] and case["optimizer"] == "torch.optim.AdamW" and exact == 2e-3:
        exact = (
            None  # where the norm makes a gradient zero, all that is left of it is rounding, and this makes whole steps
        )
    oracle = Perceptron({n: w.to(dtype) for n, w in beginning.net.state_dict().items()}, case, case["chunk"])
    after = []
    for epoch, logged in enumerate(watch.logged):
        loss, accuracy = oracle.train(watch.batches[epoch], epoch, EPOCHS)
        after.append(dict(oracle.tensors))
        if exact:
            assert logged["train_loss"] == pytest.approx(loss, rel=exact)
            assert logged["train_accuracy"] == pytest.approx(accuracy, abs=0.05)
        elif epoch == 0 and math.isfinite(loss):
            assert logged["train_loss"] == pytest.approx(loss, rel=0.1)
    best = EPOCHS - 1
    if case["restore"]:
        scores = [logged[case["restore"]] for logged in watch.logged]
        best = scores.index((min if "loss" in case["restore"] else max)(scores))
    if exact:
        for name, w in model.net.state_dict().items():
            torch.testing.assert_close(
                w, after[best][name].to(w.dtype), rtol=exact, atol=exact, msg=name
            ) if "tracked" not in name else None

    # What is logged of the validation data is the score of the weights there are, in every precision.
    if case["evaluated"] == "none":
        assert not [name for name in watch.logged[-1] if name.startswith("val")]
    else:
        scored = Perceptron(model.net.state_dict(), case, case["chunk"]).score(plain(val_x), val_y)
        short = dtype.itemsize == 2 or "bf" in case["precision"]
        for name, value in scored.items():
            # What is nearly zero is counted, and a CPU's own rounding of short numbers moves some of them across.
            least = 0.05 if short and name == "sparsity" else 1e-5
            assert watch.logged[best][f"val_{name}"] == pytest.approx(
                value, rel=0.02 if short else 1e-4, abs=least, nan_ok=True
            ), name

    # A second fit that goes on from the first epoch's end comes to the same digits.
    resumed, again = fit(case, folder, ckpt_path=folder / "half.ckpt", weights_only=True)
    assert repr(sorted(again.logged[-1].items())) == repr(sorted(watch.logged[-1].items()))
    for name, w in model.state_dict().items():
        assert torch.equal(w.nan_to_num(), resumed.state_dict()[name].nan_to_num()), name


@pytest.mark.filterwarnings("ignore:Total length of")
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if i % 12 else (), id=f"{i}") for i, case in enumerate(CASES)]
)
def test_any_two_options_together_do_what_their_formulas_say(case, tmp_path, monkeypatch):
    check(case, tmp_path, monkeypatch)


@pytest.mark.filterwarnings("ignore:Total length of")
@pytest.mark.parametrize(("pair", "said"), REFUSED, ids=str)
def test_two_options_that_make_no_sense_together_are_refused_by_name(pair, said, tmp_path, monkeypatch):
    usual = {name: values[0] for name, values in OPTIONS.items()}
    with pytest.raises(ValueError, match=said):
        check({**usual, **pair}, tmp_path, monkeypatch)


def test_every_two_options_that_make_sense_meet_in_a_case():
    met = {frozenset(two) for case in CASES for two in itertools.combinations(map(repr, case.items()), 2)}
    for (one, ones), (other, others) in itertools.combinations(OPTIONS.items(), 2):
        for a, b in itertools.product(ones, others):
            pair = frozenset((repr((one, a)), repr((other, b))))
            assert (pair in met) == sense({one: a, other: b}), (one, a, other, b)
    assert len(CASES) < 90
