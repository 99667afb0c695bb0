"""Data flows one way: each file of the library imports only what the plan in the README lets it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nnhp_torch

ROOT = Path(nnhp_torch.__file__).parent
FOLDERS = {"nnhp_torch": ROOT, "sweeps": ROOT.parent / "sweeps"}

MAY_IMPORT = {
    "catalog": set(),
    "chance": set(),
    "sources": set(),
    "mnist": {"sources"},
    "constraints": set(),
    "regularizers": set(),
    "precision": set(),
    "digits": set(),
    "losses": set(),
    "runtime": {"objective"},
    "isolation": set(),
    "devices": set(),
    "config": {"catalog"},
    "schedules": {"catalog"},
    "optimizers": {"catalog"},
    "mlp": {"catalog"},
    "names": set(),
    "origin": set(),
    "keeping": {"results"},
    "objective": set(),
    "grid": {"names", "objective", "origin"},
    "fields": set(),
    "results": {"fields", "names", "objective", "origin"},
    "data": {"mnist", "chance", "sources"},
    "plain": set(),
    "loaders": {"plain"},
    "resumption": {"chance", "loaders", "plain"},
    "callbacks": {"catalog", "chance", "loaders", "resumption"},
    "chunks": {"callbacks"},
    "module": {"catalog", "chunks", "mlp", "optimizers", "regularizers", "schedules"},
    "printed": {"catalog", "chunks", "config", "data", "mlp", "module", "optimizers"},
    "experiment": {"callbacks", "config", "data", "module", "printed"},
    "epoch_log": set(),
    "recorder": {"callbacks", "epoch_log", "keeping", "objective", "plain", "results"},
    "logger": set(),
    "answer": set(),
    "entry": {"cli", "grid", "search", "search_cli"},
    "trial": {
        *("answer", "callbacks", "chance", "devices", "grid", "isolation", "keeping", "logger", "objective"),
        *("origin", "recorder", "results", "resumption", "runtime", "sweeper"),
    },
    "sweeper": {"origin", "grid", "objective", "results"},
    "summary": {"grid", "names", "objective", "results", "sweeper"},
    "significance": {"objective", "summary"},
    "figures": {"grid", "objective", "results", "summary", "sweeper"},
    "checkpoints": {"grid", "keeping", "results", "runtime", "summary", "sweeper"},
    "worker": {"answer", "grid", "isolation", "precision", "results", "runtime", "sweeper", "trial"},
    "launchers": {"grid", "isolation", "precision", "results", "runtime", "sweeper", "trial", "worker"},
    "ray_launcher": {"grid", "isolation", "results", "runtime", "sweeper", "worker"},
    "terminal": {"names"},
    "progress": {"grid", "objective", "results", "sweeper"},
    "reporting": {
        "checkpoints",
        "figures",
        "grid",
        "objective",
        "progress",
        "results",
        "significance",
        "summary",
        "sweeper",
        "terminal",
    },
    "overview": {"figures", "results", "significance", "summary", "sweeper"},
    "search": {"grid", "origin"},
    "optuna_chooser": {"grid", "objective", "results", "search", "sweeper"},
    "search_report": {"figures", "grid", "objective", "optuna_chooser", "reporting", "summary", "sweeper"},
    "options": {"grid", "launchers", "runtime"},
    "search_cli": {
        "checkpoints",
        "cli",
        "options",
        "progress",
        "optuna_chooser",
        "reporting",
        "search",
        "search_report",
        "sweeper",
    },
    "cli": {
        *("checkpoints", "grid", "launchers", "options", "origin", "progress", "ray_launcher", "reporting", "results"),
        *("sweeper", "terminal", "worker"),
    },
}


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module in FOLDERS else [node.module]
            found.update(names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name.split(".")[0] in FOLDERS}


@pytest.mark.parametrize("name", sorted(path.stem for path in ROOT.glob("*.py") if not path.stem.startswith("__")))
def test_a_file_imports_only_what_the_plan_allows(name):
    imported = {imported.split(".")[1] for imported in _imports(ROOT / f"{name}.py")}
    assert imported <= MAY_IMPORT[name]


def test_the_plan_has_no_cycle():
    left = dict(MAY_IMPORT)
    while free := {name for name, needs in left.items() if not needs & set(left)}:
        left = {name: needs for name, needs in left.items() if name not in free}
    assert not left


def test_the_library_never_imports_the_sweeps():
    assert not [path for path in ROOT.glob("*.py") if any(i.startswith("sweeps") for i in _imports(path))]


def test_the_public_names_are_the_same_to_people_and_to_type_checkers():
    (block,) = [node for node in ast.parse((ROOT / "__init__.py").read_text()).body if isinstance(node, ast.If)]
    declared = {alias.name: node.module.split(".")[1] for node in block.body for alias in node.names}
    assert declared == nnhp_torch._HOME
    assert all(getattr(nnhp_torch, name).__name__ == name for name in nnhp_torch.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Sweeep'"):
        nnhp_torch.Sweeep  # noqa: B018


def test_a_name_that_is_asked_for_imports_no_more_than_it_needs():
    code = "import sys, nnhp_torch; nnhp_torch.Sweep; print('lightning' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
