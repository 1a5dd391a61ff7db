# SPDX-License-Identifier: Apache-2.0
"""Arrays of other libraries: restored in place, into memory that the program has."""
from __future__ import annotations

from . import _abi, _arrays, _dlpack
from ._tree import Kind, attribute_of, shown


class Foreign(Kind):
    tag = "$memory"
    needs_live = True

    def takes(self, value):
        return way_to(value) is not None

    def write(self, writer, value, path):
        return writer.array(value, path, lambda: way_to(value)(value))

    def read(self, reader, content, live, path):
        way = way_to(live)
        if way is None:
            raise _abi.Error(f"'{shown(path)}' of the snapshot needs memory to be restored into, and the program has none "
                             "there: make it before Run()", _abi.MISMATCH)
        if content not in reader.targets:
            reader.target(content, live, way(live))
        return lambda: live


def way_to(value):
    if attribute_of(value, "__array_interface__") is not None:
        return _arrays.of_interface
    if attribute_of(value, "__dlpack__") and attribute_of(value, "__dlpack_device__"):
        return _dlpack.of_dlpack
    try:
        memoryview(value).release()
    except TypeError:
        return None
    return _arrays.of_buffer
