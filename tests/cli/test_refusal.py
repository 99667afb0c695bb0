"""A name or a value that is wrong gets one line that says what would be right, and needs no Python to be read."""

import importlib
import sys

import pytest

import nnhp_torch
from nnhp_torch.__main__ import main as by_hand
from nnhp_torch.cli.arguments.refusal import in_words


def refused(capsys, sweep, *args):
    """The line that a sweep's command line is refused with."""
    with pytest.raises(SystemExit) as raised:
        nnhp_torch.main(importlib.import_module(f"sweeps.{sweep}").SWEEP, argv=args)
    out, err = capsys.readouterr()
    assert (raised.value.code, out, len(err.splitlines())) == (2, "", 1), err
    return err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--epochs", "there is no --epochs: did you mean --max_epochs?"),
        ("--grid.learning_rate", "there is no --grid.learning_rate: did you mean --grid.lr?"),
        ("--base.learning-rate", "did you mean --grid.lr?"),
        ("--base.lr", "lr is what varies here: --grid.lr gives its values"),
        ("--grid.dropout", "dropout does not vary here: --base.dropout gives its value in every trial"),
        ("--lr", "did you mean --grid.lr?"),
        ("--batchsize", "did you mean --base.batch_size?"),
        ("--base.max_epochs", "did you mean --max_epochs?"),
        ("--seed", "did you mean --seeds?"),
        ("--hidden_layers", "did you mean --base.n_layers?"),
        ("--units", "did you mean --base.n_nodes?"),
        ("--beta1", "did you mean --base.momentum?"),
        ("--regularization", "did you mean --base.reg?"),
        ("--early_stopping", "did you mean --base.patience?"),
        ("--workers", "did you mean --jobs?"),
        ("--gpu", "did you mean --accelerator?"),
        ("--xyz", "there is no --xyz (--help lists the options)"),
    ],
)
def test_a_name_that_there_is_not_is_answered_with_the_one_that_is_meant(given, said, capsys):
    assert said in refused(capsys, "learning_rate", given, "1")


def test_so_is_one_in_a_file(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("grid:\n  learning_rate: [0.1]\n")
    assert "did you mean --grid.lr?" in refused(capsys, "learning_rate", "--config", str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--max_epochs", "many"], "--max_epochs needs a whole number, not many"),
        (["--base.momentum", "high"], "--base.momentum needs a number or null, not high"),
        (["--base.patience", "1.5"], "--base.patience needs a whole number or null, not 1.5"),
        (["--base.batch_norm", "maybe"], "--base.batch_norm needs true or false, not maybe"),
        (["--grid.lr", "fast"], "--grid.lr needs a number, not fast"),
        (["--seeds", "few"], "--seeds needs a whole number, a list or auto, not few"),
        (["--jobs", "all"], "--jobs needs a whole number or auto, not all"),
        (["--keep_checkpoints", "none"], "--keep_checkpoints needs one of winner, best, last, all, not none"),
        (["--grid.lr"], "--grid.lr needs a value"),
        (["--require", ""], "--require needs one of better, as-good or null, not nothing"),
        (["more"], "more belongs to no option"),
    ],
)
def test_a_value_of_another_kind_is_refused_in_words(args, said, capsys):
    assert said in refused(capsys, "learning_rate", *args)


def test_what_is_missing_is_named_as_it_is_typed():
    known = {"--value": "the column that ranks them"}
    assert in_words("the following arguments are required: files, value", known) == "FILES and --value are missing"


def test_what_it_has_no_words_for_is_passed_on_in_one_line():
    assert in_words("something\n  else", {}) == "something else"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["sweeep"], "there is no command 'sweeep': did you mean sweep?"),
        (["dance"], "there is no command 'dance'; there are fit, validate"),
        (
            ["fit", "--epochs", "3"],
            "python -m nnhp_torch fit: there is no --epochs: did you mean --trainer.max_epochs?",
        ),
        (["fit", "--lr", "3"], "did you mean --model.lr?"),
        (["fit", "--batch_size", "3"], "did you mean --data.batch_size?"),
        (["fit", "--data.batchsize", "3"], "did you mean --batch_size?"),
        (["fit", "--model.dropout", "some"], "--model.dropout needs a number, not some"),
    ],
)
def test_the_commands_for_one_trial_refuse_in_the_same_words(argv, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["nnhp_torch", *argv])
    with pytest.raises(SystemExit) as raised:
        by_hand()
    err = capsys.readouterr().err
    assert (raised.value.code, len(err.splitlines())) == (2, 1), err
    assert said in err
