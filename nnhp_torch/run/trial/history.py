"""A trial's history: metric → its value after each epoch; NaN if it was not logged there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence


def length(history: Mapping[str, Sequence[float]]) -> int:
    """Return how many epochs a history has."""
    return max(map(len, history.values()), default=0)


def add(history: dict[str, list[float]], metrics: Mapping[str, float], epoch: int) -> list[str]:
    """Add an epoch (from 0) to a history; return the metrics that earlier epochs have logged and this one has not."""
    for name in (*history, *metrics):
        curve = history.setdefault(name, [])
        curve.extend([math.nan] * (epoch - len(curve)))
    for name, curve in history.items():
        curve.append(metrics.get(name, math.nan))
    return [name for name in history if name not in metrics]


def last_logged(history: Mapping[str, Sequence[float]], names: Iterable[str]) -> dict[str, int]:
    """Return the last epoch (from 1) that has a value of each of these metrics, if that is not the very last one.

    >>> last_logged({"fid": [3.0, math.nan], "loss": [1.0, 0.5]}, ["fid", "loss"])
    {'fid': 1}
    """
    had = {name: [n for n, value in enumerate(history[name], 1) if not math.isnan(value)] for name in names}
    return {name: epochs[-1] for name, epochs in had.items() if epochs and epochs[-1] < length(history)}


def round_to_float32(value: float) -> float:
    """Round to seven digits: all that a float32 holds."""
    return float(f"{value:.7g}")
