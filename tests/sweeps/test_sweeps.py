"""Every sweep: its grid is the article's, its values reach the network, and it runs."""

import importlib
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

import sweeps
from nnhp_torch.cli import main as cli
from sweeps.__main__ import CHAIN, load

FILES = {path.stem for path in Path(sweeps.__file__).parent.glob("*.py") if not path.stem.startswith("_")}
NAMES = sorted(FILES - {"search", "reference"})  # which are no grids


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


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--grid.batch_size", "[]"], "axis batch_size needs a list with at least one value"),
        (["--grid.batch_size", "[2000, 2000]"], "axis batch_size has 2000 twice"),
        (["--grid.batch_size", "[-1]"], "batch_size must be a whole number of at least 1, not -1"),
        (["--grid.batch_size", "[0]"], "batch_size must be a whole number of at least 1, not 0"),
        (["--grid.batch_size", "[1.5]"], "grid.batch_size"),
        (["--grid.batch_size", "[true]"], "batch_size"),
        (["--grid.batch_size", "[many]"], "grid.batch_size"),
        (["--grid.batch_size", "[null]"], "grid.batch_size"),
        (["--grid.batch_size", "[2000"], "grid.batch_size"),
        (["--grid.batch_size", "[50001]"], "batch_size must be at most 50000, the training images"),
        (["--protocol", "article", "--grid.batch_size", "[60001]"], "batch_size must be at most 60000"),
        (["--grid.lr", "[0.1]"], "lr does not vary here: --base.lr"),
        (["--base.batch_size", "5"], "batch_size is what varies here: --grid.batch_size"),
        (["--base.lr", "0"], "lr must be a number above 0, not 0"),
        (["--base.lr", ".nan"], "lr must be a number above 0, not nan"),
        (["--base.lr", ".inf"], "lr must be a number above 0"),
        (["--base.dropout", "1"], "dropout must be a number at least 0 and below 1, not 1"),
        (["--base.momentum", "1.0"], "momentum must be a number at least 0 and below 1"),
        (["--base.optimizer", "adam"], "did you mean Adam?"),
        (["--base.optimizer", "torch.optim.Adamm"], "did you mean torch.optim.Adam?"),
        (["--base.activation", "rellu"], "did you mean relu?"),
        (["--base.learning_rate", "0.1"], "base.learning_rate"),
        (["--base.patience", "-1"], "patience must be a whole number of at least 0, not -1"),
        (["--max_epochs", "0"], "max_epochs must be a whole number of at least 1, not 0"),
        (["--protocol", "printed_wrong"], "protocol must be one of"),
        (["--dataset", "CIFAR10"], "dataset must be one of MNIST"),
        (["--seeds", "-1"], "seeds must be a number of at least 1"),
        (["--seeds", "[-5]"], "different seeds from 0"),
        (["--seeds", "1.5"], "seeds"),
        (["--jobs", "all"], "jobs"),
        (["--keep_checkpoints", "none"], "keep_checkpoints"),
        (["--epochs", "5"], "epochs"),
        (["extra"], "extra"),
        (["--config", "missing.yaml"], "missing.yaml"),
        (["--config", "typo.yaml"], "max_epoch"),
        (["--config", "nested.yaml"], "batchsize"),
        (["--config", "broken.yaml"], "parsing config"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_value_gets_one_line_and_exit_status_2_before_trial_0(args, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "typo.yaml").write_text("max_epoch: 5\n")
    (tmp_path / "nested.yaml").write_text("grid:\n  batchsize: [2000]\n")
    (tmp_path / "broken.yaml").write_text("grid: [\n")
    with pytest.raises(SystemExit) as raised:
        cli.main(importlib.import_module("sweeps.batch_size").SWEEP, argv=args)
    out, err = capsys.readouterr()
    assert (raised.value.code, out, len(err.splitlines())) == (2, "", 1), err
    assert said in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.yaml", "nested.yaml", "typo.yaml"]


@pytest.mark.usefixtures("quick")
def test_the_batch_size_sweep_runs_on_real_mnist(tmp_path, capsys):
    flags = ["--max_epochs", "1", "--accelerator", "cpu", "--grid.batch_size", "[5000, 30000]"]
    with pytest.raises(SystemExit, match="0"):
        cli.main(importlib.import_module("sweeps.batch_size").SWEEP, argv=[*flags, "--log_dir", str(tmp_path)])
    out = capsys.readouterr().out
    assert "Winner: batch_size=5000 with val_accuracy=0.8" in out or "val_accuracy=0.9" in out
    assert (tmp_path / "batch_size" / "figure.png").stat().st_size > 10_000


@pytest.mark.parametrize("command", ["sweeps.batchsize", "sweeps.batchsize.more"])
def test_a_module_that_is_no_sweep_is_answered_with_the_nearest_name(command):
    done = subprocess.run([sys.executable, "-m", command, "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "did you mean batch_size? There are activation, " in done.stderr


def test_each_of_the_articles_sweeps_says_which_comes_next():
    for name, following in itertools.pairwise(CHAIN):
        said = importlib.import_module(f"sweeps.{name}").SWEEP.next_steps
        assert f"python -m sweeps.{following} (" in said, "and behind it how to take another value there"
        assert all(f"{setting}={value}" in said for setting, value in CHAIN[name].items())
    assert "the article's last grid" in importlib.import_module(f"sweeps.{following}").SWEEP.next_steps
    assert load("dropout", {}, {}).next_steps == "", "the study goes on by itself"
