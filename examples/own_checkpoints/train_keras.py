# SPDX-License-Identifier: Apache-2.0
"""Fashion-MNIST with Keras. ModelCheckpoint writes ckpts/model-EPOCH.keras; it knows nothing of ckptrun."""
import argparse
import os

import keras
from fashion_mnist import load

BATCH = 100

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--load", metavar="CHECKPOINT")
options = parser.parse_args()

x, y = load("train")
if options.load:
    model = keras.models.load_model(options.load)     # with its optimizer
    done = int(model.optimizer.iterations) // (len(x) // BATCH)      # epochs
else:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(128, "relu"),
                              keras.layers.Dropout(0.2), keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    done = 0

os.makedirs("ckpts", exist_ok=True)
model.fit(x, y, batch_size=BATCH, epochs=options.epochs, initial_epoch=done, verbose=2,
          callbacks=[keras.callbacks.ModelCheckpoint("ckpts/model-{epoch:02d}.keras")])
print(f"test accuracy {model.evaluate(*load('t10k'), verbose=0)[1]:.2%}")
