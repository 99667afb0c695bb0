"""The winner without its luck: what its mean loses, how likely it is the best, and what one seed would have picked."""

import dataclasses

import numpy as np
import pytest
from conftest import FakeLaunch, completed
from false_claims import luck_of

from nnhp_torch.core.stats.luck import unlucky
from nnhp_torch.core.stats.units import Units
from nnhp_torch.core.sweeper import Sweeper


@pytest.mark.parametrize("between", [0.0, 1.0])
def test_the_winner_loses_its_luck_and_hardly_more(between):
    """In standard deviations of a seed; the best of nine equal cells of three seeds is nearly one too high."""
    found = luck_of(9, 3, between, sweeps=100)
    assert found["mean"] > 0.3
    assert abs(found["without"]) < 0.4 * found["mean"] + 0.1
    assert found["chance"] == pytest.approx(found["best"], abs=0.15) or not between, "of equal ones each is the best"


def test_where_nothing_is_left_to_chance_nothing_is_taken_off():
    rows = np.array([[0.9, 0.9001, 0.8999], [0.5, 0.5001, 0.4999]])
    value, best, close = unlucky(Units(rows[:, :, None], "", 1), 0.001)
    assert value == pytest.approx(0.9, abs=0.0002)
    assert (best, close) == (1, 1)


def test_it_counts_the_seeds_that_alone_would_have_picked_it(sweep, store):
    swept = dataclasses.replace(sweep, axes={"lr": [0.1, 0.2]})
    by_lr = {0.1: [0.95, 0.96, 0.94, 0.95], 0.2: [0.951, 0.93, 0.945, 0.92]}
    for trial in swept.trials(seeds=range(4)):
        store.append(completed(trial, by_lr[trial.cell["lr"]][trial.config.seed]))
    known = Sweeper(FakeLaunch(), store).run(swept, swept.trials(seeds=range(4))).summary.luck
    assert (known.picked, known.seeds) == (2, 4)
    assert 0.94 < known.value < 0.95
    assert known.best < known.close
    alone = Sweeper(FakeLaunch(), store).run(swept, swept.trials(seeds=[0])).summary
    assert alone.luck is None, "of one seed nobody knows"
