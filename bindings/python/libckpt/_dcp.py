# SPDX-License-Identifier: Apache-2.0
"""What torch.distributed.checkpoint saves and loads, as arrays and a JSON structure around them. torch would pickle whatever is
no tensor; here it is a node of _tree.py."""
from __future__ import annotations

import io
import json
from typing import Any, Callable

import torch
from torch.distributed.checkpoint import metadata as dcp, planner as plans

from . import _abi, _arrays, _kinds  # noqa: F401  (registers the kinds)
from ._abi import Error
from ._torch import read_tensor, to_save, torch_dtype
from ._tree import Reader, Writer

KEY = "distributed_checkpoint"       # under which ckpt_set has the structure
FORMAT = 1


class Content:
    """One dcp.save(): its items by their full names. `arrays` live as long as this."""

    def __init__(self, plan: plans.SavePlan, planner: plans.SavePlanner):
        self._writer = Writer(alone="leave it out of the state, or give its state_dict()")
        self._tensors: dict[str, str] = {}      # the names of their arrays
        self._values: dict[str, Any] = {}       # nodes
        for item in plan.items:
            self._add(item, planner.resolve_data(item))

    @property
    def arrays(self) -> dict[str, _arrays.Array]:
        return self._writer.arrays

    def text(self, paths: Any) -> str:
        """`paths`: from full names to the places in the nested state, if the planner has flattened it."""
        return json.dumps({"format": FORMAT, "tensors": self._tensors, "values": self._values, "paths": paths}, allow_nan=False)

    def _add(self, item, data):
        name = item.index.fqn
        if item.type is plans.WriteItemType.BYTE_IO:
            self._values[name] = self._writer.node(loaded(data), (name,))
            return
        if item.tensor_data.chunk.sizes != item.tensor_data.size:
            raise Error(f"'{name}' is one rank's part of a tensor, and several ranks are not supported yet", _abi.RANKS)
        self._tensors[name] = self._writer.array(data, (name,), lambda: to_save(data.detach()))


class Stored:
    """What a snapshot holds of a dcp.save()."""

    def __init__(self, snapshot, where: str):
        text = _abi.text_value("ckpt_snapshot_get", snapshot, KEY)
        if text is None:
            raise Error(f"{where} was not written by dcp.save(): read it with libckpt.open()", _abi.MISMATCH)
        tree = json.loads(text)
        if tree.get("format") != FORMAT:
            raise Error(f"the snapshot's structure has version {tree.get('format')}, this libckpt reads {FORMAT}: update it",
                        _abi.MISMATCH)
        self.where, self.arrays = where, _abi.arrays_of(snapshot)
        self.tensors, self.values, self._paths = tree["tensors"], tree["values"], tree["paths"]

    def metadata(self) -> dcp.Metadata:
        found: dict[str, Any] = {name: dcp.BytesStorageMetadata() for name in self.values}
        found |= {name: tensor_metadata(*self.arrays[array]) for name, array in self.tensors.items()}
        paths = None if self._paths is None else {name: tuple(path) for name, path in self._paths.items()}
        return dcp.Metadata(found, planner_data=paths, storage_data={})

    def find(self, table: dict, name: str) -> Any:
        if name not in table:      # of an older snapshot: torch compares with the newest
            raise Error(f"{self.where} does not hold '{name}'", _abi.MISMATCH)
        return table[name]


class Filling:
    """What a dcp.load() asks for, in one snapshot: memory for its arrays, and what is done once they are filled."""

    def __init__(self, stored: Stored, plan: plans.LoadPlan, planner: plans.LoadPlanner):
        self.reader = Reader(stored.arrays)
        self._commits = [self._find(stored, item, planner) for item in plan.items]

    def _find(self, stored, item, planner) -> Callable[[], None]:
        name = item.storage_index.fqn
        if item.type is plans.LoadItemType.BYTE_IO:
            value = self.reader.value(stored.find(stored.values, name), None, (name,))
            return lambda: planner.load_bytes(item, saved(value()))
        array, target = stored.find(stored.tensors, name), planner.resolve_tensor(item).detach()
        shape = self.reader.shape(array)[1]
        require_inside(item, shape, stored)
        in_place = tuple(target.shape) == shape and target.is_contiguous()
        tensor = read_tensor(self.reader, array, target if in_place else None)
        return lambda: put(planner, item, target, tensor())

    def take_the_rest(self):
        """Room for what was not asked for: a run restores whole snapshots."""
        for name, (code, shape) in self.reader.arrays.items():
            if name not in self.reader.targets:
                room = _arrays.Array(None, code, shape, None, None)
                room.owner = _arrays.new_bytes(room.size_bytes)
                room.pointer = room.owner.pointer
                self.reader.target(name, None, room)

    def commit(self):
        for commit in self._commits:
            commit()


def tensor_metadata(code: int, shape: tuple) -> dcp.TensorStorageMetadata:
    size = torch.Size(shape)
    whole = dcp.ChunkStorageMetadata(offsets=torch.Size([0] * len(shape)), sizes=size)
    return dcp.TensorStorageMetadata(dcp.TensorProperties(dtype=torch_dtype(code)), size, [whole])


def require_inside(item, shape, stored):
    ends = [offset + length for offset, length in zip(item.storage_offsets, item.lengths)]
    if len(ends) != len(shape) or any(end > size for end, size in zip(ends, shape)):
        raise Error(f"'{item.storage_index.fqn}' has the shape {shape} in {stored.where}, and elements up to {tuple(ends)} were "
                    "asked for", _abi.MISMATCH)


def put(planner, item, target, tensor):
    if tensor is not target:
        for dimension, (offset, length) in enumerate(zip(item.storage_offsets, item.lengths)):
            tensor = tensor.narrow(dimension, offset, length)
        target.copy_(tensor)
    planner.commit_tensor(item, target)


def loaded(data: io.BytesIO) -> Any:
    """What torch has just pickled, in this process."""
    data.seek(0)
    return torch.load(data, weights_only=False)


def saved(value: Any) -> io.BytesIO:
    """As torch unpickles it, in this process."""
    data = io.BytesIO()
    torch.save(value, data)
    data.seek(0)
    return data
