"""A search as the command line wants it: a sweep, and how its trials are chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

from rich.text import Text

from nnhp_torch.cli.command.sweep import Command
from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.grid import Listed
from nnhp_torch.core.spec.names import once
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.report.figure.callback import FigureReport
from nnhp_torch.report.page.callback import PageReport
from nnhp_torch.report.words.phrases import count
from nnhp_torch.search.chooser import OptunaChooser
from nnhp_torch.search.report import SearchTable, draw
from nnhp_torch.search.request import SearchRequest
from nnhp_torch.search.space import Search


class SearchCommand(Command):
    """A search as the command line wants it; a sampler and a pruner that are not the default have their own folder.

    Raises:
        ValueError: as Command; or the budget of epochs ends before a trial does.
    """

    request: SearchRequest

    def __init__(self, search: Search, request: SearchRequest, command: str) -> None:
        search = request.named(search)
        super().__init__(search, request, command)
        self.chooser = self.chooser or OptunaChooser(
            search,
            self.store.folder,
            request.trials,
            sampler=request.sampler,
            pruner=request.pruner,
            seed=request.each_seed(search)[0],
            settings=(request.full_precision, request.threads),
            budget=request.budget,
        )
        self.runtime = dataclasses.replace(self.runtime, test=not request.confirm)
        self.search = search

    def execute(self) -> int:
        """Run the search, and once it has ended its best trials on other seeds; return the exit status."""
        status = super().execute()
        then = self.then()
        return status if then is None else max(status, then.execute())

    def then(self) -> Command | None:
        """Return the run of the best trials on other seeds, if they are asked for and the search has ended."""
        if not self.request.confirm or self.outcome is None or self.outcome.unchosen or self.outcome.interrupted:
            return None
        sweep = confirmation(self.search, self.outcome, self.request.confirm)
        if sweep is None:
            return None
        self.out.rule(Text(f"the best {sweep.size} on other seeds", style="bold"))
        run = Command(sweep, self.request.confirming(self.search), self.command)
        run.again = self.again and run.again
        return run

    def list_trials(self) -> int:
        """Print where trials would be chosen from, or what a chooser of one's own names first; write nothing."""
        if not isinstance(self.chooser, OptunaChooser):
            return super().list_trials()
        for name, axis in self.sweep.axes.items():
            self.out.print(f"{name}  {axis}", markup=False)
        self.out.print(
            f"{count(self.request.trials, 'trial')} in all would be chosen; results go to {self.store.folder}"
        )
        self.list_jobs(self.request.trials, self.jobs())
        if self.request.confirm:
            first, *_, last = self.request.other_seeds(self.search)
            self.out.print(
                f"The best {self.request.confirm} would run with each of the seeds {first} to {last}; "
                f"results go to {self.store.folder}-confirm"
            )
        return 0

    def reports(self) -> list[SweepCallback]:
        folder, keep, confirmed = self.store.folder, self.request.keep_checkpoints, self.request.confirm
        importances = self.chooser.importances if isinstance(self.chooser, OptunaChooser) else dict
        return [
            SearchTable(self.out, self.store, self.command, confirmed=confirmed, keep=keep),
            FigureReport(folder, draw),
            PageReport(folder, self.again, importances),
        ]


def confirmation(search: Search, outcome: Outcome, most: int) -> Listed | None:
    """Make the sweep over the best configurations of a search that has ended; None if no trial has completed.

    Args:
        most: how many of them; fewer if fewer have completed.
    """
    best = [cell for cell in outcome.summary.ranking if cell.ranked][:most]
    if not best:
        return None
    of_search = {part.name: getattr(search, part.name) for part in dataclasses.fields(SweepBase)}
    of_confirmation = {
        "name": f"{search.name}-confirm",
        "axes": {name: once(cell.values[name] for cell in best) for name in search.axes},
        "claim": partial(_luck, search.monitor, best[0].text(search.monitor)),
        "next_steps": "",
    }
    return Listed(**of_search | of_confirmation, listed=[cell.values for cell in best])


def _luck(monitor: str, promised: str, gathered: Sequence[Cell]) -> str:
    """Return the fate of the search's winner, the first of the cells."""
    first = gathered[0]
    return (
        f"The search's winner had {monitor}={promised} with the seed that chose it, "
        f"and has {first.text(monitor)} over {first.repeated} that did not."
    )
