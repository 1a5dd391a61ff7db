# SPDX-License-Identifier: Apache-2.0
"""Arrays of any library that speaks DLPack, in host memory: the capsule's struct is read, nothing is copied."""
from __future__ import annotations

import ctypes

from ._abi import DTYPES, ITEM_BYTES, CannotSave
from ._arrays import Array

HOST_DEVICES = (1, 3)         # kDLCPU, kDLCUDAHost
_LETTERS = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 5: "complex", 6: "bool"}


class _DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
                ("byte_offset", ctypes.c_uint64)]


_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype, _get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


def _dtype(tensor: _DLTensor) -> int:
    letters = _LETTERS.get(tensor.code, "")
    name = "bool" if letters == "bool" else f"{letters}{tensor.bits}"
    if tensor.lanes != 1 or name not in DTYPES:
        raise CannotSave(f"a DLPack array of type code {tensor.code}, {tensor.bits} bits cannot be saved")
    return DTYPES[name]


def of_dlpack(value) -> Array:
    if value.__dlpack_device__()[0] not in HOST_DEVICES:
        raise CannotSave("its memory is not the host's; give a copy in host memory")
    capsule = value.__dlpack__()
    tensor = _DLTensor.from_address(_get_pointer(capsule, b"dltensor"))
    dtype, ndim = _dtype(tensor), tensor.ndim
    strides = tuple(tensor.strides[i] * ITEM_BYTES[dtype] for i in range(ndim)) if tensor.strides else None
    return Array(tensor.data + tensor.byte_offset, dtype, tuple(tensor.shape[:ndim]), strides, (value, capsule))
