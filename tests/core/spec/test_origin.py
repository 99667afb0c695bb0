"""A result says by what code it was made: comments do not count, what is computed does."""

import importlib
import sys

import pytest
import toy
from conftest import TinyConfig

from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.provenance import as_of, changed, digest_of, is_same, name_of, sources


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
    sweep = Sweep("tiny", TinyConfig(), {"lr": [0.1]}, toy.build)
    assert sweep.provenance == ("toy:build", "conftest:TinyConfig")


@pytest.mark.parametrize(
    ("recorded", "today", "same"),
    [
        ("mine:build", "mine:build", True),
        ("__main__:build", "mine:build", True),  # a script's, before it was called as who imports it calls it
        ("mine:build", "__main__:build", True),  # made by value on a cluster, say
        ("mine:build", "package.mine:build", True),
        ("package.mine:build", "mine:build", True),
        ("nnhp_torch.experiment:build", "nnhp_torch.article.experiment:build", True),
        ("mine:build", "yours:build", False),
        ("mine:build", "undermine:build", False),
        ("__main__:build", "mine:other", False),
    ],
)
def test_a_maker_may_be_known_by_several_names(recorded, today, same):
    assert is_same(recorded, today) == same
    record = {"name": recorded, "config": "mine:C", "sources": {recorded.partition(":")[0]: "d"}}
    found = as_of(record, (today, "mine:C"))
    assert (found is not None) == same
    if same:
        assert found == {"name": today, "config": "mine:C", "sources": {today.partition(":")[0]: "d"}}


def test_sources_are_those_of_the_build_the_modules_class_and_what_they_import_without_lightnings():
    module, _, _ = toy.build(TinyConfig())
    found = sources(toy.build, [module], "toy:C")
    for name in ("toy", "conftest"):
        assert found[name] == f"apart:{digest_of(sys.modules[name].__file__, 'toy:C')}"
    assert not {name.partition(".")[0] for name in found} & {"torch", "lightning", "pytest", "nnhp_torch"}


FILES = {
    "work_of/__init__.py": "from work_of.nets import Net\nfrom work_of import unused\n",
    "work_of/nets.py": "import torch\nfrom .layers import WIDTH\n\nclass Net:\n    width = WIDTH\n",
    "work_of/layers.py": "WIDTH = 3\n",
    "work_of/unused.py": "BESIDE = 1\n",
    "work_of/rows.py": "from work_of import shared\n\nclass Rows:\n    pass\n",
    "work_of/shared.py": "def late():\n    import work_of.late\n",
    "work_of/late.py": "N = 1\n",
    "work_of/train.py": "from work_of import Net\n\ndef build(c):\n    return Net()\n"
    "if __name__ == '__main__':\n    main(1)\n",
}


@pytest.mark.parametrize("edited", ["nets", "layers", "rows", "shared", "late", "train"])
def test_whatever_file_of_ones_own_a_trial_is_made_by_an_edit_makes_its_result_stale(tmp_path, monkeypatch, edited):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "work_of").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    work = [importlib.import_module(f"work_of.{name}") for name in ("train", "rows", "late")]
    try:
        found = sources(work[0].build, [work[0].build(None), work[1].Rows()], "C")
        assert set(found) == {f"work_of.{name}" for name in ("train", "nets", "layers", "rows", "shared", "late")}
        made = {"config": "C", "sources": found}
        assert changed([made]) == {}
        file = tmp_path / f"work_of/{edited}.py"
        file.write_text(file.read_text().replace("main(1)", "main(2)") + "# no more than a remark\n")
        assert changed([made]) == {}
        file.write_text(f"{file.read_text()}\nMORE = 1\n")
        assert changed([made]) == {f"work_of.{edited}": 1}
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "work_of"]:
            del sys.modules[name]


def test_of_a_projects_script_the_main_block_counts_too(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "script_of.py"
    file.write_text("if __name__ == '__main__':\n    CLI(clip=1)\n")
    monkeypatch.setitem(sys.modules, "script_of", importlib.import_module("script_of"))
    made = {"config": "C", "sources": sources(toy.build, [object()], "C", ["script_of"])}
    assert changed([made]) == {}
    file.write_text("if __name__ == '__main__':\n    CLI(clip=2)\n")
    assert changed([made]) == {"script_of": 1}


def test_a_result_is_of_the_source_that_was_imported_whatever_its_file_becomes_while_trials_run(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a reload within one second would go by that
    file = tmp_path / "edited_later.py"
    file.write_text("class Net:\n    width = 3\n")
    module = importlib.import_module("edited_later")
    monkeypatch.setitem(sys.modules, "edited_later", module)
    before = {"config": "C", "sources": sources(toy.build, [module.Net()], "C")}
    file.write_text("import json\n\nclass Net:\n    width = 4\n")
    later = {"config": "C", "sources": sources(toy.build, [module.Net()], "C")}
    assert module.Net.width == 3
    assert later == before
    assert changed([before, later]) == {"edited_later": 2}
    importlib.reload(module)
    now = {"config": "C", "sources": sources(toy.build, [module.Net()], "C")}
    assert module.Net.width == 4
    assert changed([now]) == {}


SCRIPT = """
@dataclass(frozen=True)
class Settings:
    lr: float = {lr}
    seed: int = 123

class Net:
    depth: int = {depth}

SWEEP = Sweep("mine", Settings(), {{"lr": [{lr}]}}, build)
"""


def test_a_default_and_an_axis_are_settings_which_a_result_has_beside_it_and_no_other_source(tmp_path, monkeypatch):
    def written(**values):
        (tmp_path / "ofmine.py").write_text(SCRIPT.format(**{"lr": 0.1, "depth": 1, **values}))
        return digest_of(str(tmp_path / "ofmine.py"), "ofmine:Settings")

    monkeypatch.syspath_prepend(str(tmp_path))
    digest = written()
    assert written(lr=0.5) == digest != written(depth=2)
    record = {"config": "ofmine:Settings", "sources": {"ofmine": f"apart:{digest}"}}
    assert changed([record]) == {"ofmine": 1}
    written(lr=0.2)
    assert changed([record]) == {}


def test_what_has_changed_is_found_without_importing_a_package(tmp_path, monkeypatch):
    package = tmp_path / "foreigner" / "deep"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("raise RuntimeError('imported')\n")
    digest = _written(package / "net.py", "WIDTH = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    record = {"sources": {"foreigner.deep.net": digest}}
    assert changed([record]) == {}
    (package / "net.py").write_text("WIDTH = 4\n")
    assert changed([record] * 2) == {"foreigner.deep.net": 2}
    assert "foreigner" not in sys.modules


def test_this_packages_own_modules_make_nothing_stale_because_its_semantics_are_in_every_key():
    assert changed([{"config": "", "sources": {"nnhp_torch.network.mlp": "0123456789abcdef"}}]) == {}
