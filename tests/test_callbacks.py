from __future__ import annotations

import random

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from nnhp_torch.callbacks import GaussianNoise, RestoreBestWeights, WeightConstraint, WeightSparsity
from nnhp_torch.network.constraints import max_norm
from nnhp_torch.network.module import MLPClassifier
from nnhp_torch.run.callbacks import EpochSeed, StopWhenDiverged


def fit(module, callbacks, max_epochs=2, data=None, **options):
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = L.Trainer(
        accelerator="cpu", devices=1, max_epochs=max_epochs, callbacks=callbacks, **{**quiet, **options}
    )
    trainer.fit(module, data or tabular(), data or tabular())
    return trainer


def tabular(n=40):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 6, generator=generator)
    return DataLoader(TensorDataset(x, x[:, :3].argmax(1)), 10)


def images(n=24):
    generator = torch.Generator().manual_seed(0)
    return DataLoader(TensorDataset(torch.rand(n, 1, 8, 8, generator=generator), torch.arange(n) % 3), 6)


def mlp(**arguments):
    torch.manual_seed(1)
    return MLPClassifier(6, 3, (5, 4), **{"lr": 0.3, **arguments})


class ConvNet(L.LightningModule):
    """A stranger's module: two convolutions, one Linear, its own names."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.AdaptiveAvgPool2d(1)
        )
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.body(x).flatten(1))

    def training_step(self, batch, batch_idx):
        x, y = batch
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch, batch_idx):
        self(batch[0])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


class Inputs(L.Callback):
    """Keeps what a submodule is given, in training and in evaluation."""

    def __init__(self, name):
        self.name = name
        self.seen = {True: [], False: []}

    def on_train_start(self, trainer, pl_module):
        submodule = pl_module.get_submodule(self.name)
        submodule.register_forward_pre_hook(lambda m, args: self.seen[m.training].append(args[0].clone()))


class Boom(L.Callback):
    def on_train_batch_end(self, *_):
        raise RuntimeError("boom")


def hooks(module):
    return sum(len(m._forward_pre_hooks) for m in module.modules())


def clean_batches(data, epochs=2):
    return [x for _ in range(epochs) for x, _ in data]


# --- GaussianNoise ---


@pytest.mark.parametrize(("make", "submodule", "data"), [(mlp, "net", tabular(400)), (ConvNet, "body", images(240))])
def test_noise_is_in_training_only(make, submodule, data):
    inputs = Inputs(submodule)
    fit(make(), [GaussianNoise(0.5, submodule), inputs], data=data)
    clean = torch.cat(clean_batches(data))
    noise = torch.cat(inputs.seen[True]) - clean
    assert noise.std().item() == pytest.approx(0.5, rel=0.03)
    assert noise.mean().item() == pytest.approx(0.0, abs=0.03)
    assert torch.equal(torch.cat(inputs.seen[False][-len(data) :]), torch.cat(clean_batches(data, 1)))


def test_noise_is_fresh_in_every_batch_also_under_accumulation():
    inputs = Inputs("net")
    fit(mlp(), [GaussianNoise(0.5), inputs], max_epochs=1, accumulate_grad_batches=2)
    noise = [noisy - clean for noisy, clean in zip(inputs.seen[True], clean_batches(tabular(), 1), strict=True)]
    assert len(noise) == 4
    assert all(not torch.equal(noise[0], other) for other in noise[1:])


def test_the_first_floating_tensor_alone_gets_noise():
    noise = GaussianNoise(1.0)
    module = nn.Identity()
    whole, first, second = torch.arange(3), torch.zeros(3), torch.zeros(3)
    args, kwargs = noise._add_noise(module, (whole, "text", first, second), {"more": second})
    assert args[0] is whole
    assert args[1] == "text"
    assert args[2].all()
    assert args[3] is second
    assert kwargs == {"more": second}
    args, kwargs = noise._add_noise(module, (whole,), {"n": 3, "x": first})
    assert args == (whole,)
    assert kwargs["x"].all()
    with pytest.raises(ValueError, match=r"needs floating-point numbers, 'net' is given torch\.int64, dict"):
        noise._add_noise(module, (whole,), {"more": {"x": first}})
    assert GaussianNoise(0.0)._add_noise(module, (whole,), {}) == ((whole,), {})
    assert noise._add_noise(module.eval(), (first,), {}) == ((first,), {})


def test_noise_leaves_no_hook_behind():
    module = mlp()
    noise = GaussianNoise(0.5)
    fit(module, [noise])
    assert hooks(module) == 0
    with pytest.raises(RuntimeError, match="boom"):
        fit(module, [noise, Boom()])
    assert hooks(module) == 0
    fit(module, [noise])  # and it serves again
    assert hooks(module) == 0


def test_an_unknown_submodule_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"no submodule 'net'; there are body, body\.0, .*head"):
        fit(ConvNet(), [GaussianNoise(0.5)], data=images())


def test_noise_that_would_reach_nothing_is_refused():
    class Bytes(Scripted):
        def __init__(self):
            super().__init__([1.0, 2.0])
            self.net, self.idle = nn.Identity(), nn.Identity()

        def training_step(self, batch, batch_idx):
            return self.weight * self.net((255 * batch[0]).byte()).sum()

    with pytest.raises(ValueError, match=r"needs floating-point numbers, 'net' is given torch\.uint8"):
        fit(Bytes(), [GaussianNoise(0.1)])
    with pytest.raises(ValueError, match="'idle' was not called in training"):
        fit(Bytes(), [GaussianNoise(0.1, "idle")])
    fit(Bytes(), [GaussianNoise(0.0)])


@pytest.mark.parametrize("arguments", [(-0.1,), (float("nan"),), (0.1, "")])
def test_bad_noise_is_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        GaussianNoise(*arguments)


# --- WeightConstraint ---


class Norms(L.Callback):
    """The largest norm of an output unit's weights after each batch, by parameter."""

    def __init__(self):
        self.largest = {}

    def on_train_batch_end(self, trainer, pl_module, *_):
        for name, w in pl_module.named_parameters():
            if w.ndim >= 2:
                norm = w.detach().flatten(1).norm(dim=1).max().item()
                self.largest[name] = max(norm, self.largest.get(name, 0.0))


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize(("make", "data"), [(mlp, tabular()), (ConvNet, images())])
def test_max_norm_bounds_every_kernel_after_every_step(make, data, accumulate):
    free, bound = Norms(), Norms()
    fit(make(), [free], data=data, accumulate_grad_batches=accumulate)
    module = make()
    with torch.no_grad():  # within bounds before the first step, for a constraint acts after it
        for w in module.parameters():
            if w.ndim >= 2:
                w.copy_(max_norm(w, 0.4))
    constraint = WeightConstraint("max_norm", max_value=0.4)
    fit(module, [constraint, bound], data=data, accumulate_grad_batches=accumulate)
    assert max(free.largest.values()) > 0.5
    assert max(bound.largest.values()) == pytest.approx(0.4, rel=1e-5)  # reached, not passed


