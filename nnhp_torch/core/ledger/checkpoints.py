"""Where a trial keeps its checkpoints, and whose those are that lie there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from nnhp_torch.core.ledger.files import read_json, write
from nnhp_torch.core.spec.trial import same

LAST = "last.ckpt"
BEST = "best.ckpt"
TRAINED = "trained.ckpt"  # as the last epoch has left it, if something acts at the training's end
OWNER = "trial.json"  # Trial.identity, so that nobody needs torch to know whose checkpoints these are

Identity = Mapping[str, str]


def checkpoint_folder(folder: str | os.PathLike[str], trial: str) -> Path:
    """Return the folder of a trial's checkpoints.

    Args:
        folder: the sweep's.
        trial: its name.
    """
    return Path(folder) / trial / "checkpoints"


def owner(folder: Path) -> dict[str, str]:
    """Return the identity of the trial that made these checkpoints; empty if nothing says so."""
    return read_json(folder / OWNER)


def usable(folder: Path, identity: Identity) -> Path | None:
    """Return the folder of a trial's last checkpoint, if it has a usable one; None if it has none.

    It is the trial's own, or the one that another trial has set aside since.
    """
    aside = f"{folder.name}-{identity['key'][:8]}"
    folders = (folder, *sorted(folder.parent.glob(f"{aside}*")))
    return next((found for found in folders if same(owner(found), identity) and (found / LAST).is_file()), None)


def acquire(folder: Path, identity: Identity, foreign: bool = False) -> str:
    """Make a folder of checkpoints this trial's own. What another trial has left there is renamed, never overwritten.

    Args:
        foreign: whether the checkpoints are known to be another's, whatever the folder says.

    Returns:
        What was renamed, in a sentence; empty if nothing was.
    """
    note = ""
    known = owner(folder)
    if (foreign or not same(known, identity)) and any(folder.glob("*.ckpt")):
        key = known.get("key", "")
        whose = f"of the trial with key {key}" if _is_key(key) else "that do not say whose they are"
        aside = folder.with_name(f"{folder.name}-{key[:8] if _is_key(key) else 'unknown'}")
        while os.path.lexists(aside):
            stem, _, number = aside.name.partition("+")
            aside = aside.with_name(f"{stem}+{int(number or 1) + 1}" if "+" in aside.name else f"{stem}+")
        folder.rename(aside)
        note = f"began anew: checkpoints {whose} lay here, they are in {aside.name} now"
    folder.mkdir(parents=True, exist_ok=True)
    if owner(folder) != identity:
        write(folder / OWNER, json.dumps(identity) + "\n")
    return note


def remove(folder: Path, checkpoints: Path, identity: Identity, *, names: tuple[str, ...] = (LAST, BEST)) -> None:
    """Remove a trial's own checkpoints; another trial's stay, and so does whatever else lies beside them.

    Args:
        folder: the sweep's; what a symbolic link has put outside of it is left alone.
        names: those to remove. With the last of them goes what says whose they were.
    """
    if checkpoints.resolve() != folder.resolve() / checkpoints.relative_to(folder) or not checkpoints.is_dir():
        return
    if same(owner(checkpoints), identity):
        for name in (*names, TRAINED) if LAST in names else names:
            (checkpoints / name).unlink(missing_ok=True)
            (checkpoints / f".{name}.tmp").unlink(missing_ok=True)  # left by a kill
        if not any(checkpoints.glob("*.ckpt")):
            (checkpoints / OWNER).unlink(missing_ok=True)
    if not any(checkpoints.iterdir()):  # a kill may have come before this
        checkpoints.rmdir()


def _is_key(key: object) -> bool:
    return isinstance(key, str) and re.fullmatch(r"[0-9a-f]{16}", key) is not None
