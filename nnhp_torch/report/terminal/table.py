"""The table of a sweep: its callback, its rows, the lines below it; and the same in Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.names import label, visible
from nnhp_torch.core.spec.status import WRONG
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.steadiness import jumping
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.columns import BEHIND, LESS, columns, head, short
from nnhp_torch.report.plotting.style import TERMINAL
from nnhp_torch.report.words.answer import answer
from nnhp_torch.report.words.headline import few_steps
from nnhp_torch.report.words.phrases import count, lead, of_jumps, sources, spent, up_to, why_undrawn
from nnhp_torch.run.checkpoint_tidying import winner_checkpoint, winning_trial
from nnhp_torch.run.runtime import Keep

MOST_ROWS = 24  # of a table; of more cells it has the
ENDS = 10  # best and as many of the worst


class TableReport(SweepCallback):
    """The table at the end, the winner, and where to look next.

    Args:
        out: where to print.
        store: the ledger, to name its folder.
        command: how this sweep is run, `python -m sweeps.batch_size`.
        keep: whose checkpoints are kept.
    """

    def __init__(self, out: Console, store: ResultStore, command: str, *, keep: Keep = "winner") -> None:
        self.out = out
        self.store = store
        self.command = command
        self.keep = keep

    def on_sweep_end(self, outcome: Outcome) -> None:
        if not outcome.results:
            return
        self.out.print()
        for remark in outcome.remarks:
            self.out.print(Text(remark, style=TERMINAL["warning"]))
        self.out.print(table(outcome.summary, self.shown(outcome.summary), width=self.out.width))
        if outcome.earlier:
            self.out.print(Text("earlier: of earlier calls, on the same base and with the same seeds", style="dim"))
        self._say_troubles(outcome)
        self._say_winner(outcome.summary)
        if not outcome.ran and not outcome.left and not outcome.sweep.elsewhere:
            self._say_nothing_ran(outcome)
        self._say_where(outcome)

    def shown(self, summary: Summary) -> list[Cell]:
        """The cells that the table shows."""
        return summary.cells

    def doubts(self, summary: Summary) -> str:
        """The caveat printed under the winner."""
        jumps = [of_jumps(jumps, summary.sweep.objective) for jumps in jumping(summary.cells, summary.sweep.objective)]
        return "\n".join(filter(None, [answer(summary), few_steps(summary), *jumps]))

    def _say_troubles(self, outcome: Outcome) -> None:
        for result in outcome.ordered:
            if result.status in WRONG:
                line = Text(f"{result.name} {result.status}:", style=TERMINAL["bad"])
                self.out.print(line.append(f" {result.error}", style="default"))
            for note in result.notes:
                self.out.print(Text(f"{result.name} {note}", style=TERMINAL["warning"]))
        if any("Traceback" in result.reason for result in outcome.ordered):
            log = self.store.log if self.store.log.exists() else self.store.path
            self.out.print(f"The tracebacks are in {log}", soft_wrap=True, markup=False)
        if outcome.unlogged:
            self.out.print(
                Text(f"The sweep stops here: {outcome.unlogged}. Give one of them as the sweep's monitor."),
                soft_wrap=True,
            )
        if outcome.interrupted:
            left = f" {up_to(outcome)}{count(outcome.left, 'trial')} left."
            again = " The same command goes on, each trial from a second before at most."
            self.out.print(Text.assemble(("Interrupted:", TERMINAL["warning"]), left, again))

    def _say_winner(self, summary: Summary) -> None:
        before, best, value = lead(summary)
        self.out.print(Text.assemble(before, (best, "bold"), value))
        if summary.leader is not None:
            for sentence in filter(None, (self.doubts(summary), summary.claim)):
                self.out.print(Text(sentence))
        if named := sources(summary):
            made = Table(*named, box=None, header_style="bold", pad_edge=False)
            for row in zip(*named.values(), strict=True):
                made.add_row(*row)
            self.out.print(made)
        if sentence := spent(summary):
            self.out.print(Text(sentence))

    def _say_nothing_ran(self, outcome: Outcome) -> None:
        made = outcome.ordered[-1]
        versions = ", ".join(
            f"{name} {made.versions[name]}" for name in ("torch", "lightning") if name in made.versions
        )
        where = f" on {made.hardware['device']}" if "device" in made.hardware else ""
        total = len(outcome.trials)
        known = (
            f"Nothing to run: {f'all {total} trials are' if total > 1 else 'the trial is'} in {self.store.path}, "
            f"made {made.started[:10]}{where} with {versions}. "
        )
        again = " runs them anew and keeps the old folder."
        self.out.print(Text.assemble(known, ("--fresh", "bold"), again))

    def _say_where(self, outcome: Outcome) -> None:
        folder = self.store.folder
        if outcome.read_only:
            line = f"{folder} cannot be written: results.csv and figures are left as they were"
            self.out.print(line, soft_wrap=True, markup=False)
        why = why_undrawn(outcome.summary)
        lines = {} if outcome.read_only else {"Page": str(folder / "report.html")}
        lines |= {"Figure": f"{why}; all is in {folder / 'results.csv'}" if why else str(folder / "figure.png")}
        path = winner_checkpoint(outcome, folder)
        if path is not None and path.exists():
            lines["Weights"] = str(path)
            until = "kept until another trial wins" if self.keep == "winner" else ""
            lines |= {"": "; ".join(said)} if (said := [*filter(None, (_whose(outcome), until))]) else {}
        if outcome.sweep.elsewhere:
            lines["Verdicts"] = str(folder / "verdicts.json")
        else:
            lines["Curves"] = f"tensorboard --logdir {shlex.quote(str(folder))}"
        for name, value in lines.items():
            self.out.print(f"{name:<9}{value}", soft_wrap=True, markup=False)
        if outcome.sweep.next_steps and not outcome.left:
            self.out.print(Text(outcome.sweep.next_steps))


def _whose(outcome: Outcome) -> str:
    """Name the trial that keeps its weights, if the winning cell has several."""
    trial = winning_trial(outcome)
    which = {"seed": trial.config.seed, **trial.replicate} if trial else {}
    several = len({t.config.seed for t in outcome.trials}) > 1 or bool(outcome.sweep.replicates)
    return f"of {label(which)}, the best of its cell" if several else ""


def table(summary: Summary, cells: Sequence[Cell], *, width: int = 120) -> Table:
    """A row for each of these cells: swept values, metrics of the final weights, the best epoch's, seconds per trial.

    Where the terminal is narrow, whole columns go, the least telling first; if what is left is still too wide, the
    swept values share a column that takes several lines. Of many cells there are the best and the worst, and between
    them the number of the others.
    """
    rows, left = cells, 0
    if len(cells) > MOST_ROWS:
        rows, left = [*summary.ranking[:ENDS], *summary.ranking[-ENDS:]], len(cells) - 2 * ENDS
    named = {head(name, summary.sweep): values for name, values in columns(summary, rows).items()}
    for dispensable in (*LESS[:2], short(summary.training), *LESS[2:], *BEHIND, short(summary.test)):
        if _width(named) > width:
            named.pop(dispensable, None)
    fold = _width(named) > width
    if fold:
        cells_of_rows = {"cell": [cell.label for cell in rows]}
        named = cells_of_rows | {name: values for name, values in named.items() if name not in summary.sweep.axes}
    made = Table(box=None, header_style="bold", pad_edge=False)
    for place, name in enumerate(named):
        folds = fold and place == 0
        made.add_column(name, justify="right" if name and not folds else "left", no_wrap=not folds, overflow="fold")
    for number, (cell, *row) in enumerate(zip(rows, *named.values(), strict=True)):
        if left and number == ENDS:
            made.add_row(*([""] * (len(named) - 1)), f"… {count(left, 'more cell')}", style="dim")
        made.add_row(*row, style="bold" if cell is summary.leader else "dim" if cell.earlier else "")
    return made


def _width(named: Mapping[str, Sequence[str]]) -> int:
    """How many letters a table of these columns is wide."""
    return sum(2 + max(map(len, (name, *values))) for name, values in named.items()) - 1


def in_markdown(summary: Summary) -> str:
    """Say in Markdown which cell leads and whether it is the best, then show the cells; of many the best ones."""
    few = len(summary.cells) <= MOST_ROWS
    rows = summary.cells if few else summary.ranking[:MOST_ROWS]
    named = columns(summary, rows)
    rest = [] if few else [f"The best {len(rows)} of {len(summary.cells)}; results.csv has all."]
    said = ["".join(lead(summary)), *answer(summary).splitlines(), *summary.claim.splitlines()]
    tables = [_in_markdown({head(name, summary.sweep): of for name, of in named.items()}), *rest]
    return "\n\n".join([*map(_plain, filter(None, said)), *tables, *filter(None, [_in_markdown(sources(summary))])])


def _in_markdown(named: Mapping[str, Sequence[str]]) -> str:
    """A table of these columns; empty if there are none."""
    rows = [named, ["---"] * len(named), *zip(*named.values(), strict=True)] if named else []
    return "\n".join(f"| {' | '.join(map(_plain, row))} |" for row in rows)


def _plain(text: str) -> str:
    """Text without anything that Markdown would take for a mark."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]|<>#" else letter for letter in visible(text))
