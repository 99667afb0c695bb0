"""One file per hyperparameter of the article; each runs as `python -m sweeps.<name>`."""

import sys
from collections.abc import Sequence
from pkgutil import iter_modules

from nnhp_torch.checks import nearest
from nnhp_torch.cli.exit_status import WRONG_USAGE


def unknown(name: str, names: Sequence[str]) -> str:
    """Say that there is no such sweep, which there are, and which of them may be meant."""
    near = nearest(name, names)
    hint = f"; did you mean {near}?" if near else "."
    return f"no sweep is called {name!r}{hint} There are {', '.join(names)}"


def _check_command() -> None:
    """Refuse `python -m sweeps.batchsize` with the nearest name, before Python says that there is no such module.

    While Python looks for the module of `-m`, the first argument is "-m" itself.
    """
    if sys.argv[:1] != ["-m"] or "-m" not in sys.orig_argv:
        return
    asked = sys.orig_argv[sys.orig_argv.index("-m") + 1]
    package, _, name = asked.partition(".")
    names = [found.name for found in iter_modules(__path__)]
    if package == __name__ and name not in ("", "__main__", *names):
        known = unknown(name, [name for name in names if not name.startswith("_")])
        print(f"python -m {asked}: {known}", file=sys.stderr)
        sys.exit(WRONG_USAGE)


_check_command()
