# SPDX-License-Identifier: Apache-2.0
"""Fashion-MNIST with plain PyTorch. After each epoch it writes CKPTS/model-EPOCH.pt; it knows nothing of ckptrun."""
import argparse
import os

import torch
from fashion_mnist import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--write-checkpoints-to", default="ckpts")
parser.add_argument("--load-checkpoint")
options = parser.parse_args()

torch.manual_seed(1)
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))
optimizer = torch.optim.AdamW(model.parameters())
train, test = (TensorDataset(*map(torch.from_numpy, load(part))) for part in ("train", "t10k"))
first_epoch = 1
if options.load_checkpoint:
    checkpoint = torch.load(options.load_checkpoint)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    first_epoch = checkpoint["epoch"] + 1

os.makedirs(options.write_checkpoints_to, exist_ok=True)
for epoch in range(first_epoch, options.epochs + 1):
    model.train()
    for x, y in DataLoader(train, batch_size=128, shuffle=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch},
               f"{options.write_checkpoints_to}/model-{epoch}.pt")

model.eval()
x, y = test.tensors
print(f"test accuracy {(model(x).argmax(1) == y).float().mean():.2%}")
