from __future__ import annotations

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from nnhp_torch.callbacks import GaussianNoise
from nnhp_torch.network import chunks
from nnhp_torch.network.classifier import Classifier
from nnhp_torch.network.losses import cross_entropy, kl_divergence, mse
from nnhp_torch.network.module import MLPClassifier

TINY = {"in_features": 6, "num_classes": 3, "hidden_sizes": (5, 4)}


def trainer(max_epochs=2, **options):
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return L.Trainer(accelerator="cpu", devices=1, max_epochs=max_epochs, **{**quiet, **options})


def examples(n=50, features=6, classes=3):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, features, generator=generator)
    return x, x[:, :classes].argmax(1)


def loader(batch_size=20, **options):
    return DataLoader(TensorDataset(*examples(**options)), batch_size)


def make(**arguments):
    torch.manual_seed(1)
    return MLPClassifier(**{**TINY, **arguments})


def weights_after_fit(max_epochs=2, **arguments):
    module = make(**arguments)
    trainer(max_epochs).fit(module, loader(), loader())
    return torch.cat([p.detach().flatten() for p in module.parameters()])


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


# --- chunks ---


@pytest.fixture
def sizes(monkeypatch):
    """How many examples went through the network at once, call by call: above 7 in chunks if nothing can tell."""
    calls = []
    whole = Classifier.loss_and_logits

    def counted(self, x, y):
        calls.append(len(y))
        return whole(self, x, y)

    monkeypatch.setattr(chunks, "CHUNK", 7)
    monkeypatch.setattr(Classifier, "loss_and_logits", counted)
    return calls


def fit_once(module, **options):
    """One step on 50 examples and their validation."""
    trainer(1, **{"num_sanity_val_steps": 0, **options}).fit(module, loader(batch_size=50), loader(batch_size=50))
    return [w.detach().clone() for w in module.parameters()]


WHOLE, CHUNKED = [50], [7] * 7 + [1]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"reg": [0.0, 0.3], "reg_type": "l1"},
        {"activity_reg": 0.2, "activity_reg_type": "l2"},
        {"class_weights": [3.0, 1.0, 0.5], "label_smoothing": 0.1, "loss": "mse"},
        {"hidden_sizes": ()},
    ],
)
def test_a_step_in_chunks_has_the_loss_and_the_gradient_of_the_whole_batch(settings, sizes, monkeypatch):
    module, x_and_y = make(**settings).double(), [t.double() if t.is_floating_point() else t for t in examples()]
    whole_loss, whole_logits = module.loss_and_logits(*x_and_y)
    monkeypatch.setattr(chunks, "_nothing_can_tell", lambda module, x: True)
    loss, logits = chunks.step_loss(module, *x_and_y)
    assert sizes == WHOLE + CHUNKED
    torch.testing.assert_close((loss, logits), (whole_loss, whole_logits))
    weights = list(module.parameters())
    torch.testing.assert_close(torch.autograd.grad(3 * loss, weights), torch.autograd.grad(3 * whole_loss, weights))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_steps_under_a_trainer_go_in_chunks_unless_batch_norm_needs_the_batch(batch_norm, sizes):
    fit_once(make(batch_norm=batch_norm))
    assert sizes == (WHOLE if batch_norm else CHUNKED) * 2


def test_noise_of_ours_is_drawn_chunk_by_chunk(sizes):
    fit_once(make(), callbacks=[GaussianNoise(0.1)])
    assert sizes == CHUNKED * 2


def test_public_losses_are_functions_of_their_inputs(sizes):
    module, (x, y) = make(activity_reg=0.1), examples()
    x.requires_grad_()
    loss, _ = module.loss_and_logits(x, y)
    (slope,) = torch.autograd.grad(loss, x, create_graph=True)
    slope.square().sum().backward()  # a second time
    assert x.grad.any()
    assert module.net.output.weight.grad.any()

    weights = {name: w.detach() for name, w in module.named_parameters()}
    functional = torch.func.grad(lambda w: torch.func.functional_call(_Loss(module), w, (x.detach(), y)))
    expected = torch.autograd.grad(module.loss_and_logits(x, y)[0], list(module.parameters()))
    found = functional({f"module.{name}": w for name, w in weights.items()})
    torch.testing.assert_close(tuple(found.values()), expected)
    assert sizes == WHOLE * 3


