"""The state of the process that a trial may change, and how it is put back: no trial feels the one before it."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from operator import attrgetter
from typing import Any

from nnhp_torch.run.one_lightning import PAIRS

# Whoever started this process may have started others: srun, torchrun, jsrun. A trial has processes of its own.
LAUNCHED_BY_OTHERS = (
    *("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"),
    *("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PL_GLOBAL_SEED"),
)

# Attributes of torch.backends; which of them there are depends on torch's version.
FLAGS = (
    *("cudnn.enabled", "cudnn.benchmark", "cudnn.deterministic", "mkldnn.enabled", "mkldnn.deterministic"),
    *("cuda.matmul.allow_fp16_reduced_precision_reduction", "cuda.matmul.allow_bf16_reduced_precision_reduction"),
)
PRECISIONS = tuple(  # of float32 products
    f"{backend}.fp32_precision"
    for backend in ("cuda.matmul", "cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn")
)


@contextmanager
def environment_of_one(values: Mapping[str, str] | None = None) -> Iterator[None]:
    """The environment without another launcher's ranks, and with `values`; put back at the end."""
    with _kept(_environment, _set_environment):
        for name in LAUNCHED_BY_OTHERS:
            os.environ.pop(name, None)
        os.environ.update(values or {})
        yield


@contextmanager
def isolated() -> Iterator[None]:
    """Put back at the end what the block has changed in this process.

    That is the random state of python, NumPy, torch and of the generators in global variables of the user's; torch's
    default type and device, threads, gradients, determinism and precision of products; the working directory, the
    environment, the filters of warnings, and what Lightning logs.
    """
    import torch

    from nnhp_torch.run.resume.generators import random_state, set_random_state, set_state, state_of
    from nnhp_torch.run.resume.object_graph import own_generators

    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        for get, put_back in (
            (_folder, _change_folder),
            (_environment, _set_environment),
            (_log_levels, _set_log_levels),
            (torch.get_default_dtype, torch.set_default_dtype),
            (_default_device, _set_default_device),
            (torch.get_num_threads, torch.set_num_threads),
            (torch.is_grad_enabled, torch.set_grad_enabled),
            (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
            (_determinism, _set_determinism),
            (_flags, _set_flags),
        ):
            stack.enter_context(_kept(get, put_back))
        stack.enter_context(kept_precisions())
        for generator in own_generators().values():
            stack.callback(set_state, generator, state_of(generator))
        cpu = torch.device("cpu")
        stack.callback(set_random_state, random_state(cpu), cpu)
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            stack.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
        yield


def kept_precisions() -> AbstractContextManager[None]:
    """Put back at the end with which precision torch multiplies."""
    return _kept(_precisions, _set_precisions)


@contextmanager
def _kept(get: Callable[[], Any], put_back: Callable[[Any], object]) -> Iterator[None]:
    before = get()
    try:
        yield
    finally:
        if get() != before:
            put_back(before)


def _environment() -> dict[str, str]:
    return dict(os.environ)


def _set_environment(values: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(values)


def _folder() -> str | None:
    """Return the working directory; None when it has been removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _change_folder(folder: str | None) -> None:
    if folder is not None and os.path.isdir(folder):
        os.chdir(folder)


def _log_levels() -> dict[str, int]:
    return {name: logging.getLogger(name).level for pair in PAIRS.items() for name in pair}


def _set_log_levels(levels: dict[str, int]) -> None:
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


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


def _determinism() -> tuple[bool, bool]:
    import torch

    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_determinism(values: tuple[bool, bool]) -> None:
    import torch

    torch.use_deterministic_algorithms(values[0], warn_only=values[1])


def _flags(names: tuple[str, ...] = FLAGS) -> dict[str, Any]:
    import torch

    found = {}
    for name in names:
        with suppress(AttributeError):  # this version of torch has none
            found[name] = attrgetter(name)(torch.backends)
    return found


def _set_flags(values: dict[str, Any]) -> None:
    import torch

    for name, value in values.items():
        owner, _, attribute = name.rpartition(".")
        setattr(attrgetter(owner)(torch.backends), attribute, value)


def _precisions() -> tuple[str, dict[str, Any]]:
    import torch

    try:
        overall = torch.get_float32_matmul_precision()
    except RuntimeError:  # torch does not tell once somebody has given a backend a precision of its own
        overall = "highest"
    return overall, _flags(PRECISIONS)


def _set_precisions(values: tuple[str, dict[str, Any]]) -> None:
    import torch

    torch.set_float32_matmul_precision(values[0])
    _set_flags(values[1])
