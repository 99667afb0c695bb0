from __future__ import annotations

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from mlps import examples, loader, make, trainer, weights_after_fit
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from nnhp_torch.network import chunks
from nnhp_torch.network.losses import cross_entropy, kl_divergence, mse
from nnhp_torch.network.module import MLPClassifier

# --- losses ---


def test_losses_by_hand():
    p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], dtype=torch.float64)
    logits, y = p.log() + 3.0, torch.tensor([0, 1])
    log = np.log
    torch.testing.assert_close(cross_entropy(logits, y).tolist(), [-log(0.7), -log(0.1)])
    squares = [(0.3**2 + 0.2**2 + 0.1**2) / 3, (0.1**2 + 0.9**2 + 0.8**2) / 3]
    torch.testing.assert_close(mse(logits, y).tolist(), squares)
    rest = 1e-7 * (log(1e-7 / 0.2) + log(1e-7 / 0.1))  # a zero in the label is clipped too
    assert kl_divergence(logits, y)[0].item() == pytest.approx(-log(0.7) + rest, rel=1e-12)


def test_kl_divergence_is_cross_entropy_on_one_hot_labels():
    torch.manual_seed(0)
    logits, y = torch.randn(100, 10, dtype=torch.float64), torch.randint(10, (100,))
    torch.testing.assert_close(kl_divergence(logits, y), cross_entropy(logits, y), rtol=0, atol=2e-5)


def test_kl_divergence_clips_like_keras():
    logits = torch.tensor([[50.0, 0.0]], requires_grad=True)
    loss = kl_divergence(logits, torch.tensor([1]))
    assert loss.item() == pytest.approx(-np.log(1e-7), rel=1e-4)
    loss.sum().backward()
    assert abs(logits.grad[0, 1]) < 1e-20  # what is clipped has none, but for rounding; else it would be -1


def test_label_smoothing():
    logits, y = torch.tensor([[2.0, 0.0, -1.0]], dtype=torch.float64), torch.tensor([0])
    t, p = torch.tensor([[0.8, 0.1, 0.1]], dtype=torch.float64), logits.softmax(1)
    torch.testing.assert_close(cross_entropy(logits, y, 0.3), -(t * p.log()).sum(1))
    torch.testing.assert_close(kl_divergence(logits, y, 0.3), (t * (t / p).log()).sum(1))
    torch.testing.assert_close(mse(logits, y, 0.3), ((t - p) ** 2).mean(1))


def test_smoothed_cross_entropy_is_what_keras_gives():
    """Keras 3.15.1: CategoricalCrossentropy(label_smoothing=…, dtype="float64") of the softmax."""
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, -2.0]], dtype=torch.float64)
    kerass = {0.0: [0.169846020, 3.835097596], 0.05: [0.253179353, 3.735097596], 0.2: [0.503179353, 3.435097596]}
    for share, losses in kerass.items():
        expected = torch.tensor(losses, dtype=torch.float64)
        torch.testing.assert_close(cross_entropy(logits, torch.tensor([0, 2]), share), expected, rtol=0, atol=1e-8)


# --- what is trained and logged ---


def test_metrics_are_those_of_all_examples_and_losses_include_the_penalties():
    module = make(reg=0.1, activity_reg=0.01)
    x, y = examples()
    fit = trainer(1)
    fit.fit(module, loader(), loader())
    logged = {name: value.item() for name, value in fit.callback_metrics.items()}
    assert set(logged) == {"train_accuracy", "train_loss", "val_accuracy", "val_loss"}

    with torch.no_grad():
        logits, hidden = module.net(x, return_hidden=True)
        plain = F.cross_entropy(logits, y)
        weights = sum((layer.linear.weight**2).sum() for layer in module.net.hidden)
        # an activity penalty divided by each batch's size averages to one divided by the data's
        activity = sum(h.abs().sum() for h in hidden) / len(x)
    assert logged["val_accuracy"] == pytest.approx((logits.argmax(1) == y).float().mean().item())
    assert logged["val_loss"] == pytest.approx((plain + 0.1 * weights + 0.01 * activity).item(), rel=1e-5)

    (tested,) = fit.test(module, loader(batch_size=7), verbose=False)
    assert tested["test_accuracy"] == pytest.approx(logged["val_accuracy"])
    assert tested["test_loss"] == pytest.approx(logged["val_loss"], rel=1e-5)


