"""Damages a file as disks, editors and strangers do: the same seed, the same damage."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

# What stands in a value's place: other types, numbers that are none, text that is markup, a path, or far too deep.
TOKENS = [
    *(b"null", b"true", b"-1", b"0", b"2", b"1e308", b"-1e308", b"1e400", b"NaN", b"-Infinity", b"1" + b"0" * 400),
    *(
        b'""',
        b'"x"',
        b'"max"',
        b'"../../../elsewhere"',
        b'"<script>x</script>"',
        b'"\\ud800"',
        b'"\\u0000"',
        b"'",
        b"\xff\xfe",
    ),
    *(
        b"[]",
        b"{}",
        b"[1, 2]",
        b"[" * 3000,
        b'{"a":' * 500,
        b"&a [*a, *a]",
        b"!!python/object/apply:os.system ['true']",
    ),
]
VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.e+-]*|true|false|null|[\[{]\s*[\]}]')


def mutations(content: bytes, seed: int, number: int) -> Iterator[bytes]:
    """Yield so many damaged versions of a content."""
    for place in range(number):
        drawn = random.Random(f"{seed}-{place}")
        mutated = content
        for _ in range(drawn.choice((1, 1, 1, 2, 5))):
            mutated = drawn.choice(WAYS)(mutated, drawn)
        yield mutated


def _slice(content: bytes, drawn: random.Random) -> tuple[int, int]:
    start = drawn.randrange(len(content) + 1)
    return start, min(len(content), start + drawn.choice((1, 2, 8, 100, 5000)))


def _replaced(content: bytes, drawn: random.Random) -> bytes:
    """A value that has become another one."""
    found = list(VALUE.finditer(content, *_slice(content, drawn))) or list(VALUE.finditer(content[:20_000]))
    if not found:
        return _flipped(content, drawn)
    value = drawn.choice(found)
    return content[: value.start()] + drawn.choice(TOKENS) + content[value.end() :]


def _flipped(content: bytes, drawn: random.Random) -> bytes:
    if not content:
        return content
    place = drawn.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << drawn.randrange(8))]) + content[place + 1 :]


def _cut(content: bytes, drawn: random.Random) -> bytes:
    return content[: drawn.randrange(len(content) + 1)]


def _without(content: bytes, drawn: random.Random) -> bytes:
    start, end = _slice(content, drawn)
    return content[:start] + content[end:]


def _doubled(content: bytes, drawn: random.Random) -> bytes:
    start, end = _slice(content, drawn)
    return content[:end] + content[start:]


def _inserted(content: bytes, drawn: random.Random) -> bytes:
    start, _ = _slice(content, drawn)
    return content[:start] + drawn.choice((drawn.randbytes(8), b"\n", b"\0" * 512, *TOKENS)) + content[start:]


def _lines(content: bytes, drawn: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    drawn.shuffle(lines)
    return b"".join(lines[: drawn.choice((len(lines), max(1, len(lines) - 1)))])


WAYS = (_replaced, _replaced, _replaced, _replaced, _flipped, _cut, _without, _doubled, _inserted, _lines)
