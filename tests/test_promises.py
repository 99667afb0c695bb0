"""The page of these tests: whatever it names is there."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", (HERE / "README.md").read_text())


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_promise_names_a_test_that_is_there(file, name):
    assert re.search(rf"^def {name}\(", (HERE / file).read_text(), re.MULTILINE)


def test_every_row_names_a_test():
    rows = [line for line in (HERE / "README.md").read_text().splitlines() if line.startswith("| ")]
    heads = [line for line in rows if line.startswith(("| if", "| ---"))]
    assert len(NAMED) == len(rows) - len(heads) > 50
