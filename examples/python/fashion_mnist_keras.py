# SPDX-License-Identifier: Apache-2.0
"""A small network on Fashion-MNIST with Keras 3, restartable at every epoch.

    ckptrun -- python fashion_mnist_keras.py --epochs 20"""
import argparse
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras  # noqa: E402  (it reads its backend when it is imported)
from fashion_mnist import read  # noqa: E402
from libckpt.keras import Checkpoint  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pictures", type=int, default=60_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--out", help="where to write the weights at the end (.weights.h5)")
    options = parser.parse_args()

    keras.utils.set_random_seed(1)
    train, test = ([tensor.numpy() for tensor in read(options.data, part, options.pictures).tensors]
                   for part in ("train", "t10k"))
    model = keras.Sequential([keras.Input((1, 28, 28)), keras.layers.Flatten(), keras.layers.Dense(64, "relu"),
                              keras.layers.Dropout(0.2), keras.layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.fit(*train, batch_size=options.batch, epochs=options.epochs, verbose=2, callbacks=[Checkpoint()])
    print(f"test accuracy {model.evaluate(*test, verbose=0)[1]:.2%}", flush=True)
    if options.out:
        model.save_weights(options.out)


if __name__ == "__main__":
    main()
