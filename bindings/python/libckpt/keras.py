# SPDX-License-Identifier: Apache-2.0
"""Keras 3: ``model.fit(..., callbacks=[libckpt.keras.Checkpoint()])``, started by ckptrun. Safe points are at the ends of epochs."""
from __future__ import annotations

import math
from typing import Any

import keras

from ._abi import MISMATCH, Error
from ._run import Run

__all__ = ["Checkpoint", "Variables"]


class Checkpoint(keras.callbacks.Callback):
    """Saves and restores a whole fit(): the variables of model and optimizer, random numbers, and the epoch.

    When time is up, libckpt.Stopped is raised between two epochs, after the state is durable. When fit() ends by itself and
    then the script does, the run is complete. ``run`` is the Run, from on_train_begin on.

    Args: those of Run. Objects given by name are saved beside Keras's.
    """

    def __init__(self, **arguments: Any):
        super().__init__()
        self._arguments = arguments
        self.run: Run = None  # type: ignore[assignment]      # until it begins

    def on_train_begin(self, logs=None):
        if self.run is not None:
            raise Error("one Checkpoint is one run, and this one has had its fit(): give each fit() a Checkpoint and a directory "
                        "of its own, Checkpoint(directory=...)")
        build(self.model)
        self._early = {"stopped": False}
        self.run = Run(variables=Variables(self.model), early=self._early, **self._arguments)
        self._epochs = self.run.epochs(math.inf)
        self.model._initial_epoch = self.params["epochs"] if self._early["stopped"] else self.run.epoch or None

    def on_epoch_begin(self, epoch, logs=None):
        next(self._epochs)            # the epoch before is complete, with all that Keras does after it: the safe point

    def on_test_batch_end(self, batch, logs=None):
        if self.run is not None:
            self.run._leave_if_stop_is_due()

    def on_train_end(self, logs=None):
        self._early["stopped"] = self.model.stop_training
        self._epochs.close()
        self.run._complete_epoch()
        self.run._end_loop()


def build(model):
    """The variables of the optimizer: without the torch backend they would come with the first batch, too late to be restored."""
    if not model.built:
        raise Error("the model has no variables before its first batch, so that none could be restored: begin it with "
                    "keras.Input(shape), or call model.build(shape)")
    if model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


class Variables:
    """Of the model and its optimizer, in Keras's order, the state of random layers and of metrics among them. Names are no help:
    Keras numbers layers anew in each model that a program makes."""

    def __init__(self, model: keras.Model):
        self._model = model

    def _all(self):
        optimizer = self._model.optimizer
        return [*self._model.variables, *(optimizer.variables if optimizer is not None else [])]

    def state_dict(self) -> dict[str, Any]:
        """NumPy arrays in the variables' shapes, by number: the model's, then its optimizer's."""
        return {str(number): keras.ops.convert_to_numpy(variable) for number, variable in enumerate(self._all())}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Assigns them in place; raises Error where there is another number of them."""
        variables = self._all()
        if len(values) != len(variables):
            raise Error(f"the snapshot holds {len(values)} variables of a Keras model and its optimizer, this program has "
                        f"{len(variables)}: build the same model, or start a new run (ckptrun --fresh or --run NAME)", MISMATCH)
        for number, variable in enumerate(variables):
            variable.assign(values[str(number)])
