"""What editors, type checkers and `help` know of a sweep."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import nnhp_torch

ROOT = Path(__file__).parent.parent
MISTAKES = {  # a line → what mypy says of it; empty: nothing
    "outcome = SWEEP.run(seeds=3, jobs=2, callbacks=[SweepCallback()])": "",
    "outcome.tabel()": '"Outcome" has no attribute "tabel"',
    "SWEEP.run(seads=2)": 'Unexpected keyword argument "seads" for "run" of "SweepBase"',
    'SWEEP.run(jobs="two")': 'Argument "jobs" to "run" of "SweepBase" has incompatible type',
    "SWEEP.run(trials=5)": 'Unexpected keyword argument "trials"',
    'SEARCH.run(trials=5, sampler="random").best.load()': "",
    'Sweep("rates", object(), {"lr": [0.1]}, "a:b", monitr="loss")': 'Unexpected keyword argument "monitr"',
    "SEARCH.run(confirm=5, confirm_seeds=3)": "",
    'SWEEP.run(baseline={"lr": 0.1}, seeds=5, require="beter")': 'Argument "require" to "run" of "SweepBase"',
    "outcome.frame(history=True).groupby('lr')": "",
    "outcome.best.setings": '"Best" has no attribute "setings"',
    "print(outcome.table().upper(), outcome.summary.winer)": '"Summary" has no attribute "winer"',
}


def test_mypy_finds_the_mistakes_in_a_users_file_and_nothing_else(tmp_path, monkeypatch):
    api = pytest.importorskip("mypy.api")
    declared = "from nnhp_torch import Search, Sweep, SweepCallback\nSWEEP: Sweep\nSEARCH: Search\n"
    (tmp_path / "mine.py").write_text(declared + "\n".join(MISTAKES) + "\n")
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    settings = ["--config-file", str(ROOT / "pyproject.toml")]
    settings += ["--cache-dir", str(ROOT / ".mypy_cache")]  # because torch's types take a minute to read
    out, *_ = api.run([*settings, str(tmp_path / "mine.py")])
    said = {int(line): words for line, words in re.findall(r"mine\.py:(\d+): error: (.*)", out)}
    for number, (line, mistake) in enumerate(MISTAKES.items(), len(declared.splitlines()) + 1):
        assert mistake in said.get(number, ""), (line, out)
        assert bool(mistake) == (number in said), (line, out)


@pytest.mark.parametrize("name", ["Sweep", "Search", "Outcome"])
def test_help_names_each_argument_and_says_what_it_is(name):
    of = getattr(nnhp_torch, name)
    listed = inspect.getdoc(of).partition("Args:\n")[2].partition("\n\n")[0]
    described = {
        word
        for words in re.findall(r"(?:^ +|[;.] )([\w, \n]+): ", listed, re.MULTILINE)
        for word in re.findall(r"\w+", words)
    }
    arguments = {field.name for field in dataclasses.fields(of) if field.init}
    assert set(inspect.signature(of).parameters) == arguments
    assert arguments <= described
