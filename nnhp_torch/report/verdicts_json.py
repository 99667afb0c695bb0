"""`verdicts.json`: what may be said of a sweep, for programs. AGENTS.md explains each field."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.stats.proposals import left_after
from nnhp_torch.report.commands import SEEDS, lacking
from nnhp_torch.report.words.answer import tested

VERSION = 1  # of the schema: another one once a field is renamed, goes, or means something else


def document(outcome: Outcome, command: str) -> dict[str, Any]:
    """The file as plain values, of which JSON has each; a cell's `next` is the command that may decide on it."""
    summary, sweep, proposal = outcome.summary, outcome.sweep, outcome.sweep.proposal
    again, unseeded = {None: None, "": command}, lacking(command, SEEDS)
    rows = [asdict(row) for row in outcome.verdicts]
    rows = [row | {"next": again.get(more := row.pop("more"), f"{unseeded} {more}".strip())} for row in rows]
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
        "remarks": list(outcome.remarks),
        "cells": rows,
    }
