"""Hyperparameter sweeps for PyTorch Lightning: the public names, each imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnhp_torch.answer import Setup as Setup
    from nnhp_torch.callbacks import EpochSeed as EpochSeed
    from nnhp_torch.callbacks import GaussianNoise as GaussianNoise
    from nnhp_torch.callbacks import StopWhenDiverged as StopWhenDiverged
    from nnhp_torch.callbacks import WeightConstraint as WeightConstraint
    from nnhp_torch.config import TrialConfig as TrialConfig
    from nnhp_torch.data import MNISTDataModule as MNISTDataModule
    from nnhp_torch.digits import DigitImages as DigitImages
    from nnhp_torch.entry import main as main
    from nnhp_torch.grid import Sweep as Sweep
    from nnhp_torch.mlp import MLP as MLP
    from nnhp_torch.module import MLPClassifier as MLPClassifier
    from nnhp_torch.results import ResultStore as ResultStore
    from nnhp_torch.results import TrialResult as TrialResult
    from nnhp_torch.search import Range as Range
    from nnhp_torch.search import Search as Search
    from nnhp_torch.sweeper import SweepCallback as SweepCallback
    from nnhp_torch.sweeper import Sweeper as Sweeper

# Importing lightning takes seconds, and the command line must answer at once.
_HOME = {
    "Setup": "answer",
    "EpochSeed": "callbacks",
    "GaussianNoise": "callbacks",
    "StopWhenDiverged": "callbacks",
    "WeightConstraint": "callbacks",
    "TrialConfig": "config",
    "MNISTDataModule": "data",
    "DigitImages": "digits",
    "main": "entry",
    "Sweep": "grid",
    "MLP": "mlp",
    "MLPClassifier": "module",
    "ResultStore": "results",
    "TrialResult": "results",
    "Range": "search",
    "Search": "search",
    "SweepCallback": "sweeper",
    "Sweeper": "sweeper",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
