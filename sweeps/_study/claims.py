"""The claims of the article, and what its sweeps have measured here, as one table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from nnhp_torch import Cell
from nnhp_torch.core.ledger.result import logged
from nnhp_torch.core.recorded.from_ledger import recorded
from nnhp_torch.core.spec.names import text
from nnhp_torch.core.spec.trial import defaults
from nnhp_torch.report.page.part import Part
from sweeps._study.answers import SCORED, narrows, regularizes, small_batches_are_noisy
from sweeps._study.overview import with_nought
from sweeps.weight_regularization import drives_to_zero

NOT_THE_ARTICLES = "(Not the article's.) "
# Sweep → what is said of its hyperparameter; the last two are not the article's.
CLAIMS = {
    "layers_nodes": "More layers and units represent more, and overfit: validation falls while training rises.",
    "optimizer": "Optimizers differ in how smoothly they train.",
    "batch_size": "Small batches are noisy, which regularizes.",
    "learning_rate": "Too high a rate never settles, too low a one has not arrived in the end.",
    "momentum": "Momentum makes training faster: 0.5, 0.9 and 0.99 are usual.",
    "weight_regularization": "l1 drives weights to zero, l2 makes them small.",
    "dropout": "Dropout prevents overfitting.",
    "early_stopping": "Training may end when validation has stopped rising (read here as: to stop is better).",
    "batch_norm": "Training is faster, and bears higher learning rates.",
    "activity_regularization": "A price on activity makes it sparse.",
    "noise": "Noise on the images regularizes.",
    "label_smoothing": "(Not the article's.) Smoothed labels regularize.",
    "gradient_clipping": "(Not the article's.) Clipping lets a network train at higher learning rates.",
}
# Sweep → what ends best and the words of its answers, and what these say together; other answers go without.
TOGETHER: dict[str, tuple[tuple[str, ...], str]] = {
    "layers_nodes": (
        ("n_layers=2, n_nodes=256", "No", *["Yes with nodes; cannot be told with layers"] * 2),
        "More nodes learn the training images better and overfit more; for more layers, neither can be told. "
        "Validation accuracy falls nowhere.",
    ),
    "batch_size": (
        ("batch_size=2000", "Yes", "Yes with 5000 and 2000; cannot be told with 10000", "Cannot be told"),
        "A small batch's gradient is noisier, and its network overfits less; whether it ends better cannot be told.",
    ),
    "learning_rate": (
        ("lr=0.01", "Yes", "Yes"),
        "At the highest rate validation keeps falling back, and most runs end with a high error; at the lowest the "
        "error is still falling in the end.",
    ),
    "weight_regularization": (
        ("reg_type=l1, reg=0.0001", "Yes", "Yes"),
        "l1 drives many weights to zero, l2 few; with l2 weights are smaller than with next to no penalty.",
    ),
    "dropout": (
        ("dropout=0.75", "Cannot be told", "Cannot be told", "Yes", "Yes"),
        "In the article's setting there is no overfitting to prevent; in one that overfits, dropout narrows the gap a "
        "little and helps on images not seen.",
    ),
    "loss": (
        ("loss=cross_entropy",),
        "If each image has one right class, cross-entropy and the KL divergence are one loss: what they reach differs "
        "by rounding.",
    ),
    "early_stopping": (
        (
            "patience=none",
            "No, the opposite with patience 1, 3 and 5; cannot be told with patience 10",
            "Cannot be told",
        ),
        "Stopping saves epochs and costs accuracy on the test images; longer patience costs less, the longest too "
        "little to tell. (On validation it could not win: its epochs are among those of the whole training.)",
    ),
    "batch_norm": (
        ("lr=0.001, batch_norm=False", "Yes by training accuracy; no, the opposite by validation accuracy", "Yes"),
        "Training is faster, validation slower: in so few steps Keras's slow moving averages, which judge it, may lag "
        "behind (not tested here). At the higher rate it learns where the plain network hardly does, and still ends "
        "behind the plain one at the lower rate.",
    ),
    "noise": (
        ("noise=0.2", "Yes", "Cannot be told"),
        "Noise narrows the gap; whether it helps on images not seen cannot be told.",
    ),
    "label_smoothing": (
        ("label_smoothing=0.2", "Yes", "Yes"),
        "Smoothed labels narrow the gap and help on images not seen.",
    ),
}
SMALL, WIDE, ALT = "curves.png", 330, "its curves; the whole figure"  # the picture in a row of the table
EVIDENCE = Path("lightning_logs/evidence")  # apart from the reference: a TensorBoard over that would show it as well
PRINTED = EVIDENCE / "printed" / "momentum"
WEIGHTS = EVIDENCE / "weights" / "weight_regularization"  # with the weights' shares near zero and histograms
TRAINED = EVIDENCE / "trained" / "dropout"  # with the training images scored in the end, and without dropout
OVERFITS = EVIDENCE / "overfits" / "dropout"  # that too, in a setting in which there is something to prevent
GRADIENTS = EVIDENCE / "gradients" / "gradient_noise"
FIRST_PAGE = EVIDENCE / "first_page" / "batch_size"
# Small runs behind single sentences: each folder's, with the flags that they have.
RUNS = [
    (PRINTED, "--protocol printed --max_epochs 5"),
    (WEIGHTS, "--grid.reg_type [l2] --grid.reg [0.000000001] --seeds 5"),  # of no penalty no weights are logged
    (WEIGHTS, "--grid.reg [0.001] --seeds 5"),
    (TRAINED, "--grid.dropout [0,0.5] --seeds 5"),
    (OVERFITS, "--base.lr 0.01 --base.momentum 0.9 --grid.dropout [0,0.25,0.5] --seeds 5"),
    (GRADIENTS, "--seeds 5"),
    (FIRST_PAGE, ""),
]
# Sweep → ledgers that answer what its own cannot: each with the metric by which a newer one could, and what it answers.
BACKED: dict[str, list[tuple[Path, str, Callable[[Sequence[Cell]], str]]]] = {
    "batch_size": [(GRADIENTS, "gradient_noise", small_batches_are_noisy)],
    "weight_regularization": [(WEIGHTS, "weight_sparsity", drives_to_zero)],
    "dropout": [
        (TRAINED, SCORED, partial(narrows, "dropout")),
        (OVERFITS, "", partial(regularizes, "dropout at lr=0.01 and momentum=0.9")),
    ],
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


@dataclass(frozen=True)
class Answer:
    """A question of a claim, the first words of its answer, the number behind them, and how that was tested."""

    question: str
    word: str
    number: str
    test: str = ""

    @property
    def kinds(self) -> set[str]:
        """What it is: yes, no or open; several if it is one of them with one value, another with another."""
        kinds = {"yes": "yes", "no": "no", "cannot be told": "open"}
        return {of for word, of in kinds.items() if re.search(rf"(^|; ){word}", self.word, re.IGNORECASE)}


def kind_of(found: Sequence[Answer]) -> str:
    """Whether a claim holds: yes; mixed if it does in part; no if nothing of it does; open; none if unanswered."""
    kinds = {kind for answer in found for kind in answer.kinds}
    if "yes" in kinds:
        return "yes" if len(kinds) == 1 else "mixed"
    return next((kind for kind in ("no", "open") if kind in kinds), "none")


def answers(claim: str) -> list[Answer]:
    """Return the answers of a claim.

    >>> answers("Does noise help? Yes with 0.2: +0.08 points.\\n(5 seeds, p=0.039)")
    [Answer(question='Does noise help?', word='Yes with 0.2', number='+0.08 points.', test='5 seeds, p=0.039')]
    """
    found: list[Answer] = []
    for line in claim.splitlines():
        question, mark, said = line.partition("? ")
        word = re.split(r"[:.](?:\s|$)", said, maxsplit=1)[0]
        if mark:
            found.append(Answer(f"{question}?", word, said[len(word) + 1 :].strip()))
        elif line.startswith("(") and found and not found[-1].test:
            found[-1] = replace(found[-1], test=line.strip("()"))
    return found


def in_short(found: Sequence[Answer]) -> str:
    """Return the words of a claim's answers, each once.

    >>> in_short([Answer("", "Yes", ""), Answer("", "Yes", ""), Answer("", "Cannot be told", "")])
    'Yes; cannot be told'
    """
    first, *others = dict.fromkeys(answer.word for answer in found) or [""]
    return "; ".join([first, *(word[:1].lower() + word[1:] for word in others)])


def together(part: Part, words: Sequence[str]) -> str:
    """Return what the words of a sweep's answers say together; empty unless they are those that it was written for."""
    known, said = TOGETHER.get(part.sweep.name, ((), ""))
    return said if (best := part.summary.leader) and known == (best.label, *words) else ""


