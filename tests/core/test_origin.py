"""A result says by what code it was made: comments do not count, what is computed does."""

import sys

import toy
from conftest import TinyConfig

from nnhp_torch.core.spec.provenance import changed, digest_of, maker, name_of, sources


def _written(path, text):
    path.write_text(text)
    return digest_of(str(path))


def test_comments_formatting_and_the_main_block_do_not_count_and_a_number_does(tmp_path):
    path = tmp_path / "mine.py"
    first = _written(path, "def build(c):\n    return c + 1\n")
    same = '"""About."""\ndef build( c ):  # one more\n    return (c+1)\nif __name__ == "__main__":\n    print(1)\n'
    assert _written(path, same) == first
    assert _written(path, "def build(c):\n    return c + 2\n") != first
    assert _written(path, "def build(") == ""
    assert digest_of(None) == digest_of(str(tmp_path / "missing.py")) == ""


def test_a_build_and_a_configuration_go_by_their_names():
    assert name_of(toy.build) == name_of("toy:build") == "toy:build"
    assert maker("toy:build", TinyConfig()) == ("toy:build", "conftest:TinyConfig")


def test_sources_are_those_of_the_build_and_of_the_modules_class_without_lightnings():
    module, _, _ = toy.build(TinyConfig())
    assert sources(toy.build, module) == {"toy": digest_of(toy.__file__)}


def test_what_has_changed_is_found_without_importing_a_package(tmp_path, monkeypatch):
    package = tmp_path / "stranger" / "deep"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("raise RuntimeError('imported')\n")
    digest = _written(package / "net.py", "WIDTH = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert changed([{"stranger.deep.net": digest}]) == {}
    (package / "net.py").write_text("WIDTH = 4\n")
    assert changed([{"stranger.deep.net": digest}] * 2) == {"stranger.deep.net": 2}
    assert "stranger" not in sys.modules