class _Loss(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x, y):
        return self.module.loss_and_logits(x, y)[0]


class Bigger(L.LightningModule):
    """A trained layer before our classifier, whose step it takes as a part of its own."""

    def __init__(self):
        super().__init__()
        self.before = torch.nn.Linear(6, 6)
        self.ours = make()
        self.frozen = False

    def training_step(self, batch, batch_idx):
        x, y = batch
        return chunks.step_loss(self.ours, self.before(x).detach() if self.frozen else self.before(x), y)[0]

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("frozen", [False, True])
def test_inside_something_bigger_a_step_takes_the_whole_batch_and_what_stands_before_learns(sizes, frozen):
    module = Bigger()
    module.frozen = frozen
    before = module.before.weight.clone()
    trainer(1).fit(module, loader(batch_size=50))
    assert sizes == WHOLE
    assert torch.equal(module.before.weight, before) == frozen


def _on_weight(module, calls):
    module.net.output.weight.register_hook(lambda gradient: calls.append(1))


def _after_accumulation(module, calls):
    module.net.output.weight.register_post_accumulate_grad_hook(lambda weight: calls.append(1))


def _before_forward(module, calls):
    module.net.output.register_forward_pre_hook(lambda part, args: calls.append(1) if part.training else None)


def _after_forward(module, calls):
    module.net.output.register_forward_hook(lambda part, args, y: calls.append(1) if part.training else None)


def _before_backward(module, calls):
    module.net.output.register_full_backward_pre_hook(lambda part, gradients: calls.append(1))


def _after_backward(module, calls):
    module.net.output.register_full_backward_hook(lambda part, x_gradients, gradients: calls.append(1))


@pytest.mark.parametrize(
    "register",
    [_on_weight, _after_accumulation, _before_forward, _after_forward, _before_backward, _after_backward],
)
def test_hooks_fire_once_a_step_and_see_the_whole_batch(register, sizes):
    module, calls = make(), []
    register(module, calls)
    fit_once(module)
    assert calls == [1]
    assert sizes == WHOLE * 2


def test_hooks_on_every_module_fire_once_a_step(sizes):
    module, calls = make(), []
    layers = sum(isinstance(part, torch.nn.Linear) for part in module.modules())
    hook = torch.nn.modules.module.register_module_forward_hook(
        lambda part, args, y: calls.append(len(y)) if isinstance(part, torch.nn.Linear) else None
    )
    try:
        fit_once(module)
    finally:
        hook.remove()
    assert sizes == WHOLE * 2
    assert calls == [50] * layers * 2, "training and validation, each layer once"


class ComparesExamples(MLPClassifier):
    """A subclass with a loss that only the whole batch gives."""

    def loss_and_logits(self, x, y):
        loss, logits = super().loss_and_logits(x, y)
        return loss + logits.std(0).sum(), logits


def test_a_subclass_gets_the_whole_batch(sizes):
    torch.manual_seed(1)
    fit_once(ComparesExamples(**TINY))
    assert sizes == WHOLE * 2


def test_a_weight_that_the_loss_does_not_use_has_no_gradient_in_chunks(sizes, monkeypatch):
    monkeypatch.setattr(chunks, "_nothing_can_tell", lambda module, x: True)
    module = make()
    module.unused = torch.nn.Parameter(torch.ones(2))
    chunks.step_loss(module, *examples())[0].backward()
    assert module.unused.grad is None
    assert module.net.output.weight.grad is not None
    assert sizes == CHUNKED


def test_frozen_weights_stay_so_in_chunks(sizes):
    module = make()
    before = module.net.output.weight.requires_grad_(False).clone()
    fit_once(module)
    assert torch.equal(module.net.output.weight, before)
    assert sizes == CHUNKED * 2


@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_a_compiled_step_is_not_compiled_anew_for_every_batch():
    from torch._dynamo.testing import CompileCounter

    torch._dynamo.reset()
    counter, module = CompileCounter(), make()
    module.training_step = torch.compile(module.training_step, backend=counter)
    trainer(1).fit(module, loader(batch_size=2), loader())  # 25 batches
    assert 1 <= counter.frame_count <= 4
    torch._dynamo.reset()


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
