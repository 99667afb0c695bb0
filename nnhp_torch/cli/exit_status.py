"""What a command ends with, for the program that has called it; AGENTS.md says what to do then."""

import signal

DONE = 0
FAILED = 1  # a trial has failed, digits differ, or files cannot be written
WRONG_USAGE = 2  # nothing was run, nothing is written
STALE = 3  # results are shown that another source has made, and nobody has asked for that
UNMET = 4  # no cell is what --require asks for


def stopped(number: int = signal.SIGINT) -> int:
    """Return what a shell makes of a signal: 130 of Ctrl-C, 143 of SIGTERM."""
    return 128 + number
