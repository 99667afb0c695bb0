"""Optuna under the sweeper: a study on the disk that chooses trials, and prunes them at their epochs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnhp_torch.core.interfaces import Chooser
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import JOURNAL
from nnhp_torch.core.spec.base import change
from nnhp_torch.core.spec.names import distinct
from nnhp_torch.core.spec.objective import logged_name
from nnhp_torch.search import journal
from nnhp_torch.search.request import Pruner, Sampler
from nnhp_torch.search.space import Search
from nnhp_torch.search.study import Studies, importances, suggesting

if TYPE_CHECKING:
    import optuna

# Optuna is imported when a study is opened, not before: `--help` answers at once, and without it.

DECISION = "nnhp_torch:pruned"  # where a trial of the study says that it was pruned: the epoch, the reason


class OptunaChooser(Chooser):
    """Chooses the trials of a search by an Optuna study in the sweep's folder, and prunes them.

    What is chosen is a function of the seed, the trial's number and the results so far: a search that was killed
    and goes on samples what it would have sampled, and answers an epoch that it hears again as it did then.

    Args:
        search: the ranges and the base.
        folder: the sweep's folder.
        trials: how many to choose in all, those of earlier runs included.
        sampler, pruner: as in a SearchRequest.
        seed: of the choices.
        settings: what else the results depend on: under others it is another study.
        budget: epochs to spend in all at most; a trial starts only if it could train to its end. Default: no end.
    """

    def __init__(
        self,
        search: Search,
        folder: Path,
        trials: int,
        *,
        sampler: Sampler = "tpe",
        pruner: Pruner = "hyperband",
        seed: int = 123,
        settings: Sequence[str | int] = ("32-true", 1),
        budget: int | None = None,
    ) -> None:
        if find_spec("optuna") is None:
            raise ValueError("a search needs Optuna, which is not installed: pip install '.[search]'")
        self.versions = {"optuna": metadata.version("optuna")}  # on which depends what is sampled
        self.search = search
        self.path = folder / JOURNAL
        self.trials = trials
        self.pruner = pruner
        self.budget = budget
        name = f"{sampler}-{pruner}-{search.identity(*settings, seed)}"
        self.studies = Studies(search, name, sampler=sampler, pruner=pruner, seed=seed)
        self.study: optuna.Study | None = None
        self.refused: list[str] = []  # why the configuration has refused what was sampled
        self._sampled = False  # whether this run has sampled a trial
        self._makers: set[str] = set()  # the versions of Optuna that earlier runs have sampled with
        # key → the study's trials that wait for its result; a stored one has it, and the ledger has lost it
        self._open: dict[str, list[optuna.trial.Trial | optuna.trial.FrozenTrial]] = {}
        # key → the last epoch that a copy of its trial has heard of, and that copy
        self._again: dict[str, tuple[int, optuna.trial.Trial]] = {}
        self._spent: dict[str, int] = {}  # key → epochs, all that they may become while it runs

    def __iter__(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield the cells that the study has, then sample further ones; take up again what a kill has left running."""
        with journal.believed(self.path):
            self.study = self.studies.open(self.path)
            cells = list(filter(None, map(self._known, self.study.get_trials(deepcopy=False))))
        yield cells
        while self.remaining():
            number = len(self.study.get_trials(deepcopy=False))
            self.study.sampler = self.studies.sampler(number)
            self._sampled = True
            with journal.believed(self.path):
                cell = self._cell(self.study.ask())
            if cell:
                yield [cell]

    def _known(self, stored: optuna.trial.FrozenTrial) -> dict[str, Any] | None:
        """Return the cell of a trial that the study has."""
        import optuna

        if stored.state.is_finished():
            return self._cell(stored)
        assert self.study is not None
        # No public name leads from a stored trial to one that goes on. The first test to break is
        # test_a_search_that_was_stopped_goes_on_as_if_it_never_was.
        suggested = optuna.trial.Trial(self.study, stored._trial_id)
        self.study.sampler = self.studies.sampling_again(self.study, stored.number)
        return self._cell(suggested)

    def remaining(self) -> int:
        """Return how many trials may still be chosen."""
        if self.study is None:
            return self.trials
        if self.budget is not None and sum(self._spent.values()) + self.search.base.max_epochs > self.budget:
            return 0
        return max(0, self.trials - len(self.study.get_trials(deepcopy=False)))

    def epoch_ended(self, values: Mapping[str, Any], epoch: int, metrics: Mapping[str, float]) -> str | None:
        """Report the epoch to the study, which may find that the trial should end here."""
        value = metrics.get(logged_name(self.search.monitor, metrics), math.nan)
        if not math.isfinite(value):
            return None
        for suggested in self._open.get(distinct(values), [])[:1]:
            return self._decision(values, suggested, epoch=epoch, value=value)
        return None

    def _decision(self, values: Mapping[str, Any], suggested: Any, *, epoch: int, value: float) -> str | None:
        """Return the reason to end a trial at an epoch, if the pruner has one; the same one whenever it is asked again.

        A pruner decides otherwise when it is asked twice, because it notes in the study what it has seen. What it says
        is noted beside that; if a kill came before, a copy of the study, as it was then, hears the epochs anew.
        """
        stored = self._stored(suggested.number)
        if noted := stored.user_attrs.get(DECISION):
            return str(noted[1]) if epoch >= noted[0] else None
        known = epoch in stored.intermediate_values
        source = self._hearing_again(distinct(values), suggested.number, epoch) if known else suggested
        source.report(value, epoch)
        if epoch >= self._epochs(values):
            return None
        poor = source.should_prune()
        if known and epoch == stored.last_step and not stored.state.is_finished():
            suggested.should_prune()  # a kill may have come before the pruner's own notes, too
        if not poor:
            return None
        reason = f"{self.pruner} saw no promise in {self.search.monitor}={value:.4f} after epoch {epoch}"
        if not stored.state.is_finished():
            suggested.set_user_attr(DECISION, (epoch, reason))
        return reason

    def _hearing_again(self, key: str, number: int, epoch: int) -> optuna.trial.Trial:
        """The copy of a study's trial that has heard of the epochs until this one, and of no other trial since."""
        assert self.study is not None
        heard, copy = self._again.get(key, (epoch, None))
        if copy is None or heard >= epoch:
            copy = self.studies.copy(self.study, number).ask()
        self._again[key] = epoch, copy
        return copy

    def _stored(self, number: int) -> optuna.trial.FrozenTrial:
        assert self.study is not None
        return self.study.get_trials(deepcopy=False)[number]

    def settle(self, values: Mapping[str, Any], result: TrialResult) -> None:
        """Tell the study how a trial ended; one that failed or was interrupted stays open there, and runs again.

        A trial that diverged counts as pruned, so that the sampler learns to stay away.
        """
        import optuna

        if not result.settled or self.study is None:
            return
        self._makers |= {result.versions.get("optuna", "")} - {""}
        self._spent[distinct(values)] = result.epochs
        for suggested in self._open.pop(distinct(values), ()):
            if not isinstance(suggested, optuna.trial.Trial):
                continue
            stored = self._stored(suggested.number)
            for epoch, value in enumerate(result.curve(self.search.monitor), 1):  # if the study has lost any
                known = epoch in stored.intermediate_values
                if not math.isfinite(value) or (known and epoch != stored.last_step):
                    continue
                if not known:
                    suggested.report(value, epoch)
                if epoch < self._epochs(values):
                    suggested.should_prune()  # the pruner's notes, by which it judges later trials
            if result.status == "completed":
                self.study.tell(suggested, result.final(self.search.monitor))
            else:
                self.study.tell(suggested, state=optuna.trial.TrialState.PRUNED)

    def remarks(self) -> list[str]:
        """Say what another Optuna has sampled, and what the configuration has refused."""
        remarks = []
        now = self.versions["optuna"]
        if self._sampled and (others := ", ".join(sorted(self._makers - {now}))):
            remarks.append(f"Sampled by Optuna {others} before and by {now} now, which may sample other trials.")
        if self.refused:
            name = type(self.search.base).__name__
            remarks.append(f"{name} refused {len(self.refused)} of what was sampled, such as: {self.refused[0]}")
        return remarks

    def importances(self) -> dict[str, float]:
        """Setting → its share in what decides a trial's value, the largest first; empty with too few."""
        return importances(self.study)

    def _cell(self, source: Any) -> dict[str, Any] | None:
        """Return the cell of one of the study's trials; None if the configuration refuses it."""
        import optuna

        cell = self.search.sample(suggesting(source))
        try:
            change(self.search.base, cell)
        except ValueError as error:
            self.refused.append(str(error))
            if self.study is not None and isinstance(source, optuna.trial.Trial):
                self.study.tell(source, state=optuna.trial.TrialState.PRUNED)
            return None
        self._spent.setdefault(distinct(cell), self._epochs(cell))
        self._open.setdefault(distinct(cell), []).append(source)
        return cell

    def _epochs(self, values: Mapping[str, Any]) -> int:
        """Return how many epochs a cell is trained at most."""
        return int(values.get("max_epochs", self.search.base.max_epochs))
