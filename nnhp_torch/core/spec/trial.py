"""A trial: one configuration to train, the key of its result, and the names that it goes by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nnhp_torch.core.spec.base import Primitive
from nnhp_torch.core.spec.names import fingerprint, label
from nnhp_torch.core.spec.provenance import is_same, name_of

# Part of every trial's identity. Raise it when the same configuration would give another result, as when random
# numbers are drawn in another order.
SEMANTICS = 1


@dataclass(frozen=True)
class Trial:
    """One configuration to train, and the names it goes by.

    Args:
        sweep: name of the sweep it belongs to.
        config: the frozen dataclass that `build` understands.
        cell: the swept values alone, in the order of the axes.
        name: folder and TensorBoard run; unique among the trials of a folder.
        precision: Trainer's precision, in full (`32-true`).
        threads: CPU threads of the process that trains it; another number sums in another order.
        build: name of what makes a module of the configuration; empty if it does not matter.
        replicate: the values of the sweep's replicates; trials that differ in them alone are of one cell.
        shorter: the same trial with fewer epochs; it may go on from that one's checkpoint.

    Example:
        >>> trial = Sweep("rates", Settings(), {"lr": [0.1, 0.01]}, build).trials()[0]
        >>> trial.label, trial.config.lr
        ('lr=0.1', 0.1)
    """

    sweep: str
    config: Any
    cell: Mapping[str, Primitive]
    name: str = ""
    precision: str = "32-true"
    threads: int = 1
    build: str = ""
    replicate: Mapping[str, Primitive] = field(default_factory=dict)
    shorter: Trial | None = field(default=None, repr=False)

    @property
    def identity(self) -> dict[str, str]:
        """The settings and the build; a checkpoint of this trial names the same ones (see `same`)."""
        settings = json.dumps(dict(vars(self.config)), sort_keys=True)
        return {"key": self.key, "build": self.build, "config": name_of(type(self.config)), "settings": settings}

    @property
    def key(self) -> str:
        """Hash of everything that changes the result, and of nothing that only says where it was made.

        Settings that stand at the dataclass's default are left out, so that a configuration which gains a
        field keeps the results it has (nnhp_torch.core.ledger.known tells what follows from that).
        """
        return self.key_of(departures(self.config, type(self.config)()))

    def key_of(self, departing: Mapping[str, Any]) -> str:
        """Return the key if these settings depart from their defaults."""
        identity = {"semantics": SEMANTICS, "config": departing, "precision": self.precision, "threads": self.threads}
        return fingerprint(identity)

    @property
    def values(self) -> dict[str, Primitive]:
        """What tells it from the other trials of its sweep: the cell, the replicate and the seed."""
        return {**self.cell, **self.replicate, "seed": self.config.seed}

    @property
    def label(self) -> str:
        """The swept values as people read them: `batch_size=2000`."""
        return label(self.cell, defaults(self.config))


def same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two identities are of one trial: an earlier one may lack settings that the configuration has by now.

    Args:
        one: as a file has it. other: as it is today.
    """
    try:
        if one["key"] != other["key"] or not all(is_same(one[made], other[made]) for made in ("build", "config")):
            return False
        return alike(*(json.loads(identity.get("settings") or "{}") for identity in (one, other)))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):  # a file's, which may hold anything
        return False


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether the settings that both have are the same."""
    return all(one[name] == other[name] for name in one.keys() & other.keys())


def defaults(config: Any) -> dict[str, Any]:
    """Return the defaults of a configuration's fields."""
    return dict(vars(type(config)()))


def departures(config: Any, reference: Any) -> dict[str, Any]:
    """Return the fields that differ between a configuration and another of its kind."""
    others = vars(reference)
    return {name: value for name, value in vars(config).items() if name not in others or value != others[name]}
