"""The help that --help shows, and how values are given."""

import dataclasses
import importlib
import re
import sys

import pytest
from conftest import TinyConfig

import nnhp_torch
from nnhp_torch import Sweep
from nnhp_torch.__main__ import COMMANDS
from nnhp_torch.__main__ import main as by_hand
from nnhp_torch.article.config import TrialConfig
from nnhp_torch.cli.arguments.parser import listed
from nnhp_torch.network import catalog


@pytest.fixture
def shown(capsys, monkeypatch):
    """The output of a command that ends well."""

    def run(sweep, *argv):
        with pytest.raises(SystemExit) as raised:
            nnhp_torch.main(sweep, argv=argv)
        out, err = capsys.readouterr()
        assert raised.value.code == 0, out + err
        return out

    monkeypatch.setenv("COLUMNS", "140")
    return run


def _sweep(name):
    return importlib.import_module(f"sweeps.{name}").SWEEP


def test_help_begins_with_the_sweeps_own_text_and_grid(shown):
    sweep = _sweep("learning_rate")
    text = shown(sweep, "--help")
    places = [
        text.index(part) for part in (*sweep.about.split("\n\n")[0].split("\n"), "--grid.lr", "--seeds", "--help")
    ]
    assert places == sorted(places)
    assert "overshoots and may never settle" in text[: text.index("--grid.lr ")]
    assert "(default: 0.1 0.01 0.001 0.0001)" in text


def test_help_has_no_types_of_python(shown):
    text = shown(_sweep("dropout"), "--help")
    assert not re.search(r"\btype:|\bint\b|\bfloat\b|list\[|Literal|Union|None|False|True", text)


def test_help_has_the_values_that_are_allowed(shown):
    text = " ".join(shown(_sweep("dropout"), "--help").split())
    assert "--base.batch_norm {true,false}" in text
    assert "null: Keras's default; at least 0 and below 1" in text
    for field in dataclasses.fields(TrialConfig):
        if field.metadata["check"] is catalog.check:
            assert all(name in field.metadata["help"] for name in catalog.names(field.name)), field.name


def test_the_library_says_in_sentences_what_its_commands_do(monkeypatch, capsys):
    for flags, status in ((["--help"], 0), ([], 2)):
        monkeypatch.setattr(sys, "argv", ["nnhp_torch", *flags])
        with pytest.raises(SystemExit) as raised:
            by_hand()
        assert raised.value.code == status
        said = "".join(capsys.readouterr())
        assert all(f"  {name} " in said and about in said for name, about in COMMANDS.items())
        assert max(map(len, said.splitlines())) <= 120


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
def test_help_of_a_command_begins_with_the_network_and_ends_with_the_trainer(command, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["nnhp_torch", command, "--help"])
    with pytest.raises(SystemExit):
        by_hand()
    text = capsys.readouterr().out
    first = ["usage:", "Example:", "--model.lr", "--data CONFIG", "--ckpt_path VALUE", "--trainer.max_epochs VALUE"]
    assert [text.index(part) for part in first] == sorted(text.index(part) for part in first)


@pytest.mark.parametrize(
    "given",
    [
        ["0.5", "0.25"],
        ["[0.5, 0.25]"],
        ["[0.5,", "0.25]"],
        ["0.5,0.25"],
        ["0.5,", "0.25"],
    ],
    ids=" ".join,
)
def test_values_of_a_grid_are_given_with_brackets_and_without(given, shown):
    lines = shown(_sweep("dropout"), "--grid.dropout", *given, "--dry_run").splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["dropout=0.5", "dropout=0.25", "2"]


def test_a_single_value_is_a_list_of_one_and_one_more_stands_beside_the_others(shown, tmp_path):
    sweep = Sweep("tiny", TinyConfig(), {"lr": [0.1, 0.01]}, build="toy:build")
    asked = ["--dry_run", "--log_dir", str(tmp_path)]
    assert shown(sweep, "--grid.lr", "0.5", *asked).startswith("lr=0.5  to run\n1 of 1")
    assert shown(sweep, "--grid.lr=0.5", *asked).startswith("lr=0.5  to run\n1 of 1")
    assert shown(sweep, "--grid.lr+", "0.5", *asked).startswith(
        "lr=0.5  to run\nlr=0.1  to run\nlr=0.01  to run\n3 of 3"
    ), "at its place in their order"
    unordered = dataclasses.replace(sweep, axes={"lr": [0.1, 0.5, 0.01]})
    assert shown(unordered, "--grid.lr+", "0.2", *asked).splitlines()[3] == "lr=0.2  to run", "they have none"


def test_words_of_other_options_are_left_as_they_are():
    words = ["--grid.x", "-1", "2", "-h", "--name", "[a", "b", "--grid.y"]
    assert listed(words, lambda option: option.startswith("--grid.")) == [
        *("--grid.x", "[-1, 2]", "-h", "--name", "[a", "b", "--grid.y"),
    ]
