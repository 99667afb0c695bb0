"""A trial's result: its record, and how that is written in a line."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnhp_torch.core.ledger import fields
from nnhp_torch.core.spec.objective import Mode, Objective, logged_name
from nnhp_torch.core.spec.status import SETTLED, Status
from nnhp_torch.core.spec.trial import Trial

SCHEMA = 4  # 1 had no notes and no build, 2 no trained, 3 no restored
ASKED = "seeds_asked"  # beside the hardware: of how many seeds the call was that ran it, unless it chose them itself
LONGEST = 20_000  # characters of a reason: an exception may hold a whole tensor
LINE = 500  # and of an error, which is shown in a line
METRICS = ("history", "test", "trained", "restored")  # the fields that hold metrics

# What of the hardware may change digits, in words.
DIGITS = {"device": "devices", "instructions": "CPU instructions", "float32_matmul": "precisions of float32 products"}


@dataclass(frozen=True)
class TrialResult:
    """The record of one trial.

    Args:
        key: the trial's identity (Trial.key).
        sweep, name: where it belongs and what it is called.
        config: every setting; cell: the swept ones.
        status: `completed`, `pruned` (ended early by a callback that saw no promise in it) and `diverged` are results,
            only the first is ranked; `failed` and `interrupted` trials run again.
        reason: for anything but `completed`, why.
        history: metric → its value after each epoch (NaN if it was not finite).
        test: metrics of the test images, scored once with the final weights.
        trained: of the training images, scored likewise if the build asks for it; empty otherwise.
        restored: validation metrics of the final weights, if those are not the last epoch's, such as the best epoch's
            (an earlier record has them in place of the last epoch's), and the last value of what the last epoch did
            not log; empty otherwise.
        seconds: wall time of the trial, in all runs that it took; fit_seconds: of training and validation alone.
        started: ISO 8601, UTC. versions, hardware: what it was made with.
        build: who made it: name (of the build), config (the configuration's class), sources (module → digest), trainer
            (settings) and data (file → checksum) if there are any; empty if it was made before that was recorded.
        notes: what a reader must know of it: that it started over, that it may differ from an uninterrupted run.

    Example:
        >>> result = outcome.ordered[0]
        >>> result.status, result.config["lr"], result.final("val_accuracy")
        ('completed', 0.1, 0.93)
    """

    key: str
    sweep: str
    name: str
    config: Mapping[str, Any]
    cell: Mapping[str, Any]
    status: Status
    reason: str = ""
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    fit_seconds: float = 0.0
    started: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = field(default_factory=list)
    build: Mapping[str, Any] = field(default_factory=dict)
    trained: Mapping[str, float] = field(default_factory=dict)
    restored: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.reason) > LONGEST + 100:  # not of one that was shortened before
            half = LONGEST // 2
            left_out = f"\n… {len(self.reason) - 2 * half} characters are left out …\n"
            object.__setattr__(self, "reason", self.reason[:half] + left_out + self.reason[-half:])

    @classmethod
    def of(cls, trial: Trial, status: Status, reason: str = "", **rest: Any) -> TrialResult:
        """Return the record of a trial, with `rest` of the fields if there is more to tell than how it ended."""
        return cls(
            key=trial.key,
            sweep=trial.sweep,
            name=trial.name,
            config=vars(trial.config),
            cell=dict(trial.cell),
            status=status,
            reason=reason,
            **{"build": provenance_of(trial), **rest},
        )

    @property
    def error(self) -> str:
        """The last line of the reason: of a traceback, the error itself."""
        lines = self.reason.strip().splitlines()
        last = lines[-1] if lines else ""
        return last if len(last) <= LINE else f"{last[:LINE]}…"

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to run."""
        return self.status in SETTLED

    @property
    def epochs(self) -> int:
        """Epochs that were trained to their end."""
        return max((len(values) for values in self.history.values()), default=0)

    def curve(self, metric: str) -> Sequence[float]:
        """Return the metric after each epoch, of the first loader if there are several; empty if there is none.

        Example:
            >>> outcome.ordered[0].curve("val_accuracy")
            [0.5, 0.9400000000000001, 0.93]
        """
        return self.history.get(logged_name(metric, self.history), ())

    def final(self, metric: str) -> float:
        """Return the metric with the final weights, NaN if there is none."""
        if name := logged_name(metric, self.restored):
            return self.restored[name]
        once = {**self.test, **self.trained}
        values = self.curve(metric) or [once.get(logged_name(metric, once), math.nan)]
        return values[-1]

    def best(self, metric: str, mode: Mode | None = None) -> tuple[float, int]:
        """Return the best value over the epochs and the epoch (from 1) that had it first; (NaN, 0) if there is none.

        Args:
            mode: whether more of it is better (`max`) or less (`min`); default: what its name tells.

        Raises:
            ValueError: the name does not tell.

        Example:
            >>> outcome.ordered[0].best("val_accuracy")
            (0.9400000000000001, 2)
        """
        return Objective.of(metric, mode).best(self.curve(metric))

    def to_json(self) -> str:
        """One line; what is not finite becomes null, because JSON knows no NaN."""
        record = {"schema": SCHEMA, **dataclasses.asdict(self)}
        if not self.restored:  # what reads 3 can read it
            record["schema"] -= 1
            del record["restored"]
        for part in (part for part in METRICS if part in record):
            record[part] = {name: _finite_or_none(value) for name, value in record[part].items()}
        return json.dumps(record, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> TrialResult:
        """Raise ValueError if the line is no record that this version can read."""
        record = json.loads(line)
        if not isinstance(record, dict) or not isinstance(record.get("schema"), int):
            raise ValueError("not a trial's record")
        if record.pop("schema") > SCHEMA:
            raise ValueError("written by a newer version of nnhp_torch")
        if record.keys() - FIELDS or not {"key", "sweep", "name", "config", "cell", "status"} <= set(record):
            raise ValueError("not a trial's record")
        fields.check(record, FIELDS)
        for part in METRICS:
            record[part] = {name: _none_to_nan(value) for name, value in record.get(part, {}).items()}
        return cls(**record)


FIELDS = fields.types_of(typing.get_type_hints(TrialResult), name=fields.FOLDER, build=fields.PROVENANCE)


def _finite_or_none(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_finite_or_none(v) for v in value]
    return value if abs(value) <= fields.LARGEST else None  # NaN is neither


def _none_to_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_none_to_nan(v) for v in value]
    return math.nan if value is None else value


def provenance_of(trial: Trial) -> dict[str, Any]:
    """Return the provenance in a record before the source is known; empty if the trial does not name it."""
    return {"name": trial.build, "config": trial.identity["config"], "sources": {}} if trial.build else {}


def logged(results: Iterable[TrialResult]) -> set[str]:
    """Return the metrics that some result has."""
    return {name for result in results for part in METRICS for name in getattr(result, part)}


def mixed(results: Iterable[TrialResult]) -> str:
    """Say what of the hardware is not the same in all results, in a line; empty if that is nothing."""
    found = []
    made = [result.hardware for result in results]
    for name, words in DIGITS.items():
        counts = Counter(str(of_one[name]) for of_one in made if name in of_one)
        if len(counts) > 1:
            found.append(f"{words} {' and '.join(f'{value} ({n})' for value, n in counts.items())}")
    return f"Mixed in these results: {'; '.join(found)}. Digits may differ by that alone." if found else ""
