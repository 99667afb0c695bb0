"""The one `main` for whatever a script declares: a Sweep, or a Search, which is one as well."""

from __future__ import annotations

from collections.abc import Sequence

from nnhp_torch.core.grid import Sweep
from nnhp_torch.search.space import Search


def main(sweep: Sweep, argv: Sequence[str] | None = None, then: str | None = None) -> None:
    """Runs a sweep or a search from the command line and leaves with its exit status.

    That is 0, or 1 if a trial failed, 2 for wrong usage, 130 after Ctrl-C, 143 after SIGTERM.

    Args:
        sweep: the Sweep or the Search to run.
        argv: default: the process's own arguments.
        then: command to suggest when all of a sweep is done.
    """
    if isinstance(sweep, Search):
        from nnhp_torch.cli import search as search_cli

        search_cli.main(sweep, argv)
    else:
        from nnhp_torch.cli import run as cli

        cli.main(sweep, argv, then)
