"""The reference study under lightning_logs/reference/, from which the README's findings are taken.

    python -m sweeps.reference

runs what is missing of it (all sweeps, the article's seven with five seeds; three of them with five seeds under the
article's protocol and as printed, to be held against Keras), then writes the study's table and figure, leaves one
seed's curves, and puts the findings into README.md.
"""

from __future__ import annotations

import csv
import dataclasses
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from nnhp_torch import overview
from nnhp_torch.grid import label
from nnhp_torch.reporting import console
from nnhp_torch.results import ResultStore, replacing
from nnhp_torch.significance import LEVEL, compare_with_winner
from nnhp_torch.summary import Cell, cells
from nnhp_torch.sweeper import Outcome
from sweeps.__main__ import CHAIN, OTHERS, load, report

FOLDER = Path("lightning_logs") / "reference"
README = Path("README.md")
BEGIN, END = "<!-- findings -->\n", "<!-- end of findings -->\n"

SEEDS = [123, 124, 125, 126, 127]
COMPARED = ("batch_size", "optimizer", "layers_nodes")  # of which keras.csv has cells
PROTOCOLS = {"intended": "article", "literal": "printed"}  # Keras's reading → ours


def commands() -> Iterator[list[str]]:
    """The arguments of python for every part of the study."""
    seven = f"[{','.join(CHAIN)}]"
    yield ["-m", "sweeps", "--only", seven, "--seeds", str(len(SEEDS)), "--log_dir", str(FOLDER)]
    yield ["-m", "sweeps", "--skip", seven, "--log_dir", str(FOLDER)]
    for protocol in PROTOCOLS.values():
        for name in COMPARED:
            where = ["--protocol", protocol, "--log_dir", str(FOLDER / protocol)]
            yield ["-m", f"sweeps.{name}", "--seeds", str(len(SEEDS)), *where]


def outcome(name: str, protocol: str = "holdout", root: Path = Path()) -> Outcome:
    """What the ledgers say of a sweep; `root` is the project's folder."""
    sweep = load(name, {}, {"protocol": protocol})
    trials = sweep.trials(SEEDS if name in CHAIN else SEEDS[:1])
    results = ResultStore(root / FOLDER / ("" if protocol == "holdout" else protocol) / name).results()
    return Outcome(sweep, trials, {trial.key: results[trial.key] for trial in trials if trial.key in results})


def findings(root: Path = Path()) -> list[overview.Finding]:
    """Every sweep's, in the order of the study."""
    return [overview.finding(outcome(name, root=root), CHAIN.get(name)) for name in (*CHAIN, *OTHERS)]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One cell in Keras and here: accuracy on the test images of the final weights.

    Args:
        protocol: article or printed; sweep and cell: which one.
        keras: the mean of Keras's runs.
        here: the cell with our runs.
    """

    protocol: str
    sweep: str
    keras: float
    here: Cell

    @property
    def within(self) -> bool:
        """Whether Keras lies within half a point, or three standard deviations if that is more."""
        mean, spread = self.here.mean("val_accuracy"), self.here.spread("val_accuracy")
        return abs(self.keras - mean) <= max(0.005, 3 * spread)


def comparisons(root: Path = Path()) -> list[Comparison]:
    """Every cell of keras.csv beside ours, as far as it has been run here with all seeds."""
    keras = defaultdict(list)
    with open(root / FOLDER / "keras.csv", newline="") as file:
        for row in csv.DictReader(file):
            values = row["cell"].replace("opt=", "optimizer=").replace(";", ", ")
            keras[PROTOCOLS[row["mode"]], row["sweep"], values].append(float(row["test_accuracy"]))
    ours = {
        (protocol, name, cell.label): cell
        for protocol, name, _ in keras
        for cell in cells(outcome(name, protocol, root))
    }
    return [
        Comparison(*key[:2], statistics.fmean(values), ours[key]) for key, values in keras.items() if ours[key].ranked
    ]


def markdown(found: list[overview.Finding], compared: list[Comparison]) -> str:
    """The README's part about the study."""
    lines = [
        "| sweep | the article chose | val_accuracy | best here | val_accuracy | cannot be told from the best |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for f in found:
        if f.outcome.sweep.name in CHAIN and f.best is not None:
            p_values = compare_with_winner(f.best, f.gathered, f.monitor)
            alike = [cell.label for cell in f.gathered if p_values.get(cell.label, 0) >= LEVEL]
            chosen = (f.chosen.label, f.chosen.text(f.monitor)) if f.chosen else ("–", "")
            cells_of_row = (f"`{f.outcome.sweep.name}`", *chosen, f.best.label, f.best.text(f.monitor))
            lines.append(f"| {' | '.join((*cells_of_row, '; '.join(alike) or 'nothing'))} |")
    lines += ["", "What sweeps say of the claims that go with them (of one seed, but for `dropout`):", ""]
    for f in found:
        if f.outcome.sweep.verdict is not None:
            lines.append(f"- `{f.outcome.sweep.name}`: {f.outcome.sweep.verdict(f.gathered)}")
    lines += ["", "Keras's own accuracy on the test images lies within half a point of the mean here, or within three "]
    lines[-1] += f"standard deviations of the {len(SEEDS)} seeds where that is more,"
    for protocol in PROTOCOLS.values():
        cells_of_protocol = [c for c in compared if c.protocol == protocol]
        if not cells_of_protocol:
            continue  # not run yet
        within = sum(c.within for c in cells_of_protocol)
        lines.append(f"- in {within} of {len(cells_of_protocol)} cells under `--protocol {protocol}`;")
        for c in cells_of_protocol:
            if not c.within:
                lines[-1] += f" not in {c.here.label} of `{c.sweep}` (Keras {c.keras:.4f}, "
                lines[-1] += f"here {c.here.text('val_accuracy')});"
    return "\n".join(lines).removesuffix(";") + ".\n"


def tidy(folder: Path) -> None:
    """Leaves the first seed's curves, and no checkpoints."""
    for path in list(folder.rglob("checkpoints")):
        shutil.rmtree(path)
    for seed in SEEDS[1:]:
        for path in list(folder.rglob(f"*{label({'seed': seed})}*")):
            shutil.rmtree(path)


def main() -> None:
    """`python -m sweeps.reference`."""
    for arguments in commands():
        print(" ".join(["python", *arguments]), flush=True)
        if code := subprocess.run([sys.executable, *arguments]).returncode:
            raise SystemExit(code)
    found = findings()
    report(found, FOLDER / "study", console())
    tidy(FOLDER)
    before, rest = README.read_text().split(BEGIN)
    with replacing(README) as written:
        written.write_text(before + BEGIN + markdown(found, comparisons()) + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
