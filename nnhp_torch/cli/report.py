"""`python -m nnhp_torch report FOLDER…`: the pages of sweeps that were run before, from their ledgers alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from nnhp_torch.cli.arguments.parser import Parser
from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.recorded.from_ledger import recorded
from nnhp_torch.core.spec.objective import Mode
from nnhp_torch.report.page.callback import NAME, write, write_several
from nnhp_torch.report.page.html.document import known_of
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.terminal.console import Terminal, open_standard_streams

USUAL = "val_accuracy"
LEDGER = "results.jsonl"
OF_METRIC = ("monitor", "mode", "importances")  # what an earlier page knows of its own metric alone


def main(argv: Sequence[str] | None = None) -> int:
    """Make each folder's report.html anew, and of several folders one page over all; return the exit status."""
    open_standard_streams()
    about = "Makes each folder's report.html anew, and of several folders one page over all, from their ledgers alone."
    parser = Parser(prog="python -m nnhp_torch report", description=about)
    parser.add_argument("folders", type=str, nargs="+", help="folders of sweeps or searches, with their results.jsonl")
    parser.add_argument("--monitor", type=str | None, default=None, help=f"what ranks the cells; {USUAL} if unknown")
    parser.add_argument("--mode", type=Literal["max", "min"] | None, default=None, help="which is better; by its name")
    parser.add_argument("--out", type=str | None, default=None, help="where the page over several folders goes")
    args = parser.parse_args(argv)
    folders = [folder for given in args.folders for folder in _sweeps(Path(given))]
    if not folders:
        parser.error(f"there is no {LEDGER} in {', '.join(args.folders)}, nor in the folders right in it")
    if args.out is not None and len(folders) == 1:
        parser.error("--out is for the page over several folders, and there is one")
    with parser.refusing():
        parts = [_part(folder, args.monitor, args.mode) for folder in folders]
        paths = [folder / NAME for folder in folders]
        if len(parts) > 1:  # first, so that the others lead to it
            paths.append(Path(args.out or Path(os.path.commonpath([folder.parent for folder in folders])) / NAME))
            write_several(paths[-1], "All sweeps", parts, paths[:-1])
        for path, part in zip(paths, parts, strict=False):
            write(path, part)
    for path in paths:
        Terminal().print(path, soft_wrap=True, markup=False)
    return 0


def _sweeps(folder: Path) -> list[Path]:
    """Return the folder itself if it has a ledger, else those right in it that have one."""
    return [folder] if (folder / LEDGER).exists() else sorted(path.parent for path in folder.glob(f"*/{LEDGER}"))


def _part(folder: Path, monitor: str | None, mode: Mode | None) -> Part:
    """Return a folder's part, with what only its earlier page knows."""
    known = known_of(folder / NAME)
    if monitor is not None:
        known = {name: value for name, value in known.items() if name not in OF_METRIC}
    told = {name: value for name, value in known.items() if name not in (*OF_METRIC, "command")}
    try:
        outcome = recorded(folder, monitor or known.get("monitor", USUAL), mode or known.get("mode"), **told)
    except (LedgerError, ValueError):
        if not known:
            raise
        known = {}  # the page was changed by somebody, or is of another ledger
        outcome = recorded(folder, monitor or USUAL, mode)
    return Part(outcome, known.get("command", ""), known.get("importances", {}))
