"""One of many proposals that are tried in sequence: the share of the 5% that each has, and the ledger of them."""

from __future__ import annotations

import json
import math
import re
import statistics
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from nnhp_torch import checks
from nnhp_torch.core.errors import InUse
from nnhp_torch.core.interfaces import Judgement, Rows
from nnhp_torch.core.ledger.files import append, must_be_file, read
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.interim import LEVEL, looks
from nnhp_torch.core.spec.names import distinct, fingerprint
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.core.stats.pairs import holm, paired, paired_t_test

RESERVE = 50  # after so many proposals half of the 5% is spent
HOPE = 0.15  # the chance of being kept below which it is given up
MOST = 25  # seeds of a proposal that is not told how many it may have
KNOWN = 3  # seeds of the baseline from which on its spread counts as known
FEWEST = 6  # seeds with which one may be kept: at such levels fewer never do
KEY = re.compile(r'"key": "(\w+)"')  # a result's, in any ledger


def level_of(kept: Sequence[bool]) -> float:
    """The level of the next proposal, when it is known which of the earlier ones were kept.

    Online Fallback (J. Tian and A. Ramdas, Stat. Methods Med. Res. 30 (2021)): the n-th has a fixed share of the 5%,
    and that of the one before if it was kept. At most 5% of all sequences keep anything useless, however many
    proposals there will be and however they depend on each other. The shares sum to 1, and fall slowly.

    >>> round(level_of([]), 6), round(level_of([False] * 19), 6), round(level_of([False] * 18 + [True]), 6)
    (0.00098, 0.000518, 0.00105)
    """
    number = len(kept) + 1
    own = LEVEL * RESERVE / ((RESERVE + number - 1) * (RESERVE + number))
    return own + (level_of(kept[:-1]) if kept and kept[-1] else 0.0)


def left_after(number: int) -> float:
    """What is left of the 5% for those that follow."""
    return LEVEL * RESERVE / (RESERVE + number)


@dataclass(frozen=True)
class Proposal:
    """A sweep that counts as one proposal of a ledger; a Judge of it, too.

    Each cell is held against the baseline by a one-sided paired t-test, because only a better one is kept, with Holm's
    correction for several cells. A useless proposal is given up early, for which no level has to be paid.

    Args:
        ledger: its name. number: from 1. level: the share of the 5% that it has.
        spread: by how much one seed moves a value, as the sweep's ledger knew it when the proposal was entered.
        key: by which it is known again.
    """

    ledger: str
    number: int
    level: float
    spread: float | None = None
    key: str = ""

    def looks(self, most: int) -> list[int]:
        """After how many seeds it is looked at."""
        return [1, 2, *looks(most)]

    def share(self, seeds: int, most: int) -> float:
        """Among how many looks its level is divided, of a look with so many seeds; infinite if that decides nothing."""
        return sum(look >= FEWEST for look in looks(most)) if seeds >= FEWEST else math.inf

    def judge(self, rows: Rows, level: float = LEVEL, *, left: Rows = (), shared: float = 0.0) -> Judgement:
        """Hold each row against the first."""
        from scipy.special import stdtrit

        units, others = len(rows[0]), len(rows) - 1 + len(left)
        pairs = [(0.0, 0.0), *(paired(rows[0], row) for row in rows[1:])]
        alone = [paired_t_test(rows[0], row, shared=shared) / 2 for row in rows[1:]]
        gap, error = [mean for mean, _ in pairs], [spread * math.sqrt(1 + shared * units) for _, spread in pairs]
        half_width = [-float(stdtrit(units - 1, max(level / others, 1e-300))) * spread for spread in error]
        low, high = ([g + sign * r for g, r in zip(gap, half_width, strict=True)] for sign in (-1, 1))
        return Judgement(gap, error, low, high, [1.0, *holm([*alone, *[1.0] * len(left)])[: len(alone)]], half_width)

    def describe(self, rows: int) -> str:
        """What it does, in a few words."""
        return f"paired, one-sided, proposal {self.number} of {self.ledger}"

    def chance(self, gap: float, error: float, *, units: int, most: int) -> float:
        """The chance that a cell is found better with the seeds to come, as the mean so far predicts it."""
        from scipy.special import ndtr, stdtrit

        pairs, known = error**2 * units if units > 1 else 0.0, 2 * (self.spread or 0.0) ** 2
        spread = math.sqrt((known + (units - 1) * pairs) / units if known else pairs)  # known counts as one more pair
        if units >= most or not spread:
            return float(gap < 0 and units < most)
        bound = -float(stdtrit(most - 1, self.level / self.share(most, most))) / math.sqrt(most)
        return float(ndtr((-gap / spread - bound) / math.sqrt(1 / units - 1 / most)))


