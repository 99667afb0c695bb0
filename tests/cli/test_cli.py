"""The command line, from the shell's prompt and back to it."""

import csv
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
import toy
from conftest import HERE, TinyConfig, completed, environment

import nnhp_torch
from nnhp_torch import ResultStore, Sweep, SweepCallback
from nnhp_torch.cli.report import main as report_main
from nnhp_torch.core.spec.provenance import digest_of, name_of
from nnhp_torch.run.launch.local import is_importable
from nnhp_torch.run.launch.request import Request

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


def test_a_sweep_leaves_ledger_csv_figure_and_curves_and_running_it_again_does_nothing(command):
    _, out, _ = command("--accelerator", "cpu", "--jobs", "1", expect=0)
    folder = command.folder / "lightning_logs" / "tiny"
    assert len((folder / "results.jsonl").read_text().splitlines()) == 2
    assert len((folder / "results.csv").read_text().splitlines()) == 3
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert {path.parent.name for path in folder.glob("*/events.out.tfevents.*")} == {"lr=0.1", "lr=0.01", "figure"}
    assert "2 trials to run" in out
    assert "Winner: lr=0.1 with val_accuracy=" in out
    assert "tensorboard --logdir lightning_logs/tiny" in out
    assert "Lightning" not in out.replace("lightning_logs", ""), "no library chatter"
    before = (folder / "results.jsonl").read_bytes()
    _, again, _ = command("--accelerator", "cpu", expect=0)
    assert "Nothing to run: all 2 trials are in lightning_logs/tiny/results.jsonl" in again
    assert (folder / "results.jsonl").read_bytes() == before


def test_what_to_do_next_is_said_at_the_end_once_all_has_ended(sweep, tmp_path, capsys):
    sweep = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]}, next_steps="Next: the width.")

    class Stop(SweepCallback):
        def on_trial_end(self, trial, result):
            os.kill(os.getpid(), signal.SIGTERM)

    here(sweep, tmp_path, "--max_epochs", "1", callbacks=[Stop()])
    assert "Next: the width." not in capsys.readouterr().out
    here(sweep, tmp_path, "--max_epochs", "1")
    assert capsys.readouterr().out.splitlines()[-1] == "Next: the width."


def test_fresh_runs_anew_and_keeps_the_old_folder(command, sweep):
    flags = ("--jobs", "0", "--accelerator", "cpu", "--max_epochs", "1", "--grid.lr", "[0.1]")
    earlier = ResultStore(command.folder / "lightning_logs" / "tiny")
    earlier.append(completed(sweep.trials()[0]))
    _, out, _ = command(*flags, "--fresh", expect=0)
    assert "The earlier results are in lightning_logs/tiny.2" in out
    assert len(list((command.folder / "lightning_logs").glob("tiny*/results.jsonl"))) == 2


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


def test_an_accelerator_of_somebody_elses_is_taken(command):
    from lightning.pytorch.accelerators import AcceleratorRegistry, CPUAccelerator

    AcceleratorRegistry.register("mine", CPUAccelerator)
    try:
        command("--accelerator", "mine", "--dry_run", expect=0)
    finally:
        del AcceleratorRegistry["mine"]


def test_a_failed_trial_makes_the_exit_status_1_and_says_why(command):
    sweep = dataclasses.replace(SWEEP, axes={"width": [4, 8]}, build="toy:build_raising")
    _, out, _ = command("--accelerator", "cpu", expect=1, sweep=sweep)
    assert "width=8 failed: RuntimeError: my own callback" in out
    assert "Winner: width=4" in out


def test_where_every_trial_fails_no_winner_is_claimed_and_the_traceback_can_be_found(command):
    sweep = dataclasses.replace(SWEEP, axes={"width": [8]}, build="toy:build_raising")
    _, out, _ = command("--accelerator", "cpu", expect=1, sweep=sweep)
    assert "No winner" in out
    assert "Winner:" not in out
    log = command.folder / "lightning_logs" / "tiny" / "workers.log"
    assert "The tracebacks are in lightning_logs/tiny/workers.log" in out
    assert 'raise RuntimeError("my own callback")' in log.read_text()


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
    assert "MNIST cannot be written to file/data/MNIST/raw" in err
    assert "Give another --data_dir" in err
    assert not (command.folder / "logs" / "batch_size" / "results.jsonl").exists()


