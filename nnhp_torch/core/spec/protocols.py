"""What a configuration, or a data module, may have beside what is needed: reports and ledger make use of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable


@runtime_checkable
class InWords(Protocol):
    """A configuration that says its settings as people do: `784-800-10, Adam, rate 0.001`. Else they are listed."""

    def in_words(self, without: Collection[str] = ()) -> str:
        """Say the settings, but for those of these names."""


@runtime_checkable
class Guessing(Protocol):
    """A configuration that knows what guessing comes to: metric's name without its split → value.

    Figures mark it: `{"accuracy": 0.1}` of ten digits.
    """

    @property
    def guessing(self) -> Mapping[str, float]: ...


@runtime_checkable
class Examples(Protocol):
    """A configuration that knows how many examples an epoch trains on; beside its `batch_size`, pages count steps."""

    @property
    def examples(self) -> int | None: ...


@runtime_checkable
class CliConfig(Protocol):
    """A configuration that writes itself as YAML, in the place of the sweep's own options, for `best.save_config`."""

    def cli_config(self) -> str: ...


@runtime_checkable
class Scripts(Protocol):
    """A configuration that knows which modules make its command line: their main blocks count as source."""

    @property
    def script_modules(self) -> Collection[str]: ...


@runtime_checkable
class Checksums(Protocol):
    """A data module that names what it reads: file → checksum, which a result keeps beside the sources."""

    @property
    def checksums(self) -> Mapping[str, str]: ...
