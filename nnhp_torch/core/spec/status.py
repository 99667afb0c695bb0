"""How a trial may end, and the groups of ends that others ask about."""

from __future__ import annotations

from typing import Literal

Status = Literal["completed", "pruned", "diverged", "failed", "interrupted"]

RANKED: tuple[Status, ...] = ("completed",)  # trained to the end: averaged, and compared with others
ENDED_EARLY: tuple[Status, ...] = ("pruned", "diverged")  # results as well, which never run again and are never ranked
SETTLED = (*RANKED, *ENDED_EARLY)  # there is nothing left to run
WANTED: tuple[Status, ...] = ("completed", "pruned")  # as somebody meant it to end: exit status 0
WRONG: tuple[Status, ...] = ("failed", "diverged")  # said in red below the table; ends a sweep with --fail_fast
