# SPDX-License-Identifier: Apache-2.0
"""Lightning: ``Trainer(callbacks=[libckpt.lightning.Checkpoint()], enable_checkpointing=False)``, started by ckptrun; or, for
what Lightning itself saves and loads, ``Trainer(plugins=[libckpt.lightning.CheckpointIO()])``.

Works with ``lightning.pytorch`` and with ``pytorch_lightning``: with the one that the program has imported."""
from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from . import _lone
from ._abi import Error
from ._fit import Fit, Loader, stop_on_signals
from ._run import Run
from ._versions import need

__all__ = ["Checkpoint", "CheckpointIO"]

NAMES = ("lightning.pytorch", "pytorch_lightning")


def _framework():
    return importlib.import_module(next((name for name in NAMES if name in sys.modules), NAMES[0]))


class Checkpoint(_framework().Callback):  # type: ignore[misc]
    """Saves and restores a whole fit(): module, optimizers, schedulers, precision, callbacks, loops, and the exact place in the data.

    When time is up it raises libckpt.Stopped after the state is durable, as Lightning itself ends on SIGTERM: callbacks see
    on_exception, loggers are finalized, and the script ends with exit code 85. When fit() ends by itself and then the script
    does, the run is complete. ``run`` is the Run, from on_fit_start on: ``run.best(...)``, ``run.report(...)``, ``run.vars``.

    Args: those of Run; objects given by name are saved beside Lightning's.
    """

    def __init__(self, **arguments: Any):
        need(_framework(), 2, 5)
        self._arguments = arguments
        self._fit = Fit()
        self.run: Run = None  # type: ignore[assignment]      # until it begins

    def setup(self, trainer, pl_module, stage):
        if stage == "fit":       # a module that asks for estimated_stepping_batches has the loader made before on_fit_start
            self._guide_loaders(trainer)
            trainer.callbacks = [*(other for other in trainer.callbacks if other is not self), self]     # restores after the others' on_fit_start

    def on_fit_start(self, trainer, pl_module):
        if self.run is not None:
            raise Error("one Checkpoint is one run, and this one has had its fit(): give each fit() a Checkpoint and a directory "
                        "of its own, Checkpoint(directory=...)")
        self._own, self._metrics = TrainerState(trainer), LoggedMetrics(trainer)
        self.run = Run(**objects_of(trainer, pl_module, self), trainer=self._own, metrics=self._metrics, **self._arguments)
        if self.run.directory and any(isinstance(callback, _framework().callbacks.ModelPruning) for callback in trainer.callbacks):
            self.run.close()
            raise Error("ModelPruning puts other tensors in place of the module's while it trains, and a block that goes on would not have "
                        "them: prune in the module's __init__, with torch.nn.utils.prune, or train without libckpt.lightning.Checkpoint")
        self._fit.begin(self.run, trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else None)
        trainer.should_stop |= self._own.stopped

    def _guide_loaders(self, trainer):
        strategy, process = trainer.strategy, trainer.strategy.process_dataloader

        def guided(loader):
            loader = process(loader)
            return self._guide(trainer, loader) if trainer.training else loader
        strategy.process_dataloader = guided

    def _end_after_all(self, trainer):
        """Callbacks and the module may change it in their on_train_end; after the strategy's all is taken from its device."""
        end = trainer.strategy.on_train_end

        def on_train_end():
            end()
            self._end(trainer)
        trainer.strategy.on_train_end = on_train_end

    def _guide(self, trainer, loader):
        try:
            len(loader)
        except (TypeError, NotImplementedError):
            return Loader(self._fit, loader, resume="epoch")      # Lightning asks for a batch before it uses the one before
        return Loader(self._fit, loader, lambda: self._own.accumulate_grad_batches())

    def on_train_start(self, trainer, pl_module):
        if isinstance(trainer.train_dataloader, (list, tuple, dict)):
            raise Error("libckpt.lightning knows the place in one training loader, and there are several: let one loader give the "
                        "batches of all")
        stop_on_signals(self.run)
        self._end_after_all(trainer)
        self._metrics.put_back()
        if self.run.resumed:
            go_on_averaging(trainer, pl_module)
            go_on_with_the_next_batch(trainer.fit_loop.epoch_loop)
        trainer.fit_loop._restarting = False      # else an epoch that goes on ends without its metrics: no ReduceLROnPlateau

    def on_validation_batch_end(self, trainer, *_):
        if self.run is not None and not trainer.sanity_checking:
            self.run._leave_if_stop_is_due()

    def on_fit_end(self, trainer, pl_module):
        self._metrics.put_back()
        self._end(trainer)         # also where nothing was left to train

    def _end(self, trainer):
        self._own.stopped = trainer.should_stop
        self._fit.end()


