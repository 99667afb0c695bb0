"""Dotted keys: as mappings in mappings, as a command line's arguments, and under the sweeper's own names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

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
    """The dotted keys of mappings in mappings; a mapping whose keys are not words stays whole.

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
