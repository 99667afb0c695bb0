"""The house in two towers: what may import what."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest
from count_house import WINGS, floors, rooms

import nnhp_torch

ROOT = Path(nnhp_torch.__file__).parent
GROUND = {"checks"}  # both stand on it, and it knows neither
LEFT = {"article", "callbacks", "mnist", "network", "splits"}
RIGHT = {"cli", "core", "project", "report", "run", "search"}
DOORS = {"__init__", "__main__", "by_hand"}  # these see both

# What a public object gives is named where a user's editor looks for it; type checkers alone follow these.
NAMED = {
    ("core/interfaces.py", "core.outcome.Outcome"),
    ("core/outcome.py", "cli.python.Best"),
    ("core/spec/base.py", "core.outcome.Outcome"),
    ("core/spec/base.py", "core.stats.proposals.Proposal"),
    ("core/spec/base.py", "run.launch.request.Request"),
    ("search/space.py", "search.request.SearchRequest"),
}

FLOORS = ["core", "run", "report", "search", "cli", "project"]  # of the right tower, from the ground


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """Dotted names of the library that a file imports, at its top or within a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    own = {name.removeprefix("nnhp_torch.") for name in found if name.startswith(("nnhp_torch", "sweeps"))}
    here = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
    return {name for name in own if (here, name) not in NAMED}


FILES = [path for path in sorted(ROOT.rglob("*.py")) if _room(path) not in DOORS and path.stem != "__init__"]


@functools.cache
def _arrows() -> list[tuple[Path, str]]:
    return [(path, imported) for path in FILES for imported in _imports(path)]


def test_every_file_stands_in_a_tower():
    assert {_room(path) for path in FILES} == LEFT | RIGHT | GROUND
    assert not [(path.name, i) for path, i in _arrows() if _room(path) in GROUND]


def test_the_left_tower_imports_of_the_right_one_only_what_knows_no_sweep():
    crossing = {(path.name, i) for path, i in _arrows() if _room(path) in LEFT and i.split(".")[0] in RIGHT}
    assert {imported.rpartition(".")[0] for _, imported in crossing} <= {
        "core.chance",
        "core.ledger.files",
        "core.spec.objective",
    }
    by_the_public_door = {i for path, i in _arrows() if _room(path) in LEFT and i in nnhp_torch.__all__}
    assert by_the_public_door == {"Setup"}, "what its build answers"


def test_the_right_tower_knows_neither_the_network_nor_mnist():
    assert not [(path.name, i) for path, i in _arrows() if _room(path) in RIGHT and i.split(".")[0] in LEFT]


def test_the_library_never_imports_the_sweeps():
    assert not [(path.name, i) for path, i in _arrows() if i.startswith("sweeps")]


def test_a_sweep_goes_in_by_the_public_door_as_a_strangers_does():
    inside = ("reference", "gradient_noise")  # the study's own: that measures what a network of the article does
    files = [path for path in (ROOT.parent / "sweeps").glob("[a-z]*.py") if path.stem not in inside]
    assert len(files) > 15
    for path in files:
        imported = {name for name in _imports(path) if not name.startswith("sweeps")}
        assert imported <= set(nnhp_torch.__all__), path


@pytest.mark.parametrize("room", FLOORS)
def test_no_wing_of_the_right_tower_imports_what_stands_above_it(room):
    above = set(FLOORS[FLOORS.index(room) + 1 :])
    assert not [(path.name, i) for path, i in _arrows() if _room(path) == room and i.split(".")[0] in above]


def test_no_file_imports_itself_round_a_circle():
    needs = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): {i.rpartition(".")[0] for i in _imports(path)}
        | _imports(path)
        for path in ROOT.rglob("*.py")  # the doors too
        if path.stem != "__init__"
    }
    left = {name: found & set(needs) for name, found in needs.items()}
    while free := {name for name, found in left.items() if not found & set(left)}:
        left = {name: found for name, found in left.items() if name not in free}
    assert not left


@pytest.mark.parametrize("wing", WINGS)
def test_no_room_of_a_large_wing_imports_itself_round_a_circle(wing):
    assert floors(rooms(ROOT / wing))[1] == []


def test_core_report_search_and_the_command_line_answer_before_torch_is_imported():
    light = ["core", "report", "search", "cli"]
    modules = [
        "nnhp_torch." + ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES if _room(path) in light
    ]
    code = f"import sys, importlib; [importlib.import_module(name) for name in {modules}]; "
    code += "print({'torch', 'lightning', 'optuna', 'ray', 'matplotlib'} & set(sys.modules) or 'none')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "none"


def test_the_public_names_are_the_same_to_people_and_to_type_checkers():
    (block,) = [node for node in ast.parse((ROOT / "__init__.py").read_text()).body if isinstance(node, ast.If)]
    declared = {alias.name: node.module.removeprefix("nnhp_torch.") for node in block.body for alias in node.names}
    assert declared == nnhp_torch._HOME
    assert all(getattr(nnhp_torch, name).__name__ == name for name in nnhp_torch.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Sweeep'"):
        nnhp_torch.Sweeep  # noqa: B018