class CheckpointIO(_framework().plugins.CheckpointIO):  # type: ignore[misc]
    """Lightning's own checkpoints, of ModelCheckpoint say, as snapshots: each file is there whole and durable or not at all, what
    was there before stands until then, and every byte is verified when ``fit(ckpt_path=...)`` reads it. Nothing is pickled: what
    is neither array nor plain value is refused with its name. ``libckpt.open()`` and ``ckpt verify`` read these files.

    When and where is Lightning's business, and so is what a resume is worth: its checkpoints hold no random numbers and no place
    in an epoch. ``Checkpoint`` is exact at every batch.

    Raises:
        libckpt.Error: a file cannot be written, or is damaged.
        TypeError: something in the checkpoint cannot be saved, or it is no path of a file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike, storage_options: Any = None) -> None:
        if storage_options is not None or "://" in os.fspath(path):
            raise TypeError(f"libckpt.lightning.CheckpointIO writes to a file system, without storage_options, and not to {path}")
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        _lone.write(os.fspath(path), checkpoint.get("global_step", 0), checkpoint)

    def load_checkpoint(self, path: str | os.PathLike, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """Tensors are on the devices they were on, where there are such; Lightning puts them where it wants."""
        return _lone.read(os.fspath(path))

    def remove_checkpoint(self, path: str | os.PathLike) -> None:
        if os.path.exists(path):
            os.remove(path)


def objects_of(trainer, pl_module, own) -> dict:
    """What changes in a fit(), by name."""
    schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
    found = {"module": pl_module, "precision": trainer.precision_plugin, "callbacks": CallbackStates(trainer, own),
             "loops": trainer.fit_loop, "additions": Additions(trainer, pl_module)}
    found |= {name: item for kind, items in (("optimizer", trainer.optimizers), ("scheduler", schedulers))
              for name, item in numbered(kind, items)}
    return found | ({"datamodule": trainer.datamodule} if trainer.datamodule is not None else {})


def numbered(kind, items):
    return [(kind if len(items) == 1 else f"{kind}{i}", item) for i, item in enumerate(items)]


def go_on_averaging(trainer, pl_module):
    """StochasticWeightAveraging makes its schedule, and what else it does not save, where an epoch begins: it is not called for one
    that goes on. In the last, for the statistics of normalization, it makes no schedule: there is that of the one before. A schedule
    begins with rates of its own, and those of the snapshot count."""
    for callback in trainer.callbacks:
        if isinstance(callback, _framework().callbacks.StochasticWeightAveraging):
            groups = trainer.optimizers[0].param_groups
            rates = [{name: value for name, value in group.items() if name != "params"} for group in groups]
            progress = trainer.fit_loop.epoch_progress.current
            progress.completed -= 1
            callback.on_train_epoch_start(trainer, pl_module)
            progress.completed += 1
            callback.on_train_epoch_start(trainer, pl_module)
            for group, restored in zip(groups, rates):
                group.update(restored)


def go_on_with_the_next_batch(loop):
    """A snapshot has all that belongs to its last batch. Lightning expects a checkpoint from within a validation, and would do the end of
    that batch once more: a step of ReduceLROnPlateau, and one in the count that loggers are given."""
    begin, stepped = loop.on_run_start, loop._batches_that_stepped

    def on_run_start(data_fetcher):
        begin(data_fetcher)
        loop.on_run_start = begin
        loop.restarting, loop._batches_that_stepped = False, stepped
    loop.on_run_start = on_run_start


class TrainerState:
    """What a schedule or a callback has made of the trainer itself. A snapshot is of an epoch that has begun: Lightning does not ask
    a schedule of groups again where that goes on, and lets none begin with another number than 1."""

    def __init__(self, trainer):
        self._trainer, self._restored = trainer, None
        self.stopped = False         # fit() has ended

    def accumulate_grad_batches(self) -> int:
        if self._restored is not None:
            self._trainer.accumulate_grad_batches, self._restored = self._restored, None
        return self._trainer.accumulate_grad_batches

    def state_dict(self):
        return {"stopped": self.stopped, "accumulate_grad_batches": self._restored or self._trainer.accumulate_grad_batches}

    def load_state_dict(self, state):
        self.stopped, self._restored = state["stopped"], state["accumulate_grad_batches"]


class CallbackStates:
    """The states of the other callbacks, by Lightning's own key."""

    def __init__(self, trainer, own):
        self._trainer, self._own = trainer, own

    def _others(self):
        return {callback.state_key: callback for callback in self._trainer.callbacks if callback is not self._own}

    def state_dict(self):
        return {key: callback.state_dict() for key, callback in self._others().items()}

    def load_state_dict(self, states):
        for key, callback in self._others().items():
            if states.get(key):
                callback.load_state_dict(states[key])


