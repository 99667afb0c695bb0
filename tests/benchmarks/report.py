"""The benchmarks' measurements: lines with n, spread and goal, the machine, the table, the JSON."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from typing import Any


@dataclass(frozen=True)
class Line:
    """One measured quantity.

    Args:
        what: in words.
        values: one per repetition; none where it could not be measured here.
        unit: of the values.
        goal: `≤ 1.15` or `≥ 6`, which the median has to meet; empty for what only informs.
    """

    what: str
    values: Sequence[float]
    unit: str
    goal: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is no goal or no value."""
        if not self.goal or self.median is None:
            return None
        sign, bound = self.goal.split()
        return self.median <= float(bound) if sign == "≤" else self.median >= float(bound)

    def to_json(self) -> dict[str, Any]:
        spread = [min(self.values), max(self.values)] if self.values else None
        return {
            "what": self.what,
            "unit": self.unit,
            "n": len(self.values),
            "median": self.median,
            "spread": spread,
            "values": list(self.values),
            "goal": self.goal,
            "met": self.met,
        }


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Compare each repetition with itself: what slows the machine for a while slows both sides."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def table(lines: Sequence[Line]) -> str:
    """A Markdown table that can be read as it stands."""
    cells = [("what", "median", "min to max", "n", "goal", "met")]
    for line in lines:
        values = line.values
        numbers = (
            (f"{line.median:.3g} {line.unit}".strip(), f"{min(values):.3g} to {max(values):.3g}") if values else ""
        )
        met = {True: "yes", False: "**no**", None: ""}[line.met]
        cells.append((line.what, *(numbers or ("–", "–")), str(len(values)), line.goal, met))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    )


def machine() -> dict[str, Any]:
    """Hardware, versions and date: what numbers are worth nothing without."""
    import torch

    from nnhp_torch.run.launch.machine import cores
    from nnhp_torch.run.trial.hardware import hardware

    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="minutes"),
        "hardware": {
            "cpu": hardware("cpu", 1)["device"],
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "cores": cores(),
            "load": round(os.getloadavg()[0], 2),  # a busy machine's numbers are noise
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("torch", "torchvision", "lightning", "nnhp_torch")},
        },
    }


def heading(machine: dict[str, Any]) -> str:
    parts = (f"{name} {value}" for part in ("hardware", "versions") for name, value in machine[part].items() if value)
    return f"{machine['date']}: {', '.join(parts)}"
