"""The reference study under lightning_logs/reference/: its page has the findings, lightning_logs/evidence/ backs them.

    python -m sweeps.reference

runs what is missing of it (all sweeps with five seeds; three of them also under the article's protocol and as printed,
to be held against Keras; the seven once more in bf16-mixed), then writes the study's table and figure, leaves one
seed's curves, and puts the findings into the page of its folder and into that of the sweeps.
"""

from __future__ import annotations

import csv
import dataclasses
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

from nnhp_torch.core.ledger.files import replacing
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.recorded.from_ledger import recorded
from nnhp_torch.core.spec.base import MATTERS
from nnhp_torch.core.spec.interim import LEVEL
from nnhp_torch.core.spec.names import label
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.pairs import equivalent, holm, paired_t_test
from nnhp_torch.report.page.callback import NAME
from nnhp_torch.report.page.part import Part
from sweeps.__main__ import load
from sweeps._base import CHAIN, OTHERS
from sweeps._study.claims import EVIDENCE, PRINTED, RUNS, claim_of, claims_table, sweeps_table, with_block
from sweeps._study.overview import with_nought
from sweeps._study.thumbnails import draw_small, photograph

FOLDER = Path("lightning_logs") / "reference"
PAGE = FOLDER / "README.md"
CLAIMS_PAGE = Path("sweeps") / "README.md"
MONITOR = "val_accuracy"
CLOSE = 0.005  # half a point
STABLE = 0.004  # a standard deviation over seeds below which training is called stable

SEEDS = [123, 124, 125, 126, 127]
COMPARED = ("batch_size", "optimizer", "layers_nodes")  # keras.csv has cells of these
PROTOCOLS = {"intended": "article", "literal": "printed"}  # Keras's reading → ours
# What is run once more, and lies in a folder of its name under EVIDENCE → which sweeps, with which flags.
VARIANTS: dict[str, tuple[Collection[str], dict[str, str]]] = {
    "article": (COMPARED, {"protocol": "article"}),
    "printed": (COMPARED, {"protocol": "printed"}),
    "bf16-mixed": (CHAIN, {"precision": "bf16-mixed"}),
}


def commands() -> Iterator[list[str]]:
    """Yield the arguments of python for every part of the study."""
    yield ["-m", "sweeps", "--seeds", str(len(SEEDS)), "--log_dir", str(FOLDER)]
    for variant, (names, flags) in VARIANTS.items():
        for name in names:
            (chosen,) = ([f"--{flag}", value] for flag, value in flags.items())
            yield ["-m", f"sweeps.{name}", "--seeds", str(len(SEEDS)), *chosen, "--log_dir", str(EVIDENCE / variant)]
    for folder, options in RUNS:
        yield ["-m", f"sweeps.{folder.name}", *options.split(), "--log_dir", str(folder.parent)]


def folder_of(name: str, variant: str = "") -> Path:
    """Return where a sweep's ledger lies, from the project's folder."""
    return (EVIDENCE / variant if variant else FOLDER) / name


def outcome(name: str, variant: str = "", root: Path = Path()) -> Outcome:
    """Return the outcome of a sweep, from its ledgers; `root` is the project's folder."""
    flags = VARIANTS[variant][1] if variant else {}
    results = ResultStore(root / folder_of(name, variant)).results()
    sweep = load(name, {}, {"protocol": flags.get("protocol", "holdout")})
    trials = sweep.trials(SEEDS, flags.get("precision", "32-true"))
    return Outcome(sweep, trials, {trial.key: results[trial.key] for trial in trials if trial.key in results})


