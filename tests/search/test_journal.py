"""Optuna's journal: nothing in it is believed, nothing is lost of it, and where nothing can be written it is read."""

import os

import pytest
from test_search import SEARCH, Scores, run

from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.search import journal

pytestmark = pytest.mark.needs("optuna")


@pytest.mark.parametrize(
    "content",
    [
        b"garbage",
        b"garbage\n",
        b"\x80\x04\x95\n",
        b"[]\n",
        b'{"op_code": "4"}\n',
        b"[" * 9000 + b"\n",
        b"{}\n",
        b"\n",
    ],
    ids=lambda content: content[:12],
)
def test_what_is_no_journal_is_refused_in_a_line_and_left_as_it_is(store, content):
    run(SEARCH, store, trials=2)
    path = store.folder / "optuna.journal"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"damaged .*Nothing was changed: move it away") as error:
        run(SEARCH, store, trials=3)
    assert path.read_bytes() == content
    assert len(str(error.value).splitlines()) == 1
    path.unlink()
    launch = Scores()
    run(SEARCH, store, launch, trials=3)
    assert len(launch.ran) == 1, "the ledger has the others"


def test_a_journal_of_something_else_is_refused_too(store):
    run(SEARCH, store, trials=2)
    path = store.folder / "optuna.journal"
    path.write_bytes(path.read_bytes().replace(b"low", b"lowest"))
    with pytest.raises(LedgerError, match="damaged"):
        run(SEARCH, store, trials=3)


def test_a_complete_search_is_shown_where_nothing_can_be_written(store, monkeypatch):
    whole = run(SEARCH, store, trials=3)
    before = (store.folder / "optuna.journal").read_bytes()

    def refused(path, mode="r"):
        if mode == "ab+":
            raise PermissionError(13, "Permission denied", str(path))
        return open(path, mode)

    monkeypatch.setattr(journal, "open", refused, raising=False)
    monkeypatch.setattr(os, "access", lambda *asked: False)
    again = run(SEARCH, ResultStore(store.folder), trials=3)
    assert again.read_only
    assert again.results.keys() == whole.results.keys()
    with pytest.raises(LedgerError, match="cannot be written, and trials are missing"):
        run(SEARCH, ResultStore(store.folder), trials=4)
    assert (store.folder / "optuna.journal").read_bytes() == before
