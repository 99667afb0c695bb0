"""The command line of whatever a script declares: a Sweep or a Search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from nnhp_torch.cli.arguments.options import add_sweep_options, changed, read
from nnhp_torch.cli.arguments.parser import Parser
from nnhp_torch.cli.command.check import check
from nnhp_torch.cli.command.sweep import Command
from nnhp_torch.core.interfaces import Judge, MakeChooser, MakeLaunch, SweepCallback
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.report.commands import command_line
from nnhp_torch.report.terminal.console import open_standard_streams
from nnhp_torch.run.launch.worker import end_if_imported


def main(
    sweep: SweepBase,
    *,
    callbacks: Iterable[SweepCallback] = (),
    launch: MakeLaunch | None = None,
    chooser: MakeChooser | None = None,
    judge: Judge | None = None,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Run a sweep or a search from the command line and leave with its exit status.

    That is 0, or 1 if a trial failed, 2 for wrong usage, 3 for stale results, 4 if no cell is what `--require`
    asks for, 130 after Ctrl-C, 143 after SIGTERM.

    Args:
        sweep: the Sweep or the Search to run; `--grid.*`, `--base.*` and the flags change a copy of it.
        callbacks: your own, told of each trial and epoch after those that draw the table and the figure; a reason
            from `on_epoch_end` ends the trial there, as `pruned`.
        launch: where the trials run, if neither here nor on Ray or SLURM: makes a Launch of build and Runtime.
        chooser: which cells are tried, if not those of the grid, nor Optuna's: makes a Chooser of the sweep.
        judge: what may be said of the cells, if not by AgainstBest or, of a baseline, AgainstBaseline.
        argv: default: the process's own arguments.

    Raises:
        SystemExit: always.

    Example:
        >>> class Patience(SweepCallback):
        ...     def on_epoch_end(self, trial, epoch, metrics):
        ...         if epoch == 3 and metrics["val_accuracy"] < 0.5:
        ...             return "no better than a coin after epoch 3"
        >>> if __name__ == "__main__":
        ...     main(SWEEP, callbacks=[Patience()])
    """
    end_if_imported()
    open_standard_streams()
    command = command_line()
    parser = Parser(prog=command, usage=f"{command} [--option value …]", description=sweep.about)
    add_sweep_options(parser, sweep)
    args = parser.parse_args(argv)
    try:
        sweep = changed(sweep, args)
        if args.check:
            raise SystemExit(check(kind_of_run(sweep), sweep, read(sweep, args), command=command))
        own = {"callbacks": [*callbacks], "launch": launch, "chooser": chooser, "judge": judge}
        run = kind_of_run(sweep)(sweep, read(sweep, args, **own), command)
    except ValueError as error:
        parser.error(str(error))
    raise SystemExit(run.list_trials() if args.dry_run else run.execute())


def kind_of_run(sweep: SweepBase) -> Callable[..., Command]:
    """Import what runs a sweep, or a search, which needs NumPy."""
    if not sweep.sampled:
        return Command
    from nnhp_torch.cli.command.search import SearchCommand

    return SearchCommand
