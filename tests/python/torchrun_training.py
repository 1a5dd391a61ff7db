# SPDX-License-Identifier: Apache-2.0
"""A training as people write it for torchrun: ranks that average their gradients, each with a DataLoader that has workers; rank 0
writes a checkpoint after each epoch. It knows nothing of ckptrun. Each of its processes leaves its number in processes/START, and
while one of an earlier start is alive it does not begin."""
import argparse
import os
import pathlib
import sys
import time

import torch
import torch.distributed
from own_training import some_images
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


START = os.environ["TORCHELASTIC_RUN_ID"]


def leave_number(*_):
    with open(f"processes/{START}", "a") as file:
        file.write(f"{os.getpid()}\n")


def left_from_before():
    earlier = [file for file in pathlib.Path("processes").iterdir() if file.name != START]
    return [number for file in earlier for number in file.read_text().split() if pathlib.Path("/proc", number).exists()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write-checkpoints-to", type=pathlib.Path, required=True)
    parser.add_argument("--load-checkpoint", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0, help="to rest before each checkpoint of the first start")
    options = parser.parse_args()
    if left := left_from_before():
        sys.exit(f"left from before: {left}")
    leave_number()
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()

    torch.manual_seed(1)
    model = DistributedDataParallel(torch.nn.Linear(784, 10))
    optimizer = torch.optim.Adam(model.parameters())
    done = 0
    if options.load_checkpoint:
        state = torch.load(options.load_checkpoint)
        model.module.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        done = state["epoch"]
    images = TensorDataset(*map(torch.from_numpy, some_images()))
    sampler = DistributedSampler(images)
    loader = DataLoader(images, 64, sampler=sampler, num_workers=2, persistent_workers=True, worker_init_fn=leave_number)
    for epoch in range(done + 1, options.epochs + 1):
        sampler.set_epoch(epoch)
        for x, y in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        time.sleep(0 if options.load_checkpoint else options.seconds)
        if rank == 0:
            state = {"model": model.module.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
            torch.save(state, options.write_checkpoints_to / f"model-{epoch}.pt")
        torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
