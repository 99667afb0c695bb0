"""`python -m nnhp_torch`: a sweep over somebody's project, the pages of ledgers, or one trial by hand."""

import sys
from importlib import import_module

from nnhp_torch.checks import nearest
from nnhp_torch.cli import exit_status

PROG = "python -m nnhp_torch"

COMMANDS = {
    "fit": "Trains one network, on MNIST or on a data module of yours, and keeps its weights.",
    "validate": "Scores saved weights on the validation images.",
    "test": "Scores saved weights on the test images.",
    "predict": "Lets saved weights read images, your own drawings of digits among them.",
    "sweep": "Tries settings of a project of yours, a LightningCLI or plain classes; none of its files is changed.",
    "judge": "Says which settings are better, of runs that were made elsewhere: a CSV of W&B, MLflow, anybody.",
    "report": "Makes the pages of sweeps that were run before, from their folders alone.",
}

# Where a command is at home that is none of LightningCLI's.
HOMES = {"sweep": "nnhp_torch.project.command", "judge": "nnhp_torch.cli.judge", "report": "nnhp_torch.cli.report"}

OVERVIEW = f"""usage: {PROG} COMMAND [--option value …]

{"".join(f"  {name:<10}{about}{chr(10)}" for name, about in COMMANDS.items())}
`{PROG} COMMAND --help` lists the options of a command. The sweeps over the hyperparameters of the
article have commands of their own, such as `python -m sweeps.batch_size`; `python -m sweeps` runs them all."""


def main() -> None:
    """Hands over to the command; only what that needs is imported."""
    command, rest = next(iter(sys.argv[1:]), ""), sys.argv[2:]
    if command in ("", "-h", "--help"):
        print(OVERVIEW, file=sys.stdout if command else sys.stderr)
        raise SystemExit(exit_status.DONE if command else exit_status.WRONG_USAGE)
    try:
        _run(command, rest)
    except KeyboardInterrupt:  # as in a project's imports; from when a sweep runs on, that hears of it
        print(f"{PROG}: interrupted", file=sys.stderr)
        raise SystemExit(exit_status.stopped()) from None


def _run(command: str, rest: list[str]) -> None:
    if command in HOMES:
        raise SystemExit(import_module(HOMES[command]).main(rest))
    if command not in COMMANDS and not command.startswith("-"):
        near = nearest(command, COMMANDS)
        hint = f": did you mean {near}?" if near else f"; there are {', '.join(COMMANDS)}"
        print(f"{PROG}: there is no command {command!r}{hint} (--help says what they do)", file=sys.stderr)
        raise SystemExit(exit_status.WRONG_USAGE)
    from nnhp_torch.by_hand import main as by_hand

    by_hand(PROG, COMMANDS)


if __name__ == "__main__":
    main()
