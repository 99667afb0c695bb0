"""Whose a record is when a configuration's defaults are edited, and when it gains a field."""

import dataclasses

import pytest
from conftest import FakeLaunch, completed

from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.checkpoints import LAST, acquire, checkpoint_folder, usable
from nnhp_torch.core.recorded.from_ledger import recorded
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.sweeper import Sweeper


def settings(**usual):
    """The user's dataclass with these defaults, as it stands in his script now."""
    usual = {"lr": 0.5, "width": 4, "seed": 123, "max_epochs": 3, **usual}
    made = dataclasses.make_dataclass(
        "Settings",
        [(name, type(value), dataclasses.field(default=value)) for name, value in usual.items()],
        frozen=True,
    )
    made.__module__ = __name__
    return made()


def sweep(axes, **usual):
    return Sweep("tiny", settings(**usual), axes, build="toy:build")


WIDTHS = {"width": [4, 8]}
RATES = {"lr": [0.5, 0.1, 0.01]}


def run(of, store, seeds=None):
    launch = FakeLaunch()
    outcome = Sweeper(launch, store).run(of, of.trials(seeds))
    assert [result.config["lr"] for result in outcome.ordered] == [trial.config.lr for trial in outcome.trials]
    return outcome, launch.ran


@pytest.mark.parametrize("edited", [{"lr": 0.1}, {"lr": 0.1, "max_epochs": 4}])
def test_a_default_that_was_edited_makes_other_trials_which_run_beside_the_earlier_ones(store, edited):
    former, now = sweep(WIDTHS), sweep(WIDTHS, **edited)
    run(former, store)
    before = store.path.read_text()
    assert len(run(now, store)[1]) == 2
    assert store.path.read_text().startswith(before), "nothing was lost"
    for either in (now, former, now):
        assert run(either, store)[1] == [], "each finds its own"
    assert len(run(dataclasses.replace(former, base=settings(lr=0.01)), store)[1]) == 2
    gathered = recorded(store.folder, "val_accuracy").summary.cells
    assert sorted({cell.values["lr"] for cell in gathered}) == [0.01, *sorted({0.5, 0.1})]
    assert all(cell.completed for cell in gathered if cell.ranked)


@pytest.mark.parametrize("edited", [{"lr": 0.1}, {"lr": 0.1, "width": 4}, {"lr": 0.01, "max_epochs": 3}])
def test_values_that_were_tried_are_found_whatever_the_default_is_now(store, edited):
    run(sweep(RATES), store)
    assert run(sweep(RATES, **edited), store)[1] == []
    assert run(sweep(RATES), store)[1] == []


def test_two_defaults_may_be_edited_at_once(store):
    run(sweep({**RATES, **WIDTHS}), store)
    assert run(sweep({**RATES, **WIDTHS}, lr=0.1, width=8), store)[1] == []


def test_a_field_that_is_gained_keeps_the_results_and_its_default_may_be_edited_too(store):
    run(sweep(RATES), store)
    assert run(sweep(RATES, dropout=0.0), store)[1] == []
    assert run(sweep(RATES, dropout=0.0, lr=0.1), store)[1] == []


def test_another_precision_or_number_of_threads_is_never_taken_for_a_former_default(store):
    of = sweep(RATES)
    Sweeper(FakeLaunch(), store).run(of, of.trials())
    now, launch = sweep(RATES, lr=0.1), FakeLaunch()
    Sweeper(launch, store).run(now, now.trials(None, "bf16-mixed"))
    assert len(launch.ran) == 3
    launch = FakeLaunch()
    Sweeper(launch, store).run(now, now.trials(None, "32-true", 2))
    assert len(launch.ran) == 3


def test_a_setting_that_its_key_holds_cannot_be_another(store):
    of = sweep(RATES)
    damaged = completed(of.trials()[1])
    store.append(dataclasses.replace(damaged, config={**damaged.config, "lr": 0.2}, cell={"lr": 0.2}))
    with pytest.raises(LedgerError, match="line 1: its config has another lr than the trial of its key"):
        run(of, store)


def test_checkpoints_of_a_former_default_are_set_aside_and_found_again(tmp_path):
    (former, *_), (now, *_) = sweep(WIDTHS).trials(), sweep(WIDTHS, lr=0.1).trials()
    assert (former.key, former.name) == (now.key, now.name), "the key leaves out what stands at its default"
    folder = checkpoint_folder(tmp_path, now.name)
    acquire(folder, former.identity)
    (folder / LAST).touch()
    assert "began anew" in acquire(folder, now.identity)
    assert usable(folder, now.identity) is None
    assert usable(folder, former.identity).name.startswith("checkpoints-")
    gained = sweep(WIDTHS, dropout=0.0).trials()[0]
    assert usable(folder, gained.identity) == usable(folder, former.identity), "a field that is gained changes nothing"


USUAL = {"lr": 0.5, "width": 4}


class Departing:
    """A configuration that names only what departs from its code's defaults (lr=0.5, width=4), as a project's does."""

    def __init__(self, seed=123, max_epochs=3, **theirs):
        departing = {name: value for name, value in theirs.items() if value != USUAL[name]}
        vars(self).update(seed=seed, max_epochs=max_epochs, **departing)

    def __getattr__(self, name):
        return USUAL[name]

    def __replace__(self, **changes):
        return Departing(**{**vars(self), **changes})


@pytest.mark.parametrize("first", [{"lr": [0.5]}, {"lr": [0.1]}, {"width": [4]}])
def test_a_record_at_the_codes_own_defaults_is_no_other_values(store, first):
    def ran(axes):
        launch = FakeLaunch()
        of = Sweep("tiny", Departing(), axes, build="toy:build")
        Sweeper(launch, store).run(of, of.trials())
        return launch.ran

    ran(first)
    assert ran({"lr": [0.01, 0.02], "width": [8]}) == ["lr=0.01,width=8", "lr=0.02,width=8"]
    assert ran({"lr": [0.021]}) == ["lr=0.021"]
    assert ran({"width": [12]}) == ["width=12"]
    assert ran({"lr": [0.021], "width": [4]}) == [], "and each finds its own"
