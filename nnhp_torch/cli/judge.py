"""`python -m nnhp_torch judge results.csv`: table, page and verdicts of runs that were made elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nnhp_torch.cli.command import unmet
from nnhp_torch.cli.options import add_field, add_list
from nnhp_torch.cli.parser import Parser
from nnhp_torch.cli.report import LEDGER
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.recorded.exports import rows_of
from nnhp_torch.core.recorded.from_table import judged
from nnhp_torch.core.spec.names import label
from nnhp_torch.core.spec.objective import Mode
from nnhp_torch.report.csv import CsvReport
from nnhp_torch.report.figure.callback import FigureReport
from nnhp_torch.report.page.callback import NAME, PageReport
from nnhp_torch.report.page.document import known_of
from nnhp_torch.report.table import TableReport, console
from nnhp_torch.report.terminal import open_standard_streams
from nnhp_torch.report.verdicts_json import VerdictsJson
from nnhp_torch.run.launch import question
from nnhp_torch.run.launch.request import Request

PROG = "python -m nnhp_torch judge"
ABOUT = """Says which settings are better, of runs that were made elsewhere.

A CSV has a row a run, or a row for each step of it, as W&B, MLflow, TensorBoard or anybody writes it."""


def judge(
    frame: Any,
    cell: str | Sequence[str],
    value: str,
    *,
    seed: str | None = "seed",
    step: str | None = None,
    mode: Mode | None = None,
    smallest_effect: float | None = None,
    baseline: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
) -> Outcome:
    """Say which settings are better, of runs that were made elsewhere; the Outcome is a sweep's.

    Args:
        frame: a data frame, a list of mappings, or a CSV's path: a row a run, or a row each of its steps.
        cell: the columns whose values are compared.
        value: the column that ranks them; names that W&B, MLflow and TensorBoard put a prefix before are found.
        seed: the column that tells a cell's runs apart and pairs them with the other cells'; None: they have no pairs.
        step: the column that orders a run's rows; default: `step`, `_step`, `epoch` or `global_step`, if there is one.
        mode: `"max"` or `"min"`; default: what the value's name tells.
        smallest_effect: the smallest difference that matters; default: 0.001 of an accuracy.
        baseline: the cell that all others are held against, `{"lr": 0.01}`; default: the best.
        folder: where page, figure, CSV and verdicts.json go; default: nothing is written.

    Raises:
        ValueError: a column is missing or holds no numbers; a run is missing, doubled, or the only one of its cell; or
            the folder holds something else.

    Example:
        >>> rows = [{"lr": lr, "seed": s, "val_acc": lr + s / 100} for lr in (0.1, 0.9) for s in range(5)]
        >>> [row.verdict for row in judge(rows, "lr", "val_acc").verdicts]
        ['worse', 'best']
    """
    asked = Request(smallest_effect=smallest_effect, baseline=dict(baseline) if baseline else None)
    columns = {"value": value, "seed": seed, "step": step, "mode": mode}
    return _judge(frame, [cell] if isinstance(cell, str) else list(cell), asked, folder=folder, **columns)


def _judge(frame: Any, cell: Sequence[str], asked: Request, *, folder: str | Path | None, **columns: Any) -> Outcome:
    outcome = judged(rows_of(frame), cell, name=Path(folder).name if folder else "judged", **columns)
    sweep, seeds = outcome.sweep, sorted({trial.config.seed for trial in outcome.trials})
    axes, given = set(sweep.axes), set(asked.baseline or sweep.axes)
    if given < axes:
        raise ValueError(f"baseline needs a value of {min(axes - given)} too")
    sweep = question.judged(sweep, dataclasses.replace(asked, seeds=seeds))
    if sweep.baseline is not None and sweep.baseline not in (cells := [trial.cell for trial in outcome.trials]):
        raise ValueError(f"baseline: no run has {label(sweep.baseline)}; the first has {label(cells[0])}")
    outcome = dataclasses.replace(outcome, sweep=sweep, folder=Path(folder or ""))
    if folder is not None:
        _make(outcome.folder)
        for report in (CsvReport, VerdictsJson, FigureReport, PageReport):
            report(outcome.folder).on_sweep_end(outcome)
    return outcome


def _make(folder: Path) -> None:
    """Make the folder; refuse one in which something else lies."""
    page = folder / NAME
    ours = page.is_file() and known_of(page.read_text(encoding="utf-8", errors="replace"))
    if (folder / LEDGER).exists() or (folder.exists() and not ours and any(folder.iterdir())):
        raise ValueError(f"{folder} holds something else: another --name, or --log_dir?")
    folder.mkdir(parents=True, exist_ok=True)


class _Table(TableReport):
    """The table of runs that nobody here has trained."""

    def _say_nothing_ran(self, outcome: Outcome) -> None:
        """There was nothing to run."""

    def _say_where(self, outcome: Outcome) -> None:
        for name in (NAME, "figure.png", "verdicts.json"):
            if (path := self.store.folder / name).exists():
                self.out.print(f"{path.stem.capitalize():<9}{path}", soft_wrap=True, markup=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Judge the runs in some files; return the exit status."""
    open_standard_streams()
    parser = Parser(prog=PROG, description=ABOUT)
    add = parser.add_argument
    add("files", type=str, nargs="+", help="CSV files; several, such as TensorBoard's, make one table")
    add_list(parser, "--cell", str, default=[], help="columns whose values are compared: lr,width")
    add("--value", type=str, required=True, help="the column that ranks them: val_acc")
    pairs = "what tells a cell's runs apart and pairs them with other cells'; none: they have no pairs"
    add("--seed", type=str, default="seed", help=pairs)
    add("--step", type=str | None, default=None, help="what orders the rows of a run; step or epoch, if there is one")
    add("--mode", type=Literal["max", "min"] | None, default=None, help="which is better; by its name")
    for name in ("baseline", "require", "smallest_effect", "log_dir"):
        add_field(parser, name)
    add("--name", type=str | None, default=None, help="what the folder is called; as the first file")
    args = parser.parse_args(argv)
    paths = [*map(Path, args.files)]
    folder = Path(args.log_dir) / (args.name or paths[0].stem)
    columns = {"value": args.value, "seed": None if args.seed == "none" else args.seed}
    columns |= {"step": args.step, "mode": args.mode}
    with parser.refusing():
        asked = Request(**{name: args[name] for name in ("baseline", "require", "smallest_effect")})
        if any(path.resolve().parent == folder.resolve() for path in paths):
            raise ValueError(f"{folder} would hold what is read from there: give another --name")
        cell = [name for given in args.cell for name in given.split(",")]
        outcome = _judge(paths, cell, asked, folder=folder, **columns)
    _Table(console(), ResultStore(folder), PROG).on_sweep_end(outcome)
    return unmet(console(), outcome, args.require)
