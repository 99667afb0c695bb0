"""The pages: their examples run as they stand, in an empty folder; their links lead somewhere; their numbers hold."""

import contextlib
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment
from PIL import Image, ImageOps

import nnhp_torch.__main__
from nnhp_torch.core.ledger.result import FIELDS
from nnhp_torch.mnist import files as mnist

pytestmark = pytest.mark.filterwarnings("default")  # as in a user's process

ROOT = Path(__file__).parent.parent
PAGES = {
    name: (ROOT / name / "README.md").read_text()
    for name in (
        "",
        "sweeps",
        "nnhp_torch",
        "nnhp_torch/run",
        "nnhp_torch/core/ledger",
        "tests/benchmarks",
        "lightning_logs/reference",
    )
}
PAGES["nnhp_torch/run/"] = (ROOT / "nnhp_torch/run/clusters.md").read_text()
PYTHON = [script for text in PAGES.values() for script in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]


def _run(command, folder):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command, cwd=folder, env=environment() | {"PATH": path, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """Runs a script in this process, in an empty folder, as `python mine.py` would; returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(script, *flags):
        (tmp_path / "mine.py").write_text(script)
        monkeypatch.setattr(sys, "argv", ["mine.py", *flags])
        with contextlib.suppress(SystemExit):
            runpy.run_path("mine.py", run_name="__main__")
        return capsys.readouterr().out

    return run


def _script(word):
    (found,) = [script for script in PYTHON if word in script]
    return found


def test_the_classifier_learns_a_strangers_rows(here):
    out = here(_script("AdamW"))
    assert float(out.split("val_accuracy")[-1]) > 0.9


def test_a_strangers_convolutional_network_learns_mnist_under_noise_and_a_constraint(here):
    out = here(_script("ConvNet"))
    assert float(out.split("val_accuracy")[-1]) > 0.85


def test_a_strangers_sweep_has_the_ledger_the_figure_and_the_command_line(here, tmp_path):
    script, flags = _script("Polynomial"), ["--accelerator", "cpu", "--max_epochs", "2"]
    (tmp_path / "mine.py").write_text(script)
    out = _run([sys.executable, "mine.py", *flags, "--jobs", "1"], tmp_path)
    assert re.search(r"Winner: degree=\d, lr=0.1 with val_loss=0\.", out)
    folder = tmp_path / "lightning_logs" / "polynomial"
    assert {"results.jsonl", "results.csv", "figure.png"} <= {path.name for path in folder.iterdir()}
    again = here(script, *flags, "--grid.degree", "[1, 2]", "--dry_run")
    assert "2 of 4 trials would run" in again, "two are known"


@pytest.fixture
def digits(tmp_path):
    """Ten test images as pictures on paper, each named after its digit."""
    folder = tmp_path / "my_digits"
    folder.mkdir()
    _, _, images, labels = mnist.load("MNIST", mnist.default_data_dir())
    for i, (image, label) in enumerate(zip(images[:10], labels[:10], strict=True)):
        paper = Image.new("L", (300, 220), 255)
        paper.paste(ImageOps.invert(Image.fromarray(image).resize((168, 168))), (40 + 5 * i, 20))
        paper.save(folder / f"{i} is a {label}.png")


@pytest.mark.usefixtures("digits")
def test_one_trial_by_hand_is_trained_tested_used_and_repeated(here, tmp_path, monkeypatch, capsys):
    """Two epochs are enough for that."""
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")  # Lightning sets it; so it is unset again
    (commands,) = re.findall(r"```sh\n(python -m nnhp_torch fit.*?)```", PAGES["nnhp_torch"], re.DOTALL)
    fit, test, predict, repeat = commands.splitlines()

    def by_hand(command):
        start = "python -m nnhp_torch "
        assert command.startswith(start)
        monkeypatch.setattr(sys, "argv", ["nnhp_torch", *shlex.split(command.removeprefix(start), comments=True)])
        nnhp_torch.__main__.main()
        return capsys.readouterr().out

    first, tested, again = by_hand(fit.replace("max_epochs 5", "max_epochs 2")), by_hand(test), by_hand(repeat)
    assert "test_accuracy" in tested
    assert "epoch 2/2" in again
    assert (
        first[first.index("epoch 1/2") : first.index("Weights")]
        == again[again.index("epoch 1/2") : again.index("Weights")]
    )
    read = re.findall(r"is a (\d).png\t(\d)\t", by_hand(predict))
    assert len(read) == 10
    assert sum(written == seen for written, seen in read) >= 8

    read_again = re.findall(r"is a (\d).png (\d)", here(_script("load_from_checkpoint")))
    assert read_again == read


def test_a_callback_of_ones_own_watches_a_sweep_and_ends_trials(here, tmp_path):
    sweep, _ = _script("Polynomial").split("if __name__")
    flags = ["--accelerator", "cpu", "--max_epochs", "7", "--jobs", "0"]
    out = here(f"{sweep}\n{_script('Impatient')}", *flags)
    diary = (tmp_path / "diary.txt").read_text().splitlines()
    assert len(diary) == 6
    assert {line.split()[-2] for line in diary} == {"completed", "pruned"}
    assert "hopeless after five epochs" in out


def test_a_sweep_runs_from_python_and_gives_its_table_its_figure_and_its_winner(here, tmp_path, monkeypatch):
    (tmp_path / "polynomial.py").write_text(
        _script("Polynomial").replace("max_epochs: int = 30", "max_epochs: int = 2")
    )
    monkeypatch.syspath_prepend(tmp_path)
    out = here(_script("outcome.best.load()").replace("from mine import", "from polynomial import"))
    table = out.partition("Curves")[2]
    assert re.search(r"degree +lr +val_loss", table)
    assert int(out.split()[-1]) in (1, 3, 5)
    assert (tmp_path / "all.png").exists()
    assert "degree:" in (tmp_path / "winner.yaml").read_text()


def test_a_metric_of_ones_own_stands_in_the_table_of_the_articles_sweep(here):
    flags = [
        "--max_epochs",
        "1",
        "--jobs",
        "0",
        "--accelerator",
        "cpu",
        "--grid.lr",
        "0.01",
        "--base.batch_size",
        "5000",
    ]
    out = here(_script("class Top3"), *flags)
    heads, row = (next(line for line in out.splitlines() if word in line) for word in ("val_top3", "← winner"))
    assert 0.5 < float(row.split()[heads.split().index("val_top3") - 1]) <= 1, "the arrow behind val_acc is a word too"


def test_the_page_of_the_ledger_names_each_field_and_its_script_reads_one(tmp_path, capsys, monkeypatch):
    page = PAGES["nnhp_torch/core/ledger"]
    rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == {"schema", *FIELDS}
    (script,) = re.findall(r"```py\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lightning_logs").mkdir()
    (tmp_path / "lightning_logs" / "rates").symlink_to(ROOT / "lightning_logs" / "reference" / "batch_size")
    exec(script, {})
    assert len(capsys.readouterr().out.splitlines()) == 20, "four cells with five seeds"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_something_that_is_there(page):
    for target in re.findall(r"\]\((?!http)([^)]+)\)", PAGES[page]):
        path, _, anchor = target.partition("#")
        found = ROOT / page / path
        assert found.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            assert anchor in [title.lower().replace(" ", "-") for title in titles]


def test_every_sweep_of_the_reference_and_every_room_is_on_its_page():
    run = {path.parent.name for path in (ROOT / "lightning_logs" / "reference").glob("*/results.jsonl")}
    assert len(run) > 15
    for name in run - {"search", "search-confirm"}:  # python -m sweeps.reference writes the row of what it runs
        assert f"| `{name}` |" in PAGES["sweeps"]
    rooms = {path.name for path in (ROOT / "nnhp_torch").iterdir() if (path / "__init__.py").exists() or path.is_dir()}
    for room in rooms - {"__pycache__"}:
        assert f"| `{room}/` |" in PAGES["nnhp_torch"]


def test_the_first_page_is_short_and_its_numbers_are_those_of_the_pages_behind_it():
    first = PAGES[""]
    assert len(first.encode()) <= 9_000
    assert len(first.splitlines()) <= 120
    behind = re.findall(r"^- in (\d+ of \d+) cells under", PAGES["lightning_logs/reference"], re.MULTILINE)
    assert re.findall(r"\*\*in (\d+ of \d+)\*\*", first) == behind
    rows = [row.split("|") for row in reversed(_rows(PAGES["tests/benchmarks"]))]  # the first of a name counts
    table = {row[1].strip(): row[2].split()[0] for row in rows}
    few, many = (table[f"batch {size}, 32-true: trial over bare loop"] for size in (30_000, 128))
    said = f"**{float(table['32-true over Keras']):.2f}** of Keras's time a trial; {few} of a bare PyTorch loop's"
    assert said in first
    assert f"at batches of 30,000, {many} at 128" in first


def _rows(text):
    return [line for line in text.splitlines() if line.startswith("| ")]
