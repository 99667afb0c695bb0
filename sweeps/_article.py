"""The claims of the article, and what its sweeps have measured here, as one table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nnhp_torch.core.spec.names import text
from nnhp_torch.core.spec.trial import defaults
from nnhp_torch.core.stats.from_ledger import recorded
from nnhp_torch.report.page.part import Part
from sweeps.weight_regularization import drives_to_zero

# Sweep → what is said of its hyperparameter; the last two are not the article's.
CLAIMS = {
    "layers_nodes": "More layers and units represent more, and overfit: validation falls while training rises.",
    "optimizer": "Optimizers differ in how smoothly they train.",
    "batch_size": "Small batches are noisy, which regularizes.",
    "learning_rate": "Too high a rate never settles, too low a one has not arrived in the end.",
    "momentum": "Momentum makes training faster: 0.5, 0.9 and 0.99 are usual.",
    "weight_regularization": "l1 drives weights to zero, l2 makes them small.",
    "dropout": "Dropout prevents overfitting.",
    "early_stopping": "Training may end when validation has stopped rising.",
    "batch_norm": "Training is faster, and bears higher learning rates.",
    "activity_regularization": "A price on activity makes it sparse.",
    "noise": "Noise on the images regularizes.",
    "label_smoothing": "(Not the article's.) Smoothed labels regularize.",
    "gradient_clipping": "(Not the article's.) Clipping lets a network train at higher learning rates.",
}
SMALL, WIDE, ALT = "curves.png", 330, "its curves; the whole figure"  # the picture in a row of the table
EVIDENCE = Path("lightning_logs/evidence")  # apart from the reference: a TensorBoard over that would show it as well
PRINTED = EVIDENCE / "printed" / "momentum"
PENALTIES = EVIDENCE / "ten_epochs" / "weight_regularization"
WEIGHTS = EVIDENCE / "weights" / "weight_regularization"  # whose curves have a histogram of the weights
FIRST_PAGE = EVIDENCE / "first_page" / "batch_size"
# Small runs behind single sentences → the flags that they have.
RUNS = {
    PRINTED: "--protocol printed --max_epochs 5",
    PENALTIES: "--grid.reg [0.001] --max_epochs 10 --seeds 3",
    WEIGHTS: "--grid.reg [0.001]",
    FIRST_PAGE: "",
}


def sweeps_table(found: list[Part]) -> str:
    """Return a row a sweep: the values that it tries."""
    lines = ["| sweep | what it tries |", "| --- | --- |"]
    for f in found:
        sweep = f.outcome.sweep
        usual = defaults(sweep.base)
        tried = (f"`{axis}` {', '.join(text(v, usual[axis]) for v in values)}" for axis, values in sweep.axes.items())
        lines.append(f"| `{sweep.name}` | {' × '.join(tried)} |")
    return "\n".join([*lines, ""])


def answers(claim: str) -> list[tuple[str, str, str]]:
    """Return each question of a claim, the first words of its answer, and the number behind them.

    >>> answers("Does noise help? Yes: +0.08 points.")
    [('Does noise help?', 'Yes', '+0.08 points.')]
    """
    found = []
    for line in claim.splitlines():
        question, mark, said = line.partition("? ")
        word = re.split("[:,.]", said, maxsplit=1)[0]
        if mark:
            found.append((f"{question}?", word, said[len(word) + 1 :].strip()))
    return found


def claims_table(found: list[Part], root: Path = Path()) -> str:
    """Return a row a claim: what is said, the answer, a picture, what was measured; `root` is the project's folder."""
    lines = ["| said | here | error after each epoch | measured |", "| --- | --- | --- | --- |"]
    for said, measured, link, folder in _rows(found, root):
        words = list(dict.fromkeys(word for _, word, _ in answers(measured))) or [measured.partition(",")[0]]
        test = [line for line in measured.splitlines() if line.startswith("(")]
        told = "<br>".join(line for line in measured.splitlines() if not line.startswith("("))
        more = f"<details><summary>the test</summary>{'<br>'.join(test)}</details>" if test else "<br>"
        image = f'<a href="{folder}/figure.png"><img src="{folder}/{SMALL}" width="{WIDE}" alt="{ALT}"></a>'
        lines.append(f"| {said} | **{'; '.join(words)}** | {image} | {told}{more}{link} |")
    return "\n".join([*lines, ""])


def _rows(found: list[Part], root: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield what is said, what was measured, a link to its ledger, and the folder that has that."""
    for f in found:
        sweep = f.outcome.sweep
        measured, cells, folder = (
            f.summary.claim,
            f.summary.cells,
            f"../lightning_logs/reference/{f.outcome.sweep.name}",
        )
        if measured:
            link = f"[{sweep.name}]({folder}) ({cells[0].repeated})"
            yield CLAIMS.get(sweep.name, "(Not the article's.)"), measured, link, folder
        if sweep.name == "momentum":
            printed = recorded(root / PRINTED, sweep.monitor).summary
            yield (
                "The same, in the article's own code.",
                printed.why_no_winner.capitalize(),
                f"[as printed](../{PRINTED}) (5 epochs, 1 seed)",
                f"../{PRINTED}",
            )
        if sweep.name == "weight_regularization":
            few = recorded(root / PENALTIES, sweep.monitor).summary.cells
            link = f"[ten epochs](../{PENALTIES}) ({few[0].repeated})"
            yield CLAIMS[sweep.name], drives_to_zero(few), link, f"../{PENALTIES}"


def block(text: str, name: str) -> str:
    """Return the text between a block's marks, `<!-- name -->` and `<!-- end of name -->`."""
    return _around(text, name)[1]


def with_block(text: str, name: str, part: str) -> str:
    """Return the text with another part between a block's marks."""
    before, _, after = _around(text, name)
    return before + part + after


def _around(text: str, name: str) -> tuple[str, str, str]:
    start = text.index(f"<!-- {name} -->\n") + len(f"<!-- {name} -->\n")
    end = text.index(f"<!-- end of {name} -->\n", start)
    return text[:start], text[start:end], text[end:]
