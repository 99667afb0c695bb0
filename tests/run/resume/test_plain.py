"""States as plain values: loaded without trust, and then what they were."""

import io
import pickle
import random
from collections import OrderedDict, namedtuple
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from nnhp_torch.run.resume.plain_values import digest, is_plain, is_value, pack, unpack

Step = namedtuple("Step", ["state", "reward"])

STATES = [
    random.Random(1).getstate(),
    np.random.RandomState(2).get_state(),
    *(
        np.random.Generator(kind(3)).bit_generator.state
        for kind in (np.random.PCG64, np.random.Philox, np.random.SFC64)
    ),
    torch.Generator().get_state().tolist(),
    {"a": [1, (2.5, None)], "b": OrderedDict(c=np.arange(6.0).reshape(2, 3)), "d": b"\x00\xff", "e": np.float32(1.5)},
    [Step(np.arange(2.0), 1.0), Step(np.arange(3.0), Step(1, 2))],
]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("through", ["a checkpoint", "another process"])
def test_a_state_comes_back_as_it_was(state, through):
    packed = pack(state)
    assert is_plain(packed)
    if through == "a checkpoint":
        file = io.BytesIO()
        torch.save(packed, file)
        file.seek(0)
        packed = torch.load(file, weights_only=True)
    else:
        packed = pickle.loads(pickle.dumps(packed))
    np.testing.assert_equal(unpack(packed), state)
    assert repr(unpack(packed)) == repr(state)


@pytest.mark.parametrize("state", [list(range(200)), tuple(range(200)), [True] * 200, [2**70] * 200])
def test_of_many_whole_numbers_each_comes_back_as_it_was(state):
    packed = pack(state)
    assert repr(unpack(packed)) == repr(state)
    assert (len(packed) == 3) == (state[1] == 1 and state[1] is not True), "they are kept as one thing"


@pytest.mark.parametrize("state", [Path("a"), [Path("a")], {"a": {Path("b")}}, np.array([None]), torch.nn.Linear(1, 1)])
def test_what_only_trust_could_load_is_named(state):
    assert not is_plain(state)
    with pytest.raises(TypeError, match=r"Path|set|ndarray|Linear"):
        pack(state)


def test_a_table_of_pandas_is_its_content_whatever_it_has_cached():
    frame = pandas.DataFrame(
        {"x": [1.0, 2.0], "z": ["a", None], "day": pandas.date_range("2026-01-01", periods=2, tz="UTC")},
        index=["p", "q"],
    )
    tables = [frame, frame["x"], frame.index, frame["z"].astype("category"), frame["day"].array]
    assert all(map(is_value, tables))
    assert not is_value(frame["day"].iloc[0]), "one of its dates is no table"
    before = [digest(table) for table in tables]
    assert len(set(before)) == len(before)
    assert frame.loc["q", "x"] == 2.0
    assert frame.index.is_unique
    assert [
        digest(table) for table in (*tables[:2], *(pickle.loads(pickle.dumps(table)) for table in tables[2:]))
    ] == before
    others = [frame.assign(x=[1.0, 3.0]), frame.rename(columns={"x": "y"}), frame.set_index("x", drop=False), frame[:1]]
    others.append(frame.assign(day=pandas.date_range("2026-01-02", periods=2, tz="UTC")))
    assert before[0] not in map(digest, others)


@pytest.mark.parametrize("held", [lambda array: array, lambda array: [array], lambda array: {"a": (1, array)}])
def test_arrays_of_equal_objects_are_alike_wherever_they_lie_in_memory(held):
    first, second = (np.array([f"{n}th" for n in range(3)], dtype=object) for _ in range(2))
    assert digest(held(first)) == digest(held(second))
    second[2] = "last"
    assert digest(held(first)) != digest(held(second))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8, torch.bool, torch.complex64])
def test_of_many_numbers_one_that_has_changed_is_seen(dtype):
    many = torch.zeros(2, 150_001, dtype=dtype)
    arrays = [] if dtype == torch.bfloat16 else [many.numpy()]
    for held in (many, many.T, many[:, 1:], *arrays, *(array.T for array in arrays)):
        before = digest(held)
        assert digest(held) == before
        held[1, 1] = 1
        assert digest(held) != before
        held[1, 1] = 0
        assert digest(held) == before