@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-mixed", "bf16-true", "16-true"])
def test_what_is_logged_is_the_mean_over_the_examples_in_every_precision(precision):
    """Of 600 examples in 300 batches: bfloat16 counts to 256."""
    module = make(reg=0.1, activity_reg=0.01)
    fit = trainer(1, precision=precision, limit_train_batches=1)
    fit.fit(module, loader(), loader(2, n=600))
    x, y = examples(600)
    with torch.no_grad(), fit.precision_plugin.forward_context():
        logits, hidden = module.net(x.to(module.net.output.weight.dtype), return_hidden=True)
    loss = F.cross_entropy(logits.double(), y)
    loss += 0.1 * sum((layer.linear.weight.double() ** 2).sum() for layer in module.net.hidden)
    loss += 0.01 * sum(h.double().abs().sum() for h in hidden) / len(x)
    assert fit.callback_metrics["val_loss"].item() == pytest.approx(
        loss.item(), rel=1e-12 if "64" in precision else 1e-5
    )
    assert fit.callback_metrics["val_accuracy"] == pytest.approx((logits.argmax(1) == y).double().mean().item())


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_class_weights_keep_their_digits(precision):
    module = make(class_weights=[0.3, 1.7, 1.001]).to(torch.bfloat16 if "b" in precision else torch.float16)
    x, y = examples()
    x = x.to(module.net.output.weight.dtype)
    expected = (cross_entropy(module(x).double(), y) * torch.tensor([0.3, 1.7, 1.001]).double()[y]).mean()
    assert module.loss_and_logits(x, y)[0].item() == pytest.approx(expected.item(), rel=1e-6)


def test_train_metrics_are_running_means_over_unequal_batches():
    module = make(lr=0.3, optimizer="SGD")
    twin = make(lr=0.3, optimizer="SGD")
    fit = trainer(1)
    fit.fit(module, loader(), loader())
    x, y = examples()
    right, loss = 0.0, 0.0
    for start in (0, 20, 40):  # 20, 20 and 10 examples
        xs, ys = x[start : start + 20], y[start : start + 20]
        logits = twin(xs)
        batch_loss = F.cross_entropy(logits, ys)
        right += (logits.argmax(1) == ys).sum().item()
        loss += batch_loss.item() * len(xs)
        gradients = torch.autograd.grad(batch_loss, list(twin.parameters()))
        with torch.no_grad():
            for p, g in zip(twin.parameters(), gradients, strict=True):
                p -= 0.3 * g
    assert fit.callback_metrics["train_accuracy"].item() == pytest.approx(right / 50)
    assert fit.callback_metrics["train_loss"].item() == pytest.approx(loss / 50, rel=1e-5)


