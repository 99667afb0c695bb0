"""`verdicts.json`: what may be said of a sweep, for programs. AGENTS.md explains each field."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.files import replacing
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.stats.proposal import left_after
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.core.stats.verdict_row import verdict_rows
from nnhp_torch.report.answer import tested
from nnhp_torch.report.commands import lacking

VERSION = 1  # of the schema: another one once a field is renamed, goes, or means something else
NAME = "verdicts.json"
SEEDS = ("--seeds", "--max_seeds")


class VerdictsJson(SweepCallback):
    """Writes `verdicts.json` once a sweep has ended, in whatever way.

    Args:
        folder: the sweep's.
        command: how the sweep is run; empty if no command line runs it.
    """

    writes = True

    def __init__(self, folder: Path, command: str = "") -> None:
        self.path = folder / NAME
        self.command = command

    def on_sweep_end(self, outcome: Outcome) -> None:
        if outcome.results:
            text = json.dumps(document(outcome.summary, self.command), indent=1, ensure_ascii=False, allow_nan=False)
            with replacing(self.path) as written:
                written.write_text(f"{text}\n", encoding="utf-8")


def document(summary: Summary, command: str = "") -> dict[str, Any]:
    """The document as plain values; a cell's `next` is the command with the seeds that may decide on it."""
    sweep, proposal = summary.sweep, summary.sweep.proposal
    known = [asdict(row) for row in verdict_rows(summary)]
    again = {None: None, "": command}
    unseeded = lacking(command, SEEDS)
    rows = [row | {"next": again.get(more := row.pop("more"), f"{unseeded} {more}".strip())} for row in known]
    return {
        "version": VERSION,
        "sweep": sweep.name,
        "question": "Which cell is the best?" if sweep.baseline is None else "Which are better than the baseline?",
        "compared_with": summary.control and dict(summary.control.values),
        "metric": sweep.monitor,
        "mode": sweep.objective.mode,
        "test": tested(summary),
        "level": sweep.level,
        "smallest_effect": sweep.smallest_difference,
        "finished": summary.finished,
        "winner": summary.winner and dict(summary.winner.values),
        "proposal": proposal
        and {
            "ledger": proposal.ledger,
            "number": proposal.number,
            "kept": [row["cell"] for row in rows if row["verdict"] == "better"],
            "left": left_after(proposal.number),
        },
        "cells": rows,
    }
