"""Which metrics a project logs: asked of the first epochs of its first trial if nobody says what ranks the cells."""

from __future__ import annotations

from collections.abc import Iterable

from nnhp_torch.cli.check import OneTrial
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.objective import Objective, direction
from nnhp_torch.core.spec.provenance import maker
from nnhp_torch.run.launch.local import InProcess
from nnhp_torch.run.launch.request import Request


def metrics_of(sweep: Sweep, request: Request) -> set[str]:
    """The metrics that the ledger has, or else those of the first trial, trained until it has been validated.

    Its checkpoint stays: once it is known what ranks the cells, the trial goes on from there.

    Raises:
        ValueError: the trial fails.
        LedgerError: another process has the folder.
    """
    store = ResultStore(request.folder(sweep))
    if known := {name for result in store.results(maker(sweep.build, sweep.base)).values() for name in result.history}:
        return known
    store.folder.mkdir(parents=True, exist_ok=True)
    first = sweep.trials(request.each_seed(sweep)[:1], request.full_precision, request.threads)[0]
    listener = OneTrial(end=getattr(sweep.base, "trainer.check_val_every_n_epoch") or 1)
    with store.lock():
        listener.listen(InProcess(sweep.build, request.runtime(sweep)), first)
    if listener.result is not None and listener.result.status == "failed":
        raise ValueError(f"the first trial failed: {listener.result.error}")
    return listener.metrics


def question(metrics: Iterable[str]) -> str:
    """Asks for --monitor, with the metrics there are and which direction each name tells."""
    if not (names := sorted(metrics, key=lambda name: (Objective(name, "max").split != "val", name))):
        return "the model logs no metric: without one, such as self.log('val_loss', loss), no cell can be ranked"
    told = {"max": "more is better", "min": "less is better", None: "give --mode max or min beside it"}
    return f"what ranks the cells? Give --monitor: {'; '.join(f'{name} ({told[direction(name)]})' for name in names)}"
