# SPDX-License-Identifier: Apache-2.0
"""Keras 3: ``model.fit(..., callbacks=[libckpt.keras.Checkpoint()])``, started by ckptrun. Safe points are at the ends of epochs."""
from __future__ import annotations

import inspect
import itertools
import math
from typing import Any

import keras

from . import _random
from ._abi import MISMATCH, Error
from ._attributes import Made, is_plain
from ._held import named_by_script
from ._run import Run
from ._versions import need

__all__ = ["Checkpoint", "Variables"]

need(keras, 3, 7)


class Checkpoint(keras.callbacks.Callback):
    """Saves and restores a whole fit(): the variables of model and optimizers, random numbers, the epoch, and what other callbacks
    have come to.

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
        callbacks = callback_list()
        self._surround(callbacks)
        self._others = CallbackStates(callbacks.callbacks)
        self._fit = {"first_epoch": 0, "stopped": False}
        self._passes = Passes(held_around("epoch_iterator"))
        self.run = Run(variables=Variables(self.model), fit=self._fit, passes=self._passes, callbacks=self._others,
                       **self._arguments)
        self._epochs = self.run.epochs(math.inf)
        self.model._initial_epoch = self._epoch_to_begin_with()

    def _surround(self, callbacks):
        """Keras calls its callbacks in the order in which the script gives them. The safe point is where all of them are through
        with an epoch and none has begun the next, and the end is what all of them have made of it."""
        begin_epoch, end = callbacks.on_epoch_begin, callbacks.on_train_end

        def on_epoch_begin(epoch, logs=None):
            self._begin_epoch(epoch)
            begin_epoch(epoch, logs)

        def on_train_end(logs=None):
            self._others.put_back()       # where nothing was left to do
            end(logs)
            self._end()
        callbacks.on_epoch_begin, callbacks.on_train_end = on_epoch_begin, on_train_end

    def _epoch_to_begin_with(self):
        """By Keras's count, which begins at fit(initial_epoch=...); None: there."""
        if self._fit["stopped"]:
            return self.params["epochs"]
        return self._fit["first_epoch"] + self.run.epoch or None

    def _begin_epoch(self, epoch):
        self._others.put_back()
        self._passes.before_epoch()
        next(self._epochs)            # the epoch before is complete, with all that Keras does after it: the safe point
        self._passes.go_on()
        self._fit["first_epoch"] = epoch - self.run.epoch

    def on_test_batch_end(self, batch, logs=None):
        if self.run is not None:
            self.run._leave_if_stop_is_due()

    def _end(self):
        self.model._initial_epoch = None          # a second fit() begins where it says
        self._fit["stopped"] |= self.model.stop_training
        self._epochs.close()
        self.run._complete_epoch()
        self.run._end_loop()


def held_around(name: str, kind: type = object):
    """What a function that called us has as `name`: Keras tells its callbacks neither in which list they are nor of the data."""
    frame = inspect.currentframe()
    while frame is not None:
        value = frame.f_locals.get(name)
        if value is not None and isinstance(value, kind):
            return value
        frame = frame.f_back
    return None


def callback_list() -> keras.callbacks.CallbackList:
    callbacks = held_around("self", keras.callbacks.CallbackList)
    if callbacks is None:
        raise Error("libckpt.keras.Checkpoint is for model.fit(callbacks=[...]); in a loop of your own use run.batches(), with "
                    "Run(variables=Variables(model))")
    return callbacks


