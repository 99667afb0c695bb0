"""What no GPU has run yet, on a lent one: fourteen parts, the likeliest to break first, within ten minutes.

python tests/lent_gpu --pack .gpu      where there is pip: a folder (13 MB) of data, and of wheels that an image lacks
python tests/lent_gpu .gpu             on the GPU's machine, where nothing needs to be installed: all parts
python tests/lent_gpu .gpu steps jobs  these alone
python tests/lent_gpu --dry            on a CPU, each part in small: whether it still works, as a test asks
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
LACKING = ("jsonargparse", "docstring-parser", "typeshed-client", "importlib-resources")

# In the order in which they run, with the seconds that each may take: what they are stands in parts.py.
PARTS = {
    **{"machine": 60, "precision": 60, "command": 150, "again": 40, "steps": 90, "twice": 60, "resume": 60},
    **{"resume_noise": 60, "resume_16": 60, "broken": 60, "overhead": 100, "jobs": 110, "grids": 180, "graph": 60},
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python tests/lent_gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="what --pack has filled; none: all is installed")
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--pack", action="store_true", help="fill the folder")
    parser.add_argument("--dry", action="store_true", help="in small, on the CPU, in this process")
    parser.add_argument("--seconds", type=float, default=560, help="for all parts")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if args.pack:
        return pack(args.folder or parser.error("which folder?"))
    with tempfile.TemporaryDirectory() as work:
        os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (TESTS.parent, TESTS, TESTS / "network", HERE, work)))
        sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
        os.environ |= {"WORK": work, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "DRY": "1" * args.dry}
        if args.folder:
            unpack(args.folder, Path(work))
        end = time.monotonic() + args.seconds
        run = in_this_process if args.dry else in_its_own
        failed = [name for name in args.parts or PARTS if not run(name, min(PARTS[name], end - time.monotonic()))]
    print(f"failed: {', '.join(failed)}" if failed else "all of it is done")
    return len(failed)


def in_this_process(name: str, seconds: float) -> bool:
    import parts

    print(f"=== {name}", flush=True)
    try:
        getattr(parts, name)()
    except Exception:
        traceback.print_exc()
        return False
    return True


def in_its_own(name: str, seconds: float) -> bool:
    """Run a part; what it breaks of its process, or of CUDA there, breaks no other."""
    print(f"=== {name}", flush=True)
    if seconds < 15:
        print("no time is left")
        return False
    clock = time.monotonic()
    call = [sys.executable, "-c", f"import parts; parts.{name}()"]
    process = subprocess.Popen(call, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        print("is stopped: its time is over")
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its workers, too
    print(f"{name}: exit status {process.wait()}, {time.monotonic() - clock:.0f} s", flush=True)
    return process.returncode == 0


def pack(folder: Path) -> int:
    """Fill the folder that goes to the GPU's machine."""
    sys.path.insert(0, str(TESTS.parent))
    from nnhp_torch.mnist import files as mnist

    folder.mkdir(parents=True, exist_ok=True)
    of_image = ["--no-deps", "--only-binary=:all:", "--python-version", "3.12"]
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", *of_image, "-d", folder, *LACKING], check=True)
    data = mnist.default_data_dir()
    mnist.fetch("MNIST", data)
    with tarfile.open(folder / "mnist.tgz", "w:gz", compresslevel=6) as archive:
        for name in mnist.NAMES:
            archive.add(data / "MNIST" / "raw" / name, f"MNIST/raw/{name}")
    return 0


def unpack(folder: Path, work: Path) -> None:
    """Put wheels and data where Python and the data module find them."""
    for wheel in folder.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(work)
    if (folder / "mnist.tgz").exists():
        with tarfile.open(folder / "mnist.tgz") as archive:
            archive.extractall(work, filter="data")
        os.environ["NNHP_DATA_DIR"] = str(work)
    (version,) = re.findall(r'^version = "(.*)"$', (TESTS.parent / "pyproject.toml").read_text(), re.MULTILINE)
    about = work / f"nnhp_torch-{version}.dist-info"  # what importlib.metadata knows of a package, if it is installed
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: nnhp_torch\nVersion: {version}\n")


if __name__ == "__main__":
    sys.exit(main())
