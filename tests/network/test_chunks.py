"""A step in chunks is the step of the whole batch, and where anything could tell it takes that."""

from __future__ import annotations

import lightning as L
import pytest
import torch
from mlps import TINY, examples, loader, make, trainer

from nnhp_torch.callbacks import GaussianNoise
from nnhp_torch.network import chunks
from nnhp_torch.network.classifier import Classifier
from nnhp_torch.network.module import MLPClassifier

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