def test_a_constraint_acts_once_a_step():
    calls = []

    def watch(w):
        calls.append(tuple(w.shape))
        return w

    torch.optim.Adam([nn.Parameter(torch.zeros(1))])  # torch wraps the step of every class in use
    fit(mlp(), [WeightConstraint(watch)], max_epochs=1, accumulate_grad_batches=2)
    assert calls == [(5, 6), (4, 5), (3, 4)] * 2  # four batches, two steps


@pytest.mark.parametrize(
    ("constraint", "holds"),
    [
        ("unit_norm", lambda w: w.norm(dim=1).sub(1).abs().max() < 1e-5),
        ("min_max_norm", lambda w: w.norm(dim=1).max() < 1 + 1e-5),
        ("non_neg", lambda w: w.min() >= 0),
        (lambda w: w.round(decimals=1), lambda w: torch.equal(w, w.round(decimals=1))),
    ],
)
def test_other_constraints(constraint, holds):
    module = mlp()
    fit(module, [WeightConstraint(constraint)], max_epochs=1)
    kernels = [w.detach() for w in module.parameters() if w.ndim == 2]
    assert all(holds(w) for w in kernels)
    assert not all(holds(w.detach()) for w in mlp().parameters() if w.ndim == 2)


def test_the_pattern_chooses_and_biases_wait_to_be_asked_for():
    free, chosen, biases = mlp(), mlp(), mlp()
    fit(free, [])
    fit(chosen, [WeightConstraint("non_neg", pattern=r"hidden\.1")])
    assert chosen.net.hidden[1].linear.weight.min() >= 0
    assert chosen.net.hidden[0].linear.weight.min() < 0
    assert chosen.net.hidden[1].linear.bias.min() < 0
    fit(biases, [WeightConstraint("non_neg", pattern=r"bias$", kernels_only=False)])
    assert min(p.min() for name, p in biases.named_parameters() if name.endswith("bias")) >= 0
    assert min(p.min() for name, p in free.named_parameters() if name.endswith("bias")) < 0


