# SPDX-License-Identifier: Apache-2.0
"""Fashion-MNIST with Lightning, which writes lightning_logs/version_N/checkpoints/*.ckpt; it knows nothing of ckptrun."""
import argparse

import lightning
import torch
from fashion_mnist import load
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Classifier(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))

    def training_step(self, batch, index):
        x, y = batch
        return nn.functional.cross_entropy(self.net(x), y)

    def validation_step(self, batch, index):
        x, y = batch
        self.log("accuracy", (self.net(x).argmax(1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters())


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--ckpt_path", metavar="CHECKPOINT")
options = parser.parse_args()

lightning.seed_everything(1)
train, test = (TensorDataset(*map(torch.from_numpy, load(part))) for part in ("train", "t10k"))
trainer = lightning.Trainer(max_epochs=options.epochs, callbacks=[ModelCheckpoint(save_top_k=-1)])      # keeps all
trainer.fit(Classifier(), DataLoader(train, 128, shuffle=True), DataLoader(test, 1000), ckpt_path=options.ckpt_path)
print(f"test accuracy {trainer.callback_metrics['accuracy']:.2%}")