class Proposals:
    """`NAME.proposals.jsonl`: a line for a proposal before anything of it has run, and one when it has ended."""

    def __init__(self, log_dir: str, name: str) -> None:
        checks.file("--proposal names a ledger", name)
        self.name, self.path = name, Path(log_dir) / f"{name}.proposals.jsonl"
        self.lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))

    def entries(self) -> list[dict[str, Any]]:
        """Return the proposals in their order, each with what was kept of it if it has ended."""
        must_be_file(self.path)
        found: list[dict[str, Any]] = []
        whole, *_ = self.path.read_bytes().rpartition(b"\n") if self.path.exists() else (b"",)  # a crash tears a line
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                record = json.loads(line)
                if "kept" in record:
                    found[record["number"] - 1]["kept"] = record["kept"]
                else:
                    found.append({name: record[name] for name in ("key", "level", "spread")} | record)
                    if record["level"] > level_of([bool(entry.get("kept")) for entry in found[:-1]]):
                        raise ValueError
            except (ValueError, LookupError, TypeError):
                raise ValueError(f"{self.path}, line {number} is damaged, or was edited; nothing was changed") from None
        return found

    def of(
        self, sweep: Sweep, trials: Sequence[Trial], known: Mapping[str, TrialResult], anew: Collection[str] = ()
    ) -> Proposal:
        """Return the proposal that a sweep is, as it was entered before or will be, if it is one that nobody has seen.

        Args:
            anew: keys of results that are known and will be made anew.
        """
        entries, key = self.entries(), _key(sweep, trials)
        proposed = [trial for trial in trials if trial.cell != sweep.baseline]
        for number, entry in enumerate(entries, 1):
            if entry["key"] == key:
                judged = "kept" in entry and (anew or not any(trial.key in known for trial in proposed))
                if judged or any(trial.key in anew for trial in proposed):
                    raise ValueError(
                        f"proposal {number} of {self.name} has spent its level on results that would be made anew: "
                        "from another seed on (--seeds '[1000]') it is a proposal of its own"
                    )
                return Proposal(self.name, number, entry["level"], entry["spread"], key)
        there = {key for path in self.path.parent.glob("*/results.jsonl") for key in KEY.findall(read(path))}
        if seen := next((trial for trial in proposed if trial.key in known or trial.key in there), None):
            raise ValueError(
                f"{seen.label} has results here already, and a proposal is judged by seeds that nobody has seen: "
                "propose what has not been tried, or from another seed on (--seeds '[1000]')"
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
                raise InUse(f"{self.path} has another proposal {proposal.number} by now: run the command again")
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
    return fingerprint([keys, judged])


def _spread(sweep: Sweep, trials: Sequence[Trial], known: Mapping[str, TrialResult]) -> float | None:
    """By how much a seed moves the baseline, if enough of its seeds have run before."""
    baseline = [known[trial.key] for trial in trials if trial.key in known and trial.cell == sweep.baseline]
    values = [value for result in baseline if math.isfinite(value := result.final(sweep.monitor))]
    return statistics.stdev(values) if len(values) >= KNOWN else None