# Of Keras's own callbacks what they count and collect; the rest is what the script says now.
COUNTED = {
    keras.callbacks.History: ("epoch", "history"),
    keras.callbacks.EarlyStopping: ("wait", "best", "best_epoch", "best_weights", "stopped_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: ("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
}


class CallbackStates:
    """What Keras's own callbacks have come to, the patience of EarlyStopping say, by their place among those of their class."""

    def __init__(self, callbacks):
        self._callbacks = [(f"{kind.__name__}{number}", callback, names) for kind, names in COUNTED.items()
                           for number, callback in enumerate(one for one in callbacks if isinstance(one, kind))]
        self._restored: dict[str, dict] = {}

    def put_back(self):
        """After the on_train_begin of all, where they begin anew."""
        restored, self._restored = self._restored, {}
        for key, callback, _ in self._callbacks:
            vars(callback).update(restored.get(key, {}))

    def state_dict(self) -> dict[str, dict]:
        return {key: {name: vars(callback)[name] for name in names if name in vars(callback)} for key, callback, names in self._callbacks}

    def load_state_dict(self, states: dict[str, dict]) -> None:
        self._restored = states


class Passes:
    """The place in the data of fit(steps_per_epoch=...): there a pass through the data may take several epochs. It is drawn again, with
    the random numbers of its beginning. What has no length, a generator say, begins anew."""

    def __init__(self, iterator):
        known = iterator is not None and iterator.steps_per_epoch and iterator.data_adapter.num_batches
        self._iterator = iterator if known else None
        self._begun: dict[str, Any] = {}          # how the pass began, and whether Keras had the iterator for it by then
        self._restored: dict[str, Any] = {}

    def before_epoch(self):
        if self._iterator is not None and self._iterator._steps_seen == 0:
            self._begun = {"random": _random.capture({}), "opened": self._iterator._current_iterator is not None}

    def go_on(self):
        restored, self._restored = self._restored, {}
        if self._iterator is None or not restored:
            return
        self._begun = {"random": restored["random"], "opened": restored["opened"]}
        if restored["opened"] or restored["used"]:
            now = _random.capture({})
            self._draw_again(**restored)
            _random.apply(now, {})

    def _draw_again(self, random, opened, used):
        if not opened:
            _random.apply(random, {})
        self._iterator._current_iterator = batches = iter(self._iterator._get_iterator())
        if opened:
            _random.apply(random, {})       # to open it takes some, too
        for _ in itertools.islice(batches, used):
            pass
        self._iterator._steps_seen = used

    def state_dict(self) -> dict[str, Any]:
        return self._begun | {"used": self._iterator._steps_seen} if self._begun else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._restored = state


def build(model):
    """The variables of the optimizer: without the torch backend they would come with the first batch, too late to be restored."""
    if not model.built:
        raise Error("the model has no variables before its first batch, so that none could be restored: begin it with "
                    "keras.Input(shape), or call model.build(shape)")
    if model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def further_optimizers(model) -> list:
    """Those that the model and its layers hold as attributes, beside the one that compile() was given."""
    held = [value for layer in model._flatten_layers() for value in vars(layer).values()]
    held += [item for value in held if isinstance(value, (list, tuple)) for item in value]
    held += [item for value in held if isinstance(value, dict) for item in value.values()]
    optimizers = {id(value): value for value in held if isinstance(value, keras.optimizers.Optimizer)}
    return [optimizer for optimizer in optimizers.values() if optimizer is not model.optimizer]


class Variables:
    """Of the compiled model and its optimizers, in Keras's order, the state of random layers among them; and numbers and text that
    training has changed among the attributes of layers and models of the script's own classes, a counter say. Names are no help:
    Keras numbers layers anew in each model that a program makes.

    Raises:
        Error: the model gets its variables with its first batch only.
    """

    def __init__(self, model: keras.Model):
        build(model)
        self._model = model
        self._made = {place: Made(value) for place, _, value in self._values()}

    def _values(self):
        for number, layer in enumerate(self._model._flatten_layers()):
            names = named_by_script(type(layer))
            yield from ((f"{number}.{name}", layer, value) for name, value in vars(layer).items() if name in names and is_plain(value))

    def _all(self):
        optimizers = [optimizer for optimizer in (self._model.optimizer, *further_optimizers(self._model)) if optimizer is not None]
        return [*self._model.variables, *(variable for optimizer in optimizers for variable in optimizer.variables)]

    def state_dict(self) -> dict[str, Any]:
        """NumPy arrays in the variables' shapes, by number: the model's, then those of its optimizer, then those of others that it
        holds; and "trained", for each of these the numbers of the variables that it is for, once it knows them; "values": of the attributes."""
        trained = [self._trained_by(optimizer) for optimizer in further_optimizers(self._model)]
        values = {place: value for place, _, value in self._values() if place not in self._made or not self._made[place].is_same(value)}
        return {"trained": trained, "values": values} | {str(number): keras.ops.convert_to_numpy(variable)
                                       for number, variable in enumerate(self._all())}

    def _trained_by(self, optimizer) -> list[int]:
        numbers = {id(variable): number for number, variable in enumerate(self._model.variables)}
        try:
            return [numbers[id(variable)] for variable in optimizer._trainable_variables]
        except KeyError:
            raise Error(f"the model holds {type(optimizer).__name__} '{optimizer.name}', which trains variables of another: make what "
                        "it trains an attribute of the model, so that it is saved too") from None

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Assigns them in place; raises Error where there is another number of them."""
        own = self._model.variables
        for optimizer, numbers in zip(further_optimizers(self._model), values["trained"]):
            if numbers and not optimizer.built:       # it gets its variables with its first batch
                optimizer.build([own[number] for number in numbers])
        variables = self._all()
        count = sum(map(str.isdigit, values))
        if count != len(variables):
            raise Error(f"the snapshot holds {count} variables of a Keras model and its optimizers, this program has "
                        f"{len(variables)}: build the same model, or start a new run (ckptrun --fresh or --run NAME)", MISMATCH)
        for number, variable in enumerate(variables):
            variable.assign(values[str(number)])
        layers = list(self._model._flatten_layers())
        for place, value in values["values"].items():
            number, _, name = place.partition(".")
            if int(number) < len(layers):
                vars(layers[int(number)])[name] = value
