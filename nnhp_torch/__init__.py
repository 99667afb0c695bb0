"""Hyperparameter sweeps for PyTorch Lightning: the public names, each imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nnhp_torch.run.one_lightning import unite as _unite

if TYPE_CHECKING:
    from nnhp_torch.article.config import TrialConfig as TrialConfig
    from nnhp_torch.callbacks import GaussianNoise as GaussianNoise
    from nnhp_torch.callbacks import RestoreBestWeights as RestoreBestWeights
    from nnhp_torch.callbacks import WeightConstraint as WeightConstraint
    from nnhp_torch.callbacks import WeightSparsity as WeightSparsity
    from nnhp_torch.cli.main import main as main
    from nnhp_torch.core.interfaces import Chooser as Chooser
    from nnhp_torch.core.interfaces import Judge as Judge
    from nnhp_torch.core.interfaces import Judgement as Judgement
    from nnhp_torch.core.interfaces import Launch as Launch
    from nnhp_torch.core.interfaces import Listener as Listener
    from nnhp_torch.core.interfaces import SweepCallback as SweepCallback
    from nnhp_torch.core.ledger.result import TrialResult as TrialResult
    from nnhp_torch.core.ledger.store import ResultStore as ResultStore
    from nnhp_torch.core.outcome import Outcome as Outcome
    from nnhp_torch.core.recorded.from_table import judge as judge
    from nnhp_torch.core.spec.grid import Sweep as Sweep
    from nnhp_torch.core.spec.trial import Trial as Trial
    from nnhp_torch.core.stats.cell import Cell as Cell
    from nnhp_torch.core.stats.summary import Summary as Summary
    from nnhp_torch.core.sweeper import Sweeper as Sweeper
    from nnhp_torch.mnist.datamodule import MNISTDataModule as MNISTDataModule
    from nnhp_torch.mnist.digits import DigitImages as DigitImages
    from nnhp_torch.network.classifier import Classifier as Classifier
    from nnhp_torch.network.mlp import MLP as MLP
    from nnhp_torch.network.module import MLPClassifier as MLPClassifier
    from nnhp_torch.project.python import sweep as sweep
    from nnhp_torch.run.callbacks import EpochSeed as EpochSeed
    from nnhp_torch.run.callbacks import StopWhenDiverged as StopWhenDiverged
    from nnhp_torch.run.setup import Setup as Setup
    from nnhp_torch.search.space import Range as Range
    from nnhp_torch.search.space import Search as Search
    from nnhp_torch.splits import folds as folds

# Importing lightning takes seconds, and the command line must answer at once.
_HOME = {
    "Setup": "run.setup",
    "EpochSeed": "run.callbacks",
    "GaussianNoise": "callbacks",
    "RestoreBestWeights": "callbacks",
    "StopWhenDiverged": "run.callbacks",
    "WeightConstraint": "callbacks",
    "WeightSparsity": "callbacks",
    "TrialConfig": "article.config",
    "MNISTDataModule": "mnist.datamodule",
    "DigitImages": "mnist.digits",
    "folds": "splits",
    "judge": "core.recorded.from_table",
    "main": "cli.main",
    "sweep": "project.python",
    "Sweep": "core.spec.grid",
    "Trial": "core.spec.trial",
    "Cell": "core.stats.cell",
    "Outcome": "core.outcome",
    "Summary": "core.stats.summary",
    "Classifier": "network.classifier",
    "MLP": "network.mlp",
    "MLPClassifier": "network.module",
    "ResultStore": "core.ledger.store",
    "TrialResult": "core.ledger.result",
    "Range": "search.space",
    "Search": "search.space",
    "Chooser": "core.interfaces",
    "Judge": "core.interfaces",
    "Judgement": "core.interfaces",
    "Launch": "core.interfaces",
    "Listener": "core.interfaces",
    "SweepCallback": "core.interfaces",
    "Sweeper": "core.sweeper",
}
__all__ = list(_HOME)


_unite()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
