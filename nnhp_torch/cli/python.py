"""A sweep or a search from Python and notebooks: `outcome = SWEEP.run(seeds=3)`, on the command line's own path."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnhp_torch.cli.arguments.options import kind, own_flags
from nnhp_torch.cli.main import kind_of_run
from nnhp_torch.core.errors import SweepError
from nnhp_torch.core.ledger.files import write
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.names import distinct
from nnhp_torch.core.spec.protocols import CliConfig
from nnhp_torch.core.spec.renamed import renamed
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.core.stats.verdict import holds
from nnhp_torch.report.columns import columns, head
from nnhp_torch.report.csv import history_table, results_table
from nnhp_torch.report.figure.drawing import plain_text
from nnhp_torch.report.page.html.markup import tag
from nnhp_torch.report.page.tables import table_of
from nnhp_torch.report.terminal.console import Terminal
from nnhp_torch.report.terminal.table import table as in_text
from nnhp_torch.run.checkpoint_tidying import winner_checkpoint, winning_trial
from nnhp_torch.run.launch.request import Request
from nnhp_torch.run.launch.worker import end_if_imported

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VERDICT = ("estimate", "low", "high", "p", "chance")
WIDTH = 120  # letters of a table as text
OWN = ("callbacks", "launch", "chooser", "judge")  # objects that a command line cannot name


def run(sweep: SweepBase, requested: Mapping[str, Any]) -> Outcome:
    """Run a sweep or a search; see SweepBase.run."""
    end_if_imported()
    requested = renamed(requested)
    request = asked(kind(sweep), requested)
    words = ", ".join(f"{name}={value!r}" for name, value in requested.items() if name not in OWN)
    of = kind_of_run(sweep)(sweep, request, f"run({words})")
    of.again = ""  # what started this process runs no sweep
    outcome = of.perform()
    if (then := of.then()) is not None:
        outcome = then.perform()
    if not holds(outcome.verdicts, of.request.require):
        raise SweepError(f"require={of.request.require!r}: no cell is known to be")
    return outcome


def asked(of: type[Request], requested: Mapping[str, Any]) -> Request:
    """Return the request that Python's arguments make."""
    known = [field.name for field in fields(of)]
    if unknown := next((name for name in requested if name not in known), None):
        raise TypeError(f"run() has no argument {unknown!r}; there are {', '.join(known)}")
    return of(**requested)


def table(outcome: Outcome) -> Table:
    """Return the table that a sweep ends with."""
    summary = outcome.summary
    out = Terminal(io.StringIO(), width=WIDTH)
    out.print(in_text(summary, summary.cells, width=WIDTH))
    shown = Table(out.file.getvalue().rstrip())  # type: ignore[attr-defined]
    shown.columns = {head(name, outcome.sweep): texts for name, texts in columns(summary, summary.cells).items()}
    return shown


def figure(outcome: Outcome) -> Figure:
    """Return the picture of all cells."""
    from nnhp_torch.report.figure import whole

    with plain_text():
        return whole.draw(outcome.summary)


def frame(outcome: Outcome, history: bool) -> Any:
    """Return a row per trial, or per trial and epoch."""
    try:
        import pandas
    except ImportError:
        raise ImportError("frame() needs pandas: pip install pandas; results.csv has the same rows") from None
    head, rows = (history_table if history else results_table)(outcome.summary)
    if not history:  # what is said of its cell stands beside each trial
        of_cell = {distinct(row.cell): row for row in outcome.verdicts}
        said = [of_cell[distinct(result.cell)] for result in outcome.summary.shown]
        head = [*head, "verdict", *(f"verdict_{name}" for name in VERDICT)]
        rows = [
            (*row, of.verdict, *(getattr(of, name) for name in VERDICT)) for row, of in zip(rows, said, strict=True)
        ]
    written = io.StringIO()
    csv.writer(written).writerows([head, *rows])
    written.seek(0)
    # By way of the text, so that pandas finds the columns' types; an axis value "none" is no missing one.
    return pandas.read_csv(written, keep_default_na=False, na_values=["", "nan"])


def best(outcome: Outcome) -> Best:
    """Return the leading cell's best trial."""
    trial = winning_trial(outcome)
    if trial is None:
        raise LookupError("no cell has completed with all its seeds, so that none is the best")
    return Best(trial, outcome.results[trial.key], outcome.sweep.build, winner_checkpoint(outcome, outcome.folder))


@dataclass(frozen=True)
class Best:
    """The winning cell's best trial.

    Args:
        trial: which one; result: what it reached.
        build: what makes its module.
        checkpoint: its weights; None if they were not kept.

    Example:
        >>> outcome.best.trial.label, outcome.best.result.final("val_accuracy")
        ('lr=0.01', 0.97)
    """

    trial: Trial
    result: TrialResult
    build: str | Callable[[Any], Any]
    checkpoint: Path | None

    def __repr__(self) -> str:
        return f"Best({self.trial.label}, seed={self.trial.config.seed}, checkpoint={self.checkpoint})"

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting, by name."""
        return {**self.result.config, **self.trial.cell}  # a project leaves out what its code has as default

    def load(self) -> Any:
        """Return the winner's LightningModule with its final weights, in evaluation mode.

        Raises:
            FileNotFoundError: its checkpoint was not kept, or is gone.

        Example:
            >>> model = outcome.best.load()
            >>> logits = model(images)
        """
        from nnhp_torch.run.weights import load

        if self.checkpoint is None or not self.checkpoint.exists():
            raise FileNotFoundError(f"the weights of {self.trial.name} are not there: {self.checkpoint or 'not kept'}")
        return load(self.build, self.trial.config, self.checkpoint)

    def save_config(self, path: str | Path) -> None:
        """Write its settings as YAML, to run it again.

        A project with a LightningCLI takes the file as `fit --config`; a sweep's own command line, as `--config`: this
        cell alone.

        Example:
            >>> outcome.best.save_config("winner.yaml")  # then: python train.py fit --config winner.yaml
        """
        config = self.trial.config
        text = config.cli_config() if isinstance(config, CliConfig) else self._options()
        write(Path(path), text)

    def _options(self) -> str:
        import yaml

        settings = self.settings
        swept = {name: [settings.pop(name)] for name in self.trial.cell}
        seed = settings.pop("seed")
        flags = {name: settings.pop(name) for name in own_flags(type(self.trial.config)) if name in settings}
        of_sweep = {"seeds": [seed], **flags, "grid": swept, "base": settings}
        text: str = yaml.safe_dump(of_sweep, sort_keys=False, allow_unicode=True)
        return text


class Table(str):
    """A table as text, which Jupyter shows as one."""

    columns: Mapping[str, Sequence[str]]
    __repr__ = str.__str__

    def _repr_html_(self) -> str:
        fields = ([tag("td", text) for text in row] for row in zip(*self.columns.values(), strict=True))
        return table_of([tag("th", name) for name in self.columns], [tag("tr", *row) for row in fields])
