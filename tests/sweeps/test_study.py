"""`python -m sweeps`: the article's chain, what is carried on, and one summary."""

import csv
import sys
import threading

import pytest
from conftest import LONG, FakeLaunch

from nnhp_torch.cli.command.sweep import Command
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.mnist import files as mnist
from nnhp_torch.report.commands import whole_command
from nnhp_torch.report.figure.callback import FigureReport
from sweeps.__main__ import OF_THE_STUDY, load
from sweeps.__main__ import main as study_main
from sweeps._base import CHAIN, OTHERS

ARTICLE = {
    "layers_nodes": ({"n_layers": [2, 3, 4], "n_nodes": [64, 128, 256]}, {"max_epochs": 40}),
    "optimizer": ({"optimizer": ["Adam", "Adagrad", "RMSprop", "SGD"]}, {}),
    "batch_size": ({"batch_size": [2000, 5000, 10000, 30000]}, {}),
    "learning_rate": ({"lr": [1e-1, 1e-2, 1e-3, 1e-4]}, {}),
    "momentum": ({"momentum": [0.99, 0.9, 0.5, 0.1]}, {"lr": 0.001}),
    "weight_regularization": (
        {"reg_type": ["l1", "l2"], "reg": [1e-1, 1e-2, 1e-3, 1e-4]},
        {"lr": 0.001, "momentum": 0.1},
    ),
    "dropout": (
        {"dropout": [0.1, 0.25, 0.5, 0.75]},
        {"lr": 0.001, "momentum": 0.1, "reg_type": "l2", "reg": 1e-4},
    ),
}


@pytest.mark.parametrize("name", ARTICLE)
def test_grids_bases_and_epochs_are_the_articles(name):
    axes, departures = ARTICLE[name]
    sweep = load(name, {}, {})
    assert sweep.axes == axes
    expected = {"max_epochs": 80, "n_layers": 2, "n_nodes": 128, "optimizer": "Adam", "batch_size": 30_000, "lr": 0.01}
    expected |= {"momentum": None, "reg": 0.0, "dropout": 0.0, "seed": 123} | departures
    assert {key: getattr(sweep.base, key) for key in expected} == expected


def test_what_the_article_chooses_is_where_the_next_sweep_stands():
    carried = {}
    for name, choice in CHAIN.items():
        base = load(name, {}, {}).base
        assert {key: getattr(base, key) for key in carried} == carried, name
        carried |= choice


def test_winners_are_carried_on_but_a_sweeps_own_departures_stay():
    carried = {"n_nodes": 256, "lr": 0.1}
    assert load("momentum", carried, {}).base.lr == 0.1
    assert load("noise", carried, {}).base.lr == 0.1
    assert load("noise", carried, {}).base.n_nodes == 256
    assert load("learning_rate_decay", carried, {}).base.lr == 0.01, "where that sweep wants something to decay from"


def test_every_sweep_is_part_of_the_study():
    from test_sweeps import NAMES

    assert {*NAMES} - {"gradient_noise"} == {*CHAIN, *OTHERS}, "which backs another sweep's claim"
    assert len(OTHERS) == len({*OTHERS})
    assert OTHERS.index("loss") < OTHERS.index("activation") < OTHERS.index("noise"), "the article's order"


@pytest.fixture
def study(monkeypatch, capsys):
    """Runs the study in this process: (stdout, stderr)."""

    def run(*args, expect=0):
        monkeypatch.setattr(sys, "argv", ["sweeps", *args])
        with pytest.raises(SystemExit) as raised:
            study_main()
        out, err = capsys.readouterr()
        assert raised.value.code == expect, out + err
        return out, err

    return run


@pytest.mark.usefixtures("quick")
def test_the_study_runs_sums_up_and_goes_on_where_it_was(study, tmp_path):
    mnist.fetch("MNIST", mnist.default_data_dir())
    flags = ["--max_epochs", "1", "--log_dir", str(tmp_path), "--accelerator", "cpu"]
    flags += ["--only", "[batch_size, loss]", "--carry", "winner"]
    out, _ = study(*flags)
    assert "the study" in out
    rows = {row["sweep"]: row for row in csv.DictReader((tmp_path / "study" / "study.csv").read_text().splitlines())}
    assert rows["batch_size"]["chosen"] == "30000"
    assert rows["batch_size"]["winner"] == "2000"
    assert rows["batch_size"]["difference"] == "undecided, one seed"
    assert (tmp_path / "study" / "overview.png").read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "loss").glob("loss=mse,batch_size=2000,*")), "the winner's batch size was carried on"
    again, _ = study(*flags)
    assert again.count("Nothing to run") == 2


