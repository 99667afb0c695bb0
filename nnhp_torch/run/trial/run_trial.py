"""One trial, from its configuration to its result: the only place that builds a Trainer and a logger."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from nnhp_torch.core.ledger.checkpoints import checkpoint_folder
from nnhp_torch.core.ledger.files import disk_full
from nnhp_torch.core.ledger.result import TrialResult, provenance_of
from nnhp_torch.core.spec import read_files
from nnhp_torch.core.spec.objective import Metric, logged_name
from nnhp_torch.core.spec.protocols import Checksums, Scripts
from nnhp_torch.core.spec.provenance import sources
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.callbacks import EpochSeed
from nnhp_torch.run.resume import global_variables
from nnhp_torch.run.resume.generators import seed_all
from nnhp_torch.run.resume.isolation import isolated
from nnhp_torch.run.runtime import OnEpoch, Runtime
from nnhp_torch.run.setup import Setup, setup_of
from nnhp_torch.run.trial.batch_sharing import share
from nnhp_torch.run.trial.epoch_log import last_logged, round_to_float32
from nnhp_torch.run.trial.fit import Unloadable, fit
from nnhp_torch.run.trial.hardware import hardware, prefer_onednn, versions
from nnhp_torch.run.trial.hooks import HookGuard
from nnhp_torch.run.trial.more_epochs import Lengthening, Trainer
from nnhp_torch.run.trial.recorder import Recorder
from nnhp_torch.run.trial.saving import AtomicCheckpointIO, saves_are_heard
from nnhp_torch.run.trial.tensorboard import TrialLogger

Build = Callable[[Any], Any]  # what it may answer: nnhp_torch.run.setup


def run_trial(trial: Trial, build: Build, runtime: Runtime, *, on_epoch: OnEpoch | None = None) -> TrialResult:
    """Trains, validates and tests one configuration; goes on from its last checkpoint if there is one.

    Args:
        build: configuration → (module, data module, callbacks) or a Setup, all of it fresh.
        on_epoch: called after each epoch with its number (from 1) and its metrics; a reason in return ends the trial
            there, as `pruned`.

    Returns:
        The result; an exception in the trial makes it a `failed` one, with the traceback as its reason.

    Raises:
        OSError: the disk is full, which is no fault of this trial's and would befall the next one too.
    """
    try:
        return _attempt(trial, build, runtime, on_epoch=on_epoch)
    except Unloadable as why:
        return _attempt(trial, build, runtime, on_epoch=on_epoch, unloadable=str(why))


@isolated()
def _attempt(
    trial: Trial, build: Build, runtime: Runtime, *, on_epoch: OnEpoch | None, unloadable: str = ""
) -> TrialResult:
    """Return a trial's result; Unloadable if it must be made again, from the start."""
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    folder = checkpoint_folder(runtime.folder, trial.name)
    kept = {"keeps_best": runtime.keeps_best, "each_epoch": runtime.each_epoch}
    recorder = Recorder(folder, trial.identity, runtime.objective, on_epoch=on_epoch, **kept)
    recorder.unloadable = unloadable
    outcome: dict[str, Any] = {}
    torch.set_num_threads(trial.threads)  # they are part of its key: another number sums in another order
    try:
        outcome = _train(trial, build, runtime, recorder=recorder)
    except (KeyboardInterrupt, SystemExit) as end:
        outcome = _stopped(end)
    except Exception as error:
        if disk_full(error) or isinstance(error, Unloadable):
            raise
        reason = traceback.format_exc()
        outcome = {"status": "failed", "reason": reason + _hint(reason)}
    recorder.count_seconds()
    return TrialResult.of(
        trial,
        history=recorder.history,
        seconds=round(recorder.seconds, 3),
        fit_seconds=round(recorder.fit_seconds, 3),
        started=started,
        versions=versions(),
        notes=recorder.notes,
        **{"hardware": hardware("cpu", 1), **outcome},
    )


def _hint(reason: str) -> str:
    """Return a last line for an error that would come again at every run: the checkpoint is of another network."""
    if "loading state_dict" in reason or "loaded state dict" in reason:
        return (
            "its checkpoint is of another network than the module builds now: "
            "--fresh starts anew and keeps the old folder"
        )
    return ""