def test_metrics_are_logged_in_every_epoch_of_every_fit():
    class Broken(L.Callback):
        def on_train_batch_end(self, *_):
            raise RuntimeError("in the middle of an epoch")

    module = make()
    with pytest.raises(RuntimeError, match="in the middle"):
        trainer(callbacks=[Broken()]).fit(module, loader(), loader())
    accuracies = []

    class Reads(L.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            accuracies.append(trainer.callback_metrics["train_accuracy"].item())

    for _ in range(2):
        trainer(max_epochs=2, callbacks=[Reads()]).fit(module, loader(batch_size=7), loader())
    assert len(accuracies) == 4


def test_a_loss_that_is_not_finite_is_logged_so():
    module = make()
    with torch.no_grad():
        module.net.output.bias[0] = float("nan")
    fit = trainer(1)
    fit.fit(module, loader(), loader())
    assert fit.callback_metrics["train_loss"].isnan()


@pytest.fixture(scope="module")
def plain():
    """The weights after a fit with nothing but defaults."""
    return weights_after_fit()


@pytest.mark.parametrize(
    "changed",
    [
        {"hidden_sizes": (5, 5)},
        {"activation": "tanh"},
        {"dropout": 0.5},
        {"dropout": (0.0, 0.5)},
        {"batch_norm": True},
        {"optimizer": "SGD"},
        {"optimizer": "torch.optim.Adam", "lr": 0.02},
        {"lr": 0.02},
        {"momentum": 0.5},
        {"loss": "mse"},
        {"reg": 0.01},
        {"reg": 0.01, "reg_type": "l1"},
        {"reg": (0.0, 0.01)},
        {"activity_reg": 0.01},
        {"activity_reg": 0.01, "activity_reg_type": "l2"},
        {"lr_decay": "cosine"},
        {"class_weights": [1.0, 2.0, 1.0]},
        {"label_smoothing": 0.1},
    ],
    ids=str,
)
def test_every_hyperparameter_has_an_effect(plain, changed):
    assert not torch.equal(plain, weights_after_fit(**changed))


def test_the_same_arguments_have_the_same_effect(plain):
    assert torch.equal(plain, weights_after_fit(reg_type="l1", momentum=0.9, lr=0.01))


def test_penalties_are_on_hidden_kernels_by_layer():
    x, y = examples()
    plain = make().loss_and_logits(x, y)[0]
    module = make(reg=(0.5, 0.0), reg_type="l1")
    penalized = module.loss_and_logits(x, y)[0]
    torch.testing.assert_close(penalized - plain, 0.5 * module.net.hidden[0].linear.weight.abs().sum())


def test_class_weights_are_factors_on_the_examples():
    x, y = examples()
    module = make(class_weights=[1.0, 3.0, 0.0])
    expected = (cross_entropy(module(x), y) * torch.tensor([1.0, 3.0, 0.0])[y]).sum() / len(x)
    torch.testing.assert_close(module.loss_and_logits(x, y)[0], expected)
    plain = cross_entropy(module(x), y).mean()  # as in Keras, evaluation weighs all classes alike
    torch.testing.assert_close(module.eval().loss_and_logits(x, y)[0], plain)


@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-true", "bf16-mixed"])
def test_bytes_are_scaled_to_the_unit_interval(precision, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 7)
    as_bytes = torch.randint(256, (20, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    y = torch.arange(20) % 3
    weights = []
    for x in (as_bytes, as_bytes / 255):
        module, data = make(), DataLoader(TensorDataset(x, y), 20)
        trainer(1, precision=precision).fit(module, data, data)
        weights.append(torch.cat([w.detach().flatten() for w in module.parameters()]))
    assert torch.equal(*weights)


def test_the_rate_falls_by_epochs():
    rates = []

    class Watch(L.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    trainer(4, callbacks=[Watch()]).fit(make(lr=1.0, lr_decay="step"), loader(), loader())
    assert rates == pytest.approx([1.0, 1.0, 0.1, 0.01])


def test_sparsity_is_logged_when_asked_for():
    module = make(log_sparsity=True)
    (metrics,) = trainer().validate(module, loader(), verbose=False)
    _, hidden = module.net(examples()[0], return_hidden=True)
    zeros = torch.cat(hidden, dim=1) == 0
    assert metrics["val_sparsity"] == pytest.approx(zeros.float().mean().item())
    assert 0.1 < metrics["val_sparsity"] < 0.9


def test_early_stopping_on_our_metric():
    stopper = EarlyStopping("val_accuracy", mode="max", patience=2)
    fit = trainer(50, callbacks=[stopper])
    fit.fit(make(lr=1e-12), loader(), loader())  # nothing ever gets better
    assert stopper.stopped_epoch == 2
    assert fit.current_epoch == 3


# --- use elsewhere ---


def test_binary_tabular_data_is_learned():
    x, y = examples(400, 4, 2)
    torch.manual_seed(0)
    module = MLPClassifier(4, 2, (16,), lr=0.01)
    fit = trainer(30)
    data = TensorDataset(x, y)
    fit.fit(module, DataLoader(data, 50, shuffle=True), DataLoader(data, 400))
    (tested,) = fit.test(module, DataLoader(data, 400), verbose=False)
    assert tested["test_accuracy"] > 0.95


def test_predictions_are_probabilities_with_or_without_labels():
    module = make()
    x, _ = examples()
    expected = module(x).softmax(1).detach()
    for data in (loader(), DataLoader(x, 20)):
        predicted = torch.cat(trainer().predict(module, data))
        torch.testing.assert_close(predicted, expected)


def test_bfloat16_trains():
    fit = trainer(2, precision="bf16-mixed")
    fit.fit(make(batch_norm=True, loss="kl_divergence", activity_reg=0.01), loader(), loader())
    assert fit.callback_metrics["val_loss"].isfinite()
    assert fit.predict(make(), loader())[0].dtype == torch.float32


@pytest.mark.parametrize("loss", ["cross_entropy", "kl_divergence", "mse"])
def test_losses_are_taken_in_float32_at_least(loss):
    x, y = examples()
    for dtype, expected in ((torch.bfloat16, torch.float32), (torch.float64, torch.float64)):
        value, logits = make(loss=loss, activity_reg=0.1).to(dtype).loss_and_logits(x.to(dtype), y)
        assert (value.dtype, logits.dtype) == (expected, expected)


def test_softmax_regression():
    fit = trainer(3)
    fit.fit(make(hidden_sizes=()), loader(), loader())
    assert fit.callback_metrics["train_loss"].isfinite()


def test_a_checkpoint_loads_without_running_anything_in_it(tmp_path):
    module = make(
        hidden_sizes=np.array([5, 4]).tolist(),
        dropout=(np.float64(0.0), np.float32(0.5)),
        lr=np.float64(0.02),
        class_weights=np.array([1.0, 2.0, 1.0]),
        batch_norm=True,
    )
    fit = trainer(2)
    fit.fit(module, loader(), loader())
    fit.save_checkpoint(tmp_path / "last.ckpt")
    loaded = MLPClassifier.load_from_checkpoint(tmp_path / "last.ckpt", weights_only=True)
    assert loaded.hparams == module.hparams
    assert loaded.hparams.hidden_sizes == [5, 4]
    assert type(loaded.hparams.lr) is float
    assert loaded.class_weights == [1.0, 2.0, 1.0]
    x, _ = examples()
    assert torch.equal(loaded.eval()(x), module.eval()(x))


def test_a_resumed_fit_ends_where_an_uninterrupted_one_does(tmp_path):
    whole, half = make(lr_decay="exponential"), make(lr_decay="exponential")

    class SaveHalfway(L.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "half.ckpt")

    trainer(4, callbacks=[SaveHalfway()]).fit(whole, loader(), loader())
    trainer(4).fit(half, loader(), loader(), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    for one, two in zip(whole.parameters(), half.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"num_classes": 1}, "num_classes must be at least 2"),
        ({"activation": "rleu"}, "did you mean relu"),
        ({"optimizer": "adm"}, "did you mean Adam"),
        ({"optimizer": "torch.optim.Nothing"}, "torch.optim.AdamW"),
        ({"optimizer": "Adagrad", "momentum": 0.9}, "Adagrad has no momentum"),
        ({"momentum": 1}, "momentum must be at least 0 and below 1"),
        ({"lr": 0}, "lr must be"),
        ({"loss": "mae"}, "loss must be one of cross_entropy"),
        ({"reg_type": "l3"}, "l1, l2"),
        ({"reg": -1.0}, "reg and activity_reg must be"),
        ({"reg": (0.1,)}, "one for each of 2 hidden layers"),
        ({"activity_reg": float("nan")}, "reg and activity_reg must be"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"lr_decay": "linear"}, "lr_decay must be one of"),
        ({"class_weights": [1.0, 2.0]}, "class_weights must be 3"),
        ({"label_smoothing": 1.0}, "label_smoothing must be"),
        ({"hidden_sizes": (), "reg": 0.1}, r"reg=0.1 is for hidden layers, and hidden_sizes=\[\] has none"),
        ({"hidden_sizes": (), "activity_reg": 0.1}, "activity_reg=0.1 is for hidden layers"),
        ({"hidden_sizes": (), "log_sparsity": True}, "log_sparsity=True is for hidden layers"),
        ({"hidden_sizes": (), "dropout": 0.5}, "dropout=0.5 is for hidden layers"),
        ({"hidden_sizes": (), "batch_norm": True}, "batch_norm=True is for hidden layers"),
    ],
)
def test_bad_arguments_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        make(**bad)


@pytest.mark.parametrize("y", [torch.zeros(4), torch.zeros(4, 3, dtype=torch.long)])
def test_labels_of_another_kind_are_refused(y):
    with pytest.raises(ValueError, match="whole numbers of shape"):
        make().loss_and_logits(torch.zeros(4, 6), y)
