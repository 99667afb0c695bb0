"""The command line, from the shell's prompt and back to it."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import types

import pytest
import toy
from conftest import TinyConfig, completed
from stranger import SWEEP, here

from nnhp_torch import ResultStore, Sweep, SweepCallback
from nnhp_torch.core.spec.provenance import digest_of, name_of
from nnhp_torch.run.launch.request import Request
from nnhp_torch.run.launch.workers import is_importable


@pytest.mark.painted
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
    assert "1 of 1 trials would run" in command("--grid.lr", "[0.1]", "--fresh", "--dry_run", expect=0)[1]
    _, out, _ = command(*flags, "--fresh", expect=0)
    assert "The earlier results are in lightning_logs/tiny.2" in out
    assert len(list((command.folder / "lightning_logs").glob("tiny*/results.jsonl"))) == 2


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


def test_a_configuration_that_was_printed_can_be_read_back(command):
    _, printed, _ = command("--grid.lr", "[0.5]", "--seeds", "[7]", "--base.width", "6", "--print_config", expect=0)
    (command.folder / "sweep.yaml").write_text(printed)
    _, out, _ = command("--config", "sweep.yaml", "--dry_run", expect=0)
    assert out.splitlines()[0].startswith("lr=0.5,seed=7,width=6") or "lr=0.5,width=6,seed=7" in out


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
