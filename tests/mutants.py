"""Change one operator, constant or condition of the source at a time, and see whether a test notices.

    python tests/mutants.py --count 100 --seed 0

Prints a line for each mutant, then how many the tests killed. A survivor is a gap in the tests, or a change on which no
behaviour depends: read it and decide.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[1]

# A file of nnhp_torch, and the tests that are to notice.
TESTS = {
    "core/chance": ["mnist/test_data", "test_callbacks"],
    "core/ledger/files": ["core/ledger/test_disk", "core/ledger/test_results"],
    "core/spec/grid": ["core/spec/test_grid", "core/test_sweeper"],
    "core/ledger/store": ["core/ledger/test_results", "core/test_sweeper", "core/ledger/test_disk"],
    "core/ledger/lock": ["core/ledger/test_results", "core/ledger/test_disk"],
    "core/outcome": ["core/test_sweeper"],
    "core/ledger/result": ["core/ledger/test_results", "core/test_sweeper"],
    "core/sweeper": ["core/test_sweeper"],
    "core/loop/run": ["core/test_sweeper"],
    "core/spec/trial": ["core/spec/test_grid", "core/test_sweeper"],
    "network/mean": ["network/test_module"],
    "network/optimizers": ["network/test_optimizers"],
    "report/page/svg": ["report/page/test_svg"],
    "report/page/charts": ["report/page/test_svg"],
    "run/checkpoint_tidying": ["report/test_reporting"],
    "run/resume/generators": ["test_callbacks", "run/resume/test_places", "run/resume/test_resumption"],
    "run/resume/random_state": ["run/resume/test_resumption", "run/trial/test_checkpoints", "run/resume/test_longer"],
    "run/trial/recorder": [
        "run/trial/test_trial",
        "run/trial/test_checkpoints",
        "run/trial/test_epoch_log",
        "run/resume/test_longer",
    ],
    "run/trial/run_trial": [
        *(f"run/trial/test_{name}" for name in ("trial", "checkpoints", "answer")),
        *("run/resume/test_longer", "run/launch/test_ddp"),
    ],
    "search/chooser": ["search/test_search"],
}

_PAIRS = [
    *((ast.Eq, ast.NotEq), (ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Is, ast.IsNot), (ast.In, ast.NotIn)),
    *((ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.And, ast.Or)),
]
SWAPS: dict[type[ast.AST], type[ast.AST]] = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}


def sites(name: str) -> Iterator[tuple[str, int]]:
    """Each place of a file that can be changed: the file's name and the number of the node."""
    nodes = list(ast.walk(ast.parse(_path(ROOT, name).read_text())))
    hints = [hint for node in nodes for part in ("annotation", "returns") if (hint := getattr(node, part, None))]
    left_out = {id(inner) for hint in hints for inner in ast.walk(hint)}
    yield from ((name, i) for i, node in enumerate(nodes) if id(node) not in left_out and _change(node))


def mutant(name: str, site: int) -> tuple[str, str]:
    """The source of a file that is changed at a site, and what was changed, in words."""
    tree = ast.parse(_path(ROOT, name).read_text())
    node = list(ast.walk(tree))[site]
    change = _change(node)
    return ast.unparse(ast.fix_missing_locations(tree)), f"{name}.py:{node.lineno}  {change}"  # type: ignore[attr-defined]


def _change(node: ast.AST) -> str:
    """Change a node in place and say how; an empty string if there is nothing to change in it."""
    before = ast.unparse(node) if isinstance(node, ast.expr) else ""
    match node:
        case ast.Compare() if type(node.ops[0]) in SWAPS:
            node.ops[0] = SWAPS[type(node.ops[0])]()  # type: ignore[assignment]
        case ast.BinOp() | ast.BoolOp() if type(node.op) in SWAPS:
            node.op = SWAPS[type(node.op)]()  # type: ignore[assignment]
        case ast.Constant(value=bool()):
            node.value = not node.value
        case ast.Constant(value=int() | float()):
            node.value += 1  # type: ignore[operator]
        case ast.If() | ast.IfExp() | ast.While():
            before = ast.unparse(node.test)
            node.test = ast.UnaryOp(ast.Not(), node.test)
            return f"if {before} → if not"
        case _:
            return ""
    return f"{before} → {ast.unparse(node)}"


def killer(copy: Path, name: str, source: str, pytest: list[str]) -> str:
    """The first test that fails when a file of the copy has this source; an empty string if none does."""
    path = _path(copy, name)
    original = path.read_text()
    path.write_text(source)
    try:
        for tests in TESTS[name]:
            command = [*pytest, "-x", "-p", "no:cacheprovider", "--timeout=120", f"tests/{tests}.py"]
            environment = {**os.environ, "PYTHONPATH": str(copy)}
            done = subprocess.run(command, cwd=copy, capture_output=True, text=True, env=environment)
            if done.returncode:
                failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
                return failed[0].split(" - ")[0] if failed else f"exit status {done.returncode}"
    finally:
        path.write_text(original)
    return ""


def _path(root: Path, name: str) -> Path:
    return root / "nnhp_torch" / f"{name}.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--only", nargs="+", default=list(TESTS), choices=TESTS, help="files to change")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time, each in a copy of the project")
    parser.add_argument("--pytest", default=f"{sys.executable} -m pytest", help="the command that runs tests")
    args = parser.parse_args()
    there = [site for name in args.only for site in sites(name)]
    drawn = random.Random(args.seed).sample(there, min(args.count, len(there)))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.jobs) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for job in range(args.jobs):
            left_out = shutil.ignore_patterns(".*", "__pycache__")
            copies.put(Path(shutil.copytree(ROOT, f"{folder}/{job}", ignore=left_out)))

        def put_to_the_test(drawn: tuple[str, int]) -> str:
            source, change = mutant(*drawn)
            copy = copies.get()
            end = killer(copy, drawn[0], source, shlex.split(args.pytest))
            copies.put(copy)
            print(f"{'killed  ' if end else 'SURVIVED'}  {change}  {end}", flush=True)
            return end

        killed = sum(map(bool, pool.map(put_to_the_test, drawn)))
    print(f"{killed} of {len(drawn)} killed (seed {args.seed})")


if __name__ == "__main__":
    main()
