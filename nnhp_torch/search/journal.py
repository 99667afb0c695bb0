"""The file that Optuna keeps a study in: nothing in it is believed, and nothing is lost of one that is damaged."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.files import cut_torn_line, must_be_file, read_only

if TYPE_CHECKING:
    import optuna


@contextmanager
def believed(path: Path) -> Iterator[None]:
    """Refuse a journal at which Optuna fails, whatever it says to that.

    Raises:
        LedgerError: in a line.
    """
    try:
        yield
    except (LedgerError, OSError):
        raise
    except Exception as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def storage(path: Path) -> optuna.storages.JournalStorage:
    """Open a journal; where nothing can be written, a copy of it, which is read alone.

    A last line without its end was torn by a crash, and is cut off.

    Raises:
        LedgerError: it is none, or damaged; it is left as it was.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    must_be_file(path)
    if path.exists():
        _check(path)
    try:
        with open(path, "ab+") as file:
            cut_torn_line(file)
    except OSError as error:
        if not read_only(error):
            raise
        path = _copied(path)
    # The sweep holds its folder's lock, which dies with it; Optuna's would outlive a kill by half a minute.
    lock: Any = RLock()
    return JournalStorage(JournalFileBackend(str(path), lock))


def _check(path: Path) -> None:
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        try:
            record = json.loads(line) if line.endswith(b"\n") else {"op_code": 0}
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict) or type(record.get("op_code")) is not int or not line.startswith(b"{"):
            raise _damaged(path, f"line {number} is none of Optuna's")


def _copied(path: Path) -> Path:
    """Return a copy, for as long as this process lives."""
    folder = tempfile.mkdtemp(prefix="nnhp-journal-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = Path(folder) / path.name
    if path.exists():
        shutil.copyfile(path, copy)
        copy.chmod(0o600)
        with open(copy, "rb+") as file:
            cut_torn_line(file)
    return copy


def _damaged(path: Path, why: str) -> LedgerError:
    why = " ".join(why.split())[:200]
    return LedgerError(
        f"{path} is damaged ({why}). Nothing was changed: move it away, and the search samples anew and takes the "
        "results that the ledger has, or start anew with --fresh."
    )
