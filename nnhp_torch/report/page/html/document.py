"""The page `report.html`: one file that opens from a disk, needs no network and runs nothing but its own few lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any

from nnhp_torch.core.ledger.fields import PAGE
from nnhp_torch.core.ledger.files import write
from nnhp_torch.report.page.html.markup import Html, join, tag
from nnhp_torch.report.plotting import style

MADE = re.compile(r"Made \S+ \S+ UTC by")
# Whatever a page's texts might say, a browser loads nothing for it.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_page(path: Path, title: str, body: Iterable[Html], known: Mapping[str, object] | None = None) -> None:
    """Write a page of these parts; one that would be another in its date alone stays as it is.

    Args:
        title: what a browser's tab shows.
        known: what the ledger does not hold and the next page needs to know.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content="nnhp_torch"),
        tag("title", title),
        tag("style", Html(colours()), Html(_own("style.css"))),
    )
    island = Html(json.dumps(known or {}).replace("<", "\\u003c"))
    made = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"
    page = tag(
        "body",
        tag("main", *body),
        tag("footer", tag("p", f"Made {made} by nnhp_torch. One file: keep it, mail it, print it.")),
        tag("script", island, type="application/json", id="known"),
        tag("script", Html(_own("script.js"))),
    )
    text = f'<!DOCTYPE html>\n<html lang="en">{join(head, page)}</html>\n'
    old = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if MADE.sub("", old) != MADE.sub("", text):
        write(path, text)


def known_of(path: Path) -> dict[str, Any]:
    """The facts that an earlier page keeps, without those that are of another type; empty if there is no page."""
    page = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    _, _, rest = page.partition('<script type="application/json" id="known">')
    try:
        found = json.loads(rest.partition("</script>")[0])
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if name in PAGE and PAGE[name][1](value)}


def colours() -> str:
    """The colours of all pictures as a style sheet's, in a lighter shade if the paper is dark."""
    light = {f"c{i}": colour for i, colour in enumerate(style.CELLS)}
    light |= {f"r{i}": colour for i, colour in enumerate(style.RAMP)}
    lines = [":root{", f"--accent:{style.BLUE};--quiet:{style.LIGHT_GREY};"]
    lines += [f"--{name}:{colour};" for name, colour in light.items()]
    lines.append("}@media (prefers-color-scheme: dark){:root{--quiet:#5a626c;")
    lines += [f"--{name}:color-mix(in oklab,{colour},white 40%);" for name, colour in light.items()]
    lines.append("}}")
    lines += [f".{name}{{--c:var(--{name})}}" for name in light]
    return "".join(lines)


def _own(name: str) -> str:
    return files("nnhp_torch.report.page.html").joinpath(name).read_text(encoding="utf-8")