class Additions:
    """What callbacks and the module put into a checkpoint of Lightning's beside their state: averaged weights, for instance."""

    def __init__(self, trainer, pl_module):
        self._trainer, self._module = trainer, pl_module

    def _checkpoint(self):
        """What Lightning has put there before it asks them: they may look at it, or put something else in its place."""
        trainer = self._trainer
        return {"epoch": trainer.current_epoch, "global_step": trainer.global_step,
                "pytorch-lightning_version": _framework().__version__, "state_dict": self._module.state_dict(),
                "loops": {"fit_loop": trainer.fit_loop.state_dict()},
                "callbacks": {callback.state_key: callback.state_dict() for callback in trainer.callbacks},
                "optimizer_states": [optimizer.state_dict() for optimizer in trainer.optimizers],
                "lr_schedulers": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs]}

    def state_dict(self):
        plain = self._checkpoint()
        checkpoint = dict(plain)
        for callback in self._trainer.callbacks:
            callback.on_save_checkpoint(self._trainer, self._module, checkpoint)
        self._module.on_save_checkpoint(checkpoint)
        return {key: value for key, value in checkpoint.items() if key not in plain or value is not plain[key]}

    def load_state_dict(self, additions):
        if not additions:
            return
        checkpoint = self._checkpoint() | additions
        self._module.on_load_checkpoint(checkpoint)
        for callback in self._trainer.callbacks:
            callback.on_load_checkpoint(self._trainer, self._module, checkpoint)


class LoggedMetrics:
    """What was logged last: callbacks and schedulers ask for what an earlier epoch logged too, and scripts do after fit()."""
    KINDS = ("callback_metrics", "logged_metrics", "progress_bar_metrics")

    def __init__(self, trainer):
        self._trainer = trainer
        self._restored: dict[str, dict] = {}

    def state_dict(self):
        return {kind: dict(getattr(self._trainer, kind)) for kind in self.KINDS}

    def load_state_dict(self, metrics):
        self._restored = metrics

    def put_back(self):
        """Once Lightning has tried the validation, after which it forgets all metrics."""
        for kind, metrics in self._restored.items():
            getattr(self._trainer, kind).update(metrics)
        self._restored = {}
