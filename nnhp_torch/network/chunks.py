"""A step's loss, a chunk of examples at a time: faster on a CPU, and only if nothing can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules import module as nn_module

HOOKS = ("forward_pre", "forward", "backward_pre", "backward")  # that torch runs at every module, if there are any
CHUNK = 2_500  # examples: a core's cache can hold their activations, forward and backward


@runtime_checkable
class TakesChunks(Protocol):
    """A network, its module or a callback with a hook on it, that looks at each example alone, and whose class says so.

    Then a CPU may take a large batch in chunks. A subclass says it anew: it may compare examples, or go backward more
    than once.
    """

    takes_chunks: ClassVar[bool]


def step_loss(module: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the module's loss_and_logits of a batch, for one step under a Trainer: in chunks if nothing can tell.

    Args:
        module: a Classifier.
        x, y: the batch, as for loss_and_logits.
    """
    # A GPU is faster with the whole batch.
    if x.device.type == "cpu" and len(y) > CHUNK and not torch.compiler.is_compiling() and _nothing_can_tell(module, x):
        return _in_chunks(module, x, y)
    whole: tuple[Tensor, Tensor] = module.loss_and_logits(x, y)
    return whole


def _nothing_can_tell(module: Any, x: Tensor) -> bool:
    """Return whether the loss is used by its Trainer's backward alone, and its network looks at each example alone."""
    trainer = module._trainer
    return (
        _takes_chunks(module)
        and _takes_chunks(module.net)
        and trainer is not None
        and trainer.lightning_module is module  # not a part of something bigger
        and module.automatic_optimization
        and not x.requires_grad
        and next(module.net.buffers(), None) is None  # as of batch normalization, which a forward pass changes
        and not any(map(_is_hooked, module.net.modules()))
        and not any(getattr(nn_module, f"_global_{kind}_hooks") for kind in HOOKS)
        and all(map(_is_plain, module.parameters()))
    )


def _takes_chunks(part: nn.Module) -> bool:
    return isinstance(part, TakesChunks) and "takes_chunks" in vars(type(part)) and part.takes_chunks


def _is_hooked(part: nn.Module) -> bool:
    hooks = (*part._forward_pre_hooks.values(), *part._forward_hooks.values())
    owners = (getattr(hook, "__self__", None) for hook in hooks)
    ours = all(isinstance(owner, TakesChunks) and owner.takes_chunks for owner in owners)
    return not ours or bool(part._backward_hooks) or bool(part._backward_pre_hooks)


def _is_plain(weight: Tensor) -> bool:
    """Whether it is a module's own weight, without hooks on its gradient; functional_call puts other tensors there."""
    hooks = (weight._backward_hooks, getattr(weight, "_post_accumulate_grad_hooks", None))
    return isinstance(weight, nn.Parameter) and not any(hooks)


def _in_chunks(module: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Compute loss_and_logits, a CHUNK of examples at a time; if gradients are wanted, the loss brings them along.

    The loss of a batch is the mean of its chunks' losses, weighted by their sizes, and so is its gradient. Each
    chunk goes forward and backward before the next, so that a CPU works in its cache instead of in memory.
    """
    weights = [w for w in module.parameters() if w.requires_grad] if torch.is_grad_enabled() else []
    losses, logits = [], []
    gradients: list[Tensor | None] = [None for _ in weights]
    for some_x, some_y in zip(torch.split(x, CHUNK), torch.split(y, CHUNK), strict=True):
        loss, some_logits = module.loss_and_logits(some_x, some_y)
        losses.append(loss * (len(some_y) / len(y)))
        logits.append(some_logits.detach())
        if weights:
            with torch.autocast(x.device.type, enabled=False):  # concerns the forward pass alone
                more = torch.autograd.grad(losses[-1], weights, allow_unused=True)
            gradients = [g if old is None else old + g for old, g in zip(gradients, more, strict=True)]
            losses[-1] = losses[-1].detach()
    loss = torch.stack(losses).sum()
    return (_WithGradients.apply(loss, gradients, *weights) if weights else loss), torch.cat(logits)


class _WithGradients(torch.autograd.Function):
    """A loss with gradients that are known already: backward hands them on to the weights, as any loss's would be."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, gradients: Sequence[Tensor | None], *weights: Tensor) -> Tensor:
        ctx.gradients = gradients
        return loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outer: Tensor) -> Any:
        return None, None, *(None if gradient is None else gradient * outer[0] for gradient in ctx.gradients)
