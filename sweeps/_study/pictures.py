"""A picture of each claim: what it is about, measured; what early stopping costs; where l1 and l2 leave the weights."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.report.page import charts
from nnhp_torch.report.page.html.markup import Html, join, tag
from nnhp_torch.report.page.part import Part
from nnhp_torch.report.page.sections import KEYS, PAIRS, course, pairs
from nnhp_torch.report.page.several_axes import heat
from nnhp_torch.report.page.svg import SIZE, below, dots, drawing, path, whole_ticks
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.words.headline import conclusion
from sweeps._study.claims import WEIGHTS, backed
from sweeps._study.measures import MEASURES, measured
from sweeps.early_stopping import last_and_best

WHOLE = ("layers_nodes",)  # their picture has where each cell ends in it
CURVES = ("learning_rate",)  # their measure is beside how their cells train
BINS, WIDEST = 41, 0.2  # of a histogram, and the weights at its ends


def picture(part: Part, root: Path) -> Html:
    """Draw what is claimed of a sweep's hyperparameter, or, if nothing is, how its cells train."""
    name = part.sweep.name
    known = backed(part, root)
    ledgers = [(of, known.get(of.ledger) if of.ledger else part) for of in MEASURES.get(name, ())]
    drawn = [measured(ledger, of, part) for of, ledger in ledgers if ledger is not None]
    drawn += [course(part)] * (name in CURVES)
    if drawn:
        return drawn[0] if len(drawn) == 1 else tag("div", *drawn, class_="measures")
    if name == WEIGHTS.name and (histograms := weights(root)):
        return histograms
    return {"layers_nodes": both, "early_stopping": cost}.get(name, course)(part)


def both(part: Part) -> Html:
    """Draw training beside validation in the squares of a heat map of what each cell ends with."""
    found = pairs(part)
    inside = {cell: join(tag("small", said), drawn) for cell, (said, drawn) in found.items()}
    name = Axis.of_values(part.sweep.objective, [c.mean(part.sweep.monitor) for c in part.summary.cells]).name
    said = f"In each square: the {name} in the end (the bluer the better), its verdict, and how it came about. {PAIRS}"
    title = tag("h2", f"Training beside validation: {conclusion(part.summary)}", class_="of-all")
    return tag("section", title, tag("p", said, *KEYS, class_="soft"), heat(part, inside))


def cost(part: Part) -> Html:
    """Epochs that were trained, which is the cost, against the error: a line for the last weights, one for the best."""
    cells = sorted((cell for cell in part.summary.cells if cell.completed), key=lambda cell: cell.mean_epochs)
    known = [(cell, last_and_best(cell)) for cell in cells]
    axis = Axis.of_values(part.sweep.objective, (v for _, both in known for values in both.values() for v in values))
    most = max((result.epochs for cell in cells for result in cell.completed), default=1)
    lines, texts = [], []
    for weights, name, look in (("last", "last weights", "training"), ("best", "best weights", "validation")):
        of = [(cell, both[weights]) for cell, both in known if weights in both]
        means = [(cell.mean_epochs / most, 1 - axis.place(statistics.fmean(values))) for cell, values in of]
        rings = [
            (SIZE * result.epochs / most, SIZE * (1 - axis.place(value)))
            for cell, values in of
            for result, value in zip(cell.completed, values, strict=True)
        ]
        big = dots((SIZE * x, SIZE * y) for x, y in means)
        lines += [
            tag("path", d=dots(rings), class_=f"spot {look}"),
            tag("path", d=path([(SIZE * x, SIZE * y) for x, y in means]), class_=f"median whole {look}"),
            tag("path", d=big, class_=f"big {look}"),
        ]
        if means:
            texts.append(tag("span", name, class_=f"end-of {look}", style=f"--y:{means[-1][1]:.2%}"))
        if weights == "best":
            texts += [_patience(cell, x) for (cell, _), (x, _) in zip(of, means, strict=True)]
    ticks = axis.ticks(6)
    grid = tag("path", d="".join(f"M0 {SIZE * (1 - at):.0f}h{SIZE}" for at, _ in ticks), class_="grid")
    texts += [tag("span", text, class_="y", style=f"--y:{1 - at:.2%}") for at, text in ticks]
    texts += below(whole_ticks(most))
    texts.append(tag("span", "epochs trained, which is what it costs", class_="unit"))
    title = tag("h2", "What stopping costs, and what it gains")
    caption = (
        f"{axis.name.capitalize()}; a small dot is one run, a large one the mean of all; its patience stands above."
    )
    alt = f"{axis.name} by epochs trained: {'; '.join(_spoken(cell, both, axis) for cell, both in known)}"
    drawn = charts.picture(alt, drawing(grid, *lines), *texts, class_="chart cost")
    return tag("figure", title, tag("figcaption", caption), drawn)


