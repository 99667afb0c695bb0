"""A ledger of proposals, beside the sweeps' folders: what was tried against what, at which level, and what was kept."""

from __future__ import annotations

import hashlib
import json
import math
import re
import statistics
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock

from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.files import append, must_be_file
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.names import distinct
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.core.stats.proposal import KNOWN, Proposal, level_of


class Proposals:
    """`NAME.proposals.jsonl`: a line for a proposal before anything of it has run, and one when it has ended."""

    def __init__(self, log_dir: str, name: str) -> None:
        if not re.fullmatch(r"[\w.+-]+", name) or name.startswith("."):
            raise ValueError(f"--proposal names a ledger by letters, digits, _ and -, not {name!r}")
        self.name, self.path = name, Path(log_dir) / f"{name}.proposals.jsonl"
        self.lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))

    def entries(self) -> list[dict[str, Any]]:
        """Return the proposals in their order, each with what was kept of it if it has ended.

        Raises:
            ValueError: the ledger is damaged.
        """
        must_be_file(self.path)
        found: list[dict[str, Any]] = []
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                break  # torn by a crash; the next line takes its place
            try:
                record = json.loads(line)
                if "kept" in record:
                    found[record["number"] - 1]["kept"] = record["kept"]
                else:
                    found.append({name: record[name] for name in ("key", "level", "spread")} | record)
            except (ValueError, LookupError, TypeError):
                raise ValueError(f"{self.path}, line {number} cannot be read; nothing was changed") from None
        return found

    def of(
        self, sweep: Sweep, trials: Sequence[Trial], known: Mapping[str, TrialResult], anew: Collection[str] = ()
    ) -> Proposal:
        """Return the proposal that a sweep is: as it was entered before, or as it will be.

        Args:
            anew: keys of results that are known and will be made anew.

        Raises:
            ValueError: it proposes nothing, what has been seen already, or what would be judged once more.
        """
        entries, key = self.entries(), _key(sweep, trials)
        proposed = [trial for trial in trials if trial.cell != sweep.baseline]
        for number, entry in enumerate(entries, 1):
            if entry["key"] == key:
                judged = "kept" in entry and (anew or not any(trial.key in known for trial in proposed))
                if judged or any(trial.key in anew for trial in proposed):
                    raise ValueError(
                        f"proposal {number} of {self.name} has spent its level on results that would be made anew: "
                        "give the sweep's base another seed, and it is a proposal of its own"
                    )
                return Proposal(self.name, number, entry["level"], entry["spread"], key)
        if not proposed:
            raise ValueError("a proposal needs a cell beside the baseline's")
        if seen := next((trial for trial in proposed if trial.key in known), None):
            raise ValueError(
                f"{seen.label} has results here already, and a proposal is judged by seeds that nobody has seen: "
                "propose what has not been tried, or give the sweep's base another seed"
            )
        level = level_of([bool(entry.get("kept")) for entry in entries])
        return Proposal(self.name, len(entries) + 1, level, _spread(sweep, trials, known), key)

    def enter(self, proposal: Proposal, sweep: Sweep) -> None:
        """Spend its level, for good, unless that was done before."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.lock:
            entries = self.entries()
            if proposal.key in [entry["key"] for entry in entries]:
                return
            if len(entries) != proposal.number - 1:
                raise LedgerError(f"{self.path} has another proposal {proposal.number} by now: run the command again")
            cells = [cell for cell in sweep.cells() if distinct(cell) != distinct(sweep.baseline)]
            what = {"sweep": sweep.name, "monitor": sweep.monitor, "baseline": sweep.baseline, "cells": cells}
            append(self.path, json.dumps({**asdict(proposal), **what, "entered": time.strftime("%Y-%m-%dT%H:%M:%S%z")}))

    def close(self, proposal: Proposal, kept: Sequence[Mapping[str, Any]]) -> None:
        """Write down what was found better; nothing is a proposal that was not kept."""
        with self.lock:
            if self.entries()[proposal.number - 1].get("kept") != list(kept):
                append(self.path, json.dumps({"number": proposal.number, "kept": list(kept)}))


def _key(sweep: Sweep, trials: Sequence[Trial]) -> str:
    """Return what makes it this proposal: its trials, how they are judged, and which of them are the baseline's."""
    keys = sorted(trial.key for trial in trials)
    judged = [sweep.baseline, sweep.monitor, sweep.objective.mode, sweep.smallest_difference, sweep.max_seeds]
    return hashlib.sha256(json.dumps([keys, judged], sort_keys=True).encode()).hexdigest()[:16]


def _spread(sweep: Sweep, trials: Sequence[Trial], known: Mapping[str, TrialResult]) -> float | None:
    """By how much a seed moves the baseline, if enough of its seeds have run before."""
    baseline = [known[trial.key] for trial in trials if trial.key in known and trial.cell == sweep.baseline]
    values = [value for result in baseline if math.isfinite(value := result.final(sweep.monitor))]
    return statistics.stdev(values) if len(values) >= KNOWN else None
