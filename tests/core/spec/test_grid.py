"""A sweep is an ordered list of trials, and a trial is what changes its result."""

import dataclasses

import pytest
from conftest import TinyConfig

from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.trial import Trial


def test_the_grid_is_the_product_of_its_axes_the_last_one_fastest(sweep):
    assert [trial.label for trial in sweep.trials()] == [
        "lr=0.1, width=4",
        "lr=0.1, width=8",
        "lr=0.01, width=4",
        "lr=0.01, width=8",
    ]


def test_each_seed_runs_the_whole_grid_before_the_next(sweep):
    trials = sweep.trials(seeds=[1, 2])
    assert [trial.config.seed for trial in trials] == [1] * 4 + [2] * 4
    assert [trial.label for trial in trials[:4]] == [trial.label for trial in trials[4:]]


def test_replicates_repeat_the_grid_beside_the_seeds_and_are_no_cells(sweep):
    repeated = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]}, replicates={"width": [4, 6]})
    trials = repeated.trials(seeds=[1, 2])
    assert [(t.config.seed, t.config.width, t.config.lr) for t in trials] == [
        (seed, width, lr) for seed in (1, 2) for width in (4, 6) for lr in (0.1, 0.01)
    ]
    assert [trial.label for trial in trials] == ["lr=0.1", "lr=0.01"] * 4
    assert [dict(trial.replicate) for trial in trials[::2]] == [{"width": 4}, {"width": 6}] * 2
    assert len({trial.name for trial in trials}) == len({trial.key for trial in trials}) == 8
    assert [list(cell) for cell in repeated.cells()] == [["lr"], ["lr"]]


def test_a_trial_made_by_hand_has_the_key_of_the_sweeps(sweep):
    first = sweep.trials()[0]
    assert Trial(sweep.name, first.config, first.cell, first.name).key == first.key


def test_replicates_keep_the_keys_and_the_names_there_are(sweep):
    one = dataclasses.replace(sweep, axes={"lr": [0.1, 0.01]})
    repeated = dataclasses.replace(one, replicates={"width": [4, 6]})
    first = repeated.trials()[:2]
    assert [(t.key, t.name) for t in first] == [(t.key, t.name) for t in one.trials()]
    assert [t.name for t in repeated.trials()[2:]] == ["lr=0.1,width=6", "lr=0.01,width=6"]


@pytest.mark.parametrize(
    ("replicates", "message"),
    [
        ({"width": []}, "replicate width needs a list with at least one value"),
        ({"width": [4, 4]}, "replicate width has 4 twice"),
        ({"fold": [4]}, "no setting is called 'fold'"),
        ({"seed": [1, 2]}, "seed is no replicate: give several with --seeds"),
        ({"lr": [0.1]}, "lr is an axis and a replicate"),
        ({"max_epochs": [0]}, "max_epochs must be a whole number of at least 1, not 0"),
    ],
)
def test_replicates_that_make_no_sense_are_refused_when_the_sweep_is_declared(replicates, message):
    with pytest.raises(ValueError, match=message):
        Sweep("tiny", TinyConfig(), {"lr": [0.1]}, build="x:y", replicates=replicates)


def test_names_say_the_cell_and_what_departs_from_the_sweep_as_declared(sweep):
    assert sweep.trials()[0].name == "lr=0.1,width=4"
    assert sweep.trials(seeds=[7])[0].name == "lr=0.1,width=4,seed=7"
    shorter = dataclasses.replace(sweep, base=dataclasses.replace(sweep.base, max_epochs=1))
    assert shorter.trials(precision="bf16-mixed", threads=2)[0].name == (
        "lr=0.1,width=4,max_epochs=1,precision=bf16-mixed,threads=2"
    )


def test_trials_of_one_folder_never_share_a_name(sweep):
    variants = [sweep, dataclasses.replace(sweep, base=TinyConfig(max_epochs=9))]
    trials = [
        t for s in variants for seeds in ([1], [2]) for threads in (1, 2) for t in s.trials(seeds, threads=threads)
    ]
    assert len({trial.name for trial in trials}) == len({trial.key for trial in trials}) == len(trials)


