"""The benchmarks compare equal work and say what they measured; how fast anything is, no test asks."""

import json
import os
import runpy
import sys

import bare_loop
import idx
import matmul
import pytest
import torch
from conftest import HERE
from processes import busiest, packed
from report import Line, ratios, table

from nnhp_torch.article.config import TrialConfig
from nnhp_torch.article.experiment import build
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.mnist.files import DATASETS
from nnhp_torch.network import chunks
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.trial.run_trial import run_trial


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_bare_loop_does_a_trials_work(tmp_path, monkeypatch, precision):
    files = idx.contents()
    monkeypatch.setitem(DATASETS, "MNIST", idx.dataset(files))
    monkeypatch.setenv("NNHP_DATA_DIR", str(tmp_path / "data"))
    idx.write(files, tmp_path / "data")
    for where in (chunks, bare_loop):
        monkeypatch.setattr(where, "CHUNK", 16)  # 120 images in batches of 50: whole chunks and rests
    config = TrialConfig(batch_size=50, n_nodes=16, max_epochs=4, protocol="article")
    result = run_trial(
        Trial("sweep", config, {}, "trial", precision), build, Runtime(str(tmp_path / "log"), accelerator="cpu")
    )
    assert result.status == "completed", result.reason
    checkpoint = torch.load(tmp_path / "log" / "trial" / "checkpoints" / "last.ckpt", weights_only=True)
    timing, net = bare_loop.train(config, precision)
    assert len(timing.ends) == 4
    for name, weight in net.state_dict().items():
        torch.testing.assert_close(checkpoint["state_dict"][f"net.{name}"], weight, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not hasattr(torch.backends.mkldnn, "matmul"), reason="torch before 2.9 has no such switch")
def test_measuring_the_ceiling_leaves_the_matrix_products_of_the_process_as_they_were(monkeypatch):
    backend = torch.backends.mkldnn.matmul
    monkeypatch.setattr(matmul, "SHAPES", ((8, 8, 8),))
    before = backend.fp32_precision
    try:
        for setting in ("none", "bf16"):
            backend.fp32_precision = setting
            matmul.ceiling(0.01)
            assert backend.fp32_precision == setting
    finally:
        backend.fp32_precision = before


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Runs the program, which notes what it measures: its JSON."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # it changes both
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def run(what):
        out = tmp_path / "benchmarks.json"
        monkeypatch.setattr(sys, "argv", ["benchmarks", "--quick", "--only", what, "--json", str(out)])
        runpy.run_path(str(HERE / "benchmarks" / "__main__.py"), run_name="program")["main"]()
        return json.loads(out.read_text())

    return run


def test_the_program_says_on_what_it_has_measured_and_that_nothing_was_for_what_is_not_there(written):
    found = written("gpu")
    assert {"date", "hardware", "versions"} <= set(found["machine"])
    assert found["machine"]["hardware"]["cores"] >= 1
    assert {"python", "torch", "lightning", "torchvision"} <= set(found["machine"]["versions"])
    (gpu,) = found["rows"]
    assert gpu["lines"][0]["n"] == 0


@pytest.mark.slow
def test_the_program_writes_what_it_has_measured(written, capsys):
    (memory,) = written("memory")["rows"]
    resident = memory["lines"][0]
    assert resident["n"] == len(resident["values"]) == 2
    assert resident["spread"] == [min(resident["values"]), max(resident["values"])]
    assert resident["spread"][0] <= resident["median"] <= resident["spread"][1]
    assert resident["what"] in capsys.readouterr().out


def test_a_line_knows_whether_its_goal_is_met():
    assert Line("", [6.0, 7.0, 1.0], "×", "≥ 6").met is True
    assert Line("", [6.0, 7.0, 1.0], "×", "≥ 6.1").met is False
    assert Line("", [1.0, 1.2], "×", "≤ 1.15").met is True
    assert Line("", [1.0, 1.4], "×", "≤ 1.15").met is False
    assert Line("", [1.0], "s").met is None
    assert Line("", [], "s", "≤ 1").met is None


def test_the_table_has_a_row_for_each_line():
    lines = [Line("one", ratios([2.0, 9.0, 4.0], [1.0, 3.0, 1.0]), "×", "≥ 6"), Line("none", [], "s")]
    _, _, one, none = table(lines).splitlines()
    assert [cell.strip() for cell in one.split("|")[1:-1]] == ["one", "3 ×", "2 to 4", "3", "≥ 6", "**no**"]
    assert [cell.strip() for cell in none.split("|")[1:-1]] == ["none", "–", "–", "0", "", ""]


def test_trials_are_packed_as_workers_take_them():
    assert packed([3.0, 1.0, 1.0, 1.5], 2) == [0, 1, 1, 1]
    assert busiest([3.0, 1.0, 1.0, 1.5], [0, 1, 1, 1]) == 3.5


def test_training_flops_by_hand():
    # Weights 6 and 8: forward 28 per image; backward 28 for the kernels, 16 for the inputs of the second alone.
    assert matmul.training_flops([3, 2, 4], training=10, validation=5) == 10 * (28 + 28 + 16) + 5 * 28
