# SPDX-License-Identifier: Apache-2.0
"""Snapshots for reading: a mapping from names to arrays that reads an array when it is asked for. Needs no run, no torch."""
from __future__ import annotations

import collections.abc
import contextlib
import ctypes
import json
import os
from typing import Any, Iterator

from . import _abi, _arrays
from ._abi import DTYPE_NAMES, call, library

FOLDER_OF_RUNS = "ckpt-runs"


MOST_NAMES = 1_000_000        # of the arrays of a module: no module has more, but a forged file may say so


class Snapshot(collections.abc.Mapping):
    """``snapshot["model/fc.weight"]`` reads that array, every chunk of it verified. Close it, or use it with ``with``.

    Attributes:
        path: of the file.
        step: at which it was made.
        block: of the run that made it, from 1.

    Raises:
        KeyError: there is no array of that name.
        libckpt.Error: the file is damaged, no snapshot, or claims more than there is memory for.
        ImportError: bfloat16 and float8 for NumPy need the package ml_dtypes.
    """

    def __init__(self, path: str, framework: str | None = None):
        if framework not in (None, "numpy", "torch"):
            raise ValueError(f"framework={framework!r} is none of None, 'numpy', 'torch'")
        self.path, self._framework = path, framework
        self._handle = ctypes.c_void_p()
        call("ckpt_snapshot_open", os.fsencode(path), ctypes.byref(self._handle))
        info = _abi.CInfo()
        call("ckpt_snapshot_get_info", self._handle, ctypes.byref(info))
        self.step, self.block = info.step, info.block
        self._arrays = _abi.arrays_of(self._handle)

    def __getitem__(self, name: str) -> Any:
        """The array, in the framework asked for. None: NumPy, and raw bytes in a memoryview where NumPy is not installed."""
        code, shape = self._arrays[name]
        if self._framework == "torch":
            return self._torch(name, code, shape)
        try:
            import numpy
        except ImportError:
            if self._framework == "numpy":
                raise
            return self.bytes(name)
        return self._numpy(numpy, name, code, shape)

    def _numpy(self, numpy, name, code, shape):
        from ._numpy import numpy_dtype
        try:
            dtype = numpy_dtype(code)
        except ImportError:
            raise ImportError(f"'{name}' is {DTYPE_NAMES[code]}, which NumPy has from the package ml_dtypes: install it, or open "
                              "the snapshot with framework=\"torch\"") from None
        with enough_memory_for(self.path, name, shape):
            array = numpy.empty(shape, dtype)
        self.read_into(name, array.ctypes.data, array.nbytes)
        return array

    def _torch(self, name, code, shape):
        import torch
        dtype = getattr(torch, DTYPE_NAMES[code])
        with enough_memory_for(self.path, name, shape):
            tensor = torch.empty(shape, dtype=dtype)
        self.read_into(name, tensor.data_ptr(), tensor.numel() * tensor.element_size())
        return tensor

    def bytes(self, name: str) -> memoryview:
        """The array's bytes in C order, little-endian. Raises KeyError where there is none of that name."""
        with enough_memory_for(self.path, name, self.shape(name)):
            buffer = bytearray(self.size_bytes(name))
        pinned = (ctypes.c_char * len(buffer)).from_buffer(buffer)
        self.read_into(name, ctypes.addressof(pinned), len(buffer))
        return memoryview(buffer)

    def size_bytes(self, name: str) -> int:
        """Bytes of the array in memory, without reading it."""
        code, shape = self._arrays[name]
        return _arrays.Array(None, code, shape, None, None).size_bytes

    def read_into(self, name: str, address: int, size_bytes: int) -> None:
        """Into memory of one's own: contiguous, in C order, of exactly the array's size in bytes. Raises Error where the size
        differs, there is no such array, or it is damaged."""
        call("ckpt_snapshot_read", self._handle, name.encode(), address if size_bytes else None, size_bytes)

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __contains__(self, name) -> bool:
        return name in self._arrays

    def shape(self, name: str) -> tuple[int, ...]:
        """In elements, slowest dimension first, without reading the array; () is a scalar."""
        return self._arrays[name][1]

    def dtype(self, name: str) -> str:
        """"float32", "bfloat16", …, without reading the array."""
        return DTYPE_NAMES[self._arrays[name][0]]

    def value(self, key: str) -> Any:
        """A small value that the program saved with ckpt_set, parsed; KeyError: there is none."""
        text = _abi.text_value("ckpt_snapshot_get", self._handle, key)
        if text is None:
            raise KeyError(key)
        from ._tree import structure_of
        with structure_of(self.path):
            return json.loads(text)

    @property
    def vars(self) -> dict[str, Any]:
        """run.vars of a Python run. Raises KeyError for a snapshot of another program."""
        from ._state import KEY
        from ._tree import Reader, structure_of
        tree = self.value(KEY)
        with structure_of(self.path):
            reader = Reader(self._arrays)
            value = reader.value(tree["objects"]["vars"], None, ("vars",))
            self._fill(reader)
            return value()

    def state_dict(self, name: str) -> dict[str, Any]:
        """The arrays of one object, named as in torch: ``model.load_state_dict(snapshot.state_dict("model"))``. Of a module those
        that its own state_dict() lists, shared ones under each of their names. Raises KeyError where there are none."""
        found = self._names_in(name)
        if not found:
            raise KeyError(f"{self.path} holds no arrays of '{name}'")
        return {key: self[array] for key, array in found.items()}

    def _names_in(self, name) -> dict[str, str]:
        """{key in the state_dict: name of the array}"""
        prefix = name + "/"
        found = {key.removeprefix(prefix): key for key in self if key.startswith(prefix)}
        if (module := self._module(name)) is not None:
            found = {_unescaped(key): array for key, array in (found | module["shared"]).items() if "/" not in key}
            for key in (*module["attributes"], *module["unlisted"]):
                found.pop(key, None)
            from ._tree import structure_of
            with structure_of(self.path):
                for place, first in module["again"].items():
                    found |= {place + key[len(first):]: array for key, array in found.items() if key.startswith(first + ".")}
                    if len(found) > MOST_NAMES:
                        raise ValueError("again")
        return found

    def _module(self, name) -> dict | None:
        """What a Python run notes of a torch module."""
        from ._state import KEY
        from ._tree import structure_of
        if _abi.text_value("ckpt_snapshot_get", self._handle, KEY) is None:
            return None
        tree = self.value(KEY)
        with structure_of(self.path):
            node = tree["objects"].get(name)
            return node["$module"] if isinstance(node, dict) and "$module" in node else None

    def _fill(self, reader):
        """Reads every array that a _tree.Reader found memory for."""
        for name, array in reader.targets.items():
            if array.strides is not None:
                raise _abi.Error(f"'{name}' is not contiguous in this program; make it contiguous before")
            self.read_into(name, array.pointer, array.size_bytes)

    def verify(self) -> None:
        """Reads every byte; raises Error if one is damaged, or the digest of them all, of step and block does not match."""
        call("ckpt_snapshot_verify", self._handle)

    def close(self) -> None:
        """Frees the file; nothing can be read any more."""
        library.ckpt_snapshot_close(ctypes.byref(self._handle))

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_handle", None):
            self.close()