def test_help_says_what_the_sweep_is_about_within_seconds(script):
    before = os.times()
    _, out, _ = script("--help", expect=0)
    after = os.times()  # the process's own time, whatever else the machine does
    assert after.children_user + after.children_system - before.children_user - before.children_system < 5
    assert "What the sweep is about." in out
    for flag in ("--accelerator", "--devices", "--strategy", "--precision", "--max_epochs", "--seeds", "--jobs",
                 "--threads", "--log_dir", "--dry_run", "--fresh", "--fail_fast", "--grid.lr",
                 "--base.width", "--config", "--print_config"):  # fmt: skip
        assert flag in out
    assert not {"data_dir", "dataset", "protocol", "MNIST", "NNHP_DATA_DIR"} & {*re.findall(r"\w+", out)}


@dataclasses.dataclass(frozen=True)
class Flagged(TinyConfig):
    corpus: str = dataclasses.field(default="news", metadata={"help": "what is read", "flag": True})


def test_a_field_says_that_it_is_a_flag_of_its_own_and_the_sweep_what_its_trials_find_in_their_environment(
    tmp_path, monkeypatch
):
    import toy

    found = set()

    def build(config):
        found.add((config.corpus, os.environ.get("MY_DATA"), os.environ.get("MY_OTHER")))
        return toy.build(config)

    environment = {"data_dir": "MY_DATA", "other_dir": "MY_OTHER"}
    sweep = Sweep("tiny", Flagged(), {"lr": [0.1]}, build, environment=environment)
    monkeypatch.setenv("MY_OTHER", "there already")
    assert here(sweep, tmp_path, "--max_epochs", "1", "--corpus", "books", "--data_dir", "/books") == 0
    assert found == {("books", "/books", "there already")}
    assert "MY_DATA" not in os.environ
    assert Request().runtime(sweep).environment == {"MY_OTHER": "there already"}, "for other machines"


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
        (["--threads", "0"], "threads must be at least 1"),
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


def test_a_configuration_that_was_printed_can_be_read_back(command):
    _, printed, _ = command("--grid.lr", "[0.5]", "--seeds", "[7]", "--base.width", "6", "--print_config", expect=0)
    (command.folder / "sweep.yaml").write_text(printed)
    _, out, _ = command("--config", "sweep.yaml", "--dry_run", expect=0)
    assert out.splitlines()[0].startswith("lr=0.5,seed=7,width=6") or "lr=0.5,width=6,seed=7" in out


def test_dry_run_lists_the_trials_and_writes_nothing(command):
    _, out, _ = command("--dry_run", "--seeds", "2", expect=0)
    assert [line.split()[0] for line in out.splitlines()[:4]] == [
        "lr=0.1",
        "lr=0.01",
        "lr=0.1,seed=124",
        "lr=0.01,seed=124",
    ]
    assert "4 of 4 trials would run" in out
    assert not (command.folder / "lightning_logs").exists()


def test_over_repeats_each_cell_in_table_figure_and_ledger_and_goes_on_where_it_was_stopped(sweep, tmp_path, capsys):
    flags = ["--grid.lr", "[0.1, 0.01]", "--over.width", "[4, 6, 8]", "--seeds", "2", "--max_epochs", "2"]
    sweep = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]})

    class Stop(SweepCallback):
        def on_trial_end(self, trial, result):
            if (trial.label, *trial.replicate.values()) == ("lr=0.01", 6):
                os.kill(os.getpid(), signal.SIGTERM)

    assert here(sweep, tmp_path, *flags, callbacks=[Stop()]) == 128 + signal.SIGTERM
    folder = tmp_path / "tiny"
    assert (folder / "results.jsonl").read_bytes().count(b"\n") == 4
    assert here(sweep, tmp_path, *flags) == 0
    out = capsys.readouterr().out
    assert "lr=0.01, width=8, seed=124" in out
    assert "(2 seeds × 3 values of width, paired" in " ".join(out.split())
    assert (folder / "results.jsonl").read_bytes().count(b"\n") == 12
    with open(folder / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:3] == ["lr", "width", "seed"]
    assert [(row["width"], row["seed"]) for row in rows[::2]] == [
        (width, seed) for seed in ("123", "124") for width in ("4", "6", "8")
    ]
    assert (folder / "figure.png").exists()
    assert len(list(folder.glob("lr=*/events.out.tfevents.*"))) == 12