def _spoken(cell: Cell, both: Mapping[str, Sequence[float]], axis: Axis) -> str:
    """Say what a cell costs, and what its weights reach."""
    reached = (f"{which} weights {axis.text(statistics.fmean(values), 3)}" for which, values in both.items())
    return f"{cell.label}, {cell.mean_epochs:.0f} epochs: {', '.join(reached)}"


def _patience(cell: Cell, x: float) -> Html:
    patience = cell.values["patience"]
    name = "no stopping" if patience is None else patience
    return tag("span", name, class_="above", style=f"left:{x:.2%};--y:0%")


def weights(root: Path) -> Html:
    """Histograms of the final weights under l1, l2 and next to no penalty, on one scale; empty without TensorBoard."""
    runs = {
        "l1": "reg_type=l1,reg=0.001",
        "l2": "reg_type=l2,reg=0.001",
        "l2 of 1e-09, which is next to none": "reg_type=l2,reg=1e-09",
    }
    folders = {name: min((root / WEIGHTS).glob(f"{run},seed=*"), default=None) for name, run in runs.items()}
    found = {name: shares for name, folder in folders.items() if (shares := _histogram(folder))}
    if len(found) < 2:
        return Html("")
    highest = max(max(of) for of in found.values())
    drawn = []
    for name, of in found.items():
        step = SIZE / BINS
        bars = "".join(
            f"M{step * n:.0f} {SIZE}V{SIZE * (1 - share / highest):.0f}h{step:.0f}V{SIZE}z"
            for n, share in enumerate(of)
        )
        ends = [(0.0, f"{-WIDEST:g}"), (0.5, "0"), (1.0, f"{WIDEST:g}")]
        numbers = [tag("span", text, class_="x", style=f"left:{at:.0%}") for at, text in ends]
        said = tag("p", tag("strong", name))
        drawing_of = drawing(tag("path", d=bars, class_="bars-of"))
        chart = tag("div", drawing_of, *numbers, class_="chart small", aria_hidden="true")
        drawn.append(tag("div", said, chart))
    caption = (
        "The weights that the penalty is laid on, at the end: one seed, the strength 0.001. l1 heaps them up at zero."
    )
    return tag(
        "figure", tag("h2", "Where they leave the weights"), tag("figcaption", caption), *drawn, class_="histograms"
    )


def _histogram(folder: Path | None) -> list[float]:
    """Return the share of the weights in each bin, from a trial's TensorBoard; empty if there is none."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        return []
    if folder is None:
        return []
    events = EventAccumulator(str(folder), {"histograms": 1}).Reload()
    if "weights" not in events.Tags()["histograms"]:
        return []
    value = events.Histograms("weights")[-1].histogram_value
    return _shares(value.bucket_limit, value.bucket, value.min)


def _shares(limits: Sequence[float], counts: Sequence[float], least: float) -> list[float]:
    """Even bins from TensorBoard's; the counts of these are spread evenly over them."""
    shares, low, total = [0.0] * BINS, least, sum(counts)
    width = 2 * WIDEST / BINS
    for high, count in zip(limits, counts, strict=True):
        first, last = (math.floor((side + WIDEST) / width) for side in (low, high))
        for place in range(max(0, first), min(BINS - 1, last) + 1):
            left, right = -WIDEST + place * width, -WIDEST + (place + 1) * width
            if high > low:
                shares[place] += count / total * max(0.0, min(high, right) - max(low, left)) / (high - low)
        low = high
    return shares
