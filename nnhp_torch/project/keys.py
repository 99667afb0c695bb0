"""Dotted keys: as mappings in mappings, as a command line's arguments, and under the sweeper's own names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jsonargparse import Namespace, set_dumper

DESCRIBED = "described_json"  # a form of dump that tells of objects too
_OBJECT = "Unable to serialize instance "  # in jsonargparse's words

# A project's key → the field that every configuration of the sweeper has.
OURS = {"trainer.max_epochs": "max_epochs", "seed_everything": "seed"}


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys as the mappings in mappings that they stand for.

    >>> nested({"model.lr": 0.1, "model.net.width": 4})
    {'model': {'lr': 0.1, 'net': {'width': 4}}}
    """
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the dotted keys of mappings in mappings; a mapping whose keys are not words stays whole.

    >>> flat({"model": {"lr": 0.1, "sizes": {"1.5": 2}}})
    {'model.lr': 0.1, 'model.sizes': {'1.5': 2}}
    """
    found: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value and all(isinstance(k, str) and "." not in k for k in value):
            found.update(flat(value, f"{key}."))
        else:
            found[key] = value
    return found


def arguments(values: Mapping[str, Any]) -> list[str]:
    """Values as their command line takes them: a class before its arguments."""
    keys = sorted(values, key=lambda key: (key.count("."), not key.endswith(".class_path")))
    return [f"--{key}={text if isinstance(text := values[key], str) else json.dumps(text)}" for key in keys]


def under_name(text: str, package: str) -> str:
    """Return a configuration with Lightning's classes under this name of the package."""
    return re.sub(r"(\bclass_path\W+)(?:lightning\.pytorch|pytorch_lightning)\b", rf"\1{package}", text)


def at(tree: Any, key: str) -> Any:
    """Return the value of a dotted key, in which `init_args` may be left out; raise KeyError if there is none."""
    for part in key.split("."):
        if isinstance(tree, list) and part.isdecimal():
            tree = dict(enumerate(tree))[int(part)]
            continue
        branches = [tree, tree.get("init_args")] if isinstance(tree, (Namespace, dict)) else []
        tree = next((branch for branch in branches if branch is not None and part in branch), {})[part]
    return tree


def is_list(tree: dict[str, Any], parts: Sequence[str]) -> bool:
    try:
        return isinstance(at(tree, ".".join(parts)), list)
    except KeyError:
        return False


def put(tree: Any, key: str, value: Any) -> None:
    """Set a value in an item of a list, in which `init_args` may be left out."""
    *path, last = key.split(".")
    for part in path:
        tree = tree[part] if part in tree else tree.setdefault("init_args", {}).setdefault(part, {})
    if "class_path" in tree and last != "class_path" and last != "init_args":
        tree = tree.setdefault("init_args", {})
    tree[last] = value


def _described(data: Any) -> str:
    return json.dumps(data, default=lambda thing: f"{_OBJECT}{thing!r}")


def without_objects(tree: Any) -> Any:
    """Return a configuration without what its dump can only describe, such as a function."""
    if isinstance(tree, dict):
        return {key: without_objects(value) for key, value in tree.items() if not _is_object(value)}
    return [without_objects(value) for value in tree] if isinstance(tree, list) else tree


def _is_object(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_OBJECT)


set_dumper(DESCRIBED, _described)