def findings(root: Path = Path()) -> list[Part]:
    """Return every sweep's that has been run for it, in the order of the study."""
    run = [name for name in (*CHAIN, *OTHERS) if (root / FOLDER / name).is_dir()]
    return [Part(outcome(name, root=root), choice=CHAIN.get(name)) for name in run]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One cell in Keras and here: accuracy on the test images of the final weights.

    Args:
        protocol: article or printed; sweep and cell: which one.
        keras: the mean of Keras's runs.
        here: the cell with our runs. runs: how many Keras has.
    """

    protocol: str
    sweep: str
    keras: float
    here: Cell
    runs: int = 1

    @property
    def shown(self) -> bool:
        """Whether Keras is shown to lie within half a point, by runs of which each has its luck."""
        ours = self.here.values_of(MONITOR)
        return equivalent(ours, [self.keras] * len(ours), CLOSE, shared=1 / self.runs) < LEVEL

    @property
    def within(self) -> bool:
        """Whether its mean lies within half a point, or three standard deviations if that is more."""
        mean, spread = self.here.mean(MONITOR), self.here.spread(MONITOR)
        return abs(self.keras - mean) <= max(CLOSE, 3 * spread)


def comparisons(root: Path = Path()) -> list[Comparison]:
    """Return every cell of keras.csv beside ours, as far as it has been run here with all seeds."""
    keras = defaultdict(list)
    with open(root / EVIDENCE / "keras.csv", newline="") as file:
        for row in csv.DictReader(file):
            values = row["cell"].replace("opt=", "optimizer=").replace(";", ", ")
            keras[PROTOCOLS[row["mode"]], row["sweep"], values].append(float(row["test_accuracy"]))
    ours = {
        (protocol, name, cell.label): cell
        for protocol, name, _ in keras
        for cell in outcome(name, protocol, root).summary.cells
    }
    return [
        Comparison(*key[:2], statistics.fmean(values), ours[key], len(values))
        for key, values in keras.items()
        if ours[key].ranked
    ]


def precisions(root: Path = Path()) -> list[tuple[str, Cell, Cell, float]]:
    """Return every cell of the seven: sweep, the cell in 32-true and in bf16-mixed, adjusted p-value of the difference.

    Paired t-tests over the seeds; Holm's correction goes over all cells of all sweeps.
    """
    pairs = [
        (name, full, mixed)
        for name in CHAIN
        for full, mixed in zip(*(outcome(name, of, root).summary.cells for of in ("", "bf16-mixed")), strict=True)
        if full.ranked and mixed.ranked
    ]
    tests = [paired_t_test(full.values_of(MONITOR), mixed.values_of(MONITOR)) for _, full, mixed in pairs]
    return [(*pair, p) for pair, p in zip(pairs, holm(tests), strict=True)]


def precision_table(compared: list[tuple[str, Cell, Cell, float]]) -> str:
    """Return the page's part about bf16-mixed."""
    changed = [f"{full.label} of `{name}`" for name, full, _, p in compared if p < LEVEL]
    pairs = {tuple(tuple(cell.values_of(MONITOR)) for cell in row[1:3]): row[1:3] for row in compared}
    same = sum(equivalent(full, mixed, MATTERS) < LEVEL for full, mixed in pairs)
    calm = [both for both in pairs.values() if max(cell.spread(MONITOR) for cell in both) < STABLE]
    apart = max(abs(full.mean(MONITOR) - mixed.mean(MONITOR)) for full, mixed in calm)
    spread = max(max(of) - min(of) for values in pairs for of in values)
    name, full, mixed, _ = max(compared, key=lambda row: abs(row[1].mean(MONITOR) - row[2].mean(MONITOR)))
    lines = [
        f"The {len(compared)} cells are {len(pairs)} different ones. bf16-mixed is shown to change {MONITOR} in "
        f"{'; '.join(changed) or 'none of them'} ({len(SEEDS)} seeds, paired t-tests, Holm's correction, "
        f"{LEVEL:.0%} level), and shown to leave it within {100 * MATTERS:.1f} points in {same} (two one-sided paired "
        f"t-tests, {LEVEL:.0%} level each); of the rest {len(SEEDS)} seeds cannot tell. The means differ most in "
        f"{full.label} of `{name}`: {full.mean(MONITOR):.3f} and {mixed.mean(MONITOR):.3f}. In the {len(calm)} cells "
        f"whose standard deviation over seeds is below {100 * STABLE:.1f} points in both, the means differ by at most "
        f"{100 * apart:.2f} points; the other {len(pairs) - len(calm)} vary by up to {100 * spread:.0f} points from "
        f"seed to seed, and {len(SEEDS)} seeds say little about them.",
        "",
        "<details><summary>Every cell in both precisions</summary>",
        "",
        "| sweep | cell | 32-true | bf16-mixed | difference | adjusted p |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, full, mixed, p in compared:
        difference = mixed.mean(MONITOR) - full.mean(MONITOR)
        row = (f"`{name}`", full.label, full.text(MONITOR), mixed.text(MONITOR), f"{difference:+.4f}", f"{p:.2g}")
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join([*lines, "", "</details>", ""])


def markdown(found: list[Part], compared: list[Comparison]) -> str:
    """Return the page's part about the study."""
    lines = [
        "| sweep | the article chose | val_accuracy | best here | val_accuracy | test_accuracy | not told from it |",
        f"|{' --- |' * 7}",
    ]
    for f in found:
        if f.outcome.sweep.name in CHAIN and (best := f.summary.leader) is not None:
            alike = [verdict.cell.label for verdict in f.summary.verdicts if verdict.kind in ("as good", "undecided")]
            chosen = (f.chosen.label, f.chosen.text(MONITOR)) if f.chosen else ("–", "")
            cells_of_row = (
                f"`{f.outcome.sweep.name}`",
                *chosen,
                best.label,
                best.text(MONITOR),
                best.text("test_accuracy"),
            )
            lines.append(f"| {' | '.join((*cells_of_row, '; '.join(alike) or 'nothing'))} |")
    known = [luck for f in found if (luck := f.summary.luck) is not None]
    picked, seeds = (sum(counts) for counts in zip(*((luck.picked, luck.seeds) for luck in known), strict=True))
    lines += ["", f"One seed alone would have picked the best of its sweep in {picked} of {seeds} cases."]
    lines += ["", "Keras's own accuracy on the test images is shown to lie within half a point of the mean here (two "]
    lines[-1] += f"one-sided t-tests, {LEVEL:.0%} level each, {len(SEEDS)} seeds here and each run of Keras with the "
    lines[-1] += "same spread; unstable cells can show nothing)"
    for protocol in PROTOCOLS.values():
        of = [c for c in compared if c.protocol == protocol]
        lines.append(f"- in {sum(c.shown for c in of)} of {len(of)} cells under `--protocol {protocol}`;")
        far = [f"{c.here.label} ({c.keras:.4f}, here {c.here.text(MONITOR)})" for c in of if not c.within]
        lines[-1] += " three standard deviations or more away in " * bool(far) + ", ".join(far) + ";" * bool(far)
    return "\n".join(lines).removesuffix(";") + ".\n"


def tidy(folder: Path) -> None:
    """Leave the first seed's curves, which say so in their names, and no checkpoints."""
    for path in list(folder.rglob("checkpoints")):
        shutil.rmtree(path)
    for seed in SEEDS[1:]:
        for path in list(folder.rglob(f"*{label({'seed': seed})}*")):
            shutil.rmtree(path)
    for ledger in list(folder.rglob("results.jsonl")):
        for result in ResultStore(ledger.parent).results().values():
            run = ledger.parent / result.name
            if result.config["seed"] == SEEDS[0] and run.is_dir():
                run.rename(run.with_name(one_seed(result.name)))


def one_seed(name: str) -> str:
    """Return the name of the run that has the first seed's curves of a cell."""
    return f"{name},{label({'seed': SEEDS[0]})}"


def main() -> None:
    for arguments in commands():
        print(" ".join(["python", *arguments]), flush=True)
        if (code := subprocess.run([sys.executable, *arguments]).returncode) > 1:  # 1: a trial diverges, as it should
            raise SystemExit(code)
    found = findings()
    tidy(FOLDER)
    tidy(EVIDENCE)
    for means in list(EVIDENCE.rglob("mean of *")):  # nobody looks at those of the evidence
        shutil.rmtree(means)
    write_pages(found)


def write_pages(found: list[Part]) -> None:
    """Put what was found into the pages, and the pictures that they show."""
    for f in (f for f in found if claim_of(f, Path())):
        draw_small(with_nought(f, found).summary, FOLDER / f.sweep.name)
    draw_small(recorded(PRINTED, MONITOR).summary, PRINTED)
    shown = FOLDER / "batch_size"
    if not photograph(shown / NAME, shown / "page.png"):
        print(f"{shown / 'page.png'} stays as it was: no Chromium is installed that would photograph the page")
    parts = {
        "findings": (PAGE, markdown(found, comparisons())),
        "precisions": (PAGE, precision_table(precisions())),
        "sweeps": (CLAIMS_PAGE, sweeps_table(found)),
        "claims": (CLAIMS_PAGE, claims_table(found)),
    }
    for name, (page, part) in parts.items():
        text = with_block(page.read_text(), name, part)
        with replacing(page) as written:
            written.write_text(text)


if __name__ == "__main__":
    main()
