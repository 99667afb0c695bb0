"""What a step does on a GPU, without one: nothing is on another device, nothing waits, and few kernels are launched."""

from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torchmetrics.classification import MulticlassAccuracy

from nnhp_torch.callbacks import GaussianNoise, RestoreBestWeights, WeightConstraint, WeightSparsity
from nnhp_torch.mnist.datamodule import Images
from nnhp_torch.network import catalog, kernel_launches
from nnhp_torch.network.mean import Accuracy
from nnhp_torch.network.module import MLPClassifier

OPTIONS = [
    *({"optimizer": name, "momentum": 0.5} for name in ("Adam", "SGD", "RMSprop")),
    *({"optimizer": name} for name in ("Adagrad", "torch.optim.AdamW", "torch.optim.Adam", "torch.optim.Rprop")),
    *({"loss": name} for name in catalog.names("loss")),
    *({"activation": name} for name in catalog.names("activation")),
    *({"reg": 0.001, "reg_type": name} for name in catalog.names("reg_type")),
    *({"activity_reg": 0.001, "activity_reg_type": name} for name in catalog.names("activity_reg_type")),
    {"batch_norm": True, "dropout": 0.5},
    {"class_weights": [1.0] * 9 + [2.0], "label_smoothing": 0.1},
    {"log_sparsity": True},
]


def made(**options):
    model = MLPClassifier(hidden_sizes=[8] * 3, **options)
    model.log = lambda *_, **__: None
    return model, model.configure_optimizers()


def batch(device=None):
    shape = (200, 1, 28, 28)
    x, y = torch.randint(0, 256, shape, dtype=torch.uint8), torch.randint(0, 10, shape[:1])
    return x.to(device), y.to(device)


@pytest.fixture
def on_a_gpu(monkeypatch):
    """Tensors without numbers: an operation on two devices raises, and so does whatever asks for a number."""
    if torch.__version__.startswith("2.6."):
        pytest.skip("torch 2.6 draws random numbers for such a tensor with a driver alone")
    monkeypatch.setattr("torchmetrics.metric.deepcopy", lambda state: state.clone())  # a deep one would have a driver's
    with FakeTensorMode(), torch.device("cuda"):
        yield


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_step_is_on_one_device_and_waits_for_nothing(on_a_gpu, options):
    model, optimizer = made(**options)
    x, y = batch("cuda")
    for number in range(2):
        assert model.training_step((x, y), number).device.type == "cuda"
        for weight in model.parameters():  # backward needs a driver
            weight.grad = torch.ones_like(weight)
        optimizer.step()
    model.eval()
    model.validation_step((x, y), 0)
    assert model.metrics["val_loss"].compute().device.type == "cuda"
    assert model.predict_step((x, y), 0).device.type == "cuda"


@pytest.mark.parametrize("constraint", [name for name in catalog.names("weight_constraint") if name != "none"])
def test_nor_does_a_constraint(on_a_gpu, constraint):
    model, optimizer = made()
    WeightConstraint(constraint).on_train_start(SimpleNamespace(optimizers=[optimizer]), model)
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()


def test_nor_do_noise_sparsity_and_the_best_weights(on_a_gpu):
    model, _ = made()
    sparsity, best = WeightSparsity(), RestoreBestWeights()
    for callback in (GaussianNoise(0.1), sparsity):
        callback.on_train_start(SimpleNamespace(optimizers=[]), model)
    model.training_step(batch("cuda"), 0)
    sparsity.on_train_epoch_end(SimpleNamespace(), model)
    best.weights = {name: w.detach().clone() for name, w in model.state_dict().items()}
    best.on_train_end(SimpleNamespace(), model)


def test_a_batch_is_gathered_where_the_images_are(on_a_gpu):
    x, y = batch("cuda")
    for as_bytes in (True, False):
        some = Images(x[:, 0], y, as_bytes)[torch.arange(5, device="cpu")]
        assert [part.device.type for part in some] == ["cuda", "cuda"]


