"""`python -m nnhp_torch`: a sweep over somebody's project, the pages of ledgers, or one trial by hand."""

import sys


def main() -> None:
    """Hands over to the command; only what that needs is imported."""
    command, rest = sys.argv[1:2], sys.argv[2:]
    if command == ["sweep"]:
        from nnhp_torch.project.command import main as sweep

        sweep(rest)
    if command == ["report"]:
        from nnhp_torch.cli.report import main as report

        raise SystemExit(report(rest))
    from nnhp_torch.by_hand import main as by_hand

    by_hand()


if __name__ == "__main__":
    main()
