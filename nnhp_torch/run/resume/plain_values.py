"""Plain values: what a checkpoint can hold and `torch.load(…, weights_only=True)` gives back, no code among it."""

from __future__ import annotations

import datetime
import functools
import hashlib
import itertools
import marshal
import numbers
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

_SIMPLE = {type(None), bool, int, float, complex, str, bytes}
_SCALARS = {*_SIMPLE, torch.dtype, torch.device, torch.Size}
_TENSORS = (torch.Tensor, torch.nn.Parameter)
_VALUES = (str, bytes, int, float, complex, type(None), torch.Tensor, np.ndarray, np.generic, PurePath)
_SAID = (datetime.date, datetime.time, datetime.timedelta, numbers.Number)  # their repr is all that they are
_SAMPLE = 100_000  # of what is longer, every so manieth item is looked at
_SUMMED = 2**26  # bytes of an array up to which all its bits are summed, too: a few of many numbers may change
_FEW = 1000  # likewise, of items that are objects
_ARRAY = "numpy.ndarray"  # marks what stands for an array; a tensor could not: pickle fails on one of uint32
_NUMBER = "numpy.number"  # marks what stands for one of NumPy's: with Python's, further digits would be others
_DEQUE = "collections.deque"  # likewise
_NAMED = "collections.namedtuple"  # likewise, of a class that is there by its name when it is unpacked
_INTS = "nnhp_torch.ints"  # marks what stands for many whole numbers: a pickle takes long over each of them alone


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
        if len(value) > 100 and {int}.issuperset(map(type, value)):
            with suppress(OverflowError):
                return (_INTS, type(value) is tuple, np.array(value, np.int64).tobytes())
        return type(value)(value if _SCALARS.issuperset(map(type, value)) else map(pack, value))
    if type(value) is deque:
        return (_DEQUE, value.maxlen, pack(list(value)))
    if isinstance(value, tuple) and (kind := type(value)) is _named(kind.__module__, kind.__qualname__):
        return (_NAMED, kind.__module__, kind.__qualname__, pack(tuple(value)))
    if isinstance(value, np.generic):
        return (_NUMBER, pack(np.array(value))) if value.dtype.kind in "biufc" else pack(value.item())
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
    if type(value) is tuple and value[:1] == (_NUMBER,):
        return unpack(value[1])[()]
    if type(value) is tuple and value[:1] == (_INTS,):
        _, is_tuple, content = value
        whole = np.frombuffer(content, np.int64).tolist()
        return tuple(whole) if is_tuple else whole
    if type(value) is tuple and value[:1] == (_DEQUE,):
        return deque(unpack(value[2]), value[1])
    if type(value) is tuple and value[:1] == (_NAMED,) and (kind := _named(*value[1:3])):
        return tuple.__new__(kind, unpack(value[3]))
    if type(value) in (list, tuple):
        return type(value)(map(unpack, value))
    if type(value) in (dict, OrderedDict):
        return type(value)((key, unpack(inner)) for key, inner in value.items())
    return value


def _named(module: str, name: str) -> Any:
    """Return the class of named tuples that is imported under a name, found without running any code; None: no such."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found if isinstance(found, type) and found.__bases__ == (tuple,) and hasattr(found, "_make") else None


def on_host(*several: Mapping[str, Any]) -> list[dict[str, float]]:
    """Return Python's numbers, after one wait if none is a double or a long integer.

    They become float64 here, because Apple's GPUs have none.
    """
    tensors = [torch.as_tensor(value).detach().reshape(()) for values in several for value in values.values()]
    tensors = [tensor.float() if tensor.dtype.itemsize < 4 else tensor for tensor in tensors]  # loses no digit
    alike: dict[Any, list[int]] = {}
    for index, tensor in enumerate(tensors):
        alike.setdefault((tensor.dtype, tensor.device), []).append(index)
    numbers: dict[int, float] = {}
    for indices in alike.values():
        stacked = torch.stack([tensors[index] for index in indices]).cpu().double()
        numbers |= zip(indices, stacked.tolist(), strict=True)
    in_order = (number for _, number in sorted(numbers.items()))
    return [{name: next(in_order) for name in values} for values in several]


def is_value(value: object, depth: int = 20) -> bool:
    """Return whether there is nothing in it but numbers, text and arrays; a parameter is the module's."""
    if type(value) in _SIMPLE:  # most are, and a sweep looks at thousands after each epoch
        return True
    if isinstance(value, dict):
        value = list(itertools.chain(*_spread(value.items(), _FEW)))
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return depth > 0 and all(is_value(item, depth - 1) for item in _spread(value, _FEW))
    return is_table(type(value)) or (isinstance(value, _VALUES) and not isinstance(value, torch.nn.Parameter))


