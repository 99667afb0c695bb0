"""`python -m nnhp_torch sweep`: any LightningCLI, or plain classes, under a sweep; none of their files changed."""

import multiprocessing
import os
import re
import sys
from pathlib import Path

import foreign
import pytest

from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.recorded.from_ledger import recorded
from nnhp_torch.project.command import main

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*configure_optimizers` will be overridden"
)  # Lightning's, of add_optimizer_args

TRAITS = {
    "with_subcommands": (["--grid.model.width", "[2, 3]"], "model.width"),
    "without": (["--grid.data.batch_size", "[16, 32]"], "data.batch_size"),
    "subclass": (["--grid.optimizer.lr", "[0.1, 0.01]"], "optimizer.lr"),
    "any_class": (
        ["--base.data", "foreign.Data", "--grid.model", "[foreign.Net, foreign.Deep]"],
        "model",
    ),
    "composed": (["--base.model.head", "foreign.Head", "--grid.model.head.width", "[2, 5]"], "model.head.width"),
    "with_files": (["--grid.trainer.gradient_clip_val", "[0.1, 0.2]"], "trainer.gradient_clip_val"),
    "with_args": (["--grid.model.lr", "[0.1, 0.01]"], "model.lr"),
    "once": (["--grid.model.lr", "[0.1, 0.01]"], "model.lr"),
    "with_loaders": (
        ["--grid.optimizer", "[torch.optim.SGD, torch.optim.Adam]", "--base.optimizer.lr", "0.1"],
        "optimizer",
    ),
}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a sweep in an empty folder, in this process; returns its exit status and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*argv, monitor="val_loss"):
        usual = [
            *([] if "--jobs" in argv else ["--jobs", "0"]),
            "--accelerator",
            "cpu",
            *(["--monitor", monitor] if monitor else []),
        ]
        with pytest.raises(SystemExit) as end:
            main([*argv, *usual])
        return end.value.code, "".join(capsys.readouterr())

    return run


def _results(tmp_path, name="foreign"):
    return list(ResultStore(tmp_path / "lightning_logs" / name).results().values())


def test_a_file_has_options_of_the_sweep_which_what_is_typed_overrules(run, tmp_path):
    (tmp_path / "cluster.yaml").write_text("seeds: 3\nthreads: 2\n")
    argv = ["--cli", "foreign:without", "--grid.data.batch_size", "[16, 32]", "--sweep_config", "cluster.yaml"]
    argv += ["--max_epochs", "1"]
    status, out = run(*argv, "--dry_run")
    assert (status, "6 of 6 trials would run" in out) == (0, True), out
    assert "4 of 4 trials would run" in run(*argv, "--seeds", "2", "--dry_run")[1]


def test_without_a_monitor_the_first_epoch_tells_which_metrics_there_are_and_is_not_lost(run, tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(foreign.Net, "on_train_epoch_start", lambda net: trained.append(net.current_epoch))
    command = ["--cli", "foreign:with_subcommands", "--grid.model.width", "[2, 3]", "--base.trainer.max_epochs", "2"]
    status, out = run(*command, monitor=None)
    assert status == 2
    assert "Give --monitor: val_loss (less is better); train_loss (less is better)" in out
    assert trained == [0]
    assert run(*command)[0] == 0
    assert trained == [0, 1, 0, 1], "the first trial has gone on"
    assert "Give --monitor: val_loss" in run(*command, monitor=None)[1], "of what the ledger has"
    assert trained == [0, 1, 0, 1]


@pytest.mark.parametrize("function", TRAITS)
def test_a_command_line_of_any_kind_is_swept_over_its_own_keys(function, run, tmp_path):
    (tmp_path / "defaults.yaml").write_text("model:\n  width: 6\n")
    argv, key = TRAITS[function]
    status, out = run("--cli", f"foreign:{function}", *argv, "--base.trainer.max_epochs", "1")
    assert status == 0, out
    first, second = _results(tmp_path)
    assert first.cell[key] != second.cell[key]
    assert first.epochs == second.epochs == 1
    assert first.history["train_loss"] != second.history["train_loss"]
    assert {path.name for path in tmp_path.iterdir()} == {"defaults.yaml", "lightning_logs"}
    assert "Total params" not in out, "what Lightning adds to everybody's Trainer is the sweep's to say"


@pytest.mark.parametrize(
    "argv",
    [
        ["--model", "foreign.Net", "--data", "foreign.Data", "--grid.model.width", "[2, 3]"],
        ["--model", f"{foreign.__file__}:Net", "--data", "foreign.Data", "--grid.data.batch_size", "[16, 32]"],
        ["--model", "foreign.Net", "--data", "foreign.Data", "--grid.trainer.accumulate_grad_batches", "[1, 2]"],
        [
            *("--model", "foreign.Partials", "--data", "foreign.Data", "--base.model.optimizer", "torch.optim.SGD"),
            *("--grid.model.optimizer.lr", "[0.1, 0.01]", "--base.model.scheduler", "StepLR"),
            *("--base.model.scheduler.step_size", "1"),
        ],
    ],
)
def test_classes_without_a_command_line_are_swept_over_their_arguments(argv, run, tmp_path):
    status, out = run(*argv, "--max_epochs", "2", "--name", "classes")
    assert status == 0, out
    first, second = _results(tmp_path, "classes")
    assert first.history["train_loss"] != second.history["train_loss"]


def test_what_its_code_sets_in_the_trainer_that_it_has_made_counts(run, tmp_path):
    argv = ["--grid.model.lr", "[0.1]", "--base.trainer.max_epochs", "2"]
    assert run("--cli", "foreign:sets_its_trainer", *argv)[0] == 0
    assert run("--cli", "foreign:without", *argv, "--base.trainer.limit_train_batches", "1", "--name", "said")[0] == 0
    (by_code,), (said,) = _results(tmp_path), _results(tmp_path, "said")
    assert by_code.history == said.history


def test_a_project_whose_code_sets_how_long_it_trains_is_refused(run):
    status, out = run("--cli", "foreign:sets_its_epochs", "--grid.model.lr", "[0.1]", "--base.trainer.max_epochs", "2")
    assert (status, "its code sets the Trainer's max_epochs" in out) == (2, True), out


@pytest.mark.parametrize(("argv", "interval"), [([], 50), (["--base.trainer.log_every_n_steps", "7"], 7)])
def test_a_module_that_asks_how_often_it_logs_is_told_what_it_is_told_by_hand(run, tmp_path, argv, interval):
    usual = ["--cli", "foreign:asks_how_often_it_logs", "--grid.model.lr", "[0.1]", "--base.trainer.max_epochs", "1"]
    status, out = run(*usual, *argv)
    assert status == 0, out
    (result,) = _results(tmp_path)
    assert result.history["interval"] == [interval]
    assert "trainer.log_every_n_steps" not in result.config, "earlier results stay its own"


def test_the_seeds_of_a_project_begin_with_its_own(run, tmp_path):
    argv = ["--cli", "foreign:with_subcommands", "--grid.model.width", "[2]", "--max_epochs", "1"]
    status, out = run(*argv, "--base.seed_everything", "7", "--seeds", "2", "--dry_run")
    assert status == 0, out
    assert re.findall(r"(\S+)  to run", out) == ["model.width=2,seed=7", "model.width=2,seed=8"]


def test_more_epochs_go_on_from_the_winner_unless_the_schedule_knows_their_number(run, tmp_path):
    def trained(function, name, epochs):
        argv = (
            ["--cli", f"foreign:{function}", "--grid.optimizer.lr", "[0.1]"]
            if function == "subclass"
            else [*("--cli", f"foreign:{function}", "--grid.model.lr", "[0.1]")]
        )
        status, out = run(*argv, "--max_epochs", str(epochs), "--name", name)
        assert status == 0, out
        return _results(tmp_path, name)[-1]

    for function, note in {
        "with_subcommands": "in a shorter trial; the seconds are those of the others",
        "subclass": "T_max is 4 instead of 2, of which the training may make use",
    }.items():
        trained(function, "longer", 2)
        longer, whole = trained(function, "longer", 4), trained(function, f"whole-{function}", 4)
        assert (longer.history, longer.test) == (whole.history, whole.test)
        assert longer.notes[0].endswith(note)
        assert whole.notes == []


def test_a_project_is_checked_before_anybody_has_said_what_ranks_its_cells(run, tmp_path):
    status, out = run(
        "--cli", "foreign:without", "--grid.model.width", "[2]", "--max_epochs", "9", "--check", monitor=""
    )
    assert status == 0, out
    assert "Resumed equals uninterrupted" in out
    assert not list(tmp_path.iterdir())


KEPT = """
trainer:
  max_epochs: 2
  gradient_clip_val: 0.5
  callbacks:
  - class_path: foreign.Diary
  - class_path: lightning.pytorch.callbacks.ModelCheckpoint
    init_args: {dirpath: theirs, monitor: val_loss, filename: best-of-theirs}
  logger:
    class_path: lightning.pytorch.loggers.CSVLogger
    init_args: {save_dir: theirs}
"""


def test_their_callbacks_logger_and_checkpoints_are_kept_and_write_to_the_trials_folder(run, tmp_path):
    (tmp_path / "theirs.yaml").write_text(KEPT)
    foreign.Diary.seen.clear()
    argv = ["--cli", "foreign:with_subcommands", "-c", "theirs.yaml", "--grid.model.lr", "[0.1]"]
    status, out = run(*argv)
    assert status == 0, out
    ((trainer, callbacks),) = foreign.Diary.seen
    assert trainer.gradient_clip_val == 0.5
    assert [type(logger).__name__ for logger in trainer.loggers] == ["CSVLogger", "TrialLogger"]
    assert {"EpochSeed", "Diary", "ModelCheckpoint", "Recorder"} <= set(callbacks)
    trial = tmp_path / "lightning_logs" / "foreign" / "model.lr=0.1"
    assert (trial / "model_checkpoints" / "best-of-theirs.ckpt").is_file()
    assert list(trial.glob("loggers/**/metrics.csv"))
    assert {path.name for path in tmp_path.iterdir()} == {"theirs.yaml", "lightning_logs"}
    (result,) = _results(tmp_path)
    assert result.build["trainer"] == {"gradient_clip_val": 0.5}
    (tmp_path / "theirs.yaml").write_text(KEPT.replace("save_dir: theirs", "save_dir: elsewhere"))
    assert "0 of 1 trials would run" in run(*argv, "--dry_run")[1], "a logger changes no result"


SCRIPT = """
from lightning.pytorch.cli import LightningCLI

from foreign import Data, Net


class Own(Net):
    pass


"""
ENDS = {
    "guarded": "if __name__ == '__main__':\n    LightningCLI(Own, Data, subclass_mode_model=True)\n",
    "bare": "LightningCLI(Own, Data, subclass_mode_model=True)\n",
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("kind", "jobs"), [("guarded", "0"), ("bare", "0"), ("bare", "1")])
def test_a_script_is_swept_with_a_main_block_and_without_one(kind, jobs, run, tmp_path, monkeypatch):
    name = f"{kind}_{jobs}"  # another one for each case, because a module is imported once
    (tmp_path / f"{name}.py").write_text(SCRIPT + ENDS[kind])
    monkeypatch.setenv("PYTHONPATH", str(Path(foreign.__file__).parent), prepend=os.pathsep)
    argv = ["--cli", f"{name}.py", "--base.model", f"{name}.Own", "--grid.model.width", "[2, 3]", "--max_epochs", "2"]
    status, out = run(*argv, "--jobs", jobs)
    assert status == 0, out
    assert [result.cell["model.width"] for result in _results(tmp_path, name)] == [2, 3]
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {f"{name}.py", "lightning_logs"}


EDITED = """
import subprocess

from lightning.pytorch.cli import LightningCLI

from foreign import Data, Net


class Own(Net):
    def __init__(self, width: int = 4, lr: float = 0.1):
        super().__init__(width, lr)
        with open("rows.txt") as rows:
            self.scale = float(rows.read())

    def on_train_end(self):
        if self.hparams.width == 2:  # as somebody would between two trials
            subprocess.run("sleep 0.1; echo 0.2 > rows.txt; sleep 0.1", shell=True)


"""


@pytest.mark.parametrize("kind", ENDS)
def test_a_file_that_is_edited_between_two_trials_is_another_source_of_the_second(kind, run, tmp_path):
    """Also if the script's main block comes to it, or the script itself, which each trial runs anew."""
    (tmp_path / f"edited_{kind}.py").write_text(EDITED + ENDS[kind].replace(", subclass_mode_model=True", ""))
    (tmp_path / "rows.txt").write_text("0.1")
    argv = ["--cli", f"edited_{kind}.py", "--grid.model.width", "[2, 3]", "--max_epochs", "1"]
    run(*argv)
    first, second = (result.build["sources"]["rows.txt"] for result in _results(tmp_path, f"edited_{kind}"))
    assert first != second
    status, out = run(*argv)
    assert (status, "the source of rows.txt has changed since" in out) == (3, True), out
    (tmp_path / "rows.txt").write_text("0.1")  # which makes none of the second's content right
    assert run(*argv)[0] == 3


ONCE = """
import multiprocessing
import os

import fsspec
import torch
from lightning.pytorch.cli import LightningCLI

from foreign import Data, Net

BEGIN = torch.rand(()).item()


class Own(Net):
    def on_train_epoch_end(self):
        self.log("begin", BEGIN)


def main():
    torch.set_num_interop_threads(1)
    multiprocessing.set_start_method("fork")

    class Theirs:
        pass

    fsspec.register_implementation("theirs", Theirs)  # which refuses another one of that name
    os.chdir("/")
    LightningCLI(Own, Data)


if __name__ == "__main__":
    main()
"""


@pytest.mark.usefixtures("quick")
def test_what_a_process_may_do_once_fails_no_trial_and_what_an_import_draws_is_the_same_in_each_process(
    run, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", str(Path(foreign.__file__).parent), prepend=os.pathsep)
    multiprocessing.set_start_method(multiprocessing.get_start_method(), force=True)  # as a notebook's may be
    drawn = []
    for jobs in "01":
        (tmp_path / f"once_{jobs}.py").write_text(ONCE)
        argv = ["--cli", f"once_{jobs}.py", "--grid.model.width", "[2, 3]", "--max_epochs", "1", "--jobs", jobs]
        status, out = run(*argv)
        assert status == 0, out
        drawn += [result.history["begin"] for result in _results(tmp_path, f"once_{jobs}")]
    assert drawn == [drawn[0]] * 4


def test_a_script_that_leaves_the_working_directory_as_it_is_imported_is_refused(run, tmp_path):
    """Its first trial in a process would have another one than the next."""
    (tmp_path / "leaves.py").write_text(f"import os\nos.chdir('/')\n{SCRIPT}{ENDS['guarded']}")
    status, out = run("--cli", "leaves.py", "--grid.model.width", "[2]", "--max_epochs", "1")
    assert (status, "leaves.py changes the working directory when it is imported" in out) == (2, True), out


OTHERS = {
    "a loop of its own": ("import torch\n", "makes no LightningCLI: give its classes instead"),
    "Fabric": ("from lightning import Fabric\n", "makes no LightningCLI: give its classes instead"),
    "Hydra": ("import omegaconf_hydra as hydra\n", "is configured by Hydra: give its classes instead"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("guard", ["", "if __name__ == '__main__':\n    "])
def test_a_script_without_a_lightning_cli_is_refused_before_any_of_its_code_has_run(kind, guard, run, tmp_path):
    imports, sentence = OTHERS[kind]
    (tmp_path / "omegaconf_hydra.py").write_text("")
    name = f"alone_{len(kind)}_{len(guard)}.py"
    (tmp_path / name).write_text(f"{imports}{guard}open('ran', 'w')\n")
    status, out = run("--cli", name, "--grid.model.width", "[2, 3]", "--dry_run")
    assert (status, sentence in out) == (2, True), out
    assert not (tmp_path / "ran").exists()


def test_a_script_whose_command_line_is_made_in_a_package_is_swept(run, tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "__init__.py").write_text("from .start import main\n")
    (tmp_path / "inner" / "start.py").write_text(
        "def main():\n    import foreign\n    from lightning.pytorch.cli import LightningCLI\n"
        "    LightningCLI(foreign.Net, foreign.Data)\n"
    )
    (tmp_path / "bare_start.py").write_text("from inner import main\nmain()\n")
    status, out = run("--cli", "bare_start.py", "--grid.model.width", "[2, 3]", "--max_epochs", "1", "--dry_run")
    assert status == 0, out


def test_parts_of_a_configuration_may_stand_in_files_of_their_own(run, tmp_path):
    (tmp_path / "whole.yaml").write_text("trainer: parts/trainer.yaml\nmodel: parts/model.yaml\n")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "trainer.yaml").write_text("max_epochs: 2\ngradient_clip_val: 0.5\n")
    (tmp_path / "parts" / "model.yaml").write_text("width: 7\n")
    status, out = run("--cli", "foreign:with_subcommands", "-c", "whole.yaml", "--grid.model.lr", "[0.1, 0.01]")
    assert status == 0, out
    for result in _results(tmp_path):
        assert (result.epochs, result.config["model.width"]) == (2, 7)
        assert result.build["trainer"] == {"gradient_clip_val": 0.5}


def test_a_file_may_say_fit_itself_as_one_that_stands_before_the_subcommand_does(run, tmp_path):
    (tmp_path / "whole.yaml").write_text("fit:\n  trainer: {max_epochs: 2}\n  model: {width: 7}\n")
    status, out = run("--cli", "foreign:with_subcommands", "-c", "whole.yaml", "--grid.model.lr", "[0.1, 0.01]")
    assert status == 0, out
    assert [(result.epochs, result.config["model.width"]) for result in _results(tmp_path)] == [(2, 7)] * 2


UNTYPED = """
import foreign
import lightning as L
from lightning.pytorch.cli import LightningCLI

class Untyped(foreign.Net):
    def __init__(self, settings, lr):
        super().__init__(lr=lr, **settings)

if __name__ == "__main__":
    LightningCLI(L.LightningModule, foreign.Data, subclass_mode_model=True)
"""


def test_arguments_without_a_type_are_swept(run, tmp_path):
    (tmp_path / "untyped.py").write_text(UNTYPED)
    (tmp_path / "untyped.yaml").write_text(
        "{trainer: {max_epochs: 1}, model: {class_path: untyped.Untyped, init_args: {settings: {width: 3}, lr: 0.1}}}"
    )
    argv = ["--cli", "untyped.py", "-c", "untyped.yaml", "--grid.model.init_args.lr", "[0.1, 0.01]"]
    status, out = run(*argv)
    assert status == 0, out
    assert [result.cell["model.init_args.lr"] for result in _results(tmp_path, "untyped")] == [0.1, 0.01]


LISTED = """
trainer:
  max_epochs: 2
  callbacks:
  - {class_path: foreign.Keeper}
  - {class_path: lightning.pytorch.callbacks.EarlyStopping, init_args: {monitor: val_loss, patience: 7}}
"""


@pytest.mark.filterwarnings("ignore:[\\s\\S]*Unable to serialize instance")  # of Lightning's own dump, as by hand
def test_a_class_in_a_list_keeps_the_objects_that_are_its_defaults_and_a_key_below_the_list_is_swept(run, tmp_path):
    (tmp_path / "listed.yaml").write_text(LISTED)
    argv = ["--cli", "foreign:with_subcommands", "-c", "listed.yaml"]
    key = "trainer.callbacks.1.patience"
    status, out = run(*argv, f"--grid.{key}", "[3, 7]", "--base.trainer.callbacks.0.patience", "5")
    assert status == 0, out
    results = _results(tmp_path)
    assert [result.cell[key] for result in results] == [3, 7]
    for result, patience in zip(results, (3, 7), strict=True):
        keeper, stopping = result.config["trainer.callbacks"]
        assert keeper == {"class_path": "foreign.Keeper", "init_args": {"patience": 5}}
        assert stopping["init_args"]["patience"] == patience
    outcome = recorded(tmp_path / "lightning_logs" / "foreign", "val_loss")
    assert [trial.cell[key] for trial in outcome.trials] == [3, 7], "the ledger alone tells the same"
    status, out = run(*argv, "--grid.trainer.callbacks.patience", "[3, 7]")
    assert (status, "list of 2: name which of it, from 0 on, as trainer.callbacks.0.patience" in out) == (2, True), out


def test_the_options_that_every_sweep_has_are_listed_beside_its_own(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(option in said for option in ("--cli", "--grid.KEY", "--seeds", "--jobs", "--dry_run", "--precision"))


def test_what_was_meant_is_named(run, tmp_path):
    (tmp_path / "parts").mkdir()
    for name, text in {"__init__": "", "train": "from .net import Net\n", "net": ""}.items():
        (tmp_path / "parts" / f"{name}.py").write_text(text)
    status, out = run("--cli", "parts/train.py", "--grid.model.width", "[2]")
    assert (status, "name it as a module of that, parts.train" in out) == (2, True), out
    status, out = run("fit", "--cli", "foreign:with_subcommands", "--grid.model.width", "[2]")
    assert (status, "leave out fit" in out) == (2, True), out


def test_a_training_by_steps_ends_after_them_is_scored_there_and_resumes_to_the_same_digits(run, tmp_path, monkeypatch):
    steps, scored = [], []
    monkeypatch.setattr(foreign.Net, "on_before_zero_grad", lambda net, optimizer: steps.append(net.global_step))
    monkeypatch.setattr(foreign.Net, "on_validation_end", lambda net: scored.append(net.global_step))
    argv = ["--cli", "foreign:with_subcommands", "--grid.trainer.max_steps", "[7, 9]", "--max_epochs", "9"]
    argv += ["--base.trainer.limit_train_batches", "2"]
    status, out = run(*argv)
    assert status == 0, out
    assert [len(steps), [result.epochs for result in _results(tmp_path)]] == [16, [4, 5]]
    assert scored == [2, 4, 6, 7, 2, 4, 6, 8, 9], "the last ones in the middle of an epoch"
    status, out = run(*argv, "--check")
    assert (status, "Resumed equals uninterrupted" in out) == (0, True), out


REFUSED = {
    "no key is called 'model.widht'; the nearest is 'model.width'": ["--grid.model.widht", "[2, 3]"],
    "no key is called 'dropout'": ["--grid.dropout", "[2, 3]"],
    "model.width should be int, not 'wide'": ["--grid.model.width", "[2, wide]"],
    "model.lr should be float, not 'fast'": ["--grid.model.width", "[2]", "--base.model.lr", "fast"],
    "--grid.model.width needs a list": ["--grid.model.width", "[]"],
    "--over.model.width needs a list": ["--over.model.width", "[]"],
    "trainer.fast_dev_run cannot be True": ["--grid.model.width", "[2]", "--base.trainer.fast_dev_run", "true"],
    "ckpt_path cannot be set": ["--grid.model.width", "[2]", "--base.ckpt_path", "some.ckpt"],
    "trainer.max_time cannot be '00:00:01:00'": ["--grid.trainer.max_time", "['00:00:01:00']"],
    "without an end: for how many epochs at most?": [
        *("--grid.trainer.max_steps", "[7]", "--base.trainer.max_epochs", "-1"),
    ],
    "trainer.accelerator cannot be an axis": ["--grid.trainer.accelerator", "[cpu, gpu]"],
    "seed_everything is not an axis": ["--grid.seed_everything", "[1, 2]"],
    "there is nothing to vary": [],
    "--grid.model.lr gives its values, --base.model.lr one": ["--grid.model.width", "[2]", "--model.lr", "0.1"],
    "trainer.max_epochs is -1, without an end": ["--grid.model.width", "[2]", "--base.trainer.max_epochs", "-1"],
    "never.yaml": ["--grid.model.width", "[2]", "-c", "never.yaml"],
    "there is no --jbos: did you mean --jobs?": ["--grid.model.width", "[2]", "--jbos", "2"],
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_is_wrong_is_said_in_a_line_before_anything_is_trained(sentence, run, tmp_path):
    status, out = run("--cli", "foreign:with_subcommands", *REFUSED[sentence])
    assert status == 2, out
    assert sentence in out
    assert sentence in out.splitlines()[-1]
    assert not list(tmp_path.rglob("*.ckpt"))


NO_PROJECT = {
    "there is no nowhere.py": ["--cli", "nowhere.py"],
    "there is no no_package.train": ["--cli", "no_package.train"],
    "foreign has no function 'mian'": ["--cli", "foreign:mian"],
    "foreign makes no LightningCLI": ["--cli", "foreign"],
    "needs path": ["--cli", "foreign:with_argument"],
    "trains without a LightningCLI": ["--cli", "foreign:by_hand"],
    "ckpt_path cannot be set": ["--cli", "foreign:from_a_checkpoint", "--max_epochs", "2"],
    "there is no class foreign.Nte": ["--model", "foreign.Nte"],
    "Net has no train_dataloader of its own: name its": ["--model", "foreign.Net", "--max_epochs", "2"],
    "a project is named by --cli, or by its classes": [],
    "foreign:own_loop trains without a LightningCLI": ["--cli", "foreign:own_loop"],
    "foreign:fabric trains without a LightningCLI": ["--cli", "foreign:fabric"],
    "foreign:twice fits more than once (foreign.py, line ": ["--cli", "foreign:twice", "--max_epochs", "2"],
    "foreign:in_a_loop fits more than once": ["--cli", "foreign:in_a_loop", "--max_epochs", "2"],
    "foreign:in_stages fits more than once": ["--cli", "foreign:in_stages", "--max_epochs", "2"],
    "foreign:and_by_hand fits more than once": ["--cli", "foreign:and_by_hand", "--max_epochs", "2"],
    "foreign:in_a_hook fits more than once (TwiceCLI.after_fit": ["--cli", "foreign:in_a_hook", "--max_epochs", "2"],
    "foreign:in_the_hook_before fits more than once": ["--cli", "foreign:in_the_hook_before", "--max_epochs", "2"],
    "foreign:with_its_own_trainer fits with a Trainer of": [
        "--cli",
        "foreign:with_its_own_trainer",
        "--max_epochs",
        "2",
    ],
    "foreign:never never calls Trainer.fit": ["--cli", "foreign:never", "--max_epochs", "2"],
    "for how many epochs?": ["--cli", "foreign:with_loaders"],
}


@pytest.mark.parametrize("sentence", NO_PROJECT)
def test_what_cannot_be_swept_is_said_in_a_line(sentence, run, tmp_path):
    status, out = run(*NO_PROJECT[sentence], "--grid.model.width", "[2]")
    assert status == 2, out
    assert sentence in out
    assert sentence in out.splitlines()[-1]
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_few_lines_of_a_projects_yaml_that_stand_for_a_memory_full_are_refused(run, capsys):
    lines = ["x1: &a1 [1]", *(f"x{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(2, 12))]
    Path("bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(SystemExit) as raised:
        main(["--cli", "foreign:once", "-c", "bomb.yaml", "--grid.model.lr", "[0.1]", "--monitor", "val_loss"])
    assert raised.value.code == 2
    assert "its aliases stand for more than 1000000 values" in capsys.readouterr().err


OWN_SCRIPT = """
import foreign


def main():
    foreign.with_subcommands()


if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("first", ["./spelled.py", "spelled:main"])
def test_however_a_script_is_written_it_is_the_project_that_the_ledger_has(run, tmp_path, first, monkeypatch):
    (tmp_path / "spelled.py").write_text(OWN_SCRIPT)
    monkeypatch.delitem(sys.modules, "spelled", raising=False)
    argv = ["--grid.model.lr", "[0.1]", "--max_epochs", "1", "--name", "one"]
    assert run("--cli", first, *argv)[0] == 0
    for again in ("spelled.py", str(tmp_path / "spelled.py"), "spelled"):
        assert "0 of 1 trials would run" in run("--cli", again, *argv, "--dry_run")[1], again
    assert "1 of 1 trials would run" in run("--cli", "foreign:with_subcommands", *argv, "--dry_run")[1], "another one"
