#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A training as people write it, which knows nothing of ckptrun: it writes a zip file like torch.save's after each epoch, and
goes on from one that it is given. Its log says what it began from and which epochs it did."""
import argparse
import io
import os
import pathlib
import random
import signal
import time
import zipfile

parser = argparse.ArgumentParser()
parser.add_argument("--write-checkpoints-to", type=pathlib.Path, required=True)
parser.add_argument("--load-checkpoint", type=pathlib.Path)
parser.add_argument("--name", default="model-{}.pt")
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--seconds", type=float, default=0)
parser.add_argument("--fail-in", type=int, help="exit with 4 in this epoch, before its checkpoint")
parser.add_argument("--crash-after", type=int, nargs="*", default=[], help="exit with 3 after these")
parser.add_argument("--torn", type=pathlib.Path, help="each block does one epoch, and dies in the middle of overwriting it "
                    "once a copy is in this folder")
parser.add_argument("--reads-its-own", action="store_true", help="goes on from the file that it writes, if there is one")
parser.add_argument("--removes-first", action="store_true", help="the one before, and saves a second later")
parser.add_argument("--slow-disk", type=float, default=0, metavar="SECONDS", help="in the middle of writing a checkpoint")
parser.add_argument("--save-on-signal", action="store_true", help="nothing else makes it save, or end")
options = parser.parse_args()


def log(text):
    with open("trainer.log", "a") as file:
        file.write(text + "\n")


def checkpoint(epoch):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("archive/data.pkl", f"{epoch}")
        archive.writestr("archive/data/0", random.Random(epoch).randbytes(200_000))
    return memory.getvalue()


def load(path):
    path = next(path.rglob("*.pt")) if path.is_dir() else path
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return int(archive.read("archive/data.pkl"))


def save(epoch):
    path = options.write_checkpoints_to / options.name.format(epoch)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = checkpoint(epoch)
    with open(path, "wb", buffering=0) as file:
        file.write(content[:len(content) // 2])
        time.sleep(options.slow_disk)
        file.write(content[len(content) // 2:])
    return path


def save_and_leave(number, frame):
    save(start + 1)
    os._exit(7)


def is_copy_of(epoch, copy):
    try:
        return load(copy) == epoch
    except FileNotFoundError:             # an older one, removed just now
        return False


def die_while_overwriting(path, epoch):
    while not any(is_copy_of(epoch, copy) for copy in options.torn.glob("last.b*.pt")):
        time.sleep(0.05)
    bytes_of_next = checkpoint(epoch + 1)
    with open(path, "wb", buffering=0) as file:
        file.write(bytes_of_next[:random.randrange(len(bytes_of_next))])
        os.kill(os.getpid(), signal.SIGKILL)


if options.reads_its_own and (options.write_checkpoints_to / options.name).exists():
    options.load_checkpoint = options.write_checkpoints_to / options.name
start = load(options.load_checkpoint) if options.load_checkpoint else 0
log(f"from {start} {os.environ.get('CKPT_RESUME', '-')}")
options.write_checkpoints_to.mkdir(exist_ok=True)
if options.save_on_signal and start == 0:
    signal.signal(signal.SIGUSR1, save_and_leave)
    while True:
        signal.pause()
for epoch in range(start + 1, options.epochs + 1):
    print(f"Epoch {epoch}/{options.epochs}", flush=True)
    time.sleep(options.seconds)
    if epoch == options.fail_in:
        raise SystemExit(4)
    if options.removes_first:
        (options.write_checkpoints_to / options.name.format(epoch - 1)).unlink(missing_ok=True)
        time.sleep(1)
    path = save(epoch)
    log(f"epoch {epoch}")
    if options.torn and epoch < options.epochs:
        die_while_overwriting(path, epoch)
    if epoch in options.crash_after:
        raise SystemExit(3)