def test_frozen_weights_are_left_alone():
    class Frozen(ConvNet):
        def configure_optimizers(self):
            return torch.optim.SGD(self.head.parameters(), lr=1.0)

    module = Frozen()
    before = module.body[0].weight.clone()
    fit(module, [WeightConstraint("unit_norm")], data=images())
    assert torch.equal(module.body[0].weight, before)
    torch.testing.assert_close(module.head.weight.norm(dim=1), torch.ones(3))


def test_a_constraint_leaves_no_hook_behind():
    for extra, ending in (([], None), ([Boom()], "boom")):
        module, constraint = mlp(), WeightConstraint("max_norm")
        optimizers = []

        class Keep(L.Callback):
            def on_train_start(self, trainer, pl_module, kept=optimizers):
                kept.extend(trainer.optimizers)

        if ending:
            with pytest.raises(RuntimeError, match=ending):
                fit(module, [constraint, Keep(), *extra])
        else:
            fit(module, [constraint, Keep(), *extra])
        assert len(optimizers) == 1
        assert not optimizers[0]._optimizer_step_post_hooks


def test_a_pattern_that_matches_nothing_is_refused_with_what_there_is():
    with pytest.raises(ValueError, match=r"matches 'conv'; there are net\.hidden\.0\.linear\.weight, "):
        fit(mlp(), [WeightConstraint("max_norm", pattern="conv")])


@pytest.mark.parametrize(
    ("arguments", "options"),
    [(("maxnorm",), {}), (("max_norm",), {"max_value": -1.0}), (("max_norm", "("), {})],
)
def test_bad_constraints_are_refused(arguments, options):
    with pytest.raises(ValueError, match=r"did you mean max_norm|bounds|regular expression"):
        WeightConstraint(*arguments, **options)


# --- EpochSeed ---


class Draws(L.Callback):
    def __init__(self):
        self.drawn = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.drawn.append((random.random(), np.random.rand(), torch.rand(()).item()))


def test_each_epoch_draws_by_seed_and_epoch_alone():
    def draws(seed, disturbance):
        torch.manual_seed(disturbance)
        watch = Draws()
        fit(mlp(), [EpochSeed(seed), watch])
        return watch.drawn

    one = draws(123, 0)
    assert one == draws(123, 99)
    assert len({value for step in one for value in step}) == 3 * 2 * 4  # 2 epochs of 4 batches: all differ
    assert not set(one) & set(draws(124, 0))  # 123's second epoch is not 124's first


# --- StopWhenDiverged ---


def test_training_stops_after_the_epoch_that_diverged():
    class Spoil(L.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 2:
                pl_module.net.output.bias.data.fill_(float("nan"))

    stop = StopWhenDiverged()
    trainer = fit(mlp(), [Spoil(), stop], max_epochs=6)
    assert stop.epoch == 2
    assert trainer.current_epoch == 3
    trainer = fit(mlp(), [stop], max_epochs=2)  # a new fit starts anew
    assert stop.epoch is None
    assert trainer.current_epoch == 2


def test_a_module_without_such_a_metric_trains_on():
    stop = StopWhenDiverged()
    assert fit(ConvNet(), [stop], data=images()).current_epoch == 2
    assert stop.epoch is None


class Scripted(L.LightningModule):
    """One weight, which counts epochs; what validation says of each is given."""

    name = "score"

    def __init__(self, scores):
        super().__init__()
        self.scores = scores
        self.weight = nn.Parameter(torch.zeros(()))

    def training_step(self, batch, batch_idx):
        return self.weight * 0

    def on_train_epoch_start(self):
        self.weight.data += 1

    def validation_step(self, batch, batch_idx):
        self.log(self.name, self.scores[self.current_epoch])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1)


