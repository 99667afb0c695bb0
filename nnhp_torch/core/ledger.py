"""What a trial gives, and the append-only ledger that keeps it."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import socket
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from nnhp_torch.core import fields
from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.files import cut_torn_line, must_be_file, read_only
from nnhp_torch.core.objective import Mode, Objective, standing
from nnhp_torch.core.origin import recorded_maker

REPORTS = ("results.csv", "figure.png")

SCHEMA = 2  # 1 had no notes and no build

Status = Literal["completed", "pruned", "diverged", "failed", "interrupted"]


@dataclass(frozen=True)
class TrialResult:
    """The record of one trial.

    Args:
        key: the trial's identity (Trial.key).
        sweep, name: where it belongs and what it is called.
        config: every setting; cell: the swept ones.
        status: `completed`, `pruned` (ended early by a callback that saw no promise in it) and `diverged` are results,
            of which only the first is ranked; `failed` and `interrupted` trials run again.
        reason: for anything but `completed`, why.
        history: metric → its value after each epoch (NaN where it was not finite).
        test: metrics of the test images, scored once with the final weights.
        seconds: wall time of the trial; fit_seconds: of training and validation alone.
        started: ISO 8601, UTC. versions, hardware: what it was made with.
        build: who made it: name (of the build), config (the configuration's class), sources (module → digest); empty
            if it was made before that was recorded.
        notes: what a reader must know of it: that it started over, that it may differ from an uninterrupted run.
    """

    key: str
    sweep: str
    name: str
    config: Mapping[str, Any]
    cell: Mapping[str, Any]
    status: Status
    reason: str = ""
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    fit_seconds: float = 0.0
    started: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = field(default_factory=list)
    build: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to run."""
        return self.status in ("completed", "pruned", "diverged")

    @property
    def epochs(self) -> int:
        """Epochs that were trained to their end."""
        return max((len(values) for values in self.history.values()), default=0)

    def curve(self, metric: str) -> Sequence[float]:
        """The metric after each epoch, of the first loader where there are several; empty where there is none."""
        return self.history.get(standing(metric, self.history), ())

    def final(self, metric: str) -> float:
        """The metric with the final weights, NaN where there is none."""
        values = self.curve(metric) or [self.test.get(standing(metric, self.test), math.nan)]
        return values[-1]

    def best(self, metric: str, mode: Mode = "max") -> tuple[float, int]:
        """The best value over the epochs and the epoch (from 1) that had it first; (NaN, 0) where there is none."""
        return Objective(metric, mode).best(self.curve(metric))

    def to_json(self) -> str:
        """One line; what is not finite becomes null, for JSON knows no NaN."""
        record = {"schema": SCHEMA, **dataclasses.asdict(self)}
        for part in ("history", "test"):
            record[part] = {name: _finite_or_none(value) for name, value in record[part].items()}
        return json.dumps(record, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> TrialResult:
        """Raises ValueError where the line is no record that this version can read."""
        record = json.loads(line)
        if not isinstance(record, dict) or not isinstance(record.get("schema"), int):
            raise ValueError("not a trial's record")
        if record.pop("schema") > SCHEMA:
            raise ValueError("written by a newer version of nnhp_torch")
        known = {f.name for f in dataclasses.fields(cls)}
        if set(record) - known or not {"key", "sweep", "name", "config", "cell", "status"} <= set(record):
            raise ValueError("not a trial's record")
        fields.check(record)
        for part in ("history", "test"):
            record[part] = {name: _none_to_nan(value) for name, value in record[part].items()}
        return cls(**record)


def _finite_or_none(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_finite_or_none(v) for v in value]
    return value if math.isfinite(value) else None


def _none_to_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_none_to_nan(v) for v in value]
    return math.nan if value is None else value


class ResultStore:
    """A sweep's folder and the ledger `results.jsonl` in it; the latest record of a key counts.

    Args:
        folder: made when the first record is written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.path = self.folder / "results.jsonl"
        self.others: set[str] = set()
        self.lines: dict[str, int] = {}  # key → where its latest record was read
        self.read_only = False  # whether lock() has found that nothing can be written
        self.log = self.folder / "workers.log"  # what worker processes print, and the tracebacks of failed trials

    def results(self, maker: tuple[str, str] | None = None) -> dict[str, TrialResult]:
        """Key → its latest record, in the order of first appearance.

        Args:
            maker: build and configuration's class, by name (origin.maker); what others have made is left out, and its
                keys are in `others`. Default: everything is read.

        A last line without its end was torn by a crash: it is left out, with a warning, and cut off by the
        next append. Raises LedgerError for any other damage, and touches nothing.
        """
        results: dict[str, TrialResult] = {}
        self.lines, self.others = {}, set()
        must_be_file(self.path)
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return results
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                warnings.warn(f"{self.path}: the last line is torn (a crash?); its trial will run again", stacklevel=2)
                break
            try:
                result = TrialResult.from_json(line.decode())
            except (ValueError, RecursionError) as error:
                raise self._damage(number, error) from error
            if maker and result.build and recorded_maker(result.build) != maker:
                self.others |= {result.key} if result.settled else set()
                continue
            results[result.key] = result
            self.lines[result.key] = number
        return results

    def refuse(self, key: str, why: str) -> LedgerError:
        """The error that names the line of a key's latest record, as results() has read it."""
        return self._damage(self.lines[key], why)

    def _damage(self, number: int, why: object) -> LedgerError:
        return LedgerError(
            f"{self.path}, line {number}: {why}. Nothing was changed: mend the line, or start anew with --fresh."
        )

    def append(self, result: TrialResult) -> None:
        """Adds a record and waits until it is on the disk; a write that fails leaves the ledger as it was."""
        self.folder.mkdir(parents=True, exist_ok=True)
        line = result.to_json().encode() + b"\n"
        with open(self.path, "ab+", buffering=0) as file:  # a buffer would be written again when it closes
            end = cut_torn_line(file)
            try:
                while line:
                    line = line[file.write(line) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other sweeps out of the folder; the lock dies with its process, however that ends.

        Raises LedgerError, naming the process that holds it.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside the folder: within it the lock would move when the folder is renamed, and a second one be made.
        holder = self.folder.with_name(f".{self.folder.name}.running")
        path = self.folder.with_name(f".{self.folder.name}.lock")
        must_be_file(self.path, holder, path, *(self.folder / name for name in REPORTS))
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            try:
                who = holder.read_text().strip()
            except FileNotFoundError:
                who = "another process"
            raise LedgerError(f"{self.folder} is in use by {who}; wait for it, or give another --log_dir") from None
        except OSError as error:
            if not read_only(error):
                raise
            self.read_only = True  # nobody needs to be kept out of a folder in which nothing changes
            yield
            return
        try:
            started = time.strftime("%Y-%m-%d %H:%M:%S")
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}, since {started}\n")
            self.folder.mkdir(exist_ok=True)
            self.read_only = not os.access(self.folder, os.W_OK)
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def set_aside(self) -> Path | None:
        """Renames the folder, whatever it holds, so that a sweep starts anew and nothing is lost.

        Returns:
            The new name; None if there was nothing in the folder.

        Raises:
            LedgerError: a sweep is running in it.
        """
        if not self.folder.exists():
            return None
        with self.lock():  # never from under a sweep that is running
            if all(path.name in (".lock", ".running") for path in self.folder.iterdir()):  # of earlier versions
                return None
            aside = self.folder.with_name(f"{self.folder.name}.{time.strftime('%Y%m%d-%H%M%S')}")
            while os.path.lexists(aside):
                aside = aside.with_name(aside.name + "+")
            self.folder.rename(aside)
        return aside


def logged(results: Iterable[TrialResult]) -> set[str]:
    """The metrics that some result has."""
    return {name for result in results for part in (result.history, result.test) for name in part}
