"""Every sweep: its grid is the article's, its values reach the network, and it runs."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import sweeps

NAMES = sorted(path.stem for path in Path(sweeps.__file__).parent.glob("*.py") if not path.stem.startswith("_"))


@pytest.mark.parametrize("name", NAMES)
def test_a_sweep_is_called_like_its_file_and_says_what_it_is_about(name):
    module = importlib.import_module(f"sweeps.{name}")
    assert module.SWEEP.name == name
    assert len(module.SWEEP.about.split()) > 20
    assert module.SWEEP.trials()


def test_the_batch_sizes_and_their_base_are_the_articles():
    from sweeps.batch_size import SWEEP

    assert SWEEP.axes == {"batch_size": [2_000, 5_000, 10_000, 30_000]}
    base = SWEEP.base
    assert (base.n_layers, base.n_nodes, base.activation, base.optimizer, base.lr) == (2, 128, "relu", "Adam", 0.01)
    assert (base.reg, base.dropout, base.loss, base.max_epochs, base.seed) == (0, 0, "cross_entropy", 80, 123)


def test_the_batch_size_sweep_runs_on_real_mnist(tmp_path):
    flags = ["--max_epochs", "1", "--accelerator", "cpu", "--grid.batch_size", "[5000, 30000]"]
    done = subprocess.run(
        [sys.executable, "-m", "sweeps.batch_size", *flags, "--log_dir", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Winner: batch_size=5000 with val_accuracy=0.8" in done.stdout or "val_accuracy=0.9" in done.stdout
    assert (tmp_path / "batch_size" / "figure.png").stat().st_size > 10_000
