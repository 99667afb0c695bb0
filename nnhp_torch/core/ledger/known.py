"""What a ledger has, asked by trial.

A trial's key leaves out what stands at its default, so that a configuration which gains a field keeps its results. When
somebody edits a default, the same key means other settings, and the same settings have another key: a record is a
trial's if its settings are, and if its key is the one that these settings have had under some defaults.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.trial import Trial, alike, defaults, departures

AGAIN = "+"  # behind a key that another trial has had under other defaults


class Mismatch(ValueError):
    """A record cannot be what its key says: `key` is its own in Known, the message says why."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why)
        self.key = key


class Known(dict[str, TrialResult]):
    """Key → the latest record of each trial, in the order of first appearance."""

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[str, list[str]] = {}  # settings in full → the keys of their records
        self._usual: Mapping[str, Any] | None = None  # the defaults with which those were filled up

    def add(self, result: TrialResult) -> str:
        """Keep a record in the place of an earlier one of the same trial; return the key that it has here."""
        key = result.key
        while key in self and not alike(self[key].config, result.config):
            key += AGAIN
        self[key] = result
        self._usual = None
        return key

    def of(self, trial: Trial) -> TrialResult | None:
        """Find a trial's record.

        Raises:
            Mismatch: the record of its key contradicts it, so that the line was damaged or edited.
        """
        key = trial.key
        while key in self:
            if self._agrees(key, trial):
                return self[key]
            key += AGAIN
        others = {key.rstrip(AGAIN): self[key] for key in self._with_settings_of(trial)}
        former = _former_keys(trial) if others else ()
        return next((others[key] for key in former if key in others and others[key].sweep == trial.sweep), None)

    def _agrees(self, key: str, trial: Trial) -> bool:
        """Return whether the record of a trial's key is its own; if not, a default was edited since."""
        result = self[key]
        if result.sweep != trial.sweep:
            raise Mismatch(key, f"it is of the sweep {result.sweep!r}, not of {trial.sweep!r}")
        recorded, usual, settings = result.config, plain(defaults(trial.config)), plain(vars(trial.config))
        others = [name for name, value in settings.items() if recorded.get(name, usual.get(name)) != value]
        for name in others:
            if name not in usual or settings[name] != usual[name]:  # the key holds it, whatever the defaults were
                raise Mismatch(key, f"its config has another {name} than the trial of its key")
        for name, value in result.cell.items():
            if name in (full := {**settings, **recorded}) and full[name] != value:
                raise Mismatch(key, f"its cell has another {name} than its config")
        return not others

    def _with_settings_of(self, trial: Trial) -> list[str]:
        """Return the keys of records with a trial's settings, whatever their own key."""
        usual = plain(defaults(trial.config))
        if usual != self._usual:
            self._usual, self._settings = usual, {}
            for key, result in self.items():
                self._settings.setdefault(_text({**usual, **result.config}, usual), []).append(key)
        return self._settings.get(_text(plain(vars(trial.config)), usual), [])


def _text(settings: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    return json.dumps({name: settings.get(name) for name in fields}, sort_keys=True)


def _former_keys(trial: Trial) -> Iterator[str]:
    """Yield the keys that a trial has had if up to two of its defaults were edited since.

    A project's settings are not among them: its configuration names those alone that depart from its code's defaults.
    """
    departing, settings = departures(trial.config, type(trial.config)()), vars(trial.config)
    for edited in (names for number in (1, 2) for names in itertools.combinations(defaults(trial.config), number)):
        former = dict(departing)
        for name in edited:  # what stands at its default now did not then, or the other way round
            if former.pop(name, former) is former:
                former[name] = settings[name]
        yield trial.key_of(former)


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as a ledger gives them back."""
    read: dict[str, Any] = json.loads(json.dumps(values))
    return read