@pytest.fixture
def drawn(monkeypatch):
    """Who draws the figures of a study whose trials are not trained; the first one waits until the next sweep runs."""
    second, drawn = threading.Event(), {}

    class Launch(FakeLaunch):
        def __call__(self, trials, listener):
            if self.name == "loss":
                second.set()
            super().__call__(trials, listener)

    def launch(command):
        made = Launch()
        made.name = command.sweep.name
        return made

    def draw(report, outcome):
        drawn[outcome.sweep.name] = threading.current_thread()
        if drawn[outcome.sweep.name] is not threading.main_thread():
            assert second.wait(LONG)
        if "no ink" in drawn.values():
            raise RuntimeError("no ink")

    monkeypatch.setattr(Command, "launch", launch)
    monkeypatch.setattr(FigureReport, "on_sweep_end", draw)
    return drawn


ONLY = ["--only", "[activation, loss]", "--accelerator", "cpu", "--log_dir"]


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_sweeps_report_is_drawn_while_the_next_one_trains(study, drawn, tmp_path, jobs):
    """But not beside trials in this process, whose random numbers are those that it has."""
    study(*ONLY, str(tmp_path), "--jobs", str(jobs))
    assert [thread is threading.main_thread() for thread in drawn.values()] == [jobs == 0] * 2
    assert (tmp_path / "activation" / "report.html").exists()


def test_what_is_wrong_with_a_report_is_said_when_all_sweeps_have_run(study, drawn, tmp_path):
    drawn["broken"] = "no ink"
    with pytest.raises(RuntimeError, match="no ink"):
        study(*ONLY, str(tmp_path), "--jobs", "1")
    assert ResultStore(tmp_path / "loss").results()
    assert (tmp_path / "loss" / "report.html").exists()
    assert not (tmp_path / "study" / "study.csv").exists()


def test_ctrl_c_while_reports_are_drawn_is_one_line(study, drawn, tmp_path, monkeypatch):
    def interrupted(drawing):
        raise KeyboardInterrupt

    monkeypatch.setattr("nnhp_torch.cli.command.drawing.Drawing.wait", interrupted)
    out, _ = study(*ONLY, str(tmp_path), "--jobs", "1", expect=130)
    assert out.splitlines()[-1].startswith("Interrupted while a picture was drawn: all results are in the ledger")


def test_a_wrong_name_is_refused_before_anything_is_run(study, tmp_path):
    _, err = study("--only", "[batchsize]", "--log_dir", str(tmp_path), expect=2)
    assert "no sweep is called 'batchsize'; did you mean batch_size? There are layers_nodes, " in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--protocol", "printed"], "the printed code has no"),
        (["--over.lr", "[0.1]"], "learning_rate: lr is an axis and a replicate"),
        (["--over.fold", "[0, 6]"], "fold must be one of 0, 1, 2, 3, 4, 5, not 6"),
    ],
)
def test_a_sweep_that_a_flag_does_not_fit_is_refused_before_any_other_is_run(study, tmp_path, flags, reason):
    _, said = study(*flags, "--log_dir", str(tmp_path), expect=2)
    assert reason in said
    assert "--skip '[" in said
    assert not list(tmp_path.iterdir())


def test_a_sweeps_page_tells_to_type_its_own_command_with_the_options_of_the_study(monkeypatch):
    words = ["--only", "loss", "noise", "--seeds", "5", "--carry=winner", "--max_epochs", "20"]
    monkeypatch.setattr(sys, "argv", ["sweeps", *words])
    assert whole_command("python -m sweeps.loss", OF_THE_STUDY) == "python -m sweeps.loss --seeds 5 --max_epochs 20"


def test_a_baseline_that_a_sweep_has_not_is_refused_before_any_other_runs(study, tmp_path):
    asked = ["--only", "[learning_rate, dropout]", "--baseline", "lr=0.01", "--log_dir", str(tmp_path / "logs")]
    _, err = study(*asked, expect=2)
    assert "dropout: baseline: lr does not vary here, which dropout does; --skip '[dropout]' leaves it out" in err
    assert not (tmp_path / "logs").exists()
