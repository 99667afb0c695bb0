"""Prints how large the house is: `python tests/count_house.py` (of another tree: its folder behind it).

Lines by what they are, files and their median, and of each large wing its rooms, the floors on which these stand, the
arrows between them, and which import each other in a circle, so that they share a floor. A room is a folder of the
wing, or a file right in it; an import within a function is an arrow as well, one for type checkers alone is none.
"""

from __future__ import annotations

import ast
import sys
import tokenize
from collections import Counter
from pathlib import Path
from statistics import median

PACKAGES = ("nnhp_torch", "sweeps")
WINGS = ("core", "run", "report")


def kinds(path: Path) -> Counter[str]:
    """Count the lines of a file by what they are; a line of code with a comment behind it is code."""
    text = path.read_text()
    lines = text.splitlines()
    found = dict.fromkeys(range(1, len(lines) + 1), "code")
    found.update((number, "blank") for number, line in enumerate(lines, 1) if not line.strip())
    with open(path, "rb") as file:
        comments = [token.start for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]
    found.update((row, "comments") for row, column in comments if not lines[row - 1][:column].strip())
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(dict.fromkeys(range(node.lineno, (node.end_lineno or 0) + 1), "imports"))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and (
            ast.get_docstring(node) is not None
        ):
            first = node.body[0]
            found.update(dict.fromkeys(range(first.lineno, (first.end_lineno or 0) + 1), "docstrings"))
    return Counter(found.values())


def rooms(wing: Path) -> dict[str, set[str]]:
    """Room → the other rooms of its wing that it imports."""
    needs: dict[str, set[str]] = {}
    prefix = f"nnhp_torch.{wing.name}."
    for path in wing.rglob("*.py"):
        room = path.relative_to(wing).parts[0].removesuffix(".py")
        if path == wing / "__init__.py":
            continue
        of = needs.setdefault(room, set())
        tree = ast.parse(path.read_text())
        for block in [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node)]:
            tree.body.remove(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and f"{node.module}.".startswith(prefix):
                inside = node.module.removeprefix(prefix[:-1]).strip(".")
                names = [inside] if inside else [alias.name for alias in node.names]
                of.update(name.split(".")[0] for name in names)
    return {room: of - {room} for room, of in needs.items()}


def floors(needs: dict[str, set[str]]) -> tuple[int, list[str]]:
    """Return how many floors the rooms need, each above all that it imports, and the rooms that are in circles."""
    reached = {room: set(of) for room, of in needs.items()}
    for _ in needs:
        reached = {room: of.union(*(reached[other] for other in of)) for room, of in reached.items()}
    circle = {room: {other for other in of if room in reached[other]} for room, of in reached.items()}
    left, count = {room: of - circle[room] for room, of in reached.items()}, 0
    while left:
        left = {room: of for room, of in left.items() if of & left.keys()}
        count += 1
    return count, sorted(room for room in needs if circle[room])


def main(root: Path) -> None:
    files = [path for package in PACKAGES for path in (root / package).rglob("*.py")]
    sizes = [len(path.read_text().splitlines()) for path in files]
    total = sum((kinds(path) for path in files), Counter())
    print(f"{sum(sizes)} lines: " + ", ".join(f"{count} {kind}" for kind, count in total.most_common()))
    print(f"{len(files)} files, median {median(sizes):g}, {sum(size > 250 for size in sizes)} above 250 lines")
    for name in WINGS:
        needs = rooms(root / "nnhp_torch" / name)
        count, circle = floors(needs)
        round_about = f", in a circle: {', '.join(circle)}" if circle else ""
        print(f"{name}: {len(needs)} rooms, {count} floors, {sum(map(len, needs.values()))} arrows{round_about}")
    tests = list((root / "tests").rglob("*.py"))
    print(f"tests: {sum(len(path.read_text().splitlines()) for path in tests)} lines in {len(tests)} files")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent)
