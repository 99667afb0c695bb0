"""The origin of a page's numbers: failures, the settings that all share, how they were made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.status import WRONG
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.page.html.markup import Html, join, prose, tag
from nnhp_torch.report.words.phrases import count

NUMBERS = re.compile(r"\b\d[\d.]*(e[-+]?\d+)?\b")
NAMED = 12  # trials that a group of the same end names


def troubles(summary: Summary) -> Html:
    """Which trials did not complete, or have a note, and why; empty if there is none."""
    groups: dict[tuple[str, str], list[TrialResult]] = {}
    for result in summary.shown:
        if result.status != "completed":
            # A pruner's reasons differ in their numbers alone: they are told together.
            why = NUMBERS.sub("…", result.error) if result.status == "pruned" else result.error
            groups.setdefault((result.status, why), []).append(result)
        for note in result.notes:
            groups.setdefault(("with a note", note), []).append(result)
    if not groups:
        return Html("")
    return tag("section", tag("h2", "What did not simply complete"), *(_group(*key, of) for key, of in groups.items()))


def _group(what: str, why: str, results: Sequence[TrialResult]) -> Html:
    names = ", ".join(result.name for result in results[:NAMED])
    names += f" and {len(results) - NAMED} more" if len(results) > NAMED else ""
    lines = [tag("p", tag("strong", f"{count(len(results), 'trial')} {what}"), f": {why}" if why else "")]
    lines.append(tag("p", names, class_="soft"))
    trace = results[0].reason.strip()
    if what in WRONG and trace != why:
        lines.append(tag("details", tag("summary", f"The traceback of {results[0].name}"), tag("pre", trace)))
    return tag("div", *lines, class_="trouble bad" if what in WRONG else "trouble")


def same(summary: Summary) -> Html:
    """The settings that all trials share."""
    if not summary.shared:
        return Html("")
    base = summary.sweep.base
    told = {of.name: of.metadata.get("help") for of in fields(base)} if is_dataclass(base) else {}
    return tag("section", tag("h2", "The same in all"), settings(summary.shared, told))


def settings(pairs: Mapping[str, str], told: Mapping[str, str | None]) -> Html:
    """Names and values in columns; what is told of a name appears under the pointer."""
    each = (tag("div", tag("dt", name, title=told.get(name)), tag("dd", value)) for name, value in pairs.items())
    return tag("dl", *each, class_="settings")


def made(summary: Summary, again: tuple[str, str]) -> Html:
    """How the results were made, and how to make them again; empty of runs that were made elsewhere.

    Args:
        again: what to type to have it again, empty if nobody knows; what that does.
    """
    results = summary.shown
    days = sorted(result.started[:10] for result in results if result.started)
    facts: dict[str, Any] = {"when": " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""}
    facts["on"] = _each(_machine(result.hardware) for result in results)
    facts["with"] = _each(", ".join(f"{name} {v}" for name, v in result.versions.items()) for result in results)
    facts["built by"] = _each(str(result.build.get("name", "")) for result in results)
    for fact in ("sources", "data"):
        digests: dict[str, list[str]] = {}
        for result in results:
            for name, digest in result.build.get(fact, {}).items():
                if digest not in digests.setdefault(name, []):
                    digests[name].append(digest)
        facts[fact] = join(*(tag("div", f"{name} ", tag("code", ", ".join(of))) for name, of in digests.items()))
    shown = [tag("dt", name) + tag("dd", value) for name, value in facts.items() if value]
    command, does = again
    if not (shown or command):
        return Html("")
    typed = [tag("h3", "How to make it again"), tag("pre", tag("code", prose(command))), tag("p", prose(does))]
    return tag(
        "section",
        tag("h2", "How this was made"),
        tag("dl", *map(Html, shown), class_="made"),
        *(typed if command else ()),
    )


def _machine(hardware: Mapping[str, Any]) -> str:
    """A machine in words: `2 × NVIDIA H100`, `AMD EPYC (cpu)`."""
    if "device" not in hardware:
        return ""
    world = hardware.get("world_size", 1)
    name = f"{hardware['device']} ({hardware.get('accelerator', '')})"
    return f"{world} × {name}" if world != 1 else name


def _each(values: Iterable[str]) -> str:
    """Name the one case, or each of several with the number of its trials."""
    counts = Counter(filter(None, values))
    return "; ".join(value if len(counts) == 1 else f"{value} ({count(n, 'trial')})" for value, n in counts.items())