@pytest.mark.parametrize(
    "change", [{"precision": "bf16-mixed"}, {"threads": 2}, {"seeds": [124]}], ids=lambda c: next(iter(c))
)
def test_whatever_changes_the_result_changes_the_key(sweep, change):
    assert sweep.trials(**change)[0].key != sweep.trials()[0].key


def test_the_key_of_a_trial_stays_what_it_was_in_ledgers_of_before(sweep):
    keys = ["0b92b087895ee17d", "48393492f60953e9", "3b226afceac6c6b3", "6ce084589f6c1f2b"]
    assert [trial.key for trial in sweep.trials()] == keys


def test_adding_values_or_seeds_keeps_the_keys_there_are(sweep):
    more = dataclasses.replace(sweep, axes={"width": [16, 4, 8], "lr": [0.01, 0.1]})
    assert {t.key for t in sweep.trials()} < {t.key for t in more.trials(seeds=[5, 123])}


def test_a_configuration_that_gains_a_field_keeps_its_keys(sweep):
    @dataclasses.dataclass(frozen=True)
    class Grown(TinyConfig):
        dropout: float = 0.0

    grown = Sweep("tiny", Grown(), sweep.axes, build=sweep.build)
    assert [t.key for t in grown.trials()] == [t.key for t in sweep.trials()]


def test_the_key_does_not_depend_on_the_order_in_which_fields_are_declared(sweep):
    @dataclasses.dataclass(frozen=True)
    class Reordered:
        max_epochs: int = 3
        seed: int = 123
        width: int = 4
        lr: float = 0.1

    other = Sweep("tiny", Reordered(), sweep.axes, build=sweep.build)
    assert [t.key for t in other.trials()] == [t.key for t in sweep.trials()]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "no axis"),
        ({"lr": []}, "at least one value"),
        ({"lr": "0.1"}, "needs a list"),
        ({"lr": [0.1, 0.2, 0.1]}, "0.1 twice"),
        ({"lr": [1, 1.0]}, "1.0 twice"),
        ({"rate": [0.1]}, "no setting is called 'rate'; there are lr, width, seed, max_epochs"),
        ({"seed": [1, 2]}, "--seeds"),
        ({"lr": [0.1, -1.0]}, "lr must be a number above 0, not -1.0"),
        ({"max_epochs": [3, 0]}, "max_epochs must be a whole number of at least 1, not 0"),
        ({"max_epochs": [3, 2.5]}, "max_epochs must be a whole number of at least 1, not 2.5"),
        ({"max_epochs": [None]}, "max_epochs must be a whole number of at least 1, not None"),
    ],
)
def test_a_grid_that_cannot_run_is_refused_when_it_is_declared(axes, message):
    with pytest.raises(ValueError, match=message):
        Sweep("tiny", TinyConfig(), axes, build="x:y")


def test_a_monitor_whose_name_does_not_tell_its_direction_is_refused_without_one(sweep):
    with pytest.raises(ValueError, match="'val_score' does not say which is better"):
        dataclasses.replace(sweep, monitor="val_score")
    assert dataclasses.replace(sweep, monitor="val_score", mode="max").objective.mode == "max"
    assert dataclasses.replace(sweep, monitor="val_loss").objective.mode == "min"


@pytest.mark.parametrize("seed", [-3, "a", 7.0, True])
def test_a_seed_that_is_none_is_refused(sweep, seed):
    with pytest.raises(ValueError, match="seed must be a whole number of at least 0"):
        dataclasses.replace(sweep, base=dataclasses.replace(sweep.base, seed=seed))