def _unescaped(name: str) -> str:
    """A part of an array's name as it was before _tree.name_of()."""
    return name.replace("%2F", "/").replace("%2E", ".").replace("%00", "\0").replace("%25", "%")


@contextlib.contextmanager
def enough_memory_for(path, name, shape):
    """The file may claim any shape."""
    try:
        yield
    except (MemoryError, OverflowError, RuntimeError, ValueError):      # RuntimeError: torch's
        raise _abi.Error(f"'{name}' in {path} claims the shape {tuple(shape)}, for which there is not enough memory",
                         _abi.MEMORY) from None


def find(where: str | os.PathLike) -> str:
    """The file of a snapshot: a file, a run (directory, or name under ./ckpt-runs; its newest), or RUN@NAME (one kept)."""
    text = os.fspath(where)
    if os.path.isfile(text):
        return text
    run, at, name = text.rpartition("@")
    if not at or os.path.isdir(text) or os.path.isdir(os.path.join(FOLDER_OF_RUNS, text)):      # folders may have an @
        return _newest(directory_of(text))
    directory = directory_of(run)
    kept = os.path.join(directory, "kept", f"{name}.h5")
    if not os.path.isfile(kept):
        raise FileNotFoundError(f"the run {directory} keeps no snapshot as '{name}'; see `ckpt ls {directory}`")
    return kept


def directory_of(where: str | os.PathLike) -> str:
    """Of a run: a directory, or a name under ./ckpt-runs."""
    run = os.fspath(where)
    inside = os.path.join(FOLDER_OF_RUNS, run)
    return inside if not os.path.isdir(run) and os.path.isdir(inside) else run


def _newest(directory: str) -> str:
    catalog, path = ctypes.c_void_p(), ctypes.c_char_p()
    call("ckpt_catalog_open", os.fsencode(directory), ctypes.byref(catalog))
    try:
        if library.ckpt_catalog_count(catalog) == 0:
            raise FileNotFoundError(f"the run {directory} has no snapshot")
        call("ckpt_catalog_get", catalog, 0, None, ctypes.byref(path))
        return os.fsdecode(path.value or b"")
    finally:
        library.ckpt_catalog_close(ctypes.byref(catalog))


def initialise(state, where, only, goes_on=False) -> dict[str, Any]:
    """The named objects get what a snapshot holds of them; nothing else of it, neither random numbers nor position. Returns the settings
    that come with them."""
    from ._state import KEY
    from ._tree import HALF_RESTORED, Reader, structure_of
    with Snapshot(find(where)) as snapshot:
        tree = snapshot.value(KEY)
        with structure_of(snapshot.path):
            nodes = dict(tree["objects"])
        only = [only] if isinstance(only, str) else only
        names = list(only) if only is not None else [name for name in state.objects if name in nodes]
        for name in names:
            if name not in nodes or name not in state.objects:
                raise KeyError(f"only= names '{name}', which {'the snapshot' if name not in nodes else 'Run'} does not have")
        with structure_of(snapshot.path):
            reader = Reader(snapshot._arrays, state.pickled, state.at_start, goes_on)
            values = [reader.value(nodes[name], state.objects[name], (name,)) for name in names]
        for name, array in reader.targets.items():
            if reader.arrays.get(name) != (array.dtype, tuple(array.shape)):
                raise _abi.Error(f"init_from: '{name}' is {DTYPE_NAMES[array.dtype]} {tuple(array.shape)} here and "
                                 f"{_describe(reader.arrays.get(name))} in {snapshot.path}", _abi.MISMATCH)
        snapshot._fill(reader)
        with structure_of(snapshot.path, HALF_RESTORED):
            for value in values:
                value()
            return {key: value for key, value in nodes["loop"]["settings"].items() if key.partition(".")[0] in names}


def _describe(array) -> str:
    return f"{DTYPE_NAMES[array[0]]} {array[1]}" if array else "absent"
