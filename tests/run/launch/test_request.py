"""The settings of a run: a wrong one is refused in a line, from Python as on the command line."""

import dataclasses
import typing

import pytest

from nnhp_torch.core.spec import status
from nnhp_torch.core.spec.grid import MOST_TRIALS
from nnhp_torch.run.launch.request import Request


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"seeds": 0}, "seeds must be a number of at least 1"),
        ({"seeds": []}, r"a list of different seeds from 0, or auto, not \[\]"),
        ({"seeds": [1, 1]}, "list of different seeds"),
        ({"seeds": "123"}, "seeds must be a number"),
        ({"seeds": True}, "seeds must be a number"),
        ({"seeds": MOST_TRIALS + 1}, "a sweep has at most"),
        ({"seeds": "auto", "max_seeds": 1}, "max_seeds must be more than the 3 seeds that every cell gets, not 1"),
        ({"seeds": "auto", "max_seeds": True}, "max_seeds must be more than the 3"),
        ({"seeds": "auto", "max_seeds": MOST_TRIALS + 1}, "a sweep has at most"),
        ({"seeds": 5, "max_seeds": 10}, "max_seeds is for --seeds auto"),
        ({"jobs": -1}, "jobs must be auto or a number of at least 0, not -1"),
        ({"jobs": "two"}, "jobs must be auto or a number of at least 0, not two"),
        ({"jobs": 0, "devices": 2}, "processes of its own"),
        ({"threads": 0}, "threads must be a whole number of at least 1"),
        ({"threads": 1.5}, "threads must be a whole number of at least 1"),
        ({"devices": []}, "devices must be a number of at least 1"),
        ({"precision": 33}, "precision must be one of 16, "),
        ({"keep_checkpoints": "some"}, "keep_checkpoints must be one of winner, best, last, all, not 'some'"),
        ({"launcher": "dask"}, "launcher must be one of local, ray, slurm"),
        ({"slurm": {"partition": "low"}}, "--slurm is for --launcher slurm, not local"),
        ({"detach": True}, "--detach is for --launcher slurm, not local"),
        ({"fresh": "no"}, "fresh must be true or false, not 'no'"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_when_it_is_asked_for(settings, said):
    with pytest.raises(ValueError, match=said):
        Request(**settings)


@pytest.mark.parametrize("first", [123, 0, 7])
def test_seeds_are_counted_from_the_sweeps_own_or_are_those_that_are_named(sweep, first):
    sweep = dataclasses.replace(sweep, base=dataclasses.replace(sweep.base, seed=first))
    assert Request(seeds=2).each_seed(sweep) == [first, first + 1]
    assert Request(seeds=(7, 1)).each_seed(sweep) == [7, 1]
    assert Request(seeds="auto").each_seed(sweep) == list(range(first, first + 20))
    assert Request(seeds="auto", max_seeds=4).each_seed(sweep) == list(range(first, first + 4))


def test_a_sweep_that_has_no_seed_of_its_own_begins_with_123(sweep):
    sweep = dataclasses.replace(sweep, base=dataclasses.replace(sweep.base, seed=None))
    assert Request(seeds=2).each_seed(sweep) == [123, 124]


def test_a_short_precision_is_trainers_full_one():
    assert [Request(precision=short).full_precision for short in (16, "bf16", "64-true")] == [
        *("16-mixed", "bf16-mixed", "64-true")
    ]


def test_jobs_are_as_many_as_the_cores_have_threads_for(monkeypatch):
    monkeypatch.setattr("nnhp_torch.run.launch.request.cores", lambda: 8)
    assert [Request(threads=threads).workers for threads in (1, 3, 16)] == [8, 2, 1]
    assert Request(devices=[0, 1]).workers == 4
    assert Request(jobs=0).workers == 0


def test_each_setting_that_is_a_flag_has_a_line_of_help_and_a_group():
    silent = [part.name for part in dataclasses.fields(Request) if set(part.metadata) != {"help", "group"}]
    assert silent == ["callbacks", "launch", "chooser", "judge", "environment"]


def test_every_way_to_end_is_settled_or_runs_again():
    again = {"failed", "interrupted"}
    assert {*status.SETTLED} | again == {*typing.get_args(status.Status)}
    assert not {*status.SETTLED} & again