def _stopped(end: KeyboardInterrupt | SystemExit) -> dict[str, Any]:
    """A signal is no fault of the trial's, what its own code raises is; Lightning makes a SystemExit of all that."""
    ctrl_c = isinstance(end, KeyboardInterrupt) or isinstance(end.__context__, KeyboardInterrupt)
    # Where a command listens to Ctrl-C, or a worker ignores it, it raises nothing.
    heard = ctrl_c and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if isinstance(end, SIGTERMException) or heard:
        return {"status": "interrupted", "reason": "stopped by a signal"}
    own = "raised KeyboardInterrupt" if ctrl_c else f"called sys.exit({getattr(end, 'code', None)!r})"
    return {"status": "failed", "reason": f"{traceback.format_exc()}the trial's own code {own}"}


@saves_are_heard()
def _train(trial: Trial, build: Build, runtime: Runtime, *, recorder: Recorder) -> dict[str, Any]:
    """Return the fields of the trial's result, whatever it has come to."""
    os.environ["NNHP_TRIAL_DIR"] = str(Path(runtime.folder) / trial.name)
    global_variables.forget()
    read_files.begin()
    read_files.named(vars(trial.config))
    lengthening = Lengthening(trial, build, runtime)
    seed_all(trial.config.seed, -1, 0)  # the initial weights, the same on every rank
    global_variables.look()
    setup = setup_of(build(trial.config))
    global_variables.look()  # a project's modules are imported by now
    provenance = _provenance(trial, build, setup, runtime)
    recorder.settings, recorder.sources = dict(setup.trainer), provenance["sources"]
    lengthened = lengthening.go_on(setup, recorder)
    shared = _move_model_checkpoints(setup.callbacks, Path(runtime.folder) / trial.name)
    resume = recorder.resume(trial.config.max_epochs)
    for path in shared:
        recorder.note(f"its ModelCheckpoint saves to {path}, which trials share: without a dirpath each has its own")
    if resume and not lengthened:
        recorder.go_on()
    # The last epoch is written anew, without the points of a test: there was one if a training that is complete was
    # stopped after it, and of the shorter trial that this one goes on from.
    written = 0 if lengthened else max(recorder.epochs - 1, 0)
    logger = TrialLogger(runtime.folder, trial.name, purge_step=written + 1)
    logger.log_history(recorder.history, first=written + 1)
    seeds = EpochSeed(trial.config.seed, recorder.note)
    trainer = _trainer(trial, runtime, setup, recorder, seeds=seeds, logger=logger)
    try:
        fit(trainer, setup, recorder, seeds=seeds, resume=resume)
        fitted = {
            "hardware": hardware(trainer.strategy.root_device.type, trainer.world_size),
            "build": _provenance(trial, build, setup, runtime),  # with what is known of the data by now
        }
        if ended := _ending(recorder, trainer):
            return {**fitted, **ended}
        logger.epoch = recorder.epochs
        scores = _scores(trainer, setup, recorder, runtime)
        repeated = {name: getattr(trial.config, name) for name in runtime.repeated}
        final = {name: values[-1] for name, values in recorder.history.items()}
        logger.log_outcome({**trial.cell, **repeated}, final | scores["restored"] | scores["test"] | scores["trained"])
        return {**fitted, "status": "completed", **scores}
    finally:
        logger.close()


def _trainer(
    trial: Trial, runtime: Runtime, setup: Setup, recorder: Recorder, *, seeds: EpochSeed, logger: TrialLogger
) -> L.Trainer:
    trainer = make_trainer(
        trial,
        runtime,
        max_epochs=trial.config.max_epochs,
        callbacks=[seeds, *setup.callbacks, recorder.watch, recorder],
        logger=[*setup.loggers, logger],  # `self.logger` is the project's own
        default_root_dir=str(Path(runtime.folder) / trial.name),
        plugins=[AtomicCheckpointIO(lambda: trainer)],
        profiler=HookGuard(lambda: trainer, Path(runtime.folder)),
        **{"use_distributed_sampler": False, **setup.trainer},  # it doubles examples to fill up; share() does not
    )
    trainer.precision_plugin.convert_module(setup.module)  # Lightning would load a checkpoint's float64 into float32
    if isinstance(trainer.accelerator, CPUAccelerator):
        prefer_onednn()
    if runtime.world_size > 1 and "use_distributed_sampler" not in setup.trainer:
        share(trainer, setup.module, recorder.note)
    return trainer


