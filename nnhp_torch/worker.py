"""The inside of a worker process: trials in, epochs and results out, until the parent is gone."""

from __future__ import annotations

import dataclasses
import importlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nnhp_torch.grid import Trial
from nnhp_torch.runtime import Runtime
from nnhp_torch.sweeper import unfinished

# Neither torch nor lightning is imported above: the parent imports this module too, and must answer at once.


def worker_log(folder: str) -> Path:
    """Where the workers' own output goes: warnings, prints, and a crash's last words."""
    return Path(folder) / "workers.log"


def serve(
    connection: Connection,
    build: str | Callable[..., Any],
    runtime: Runtime,
    environment: dict[str, str],
    threads: int,
    index: int,
) -> None:
    """A worker's life: trials in, epochs and results out, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _redirect_output(worker_log(runtime.folder))
    import torch

    torch.set_num_threads(threads)
    from nnhp_torch.trial import run_trial

    quiet_lightning()
    reporting = environment.get("LOCAL_RANK", "0") == "0"

    def on_epoch(epoch: int, metrics: Any) -> None:
        if reporting:
            connection.send(("epoch", (epoch, dict(metrics))))

    function = None
    while True:
        try:
            message, trial = connection.recv()
        except (EOFError, OSError):
            return
        if message == "prepare":
            connection.send(("prepared", _prepare(build, trial)))
            continue
        try:
            function = function or import_by_name(build)
            result = run_trial(trial, function, _on_device(runtime, index), on_epoch)
        except Exception:  # whatever escapes is the trial's failure, not the worker's end
            result = unfinished(trial, "failed", traceback.format_exc())
        if reporting:
            connection.send(("result", result))


def quiet_lightning() -> None:
    """Silences what Lightning says of every fit and what is on purpose here; other warnings go their way."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    for known in (
        ".*does not have many workers.*",  # the images are in memory
        ".*is smaller than the logging interval.*",  # curves are per epoch
        ".*LeafSpec.*",  # Lightning 2.6 on torch 2.15, in every fit
        ".*Checkpoint directory .* exists and is not empty.*",  # a trial that goes on
    ):
        warnings.filterwarnings("ignore", message=known)


def _prepare(build: str | Callable[..., Any], trial: Trial) -> str:
    """Has the data fetched once, before any trial; returns what went wrong, or nothing."""
    try:
        _, datamodule, _ = import_by_name(build)(trial.config)
    except Exception:
        return ""  # the trial itself will fail in the same way, and its record will tell
    try:
        datamodule.prepare_data()
    except Exception as error:
        return str(error) or traceback.format_exc()
    return ""


def _on_device(runtime: Runtime, index: int) -> Runtime:
    """With several GPUs and one-device trials, each worker has a GPU of its own as long as they last."""
    import torch

    count = torch.cuda.device_count() if runtime.accelerator in ("auto", "gpu", "cuda") else 0
    if count > 1 and runtime.devices == 1:
        return dataclasses.replace(runtime, devices=(index % count,))
    return runtime


def _redirect_output(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(descriptor, sys.stdout.fileno())
    os.dup2(descriptor, sys.stderr.fileno())
    os.close(descriptor)


def _end_with_parent() -> None:
    """However the parent ends, even by SIGKILL, its workers do not outlive it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def import_by_name(function: str | Callable[..., Any]) -> Callable[..., Any]:
    """The function behind "package.module:function"; a function stands for itself."""
    if not isinstance(function, str):
        return function
    module, _, name = function.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
