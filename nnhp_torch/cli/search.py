"""A search as the command line wants it: a sweep, and how its trials are chosen."""

from __future__ import annotations

from collections.abc import Iterable

from nnhp_torch.cli.run import Run
from nnhp_torch.core.roles import SweepCallback
from nnhp_torch.report.checkpoints import CheckpointPruning
from nnhp_torch.report.progress import ProgressReport, count
from nnhp_torch.report.table import CsvReport
from nnhp_torch.search.chooser import OptunaChooser
from nnhp_torch.search.report import SearchFigures, SearchTable
from nnhp_torch.search.request import SearchRequest
from nnhp_torch.search.space import Search


class SearchRun(Run):
    """A search as the command line wants it; a sampler and a pruner that are not the default have their own folder.

    Raises:
        ValueError: as Run; or the budget of epochs ends before a trial does.
    """

    request: SearchRequest

    def __init__(
        self, search: Search, request: SearchRequest, command: str, callbacks: Iterable[SweepCallback] = ()
    ) -> None:
        search = request.named(search)
        super().__init__(search, request, command, callbacks)
        self.chooser = self.optuna = OptunaChooser(
            search,
            self.store.folder,
            request.trials,
            request.sampler,
            request.pruner,
            request.each_seed[0],
            request.full_precision,
            request.threads,
            request.budget,
        )

    def list_trials(self) -> int:
        """Prints where trials would be chosen from, and writes nothing."""
        for name, axis in self.sweep.axes.items():
            self.out.print(f"{name}  {axis}", markup=False)
        self.out.print(
            f"{count(self.request.trials, 'trial')} in all would be chosen; results go to {self.store.folder}"
        )
        return 0

    def callbacks(self) -> list[SweepCallback]:
        """What the search leaves and shows."""
        folder = self.store.folder
        return [
            self.optuna,  # the first to hear of an epoch, whatever the others do
            ProgressReport(self.out),
            CheckpointPruning(folder, self.request.keep_checkpoints),
            SearchTable(self.out, self.store, self.command),
            CsvReport(folder),
            SearchFigures(folder, self.optuna),
        ]
