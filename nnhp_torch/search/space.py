"""What a joint search tries: ranges and choices in place of a grid, from which trials are drawn while it runs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from nnhp_torch.core.grid import SEMANTICS, Primitive, Sweep, Trial, check_config, departures, plain
from nnhp_torch.core.origin import name_of


@dataclass(frozen=True)
class Range(Sequence[float]):
    """Numbers from `low` to `high`, both included; whole ones where both are. As a sequence it is its two ends.

    Args:
        log: whether each order of magnitude is as likely as the next, rather than each number.

    Raises:
        ValueError: the ends are no numbers, out of order, or not above 0 where `log` needs it.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", plain(self.low))
        object.__setattr__(self, "high", plain(self.high))
        numbers = all(isinstance(end, (int, float)) and math.isfinite(end) for end in self)
        if not numbers or not self.low < self.high:
            raise ValueError(f"a range needs its lower end and its upper end, not {[self.low, self.high]}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range begins above 0, not at {self.low}")

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        return (self.low, self.high)[index]

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + (", logarithmic" if self.log else "")

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)


class Draw(Protocol):
    """What draws values: an Optuna trial, new or stored."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int: ...
    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float: ...
    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...


@dataclass(frozen=True)
class Search(Sweep):
    """A sweep whose cells are drawn, while it runs, from axes that are ranges or lists of choices.

    Args:
        unless: field → (other field, value): where the other one has that value, the field is left at the base's.

    Raises:
        ValueError: as a Sweep; or `unless` names a field that is no earlier axis.
    """

    unless: Mapping[str, tuple[str, Primitive]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.replicates:
            raise ValueError("a search trains each trial once: it has no replicates")
        names = list(self.axes)
        for name, (other, _) in self.unless.items():
            if name not in names or other not in names[: names.index(name)]:
                raise ValueError(f"{name} cannot depend on {other}: both are axes, {other} the earlier one")
        for name, axis in self.axes.items():  # each on its own, so that a bad value is refused now
            for value in axis:
                check_config(dataclasses.replace(self.base, **{name: value}))

    @property
    def size(self) -> int:
        """Zero: cells are known once they have been drawn."""
        return 0

    def cells(self) -> Iterator[dict[str, Primitive]]:
        """None: they are known once they have been drawn."""
        yield from ()

    def with_axes(self, axes: Mapping[str, Sequence[Primitive]]) -> dict[str, Sequence[Primitive]]:
        """Axes as the command line gives them: what is a range here takes its two ends from there.

        Raises:
            ValueError: a range that is not given as its two ends.
        """
        made: dict[str, Sequence[Primitive]] = {}
        for name, axis in self.axes.items():
            given = axes[name]
            if isinstance(axis, Range):
                if len(given) != 2:
                    raise ValueError(f"axis {name} is a range and needs its two ends, not {list(given)}")
                low, high = typing.cast(Sequence[float], given)
                given = dataclasses.replace(axis, low=low, high=high)
            made[name] = given
        return made

    def draw(self, source: Draw) -> dict[str, Primitive]:
        """A cell; numbers have three digits, for a fourth one changes nothing that could be measured."""
        values: dict[str, Primitive] = {}
        for name, axis in self.axes.items():
            other, value = self.unless.get(name, (None, None))
            if other is not None and values[other] == value:
                values[name] = getattr(self.base, name)
            elif not isinstance(axis, Range):
                values[name] = source.suggest_categorical(name, list(axis))
            elif axis.whole:
                values[name] = source.suggest_int(name, int(axis.low), int(axis.high), log=axis.log)
            else:
                values[name] = float(f"{source.suggest_float(name, axis.low, axis.high, log=axis.log):.3g}")
        return values

    def trial(self, number: int, cell: Mapping[str, Primitive], seed: int, precision: str, threads: int) -> Trial:
        """The trial of a cell, named by its number and the beginning of its key."""
        config = dataclasses.replace(self.base, **cell, seed=seed)
        unnamed = Trial(self.name, config, cell, "", precision, threads, name_of(self.build))
        return dataclasses.replace(unnamed, name=f"{number:04d}-{unnamed.key[:8]}")

    def identity(self, *further: Primitive) -> str:
        """Hash of all that decides which trials are drawn, so that a search goes on only as the one it was."""
        base = departures(self.base, type(self.base)())
        space = {name: repr(axis) for name, axis in self.axes.items()}
        text = json.dumps(
            [SEMANTICS, base, space, self.unless, self.monitor, self.objective.mode, further], sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()[:8]
