# SPDX-License-Identifier: Apache-2.0
"""Hugging Face's Trainer: ``trainer.add_callback(libckpt.transformers.Checkpoint(trainer))`` before ``trainer.train()``, started by
ckptrun."""
from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import transformers
from transformers import TrainerCallback, trainer as trainer_module
from transformers.trainer_callback import ExportableState

from ._abi import Error
from ._fit import Fit, Loader
from ._run import Run
from ._versions import need

__all__ = ["Checkpoint"]

need(transformers, 5, 3)

# Of TrainerState what is counted or collected; the rest is what the script says now.
COUNTED = ("epoch", "global_step", "num_input_tokens_seen", "total_flos", "log_history", "best_metric", "best_global_step",
           "best_model_checkpoint")


class Checkpoint(TrainerCallback):
    """Saves and restores a whole train(): model, optimizer, scheduler, scaler, the Trainer's counts and logs, the callbacks that have
    a state, and the exact place in the data.

    When time is up, libckpt.Stopped is raised after the state is durable and callbacks have seen on_train_end. When train() ends
    by itself and then the script does, the run is complete. ``run`` is the Run, from on_train_begin on.

    Args: the Trainer; those of Run. Objects given by name are saved beside the Trainer's.
    """

    def __init__(self, trainer: trainer_module.Trainer, **arguments: Any):
        self._trainer, self._arguments = trainer, arguments
        self.run: Run = None  # type: ignore[assignment]      # until it begins
        self._early = {"stopped": False}
        self._had_ended = False           # before this block
        self._fit = Fit()
        self._guide(trainer)

    def _guide(self, trainer):
        get_loader, run_epoch, finalize = trainer.get_train_dataloader, trainer._run_epoch, trainer._finalize_training
        evaluate = trainer._evaluate
        accumulate = trainer.args.gradient_accumulation_steps
        trainer.get_train_dataloader = lambda: Loader(self._fit, get_loader(), lambda: accumulate)
        trainer._run_epoch = lambda **arguments: self._run_epoch(run_epoch, **arguments)
        trainer._finalize_training = lambda *arguments: self._finalize(finalize, *arguments)
        trainer._evaluate = lambda *arguments, **options: self._evaluate(evaluate, *arguments, **options)

    def on_train_begin(self, args, state, control, **_):
        if self.run is not None:
            raise Error("one Checkpoint is one run, and this one has had its train(): give each Trainer a Checkpoint and a directory "
                        "of its own, Checkpoint(trainer, directory=...)")
        self.run = Run(**objects_of(self._trainer), early=self._early, **self._arguments)
        self._fit.begin(self.run, state.num_train_epochs)
        self._begun = self.run.epoch, self.run.batch
        self.run.on_stop(self._tell_callbacks)

    def _run_epoch(self, run_epoch, *, epoch, **arguments):
        """An epoch of the Trainer's: nothing of one that is done, the rest of one that is begun."""
        state = self._trainer.state
        if self._early["stopped"] or state.global_step >= state.max_steps:
            self._trainer.control.should_training_stop = True         # a stream has epochs without end
            self._had_ended = True
            return
        if epoch < self.run.epoch:
            return
        begun, used = self._begun
        if epoch == begun and used:
            arguments |= {"epochs_trained": epoch, "steps_trained_in_current_epoch": used,
                          "resume_from_checkpoint": self.run.directory}      # where the Trainer finds no file of its own
        with loaders_that_know_their_place():
            run_epoch(epoch=epoch, **arguments)

    def _evaluate(self, evaluate, *arguments, skip_scheduler=False, **options):
        """That of eval_on_start, the one that no scheduler hears of, was before the first step, and callbacks have counted it."""
        if not (skip_scheduler and self.run.resumed):
            return evaluate(*arguments, skip_scheduler=skip_scheduler, **options)

    def on_prediction_step(self, args, state, control, **_):
        if self.run is not None:
            self.run._leave_if_stop_is_due()

    def _finalize(self, finalize, *arguments):
        """The end, with all that the Trainer and its callbacks do there."""
        trainer = self._trainer
        logged = list(trainer.state.log_history)
        output = finalize(*arguments)
        if self._had_ended:
            trainer.state.log_history = logged        # it has the summary already
        trainer._tr_loss.zero_()          # it is in the total now, and would be added once more in a block that finds nothing to do
        self._early["stopped"] = trainer.state.global_step < trainer.state.max_steps
        self._fit.end()
        return output

    def _tell_callbacks(self):
        trainer = self._trainer
        trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)


@contextlib.contextmanager
def loaders_that_know_their_place():
    """Of our loaders the Trainer skips nothing: the run draws again what was used, as random numbers were then."""
    skip = trainer_module.skip_first_batches
    trainer_module.skip_first_batches = lambda loader, count: loader if isinstance(loader, Loader) else skip(loader, count)
    try:
        yield
    finally:
        trainer_module.skip_first_batches = skip


def objects_of(trainer) -> dict:
    """What changes in a train(), by name."""
    optimizer = getattr(trainer.optimizer, "optimizer", trainer.optimizer)      # inside accelerate's wrapper
    scaler = trainer.accelerator.scaler
    return {"model": trainer.model, "optimizer": optimizer, "scheduler": trainer.lr_scheduler, "progress": Progress(trainer),
            **({"scaler": scaler} if scaler is not None else {})}


class Progress:
    """What the Trainer counts, and the callbacks that have a state."""
    OWN = ("_tr_loss", "_total_loss_scalar", "_globalstep_last_logged", "current_flos")

    def __init__(self, trainer):
        self._trainer = trainer

    def _callbacks(self):
        return [callback for callback in self._trainer.callback_handler.callbacks if isinstance(callback, ExportableState)]

    def state_dict(self):
        state = dataclasses.asdict(self._trainer.state)
        return {"state": {name: state[name] for name in COUNTED},
                "own": {name: getattr(self._trainer, name) for name in self.OWN},
                "callbacks": [[type(callback).__name__, callback.state()["attributes"]] for callback in self._callbacks()]}

    def load_state_dict(self, saved):
        assign(self._trainer.state, saved["state"])
        assign(self._trainer, saved["own"])
        for callback, (name, attributes) in zip(self._callbacks(), saved["callbacks"]):
            if type(callback).__name__ == name:
                assign(callback, attributes)


def assign(target, values):
    for name, value in values.items():
        setattr(target, name, value)
