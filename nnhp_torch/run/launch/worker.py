"""The inside of a worker process: trials in, epochs and results out, until the parent is gone."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from nnhp_torch.core.ledger.files import must_be_file
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.run.launch.messages import DiskFull, Ended, Epoch, Prepare, Prepared, RunTrial, Work
from nnhp_torch.run.launch.process import attempt, changed_variables, get_ready, preparation_error
from nnhp_torch.run.runtime import Build, Runtime

# Neither torch nor lightning is imported above: the parent imports this module too, and must answer at once.


UNGUARDED = 79  # exit status of a worker if its script, being imported, would start the sweep again
AGAIN = (
    "the script runs again in each worker process, which imports it: put what it runs, such as main(…), "
    'below a line `if __name__ == "__main__":`'
)


def end_if_imported() -> None:
    """End a worker process that imports a script without `if __name__ == "__main__":` before it starts workers too."""
    # As multiprocessing itself asks; no public name says it.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(AGAIN if "NNHP_JOB" in os.environ else UNGUARDED)  # a cluster's job has nobody who says it


def serve(connection: Connection, build: Build, runtime: Runtime, *, index: int, rank: int) -> None:
    """Live as a worker: trials in, epochs and results out, until the parent is gone."""
    multiprocessing.set_start_method(None, force=True)  # a loader starts its workers as it does anywhere, without spawn
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    # Held by a forked process, the connection would stay open when this one is killed in the middle of a message.
    os.register_at_fork(after_in_child=connection.close)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _redirect_output(ResultStore(runtime.folder).log)
    get_ready()
    reporting = rank == 0

    def on_epoch(epoch: int, metrics: Mapping[str, float]) -> str | None:
        if not reporting:
            return None
        connection.send(Epoch(epoch, dict(metrics)))
        reason: str | None = connection.recv()  # waiting for it makes the epoch at which a trial is pruned no accident
        return reason

    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            return
        match message:
            case Work(build, runtime):
                _redirect_output(ResultStore(runtime.folder).log)
            case Prepare(trial):
                connection.send(Prepared(preparation_error(trial, build, runtime), bool(changed_variables())))
            case RunTrial(trial):
                try:
                    result = attempt(trial, build, _on_device(runtime, index), on_epoch=on_epoch)
                except OSError as error:
                    connection.send(DiskFull(error))
                    continue
                if reporting or result.status == "failed":  # the other ranks would wait for one that has failed
                    if runtime.world_size > 1 and result.status == "failed":
                        result = dataclasses.replace(result, notes=[*result.notes, f"failed on rank {rank}"])
                    connection.send(Ended(result, bool(changed_variables())))


def _on_device(runtime: Runtime, index: int) -> Runtime:
    """Choose a worker's GPUs if there are more than a trial needs: the next ones, and after the last the first."""
    import torch

    count = torch.cuda.device_count() if runtime.accelerator in ("auto", "gpu", "cuda") else 0
    if isinstance(runtime.devices, int) and count > runtime.devices:
        first = index % (count // runtime.devices) * runtime.devices
        return dataclasses.replace(runtime, devices=tuple(range(first, first + runtime.devices)))
    return runtime


def _redirect_output(path: Path) -> None:
    if "NNHP_JOB" in os.environ:  # of a cluster: it has a log of its own, and two machines do not append to one file
        return
    try:
        must_be_file(path)  # a FIFO would wait for a reader
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        print(f"{path} cannot be written ({error}): what the workers print is shown here", file=sys.stderr)
        return
    os.dup2(descriptor, sys.stdout.fileno())
    os.dup2(descriptor, sys.stderr.fileno())
    os.close(descriptor)


def _end_with_parent() -> None:
    """End a worker with its parent, however that ends, even by SIGKILL."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
