# SPDX-License-Identifier: Apache-2.0
"""A convolutional network on Fashion-MNIST (Debian: dataset-fashion-mnist), restartable at every batch.

    ckptrun -- python fashion_mnist.py --epochs 5"""
import argparse
import gzip
import pathlib

import torch
from libckpt import Run
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def read(folder, part, count):
    """The first `count` pictures and labels of a part, in the format of MNIST."""
    images = gzip.open(folder / f"{part}-images-idx3-ubyte.gz").read()
    labels = gzip.open(folder / f"{part}-labels-idx1-ubyte.gz").read()
    pictures = torch.frombuffer(bytearray(images[16:]), dtype=torch.uint8).reshape(-1, 1, 28, 28)[:count]
    return TensorDataset(pictures.float() / 255, torch.frombuffer(bytearray(labels[8:]), dtype=torch.uint8)[:count].long())


def make_model():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(32 * 7 * 7, 10))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=60_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--out", help="where to write the weights at the end")
    options = parser.parse_args()

    torch.manual_seed(1)
    train = DataLoader(read(options.data, "train", options.pictures), options.batch, shuffle=True, num_workers=options.workers)
    test = DataLoader(read(options.data, "t10k", options.pictures), 500)
    model = make_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs * len(train))

    run = Run(model=model, optimizer=optimizer, scheduler=scheduler)
    for epoch in run.epochs(options.epochs):
        model.train()
        for pictures, labels in run.batches(train):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(pictures), labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
        model.eval()
        with torch.no_grad():
            right = sum((model(pictures).argmax(1) == labels).sum().item() for pictures, labels in run.eval(test))
        accuracy = right / len(test.dataset)
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, test accuracy {accuracy:.2%}", flush=True)
        run.best(accuracy)
        run.report(loss=loss, accuracy=accuracy)
    run.finish()
    if options.out:
        torch.save(model.state_dict(), options.out)


if __name__ == "__main__":
    main()