def test_a_race_has_its_cells_seeds_in_table_csv_page_and_figure_and_goes_on_where_it_was_stopped(
    tmp_path, capsys, quick
):
    sweep = dataclasses.replace(SWEEP, axes={"lr": [0.1, 0.0001, 0.01]})
    flags = ["--seeds", "auto", "--max_seeds", "6"]

    class Stop(SweepCallback):
        def on_trial_end(self, trial, result):
            if (trial.label, trial.config.seed) == ("lr=0.1", 126):
                os.kill(os.getpid(), signal.SIGTERM)

    assert here(sweep, tmp_path, *flags, callbacks=[Stop()]) == 128 + signal.SIGTERM
    out = " ".join(capsys.readouterr().out.split())
    assert "tiny: up to 18 trials to run" in out
    assert re.search(r"Interrupted: up to \d+ trials left", out)
    assert here(sweep, tmp_path, *flags) == 0
    out = capsys.readouterr().out
    folder = tmp_path / "tiny"
    with open(folder / "verdicts.csv", newline="") as file:
        rows = {row["lr"]: row for row in csv.DictReader(file)}
    assert rows["0.0001"]["verdict"] == "worse"
    trials = {lr: int(row["trials"]) for lr, row in rows.items()}
    total = sum(trials.values())
    assert 9 < total < 18
    assert (folder / "results.jsonl").read_bytes().count(b"\n") == total
    said = f"{total} trials; 6 seeds of every cell would have been 18"
    page = (folder / "report.html").read_text()
    for text in (out, page):
        assert said in " ".join(text.split())
    assert re.search(r"lr +seeds +val_acc", out)
    assert (folder / "figure.png").exists()
    assert here(sweep, tmp_path, *flags) == 0
    assert f"Nothing to run: all {total} trials" in " ".join(capsys.readouterr().out.split())
    assert report_main([str(folder)]) == 0
    assert said in (folder / "report.html").read_text()
    assert here(sweep, tmp_path / "workers", *flags, "--jobs", "2") == 0
    alone, beside = (ResultStore(path).results() for path in (folder, tmp_path / "workers" / "tiny"))
    assert {key: r.history for key, r in alone.items()} == {key: r.history for key, r in beside.items()}


def test_a_dry_run_says_what_is_the_same_in_all_and_that_so_few_steps_rank_little(capsys, tmp_path):
    from sweeps.learning_rate import SWEEP

    def said(*options):
        with pytest.raises(SystemExit, match="0"):
            nnhp_torch.main(SWEEP, argv=["--dry_run", "--log_dir", str(tmp_path), *options])
        return capsys.readouterr().out

    assert "The same in all: 3 hidden layers × 128 units, Adam, batch_size=30000, 80 epochs of MNIST\n" in said()
    assert "steps" not in said()
    assert "A trial has 6 optimizer steps in all (3 epochs of 2)" in said("--max_epochs", "3")
    assert "steps" not in said("--max_epochs", "3", "--base.batch_size", "100")


def test_a_dry_run_of_a_race_lists_what_is_chosen_and_how_many_more_there_may_be(command):
    _, out, _ = command("--seeds", "auto", "--dry_run", expect=0)
    assert "6 of 6 trials would run, and then up to 34 more" in out
    assert not (command.folder / "lightning_logs").exists()


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
    _, _, err = command("--log_dir", "file/logs", expect=1)
    assert len(err.splitlines()) == 1
    assert "file/logs" in err


def here(sweep, tmp_path, *flags, **settings):
    """Runs a sweep in this process; returns the exit status."""
    always = ["--jobs", "0", "--accelerator", "cpu", "--log_dir", str(tmp_path)]
    with pytest.raises(SystemExit) as end:
        nnhp_torch.main(sweep, argv=[*always, *flags], **settings)
    return end.value.code


