"""The whole study: the article's seven sweeps in its order, then the hyperparameters that it only describes.

Each of the seven starts from what was chosen in those before it: the article's choices by default, the winners
measured here with --carry winner. The others start from where the chain ends. Every sweep keeps its own ledger, so that
the study goes on where it was stopped and shares what single sweeps have run.
"""

from __future__ import annotations

import dataclasses
import typing
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.text import Text

from nnhp_torch.article.config import TrialConfig
from nnhp_torch.cli.arguments.options import (
    add_environment,
    add_list,
    add_options,
    add_replicates,
    own_flags,
    read,
    replicates,
)
from nnhp_torch.cli.arguments.parser import Parser
from nnhp_torch.cli.command.check import check
from nnhp_torch.cli.command.drawing import Drawing, undrawn
from nnhp_torch.cli.command.prepared import judged
from nnhp_torch.cli.command.sweep import Command
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.report.commands import command_line, whole_command
from nnhp_torch.report.figure.callback import last_epoch, publish
from nnhp_torch.report.page.callback import NAME, write, write_several
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.terminal.console import Terminal, open_standard_streams
from nnhp_torch.run.launch.worker_processes import Pool
from sweeps import unknown
from sweeps._base import CHAIN, DATA, FINAL, OTHERS
from sweeps._study import overview, student

OF_THE_STUDY = ("--only", "--skip", "--carry")  # options that a single sweep has not


def study(args: Any, command: str, pool: Pool) -> int:
    """Run the sweeps that were asked for, then report on all of them; return the exit status."""
    out = Terminal()
    with Drawing() as drawing:
        try:
            status, findings = _each(args, out, pool, drawing=drawing)
            drawing.wait()
            if findings and status < 128:
                report(findings, Path(args.log_dir) / "study", out)
        except KeyboardInterrupt:
            drawing.give_up()
            return undrawn(out)
    return status


def _each(args: Any, out: Console, pool: Pool, *, drawing: Drawing) -> tuple[int, list[Part]]:
    """Run one after another; return the exit status so far, and what was found."""
    carried: dict[str, Any] = {}
    findings: list[Part] = []
    status = 0
    flags = {top: args[top] for top in own_flags(TrialConfig) if args[top] is not None}
    repeated = replicates(args)
    names = [name for name in (*CHAIN, *OTHERS) if (not args.only or name in args.only) and name not in args.skip]
    for name in names:
        _check(name, args, flags, repeated=repeated)
    for name in names:
        sweep = dataclasses.replace(load(name, carried, flags), replicates=repeated)
        out.rule(Text(name, style="bold"))
        if args.check:
            status = max(status, check(Command, sweep, read(sweep, args), command=f"python -m sweeps.{name}"))
            continue
        run = Command(sweep, read(sweep, args), f"python -m sweeps.{name}")
        run.again, run.pool, run.drawing = whole_command(run.command, OF_THE_STUDY), pool, drawing
        if args.dry_run:
            run.list_trials()
            continue
        code = run.execute()
        if code >= 128 or run.outcome is None:
            return code, []
        status = max(status, code)
        # Of what was asked for: what is carried on depends on the command alone.
        asked = dataclasses.replace(run.outcome, earlier=())
        found = Part(asked, run.again, choice=CHAIN.get(name), chooses="The article chose")
        findings.append(found)
        if args.carry == "winner" and name in CHAIN and found.summary.leader is not None:
            carried |= found.summary.leader.values
    return status, findings


def _check(name: str, args: Any, flags: dict[str, Any], *, repeated: dict[str, list[Any]]) -> None:
    """Refuse a sweep that the flags do not fit, before any other is run."""
    try:
        sweep = dataclasses.replace(load(name, {}, flags), replicates=repeated)
        judged(sweep, read(sweep, args)).trials()
    except ValueError as error:
        raise ValueError(f"{name}: {error}; --skip '[{name}]' leaves it out") from None


def load(name: str, carried: dict[str, Any], flags: dict[str, Any]) -> Sweep:
    """A sweep with what earlier winners and the command line change; where it departs from the base, it stays so."""
    sweep: Sweep = import_module(f"sweeps.{name}").SWEEP
    article = dataclasses.asdict(FINAL if name in OTHERS else sweep.base)
    changes = {key: value for key, value in carried.items() if getattr(sweep.base, key) == article[key]}
    return dataclasses.replace(sweep, base=dataclasses.replace(sweep.base, **changes, **flags), next_steps="")


def report(findings: list[Part], folder: Path, out: Any) -> None:
    """The study's table, CSV, page and figure (in TensorBoard too)."""
    folder.mkdir(parents=True, exist_ok=True)
    overview.write_csv(folder / "study.csv", findings)
    out.rule(Text("the study", style="bold"))
    out.print(overview.table(findings))
    pages = [folder.parent / part.sweep.name / NAME for part in findings]
    # The article's grid of dropout has no 0, and what dropout does is told by the network without it.
    whole = [overview.with_nought(part, findings) for part in findings]
    links = [f"{part.sweep.name}/{NAME}" for part in findings]
    student.write(folder.parent / "index.html", whole, links, Path())
    ways = {
        "Guess first: the same as a lesson →": folder.parent / "index.html",
        "All settings at once: the search →": folder.parent / "search" / NAME,
    }
    write_several(folder / NAME, "The study", whole, pages, ways)
    for part, page in zip(findings, pages, strict=True):  # once more: now there is a study to go back to
        write(page, part)
    step = max(last_epoch(part.outcome) for part in findings)
    publish(lambda: overview.draw(whole), folder / "overview.png", "study", run="figure", step=step)
    out.print(f"Page     {folder / NAME}", soft_wrap=True, markup=False)
    out.print(f"Lessons  {folder.parent / 'index.html'}", soft_wrap=True, markup=False)
    out.print(f"Figure   {folder / 'overview.png'}", soft_wrap=True, markup=False)
    one = folder.parent / findings[0].outcome.sweep.name  # of very many runs TensorBoard shows none at first
    out.print(f"Curves   tensorboard --logdir {one}, or another sweep's folder", soft_wrap=True, markup=False)


def main() -> None:
    open_standard_streams()
    command = command_line()
    parser = Parser(prog=command, usage=f"{command} [--option value …]", description=__doc__)
    hints = typing.get_type_hints(TrialConfig)
    settings = {
        field.name: (hints[field.name], None, field.metadata["help"]) for field in dataclasses.fields(TrialConfig)
    }
    group = parser.add_argument_group("the study")
    group.add_argument(
        "--carry", type=Literal["article", "winner"], default="article", help="what the next sweep starts from"
    )
    add_list(group, "--only", str, default=[], help="run these sweeps alone: --only dropout noise")
    add_list(group, "--skip", str, default=[], help="leave these sweeps out")
    add_options(parser, {name: (hints[name] | None, *settings[name][1:]) for name in own_flags(TrialConfig)})
    add_environment(parser, DATA)
    add_replicates(parser, settings, {})
    args = parser.parse_args()
    try:
        for name in (*args.only, *args.skip):
            if name not in (*CHAIN, *OTHERS):
                raise ValueError(unknown(name, (*CHAIN, *OTHERS)))
        with Pool() as pool:
            raise SystemExit(study(args, command, pool))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
