"""Checkpoints belong to one trial: another's are neither used nor lost, and nothing else is removed."""

import pytest

from nnhp_torch.core.ledger.checkpoints import BEST, LAST, acquire, checkpoint_folder, owner, remove

MINE = {"key": "0123456789abcdef", "build": "toy:build", "config": "conftest:TinyConfig"}
THEIRS = {**MINE, "key": "fedcba9876543210"}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "tiny"


@pytest.fixture
def mine(folder):
    made = checkpoint_folder(folder, "lr=0.1")
    acquire(made, MINE)
    for name in (LAST, BEST):
        (made / name).touch()
    return made


def test_a_folder_says_whose_checkpoints_it_holds(mine):
    assert owner(mine) == MINE
    assert acquire(mine, MINE) == ""
    assert (mine / LAST).exists()


@pytest.mark.parametrize("content", ["", "garbage", "[]", "[" * 100_000, "3"])
def test_a_folder_that_says_nonsense_is_nobodys(mine, content):
    (mine / "trial.json").write_text(content)
    assert owner(mine) == {}


def test_a_key_that_is_none_names_no_folder(mine):
    (mine / "trial.json").write_text('{"key": "../../../elsewhere"}')
    assert "checkpoints-unknown" in acquire(mine, THEIRS)
    assert sorted(path.name for path in mine.parent.iterdir()) == ["checkpoints", "checkpoints-unknown"]


def test_what_is_removed_is_ones_own_and_what_else_lies_there_stays(folder, mine):
    remove(folder, mine, THEIRS)
    assert (mine / LAST).exists()
    remove(folder, mine, MINE, names=(BEST,))
    assert sorted(path.name for path in mine.iterdir()) == [LAST, "trial.json"]
    (mine / "my own.ckpt").touch()
    remove(folder, mine, MINE)
    assert not (mine / LAST).exists()
    assert (mine / "my own.ckpt").exists()


def test_with_the_last_of_them_the_folder_goes(folder, mine):
    remove(folder, mine, MINE)
    assert not mine.exists()
    remove(folder, mine, MINE)
    mine.mkdir()  # as a kill leaves it that comes just before the end
    remove(folder, mine, MINE)
    assert not mine.exists()


@pytest.mark.parametrize("level", ["checkpoints", "trial"])
def test_nothing_is_removed_through_a_symbolic_link(folder, mine, tmp_path, level):
    linked = mine if level == "checkpoints" else mine.parent
    victim = tmp_path / "victim"
    linked.rename(victim)
    linked.symlink_to(victim)
    remove(folder, mine, MINE)
    assert (mine / LAST).exists()
