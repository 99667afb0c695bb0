"""The wheel as `pip install` leaves it, without the repository."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder in which the wheel lies unpacked, as in site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a build leaves its traces where it builds
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "nnhp_torch", "sweeps"):
        (source / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "."]
    subprocess.run([*command, str(source)], cwd=folder, check=True)
    (wheel,) = folder.glob("nnhp_torch-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def _run(site, *command):
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, *command], cwd=site.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_library_the_sweeps_and_the_word_that_it_is_typed(site):
    files = {str(path.relative_to(site)) for path in site.rglob("*.*") if "dist-info" not in str(path)}
    assert {"nnhp_torch/report/page/html/style.css", "nnhp_torch/report/page/html/script.js"} <= files
    assert {"nnhp_torch/py.typed", "nnhp_torch/__main__.py", "sweeps/batch_size.py", "sweeps/__main__.py"} <= files
    assert not [name for name in files if not name.startswith(("nnhp_torch/", "sweeps/"))]


def test_sweeps_and_public_names_work_from_it_without_the_repository(site):
    assert "4 of 4 trials would run" in _run(site, "-m", "sweeps.batch_size", "--dry_run")
    told = _run(
        site, "-c", "import nnhp_torch; print(nnhp_torch.__file__, [*map(nnhp_torch.__getattr__, nnhp_torch.__all__)])"
    )
    assert told.startswith(str(site / "nnhp_torch"))
