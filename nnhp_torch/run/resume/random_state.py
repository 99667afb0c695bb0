"""The random state at an epoch's end, which its checkpoint has, and which is put back when a fit goes on from there.

Trainers are typed as Any, because Lightning declares few of their attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning.fabric.utilities.data import _set_sampler_epoch
from lightning.pytorch.utilities.model_helpers import is_overridden
from torchmetrics import Metric

from nnhp_torch.run.resume import global_variables
from nnhp_torch.run.resume.data_position import Positions, owners_of, sums
from nnhp_torch.run.resume.generators import random_state, set_random_state
from nnhp_torch.run.resume.loaders import leaves, put_back, states, unseen
from nnhp_torch.run.resume.plain_values import is_plain, pack, unpack


def state_at_end(trainer: Any, positions: Positions) -> dict[str, Any]:
    """Return what the epochs after this one depend on, of every process, in plain values."""
    found, doubts = states(_loaders(trainer), _others(trainer), trainer.optimizers)
    owners = around(trainer)
    mine = {
        "generators": pack(random_state(trainer.strategy.root_device)),
        "states": found,
        "places": positions.state(owners, global_variables.digests()),
        "metrics": _metrics(trainer, owners),
        "sums": sums(trainer.lightning_module),
        "gradients": _gradients(trainer.lightning_module),
        "groups": _groups(trainer),
        "doubts": doubts,
        "should_stop": trainer.should_stop,
        "loaded": [getattr(loop, name) for loop, name in _loading(trainer)],
    }
    ranks: list[Any] = [mine] * trainer.world_size
    if trainer.world_size > 1:
        torch.distributed.all_gather_object(ranks, mine)
    return {"epoch": trainer.current_epoch + 1, "ranks": ranks}


def go_on(trainer: Any, state: dict[str, Any], positions: Positions) -> list[str]:
    """Put the random state back at the start of a resumed epoch, then load data as an uninterrupted fit would.

    Returns:
        The reasons for which the digits may still differ.
    """
    if state.get("epoch") != trainer.current_epoch:
        return ["its checkpoint keeps no random state of the epoch's end"]
    ranks = state["ranks"]
    mine = ranks[trainer.global_rank % len(ranks)]
    # Loaders must be there before what is in them can be put back, and only those that the interrupted fit had: one
    # that is made too early draws too early.
    _load_validation_data(trainer, mine["loaded"][1] >= 0)
    doubts = [*mine["doubts"], *unseen(trainer.train_dataloader), *unseen(trainer.val_dataloaders)]
    if len(ranks) != trainer.world_size:
        doubts.append(f"it ran on {len(ranks)} processes before, on {trainer.world_size} after")
    # First generators and whatever has a state_dict, then plain attributes: a load_state_dict may reset those.
    doubts += put_back(mine["states"], _loaders(trainer), _others(trainer), trainer.optimizers)
    renewed = []
    for (loop, name), epoch, loader in zip(_loading(trainer), mine["loaded"], _loaders(trainer), strict=True):
        # Lightning would count from the epoch that it goes on in. A loader that is due now has no place to be put back
        # to; one that was made anew since the first epoch is not the one that build has made here.
        setattr(loop, name, epoch)
        since, every = trainer.current_epoch - epoch, trainer.reload_dataloaders_every_n_epochs
        if every and since >= every:
            renewed.append(loader)
        elif epoch > 0 and every:
            doubts.append("its loader was made anew some epochs before (reload_dataloaders_every_n_epochs)")
    doubts += positions.put_back(mine["places"], trainer, _loaders(trainer), global_variables.digests, tuple(renewed))
    doubts += _put_metrics_back(trainer, mine.get("metrics", {}))
    doubts += _put_steps_back(trainer, mine.get("groups", {}), mine.get("gradients", {}))
    # After all that could have mended them: weights that are still others come from no checkpoint.
    doubts = [*_changed(mine.get("sums"), sums(trainer.lightning_module)), *doubts]
    trainer.should_stop |= mine.get("should_stop", False)
    # The generators last, since all of the above may have drawn; from here on it is what an epoch's beginning does:
    # make a loader if one is due, tell its sampler the epoch, make the iterator, which draws the order.
    set_random_state(unpack(mine["generators"]), trainer.strategy.root_device)
    if "gradients" in mine:  # not in those that were made before metrics were kept
        _step_by_metrics(trainer)
    trainer.fit_loop.setup_data()
    for loader in leaves(trainer.train_dataloader):
        _set_sampler_epoch(loader, trainer.current_epoch)
    trainer.fit_loop._resuming_from_checkpoint = False  # it makes the iterator anew, after all hooks
    return doubts


def _load_validation_data(trainer: Any, loaded: bool) -> None:
    """Have validation loaders where the interrupted fit had them by now, and none where it would make them later."""
    val_loop = trainer.fit_loop.epoch_loop.val_loop
    if not loaded:
        val_loop._combined_loader = None
    elif trainer.val_dataloaders is None:
        trainer.validating = True
        val_loop.setup_data()
        trainer.training = True


def go_on_to_test(trainer: Any, state: dict[str, Any], positions: Positions) -> list[str]:
    """Put the state back that a training has left at its end, before its test.

    Returns:
        The reasons for which the test's digits may differ.
    """
    if not state:
        return []
    mine = state["ranks"][trainer.global_rank % len(state["ranks"])]
    put_back(mine["states"], {}, _others(trainer), trainer.optimizers)
    doubts = positions.put_back(mine["places"], trainer, {}, global_variables.digests)
    doubts += _put_metrics_back(trainer, mine.get("metrics", {}))
    set_random_state(unpack(mine["generators"]), trainer.strategy.root_device)
    return [*_changed(mine.get("sums"), sums(trainer.lightning_module)), *doubts]


def _changed(then: dict[str, int] | None, now: dict[str, int]) -> list[str]:
    """Say that weights or buffers are not what they were, though all that the checkpoint has was put back."""
    names = [name for name in {**(then or now), **now} if (then or now).get(name) != now.get(name)]
    more = f" and {len(names) - 1} more" * (len(names) > 1)
    return [f"module.{names[0]}{more} is not what it was when the checkpoint was made"] if names else []


def _gradients(module: Any) -> dict[str, Any]:
    """Return what is added up for a step in an epoch to come: no loop but a module's own leaves anything there."""
    if module.automatic_optimization and not is_overridden("optimizer_zero_grad", module):
        return {}
    return {name: pack(weight.grad) for name, weight in module.named_parameters() if weight.grad is not None}


