"""The study that Optuna keeps of a search: how it samples and prunes, and what it gives for an axis."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnhp_torch.core.spec.base import Primitive
from nnhp_torch.search.space import Range, Suggest

if TYPE_CHECKING:
    import optuna

# Optuna is imported when a study is made, not before: `--help` answers at once, and without it.

LEAST = 5  # completed trials from which on importances say something


def sampler(name: str, seed: int, number: int) -> optuna.samplers.BaseSampler:
    """Make what samples the trial of a number, by its own seed."""
    import optuna

    mixed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    if name == "random":
        return optuna.samplers.RandomSampler(seed=mixed)
    return optuna.samplers.TPESampler(  # what may still be given, as Optuna 4 has it by default
        n_startup_trials=10, n_ei_candidates=24, multivariate=False, group=False, constant_liar=False, seed=mixed
    )


def suggesting(source: Any) -> Suggest:
    """Return what draws values by one of a study's trials, new or stored."""

    def suggest(name: str, axis: Range | Sequence[Primitive]) -> Primitive:
        value: Primitive
        if not isinstance(axis, Range):
            value = source.suggest_categorical(name, list(axis))
        elif axis.whole:
            value = source.suggest_int(name, int(axis.low), int(axis.high), log=axis.log)
        else:
            value = axis.rounded(source.suggest_float(name, axis.low, axis.high, log=axis.log))
        return value

    return suggest


def pruner(name: str, max_epochs: int) -> optuna.pruners.BasePruner:
    """Make what ends poor trials early."""
    import optuna

    made: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
        "hyperband": lambda: optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=max_epochs, reduction_factor=3, bootstrap_count=0
        ),
        "median": lambda: optuna.pruners.MedianPruner(
            n_startup_trials=5, n_warmup_steps=0, interval_steps=1, n_min_trials=1
        ),
        "none": optuna.pruners.NopPruner,
    }
    return made[name]()


def importances(study: optuna.Study | None) -> dict[str, float]:
    """Setting → its share in what decides a trial's value (PED-ANOVA), the largest first; empty with too few."""
    import optuna

    states = [trial.state for trial in study.get_trials(deepcopy=False)] if study else []
    if study is None or states.count(optuna.trial.TrialState.COMPLETE) < LEAST:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna 4 calls the evaluator experimental
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
