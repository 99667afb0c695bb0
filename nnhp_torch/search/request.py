"""How a search is to be run: what a sweep may be asked for, and how its trials are chosen."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from nnhp_torch import checks
from nnhp_torch.run.launch.request import Request, flag
from nnhp_torch.search.space import Search

CHOOSING = "the search"

Sampler = Literal["tpe", "random"]
Pruner = Literal["hyperband", "median", "none"]


@dataclass(frozen=True, kw_only=True)
class SearchRequest(Request):
    """How a search is to be run; each field with a help text is a flag too.

    Raises:
        ValueError: as a Request; or a number of trials, epochs or seeds that makes no sense.
    """

    trials: int = flag(50, "how many in all, those of earlier runs included", CHOOSING)
    sampler: Sampler = flag("tpe", "what chooses the next trial", CHOOSING)
    pruner: Pruner = flag("hyperband", "what ends a poor trial early", CHOOSING)
    budget: int | None = flag(
        None, "epochs to spend in all at most: a trial starts only if it could train to its end", CHOOSING
    )
    confirm: int = flag(
        0,
        "how many of the best run again on other seeds once the search has ended: those alone rank them, and the "
        "test images are scored for no others",
        CHOOSING,
    )
    confirm_seeds: int = flag(3, "how many other seeds: those that follow --seeds", CHOOSING)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("trials", self.trials, 1)
        if self.budget is not None:
            checks.whole("budget", self.budget, 1)
        usual = {part.name: part.default for part in dataclasses.fields(self)}
        for name in ("trials", "sampler", "pruner", "budget"):
            if self.chooser is not None and getattr(self, name) != usual[name]:
                raise ValueError(f"{name} is for Optuna: a chooser of one's own says itself what it tries")
        if self.stale == "rerun":
            raise ValueError("a search goes by the results it has: --fresh starts it anew, --stale use goes on")
        if self.seeds != 1 and (isinstance(self.seeds, (int, str)) or len(self.seeds) != 1):
            raise ValueError("a search trains each trial with one seed: --seeds '[7]' gives another one")
        checks.whole("confirm", self.confirm, 0)
        if type(self.confirm_seeds) is not int or self.confirm_seeds < 2:
            raise ValueError(f"confirm_seeds must be at least 2, because one seed is luck, not {self.confirm_seeds}")

    def other_seeds(self, search: Search) -> list[int]:
        """Return the seeds that the best trials are confirmed with."""
        (seed,) = self.each_seed(search)
        return list(range(seed + 1, seed + 1 + self.confirm_seeds))

    def confirming(self, search: Search) -> Request:
        """Return how the best trials are to be run once more: as the search's, on the other seeds."""
        same = {part.name: getattr(self, part.name) for part in dataclasses.fields(Request)}
        return Request(**(same | {"seeds": self.other_seeds(search), "chooser": None}))

    def named(self, search: Search) -> Search:
        """Return the search under the name of its folder: samplers and pruners that are not the default have their own.

        Raises:
            ValueError: the budget of epochs ends before one of its trials does.
        """
        if self.budget is not None and self.budget < search.base.max_epochs:
            raise ValueError(
                f"a budget of {self.budget} epochs is spent before one trial of {search.base.max_epochs} ends"
            )
        if (self.sampler, self.pruner) == ("tpe", "hyperband"):
            return search
        return dataclasses.replace(search, name=f"{search.name}-{self.sampler}-{self.pruner}")
