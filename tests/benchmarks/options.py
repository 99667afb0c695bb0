"""The command line of the benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnhp_torch.article.config import TrialConfig

ROOT = Path(__file__).resolve().parents[2]  # of the repository: what is measured is the code beside these files


@dataclass(frozen=True)
class Options:
    """Args:
    repeat: repetitions; what takes minutes is done three times at most.
    quick: few epochs, to see that the program works; its numbers mean nothing.
    full: the seven grids in all their epochs, instead of from a few epochs of each trial.
    dataset: MNIST, or another of its shape.
    keras_python: the interpreter that has TensorFlow.
    gpu_jobs: trials side by side on a GPU.
    """

    repeat: int
    quick: bool
    full: bool
    dataset: str
    keras_python: str
    gpu_jobs: int

    @property
    def few(self) -> int:
        """Repetitions of what takes minutes."""
        return min(self.repeat, 3)

    def trial(self, batch_size: int, epochs: int) -> TrialConfig:
        """The study's trial at a batch size, in so many epochs; two where quick."""
        epochs = 2 if self.quick else epochs
        return TrialConfig(batch_size=batch_size, max_epochs=epochs, protocol="article", dataset=self.dataset)
