"""A value is written so that it can be told from every other, and no longer than that needs."""

import pytest

from nnhp_torch.core.spec.names import file_name, label, text

KEY = "0123456789abcdef"


@pytest.mark.parametrize(
    ("value", "default", "shown"),
    [
        (0.1, 0.0, "0.1"),
        (1e-5, 0.0, "1e-05"),
        (1.0, 0.0, "1"),
        (0.001234561, 0.0, "0.001234561"),
        (None, None, "none"),
        ("none", "none", "none"),
        (None, "none", "none (NoneType)"),
        ("none", None, "none (str)"),
        ("1", None, "1 (str)"),
        ("1", "adam", "1"),
        (1, 0.1, "1 (int)"),
        (1.0, None, "1.0"),
        ([64, 64], None, "[64, 64]"),
    ],
)
def test_a_value_shows_its_type_only_where_another_one_reads_alike(value, default, shown):
    assert text(value, default) == shown
    assert label({"x": value}, {"x": default}) == f"x={shown}"


def test_folder_names_are_safe_and_short():
    usual = {"optimizer": "Adam", "text": "", "path": ""}
    assert file_name({"optimizer": "torch.optim.Adam"}, usual, KEY) == "optimizer=torch.optim.Adam"
    assert file_name({"path": "../../etc"}, usual, KEY) == "path=..-..-etc,key=01234567"
    long = [file_name({"text": "x" * 500 + end}, usual, KEY) for end in "ab"]
    assert len(long[0]) < 130
    assert long[0] != long[1]
    assert len(file_name({"text": "数" * 110}, usual, KEY).encode()) <= 200


def test_a_long_name_ends_as_it_always_has():
    assert file_name({"text": "x" * 200}, {"text": ""}, KEY) == f"text={'x' * 105}-f2711ad8"
