"""The sweep while it runs: a SweepCallback that draws one progress bar, or prints plain lines."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.names import label
from nnhp_torch.core.spec.objective import logged_name
from nnhp_torch.core.spec.trial import Trial, defaults
from nnhp_torch.report.style import BLUE, TERMINAL
from nnhp_torch.report.terminal import NOTEBOOK, Terminal, in_notebook

PAUSE = 0.5  # seconds between two pictures in a notebook of a sweep whose epochs are shorter

# Words beside the colours, so that nothing depends on seeing them.
MARKS = {
    "completed": ("✓", TERMINAL["good"]),
    "pruned": ("–", TERMINAL["early"]),
    "diverged": ("!", TERMINAL["warning"]),
    "failed": ("✗", TERMINAL["bad"]),
    "interrupted": ("‖", TERMINAL["warning"]),
}


class ProgressReport(SweepCallback):
    """One bar for the whole sweep and a line per running trial, in a terminal or a notebook; else plain lines.

    As a context it shows that a sweep is starting, and takes the picture away if it could not.

    Args:
        out: where to print.
        first: a line before all others, once a trial can start.
    """

    def __init__(self, out: Console, first: str = "") -> None:
        self.out = out
        self.first = first
        self.bar = Progress(
            BarColumn(bar_width=None, complete_style=BLUE, finished_style=BLUE),
            TextColumn("{task.fields[trials]}"),
            TextColumn("{task.fields[left]}"),
            console=out,
            expand=True,
        )
        self.running: dict[str, tuple[Trial, int, str]] = {}
        self.epochs: dict[str, int] = {}
        self.total = self.ended = 0  # trials
        self.start = time.monotonic()
        self.before = 0  # epochs that the time since `start` has not seen: the first one, and those of earlier runs
        self.task: TaskID | None = None
        self.live: Live | _NotebookLive | None = None
        self.waiting = ""  # what trials wait for elsewhere
        if in_notebook():
            self.live = _NotebookLive(self._render)
        elif out.is_terminal:
            self.live = Live(console=out, refresh_per_second=8, transient=True, get_renderable=self._render)

    def __enter__(self) -> None:
        if self.live:
            self.live.start()

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def on_sweep_start(self, outcome: Outcome) -> None:
        if self.first:
            self.out.print(self.first, markup=False, soft_wrap=True)
        missing = outcome.missing
        self.monitor = outcome.sweep.monitor
        seeds = {trial.config.seed for trial in outcome.trials}
        several = {**outcome.sweep.replicates, "seed": seeds}
        self.repeated = [name for name, values in several.items() if len(values) > 1]
        self.total, self.ended, self.up_to = outcome.left, 0, up_to(outcome)
        self.digits = len(str(self.total))
        if not self.total:
            return
        kept = len(outcome.trials) - len(missing)
        known = f", {kept} more are in the ledger already" if kept else ""
        self.out.print(
            Text.assemble((outcome.sweep.name, "bold"), f": {self.up_to}{count(self.total, 'trial')} to run{known}")
        )
        if self.live:
            epochs = sum(trial.config.max_epochs for trial in missing)
            epochs += outcome.unchosen * outcome.sweep.base.max_epochs
            self.task = self.bar.add_task(outcome.sweep.name, total=epochs, trials=self._trials(), left="")
            self.live.start()

    def on_trial_start(self, trial: Trial) -> None:
        self.running[trial.key] = (trial, 0, "starting")
        self._refresh()

    def on_epoch_end(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        value = metrics.get(logged_name(self.monitor, metrics))
        self.running[trial.key] = (trial, epoch, "" if value is None else f"{self.monitor}={value:.4f}")
        if value is None and not self.epochs:  # its name may be wrong, and only a trial's end would tell
            logged = ", ".join(sorted(metrics)) or "none"
            self.out.print(Text(f"No {self.monitor} in epoch {epoch}; logged were {logged}", style=TERMINAL["warning"]))
        if not self.epochs:  # what came before it is starting, which is no measure of the others
            self.start, self.before = time.monotonic(), 1
        if trial.key not in self.epochs:
            self.before += epoch - 1
        self._advance(trial, epoch)

    def on_wait(self, words: str) -> None:
        if not self.live and re.sub(r"\d+", "", words) != re.sub(r"\d+", "", self.waiting):
            self.out.print(Text(words, style="dim"))  # as lines, only if there is another reason
        self.waiting = words
        self._refresh()

    def on_trial_end(self, trial: Trial, result: TrialResult) -> None:
        self.running.pop(trial.key, None)
        self.ended += 1
        self._advance(trial, trial.config.max_epochs)
        mark, colour = MARKS[result.status]
        line = Text(f"{mark} ", style=colour)
        line.append(f"{self.ended:>{self.digits}}/{self.up_to}{self.total}  ", style="dim")
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
        self.__exit__()

    def _refresh(self) -> None:
        """Shows what has happened where nothing else asks for it eight times a second."""
        if isinstance(self.live, _NotebookLive):
            self.live.refresh()

    def _title(self, trial: Trial) -> str:
        """Its cell, and which of the cell's trials it is, if there are several."""
        which = {name: getattr(trial.config, name) for name in self.repeated}
        return ", ".join(filter(None, [trial.label, label(which, defaults(trial.config))]))

    def _advance(self, trial: Trial, epoch: int) -> None:
        self.epochs[trial.key] = epoch
        if self.task is not None:
            done = sum(self.epochs.values())
            total = self.bar.tasks[self.task].total or done
            seconds = time.monotonic() - self.start
            left = remaining(seconds, done - self.before, total - self.before)
            self.bar.update(self.task, completed=done, trials=self._trials(), left=left and self.up_to + left)
            self._refresh()

    def _trials(self) -> str:
        return f"{self.ended}/{self.up_to}{self.total} trials"

    def _render(self) -> Group:
        lines = [
            Text(f"  epoch {epoch}/{trial.config.max_epochs}  {state}  {self._title(trial)}", style="dim")
            for trial, epoch, state in self.running.values()
        ]
        if self.waiting:
            lines.append(Text(f"  {self.waiting}", style="dim"))
        elif not self.running and not self.ended:
            lines = [Text("  starting: the first trial begins in a few seconds", style="dim")]
        return Group(self.bar, *lines)