def test_a_configuration_without_a_seed_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Seedless:
        lr: float = 0.1
        max_epochs: int = 1

    with pytest.raises(ValueError, match="needs a field 'seed'"):
        Sweep("tiny", Seedless(), {"lr": [0.1]}, build="x:y")


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden"])
def test_a_name_that_is_no_folder_is_refused(name):
    with pytest.raises(ValueError, match="becomes a folder"):
        Sweep(name, TinyConfig(), {"lr": [0.1]}, build="x:y")


@dataclasses.dataclass(frozen=True)
class Anything:
    value: object = None
    lr: float = 0.1
    kind: str = "none"
    seed: int = 123
    max_epochs: int = 1


@pytest.mark.parametrize(
    "axes",
    [
        {"lr": [0.00123456, 0.001234561]},
        {"lr": [1000000.0, 1000001.0]},
        {"kind": ["a/b", "a-b", "a,b", "a=b"]},
        {"kind": ["none", None, "1", 1, True, "True"]},
        {"value": [None, "none", 1, "1", True, "[1]", [1], "1.5", 1.5, ""]},
        {"kind": ["数" * 110, "数" * 111, "x" * 500 + "a", "x" * 500 + "b"]},
    ],
    ids=["digits", "large", "letters", "words", "anything", "long"],
)
def test_values_that_read_alike_get_folders_and_labels_of_their_own(axes):
    trials = []
    for value in next(iter(axes.values())):  # each in a call of its own: a name does not depend on the others
        trials += Sweep("any", Anything(), {next(iter(axes)): [value]}, build="x:y").trials()
    assert len({trial.key for trial in trials}) == len(trials)
    assert len({trial.name for trial in trials}) == len(trials)
    assert len({trial.label for trial in trials}) == len(trials)
    assert all(len(trial.name.encode()) <= 200 for trial in trials)


def test_a_field_called_like_one_of_the_trainers_settings_has_a_name_beside_it():
    @dataclasses.dataclass(frozen=True)
    class Threaded(TinyConfig):
        threads: int = 1

    sweep = Sweep("tiny", Threaded(), {"threads": [1, 2]}, build="x:y")
    assert [trial.name for trial in sweep.trials(threads=2)] == [
        "threads=1,trainer.threads=2",
        "threads=2,trainer.threads=2",
    ]


def test_numpy_values_of_an_axis_become_plain_ones_with_the_same_keys():
    import numpy as np

    plain = Sweep("s", TinyConfig(), {"lr": [0.1, 0.01], "width": [4, 8]}, build="toy:build")
    numpy = Sweep("s", TinyConfig(), {"lr": np.array([0.1, 0.01]), "width": [np.int64(4), np.int64(8)]}, "toy:build")
    assert [trial.key for trial in numpy.trials()] == [trial.key for trial in plain.trials()]


@pytest.mark.parametrize("value", [float("inf"), float("nan"), object()])
def test_a_value_that_the_ledger_cannot_hold_is_refused_when_the_sweep_is_made(value):
    with pytest.raises(ValueError, match="width must be a plain value and finite"):
        Sweep("s", TinyConfig(), {"width": [4, value]}, build="toy:build")
    with pytest.raises(ValueError, match="width must be a plain value and finite"):
        Sweep("s", TinyConfig(width=value), {"lr": [0.1]}, build="toy:build")


def test_more_trials_than_a_sweep_can_hold_are_refused_before_they_are_made():
    with pytest.raises(ValueError, match="1000000000 trials"):
        Sweep("s", TinyConfig(), {"lr": [0.1]}, build="toy:build").trials(seeds=range(1_000_000_000))


def test_names_that_differ_in_case_alone_are_told_apart_where_a_file_system_does_not_tell_them():
    @dataclasses.dataclass(frozen=True)
    class Named:
        optimizer: str = "sgd"
        seed: int = 1
        max_epochs: int = 1

    names = [trial.name for trial in Sweep("x", Named(), {"optimizer": ["Adam", "adam", "SGD"]}, "toy:build").trials()]
    assert len({name.casefold() for name in names}) == 3
    assert names[0].startswith("optimizer=Adam,key=")
    assert names[2] == "optimizer=SGD"