def _groups(trainer: Any) -> dict[str, Any]:
    """Return what each optimizer goes by, in the order of the weights, which its state knows by their number alone."""
    names = {id(weight): name for name, weight in trainer.lightning_module.named_parameters()}
    groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
    return {
        "weights": [[names.get(id(weight), "") for weight in group["params"]] for group in groups],
        "settings": [{k: v for k, v in group.items() if k != "params" and is_plain(v)} for group in groups],
    }


def _put_steps_back(trainer: Any, kept: Mapping[str, Any], gradients: Mapping[str, Any]) -> list[str]:
    """Have the optimizers go on as they were after on_train_start, in which a module may set a rate, too.

    Returns:
        Why their state is not what it was, in words.
    """
    device = trainer.strategy.root_device
    for name, weight in trainer.lightning_module.named_parameters():
        if name in gradients:
            weight.grad = unpack(gradients[name]).to(device)
    if not kept:
        return []
    if _groups(trainer)["weights"] != kept["weights"]:
        return ["the weights stand in another order, by which its optimizer knows them"]
    groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
    for group, settings in zip(groups, kept["settings"], strict=True):
        group.update((k, v) for k, v in settings.items() if not isinstance(group.get(k), torch.Tensor))
    return []


def _step_by_metrics(trainer: Any) -> None:
    """Have schedulers step that go by what was logged: in each epoch they do so after its checkpoint."""
    loop = trainer.fit_loop
    if loop.epoch_loop._num_ready_batches_reached():
        loop.epoch_progress.current.completed -= 1  # they count by the epoch that has ended
        loop.epoch_loop.update_lr_schedulers("epoch", update_plateau_schedulers=True)
        loop.epoch_progress.current.completed += 1


def _metrics(trainer: Any, owners: Mapping[str, Any]) -> dict[str, Any]:
    """Return the states of the metrics that live on from epoch to epoch, such as the best accuracy so far.

    They may be the module's, a callback's, or stand in a list. Those that are logged as they are Lightning resets with
    each epoch; no metric's state is in a module's state_dict.
    """
    results = (trainer.fit_loop.epoch_loop._results, trainer.fit_loop.epoch_loop.val_loop._results)
    logged = {id(result.value) for collected in results for result in collected.values() if not result.is_tensor}
    return {
        path: pack({"count": metric._update_count, "state": {key: getattr(metric, key) for key in metric._defaults}})
        for path, metric in owners.items()
        if isinstance(metric, Metric) and metric.update_called and id(metric) not in logged
    }


def _put_metrics_back(trainer: Any, found: dict[str, Any]) -> list[str]:
    """Put metrics back after on_train_start, when modules reset what they have counted so far.

    Returns:
        Those that are not there, in words.
    """
    owners = around(trainer) if found else {}
    missing, device = [], trainer.strategy.root_device
    for path, packed in found.items():
        metric: Any = owners.get(path, owners.get(f"module.{path}"))  # earlier checkpoints name the module's alone
        if not isinstance(metric, Metric):
            missing.append(f"{path} was made in training, and is not there")
            continue
        content = unpack(packed)
        metric._update_count, metric._computed = content["count"], None
        for key, state in content["state"].items():
            setattr(metric, key, [part.to(device) for part in state] if isinstance(state, list) else state.to(device))
    return missing


def _loading(trainer: Any) -> list[tuple[Any, str]]:
    """Return where Lightning notes when loaders were made, for reload_dataloaders_every_n_epochs."""
    fit_loop = trainer.fit_loop
    return [
        (fit_loop, "_last_train_dl_reload_epoch"),
        (fit_loop.epoch_loop.val_loop, "_last_val_dl_reload_epoch"),
    ]


def around(trainer: Any, *, of_parts: bool = True) -> dict[str, Any]:
    """Return everything in which a trial may keep positions in its data, by its path."""
    return owners_of(trainer, _loaders(trainer), of_parts=of_parts)


def _loaders(trainer: Any) -> dict[str, Any]:
    return {"train_dataloader": trainer.train_dataloader, "val_dataloader": trainer.val_dataloaders}


def _others(trainer: Any) -> dict[str, Any]:
    named = {f"callbacks.{index}": callback for index, callback in enumerate(trainer.callbacks)}
    return {"datamodule": trainer.datamodule, "module": trainer.lightning_module, **named}
