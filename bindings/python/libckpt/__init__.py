# SPDX-License-Identifier: Apache-2.0
"""libckpt: a training or simulation that survives the end of its job, bit for bit.

    from libckpt import Run

    run = Run(model=model, optimizer=optimizer, scheduler=scheduler)
    for epoch in run.epochs(300):
        for x, y in run.batches(train_loader):
            ...

Start it with ``ckptrun -- python train.py``. The guide is docs/python.md."""
from __future__ import annotations

import os

from . import _abi
from ._abi import Error
from ._metrics import metrics
from ._reading import Snapshot, find
from ._run import Run
from ._session import Stopped
from ._variables import give_seeds
from ._workers import shield

__all__ = ["Error", "Run", "Snapshot", "Stopped", "latest", "metrics", "open", "shield"]

__version__ = _abi.version
give_seeds()


def open(path: str | os.PathLike, framework: str | None = None) -> Snapshot:
    """A snapshot for reading, by its file, its run (the newest), or ``RUN@best``: a lazy mapping from names to arrays.

    What is read of it is checked chunk by chunk. That nobody has exchanged arrays, the step or the block in the file is proven by its
    digest, which takes reading all of it: ``verify()`` does that, as a Run does that goes on from it.

    ``framework``: "numpy", "torch", or None: NumPy where it is installed, else bytes. Raises Error or FileNotFoundError."""
    return Snapshot(find(path), framework)


def latest(run: str | os.PathLike) -> str:
    """The path of a run's newest snapshot; the run is a directory, or a name under ./ckpt-runs."""
    return find(run)
