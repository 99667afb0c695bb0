"""The base of sweeps and searches: a base configuration, the axes that vary, and the metric that ranks the cells."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec

from nnhp_torch import checks
from nnhp_torch.core.spec.interim import FIRST, LEVEL, looks
from nnhp_torch.core.spec.names import distinct
from nnhp_torch.core.spec.objective import Mode, Objective
from nnhp_torch.core.spec.provenance import name_of
from nnhp_torch.core.spec.renamed import Renaming

if TYPE_CHECKING:
    from nnhp_torch.core.outcome import Outcome
    from nnhp_torch.core.stats.proposals import Proposal
    from nnhp_torch.run.launch.request import Request

MATTERS = 0.001  # a tenth of a point, of an accuracy

Primitive = str | int | float | bool | None | Sequence[Any]
P = ParamSpec("P")


def upstairs(name: str) -> Any:
    """Return a function of a floor above this one, imported when a user's call asks for it: nothing here imports it.

    >>> upstairs("report.words.phrases:why_undrawn").__name__
    'why_undrawn'
    """
    return resolve_name(f"nnhp_torch.{name}")


def takes(
    request: Callable[[], Callable[P, Any]],
) -> Callable[[Callable[..., Outcome]], Callable[Concatenate[Any, P], Outcome]]:
    """Show editors and type checkers that a method takes what a class does, which they alone import."""
    return lambda method: method


@dataclass(frozen=True)
class SweepBase(metaclass=Renaming):
    """A base, the axes that vary over it, and the metric that ranks the cells; Sweep says what its fields are."""

    sampled: ClassVar[bool] = False  # whether cells are sampled while it runs, each with one seed
    elsewhere: ClassVar[bool] = False  # whether its trials ran elsewhere, so that no command here adds seeds
    paired: ClassVar[bool] = True  # whether a cell's trials share their luck with those of the same seed

    name: str
    base: Any
    axes: Mapping[str, Any]
    build: str | Callable[[Any], Any]
    about: str = ""
    monitor: str = "val_accuracy"
    mode: Mode | None = None
    claim: Callable[[Sequence[Any]], str] | None = None
    smallest_effect: float | None = field(default=None, kw_only=True)
    max_seeds: int | None = field(default=None, kw_only=True)
    replicates: Mapping[str, Sequence[Primitive]] = field(default_factory=dict, kw_only=True)
    extra_metrics: Sequence[str] = field(default=(), kw_only=True)
    environment: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    next_steps: str = field(default="", kw_only=True)
    baseline: Mapping[str, Primitive] | None = field(default=None, kw_only=True)
    judge: Any = field(default=None, kw_only=True)
    proposal: Proposal | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        checks.file("a sweep's name becomes a folder", self.name)
        names = list(vars(self.base))
        for needed in ("seed", "max_epochs"):
            if not hasattr(self.base, needed):
                raise ValueError(f"{type(self.base).__name__} needs a field {needed!r}; it has {', '.join(names)}")
        seed = self.base.seed
        if seed is not None and (type(seed) is not int or seed < 0):
            raise ValueError(f"seed must be a whole number of at least 0, from which --seeds counts, not {seed!r}")
        if not self.axes:
            raise ValueError(f"sweep {self.name!r} has no axis: name at least one of {', '.join(names)}")
        object.__setattr__(self, "axes", {axis: plain(values) for axis, values in self.axes.items()})
        self.check_names("axis", self.axes)
        Objective.of(self.monitor, self.mode)
        check_effect(self.smallest_effect)
        check_max_seeds(self.max_seeds)
        if isinstance(self.extra_metrics, str):
            one = self.extra_metrics
            raise ValueError(f"extra_metrics must be a list, such as [{one!r}], not {one!r}")
        if self.baseline is not None:
            object.__setattr__(self, "baseline", self._whole_baseline(self.baseline))

    def _whole_baseline(self, given: Any) -> dict[str, Primitive]:
        """Return the baseline with a value for each axis, each as the axis has it if it does."""
        if self.sampled or not isinstance(given, Mapping) or not given:
            what = "a search samples its cells" if self.sampled else f"not {given!r}"
            raise ValueError(f"baseline names a cell of a grid, such as {{{next(iter(self.axes))!r}: …}}: {what}")
        for name in given:
            if name not in self.axes:
                raise ValueError(f"baseline: {name} does not vary here, which {', '.join(self.axes)} does")
        whole = {axis: plain(given.get(axis, getattr(self.base, axis))) for axis in self.axes}
        return {axis: _as_there(axis, value, list(self.axes[axis])) for axis, value in whole.items()}

    def check_names(self, kind: str, values: Mapping[str, Any]) -> None:
        """Raise ValueError if one of these axes or replicates is no field of the base that could be one."""
        for name in values:
            if not hasattr(self.base, name):
                raise ValueError(f"no setting is called {name!r}; there are {', '.join(vars(self.base))}")
            if name == "seed":
                raise ValueError(f"seed is no {kind}: give several with --seeds (or trials(seeds=...))")

    def trials(self, seeds: Iterable[int] | None = None, precision: str = "32-true", threads: int = 1) -> list[Any]:
        """Return the trials that are known before the first one runs; of a search, none."""
        return []

    def trial(
        self, number: int, values: Mapping[str, Primitive], *, precision: str = "32-true", threads: int = 1
    ) -> Any:
        """Return the trial of a cell: see Sweep.trial and Search.trial."""
        raise NotImplementedError

    @takes(lambda: Request)
    def run(self, **requested: Any) -> Outcome:
        """Run it from Python or a notebook, as the command line would; what the ledger has is not run again.

        Progress is printed. Ctrl-C, or the notebook's stop button, leaves what is finished. Functions and classes of a
        notebook run in this process, because workers cannot import them, and that is said.

        Args:
            callbacks: SweepCallbacks of your own.
            launch: where trials run, if neither here nor on Ray or SLURM: makes a Launch of build and Runtime.
            chooser: which cells are tried, if not those of the grid, nor Optuna's: makes a Chooser of the sweep.
            judge: what may be said of the cells, if not by AgainstBest or AgainstBaseline (nnhp_torch.Judge).
            requested: how it is to be run, by the names that the command line has for it: `seeds=3`, `jobs=2`,
                `accelerator="gpu"`, `log_dir="logs"`, `fresh=True` (nnhp_torch.run.launch.request.Request has all).

        Raises:
            TypeError, ValueError: an argument is unknown, or its value makes no sense; nothing was done.
            SweepError: the data cannot be had, the ledger is damaged, another process is using it; or all has run, and
                no cell is what `require` asks for.

        Example:
            >>> outcome = SWEEP.run(seeds=3, jobs=2)
            >>> print(outcome.table())
        """
        outcome: Outcome = upstairs("cli.python:run")(self, requested)
        return outcome

    @property
    def provenance(self) -> tuple[str, str]:
        """The names of what makes its trials: the build, and the configuration's class."""
        return name_of(self.build), name_of(type(self.base))

    @property
    def objective(self) -> Objective:
        """The metric that ranks the cells, and its direction."""
        return Objective.of(self.monitor, self.mode)

    @property
    def smallest_difference(self) -> float | None:
        """The smallest difference of the monitor that matters; None if nobody has said one."""
        return MATTERS if self.smallest_effect is None and self.objective.is_accuracy else self.smallest_effect

    @property
    def level(self) -> float:
        """The level of its claims, all together."""
        return LEVEL if self.proposal is None else self.proposal.level

    @property
    def looks(self) -> list[int]:
        """After how many seeds a race is looked at; empty if it is none."""
        if self.max_seeds is None:
            return []
        return looks(self.max_seeds) if self.proposal is None else self.proposal.looks(self.max_seeds)


