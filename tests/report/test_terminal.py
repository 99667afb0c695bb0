"""Whatever is printed, and wherever to, a sweep goes on."""

import csv
import dataclasses
import io
import os

import pytest
from conftest import FakeLaunch, completed
from rich.text import Text

from nnhp_torch.core.ledger import write_csv
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.table import PANELS, CsvReport, FigureReport, TableReport, write_image
from nnhp_torch.report.terminal import Terminal


def _printed(text, encoding="utf-8"):
    file = io.BytesIO()
    stream = io.TextIOWrapper(file, encoding=encoding, write_through=True)
    Terminal(stream, width=80).print(text)
    return file.getvalue().decode(encoding)


@pytest.mark.parametrize("kind", [str, Text])
def test_markup_and_emoji_are_text_and_control_characters_are_seen(kind):
    assert _printed(kind("[relu] [/x] :smile: \x1b[31m \udc80")) == "[relu] [/x] :smile: \\x1b[31m \\udc80\n"


def test_what_the_encoding_lacks_is_spelled():
    assert _printed("✓ 0.97±0.01 ← winner é", "ascii") == "+ 0.97+-0.01 <- winner \\xe9\n"


def test_a_reader_who_leaves_ends_the_printing_alone():
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as gone:
        out = Terminal(gone)
        out.print("nobody reads this")
        out.print("nor this")
    out.print("nor this, the stream being closed")


def test_the_csv_is_utf_8_and_harmless_and_every_axis_has_its_own_column(sweep, tmp_path):
    result = completed(sweep.trials()[0])
    cell = {"epochs": -0.5, "act": "=1+1", "other": "é\udc80"}
    write_csv(tmp_path / "results.csv", [dataclasses.replace(result, cell=cell)])
    (row,) = csv.DictReader((tmp_path / "results.csv").read_text(encoding="utf-8").splitlines())
    assert (row["grid.epochs"], row["epochs"], row["act"], row["other"]) == ("-0.5", "3", "'=1+1", "é\\udc80")


def test_a_figure_that_nobody_could_read_is_not_drawn_and_the_table_says_so(sweep, store):
    many = dataclasses.replace(sweep, axes={"lr": [round(0.01 * i, 2) for i in range(1, PANELS + 2)]})
    out = Terminal(io.StringIO())
    callbacks = [TableReport(out, store, "x"), CsvReport(store.folder), FigureReport(store.folder)]
    Sweeper(FakeLaunch(), store, callbacks).run(many, many.trials())
    assert f"Figure   none of {PANELS + 1} cells" in out.file.getvalue()
    assert not (store.folder / "figure.png").exists()
    assert (store.folder / "results.csv").exists()


def test_what_a_kill_has_left_of_a_picture_is_removed_with_the_next_one(tmp_path):
    left = tmp_path / "figure" / ".events.out.tfevents.0000000001.tmp"
    left.parent.mkdir()
    left.touch()
    write_image(left.parent, "tiny", bytes.fromhex("89504e470d0a1a0a0000000d4948445200000002000000010802000000"))
    assert not left.exists()
