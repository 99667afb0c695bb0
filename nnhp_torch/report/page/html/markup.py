"""HTML and SVG made of elements: whatever is text is escaped, so that nothing from a ledger becomes markup."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from nnhp_torch.core.spec.names import visible

VOID = ("meta", "input")  # elements that have no end


class Html(str):
    """Markup, to be taken as it is; every other string is text."""

    __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> Html:
    """Makes an element; children that are no Html, and the values of attributes, are escaped.

    Args:
        attributes: `class_` for class, `data_cell` for data-cell; one that is None is left out.

    >>> tag("td", "a < b", class_="number")
    '<td class="number">a &lt; b</td>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>" if name in VOID else f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: Any) -> Html:
    """Puts markup and text one behind the other."""
    return Html("".join(child if isinstance(child, Html) else text(child) for child in children))


def text(value: Any) -> Html:
    """Escapes a text for a page; control characters, which no page may have, become visible."""
    return Html(escape("\n".join(map(visible, str(value).split("\n")))))


def prose(sentence: str) -> Html:
    """Escapes a sentence, and keeps a flag on one line with its value: browsers break at hyphens.

    >>> prose("More would decide (--seeds 9).")
    'More would decide (<span class="flag">--seeds 9</span>).'
    """
    parts = re.split(r"(--[a-z_.]+(?: [\w.]+)?)", sentence)
    return join(*(tag("span", part, class_="flag") if place % 2 else part for place, part in enumerate(parts)))
