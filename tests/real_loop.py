"""A real loop on the MLP: 30 changes of which five help, with the gate and without: `python tests/real_loop.py [gate]`.

A thousand digits, three epochs, a few hundredths of a second each; what a change is worth is known from 25 seeds.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from proposals import bootstrap, one_seed
from torch.nn import functional as F

from nnhp_torch import MLP, MNISTDataModule, Sweep, TrialResult
from nnhp_torch.cli.command.sweep import Command
from nnhp_torch.core.spec.trial import Trial

LONG = 25  # seeds from which it is known what a change is worth


@dataclass(frozen=True)
class Settings:
    hidden: int = 24
    activation: str = "sigmoid"
    dropout: float = 0.4
    noise: float = 0.5
    decay: float = 0.02
    lr: float = 0.004
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    smoothing: float = 0.0
    clip: float = 100.0
    seed: int = 1
    max_epochs: int = 3


HELPING = {"hidden": [96], "activation": ["relu"], "dropout": [0.0], "noise": [0.0], "lr": [0.012]}
USELESS = {
    "decay": [0.0195, 0.0198, 0.02005, 0.0202, 0.0205],
    "beta1": [0.89, 0.895, 0.905, 0.91],
    "beta2": [0.998, 0.9985, 0.9992, 0.9995],
    "eps": [1e-6, 1e-7, 1e-9, 1e-10],
    "smoothing": [0.0005, 0.001, 0.002, 0.003],
    "clip": [20.0, 50.0, 200.0, 1000.0],
}
SWEPT = [field.name for field in dataclasses.fields(Settings) if field.name not in ("seed", "max_epochs")]


@cache
def digits() -> list[torch.Tensor]:
    """A thousand images and their labels to train on, two thousand to validate."""
    data = MNISTDataModule()
    data.prepare_data()
    data.setup("fit")
    return [*data.train[torch.arange(1000)], *data.val[torch.arange(2000)]]


def build(config: Settings) -> None:
    raise NotImplementedError("Trained trains")


@cache
def accuracy(config: Settings) -> float:
    """The validation accuracy of an MLP that is trained in a plain loop."""
    x, y, x_val, y_val = digits()
    torch.manual_seed(config.seed)
    net = MLP(hidden_sizes=[config.hidden], activation=config.activation, dropout=config.dropout)
    adam = torch.optim.Adam(
        net.parameters(), config.lr, (config.beta1, config.beta2), config.eps, weight_decay=config.decay
    )
    for _ in range(config.max_epochs):
        for batch in torch.randperm(len(x)).split(50):
            noisy = x[batch] + config.noise * torch.randn_like(x[batch])
            loss = F.cross_entropy(net(noisy), y[batch], label_smoothing=config.smoothing)
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), config.clip)
            adam.step()
    with torch.inference_mode():
        return float((net.eval()(x_val).argmax(1) == y_val).float().mean())


class Trained:
    """A launcher that trains in a plain loop, each configuration and seed once."""

    def __init__(self, *_: Any) -> None:
        pass

    def __call__(self, trials: Iterator[Trial | None], listener: Any) -> None:
        for trial in trials:
            if trial is not None:
                listener.started(trial)
                listener.ended(trial, self.result(trial))

    def result(self, trial: Trial) -> TrialResult:
        of = TrialResult.of(trial, "completed")
        return dataclasses.replace(of, history={"val_accuracy": [accuracy(trial.config)]})


def proposals() -> list[dict[str, Any]]:
    """The 30 changes in an order that knows nothing of what they do."""
    changes = [{name: value} for of in (HELPING, USELESS) for name, values in of.items() for value in values]
    return [changes[i] for i in np.random.default_rng(0).permutation(len(changes))]


def values(config: Settings, seeds: int) -> np.ndarray:
    return np.array([accuracy(dataclasses.replace(config, seed=seed)) for seed in range(1, seeds + 1)])


def worth(base: Settings, new: Settings) -> float:
    """What a change is worth, in points, from many seeds."""
    return 100 * float((values(new, LONG) - values(base, LONG)).mean())


def gated(base: Settings, new: Settings, folder: str) -> tuple[bool, int]:
    """As a sweep with --proposal runs it."""
    sweep = Sweep("loop", Settings(), {name: [getattr(new, name)] for name in SWEPT}, build)
    cell = {name: getattr(base, name) for name in SWEPT}
    outcome = sweep.run(baseline=cell, proposal="night", launch=Trained, log_dir=folder)
    return any(row.verdict == "better" for row in outcome.verdicts), len(outcome.ran)


def ungated(keeps: Callable[..., tuple[bool, int]]) -> Callable[..., tuple[bool, int]]:
    def decide(base: Settings, new: Settings, _: str) -> tuple[bool, int]:
        better, seeds = keeps(values(base, 3), values(new, 3), [], 0)
        return better, seeds

    return decide


def loop(decide: Callable[..., tuple[bool, int]], folder: str) -> None:
    base, kept, runs = Settings(), [], 0
    for change in proposals():
        new = dataclasses.replace(base, **change)
        better, took = decide(base, new, folder)
        runs += took
        if better:
            kept.append((change, worth(base, new)))
            base = new
    listed = "; ".join(f"{name}={value} ({by:+.2f})" for change, by in kept for name, value in change.items())
    helped = sum(next(iter(change)) in HELPING for change, _ in kept)
    print(f"{runs} runs, {len(kept)} kept, {helped} of the five: {listed}", flush=True)
    print(f"  from {100 * values(Settings(), LONG).mean():.2f} to {100 * values(base, LONG).mean():.2f}%", flush=True)


def alone() -> None:
    base = values(Settings(), LONG)
    print(f"A seed moves the accuracy by {100 * statistics.stdev(base):.2f} points. Each change alone, {LONG} seeds:")
    told = [(worth(Settings(), dataclasses.replace(Settings(), **change)), change) for change in proposals()]
    print("; ".join(f"{change} {by:+.2f}" for by, change in sorted(told, key=lambda of: -of[0])), flush=True)


def main() -> None:
    torch.set_num_threads(1)
    Command.callbacks = lambda *_: []  # nothing is drawn
    loops = {"bootstrap": ungated(partial(bootstrap, seeds=3)), "one": ungated(one_seed), "gate": gated}
    for name in sys.argv[1:] or ("alone", *loops):
        print(f"\n{name}: ", end="", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            alone() if name == "alone" else loop(loops[name], folder)


if __name__ == "__main__":
    main()
