# SPDX-License-Identifier: Apache-2.0
"""A snapshot that belongs to no run, for frameworks that name and remove their checkpoints themselves: a nest of arrays and plain
values in one file."""
from __future__ import annotations

import contextlib
import json
import os
import shutil
from typing import Any, Iterator

from . import _abi, _kinds  # noqa: F401  (registers the kinds)
from ._abi import Error
from ._arrays import Registry
from ._reading import Snapshot, find
from ._session import OWNER, Session
from ._tree import Reader, Writer, structure_of

KEY = "nest"          # under which ckpt_set has the structure


def write(path: str, step: int, nest: dict) -> None:
    """Whole and durable at `path`, in place of a file of that name, or not at all."""
    writer = Writer(alone="leave it out of the checkpoint")
    text = json.dumps(writer.node(nest, ()), allow_nan=False)
    folder, name = os.path.split(os.path.abspath(path))
    with a_run_of_its_own(os.path.join(folder, f".{name}.saving")) as session:
        Registry(session.handle).replace_by(writer.arrays)
        _abi.call("ckpt_set", session.handle, KEY.encode(), text.encode())
        session.finish(step)
        os.replace(find(str(session.directory)), path)
    sync_directory(folder)


def read(path: str) -> Any:
    """What write() was given; every byte is verified."""
    with Snapshot(path) as snapshot:
        try:
            tree = snapshot.value(KEY)
        except KeyError:
            raise Error(f"{path} is a snapshot of a run and no checkpoint of a framework: read it with libckpt.open()",
                        _abi.MISMATCH) from None
        with structure_of(path):
            reader = Reader(snapshot._arrays)
            value = reader.value(tree, None, ())
        snapshot._fill(reader)
        with structure_of(path):
            return value()


@contextlib.contextmanager
def a_run_of_its_own(directory: str) -> Iterator[Session]:
    """Beside where its snapshot will be, which is all that it leaves; the next of its name clears up after one that died."""
    owner = os.environ.get(OWNER)
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory, mode=0o700)
    session = Session({"directory": directory, "signals": "off", "allow_volatile": "on"})
    try:
        if session.directory is None:
            raise Error(f"nothing can be saved in {directory}: the line above says why")
        yield session
    finally:
        session.close()
        if owner is not None:        # a Run of this program goes on
            os.environ[OWNER] = owner
        shutil.rmtree(directory, ignore_errors=True)


def sync_directory(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
