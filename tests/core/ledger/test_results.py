"""The ledger keeps what was written, whatever happens while it is written."""

import dataclasses
import errno
import json
import math
import os
import resource
import signal
import subprocess
import sys
import warnings

import pytest
from conftest import completed

from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.lock import locked
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore


def test_a_record_comes_back_as_it_was(sweep, store):
    result = completed(sweep.trials()[0])
    store.append(result)
    assert store.results() == {result.key: result}
    assert json.loads(store.path.read_text())["schema"] == 3, "what reads 3 today must be able to read it"
    best = dataclasses.replace(result, restored={"val_accuracy": 0.91})
    store.append(best)
    assert (store.results()[best.key], best.final("val_accuracy")) == (best, 0.91)


def test_of_a_traceback_the_last_line_is_the_error_and_no_record_changes(sweep):
    failed = TrialResult.of(sweep.trials()[0], "failed", "Traceback\n  in build\nValueError: no\n")
    assert failed.error == "ValueError: no"
    assert dataclasses.replace(failed, reason=" \n").error == ""
    with pytest.raises(dataclasses.FrozenInstanceError):
        failed.status = "completed"


def test_what_is_not_finite_is_written_as_null_and_read_as_nan(sweep):
    result = dataclasses.replace(completed(sweep.trials()[0]), history={"val_loss": [1.0, math.inf, math.nan]})
    line = result.to_json()
    assert "[1.0, null, null]" in line
    back = TrialResult.from_json(line).history["val_loss"]
    assert back[0] == 1.0
    assert all(math.isnan(value) for value in back[1:])
    with pytest.raises(ValueError, match="not JSON compliant"):
        dataclasses.replace(result, config={"lr": math.nan}).to_json()


def test_a_record_may_hold_nothing_but_what_a_result_must_have(sweep):
    needed = ("key", "sweep", "name", "config", "cell", "status")
    whole = completed(sweep.trials()[0])
    record = {"schema": 1} | {name: getattr(whole, name) for name in needed}
    assert TrialResult.from_json(json.dumps(record)).status == "completed"


def test_the_latest_record_of_a_key_counts(sweep, store):
    trial = sweep.trials()[0]
    store.append(dataclasses.replace(completed(trial), status="failed"))
    store.append(completed(trial))
    assert [result.status for result in store.results().values()] == ["completed"]


def test_final_and_best_are_those_of_the_history(sweep):
    result = completed(sweep.trials()[0], accuracy=0.9)
    assert result.epochs == 3
    assert result.final("val_accuracy") == 0.9
    assert result.final("test_accuracy") == pytest.approx(0.89)
    assert result.best("val_accuracy") == (0.91, 2)
    assert result.best("val_loss") == (0.6, 3)
    assert math.isnan(result.best("another_accuracy")[0])
    with pytest.raises(ValueError, match="does not say which is better"):
        result.best("no_such_metric")


def test_the_first_of_equal_epochs_is_the_best(sweep):
    result = dataclasses.replace(completed(sweep.trials()[0]), history={"val_accuracy": [0.5, 0.7, math.nan, 0.7]})
    assert result.best("val_accuracy") == (0.7, 2)


def test_a_torn_last_line_is_dropped_with_a_warning_and_cut_off_by_the_next_append(sweep, store):
    first, second, _, _ = (completed(trial) for trial in sweep.trials())
    store.append(first)
    whole = store.path.read_bytes()
    with open(store.path, "ab") as file:
        file.write(second.to_json().encode()[:100])
    with pytest.warns(UserWarning, match="torn"):
        assert list(store.results()) == [first.key]
    store.append(second)
    assert store.path.read_bytes() == whole + second.to_json().encode() + b"\n"
    assert list(store.results()) == [first.key, second.key]


@pytest.mark.parametrize("tear", [0, 1, 60_000, 70_000, 200_000])
def test_a_torn_line_of_any_length_is_cut_off(sweep, store, tear):
    first, second, _, _ = (completed(trial) for trial in sweep.trials())
    store.append(first)
    with open(store.path, "ab") as file:
        file.write(b"x" * tear)
    store.append(second)
    assert list(store.results()) == [first.key, second.key]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (b"garbage\n", "line 2"),
        (b'{"schema": 1}\n', "line 2: not a trial's record"),
        (b"[]\n", "line 2: not a trial's record"),
        (b'{"schema": 99, "key": "x"}\n', "line 2: written by a newer version"),
        (b"\xff\xfe\n", "line 2"),
    ],
)
def test_other_damage_is_refused_by_line_and_left_alone(sweep, store, damage, said):
    first, second, _, _ = (completed(trial) for trial in sweep.trials())
    store.append(first)
    with open(store.path, "ab") as file:
        file.write(damage)
    store.append(second)
    before = store.path.read_bytes()
    with pytest.raises(LedgerError, match=said):
        store.results()
    assert store.path.read_bytes() == before


def test_a_write_that_finds_the_disk_full_leaves_the_ledger_as_it_was(sweep, store):
    first, second, _, _ = (completed(trial) for trial in sweep.trials())
    store.append(first)
    before = store.path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            store.append(second)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert store.path.read_bytes() == before
    store.append(second)
    assert list(store.results()) == [first.key, second.key]


