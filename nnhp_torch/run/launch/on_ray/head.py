"""A connection to a Ray cluster, and a watch on its head while Ray is asked."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any, TypeVar

import ray

from nnhp_torch.core.errors import ClusterLost, WrongUsage
from nnhp_torch.run.launch.background import in_background

PATIENCE = 20  # seconds for which the cluster's head may not answer
LONGEST = 60  # seconds until a connection must be there
T = TypeVar("T")


@contextlib.contextmanager
def connected(address: str, stopping: Callable[[], bool] = lambda: False) -> Iterator[bool]:
    """A connection to the cluster, closed again unless it was there before; False if the sweep is to stop before it is.

    Raises:
        WrongUsage: no cluster answers.
    """
    if ray.is_initialized():
        yield True
        return
    try:
        there = _awaited(in_background(_connect, address), stopping)
    except Exception as error:
        raise WrongUsage(f"no Ray cluster answers at {address}: {last_line(error)}") from error
    try:
        yield there
    finally:
        if there:
            ray.shutdown()  # ends this driver's tasks


def _connect(address: str) -> None:
    _greet(address)
    logging.getLogger("ray").setLevel(logging.ERROR)  # it says that it leaves the sweep's handlers of signals alone
    ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)


def _awaited(connection: Future[None], stopping: Callable[[], bool]) -> bool:
    """Return whether there is a connection; Ray itself would try for minutes, and hear no Ctrl-C."""
    end = time.monotonic() + LONGEST
    while not wait([connection], timeout=0.2).done:
        if stopping():
            return False
        if time.monotonic() > end:
            raise TimeoutError(f"what listens there has not spoken as Ray does for {LONGEST} seconds")
    connection.result()
    return True


class Head:
    """Asks Ray, and notices when the cluster's head goes away meanwhile.

    Ray itself waits for its head for a minute, inside of whatever call it is in, and then ends this process.
    """

    def __init__(self) -> None:
        self.address = ray.get_runtime_context().gcs_address
        self.answered = time.monotonic()

    def ask(self, call: Callable[..., T], *args: Any, **options: Any) -> T:
        """Return what `call` returns.

        Raises:
            ClusterLost: the head has not answered for `PATIENCE` seconds.
        """
        reply = in_background(call, *args, **options)
        while True:
            if answers_at(self.address):
                self.answered = time.monotonic()
            elif time.monotonic() - self.answered > PATIENCE:
                raise ClusterLost(
                    f"the head of the Ray cluster at {self.address} has gone. Start one and run the same "
                    "command again: what has ended is in the ledger, and each trial goes on from its checkpoint "
                    "on a shared disk."
                )
            if wait([reply], timeout=0.5).done:
                return reply.result()


def last_line(error: BaseException) -> str:
    """Return the last line of an error: what is wrong."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else type(error).__name__


def answers_at(address: str) -> bool:
    """Return whether anything listens there."""
    try:
        _knock(address)
    except OSError:
        return False
    return True


def _knock(address: str, greeting: bytes = b"") -> bytes:
    """Answer with the first bytes that come from `host:port`, if there is a greeting.

    Raises:
        OSError: nothing listens there, or nothing is said, which Ray would try for minutes.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        return b""
    with socket.create_connection((host.strip("[]"), int(port)), timeout=10) as connection:
        if not greeting:
            return b""
        connection.sendall(greeting)
        return connection.recv(9)


def _greet(address: str) -> None:
    """An OSError if what listens there is no Ray: it speaks HTTP/2 and replies first with a frame of settings."""
    if os.environ.get("RAY_USE_TLS", "0") == "1":
        _knock(address)
        return
    reply = _knock(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    if reply and reply[3:4] != b"\x04":
        raise ConnectionError("something else than Ray listens there")