@pytest.mark.parametrize(
    ("mode", "scores", "best"),
    [
        ("max", [0.1, 0.9, 0.4, 0.9], 2),  # the first of equals
        ("min", [0.5, 0.9, 0.4, 0.9], 3),
        ("max", [0.1, float("nan"), 0.2], 3),
        ("max", [float("nan"), 0.2, 0.1], 2),
        ("max", [0.1, 0.2, 0.3], 3),
    ],
)
def test_the_weights_of_the_best_epoch_are_back_when_the_training_has_ended(mode, scores, best):
    module = Scripted(scores)
    fit(module, [RestoreBestWeights("score", mode)], max_epochs=len(scores))
    assert module.weight == best


def test_a_second_fit_knows_nothing_of_the_first_ones_weights():
    restore = RestoreBestWeights("score", "max")
    fit(Scripted([0.9, 0.1]), [restore])
    second = Scripted([0.1, 0.2, 0.3])
    fit(second, [restore], max_epochs=3)
    assert second.weight == 3


@pytest.mark.parametrize(("monitor", "best"), [("val_loss", 2), ("val_accuracy", 3)])
def test_the_monitors_name_tells_which_way_is_better_or_it_is_asked_for(monitor, best):
    module = Scripted([0.5, 0.1, 0.9])
    module.name = monitor
    fit(module, [RestoreBestWeights(monitor)], max_epochs=3)
    assert module.weight == best
    with pytest.raises(ValueError, match=r"'score' does not say which is better: give mode max"):
        RestoreBestWeights("score")


def test_a_metric_that_is_not_there_to_restore_by_is_named_with_those_that_are():
    with pytest.raises(ValueError, match="'val_f1' is not logged; there is score"):
        fit(Scripted([1.0, 2.0]), [RestoreBestWeights("val_f1")])
    with pytest.raises(ValueError, match="mode must be max or min, not 'most'"):
        RestoreBestWeights("score", "most")


def test_the_share_of_weights_near_zero_is_logged_of_the_layers_that_match():
    module = mlp(lr=1e-12)  # which changes none of the weights below
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(0.0009)
        module.net.hidden[1].linear.weight[0] = -0.5  # one unit of four
    trainer = fit(module, [WeightSparsity(r"hidden\.1")])
    assert trainer.callback_metrics["weight_sparsity"] == 0.75
    assert trainer.callback_metrics["weight_size"] == pytest.approx(0.75 * 0.0009 + 0.25 * 0.5)
    trainer = fit(module, [WeightSparsity(r"hidden\.1", below=0.0001)])
    assert trainer.callback_metrics["weight_sparsity"] == 0


def test_tensorboard_has_a_histogram_of_the_final_weights_that_match(tmp_path):
    module = mlp()
    fit(module, [WeightSparsity(r"hidden\.1")], logger=TensorBoardLogger(tmp_path, "", ""))
    events = EventAccumulator(str(tmp_path)).Reload()
    (drawn,) = events.Histograms("weights")
    final = module.net.hidden[1].linear.weight
    assert (drawn.step, drawn.histogram_value.num) == (2, final.numel())
    assert drawn.histogram_value.sum == pytest.approx(final.sum().item(), abs=1e-4)


def test_what_weight_sparsity_cannot_do_it_says():
    with pytest.raises(ValueError, match="below must be a number above 0, not 0"):
        WeightSparsity(below=0)
    with pytest.raises(ValueError, match="is no regular expression"):
        WeightSparsity("(")
    with pytest.raises(
        ValueError, match=r"no parameter of MLPClassifier matches 'encoder'; there are net.hidden.0.linear"
    ):
        fit(mlp(), [WeightSparsity("encoder")])