def test_callbacks_of_ones_own_are_told_after_the_table_and_may_prune(sweep, tmp_path, capsys):
    told = []

    class Mine(SweepCallback):
        def on_epoch_end(self, trial, epoch, metrics):
            told.append((trial.label, epoch))
            return "wide enough" if trial.config.width == 8 and epoch == 2 else None

        def on_sweep_end(self, outcome):
            told.append([result.status for result in outcome.ordered])
            print("mine")

    assert here(sweep, tmp_path, "--grid.lr", "[0.1]", callbacks=[Mine()]) == 0
    assert told[:-1] == [
        (f"lr=0.1, width={width}", epoch) for width, epochs in ((4, 3), (8, 2)) for epoch in range(1, epochs + 1)
    ]
    assert told[-1] == ["completed", "pruned"]
    out = capsys.readouterr().out
    assert 0 < out.index("Winner: ") < out.index("mine")


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


def test_a_build_that_worker_processes_cannot_import_runs_here_and_says_so(sweep, tmp_path, capsys):
    import toy

    sweep = dataclasses.replace(sweep, axes={"lr": [0.1]}, build=lambda config: toy.build(config))
    assert here(sweep, tmp_path, "--jobs", "2", "--max_epochs", "1") == 0
    assert f"Runs in this process, because {name_of(sweep.build)} cannot be imported" in capsys.readouterr().out
    assert here(sweep, tmp_path, "--jobs", "1", "--devices", "2") == 2
    assert "cannot be imported by the processes that these trials need" in capsys.readouterr().err


def test_what_a_notebook_defines_cannot_be_imported_by_worker_processes(monkeypatch):
    notebook = types.ModuleType("__main__")
    exec("def build(config): ...", notebook.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    assert not is_importable(notebook.build)
    assert is_importable("toy:build")
    notebook.__file__ = "<stdin>"
    assert not is_importable(notebook.build), "nor what a script from standard input defines"
    notebook.__file__ = __file__
    assert is_importable(notebook.build)


def test_the_parent_imports_neither_torch_nor_lightning(script):
    check = (
        "import sys; sys.argv = ['sweep.py', '--dry_run'];"
        "import runpy, contextlib\n"
        "with contextlib.suppress(SystemExit): runpy.run_path('sweep.py', run_name='__main__')\n"
        "heavy = ('torch', 'lightning', 'matplotlib', 'torchvision')\n"
        "import json; print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=script.folder, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


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


def test_stale_results_show_in_the_dry_run_the_table_and_the_exit_status(command):
    store = ResultStore(command.folder / "lightning_logs" / "tiny")
    for trial, digest in zip(SWEEP.trials(), ("apart:0123456789abcdef", digest_of(toy.__file__)), strict=True):
        made = {"name": "toy:build", "config": name_of(TinyConfig), "sources": {"toy": digest}}
        store.append(dataclasses.replace(completed(trial, 0.8 + trial.config.lr), build=made))
    _, out, _ = command("--dry_run", expect=0)
    assert "lr=0.1  completed, stale\nlr=0.01  completed\n0 of 2 trials would run, 1 are stale" in out
    _, out, _ = command("--jobs", "0", expect=3)
    assert "Stale: the source of toy has changed since 1 of these results were made." in out
    assert "Winner, by stale results: lr=" in out
    page = (store.folder / "report.html").read_text()
    assert "By stale results: their source has changed since." in page
    assert [line.endswith("stale") for line in out.splitlines() if line.startswith((" 0.1 ", "0.01 "))] == [True, False]
    command("--jobs", "0", "--stale", "use", expect=0)
    assert "1 of 2 trials would run" in command("--dry_run", "--stale", "rerun", expect=0)[1]
    command("--jobs", "0", "--accelerator", "cpu", "--stale", "rerun", expect=0)
    assert "stale" not in command("--jobs", "0", expect=0)[1].lower()
    assert "--stale needs a value: fail, use or rerun" in command("--stale", expect=2)[2]
