"""A stranger's sweep and its command line, for tests: in this process, or as a script."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import HERE, TinyConfig, environment

import nnhp_torch
from nnhp_torch import Sweep

SCRIPT = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from conftest import TinyConfig
from nnhp_torch.cli.main import main
from nnhp_torch.core.spec.grid import Sweep

SWEEP = Sweep("tiny", TinyConfig(), {{"lr": [0.1, 0.01]}}, build="toy:build", about="What the sweep is about.")

if __name__ == "__main__":
    main(SWEEP)
"""
SWEEP = Sweep("tiny", TinyConfig(), {"lr": [0.1, 0.01]}, build="toy:build", about="What the sweep is about.")


@pytest.fixture
def command(tmp_path, monkeypatch, capsys, quick):
    """Runs a stranger's sweep in this process, in a folder of its own: (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*args, expect, sweep=SWEEP):
        with pytest.raises(SystemExit) as end:
            nnhp_torch.main(sweep, argv=args)
        out, err = capsys.readouterr()
        assert end.value.code == expect, out + err
        return expect, out, err

    run.folder = tmp_path
    return run


@pytest.fixture
def script(tmp_path):
    """Runs a stranger's script, with the same sweep, in a process and a folder of its own."""
    (tmp_path / "sweep.py").write_text(SCRIPT)

    def run(*args, expect):
        done = subprocess.run(
            [sys.executable, "sweep.py", *args], cwd=tmp_path, env=environment(), capture_output=True, text=True
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr

    run.folder = tmp_path
    return run


def here(sweep, tmp_path, *flags, **settings):
    """Runs a sweep in this process; returns the exit status."""
    always = ["--jobs", "0", "--accelerator", "cpu", "--log_dir", str(tmp_path)]
    with pytest.raises(SystemExit) as end:
        nnhp_torch.main(sweep, argv=[*always, *flags], **settings)
    return end.value.code
