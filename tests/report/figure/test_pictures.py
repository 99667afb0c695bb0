"""A sweep's pictures, and that none is left which shows something else."""

import dataclasses
import io
import os
import signal

import pytest
from conftest import FakeLaunch, TinyConfig, completed
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nnhp_torch.cli.main import main
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.figure import tensorboard, whole
from nnhp_torch.report.figure.callback import FigureReport
from nnhp_torch.report.figure.drawing import plain_text, png
from nnhp_torch.report.terminal.console import Terminal
from nnhp_torch.report.terminal.table import TableReport
from nnhp_torch.search import report
from nnhp_torch.search.space import Range, Search


def test_an_image_replaces_the_one_before_it(tmp_path):
    png = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000002000000010802000000"
    )  # the header of a picture two pixels wide and one high
    tensorboard.write(tmp_path / "figure", "tiny", png, step=3, words="A")
    (first,) = (tmp_path / "figure").iterdir()
    tensorboard.write(tmp_path / "figure", "tiny", png, step=3, words="A")
    assert [*(tmp_path / "figure").iterdir()] == [first], "the same stays as it is"
    tensorboard.write(tmp_path / "figure", "tiny", png)
    assert not first.exists()
    events = EventAccumulator(str(tmp_path / "figure")).Reload()
    (image,) = events.Images("tiny")
    assert (image.width, image.height, image.encoded_image_string) == (2, 1, png)
    assert len(list((tmp_path / "figure").iterdir())) == 1


def test_a_picture_that_a_symbolic_link_has_put_elsewhere_is_not_removed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "events.out.tfevents.1").touch()
    (tmp_path / "figure").symlink_to(elsewhere)
    tensorboard.write(tmp_path / "figure", "tiny", bytes(24))
    assert (elsewhere / "events.out.tfevents.1").exists()


def test_what_a_kill_has_left_of_a_picture_is_removed_with_the_next_one(tmp_path):
    left = tmp_path / "figure" / ".events.out.tfevents.0000000001.tmp"
    left.parent.mkdir()
    left.touch()
    tensorboard.write(left.parent, "tiny", bytes.fromhex("89504e470d0a1a0a0000000d4948445200000002000000010802000000"))
    assert not left.exists()


def test_what_a_kill_has_left_of_curves_or_has_not_renamed_yet_makes_way(tmp_path):
    left = tmp_path / "mean" / f".events.out.tfevents.{5:017.6f}.tmp"
    left.parent.mkdir()
    left.touch()
    tensorboard.write_curves(left.parent, {"loss/train": [0.5]}, {"loss/train": "loss"}, 5.0)
    assert [path.name for path in left.parent.iterdir()] == [f"events.out.tfevents.{5:017.6f}"]
    png = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000002000000010802000000")
    tensorboard.write(tmp_path / "figure", "tiny", png)
    (written,) = (tmp_path / "figure").iterdir()
    written.rename(written.with_name(f".{written.name}.tmp"))
    tensorboard.write(tmp_path / "figure", "tiny", png)
    (again,) = (tmp_path / "figure").iterdir()
    assert again.name.startswith("events.")


def _run(sweep, store, launch):
    out = Terminal(io.StringIO())
    callbacks = [TableReport(out, store, "x"), FigureReport(store.folder)]
    Sweeper(launch, store, callbacks).run(sweep, sweep.trials())
    return out.file.getvalue()


def _pictures(store):
    return sorted(path.name.split(".")[0] for path in (*store.folder.glob("*.png"), *store.folder.glob("figure/*")))


def test_a_sweep_of_any_size_has_its_figure_and_the_table_names_it(sweep, store):
    many = dataclasses.replace(sweep, axes={"lr": [round(0.01 * i, 2) for i in range(1, 32)]})
    assert f"Figure   {store.folder / 'figure.png'}" in _run(many, store, FakeLaunch())
    assert _pictures(store) == ["events", "figure"]


