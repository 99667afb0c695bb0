"""The trials with fewer epochs that others may go on from: the ledger has them, and their checkpoints were kept."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from nnhp_torch.core.ledger.checkpoints import checkpoint_folder, usable
from nnhp_torch.core.ledger.known import Known
from nnhp_torch.core.spec.base import change
from nnhp_torch.core.spec.provenance import changed
from nnhp_torch.core.spec.status import RANKED
from nnhp_torch.core.spec.trial import Trial


class Shorter:
    """Gives trials the shorter ones that they may go on from; whether they can, is found where they are trained.

    Args:
        folder: the sweep's.
        known: key → result, of all that the ledger has.
    """

    def __init__(self, folder: Path, known: Known) -> None:
        self.folder = folder
        self.known = known
        lengths = {result.config.get("max_epochs") for result in known.values() if result.status in RANKED}
        self.lengths = sorted((epochs for epochs in lengths if type(epochs) is int), reverse=True)
        self.lost: Counter[str] = Counter()  # why trials start over → how many

    def __call__(self, trial: Trial) -> Trial:
        """Return the trial, with the longest one that it may go on from."""
        reasons = []
        for epochs in self.lengths:
            if epochs < trial.config.max_epochs and (shorter := self._shorter(trial, epochs)):
                if why := self._lost(shorter):
                    reasons.append(why)
                else:
                    return replace(trial, shorter=shorter)
        self.lost.update(reasons[:1])
        return trial

    def remarks(self) -> list[str]:
        """Return why trials have started from their first epoch, in a sentence for each reason."""
        return [
            f"{count} of these trials started from epoch 1, although the ledger has fewer epochs of them: {why}."
            for why, count in self.lost.items()
        ]

    def _shorter(self, trial: Trial, epochs: int) -> Trial | None:
        """Return the same trial with fewer epochs, if it has completed."""
        with suppress(ValueError):  # a configuration may refuse so few, and a record be none of this trial's
            shorter = replace(trial, config=change(trial.config, {"max_epochs": epochs}))
            result = self.known.of(shorter)
            if result is not None and result.status in RANKED:
                return replace(shorter, name=result.name)
        return None

    def _lost(self, shorter: Trial) -> str:
        """Say why nothing can go on from there; empty if it may."""
        if usable(checkpoint_folder(self.folder, shorter.name), shorter.identity) is None:
            return "their checkpoints were not kept (--keep_checkpoints last keeps them)"
        result = self.known.of(shorter)
        return _changed(json.dumps(result.build)) if result else ""


@cache
def _changed(record: str) -> str:
    """Name the sources that have changed, in words; thousands of trials have the same."""
    modules = changed([json.loads(record)])
    return f"the source of {', '.join(modules)} has changed" if modules else ""
