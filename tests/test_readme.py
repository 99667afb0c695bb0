"""The README's examples, run as they stand there, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment
from PIL import Image, ImageOps

from nnhp_torch.mnist import files as mnist

README = (Path(__file__).parent.parent / "README.md").read_text()
OWN_PROJECT = README[README.index("## Take it into your own project") : README.index("## What happens when")]
PYTHON = re.findall(r"```python\n(.*?)```", OWN_PROJECT, re.DOTALL)
SHELL = re.findall(r"```sh\n(.*?)```", OWN_PROJECT, re.DOTALL)


def _run(command, folder):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command, cwd=folder, env=environment() | {"PATH": path, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _script(word):
    (found,) = [script for script in PYTHON if word in script]
    return found


def _python(script, folder, *flags):
    (folder / "mine.py").write_text(script)
    return _run([sys.executable, "mine.py", *flags], folder)


def test_the_classifier_learns_a_strangers_rows(tmp_path):
    out = _python(_script("AdamW"), tmp_path)
    assert float(out.split("val_accuracy")[-1]) > 0.9


def test_a_strangers_convolutional_network_learns_mnist_under_noise_and_a_constraint(tmp_path):
    out = _python(_script("ConvNet"), tmp_path)
    assert float(out.split("val_accuracy")[-1]) > 0.85


def test_a_strangers_sweep_has_the_ledger_the_figure_and_the_command_line(tmp_path):
    script, flags = _script("Polynomial"), ["--accelerator", "cpu", "--max_epochs", "10", "--jobs", "2"]
    out = _python(script, tmp_path, *flags)
    assert re.search(r"Winner: degree=\d, lr=0.1 with val_loss=0\.", out)
    folder = tmp_path / "lightning_logs" / "polynomial"
    assert {"results.jsonl", "results.csv", "figure.png"} <= {path.name for path in folder.iterdir()}
    again = _python(script, tmp_path, *flags, "--grid.degree", "[1, 2]", "--dry_run")
    assert "2 of 4 trials would run" in again, "two are known"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Ten test images as pictures on paper, each named after its digit."""
    folder = tmp_path_factory.mktemp("digits")
    (folder / "my_digits").mkdir()
    _, _, images, labels = mnist.load("MNIST", mnist.default_data_dir())
    for i, (image, label) in enumerate(zip(images[:10], labels[:10], strict=True)):
        paper = Image.new("L", (300, 220), 255)
        paper.paste(ImageOps.invert(Image.fromarray(image).resize((168, 168))), (40 + 5 * i, 20))
        paper.save(folder / "my_digits" / f"{i} is a {label}.png")
    return folder


def test_one_trial_by_hand_is_trained_tested_used_and_repeated(digits):
    (commands,) = SHELL
    out = _run(["bash", "-euc", commands], digits)
    first, again = out[: out.index("Weights")], out[out.rindex("epoch 1/5") : out.rindex("Weights")]
    assert "epoch 5/5" in again
    assert first[first.index("epoch 1/5") :] == again, "the same trial has the same digits"
    read = re.findall(r"is a (\d).png\t(\d)\t", out)
    assert len(read) == 10
    assert sum(written == seen for written, seen in read) >= 8

    loaded = _python(_script("load_from_checkpoint"), digits)
    read_again = re.findall(r"is a (\d).png (\d)", loaded)
    assert read_again == read