def _scores(trainer: L.Trainer, setup: Setup, recorder: Recorder, runtime: Runtime) -> dict[str, dict[str, float]]:
    """Return what the final weights score that the history does not hold: three fields of the result."""
    restored = _validate(trainer, setup, recorder) if recorder.outdated else {}
    test_data = setup.test_data() if runtime.test else None
    with setup.test_data_or_none():
        test = {} if test_data is None else _merged(trainer.test(setup.module, **test_data, verbose=False))
    trained = _score_training(trainer, setup) if setup.score_training else {}  # last: it may draw random numbers
    for name, epoch in last_logged(recorder.history, recorder.unlogged).items():
        restored.setdefault(name, recorder.history[name][epoch - 1])
        if name == logged_name(runtime.objective.metric, recorder.history):
            recorder.note(f"{name} was last logged in epoch {epoch} of {recorder.epochs}: that value counts")
    return {"test": test, "trained": trained, "restored": restored}


def _ending(recorder: Recorder, trainer: L.Trainer) -> dict[str, Any]:
    """Return how the fit has ended if it did not end well; empty if there is a test to come.

    Raises:
        ValueError: nothing was logged under the monitor's name.
    """
    if not (recorder.complete or trainer.should_stop):
        epochs = f"{recorder.epochs} of {trainer.max_epochs} epochs"
        return {"status": "failed", "reason": f"its training ended after {epochs}, and nobody had asked it to stop"}
    recorder.need_monitor()
    if recorder.diverged:
        return {"status": "diverged", "reason": recorder.diverged}
    if recorder.pruned:
        return {"status": "pruned", "reason": recorder.pruned}
    return {}


def _validate(trainer: L.Trainer, setup: Setup, recorder: Recorder) -> dict[str, float]:
    """Score the final weights; if they are the last epoch's, which was not validated at its end, its curve has them."""
    scores = _merged(trainer.validate(setup.module, **setup.val_data(), verbose=False))
    known = {name: value for name, value in scores.items() if name in recorder.history}
    if recorder.restored:
        return known
    for name, value in known.items():
        recorder.history[name][-1] = value
    return {}


def _score_training(trainer: L.Trainer, setup: Setup) -> dict[str, float]:
    """Return the final weights' scores of the training data, taken as those of the validation data are."""
    loggers, trainer.loggers = trainer.loggers, []  # to them it would be one more validation
    try:
        scores = _merged(trainer.validate(setup.module, dataloaders=setup.train_loader(), verbose=False))
    finally:
        trainer.loggers = loggers
    return {Metric(name).over("trained"): value for name, value in scores.items()}


def _provenance(trial: Trial, build: Build, setup: Setup, runtime: Runtime) -> dict[str, Any]:
    """Return who made the result, with the Trainer's settings and the data's checksums."""
    trainer = {"trainer": dict(setup.trainer)} if setup.trainer else {}
    found: Mapping[str, str] = setup.datamodule.checksums if isinstance(setup.datamodule, Checksums) else {}
    data = {"data": dict(found)} if found else {}
    scripts = trial.config.script_modules if isinstance(trial.config, Scripts) else ()
    made = sources(build, setup.parts(), trial.identity["config"], scripts)
    return {**provenance_of(trial), "sources": made | read_files.read(runtime.folder), **trainer, **data}


def _move_model_checkpoints(callbacks: Iterable[L.Callback], folder: Path) -> list[str]:
    """Have a ModelCheckpoint of build's own save in the trial's folder; return the folders elsewhere that they name.

    It saves beside the sweeper's checkpoints, or its last.ckpt would be theirs.
    """
    own = [callback for callback in callbacks if isinstance(callback, ModelCheckpoint)]
    for callback in own:
        callback.dirpath = callback.dirpath or str(folder / "model_checkpoints")
    return [str(callback.dirpath) for callback in own if not Path(str(callback.dirpath)).is_relative_to(folder)]


def make_trainer(trial: Trial, runtime: Runtime, **settings: Any) -> L.Trainer:
    """Return a Trainer without the chatter; whatever Lightning raises if the machine cannot do what is asked."""
    plugins = [LightningEnvironment(), *settings.pop("plugins", ())]  # not what a cluster's variables would have it be
    trainer = Trainer(
        plugins=plugins,
        accelerator=runtime.accelerator,
        devices=list(runtime.devices) if isinstance(runtime.devices, tuple) else runtime.devices,
        strategy=runtime.strategy,
        precision=trial.precision,  # type: ignore[arg-type]
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )
    if trainer.precision != trial.precision:
        raise ValueError(f"precision {trial.precision} needs a GPU: Lightning would take {trainer.precision} for it")
    return trainer


def _merged(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the metrics of all loaders; if there are several, Lightning has their numbers in the names."""
    return {name: round_to_float32(value) for of_loader in scores for name, value in of_loader.items()}
