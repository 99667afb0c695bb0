"""A joint search: ranges and choices in place of a grid, from which trials are sampled while it runs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from nnhp_torch.core.spec.base import Primitive, SweepBase, change, check_config, check_values, plain, takes
from nnhp_torch.core.spec.names import fingerprint
from nnhp_torch.core.spec.provenance import name_of
from nnhp_torch.core.spec.trial import SEMANTICS, Trial, departures

if TYPE_CHECKING:
    from nnhp_torch.core.outcome import Outcome
    from nnhp_torch.search.request import SearchRequest

LARGEST = 1 << 53  # up to which each whole number is a float


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones if both are.

    Args:
        log: whether each order of magnitude is as likely as the next, rather than each number.

    Raises:
        ValueError: the ends are no numbers, out of order, or not above 0 although `log` needs it.

    Example:
        >>> Range(1e-4, 1e-1, log=True)
        Range(low=0.0001, high=0.1, log=True)
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", plain(self.low))
        object.__setattr__(self, "high", plain(self.high))
        numbers = all(type(end) is float or (type(end) is int and abs(end) <= LARGEST) for end in self.ends)
        if not numbers or not self.low < self.high or not math.isfinite(self.high - self.low):
            raise ValueError(f"a range needs its lower end and its upper end, not {str(self.ends)[:80]}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range begins above 0, not at {self.low}")

    @property
    def ends(self) -> list[float]:
        """Its lower end and its upper end."""
        return [self.low, self.high]

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + (", logarithmic" if self.log else "")

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are sampled."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def at(self, share: float) -> float:
        """Return the number at a share of the range, from 0 to 1.

        >>> Range(1e-4, 1e-1, log=True).at(1 / 3), Range(1, 4).at(0.99)
        (0.001, 4)
        """
        ends = self.low, self.high + self.whole  # so that each whole number has as much of it
        low, high = (math.log(end) if self.log else end for end in ends)
        value = low + share * (high - low)
        value = math.exp(value) if self.log else value
        return min(math.floor(value), self.high) if self.whole else self.rounded(value)

    def rounded(self, value: float) -> float:
        """Round a number that was sampled, within the range.

        It has three digits, because a fourth one changes nothing that could be measured; where three leave fewer than
        50 numbers in the range, a thousandth of its width.
        """
        nearest = 0.0 if self.low <= 0 <= self.high else min(map(abs, self.ends))
        width = self.high - self.low
        if nearest and width < 50 * 10 ** (_magnitude(nearest) - 2):
            value = round(value, 3 - _magnitude(width))
        else:
            value = float(f"{value:.3g}")
        return float(min(max(value, self.low), self.high))


def _magnitude(number: float) -> int:
    return math.floor(math.log10(number))


Suggest = Callable[[str, Range | Sequence[Primitive]], Primitive]  # an axis's name, the axis → a value of it


@dataclass(frozen=True)
class Search(SweepBase):
    """Cells that are sampled, while the search runs, from axes that are ranges or lists of choices.

    Args:
        axes: field name → Range, or a list of choices.
        unless: field → (other field, value): if the other one has that value, the field is left at the base's.
        name, base, build, about, monitor, mode, claim, smallest_effect, max_seeds, extra_metrics, environment,
            next_steps, judge: as of a Sweep.
        baseline, proposal: a search has none.

    Raises:
        ValueError: an axis is unknown, empty, or holds a value that the configuration or the ledger refuses; or
            `unless` names a field that is no earlier axis.

    Example:
        >>> search = Search("joint", Settings(), {"lr": Range(1e-4, 1e-1, log=True), "width": [32, 64]}, build)
    """

    sampled: ClassVar[bool] = True

    axes: Mapping[str, Range | Sequence[Primitive]]
    replicates: Mapping[str, Sequence[Primitive]] = field(default_factory=dict, init=False, repr=False)
    unless: Mapping[str, tuple[str, Primitive]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        names = list(self.axes)
        for name, (other, _) in self.unless.items():
            if name not in names or other not in names[: names.index(name)]:
                raise ValueError(f"{name} cannot depend on {other}: both are axes, {other} the earlier one")
        for name, axis in self.axes.items():  # each on its own, so that a bad value is refused now
            if not isinstance(axis, Range):
                check_values("axis", name, axis)
            for value in axis.ends if isinstance(axis, Range) else axis:
                check_config(change(self.base, {name: value}))
        check_config(self.base)

    @takes(lambda: SearchRequest)
    def run(self, **requested: Any) -> Outcome:
        """Run it as Sweep.run does; it also takes `trials=50`, `sampler`, `pruner`, `budget`, `confirm` and its seeds.

        With `confirm=5` the outcome is that of the best five on other seeds, which alone rank them.
        """
        return super().run(**requested)

    def sample(self, suggest: Suggest) -> dict[str, Primitive]:
        """Return a cell.

        Args:
            suggest: gives a value for each axis, in their order, that `unless` does not leave at the base's.

        Example:
            >>> search = Search("joint", Settings(), {"lr": Range(1e-4, 1e-1, log=True), "width": [32, 64]}, build)
            >>> search.sample(lambda name, axis: axis.at(0.5) if isinstance(axis, Range) else axis[0])
            {'lr': 0.00316, 'width': 32}
        """
        values: dict[str, Primitive] = {}
        for name, axis in self.axes.items():
            other, value = self.unless.get(name, (None, None))
            left = other is not None and values[other] == value
            values[name] = getattr(self.base, name) if left else suggest(name, axis)
        return values

    def at(self, shares: Iterable[float]) -> dict[str, Primitive]:
        """Return the cell at some shares of the axes, a number from 0 to 1 for each: of a list, at that share of it.

        Example:
            >>> search = Search("joint", Settings(), {"lr": Range(1e-4, 1e-1, log=True), "width": [32, 64]}, build)
            >>> search.at([1 / 3, 0.7])
            {'lr': 0.001, 'width': 64}
        """
        share = dict(zip(self.axes, shares, strict=True))
        return self.sample(
            lambda name, axis: axis.at(share[name]) if isinstance(axis, Range) else axis[int(share[name] * len(axis))]
        )

    def trial(
        self, number: int, values: Mapping[str, Primitive], *, precision: str = "32-true", threads: int = 1
    ) -> Trial:
        """Return the trial of a cell, named by its number and the beginning of its key."""
        cell = {axis: values[axis] for axis in self.axes}
        config, build = change(self.base, values), name_of(self.build)
        unnamed = Trial(self.name, config, cell, precision=precision, threads=threads, build=build)
        return dataclasses.replace(unnamed, name=f"{number:04d}-{unnamed.key[:8]}")

    def identity(self, *further: Primitive) -> str:
        """Hash of all that decides which trials are sampled, so that a search goes on only as the one it was."""
        base = departures(self.base, type(self.base)())
        space = {name: repr(axis) for name, axis in self.axes.items()}
        decides = [SEMANTICS, base, space, self.unless, self.monitor, self.objective.mode, further]
        return fingerprint(decides, 8)
