"""What makes no sense is refused in a line, and before anything is done."""

import time
from pathlib import Path

import pytest
from stranger import here

import nnhp_torch
from nnhp_torch import ResultStore, SweepCallback


@pytest.mark.parametrize("flags", [(), ("--fresh",), ("--fresh", "--jobs", "1")])
def test_a_start_that_fails_says_only_why_and_changes_nothing(command, flags):
    usual = ("--jobs", "0", "--accelerator", "cpu", "--max_epochs", "1")
    command(*usual, "--grid.lr", "0.1", expect=0)
    logs = command.folder / "lightning_logs"

    def there():
        files = [path for path in logs.rglob("*") if path.is_file() and path.name != "workers.log"]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    before = there()
    _, out, err = command(*usual, "--strategy", "nonsense", *flags, expect=2)
    assert (out, len(err.splitlines())) == ("", 1), err
    assert "nonsense" in err
    assert there() == before


def test_an_accelerator_that_there_is_not_is_refused_with_the_nearest_name_in_the_dry_run_too(command):
    _, _, err = command("--accelerator", "tpuu", "--dry_run", expect=2)
    assert "accelerator must be one of auto, cpu, gpu, cuda, mps, tpu, not 'tpuu'; did you mean tpu?" in err
    command("--accelerator", "tpu", "--dry_run", expect=0)


@pytest.mark.parametrize("options", [(), ("--dry_run",)])
def test_a_damaged_ledger_is_refused_in_one_line_with_the_lines_number_and_left_alone(command, options):
    ledger = command.folder / "lightning_logs" / "tiny" / "results.jsonl"
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"garbage\n")
    _, _, err = command(*options, expect=1)
    assert len(err.splitlines()) == 1
    assert "lightning_logs/tiny/results.jsonl, line 1" in err
    assert ledger.read_bytes() == b"garbage\n"


@pytest.mark.parametrize("jobs", ["1", "0"])
def test_a_data_dir_that_cannot_be_written_is_refused_before_training(command, jobs):
    from sweeps.batch_size import SWEEP

    (command.folder / "file").touch()
    flags = ("--data_dir", "file/data", "--log_dir", "logs", "--accelerator", "cpu", "--jobs", jobs)
    _, _, err = command(*flags, expect=1, sweep=SWEEP)
    assert len(err.splitlines()) == 1
    assert "file/data/MNIST/raw cannot be written: " in err
    assert "give another --data_dir" in err
    assert not (command.folder / "logs" / "batch_size" / "results.jsonl").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--grid.lr", "[]"], "axis lr needs a list with at least one value"),
        (["--grid.lr", "[0.1, 0.1]"], "axis lr has 0.1 twice"),
        (["--grid.lr", "[0.1, -1]"], "lr must be a number above 0, not -1"),
        (["--grid.lr", "[fast]"], "fast"),
        (["--grid.rate", "[0.1]"], "grid.rate"),
        (["--base.width", "wide"], "wide"),
        (["--no_such_flag"], "no_such_flag"),
        (["--smallest_effect", "-1"], "smallest_effect must be a difference above 0"),
        (["--seeds", "0"], "seeds must be a number of at least 1"),
        (["--seeds", "[1, 1]"], "list of different seeds"),
        (["--over.lr", "[0.5]"], "lr is an axis and a replicate"),
        (["--over.width", "[]"], "replicate width needs a list with at least one value"),
        (["--over.width", "[wide]"], "wide"),
        (["--over.fold", "[0]"], "over.fold"),
        (["--precision", "33"], "precision must be one of"),
        (["--devices", "0"], "devices must be a number of at least 1"),
        (["--threads", "0"], "threads must be a whole number of at least 1"),
        (["--jobs", "-1"], "jobs must be auto or a number"),
        (["--jobs", "0", "--devices", "2"], "processes of its own"),
        (["--max_epochs", "many"], "max_epochs"),
    ],
)
def test_a_wrong_value_gets_one_line_and_exit_status_2_before_anything_is_done(command, args, said):
    _, out, err = command(*args, expect=2)
    assert out == ""
    assert len(err.splitlines()) == 1
    assert said in err
    assert not (command.folder / "lightning_logs").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--accelerator", "abacus", "--jobs", "0"], "abacus"),
        (["--strategy", "no_such_strategy", "--jobs", "1"], "no_such_strategy"),
    ],
)
def test_what_no_trainer_can_be_made_of_is_refused_before_any_trial(command, args, said):
    _, _, err = command(*args, expect=2)
    assert said in err
    assert len(err.splitlines()) == 1
    assert not (command.folder / "lightning_logs" / "tiny" / "results.jsonl").exists()


