"""Plain values: what a checkpoint can hold and `torch.load(…, weights_only=True)` gives back, no code among it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import torch

_SCALARS = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size)
_TENSORS = (torch.Tensor, torch.nn.Parameter)
_ARRAY = "numpy.ndarray"  # marks what stands for an array; a tensor could not: pickle fails on one of uint32


def is_plain(value: object) -> bool:
    """Whether `weights_only` can load a value as it is."""
    if type(value) in (dict, OrderedDict):
        return all(is_plain(key) and is_plain(inner) for key, inner in value.items())  # type: ignore[attr-defined]
    if type(value) in (list, tuple, set):
        return all(map(is_plain, value))  # type: ignore[call-overload]
    return type(value) in _SCALARS or type(value) in _TENSORS


def pack(value: Any) -> Any:
    """A plain copy of a state: arrays become bytes, which `unpack` makes arrays again.

    Raises:
        TypeError: something in it is not plain; the message is its type's name.
    """
    if type(value) in (dict, OrderedDict):
        return type(value)((pack(key), pack(inner)) for key, inner in value.items())
    if type(value) in (list, tuple):
        return type(value)(map(pack, value))
    if isinstance(value, np.generic):
        return pack(value.item())
    if type(value) is np.ndarray and value.dtype.kind in "biufc":
        return (_ARRAY, value.dtype.str, value.shape, value.tobytes())
    if type(value) is torch.Tensor:
        return value.detach().cpu().clone()
    if not is_plain(value):
        raise TypeError(type(value).__qualname__)
    return value


def unpack(value: Any) -> Any:
    """What was packed."""
    if type(value) is tuple and value[:1] == (_ARRAY,):
        _, dtype, shape, content = value
        return np.frombuffer(content, dtype).reshape(shape).copy()
    if type(value) in (list, tuple):
        return type(value)(map(unpack, value))
    if type(value) in (dict, OrderedDict):
        return type(value)((key, unpack(inner)) for key, inner in value.items())
    return value
