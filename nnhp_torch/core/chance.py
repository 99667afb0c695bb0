"""Chance as a function of (seed, epoch, rank) and the like: a resumed run draws what an uninterrupted one would."""

from __future__ import annotations

import hashlib


def mix(*parts: int | str) -> int:
    """Return a 63-bit number that depends on every part and its place; sums would make 123 + 1 the same as 124 + 0."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
