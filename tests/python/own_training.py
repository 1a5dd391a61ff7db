# SPDX-License-Identifier: Apache-2.0
"""Trainings as people write them, of PyTorch and of Keras, which write a checkpoint after each epoch and know nothing of ckptrun.
With --die-in the first start dies in the middle of writing that epoch's, by its own hand. The images are Fashion-MNIST's."""
import argparse
import gzip
import os
import pathlib
import signal
import time

import numpy as np

IMAGES = "/usr/share/datasets/fashion-mnist/train-{}-idx{}-ubyte.gz"


def some_images(count=512):
    with gzip.open(IMAGES.format("images", 3)) as images, gzip.open(IMAGES.format("labels", 1)) as labels:
        x = np.frombuffer(images.read(16 + count * 784)[16:], np.uint8).reshape(count, 784).astype("float32") / 255
        return x, np.frombuffer(labels.read(8 + count)[8:], np.uint8).astype("int64")


def end_of_epoch(epoch, path, options):
    if epoch == options.die_in and not options.load_checkpoint:
        os.truncate(path, path.stat().st_size * 2 // 3)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(options.seconds if epoch < options.epochs else 0)


def pytorch(options):
    import torch
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(784, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters())
    done = 0
    if options.load_checkpoint:
        state = torch.load(options.load_checkpoint)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        done = state["epoch"]
    x, y = map(torch.from_numpy, some_images())
    for epoch in range(done + 1, options.epochs + 1):
        for batch in range(0, len(x), 64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[batch:batch + 64]), y[batch:batch + 64]).backward()
            optimizer.step()
        path = options.write_checkpoints_to / f"model-{epoch}.pt"
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, path)
        end_of_epoch(epoch, path, options)


def keras(options):
    os.environ["KERAS_BACKEND"] = "torch"
    import keras as k
    if options.load_checkpoint:
        model = k.models.load_model(options.load_checkpoint, compile=False)      # of .h5 Keras 3 cannot load the optimizer
        done = int(options.load_checkpoint.stem.split("-")[1])
    else:
        k.utils.set_random_seed(1)
        model = k.Sequential([k.layers.Input((784,)), k.layers.Dense(32, "relu"), k.layers.Dense(10)])
        done = 0
    model.compile("adam", k.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = some_images()
    for epoch in range(done + 1, options.epochs + 1):
        model.fit(x, y, batch_size=64, shuffle=False, verbose=0)
        path = options.write_checkpoints_to / f"model-{epoch}.h5"
        model.save(path)
        end_of_epoch(epoch, path, options)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=["pytorch", "keras"])
    parser.add_argument("--write-checkpoints-to", type=pathlib.Path, required=True)
    parser.add_argument("--load-checkpoint", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=0, help="to rest after each epoch")
    parser.add_argument("--die-in", type=int, metavar="EPOCH")
    arguments = parser.parse_args()
    arguments.write_checkpoints_to.mkdir(exist_ok=True)
    {"pytorch": pytorch, "keras": keras}[arguments.library](arguments)
