"""What a trial may change in its process, and what puts it back; each part as names and values."""

from __future__ import annotations

import decimal
import functools
import locale
import logging
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from nnhp_torch.run.one_lightning import PAIRS

Values = dict[Any, Any]
Part = tuple[Callable[[], Values], Callable[[Values], object]]  # what is the case, and what makes it so

# Attributes of torch.backends; which of them there are depends on torch's version.
FLAGS = (
    *("cudnn.enabled", "cudnn.benchmark", "cudnn.benchmark_limit", "cudnn.deterministic", "quantized.engine"),
    "mha._is_fastpath_enabled",
    *("mkldnn.enabled", "mkldnn.deterministic", "opt_einsum.enabled", "opt_einsum.strategy"),
    *("cuda.matmul.allow_fp16_reduced_precision_reduction", "cuda.matmul.allow_bf16_reduced_precision_reduction"),
)
PRECISIONS = tuple(  # of float32 products; one that stands for others comes before them
    f"{backend}.fp32_precision"
    for backend in (
        *("cudnn", "mkldnn", "cuda.matmul", "cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn"),
    )
)
SIGNALS = sorted(signal.valid_signals())
ATTENTION = ("flash", "mem_efficient", "math", "cudnn")  # ways of torch's to compute it, on a CPU too


@functools.cache
def parts() -> list[Part]:
    """Return all of them but the process's random state, which no import is to change, and MODES."""
    import numpy as np
    import torch

    from nnhp_torch.run.resume import libraries

    return [
        (_folder, _change_folder),
        ENVIRONMENT,
        (_log_levels, _set_log_levels),
        (_filters, _set_filters),
        (_handlers, _set_handlers),
        START_METHOD,
        _one(lambda: sys.path[:], lambda path: sys.path.__setitem__(slice(None), path)),
        _one(sys.getrecursionlimit, sys.setrecursionlimit),
        _one(lambda: locale.setlocale(locale.LC_ALL), lambda name: locale.setlocale(locale.LC_ALL, name)),
        _one(lambda: decimal.getcontext().__reduce__()[1], lambda of: decimal.setcontext(decimal.Context(*of))),
        (lambda: dict(np.geterr()), lambda values: np.seterr(**values)),
        _one(torch.get_default_dtype, torch.set_default_dtype),
        _one(_default_device, _set_default_device),
        _one(torch.get_num_threads, torch.set_num_threads),
        _one(torch.is_grad_enabled, torch.set_grad_enabled),
        _one(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
        _one(_flushes_denormals, torch.set_flush_denormal),
        _one(_determinism, lambda values: torch.use_deterministic_algorithms(values[0], warn_only=values[1])),
        (_flags, _set_flags),
        (_attention, _set_attention),
        (_autocast, _set_autocast),
        (libraries.names, libraries.put_back),
        (_own_functions, _set_own_functions),
        (_generators, _set_generators),
        PRODUCTS,
    ]


def _one(get: Callable[[], Any], put_back: Callable[[Any], object]) -> Part:
    return lambda: {"": get()}, lambda values: put_back(values[""])


def _start_method() -> str | None:
    return multiprocessing.get_start_method(allow_none=True)


START_METHOD = _one(_start_method, lambda name: multiprocessing.set_start_method(name, force=True))


def _set_environment(values: Values) -> None:
    os.environ.clear()
    os.environ.update(values)


ENVIRONMENT: Part = lambda: dict(os.environ), _set_environment


def _folder() -> Values:
    """Return the working directory; nothing when it has been removed."""
    with suppress(FileNotFoundError):
        return {"": os.getcwd()}
    return {}


def _change_folder(values: Values) -> None:
    if os.path.isdir(values.get("", "")):
        os.chdir(values[""])


def _log_levels() -> Values:
    return {name: logging.getLogger(name).level for pair in [("root", "root"), *PAIRS.items()] for name in pair}


def _set_log_levels(values: Values) -> None:
    for name, level in values.items():
        logging.getLogger(name).setLevel(level)


def _filters() -> Values:
    return {"filters": warnings.filters[:], "showwarning": warnings.showwarning}


def _set_filters(values: Values) -> None:
    warnings.resetwarnings()  # which has Python forget, too, what it has warned of
    warnings.filters[:] = values["filters"]  # type: ignore[index]
    warnings.showwarning = values["showwarning"]


def _handlers() -> Values:
    return {number: signal.getsignal(number) for number in SIGNALS}


def _set_handlers(values: Values) -> None:
    if threading.current_thread() is threading.main_thread():  # no other one may
        for number, handler in values.items():
            if handler is not None and signal.getsignal(number) is not handler:  # None: it is not Python's
                signal.signal(number, handler)


def _modes() -> list[Any]:
    """Return what stands before torch's functions, outermost first, but for the default device."""
    import torch

    device = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return [mode for mode in [*_function_modes(), *_dispatch_modes()] if mode is not device]


def _leave_modes(before: list[Any]) -> None:
    import torch

    overrides: Any = torch.overrides
    entered = [mode for mode in _modes() if not any(mode is other for other in before)]
    stack = _function_modes()
    for _ in stack:
        overrides._pop_mode()
    for mode in stack:
        if mode not in entered:
            overrides._push_mode(mode)
    for mode in reversed(_dispatch_modes()):
        if mode in entered:
            mode.__exit__(None, None, None)


def _function_modes() -> list[Any]:
    import torch

    overrides: Any = torch.overrides
    return list(overrides._get_current_function_mode_stack())


def _dispatch_modes() -> list[Any]:
    from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

    return list(_get_current_dispatch_mode_stack())


MODES = _one(_modes, _leave_modes)


def _default_device() -> Any:
    import torch

    try:
        return torch.get_default_device()
    except AttributeError:  # of torch 2.6, if somebody has put it back to none
        return torch.device("cpu")


def _set_default_device(device: Any) -> None:
    import torch

    # No device is the CPU as well, without the cost of looking at every call.
    torch.set_default_device(None if device.type == "cpu" else device)
    try:
        torch.get_default_device()
    except AttributeError:  # torch 2.6 cannot say that there is none
        torch.set_default_device("cpu")


def _flushes_denormals() -> bool:
    """Try it, because torch does not tell."""
    import torch

    return bool(torch.full((), 1e-40, dtype=torch.float32, device="cpu") * 1 == 0)


def _determinism() -> tuple[bool, bool]:
    import torch

    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _flags(names: tuple[str, ...] = FLAGS) -> Values:
    import torch

    found = {}
    for name in names:
        with suppress(AttributeError):  # this version of torch has none
            found[name] = attrgetter(name)(torch.backends)
    return found


def _set_flags(values: Values) -> None:
    import torch

    for name, value in values.items():
        owner, _, attribute = name.rpartition(".")
        setattr(attrgetter(owner)(torch.backends), attribute, value)


def _attention() -> Values:
    import torch

    return {name: getattr(torch.backends.cuda, f"{name}_sdp_enabled")() for name in ATTENTION}


def _set_attention(values: Values) -> None:
    import torch

    for name, value in values.items():
        getattr(torch.backends.cuda, f"enable_{name}_sdp")(value)


def _autocast() -> Values:
    import torch

    return {of: (torch.is_autocast_enabled(of), torch.get_autocast_dtype(of)) for of in ("cpu", "cuda")}


def _set_autocast(values: Values) -> None:
    import torch

    for device, (enabled, dtype) in values.items():
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, dtype)


