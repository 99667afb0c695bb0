"""A search as the command line wants it: a sweep, and how its trials are chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from nnhp_torch.cli.run import Run
from nnhp_torch.core.roles import SweepCallback
from nnhp_torch.report.checkpoints import CheckpointPruning
from nnhp_torch.report.progress import ProgressReport, count
from nnhp_torch.report.table import CsvReport
from nnhp_torch.search.chooser import PRUNERS, SAMPLERS, OptunaChooser
from nnhp_torch.search.report import SearchFigures, SearchTable
from nnhp_torch.search.space import Search


def add_search_options(parser: ArgumentParser) -> None:
    """How trials are chosen."""
    group = parser.add_argument_group("the search")
    group.add_argument("--trials", type=int, default=50, help="how many in all, those of earlier runs included")
    group.add_argument("--sampler", type=Literal[SAMPLERS], default="tpe", help="what chooses the next trial")
    group.add_argument("--pruner", type=Literal[PRUNERS], default="hyperband", help="what ends a poor trial early")
    group.add_argument(
        "--budget",
        type=int | None,
        default=None,
        help="epochs to spend in all at most: a trial starts only where it could train to its end",
    )


class SearchRun(Run):
    """A search as the command line wants it; a sampler and a pruner that are not the default have their own folder.

    Raises:
        ValueError: as Run; Optuna is not installed; or a number of trials, epochs or seeds that makes no sense.
    """

    def __init__(self, search: Search, args: Namespace, command: str, callbacks: Iterable[SweepCallback] = ()) -> None:
        if find_spec("optuna") is None:
            raise ValueError("a search needs Optuna, which is not installed: pip install '.[search]'")
        for name in ("trials", "budget"):
            if args[name] is not None and args[name] < 1:
                raise ValueError(f"{name} must be at least 1, not {args[name]}")
        if args.budget is not None and args.budget < search.base.max_epochs:
            raise ValueError(
                f"a budget of {args.budget} epochs is spent before one trial of {search.base.max_epochs} ends"
            )
        if (args.sampler, args.pruner) != ("tpe", "hyperband"):
            search = dataclasses.replace(search, name=f"{search.name}-{args.sampler}-{args.pruner}")
        super().__init__(search, args, command, callbacks)
        if len(self.seeds) != 1:
            raise ValueError("a search trains each trial with one seed: --seeds '[7]' gives another one")
        self.optuna = OptunaChooser(
            search,
            self.store.folder,
            args.trials,
            args.sampler,
            args.pruner,
            self.seeds[0],
            self.precision,
            args.threads,
            args.budget,
        )
        self.chooser = self.optuna

    def list_trials(self) -> int:
        """Prints where trials would be chosen from, and writes nothing."""
        for name, axis in self.sweep.axes.items():
            self.out.print(f"{name}  {axis}", markup=False)
        self.out.print(f"{count(self.args.trials, 'trial')} in all would be chosen; results go to {self.store.folder}")
        return 0

    def callbacks(self) -> list[SweepCallback]:
        """What the search leaves and shows."""
        folder = self.store.folder
        return [
            self.optuna,  # the first to hear of an epoch, whatever the others do
            ProgressReport(self.out),
            CheckpointPruning(folder, self.args.keep_checkpoints),
            SearchTable(self.out, self.store, self.command),
            CsvReport(folder),
            SearchFigures(folder, self.optuna),
        ]
