"""What is to hold on a GPU, on pretended ones: that trials run there, and where they run."""

import pytest

from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.run.launch.local import Workers
from nnhp_torch.run.runtime import Runtime


def on_gpus(sweep, store, *, jobs=1, callbacks=(), build="toy:build_saying_where", **settings):
    store.folder.mkdir(parents=True, exist_ok=True)
    runtime = Runtime(str(store.folder), accelerator="gpu", **settings)
    return Sweeper(Workers(build, runtime, jobs=jobs), store, callbacks).run(sweep, sweep.trials())


@pytest.mark.usefixtures("quick")
def test_trials_run_on_a_gpu_whatever_multiplies_on_the_cpu_beside_it(sweep, store, gpus):
    gpus(1)
    outcome = on_gpus(sweep, store)
    assert [result.reason for result in outcome.ordered] == [""] * 4
    last = [result.history["precision"][0] for result in outcome.ordered]
    assert last == [0] * 4, "nor are its own products less exact"
