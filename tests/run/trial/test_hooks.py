"""What holds for every hook, whoever's it is."""

import threading
from types import SimpleNamespace

import torch

from nnhp_torch.run.trial.hooks import HookGuard


def test_one_at_a_time_prepares_its_data(tmp_path):
    """Of trials side by side that want the same file the second one would find half of it."""
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    trainer = SimpleNamespace(datamodule=None, lightning_module=None, strategy=strategy)
    said, within = [], threading.Event()

    def second():
        within.wait()
        said.append("the second one comes")
        with HookGuard(lambda: trainer, tmp_path).profile("[LightningDataModule]Data.prepare_data"):
            said.append("the second one prepares")

    thread = threading.Thread(target=second)
    thread.start()
    with HookGuard(lambda: trainer, tmp_path).profile("[LightningDataModule]Data.prepare_data"):
        within.set()
        thread.join(timeout=0.5)
        said.append("the first one is done")
    thread.join()
    assert said == ["the second one comes", "the first one is done", "the second one prepares"]