def _precisions() -> Values:
    import torch

    try:
        overall = torch.get_float32_matmul_precision()
    except RuntimeError:  # torch does not tell once somebody has given a backend a precision of its own
        overall = "highest"
    return {"": overall, **_flags(PRECISIONS)}


def _set_precisions(values: Values) -> None:
    import torch

    torch.set_float32_matmul_precision(values[""])
    _set_flags({name: value for name, value in values.items() if name})


PRODUCTS: Part = _precisions, _set_precisions


def _own_functions() -> Values:
    """Return the functions and classes that stand in modules and classes of the user's, by these."""
    from nnhp_torch.run.resume.object_graph import functions_in, own_variables

    return {owner: functions_in(path, owner) for path, owner in own_variables().items()}


def _set_own_functions(values: Values) -> None:
    for owner, functions in values.items():
        for name, function in functions.items():
            if vars(owner).get(name) is not function:
                setattr(owner, name, function)


@dataclass(frozen=True)
class _Drawn:
    """How far a generator has come."""

    digest: str
    generator: Any = field(compare=False)
    state: Any = field(compare=False)


def _generators() -> Values:
    """Return those that global variables of the user's hold."""
    from nnhp_torch.run.resume.generators import state_of
    from nnhp_torch.run.resume.object_graph import own_generators
    from nnhp_torch.run.resume.plain_values import digest

    states = ((thing, state_of(thing)) for thing in own_generators().values())
    return {id(thing): _Drawn(digest(state), thing, state) for thing, state in states}


def _set_generators(values: Values) -> None:
    from nnhp_torch.run.resume.generators import set_state

    for drawn in values.values():
        set_state(drawn.generator, drawn.state)