def test_a_typo_in_a_configuration_file_is_refused(command):
    (command.folder / "sweep.yaml").write_text("gird:\n  lr: [0.1]\n")
    _, _, err = command("--config", "sweep.yaml", expect=2)
    assert "gird" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["lr: &a1 [0.1]", *(f"x{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(2, 12))],
            "more than 1000000",
        ),
        (["seeds: &a [1, *a]"], "stands for itself"),
    ],
)
def test_a_few_lines_of_yaml_that_stand_for_a_memory_full_are_refused_at_once(sweep, tmp_path, capsys, lines, said):
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    start = time.process_time()
    assert here(sweep, tmp_path / "logs", "--config", str(tmp_path / "bomb.yaml")) == 2
    assert time.process_time() - start < 20
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_aliases_of_an_ordinary_size_stand_for_what_they_should(sweep, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("grid:\n  width: &two [5, 6]\nseeds: *two\n")
    assert here(sweep, tmp_path, "--config", str(tmp_path / "mine.yaml"), "--grid.lr", "[0.1]", "--dry_run") == 0
    assert "4 of 4 trials would run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--seeds", "auto", "--max_seeds", "1"],
            "max_seeds must be more than the 3 seeds that every cell gets, not 1",
        ),
        (["--max_seeds", "10"], "max_seeds is for --seeds auto"),
        (["--seeds", "some"], "seeds"),
        (["--smallest_effect", "-1"], "smallest_effect must be a difference above 0, such as 0.002, not -1"),
        (["--over.lr", "[0.1]"], "lr is an axis and a replicate"),
    ],
)
def test_seeds_and_replicates_that_make_no_sense_are_refused_in_one_line(command, flags, said):
    _, _, err = command(*flags, expect=2)
    assert said in err
    assert len(err.splitlines()) == 1
    assert not list(command.folder.iterdir())


def test_a_log_dir_that_cannot_be_written_is_refused_before_training(command):
    (command.folder / "file").write_text("")
    _, _, err = command("--log_dir", "file/logs", expect=2)
    assert len(err.splitlines()) == 1
    assert "log_dir: file is a file, and a folder belongs there" in err
    _, _, err = command("--log_dir", "", expect=2)
    assert "log_dir names a folder, and is empty here" in err
    (command.folder / "loop").symlink_to("loop")
    _, _, err = command("--log_dir", "loop/logs", expect=1)
    assert len(err.splitlines()) == 1
    assert "loop/logs/tiny cannot be made: " in err


@pytest.mark.parametrize(
    ("callback", "said"),
    [
        (SweepCallback, "callbacks should be made: SweepCallback(…), not the class itself"),
        (object(), "callbacks should be SweepCallbacks, not object; Lightning's go into what build answers"),
    ],
)
def test_what_is_no_callback_of_a_sweep_is_refused_in_one_line(sweep, tmp_path, capsys, callback, said):
    assert here(sweep, tmp_path, callbacks=[callback]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_script_that_runs_when_it_is_imported_is_refused_in_one_line(script):
    path = script.folder / "sweep.py"
    path.write_text(path.read_text().replace('if __name__ == "__main__":', "if True:"))
    _, _, err = script("--jobs", "2", "--accelerator", "cpu", expect=2)
    assert 'below a line `if __name__ == "__main__":`' in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (["--log_dir", "\x1b[31m[/x]"], 1, r"\x1b[31m[/x]/tiny/results.jsonl, line 1"),
        (["--no\x1b[31m[/x]"], 2, r"--no\x1b[31m[/x]"),
    ],
)
def test_what_a_refusal_names_is_shown_as_text(sweep, tmp_path, monkeypatch, capsys, args, status, said):
    monkeypatch.chdir(tmp_path)
    ledger = ResultStore(Path("\x1b[31m[/x]") / "tiny").path
    ledger.parent.mkdir(parents=True)
    ledger.write_text("garbage\n")
    with pytest.raises(SystemExit) as ended:
        nnhp_torch.main(sweep, argv=[*args, "--jobs", "0"])
    err = capsys.readouterr().err
    assert (ended.value.code, len(err.splitlines())) == (status, 1)
    assert said in err