def _is_table(kind: type) -> bool:
    """Whether a class is a frame, a column or an index of pandas: content, with caches around it that come and go."""
    made_by_pandas = any(part.__module__.startswith("pandas.") for part in kind.__mro__)
    return made_by_pandas and hasattr(kind, "to_numpy") and hasattr(kind, "__len__")


is_table: Callable[[Any], bool] = functools.cache(_is_table)


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
            some = _some(value.detach().flatten()).resolve_conj().contiguous().view(torch.uint8)
            yield from _bits(some.cpu().numpy(), value.element_size())
        case torch.Tensor() if value.layout is torch.sparse_coo:
            whole = value.detach().coalesce()
            yield from (digest(part).encode() for part in (whole.indices(), whole.values()))
        case np.ndarray() if value.dtype.kind != "O":
            yield from _bits(np.ascontiguousarray(_some(value.reshape(-1))).view(np.uint8), value.itemsize)
        case set() | frozenset():
            yield from sorted(digest(item).encode() for item in value)
        case dict() | list() | tuple() | deque() | np.ndarray():
            items = (
                value.items() if isinstance(value, dict) else value.ravel() if isinstance(value, np.ndarray) else value
            )
            yield str(len(items)).encode()
            if (written := _marshalled(list(_spread(items, _SAMPLE)))) is not None:
                yield written
                return
            for item in _spread(items, _FEW) if depth else ():
                yield from _parts(item, depth - 1)
        case _ if is_table(type(value)):
            some = getattr(value, "iloc", value)[:: _step(value.size, _SAMPLE)]
            columns = some.items() if hasattr(some, "columns") else [(getattr(some, "name", None), some)]
            for part in (getattr(some, "index", ()), *itertools.chain(*columns)):
                yield from _parts(np.asarray(part) if is_table(type(part)) else part, depth)
        case _ if isinstance(value, (*_VALUES, *_SAID)):
            yield repr(value).encode()
        case _:
            if depth:
                yield from _parts(getattr(value, "__dict__", {}), depth - 1)


def _some(flat: Any) -> Any:
    """Return an array, or what is spread over one that takes long to look at whole."""
    return flat if flat.nbytes <= _SUMMED else flat[:: _step(len(flat), _SAMPLE)]


def _bits(content: np.ndarray[Any, Any], itemsize: int) -> Iterator[bytes]:
    """Give an array's bytes; of a long one the numbers that are spread over it, and the sum of all its bits."""
    count = content.size // max(itemsize, 1)
    if (step := _step(count, _SAMPLE)) == 1:
        yield content.tobytes()
        return
    words = content.size // 8 * 8
    yield content.reshape(count, itemsize)[::step].tobytes()
    yield f"{content[:words].view(np.uint64).sum()} {content[words:].sum()}".encode()


def _marshalled(items: list[Any]) -> bytes | None:
    """Items as marshal writes them, the same for equal ones; None if an object is among them.

    Of an array of objects it would write where these lie in memory.
    """
    try:
        return None if any(map(_holds_objects, items)) else marshal.dumps(items, 2)
    except ValueError:
        return None


def _holds_objects(value: Any) -> bool:
    if isinstance(value, (list, tuple, dict)):
        inner = value.values() if isinstance(value, dict) else value
        return not _SCALARS.issuperset(map(type, inner)) and any(map(_holds_objects, inner))
    return isinstance(value, np.ndarray) and value.dtype.hasobject


def _spread(items: Any, most: int) -> Iterable[Any]:
    """Take at most about so many items, spread over all."""
    step = _step(len(items), most)
    return items[::step] if isinstance(items, (list, tuple)) else itertools.islice(items, 0, None, step)


def _step(count: int, most: int) -> int:
    return max(1, -(-count // most))
