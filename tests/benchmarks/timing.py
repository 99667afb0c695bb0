"""When a training's epochs ended."""

from __future__ import annotations

from typing import NamedTuple


class Timing(NamedTuple):
    """Seconds since a training was begun.

    Args:
        ends: the end of each epoch, its validation included.
        fit: what training and validation took in all.
    """

    ends: list[float]
    fit: float

    @property
    def per_epoch(self) -> float:
        """Seconds an epoch, the first one apart: that one also pays for whatever happens once."""
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)

    def whole(self, epochs: int) -> float:
        """The seconds that so many epochs would take."""
        return self.ends[0] + (epochs - 1) * self.per_epoch
