"""Plain values: what a checkpoint can hold and `torch.load(…, weights_only=True)` gives back, no code among it."""

from __future__ import annotations

import hashlib
import itertools
import marshal
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

_SCALARS = {type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size}
_TENSORS = (torch.Tensor, torch.nn.Parameter)
_VALUES = (str, bytes, int, float, complex, type(None), torch.Tensor, np.ndarray, np.generic, PurePath)
_SAMPLE = 100_000  # of what is longer, every so manieth item is looked at
_FEW = 1000  # likewise, of items that are objects
_ARRAY = "numpy.ndarray"  # marks what stands for an array; a tensor could not: pickle fails on one of uint32
_DEQUE = "collections.deque"  # likewise


def is_plain(value: object) -> bool:
    """Return whether `weights_only` can load a value as it is."""
    if type(value) in (dict, OrderedDict):
        return all(is_plain(key) and is_plain(inner) for key, inner in value.items())  # type: ignore[attr-defined]
    if type(value) in (list, tuple, set):
        return _SCALARS.issuperset(map(type, value)) or all(map(is_plain, value))  # type: ignore[call-overload]
    return type(value) in _SCALARS or type(value) in _TENSORS


def pack(value: Any) -> Any:
    """Return a plain copy of a state: arrays become bytes, which `unpack` makes arrays again, and deques lists.

    Raises:
        TypeError: something in it is not plain; the message is its type's name.
    """
    if type(value) in (dict, OrderedDict):
        return type(value)((pack(key), pack(inner)) for key, inner in value.items())
    if type(value) in (list, tuple):
        # A generator's state is hundreds of numbers, in every epoch.
        return type(value)(value if _SCALARS.issuperset(map(type, value)) else map(pack, value))
    if type(value) is deque:
        return (_DEQUE, value.maxlen, pack(list(value)))
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
    """Undo `pack`."""
    if type(value) is tuple and value[:1] == (_ARRAY,):
        _, dtype, shape, content = value
        return np.frombuffer(content, dtype).reshape(shape).copy()
    if type(value) is tuple and value[:1] == (_DEQUE,):
        return deque(unpack(value[2]), value[1])
    if type(value) in (list, tuple):
        return type(value)(map(unpack, value))
    if type(value) in (dict, OrderedDict):
        return type(value)((key, unpack(inner)) for key, inner in value.items())
    return value


def is_value(value: object, depth: int = 20) -> bool:
    """Return whether there is nothing in it but numbers, text and arrays; a parameter is the module's."""
    if isinstance(value, dict):
        value = list(itertools.chain(*_spread(value.items(), _FEW)))
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return depth > 0 and all(is_value(item, depth - 1) for item in _spread(value, _FEW))
    return isinstance(value, _VALUES) and not isinstance(value, torch.nn.Parameter)


def digest(value: Any) -> str:
    """A short hash of what a value holds, the same in every process; of what is long, of items spread over it."""
    hashed = hashlib.blake2b(digest_size=12)
    for part in _parts(value, depth=3):
        hashed.update(part)
    return hashed.hexdigest()


def _parts(value: Any, depth: int) -> Iterator[bytes]:
    yield f"{type(value).__name__} {getattr(value, 'shape', '')}".encode()
    match value:
        case torch.Tensor() if value.layout is torch.strided and value.device.type != "meta":
            flat = value.detach().flatten()[:: _step(value.numel(), _SAMPLE)]
            yield flat.resolve_conj().contiguous().view(torch.uint8).cpu().numpy().tobytes()
        case np.ndarray() if value.dtype.kind != "O":
            yield value.reshape(-1)[:: _step(value.size, _SAMPLE)].tobytes()
        case set() | frozenset():
            yield from sorted(digest(item).encode() for item in value)
        case dict() | list() | tuple() | deque() | np.ndarray():
            items = value.items() if isinstance(value, dict) else value.flat if isinstance(value, np.ndarray) else value
            yield str(len(items)).encode()
            try:
                yield marshal.dumps(list(_spread(items, _SAMPLE)), 2)  # as this version of it writes equal ones alike
            except ValueError:  # an object is among them
                for item in _spread(items, _FEW) if depth else ():
                    yield from _parts(item, depth - 1)
        case _ if isinstance(value, _VALUES):
            yield repr(value).encode()
        case _:
            if depth:
                yield from _parts(getattr(value, "__dict__", {}), depth - 1)


def _spread(items: Any, most: int) -> Iterable[Any]:
    """Take at most about so many items, spread over all."""
    step = _step(len(items), most)
    return items[::step] if isinstance(items, (list, tuple)) else itertools.islice(items, 0, None, step)


def _step(count: int, most: int) -> int:
    return max(1, -(-count // most))
