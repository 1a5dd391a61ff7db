# SPDX-License-Identifier: Apache-2.0
"""The network of fashion_mnist.py trained by Lightning, restartable at every batch.

    ckptrun -- python fashion_mnist_lightning.py --epochs 5"""
import argparse
import pathlib

import lightning.pytorch as lightning
import torch
from fashion_mnist import make_model, read
from libckpt.lightning import Checkpoint
from torch import nn
from torch.utils.data import DataLoader


class Classifier(lightning.LightningModule):
    def __init__(self, lr):
        super().__init__()
        self.net, self.lr = make_model(), lr

    def training_step(self, batch, index):
        pictures, labels = batch
        return nn.functional.cross_entropy(self.net(pictures), labels)

    def validation_step(self, batch, index):
        pictures, labels = batch
        self.log("accuracy", (self.net(pictures).argmax(1) == labels).float().mean())

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), self.lr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=60_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--out", help="where to write the weights at the end")
    options = parser.parse_args()

    lightning.seed_everything(1)
    train = DataLoader(read(options.data, "train", options.pictures), options.batch, shuffle=True)
    test = DataLoader(read(options.data, "t10k", options.pictures), 500)
    model = Classifier(options.lr)
    trainer = lightning.Trainer(max_epochs=options.epochs, callbacks=[Checkpoint()], enable_checkpointing=False, logger=False,
                                enable_progress_bar=False)
    trainer.fit(model, train, test)
    print(f"test accuracy {trainer.callback_metrics['accuracy']:.2%}", flush=True)
    if options.out:
        torch.save(model.net.state_dict(), options.out)


if __name__ == "__main__":
    main()
