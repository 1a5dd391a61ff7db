# SPDX-License-Identifier: Apache-2.0
"""A small real training with Keras: dropout, shuffling, a validation."""
import os
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras  # noqa: E402  (it reads its backend when it is imported)
import numpy as np  # noqa: E402


class Slow(keras.callbacks.Callback):
    def __init__(self, pause_seconds):
        super().__init__()
        self.pause_seconds = pause_seconds

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(self.pause_seconds)


class Noise(keras.layers.Layer):
    """Its numbers come from the generator that all functions of Keras without a seed share."""

    def call(self, x, training=False):
        return x + 0.1 * keras.random.normal(keras.ops.shape(x)) if training else x


def make(optimizer=lambda: keras.optimizers.Adam(0.01), noise=()):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.BatchNormalization(),
                              keras.layers.Dropout(0.3), *noise, keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer(), loss, metrics=["accuracy"])
    return model


def make_averaged():
    return make(lambda: keras.optimizers.Adam(0.02, use_ema=True, ema_momentum=0.9))


def make_noisy():
    return make(noise=[Noise()])


class Adversaries(keras.Model):
    """Two optimizers of its own, each for a part of the variables; they have theirs after the first batch."""

    def __init__(self):
        super().__init__()
        self.parts = [keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)]) for _ in range(2)]
        self.built = True

    def compile(self, *optimizers):
        super().compile()
        self.first, self.others = optimizers[0], list(optimizers[1:])

    def train_step(self, batch):
        for sign, part, optimizer in zip((1, -1), self.parts, [self.first, *self.others]):
            self.zero_grad()
            loss = sign * (self.parts[0](batch[0]) - self.parts[1](batch[0])).abs().mean()
            loss.backward()
            optimizer.apply([weight.value.grad for weight in part.trainable_weights], part.trainable_weights)
        return {"loss": loss}

    def test_step(self, batch):
        return {}


class Counting(keras.layers.Layer):
    """Its noise grows with what it counts."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def call(self, x, training=False):
        self.seen += bool(training)
        return x * (1 + 0.01 * self.seen)


def make_counting():
    return make(noise=[Counting()])


def make_adversaries():
    model = Adversaries()
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), keras.optimizers.Adam(0.01))
    return model


def data():
    generator = np.random.default_rng(99)
    return generator.normal(size=(20, 6)).astype("float32"), generator.integers(0, 3, 20)


def batches():
    x, y = data()
    return [(x[i:i + 4], y[i:i + 4]) for i in range(0, 20, 4)]


def fit(callbacks, seed, epochs=6, make=make, **arguments):
    """One start of the program: the model after fit()."""
    keras.utils.set_random_seed(seed)
    model, (x, y) = make(), data()
    model.fit(x, y, batch_size=4, epochs=epochs, verbose=0, callbacks=callbacks, validation_data=(x, y), **arguments)
    return model


def result(model):
    optimizers = [model.first, *model.others] if isinstance(model, Adversaries) else [model.optimizer]
    return repr([keras.ops.convert_to_numpy(variable).tobytes()
                 for variable in [*model.trainable_variables, *model.non_trainable_variables,
                                  *(variable for optimizer in optimizers for variable in optimizer.variables)]]).encode()


if __name__ == "__main__":
    from libckpt.keras import Checkpoint
    model = fit([Checkpoint(), Slow(float(sys.argv[3]))], 7, int(sys.argv[2]))
    with open(sys.argv[1], "wb") as file:
        file.write(result(model))
