"""The outcome of a sweep: its results, and what a user does with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.base import SweepBase, upstairs
from nnhp_torch.core.spec.status import WANTED
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.core.stats.verdict import VerdictRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from nnhp_torch.cli.python import Best


@dataclass(frozen=True, repr=False)
class Outcome:
    """The results of a sweep, to go on with in Python; a notebook and `print` show it as its table.

    Args:
        sweep: the Sweep, or the Search.
        trials: all that were asked for; results: key → result, for those that have one.
        ran: keys of the trials that this run started.
        interrupted: whether it was told to stop before all had ended.
        unlogged: what is wrong, if a trial has ended because nothing is logged under the monitor's name.
        unchosen: how many trials a search or a race may still choose, at most.
        remarks: what a reader must know of where the results come from, before the table.
        read_only: whether nothing can be written where the ledger is.
        known: key → result of all that the ledger had before this run, also of trials that were not asked for.
        stale: keys of results that another source of the module, or of build, has made than today's.
        earlier: trials of other cells that earlier calls have run on the same base and seeds; `results` has theirs too.
        folder: the sweep's, with ledger, figure and page.

    Example:
        >>> len(outcome.ordered), outcome.left, outcome.successful
        (15, 0, True)
        >>> outcome.table().splitlines()[0].split()[:2]
        ['lr', 'val_acc']
    """

    sweep: SweepBase
    trials: Sequence[Trial]
    results: Mapping[str, TrialResult] = field(default_factory=dict)
    ran: Sequence[str] = ()
    interrupted: bool = False
    unlogged: str = ""
    unchosen: int = 0
    remarks: Sequence[str] = ()
    read_only: bool = False
    known: Mapping[str, TrialResult] = field(default_factory=dict)
    earlier: Sequence[Trial] = ()
    stale: Collection[str] = ()
    folder: Path = Path()

    @cached_property
    def summary(self) -> Summary:
        """Its cells, verdicts, winner and all else that may be said, each computed at its first use, once."""
        return Summary(**{part.name: getattr(self, part.name) for part in fields(Summary)})

    @cached_property
    def verdicts(self) -> list[VerdictRow]:
        """What may be said of each cell, a row of plain values; verdicts.json has the same.

        Example:
            >>> [row.cell for row in outcome.verdicts if row.verdict == "worse"]
            [{'lr': 0.1}]
        """
        return [VerdictRow.of(verdict, self.sweep) for verdict in self.summary.verdicts]

    @property
    def left(self) -> int:
        """How many trials a further run would start."""
        return len(self.missing) + self.unchosen

    @property
    def missing(self) -> list[Trial]:
        """Trials that a further run would start, as far as they are known."""
        return [t for t in self.trials if not ((result := self.results.get(t.key)) and result.settled)]

    @property
    def ordered(self) -> list[TrialResult]:
        """The results there are, in the order of the trials."""
        return [result for trial in self.trials if (result := self.results.get(trial.key))]

    @property
    def successful(self) -> bool:
        """Whether every trial has completed, or was pruned on purpose."""
        statuses = [self.results[t.key].status if t.key in self.results else None for t in self.trials]
        return all(status in WANTED for status in statuses)

    def table(self) -> str:
        """Return the table that a sweep ends with: text, which a notebook shows as a table.

        Example:
            >>> print(outcome.table())  # doctest: +SKIP
        """
        shown: str = upstairs("cli.python:table")(self)
        return shown

    def figure(self) -> Figure:
        """Return the picture of all cells: a matplotlib figure, which Jupyter shows.

        Example:
            >>> outcome.figure().savefig("rates.png")  # doctest: +SKIP
        """
        figure: Figure = upstairs("cli.python:figure")(self)
        return figure

    def frame(self, *, history: bool = False) -> DataFrame:
        """Return a row per trial, as in results.csv: a pandas DataFrame.

        Args:
            history: a row per trial and epoch (from 1) instead, with every metric that was logged after each.

        Raises:
            ImportError: pandas is not installed.

        Example:
            >>> outcome.frame().groupby("lr")["val_accuracy"].max().to_dict()
            {0.001: 0.975, 0.01: 0.972, 0.1: 0.934}
            >>> outcome.frame(history=True)[["lr", "seed", "epoch", "val_accuracy"]].head(2)
                lr  seed  epoch  val_accuracy
            0  0.1     0      1          0.50
            1  0.1     0      2          0.94
        """
        frame: DataFrame = upstairs("cli.python:frame")(self, history)
        return frame

    @cached_property
    def best(self) -> Best:
        """The leading cell's best trial, with `.settings`, `.load()` and `.save_config(path)`.

        Raises:
            LookupError: no cell has completed with all its seeds.
        """
        best: Best = upstairs("cli.python:best")(self)
        return best

    def _repr_html_(self) -> str:
        return str(upstairs("cli.python:table")(self)._repr_html_())

    def __repr__(self) -> str:
        return self.table()
