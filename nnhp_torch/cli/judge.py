"""`python -m nnhp_torch judge results.csv`: table, page and verdicts of runs that were made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from nnhp_torch import checks
from nnhp_torch.cli.arguments.options import add_field, add_list
from nnhp_torch.cli.arguments.parser import Parser
from nnhp_torch.cli.command.prepared import judged
from nnhp_torch.cli.command.sweep import status_of
from nnhp_torch.cli.report import LEDGER
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.recorded.from_table import judge
from nnhp_torch.report.csv import TablesReport
from nnhp_torch.report.figure.callback import FigureReport
from nnhp_torch.report.page.callback import NAME, PageReport
from nnhp_torch.report.page.html.document import known_of
from nnhp_torch.report.terminal.console import Terminal, open_standard_streams
from nnhp_torch.report.terminal.table import TableReport
from nnhp_torch.run.launch.request import Request

PROG = "python -m nnhp_torch judge"
ABOUT = """Says which settings are better, of runs that were made elsewhere.

A CSV has a row a run, or a row for each step of it, as W&B, MLflow, TensorBoard or anybody writes it."""


def write(outcome: Outcome, folder: Path) -> Outcome:
    """Write what reports write of judged runs into a folder, unless something else lies there; name them after it."""
    foreign = folder.exists() and not known_of(folder / NAME) and (folder.is_file() or any(folder.iterdir()))
    if foreign or (folder / LEDGER).exists():
        raise ValueError(f"{folder} holds something else: another --name, or --log_dir?")
    outcome = replace(outcome, folder=folder, sweep=replace(outcome.sweep, name=folder.name))
    folder.mkdir(parents=True, exist_ok=True)
    for report in (TablesReport, FigureReport, PageReport):
        report(folder).on_sweep_end(outcome)
    return outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Judge the runs in some files; return the exit status."""
    open_standard_streams()
    parser = Parser(prog=PROG, description=ABOUT)
    add = parser.add_argument
    add("files", type=str, nargs="+", help="CSV files; several, such as TensorBoard's, make one table")
    add_list(parser, "--cell", str, default=[], help="columns with the values to compare: lr,width")
    add("--value", type=str, required=True, help="the column that ranks them: val_acc")
    add("--seed", type=str, default="seed", help="what tells a cell's runs apart, and pairs them with others'; or none")
    add("--step", type=str | None, default=None, help="what orders the rows of a run; step or epoch, if there is one")
    add("--mode", type=Literal["max", "min"] | None, default=None, help="which is better; by its name")
    for name in ("baseline", "require", "smallest_effect", "log_dir"):
        add_field(parser, name)
    add("--name", type=str | None, default=None, help="what the folder is called; as the first file")
    args = parser.parse_args(argv)
    paths = [*map(Path, args.files)]
    folder = Path(args.log_dir) / (args.name or paths[0].stem)
    given = {name: args[name] for name in ("step", "mode", "smallest_effect", "baseline")}
    with parser.refusing():
        checks.file("--name becomes a folder", args.name or "judged")
        if any(path.resolve().parent == folder.resolve() for path in paths):
            raise ValueError(f"{folder} would hold what is read from there: give another --name")
        outcome = judge(paths, args.cell, args.value, seed=None if args.seed == "none" else args.seed, **given)
        request = Request(require=args.require, seeds=[*{t.config.seed for t in outcome.trials}], log_dir=args.log_dir)
        judged(outcome.sweep, request)
        outcome = write(outcome, folder)
    TableReport(Terminal(), ResultStore(folder), PROG).on_sweep_end(outcome)
    return status_of(Terminal(), outcome, request)
