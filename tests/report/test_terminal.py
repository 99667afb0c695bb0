"""Whatever is printed, and wherever to, a sweep goes on."""

import io
import os

import pytest
from rich.text import Text

from nnhp_torch.report.terminal.console import Terminal


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


def test_a_sentence_is_one_line_in_a_file_and_broken_between_words_in_a_terminal():
    sentence = Text("model.width=16, " * 20 + "4 epochs")
    for is_terminal, lines in ((False, 1), (True, 5)):
        file = io.StringIO()
        Terminal(file, width=80, force_terminal=is_terminal).print(sentence)
        assert len(file.getvalue().splitlines()) == lines


def test_a_reader_who_leaves_ends_the_printing_alone():
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as gone:
        out = Terminal(gone)
        out.print("nobody reads this")
        out.print("nor this")
    out.print("nor this, the stream being closed")