def test_tensorboard_has_the_answer_and_the_table_with_the_figure_at_the_last_epoch(sweep, store):
    spelled = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01], "width": [4, "a|b*"]})
    ends = {trial.label: completed(trial, 0.9 - i / 100) for i, trial in enumerate(spelled.trials())}
    _run(spelled, store, FakeLaunch(ends))
    events = EventAccumulator(str(store.folder / "figure")).Reload()
    (image,), (text,) = events.Images("tiny"), events.Tensors("tiny/verdict")
    assert image.step == text.step == 3
    assert events.SummaryMetadata("tiny/verdict").plugin_data.plugin_name == "text"
    (said,) = text.tensor_proto.string_val
    lines = said.decode().splitlines()
    assert lines[0] == r"Winner: lr=0.1, width=4 with val\_accuracy=0.9000 (test 0.8900)"
    assert lines[2].startswith("Is it the best? Cannot be told from one seed")
    assert lines[-6].startswith(r"| lr | width | val\_acc ↑ |")
    assert lines[-3].startswith(r"| 0.1 | a\|b\* | 0.8900 |")


def test_where_no_epoch_ends_no_picture_is_named_or_left(sweep, store):
    _run(sweep, store, FakeLaunch())
    other = dataclasses.replace(sweep, base=dataclasses.replace(sweep.base, max_epochs=4), axes={"lr": [0.5]})
    failed = FakeLaunch({trial.label: TrialResult.of(trial, "failed", "no") for trial in other.trials()})
    assert "Figure   none, because no trial has finished an epoch" in _run(other, store, failed)
    assert _pictures(store) == []


def test_ctrl_c_ends_the_drawing_at_once_and_says_that_the_results_are_there(sweep, store, monkeypatch, capsys):
    small = dataclasses.replace(sweep, axes={"lr": [0.1]})
    Sweeper(FakeLaunch(), store).run(small, small.trials())
    drawn = []

    def draw(*args):
        os.kill(os.getpid(), signal.SIGINT)
        drawn.append(args)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(whole, "draw", draw)
    with pytest.raises(SystemExit) as ended:
        main(small, argv=["--log_dir", str(store.folder.parent), "--jobs", "0", "--accelerator", "cpu"])
    assert (ended.value.code, drawn) == (130, [])
    out = capsys.readouterr().out
    assert out.index("Winner: ") < out.index("Interrupted while a picture was drawn")
    assert signal.getsignal(signal.SIGINT) is before
    assert _pictures(store) == []
    assert not list(store.folder.rglob("*.tmp"))


def test_a_searchs_figure_begins_with_a_line_for_each_trial_through_its_settings_to_what_it_reached(store):
    search = Search("joint", TinyConfig(), {"lr": Range(0.01, 0.1), "width": Range(4, 8)}, build="toy:build")
    trials = [search.trial(n, {"lr": lr, "width": w}) for n, (lr, w) in enumerate([(0.02, 4), (0.05, 8), (0.1, 6)])]
    outcome = Outcome(search, trials, {t.key: completed(t, 0.9 + t.config.lr / 2) for t in trials})
    above, below, beside = report.draw(outcome.summary).axes
    assert [text.get_text() for text in above.get_xticklabels()] == ["lr", "width", "validation error"]
    through = [line.get_ydata() for line in above.get_lines() if len(line.get_xdata()) == 3]
    assert len(through) == 3
    best = through[-1]
    assert best[2] == min(line[2] for line in through), "the least error lies lowest on its own axis"
    assert best[0] == max(line[0] for line in through), "at the highest rate"
    assert below.get_ylabel() == "val_accuracy"
    (so_far,) = [line for line in beside.get_lines() if line.get_label() == "the best so far"]
    assert list(so_far.get_ydata()) == pytest.approx([0.91, 0.925, 0.95])


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_search_of_which_nothing_has_completed_is_drawn_without_a_word_of_matplotlibs(status):
    search = Search("tiny", TinyConfig(), {"lr": Range(0.001, 1.0, log=True)}, "toy:build")
    trials = [search.trial(i, {"lr": 0.1 * (i + 1)}) for i in range(3)]
    results = {trial.key: TrialResult.of(trial, status, "not finite") for trial in trials}
    png(report.draw(Outcome(search, trials, results).summary))  # pytest makes an error of a warning


def test_values_that_have_no_room_are_drawn_without_a_word_of_matplotlibs():
    sweep = Sweep("tiny", TinyConfig(), {"width": [1, 10**400]}, "toy:build")
    results = {trial.key: completed(trial, 0.9) for trial in sweep.trials()}
    with plain_text():
        png(whole.draw(Outcome(sweep, sweep.trials(), results).summary))