HOLD = """
import sys, time
from nnhp_torch.core.ledger.store import ResultStore
with ResultStore(sys.argv[1]).lock():
    print("held", flush=True)
    time.sleep(1000)
"""


def test_a_second_process_is_refused_and_told_who_is_first_but_a_dead_one_does_not_count(store):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(store.folder)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LedgerError, match=f"in use by process {holder.pid} on "), store.lock():
            pass
        store.path.touch()
        with pytest.raises(LedgerError, match="in use"):
            store.set_aside()
        store.path.unlink()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with store.lock():
        assert f"process {os.getpid()}" in store.folder.with_name(".tiny.running").read_text()
    assert not store.folder.with_name(".tiny.running").exists()


WRONG = [3.5, True, None, "great", ["x", 1], {"x": ["y"]}, 10**400]
RIGHT = {  # what of it some field may hold
    **dict.fromkeys(("key", "sweep", "name", "reason", "started"), ("great",)),
    **dict.fromkeys(("seconds", "fit_seconds"), (3.5,)),
    **dict.fromkeys(("config", "cell", "hardware"), ({"x": ["y"]},)),
}


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(TrialResult)])
def test_a_field_of_another_type_is_refused_by_line_and_name(sweep, store, field):
    record = json.loads(completed(sweep.trials()[0]).to_json())
    store.folder.mkdir()
    for wrong in WRONG:
        if any(wrong is right or wrong == right for right in RIGHT.get(field, ())):
            continue
        store.path.write_text(json.dumps({**record, field: wrong}) + "\n")
        with pytest.raises(LedgerError, match=f"line 1: its {field} is not"):
            store.results()


@pytest.mark.parametrize("name", ["../../victim", "..", "", "/etc", "a/b"])
def test_a_name_that_is_no_folders_is_refused(sweep, store, name):
    store.append(dataclasses.replace(completed(sweep.trials()[0]), name=name))
    with pytest.raises(LedgerError, match="line 1: its name is not the name of a folder"):
        store.results()


def test_a_line_nested_beyond_reading_is_refused(store):
    store.folder.mkdir()
    store.path.write_text("[" * 100_000 + "\n")
    with pytest.raises(LedgerError, match="line 1"):
        store.results()


def test_a_folder_is_made_with_those_above_it_when_it_is_locked(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "a" / "b" / "c") as read_only:
            assert (read_only, (tmp_path / "a" / "b" / "c").is_dir()) == (False, True)


@pytest.mark.parametrize("answer", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_on_a_file_system_without_locks_a_marker_file_keeps_others_out(store, monkeypatch, answer):
    def flock(descriptor, operation):
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr("fcntl.flock", flock)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # filelock's own, of its marker
        for _ in range(2):
            with store.lock(), pytest.raises(LedgerError, match="in use by process"), ResultStore(store.folder).lock():
                pass


def test_the_lock_stays_where_it_is_when_the_folder_is_set_aside(sweep, store):
    store.append(completed(sweep.trials()[0]))
    with store.lock():
        store.folder.rename(store.folder.with_name("aside"))
        with pytest.raises(LedgerError, match="in use"), ResultStore(store.folder).lock():
            pass


def test_fresh_sets_aside_whatever_there_is_but_an_empty_folder(store):
    store.folder.mkdir()
    assert store.set_aside() is None
    (store.folder / "lr=0.1").mkdir()
    assert (store.set_aside() / "lr=0.1").is_dir()


def test_fresh_renames_the_old_folder_and_deletes_nothing(sweep, store):
    assert store.set_aside() is None
    asides = []
    for trial in sweep.trials()[:3]:  # within one second, so that names would collide
        store.append(completed(trial))
        asides.append(store.set_aside())
    assert not store.folder.exists()
    assert [list(ResultStore(aside).results()) for aside in asides] == [[t.key] for t in sweep.trials()[:3]]


def test_a_number_too_large_to_be_reckoned_with_is_refused_by_line_and_never_written(sweep, store):
    huge = dataclasses.replace(completed(sweep.trials()[0]), history={"val_accuracy": [1e308, 0.5]}, test={"x": -1e308})
    record = json.loads(huge.to_json())
    assert (record["history"], record["test"]) == ({"val_accuracy": [None, 0.5]}, {"x": None})
    store.folder.mkdir()
    for field, value in {"history": {"val_accuracy": [1e308]}, "test": {"x": -1e308}, "seconds": 1e308}.items():
        store.path.write_text(json.dumps({**record, field: value}) + "\n")
        with pytest.raises(LedgerError, match=f"line 1: its {field} is not"):
            store.results()


def test_a_reason_of_a_hundred_megabytes_is_kept_as_far_as_anybody_reads(trial):
    long = "first\n" + "x" * 100_000_000 + "\nlast"
    result = TrialResult.of(trial, "failed", long)
    assert len(result.to_json()) < 30_000
    assert (result.reason[:5], result.error) == ("first", "last")
    assert "99980011 characters are left out" in result.reason
    assert TrialResult.from_json(result.to_json()).reason == result.reason
    assert len(TrialResult.of(trial, "failed", "y" * 10_000).error) < 600