def remaining(seconds: float, done: int, total: float) -> str:
    """About how long the epochs that are left take, if they take what those took that are done.

    >>> remaining(60, 20, 80), remaining(60, 0, 80)
    ('about 3 min 00 s left', '')
    """
    return f"about {duration(seconds / done * (total - done))} left" if 0 < done < total else ""


def duration(seconds: float) -> str:
    """Seconds as people say them: `48 s`, `7 min 41 s`, `3 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def up_to(outcome: Outcome) -> str:
    """The words before the number of trials that are left, if a race may end before."""
    return "up to " if outcome.unchosen and outcome.sweep.max_seeds is not None else ""


def count(number: int, noun: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class _NotebookLive:
    """Stands in a notebook for what rich's Live is in a terminal, without widgets that a reader may lack.

    Args:
        get_renderable: what to show now.
    """

    def __init__(self, get_renderable: Callable[[], RenderableType]) -> None:
        self.get_renderable = get_renderable
        self._shown = -PAUSE
        self._display: Any = None

    def start(self) -> None:
        from IPython.display import display

        if self._display is not None:
            return
        self._display = display({"text/plain": ""}, raw=True, display_id=True)
        self.refresh()

    def refresh(self) -> None:
        """Shows how it stands, unless it has done so just now."""
        if self._display is not None and time.monotonic() - self._shown >= PAUSE:
            self._shown = time.monotonic()
            out = io.StringIO()
            Terminal(out, width=NOTEBOOK).print(self.get_renderable())
            self._show(out.getvalue())

    def stop(self) -> None:
        """Takes away what has ended."""
        if self._display is not None:
            self._show("")
            self._display = None

    def _show(self, text: str) -> None:
        self._display.update({"text/plain": text}, raw=True)
