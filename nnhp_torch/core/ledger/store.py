"""The append-only ledger that keeps what trials give."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.files import append, must_be_file
from nnhp_torch.core.ledger.known import Known, Mismatch
from nnhp_torch.core.ledger.lock import locked
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.provenance import as_of, changed
from nnhp_torch.core.spec.trial import Trial

REPORTS = ("results.csv", "verdicts.csv", "verdicts.json", "figure.png", "report.html")
JOURNAL = "optuna.journal"  # beside the ledger of a search: without it, it samples anew


class ResultStore:
    """A sweep's folder and the ledger `results.jsonl` in it; the latest record of a key counts.

    Args:
        folder: made when the first record is written.

    Example:
        >>> store = ResultStore("lightning_logs/rates")
        >>> store.results()
        {}
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.path = self.folder / "results.jsonl"
        self.others: set[str] = set()
        self.lines: dict[str, int] = {}  # key → where its latest record was read
        self.read_only = False  # whether lock() has found that nothing can be written
        self.log = self.folder / "workers.log"  # what worker processes print, and the tracebacks of failed trials

    def results(self, provenance: tuple[str, str] | None = None) -> Known:
        """Key → its latest record, in the order of first appearance.

        Args:
            provenance: the sweep's; what others have made is left out, and its keys are in `others`. Default: all is
                read.

        A last line without its end was torn by a crash: it is left out, with a warning, and cut off by the
        next append. Raises LedgerError for any other damage, and touches nothing.
        """
        results = Known()
        self.lines, self.others = {}, set()
        must_be_file(self.path)
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
        except (FileNotFoundError, NotADirectoryError):
            return results
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                warnings.warn(f"{self.path}: the last line is torn (a crash?); its trial will run again", stacklevel=2)
                break
            try:
                result = TrialResult.from_json(line.decode())
            except (ValueError, RecursionError) as error:
                raise self._damage(number, error) from error
            if provenance and result.build:
                if (build := as_of(result.build, provenance)) is None:
                    self.others |= {result.key} if result.settled else set()
                    continue
                result = replace(result, build=build)
            self.lines[results.add(result)] = number
        return results

    def refuse(self, key: str, why: str) -> LedgerError:
        """Return the error that names the line of a key's latest record, as results() has read it."""
        return self._damage(self.lines[key], why)

    def _damage(self, number: int, why: object) -> LedgerError:
        return LedgerError(
            f"{self.path}, line {number}: {why}. Nothing was changed: remove the line, and its trial runs "
            "again as it did, or start anew with --fresh."
        )

    def append(self, result: TrialResult) -> None:
        """Add a record and wait until it is on the disk; a write that fails leaves the ledger as it was."""
        self.folder.mkdir(parents=True, exist_ok=True)
        append(self.path, result.to_json())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other sweeps out of the folder.

        Raises:
            LedgerError: another process has it, or what is no file lies there under the name of one.
        """
        must_be_file(self.path, *(self.folder / name for name in REPORTS))
        with locked(self.folder) as self.read_only:
            try:
                yield
            finally:
                with suppress(OSError):
                    if not self.log.stat().st_size:
                        self.log.unlink()

    def set_aside(self) -> Path | None:
        """Rename the folder, whatever it holds, so that a sweep starts anew and nothing is lost.

        Returns:
            The new name; None if there was nothing in the folder.

        Raises:
            LedgerError: a sweep is running in it.

        Example:
            >>> aside = ResultStore("lightning_logs/rates").set_aside()  # such as lightning_logs/rates.20261128-201500
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


def known_results(store: ResultStore, known: Known, trials: Iterable[Trial]) -> dict[str, TrialResult]:
    """Return those results that are these trials'. What they are called is the trials' to say, never the ledger's.

    Raises:
        LedgerError: a record does not agree with the trial of its key.
    """
    results = {}
    for trial in trials:
        try:
            result = known.of(trial)
        except Mismatch as error:
            raise store.refuse(error.key, str(error)) from error
        if result is not None:
            results[trial.key] = replace(result, key=trial.key, name=trial.name, cell=dict(trial.cell))
    return results


def stale(results: Mapping[str, TrialResult]) -> dict[str, TrialResult]:
    """Key → result, of those that another source than today's has made."""
    makers: dict[str, list[str]] = {}  # thousands of results have the same
    for key, result in results.items():
        if result.settled and result.build.get("sources"):
            makers.setdefault(json.dumps([result.build["config"], result.build["sources"]]), []).append(key)
    found = [keys for keys in makers.values() if changed([results[keys[0]].build])]
    return {key: results[key] for keys in found for key in keys}
