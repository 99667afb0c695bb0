"""Commands as a person types them: how this process was started, and what to type once more."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Collection

SEEDS = ("--seeds", "--max_seeds")


def whole_command(command: str = "", without: Collection[str] = ()) -> str:
    """Say how this process was started, with all its options, to be typed once more.

    Args:
        command: another one, with the same options. without: those that it lacks.
    """
    words = [command or command_line(), *map(shlex.quote, sys.argv[1:])]
    return lacking(" ".join(words), without)


def command_line() -> str:
    """Say how this process was started, as a person would type it."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.name:
        return f"python -m {spec.name.removesuffix('.__main__')}"
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    return name if name == "nnhp-torch" else f"python {name}".rstrip()


def lacking(command: str, without: Collection[str]) -> str:
    """Return a command without some of its options and their values.

    >>> lacking("python rates.py --seeds 3 --jobs 2", ["--seeds"])
    'python rates.py --jobs 2'
    """
    words, dropped = [], False
    for word in shlex.split(command):
        dropped = word.partition("=")[0] in without if word.startswith("--") else dropped
        words += [] if dropped else [word]
    return shlex.join(words)
