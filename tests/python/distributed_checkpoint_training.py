# SPDX-License-Identifier: Apache-2.0
"""A small real training whose loop saves and loads with torch.distributed.checkpoint. What comes out must not depend on where it
was stopped."""
import sys
import time

import torch
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from trainings import BATCH, SAMPLES, data


class Training:
    def __init__(self, seed, width=8):
        torch.manual_seed(seed)
        self.net = nn.Sequential(nn.Linear(6, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, 3))
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=0.01)
        self.scheduler = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.9)
        self.step, self.losses = 0, []

    def train_step(self):
        x, y = data()
        chosen = torch.randint(0, SAMPLES, (BATCH,))
        loss = nn.functional.cross_entropy(self.net(x[chosen]), y[chosen])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        self.losses.append(loss.item())
        self.step += 1

    def state_dict(self):
        model, optimizer = get_state_dict(self.net, self.optimizer)
        return {"model": model, "optimizer": optimizer, "scheduler": self.scheduler.state_dict(), "step": self.step,
                "losses": self.losses, "random": torch.get_rng_state()}

    def load_state_dict(self, state):
        set_state_dict(self.net, self.optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.step, self.losses = state["step"], state["losses"]
        torch.set_rng_state(state["random"])

    def result(self):
        state = self.state_dict()
        moments = [tensor for each in state["optimizer"]["state"].values() for tensor in each.values()]
        tensors = [*state["model"].values(), *moments]
        return repr([[tensor.numpy().tobytes() for tensor in tensors], self.losses, self.scheduler.get_last_lr(), self.step,
                     torch.get_rng_state().numpy().tobytes()]).encode()


def train(writer, seed, steps, pause_seconds=0.0, save=dcp.save, every=3):
    """One start of the program."""
    from libckpt.distributed_checkpoint import StorageReader
    training = Training(seed)
    if writer.has_snapshot:
        dcp.load({"training": training}, storage_reader=StorageReader(writer))
    while training.step < steps:
        time.sleep(pause_seconds)
        training.train_step()
        if training.step % every == 0 or training.step == steps or writer.stop_is_due:
            save({"training": training}, storage_writer=writer, checkpoint_id=training.step)
        writer.stop_if_due()
    return training


if __name__ == "__main__":
    from libckpt.distributed_checkpoint import StorageWriter
    writer = StorageWriter()
    training = train(writer, 7, int(sys.argv[2]), float(sys.argv[3]))
    writer.complete()
    with open(sys.argv[1], "wb") as file:
        file.write(training.result())
