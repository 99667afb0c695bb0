"""What a trial is given is what the project's own `--print_config` prints for the same flags."""

import random
import sys
from pathlib import Path

import foreign
import pytest
import yaml
from jsonargparse import ArgumentParser

from nnhp_torch.core.spec.names import flat
from nnhp_torch.project.as_sweep import as_sweep
from nnhp_torch.project.build import build
from nnhp_torch.project.command import read
from nnhp_torch.project.keys import OURS
from nnhp_torch.project.parser import project
from nnhp_torch.project.trainer import FLAGS, UNUSED

# The files' values are none of the code's defaults; some of the flags' values are.
FILE = {
    "model": {"width": 6, "norm": "layer", "share": 0.5, "sizes": [3, 2], "head": {"class_path": "foreign.Head"}},
    "data": {"batch_size": 8},
    "trainer": {
        "max_epochs": 2,
        "gradient_clip_val": 0.5,
        "limit_train_batches": 2,
        "callbacks": [{"class_path": "foreign.Diary"}],
    },
}
WORDS = {
    "model.width": ["4", "6", "5"],
    "model.norm": ["batch", "off", "010", "1:30", "null", "1e3"],
    "model.share": ["null", "1", "1.0", "0.5"],
    "model.sizes": ["[8]", "[]", "[1, 2]"],
    "model.modes": ["['off', '010']", "[]"],
    "model.head": ["null", "foreign.Head"],
    "data.batch_size": ["16", "4"],
    "trainer.gradient_clip_val": ["null", "1"],
    "trainer.limit_train_batches": ["1", "1.0", "null"],
    "trainer.callbacks": ["null", "[{class_path: foreign.Diary}]"],
    "trainer.max_epochs": ["3"],
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flat.yaml").write_text(yaml.safe_dump(FILE))
    (tmp_path / "nested.yaml").write_text(yaml.safe_dump({"fit": FILE}))
    project.cache_clear()


def _sweep(argv):
    return as_sweep(**read(argv)[0])[0]


def _printed(function, flags, monkeypatch, capsys):
    """What their own command makes of the flags."""
    subcommand = [] if function.endswith("no_subcommand") else ["fit"]
    monkeypatch.setattr(sys, "argv", ["train.py", *subcommand, *flags, "--print_config"])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        getattr(foreign, function)()
    return _compared(yaml.safe_load(capsys.readouterr().out))


def _compared(config):
    """A configuration without what the sweep says of a trial."""
    ours = (*FLAGS, *UNUSED, "logger")
    trainer = {name: value for name, value in config["trainer"].items() if name not in ours}
    keys = flat({**config, "trainer": trainer}).items()
    return {key: repr(value) for key, value in keys if key not in OURS and value is not None}


@pytest.mark.parametrize("function", ["with_files_of_fit", "with_files_of_all", "with_files_and_no_subcommand"])
def test_what_a_trial_is_given_is_what_the_projects_own_print_config_prints(function, here, monkeypatch, capsys):
    drawn = random.Random(function)
    for _ in range(4):
        flags = {key: drawn.choice(WORDS[key]) for key in WORDS if drawn.random() < 0.7}
        flags.setdefault("model.width", "4")
        argv = [
            f"--grid.{key}=[{word}]" if key == "model.width" or drawn.random() < 0.5 else f"--base.{key}={word}"
            for key, word in flags.items()
        ]
        sweep = _sweep(["--cli", f"foreign:{function}", *argv, "--monitor", "val_loss"])
        (trial,) = sweep.trials()
        build(trial.config)
        printed = _printed(function, [f"--{key}={word}" for key, word in flags.items()], monkeypatch, capsys)
        for made in (foreign.NotedCLI.seen[-1], yaml.safe_load(trial.config.cli_config())):
            assert set(_compared(made).items()) ^ set(printed.items()) == set(), argv


def test_a_value_that_equals_the_codes_default_is_not_taken_from_the_file(here):
    sweep = _sweep(
        [
            *("--cli", "foreign:with_files_of_fit", "--grid.model.width", "[4, 6]"),
            *("--base.trainer.callbacks", "null", "--monitor", "val_loss"),
        ]
    )
    Path("flat.yaml").write_text(yaml.safe_dump({"model": {"width": 99}}))
    Path("nested.yaml").write_text(yaml.safe_dump({"fit": {"model": {"width": 99}}}))
    for trial in sweep.trials():
        setup = build(trial.config)
        assert setup.module.hparams.width == trial.cell["model.width"]
        assert setup.module.hparams.norm == "layer", "what the file said when the trial was asked for"
        assert setup.callbacks == []


@pytest.mark.parametrize(
    ("key", "words", "values"),
    [
        ("model.norm", "[batch, off, 010, 1:30, 'no']", ["batch", "off", "010", "1:30", "no"]),
        ("model.modes", "[['off', '010'], [a]]", [["off", "010"], ["a"]]),
        ("model.share", "[1, 0.5, null]", [1, 0.5, None]),
        ("trainer.limit_train_batches", "[1, 0.5]", [1, 0.5]),
        ("trainer.limit_train_batches", "[1, 1.0]", [1, 1.0]),  # one batch, and all of them
    ],
)
def test_words_and_whole_numbers_reach_a_project_as_they_were_written(key, words, values, here):
    sweep = _sweep(["--cli", "foreign:with_files_of_fit", f"--grid.{key}", words, "--base.data.batch_size", "4"])
    assert repr(list(sweep.axes[key])) == repr(values)
    for trial, value in zip(sweep.trials(), values, strict=True):
        assert repr(getattr(trial.config, key)) == repr(value)


def test_a_whole_number_stays_one_in_whatever_order_typing_gives_the_kinds_of_a_union():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--limit", type=float | int | None)  # a signature's may come out in either order
    assert repr(parser.parse_args(["--limit", "1"]).limit) == "1"
    assert repr(parser.parse_args(["--limit", "1.0"]).limit) == "1.0"