def backed(part: Part, root: Path) -> dict[Path, Part]:
    """Return what answers for each ledger that backs a sweep: that, the sweep's own if it is new enough, or nothing."""
    own = logged(part.summary.shown)
    return {
        folder: part if metric in own else replace(part, outcome=recorded(root / folder, part.sweep.monitor))
        for folder, metric, _ in BACKED.get(part.sweep.name, [])
        if metric in own or (root / folder).is_dir()
    }


def others(part: Part, root: Path) -> dict[Path, Part]:
    """Return the ledgers that answer what the sweep's own cannot, by their folders."""
    return {folder: other for folder, other in backed(part, root).items() if other is not part}


def claim_of(part: Part, root: Path) -> str:
    """Return what a sweep says of its claim, behind what the first ledger that backs it answers, before the others."""
    known = others(part, root)
    said = [of(known[way].summary.cells) if way in known else "" for way, _, of in BACKED.get(part.sweep.name, [])]
    first, *rest = said or [""]
    return "\n".join(filter(None, (first, part.summary.claim, *rest)))


def claims_table(found: list[Part], root: Path = Path()) -> str:
    """Return a row a claim: what is said, the answer, a picture, what was measured; `root` is the project's folder."""
    lines = ["| said | here | measured (the picture: error after each epoch) |", "| --- | --- | --- |"]
    for said, measured, link, folder in _rows(found, root):
        word = in_short(answers(measured)) or measured.partition(",")[0]
        test = [line for line in measured.splitlines() if line.startswith("(")]
        told = "<br>".join(line for line in measured.splitlines() if not line.startswith("("))
        more = f"<details><summary>the test</summary>{'<br>'.join(test)}</details>" if test else "<br>"
        image = f'<a href="{folder}/figure.png"><img src="{folder}/{SMALL}" width="{WIDE}" alt="{ALT}"></a>'
        lines.append(f"| {said} | **{word}** | {image}<br>{told}{more}{link} |")
    return "\n".join([*lines, ""])


def _rows(found: list[Part], root: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield what is said, what was measured, links to the ledgers that tell it, and the folder of the first."""
    for f in (with_nought(part, found) for part in found):
        name = f.sweep.name
        if measured := claim_of(f, root):
            folder = f"../lightning_logs/reference/{name}"
            links = [f"[{name}]({folder}) ({f.summary.repeated})"]
            links += [f"[{way.parent.name}](../{way}) ({of.summary.repeated})" for way, of in others(f, root).items()]
            yield CLAIMS.get(name, "(Not the article's.)"), measured, ", ".join(links), folder
        if name == "momentum":
            printed = recorded(root / PRINTED, f.sweep.monitor).summary
            yield (
                "The same, in the article's own code.",
                printed.why_no_winner.capitalize(),
                f"[as printed](../{PRINTED}) (5 epochs, 1 seed)",
                f"../{PRINTED}",
            )


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
