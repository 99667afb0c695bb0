"""States as plain values: loaded without trust, and then what they were."""

import io
import pickle
import random
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from nnhp_torch.run.resume.plain import is_plain, pack, unpack

STATES = [
    random.Random(1).getstate(),
    np.random.RandomState(2).get_state(),
    *(
        np.random.Generator(kind(3)).bit_generator.state
        for kind in (np.random.PCG64, np.random.Philox, np.random.SFC64)
    ),
    torch.Generator().get_state().tolist(),
    {"a": [1, (2.5, None)], "b": OrderedDict(c=np.arange(6.0).reshape(2, 3)), "d": b"\x00\xff", "e": np.float32(1.5)},
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


@pytest.mark.parametrize("state", [Path("a"), [Path("a")], {"a": {Path("b")}}, np.array([None]), torch.nn.Linear(1, 1)])
def test_what_only_trust_could_load_is_named(state):
    assert not is_plain(state)
    with pytest.raises(TypeError, match=r"Path|set|ndarray|Linear"):
        pack(state)
