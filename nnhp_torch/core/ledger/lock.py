"""One process at a time in a sweep's folder."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from nnhp_torch.core.errors import InUse
from nnhp_torch.core.ledger.files import must_be_file, read, read_only

# What file systems without locks answer; a marker file stands in for the lock then. At another answer, ENOSYS, filelock
# itself puts one there, but before 3.24, when it raises NotImplementedError.
WITHOUT = (errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Keep other sweeps out of a folder, which is made; the lock dies with its process, however that ends.

    Yields:
        Whether nothing can be written there: nobody needs to be kept out of a folder that does not change.

    Raises:
        InUse: another process has it; the message names that process.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the folder: within it the lock would move when the folder is renamed, and a second one be made.
    holder = folder.with_name(f".{folder.name}.running")
    path = folder.with_name(f".{folder.name}.lock")
    must_be_file(holder, path)
    lock: BaseFileLock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in WITHOUT:
                raise
            lock = SoftFileLock(f"{path}ed")
            lock.acquire(timeout=0)
    except Timeout:
        raise InUse(f"{folder} is in use by {read(holder) or 'another process'}; wait until it has ended") from None
    except OSError as error:
        if not read_only(error):
            raise
        yield True
        return
    try:
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}, since {started}\n")
        folder.mkdir(exist_ok=True)
        yield not os.access(folder, os.W_OK)
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
