"""The sweep while it runs: a SweepCallback that draws its bars by rich, or prints plain lines."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.names import label
from nnhp_torch.core.spec.objective import logged_name
from nnhp_torch.core.spec.trial import Trial, defaults
from nnhp_torch.report.plotting.style import BLUE, TERMINAL
from nnhp_torch.report.terminal.console import NOTEBOOK, Terminal, in_notebook
from nnhp_torch.report.words.phrases import count, up_to

PAUSE = 0.5  # seconds between two pictures in a notebook, if epochs are shorter

# Words beside the colours, so that nothing depends on seeing them.
MARKS = {
    "completed": ("✓", TERMINAL["good"]),
    "pruned": ("–", TERMINAL["early"]),
    "diverged": ("!", TERMINAL["warning"]),
    "failed": ("✗", TERMINAL["bad"]),
    "interrupted": ("‖", TERMINAL["warning"]),
}


class ProgressReport(SweepCallback):
    """A bar for the whole sweep and one for each running trial, in a terminal or a notebook; else plain lines.

    As a context it shows that a sweep is starting, and takes the picture away if it could not.

    Args:
        out: where to print.
        first: a line before all others, once a trial can start.
    """

    def __init__(self, out: Console, first: str = "") -> None:
        self.out = out
        self.first = first
        self.bars = (_InNotebook if in_notebook() else Progress)(
            BarColumn(complete_style=BLUE, finished_style=BLUE),
            TextColumn("{task.description}", markup=False),
            TimeRemainingColumn(),
            console=out,
            transient=True,
            speed_estimate_period=3600,  # seconds, long enough for some epochs
            disable=not (out.is_terminal or in_notebook()),
        )
        if isinstance(out, Terminal):
            # rich draws the bars in a thread of its own, which holds this; a line that is printed meanwhile would go by
            # how many bars there were, and take the line above along.
            out.turn = self.bars.live._lock
        self.sweep = self.bars.add_task("starting: the first trial begins in a few seconds", total=None)
        self.running: dict[str, TaskID] = {}
        self.epochs: dict[str, int] = {}
        self.total = self.ended = 0  # trials
        self.up_to = ""  # before their number, if it may be less
        self.waiting = ""  # what trials wait for elsewhere

    def __enter__(self) -> None:
        self.bars.start()

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def on_sweep_start(self, outcome: Outcome) -> None:
        if self.first:
            self.out.print(self.first, markup=False, soft_wrap=True)
        missing = outcome.missing
        self.monitor = outcome.sweep.monitor
        seeds = {trial.config.seed for trial in outcome.trials}
        several = {**outcome.sweep.replicates, "seed": seeds}
        self.repeated = [name for name, values in several.items() if len(values) > 1]
        self.total, self.ended, self.up_to = outcome.left, 0, up_to(outcome)
        self.digits = len(self._far(self.total))
        if not self.total:
            return
        kept = len(outcome.trials) - len(missing)
        known = f", {kept} more are in the ledger already" if kept else ""
        self.out.print(
            Text.assemble((outcome.sweep.name, "bold"), f": {self.up_to}{count(self.total, 'trial')} to run{known}")
        )
        epochs = sum(trial.config.max_epochs for trial in missing)
        self._show(total=epochs + outcome.unchosen * outcome.sweep.base.max_epochs)
        self.bars.start()

    def on_trial_start(self, trial: Trial) -> None:
        if trial.key not in self.running:  # as one is that goes on in another job
            self.running[trial.key] = self.bars.add_task(
                f"{self._title(trial)}  starting", total=trial.config.max_epochs
            )
        self._show()

    def on_epoch_end(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        value = metrics.get(logged_name(self.monitor, metrics))
        if value is None and not self.epochs:  # its name may be wrong, and only a trial's end would tell
            logged = ", ".join(sorted(metrics)) or "none"
            self.out.print(Text(f"No {self.monitor} in epoch {epoch}; logged were {logged}", style=TERMINAL["warning"]))
        reached = "" if value is None else f"  {self.monitor}={value:.4f}"
        said = f"{self._title(trial)}  epoch {epoch}/{trial.config.max_epochs}{reached}"
        if trial.key in self.running:
            self.bars.update(self.running[trial.key], completed=epoch, description=said)
        self.epochs[trial.key] = epoch
        self._show()

    def on_wait(self, words: str) -> None:
        if self.bars.disable and re.sub(r"\d+", "", words) != re.sub(r"\d+", "", self.waiting):
            self.out.print(Text(words, style="dim"))  # as lines, only if there is another reason
        self.waiting = words
        self._show()

    def on_trial_end(self, trial: Trial, result: TrialResult) -> None:
        if trial.key in self.running:
            self.bars.remove_task(self.running.pop(trial.key))
        self.ended += 1
        self.epochs[trial.key] = trial.config.max_epochs
        self._show()
        mark, colour = MARKS[result.status]
        line = Text(f"{mark} ", style=colour)
        line.append(f"{self._far():>{self.digits}}  ", style="dim")
        line.append(self._title(trial), style="bold" if result.status == "completed" else colour)
        if result.status == "completed":
            line.append(f"  {self.monitor}={result.final(self.monitor):.4f}")
            line.append(f"  {count(result.epochs, 'epoch')}, {result.seconds:.1f} s", style="dim")
        else:
            line.append(f"  {result.status}: {result.error}", style=colour)
        self.out.print(line)
        for note in result.notes:
            self.out.print(Text(f"  {note}", style=TERMINAL["warning"]))

    def on_sweep_end(self, outcome: Outcome) -> None:
        self.bars.stop()

    def _title(self, trial: Trial) -> str:
        """Its cell, and which of the cell's trials it is, if there are several."""
        which = {name: getattr(trial.config, name) for name in self.repeated}
        return ", ".join(filter(None, [trial.label, label(which, defaults(trial.config))]))

    def _far(self, ended: int | None = None) -> str:
        """How many have ended of how many, unless a chooser has named more than it said."""
        ended = self.ended if ended is None else ended
        return f"{ended}/{self.up_to}{self.total}" if ended <= self.total else f"{ended}"

    def _show(self, total: float | None = None) -> None:
        """Have the bar of the sweep say how far it is, and what it waits for."""
        far = f"{self._far()} trials" if self.total else ""  # none has begun while all wait
        said = "  ".join(filter(None, [far, self.waiting]))
        refresh = isinstance(self.bars, _InNotebook)  # in a terminal rich does that by itself
        self.bars.update(
            self.sweep, total=total, completed=sum(self.epochs.values()), description=said, refresh=refresh
        )


class _InNotebook(Progress):
    """Shows the bars in a notebook as text that changes, without widgets that a reader may lack."""

    shown = -PAUSE
    display: Any = None

    def start(self) -> None:
        from IPython.display import display

        if self.display is None:
            self.display = display({"text/plain": ""}, raw=True, display_id=True)
            self.refresh()

    def refresh(self) -> None:
        if self.display is not None and time.monotonic() - self.shown >= PAUSE:
            self.shown = time.monotonic()
            out = io.StringIO()
            Terminal(out, width=NOTEBOOK).print(self.get_renderable())
            self._display(out.getvalue())

    def stop(self) -> None:
        """Take away what has ended."""
        if self.display is not None:
            self._display("")
            self.display = None

    def _display(self, text: str) -> None:
        self.display.update({"text/plain": text}, raw=True)