class Launches(TorchDispatchMode):
    """Counts the kernels that a GPU would launch, and the waits for a number."""

    NONE = ("detach", "empty", "empty_like", "empty_strided", "new_empty", "_unsafe_view", "promote_types")

    def __init__(self):
        super().__init__()
        self.kernels, self.waits = Counter(), 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        space, _, name = operation._schema.name.partition("::")
        is_view = any(out.alias_info and not out.alias_info.is_write for out in operation._schema.returns)
        if name == "_local_scalar_dense":
            self.waits += 1
        elif space == "aten" and not is_view and name not in self.NONE:
            self.kernels[name] += 1
        return operation(*args, **kwargs or {})


def count(monkeypatch, few):
    """The kernels of a step in training and in validation, where few are better and where they are not."""
    monkeypatch.setattr(kernel_launches, "few_are_better", lambda x: few)
    model, optimizer = made()
    some = batch()

    def step(number):
        loss = model.training_step(some, number)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step(0)
    with Launches() as training:
        step(1)
    with torch.no_grad(), Launches() as validation:
        model.validation_step(some, 1)
    return training, validation


def test_a_step_launches_few_kernels(monkeypatch):
    """On a GPU a small step takes as long as they take to launch; on a CPU, where digits stay, there are more.

    In training, on a GPU: 1 for the bytes (div), 7 forward (4 addmm, 3 relu_), 2 for the loss (_log_softmax,
    nll_loss_forward), 1 for its mean (add), 4 for the accuracy (argmax, eq, sum, add_), 17 backward (ones_like,
    nll_loss_backward, _log_softmax_backward_data, 7 mm, 4 sum, 3 threshold_backward), 1 for Adam. Fewer would be other
    arithmetic than a network of four layers asks for, but ones_like, which is Lightning's call of backward.
    """
    for few, (most_in_training, most_in_validation) in {True: (33, 15), False: (42, 18)}.items():
        training, validation = count(monkeypatch, few)
        assert (training.kernels.total(), training.waits) <= (most_in_training, 0), training.kernels
        assert (validation.kernels.total(), validation.waits) <= (most_in_validation, 0), validation.kernels


def test_it_does_so_on_a_gpu_wherever_that_can_be_counted(on_a_gpu):
    """All but backward, which needs a driver."""
    model, optimizer = made()
    some = batch("cuda")
    model.training_step(some, 0)
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    with Launches() as update:
        optimizer.step()
    with torch.no_grad(), Launches() as validation:
        model.validation_step(some, 1)
    assert update.kernels == {"_fused_adam_": 1}
    assert validation.kernels.total() == 15, validation.kernels


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_with_few_kernels_it_comes_to_the_same_numbers_to_rounding(monkeypatch, options):
    found = []
    generator = torch.Generator().manual_seed(0)
    batches = [
        (torch.randint(0, 256, (50, 784), dtype=torch.uint8, generator=generator), torch.arange(50) % 10)
        for _ in range(5)
    ]
    for few in (True, False):
        monkeypatch.setattr(kernel_launches, "few_are_better", lambda x, few=few: few)
        torch.manual_seed(1)
        model, optimizer = made(**options)
        model.double()  # in which all but rounding shows
        for number, some in enumerate(batches):
            optimizer.zero_grad()
            model.training_step(some, number).backward()
            optimizer.step()
        scores = [model.metrics[f"train_{name}"].compute() for name in ("loss", "accuracy")]
        found.append(torch.cat([weight.flatten() for weight in [*model.parameters(), *scores]]))
    torch.testing.assert_close(*found, rtol=1e-7, atol=1e-9)


def test_the_accuracy_is_that_of_torchmetrics_to_the_last_digit():
    ours, theirs = Accuracy(), MulticlassAccuracy(10, average="micro")
    generator = torch.Generator().manual_seed(0)
    for count in (2000, 777, 1):
        logits = torch.randn(count, 10, generator=generator).round(decimals=1)  # some are equal
        y = torch.randint(0, 10, (count,), generator=generator)
        assert ours(logits, y) == theirs(logits, y), "of this batch"
        assert ours.compute() == theirs.compute(), "of all so far"
    assert ours.compute().dtype == theirs.compute().dtype
    assert ours.clone().compute() == ours.compute()
    ours.reset()
    assert ours.count == 0
