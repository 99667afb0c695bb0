"""The study that Optuna keeps of a search: how it samples and prunes, and what it gives for an axis."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnhp_torch.core.ledger.known import plain
from nnhp_torch.core.spec.base import Primitive
from nnhp_torch.core.spec.names import fingerprint
from nnhp_torch.core.spec.trial import alike
from nnhp_torch.search import journal
from nnhp_torch.search.request import Pruner, Sampler
from nnhp_torch.search.space import Range, Search, Suggest

if TYPE_CHECKING:
    import optuna

# Optuna is imported when a study is made, not before: `--help` answers at once, and without it.

LEAST = 5  # completed trials from which on importances say something


class Studies:
    """The study of a search, on the disk, and copies of it as it was when one of its trials was chosen.

    Args:
        search: the ranges and the base. name: the study's, by which it is found again.
        sampler, pruner, seed: how it chooses.
    """

    def __init__(self, search: Search, name: str, *, sampler: Sampler, pruner: Pruner, seed: int) -> None:
        self.search = search
        self.name = name
        self.of_sampler = sampler
        self.of_pruner = pruner
        self.seed = seed

    def open(self, path: Path) -> optuna.Study:
        """Return the study in a journal, begun or gone on with; under a base with other defaults it is another one."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)  # a damaged journal is refused in our words
        storage = journal.storage(path)
        study = self._made(self.sampler(0), storage)
        settings = plain(vars(self.search.base))  # those that are the same in all trials
        base = {name: value for name, value in settings.items() if name not in (*self.search.axes, "seed")}
        if not alike(study.user_attrs.get("base", {}), base):  # a default was edited: these are other trials
            self.name += f"-{fingerprint(base, 8)}"
            study = self._made(self.sampler(0), storage)
        if "base" not in study.user_attrs:
            study.set_user_attr("base", base)
        return study

    def copy(self, study: optuna.Study, number: int) -> optuna.Study:
        """Return a copy of the study, in memory, as it was when the trial of a number was chosen."""
        copy = self._made(self.sampler(number))
        copy.add_trials(study.get_trials(deepcopy=False)[:number])
        return copy

    def sampling_again(self, study: optuna.Study, number: int) -> optuna.samplers.BaseSampler:
        """Return what samples that which a kill has left out of a trial: a copy of the study samples it all again."""
        import optuna

        suggested = self.copy(study, number).ask()
        self.search.sample(suggesting(suggested))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.PartialFixedSampler(suggested.params, self.sampler(number))

    def sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """Return what samples the trial of a number, by its own seed."""
        import optuna

        mixed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        if self.of_sampler == "random":
            return optuna.samplers.RandomSampler(seed=mixed)
        return optuna.samplers.TPESampler(  # what may still be given, as Optuna 4 has it by default
            n_startup_trials=10, n_ei_candidates=24, multivariate=False, group=False, constant_liar=False, seed=mixed
        )

    def _made(
        self, sampler: optuna.samplers.BaseSampler, storage: optuna.storages.BaseStorage | None = None
    ) -> optuna.Study:
        import optuna

        return optuna.create_study(
            storage=storage,
            study_name=self.name,
            direction="maximize" if self.search.objective.mode == "max" else "minimize",
            sampler=sampler,
            pruner=pruner(self.of_pruner, self.search.base.max_epochs),
            load_if_exists=True,
        )


def suggesting(source: Any) -> Suggest:
    """Return what samples values by one of a study's trials, new or stored."""

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