def _as_there(axis: str, value: Primitive, there: Sequence[Primitive]) -> Primitive:
    """Return the baseline's value as it stands among those of its axis: 1 is 1.0 among such numbers."""
    kinds = set(map(type, there))
    if kinds <= {int, float} and type(value) not in (int, float):
        raise ValueError(f"baseline: {axis} needs a number, such as {there[0]}, not {value!r}")
    if isinstance(value, bool):
        return value
    same = next((other for other in there if other == value and not isinstance(other, bool)), value)
    return float(same) if type(same) is int and kinds == {float} else same


def check_effect(smallest: float | None) -> None:
    """Raise ValueError if that is no difference that could matter."""
    if smallest is not None and not 0 < smallest < math.inf:
        raise ValueError(f"smallest_effect must be a difference above 0, such as 0.002, not {smallest}")


def check_max_seeds(most: Any) -> None:
    """Raise ValueError if a race with so many seeds at most would be none."""
    if most is not None and (type(most) is not int or most <= FIRST):
        raise ValueError(f"max_seeds must be more than the {FIRST} seeds that every cell gets, not {most}")


def check_values(kind: str, name: str, values: Any, default: Any = None) -> None:
    """Raise ValueError if an axis or a replicate is no list of different values.

    Args:
        default: the field's; where it is a float, 1 is 1.0, but of batches 1 may be one and 1.0 all of them.
    """
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise ValueError(f"{kind} {name} needs a list with at least one value, not {values!r}")
    told = values if isinstance(default, float) else [distinct(value) for value in values]
    repeated = [value for i, value in enumerate(values) if told[i] in told[:i]]
    if repeated:
        raise ValueError(f"{kind} {name} has {repeated[0]!r} twice")


def check_config(config: Any) -> None:
    """Raise ValueError if a value of a configuration cannot be written to the ledger, or no epoch can be trained."""
    for name, value in vars(config).items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError(
                f"{name} must be a plain value and finite, so that the ledger can hold it, not {value!r}"
            ) from None
    epochs = config.max_epochs
    if type(epochs) is not int or epochs < 1:
        raise ValueError(f"max_epochs must be a whole number of at least 1, not {epochs!r}")


def change(config: Any, values: Mapping[str, Any]) -> Any:
    """Return a copy with other values: a dataclass's, or what a configuration that is none makes of them."""
    replace: Callable[..., Any] = getattr(config, "__replace__", None) or partial(dataclasses.replace, config)
    return replace(**values)


def plain(value: Any) -> Any:
    """NumPy's arrays and numbers, and tensors, as the plain values that they stand for."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value
