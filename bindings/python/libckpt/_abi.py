# SPDX-License-Identifier: Apache-2.0
"""The C ABI of ckpt.h through ctypes. Nothing else in this package touches libckpt.so.

Every call releases the GIL while it runs, so that copying and waiting stop no other Python thread."""
from __future__ import annotations

import ctypes
import os
from typing import Any

OK, FRESH = 0, 1
NAME, NOT_RESTORED, MISMATCH, NOT_FOUND, CALLBACK, IN_USE, RANKS, NO_DEVICE = 11, 13, 14, 15, 17, 20, 22, 53
TIMEOUT, DAMAGED, MEMORY = 52, 30, 50
STOP = 1

U8, I8, U16, I16, U32, I32, U64, I64, F16, F32, F64, BF16, F8E4M3, F8E5M2, C64, C128, BOOL = range(1, 18)
ITEM_BYTES = (0, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1, 8, 16, 1)
DTYPE_NAMES = ("", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32",
               "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2", "complex64", "complex128", "bool")
DTYPES = {name: code for code, name in enumerate(DTYPE_NAMES) if name}
MAX_DIMENSIONS = 16


class Error(RuntimeError):
    """A call of libckpt failed. `status` is the number in ckpt.h; the text says what to do next."""

    def __init__(self, text: str, status: int = 0):
        super().__init__(text)
        self.status = status


class CannotSave(TypeError):
    """Something the program gave has no memory that can be saved or restored into."""


class CError(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int32), ("os_errno", ctypes.c_int32), ("text", ctypes.c_char * 1016)]


class CArray(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("dtype", ctypes.c_int32), ("ndim", ctypes.c_int32),
                ("shape", ctypes.c_uint64 * MAX_DIMENSIONS), ("strides", ctypes.c_int64 * MAX_DIMENSIONS),
                ("device", ctypes.c_int32), ("device_index", ctypes.c_int32), ("stream", ctypes.c_void_p),
                ("reserved", ctypes.c_uint64 * 4)]


class CInfo(ctypes.Structure):
    _fields_ = [("step", ctypes.c_uint64), ("block", ctypes.c_uint64), ("file_bytes", ctypes.c_uint64),
                ("state_bytes", ctypes.c_uint64), ("arrays", ctypes.c_uint64), ("reserved", ctypes.c_uint64 * 4)]


PREPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

_pointer, _text, _size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
_out_pointer, _out_size = ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_size_t)
_error = ctypes.POINTER(CError)

# name: (result, arguments before the ckpt_error *); a result of None: a status, checked by call().
_FUNCTIONS: dict[str, list[Any]] = {
    "ckpt_config_create": [_out_pointer],
    "ckpt_config_set": [_pointer, _text, _text],
    "ckpt_open": [_pointer, _out_pointer],
    "ckpt_add": [_pointer, _text, ctypes.POINTER(CArray)],
    "ckpt_update": [_pointer, _text, ctypes.POINTER(CArray)],
    "ckpt_remove": [_pointer, _text],
    "ckpt_set": [_pointer, _text, _text],
    "ckpt_on_prepare": [_pointer, PREPARE, _pointer],
    "ckpt_find": [_pointer, _text, ctypes.POINTER(CArray)],
    "ckpt_restore": [_pointer, ctypes.POINTER(ctypes.c_uint64)],
    "ckpt_save": [_pointer, ctypes.c_uint64],
    "ckpt_wait": [_pointer, ctypes.c_double],
    "ckpt_stop": [_pointer, _text],
    "ckpt_leave": [_pointer],
    "ckpt_progress": [_pointer, ctypes.c_double, ctypes.c_double, _text],
    "ckpt_keep": [_pointer, ctypes.c_uint64, _text],
    "ckpt_finish": [_pointer, ctypes.c_uint64],
    "ckpt_finish_at_exit": [_pointer, ctypes.c_uint64],
    "ckpt_last_error": [_pointer],
    "ckpt_catalog_open": [_text, _out_pointer],
    "ckpt_catalog_get": [_pointer, _size, ctypes.POINTER(CInfo), ctypes.POINTER(ctypes.c_char_p)],
    "ckpt_snapshot_open": [_text, _out_pointer],
    "ckpt_snapshot_get_info": [_pointer, ctypes.POINTER(CInfo)],
    "ckpt_snapshot_array": [_pointer, _size, ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(CArray)],
    "ckpt_snapshot_read": [_pointer, _text, _pointer, _size],
    "ckpt_snapshot_get": [_pointer, _text, _pointer, _size, _out_size],
    "ckpt_snapshot_verify": [_pointer],
}
_PLAIN_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {   # these return no status
    "ckpt_version": (_text, []),
    "ckpt_config_free": (None, [_out_pointer]),
    "ckpt_directory": (_text, [_pointer]),
    "ckpt_block": (ctypes.c_uint64, [_pointer]),
    "ckpt_point": (ctypes.c_int, [_pointer, ctypes.c_uint64]),
    "ckpt_stop_due": (ctypes.c_int, [_pointer]),
    "ckpt_time_left": (ctypes.c_double, [_pointer]),
    "ckpt_close": (ctypes.c_int, [_out_pointer]),
    "ckpt_catalog_count": (_size, [_pointer]),
    "ckpt_catalog_close": (None, [_out_pointer]),
    "ckpt_snapshot_close": (None, [_out_pointer]),
}


def _find_library() -> str:
    """LIBCKPT_LIBRARY; else beside this package, where the wheel has it; else what the system's loader finds."""
    if named := os.environ.get("LIBCKPT_LIBRARY"):
        return named
    beside = os.path.join(os.path.dirname(__file__), "lib", "libckpt.so")
    return beside if os.path.exists(beside) else "libckpt.so.0"


def _load() -> ctypes.CDLL:
    path = _find_library()
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"libckpt: cannot load {path}: {error}; install the package again, or name the library in "
                          "LIBCKPT_LIBRARY") from None
    for name, arguments in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = ctypes.c_int, [*arguments, _error]
    for name, (result, arguments) in _PLAIN_FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


library = _load()
version = library.ckpt_version().decode()


def call(name: str, *arguments, accept: tuple[int, ...] = (OK, FRESH)) -> int:
    """Calls a function of ckpt.h and returns its status; raises Error unless it is one of `accept`."""
    error = CError()
    status = getattr(library, name)(*arguments, ctypes.byref(error))
    if status in accept:
        return status
    raise Error(error.text.decode(errors="replace"), status)


def text_value(name: str, handle, key: str) -> str | None:
    """The JSON text that ckpt_snapshot_get has under a key; None: there is no such key."""
    length = ctypes.c_size_t()
    status = call(name, handle, key.encode(), None, 0, ctypes.byref(length), accept=(OK, NOT_FOUND))
    if status == NOT_FOUND:
        return None
    buffer = ctypes.create_string_buffer(length.value + 1)
    call(name, handle, key.encode(), buffer, len(buffer), None)
    return buffer.value.decode()


def arrays_of(snapshot) -> dict[str, tuple[int, tuple[int, ...]]]:
    """name -> (dtype code, shape) of everything a ckpt_snapshot holds."""
    info = CInfo()
    call("ckpt_snapshot_get_info", snapshot, ctypes.byref(info))
    name, array, found = ctypes.c_char_p(), CArray(), {}
    for index in range(info.arrays):
        call("ckpt_snapshot_array", snapshot, index, ctypes.byref(name), ctypes.byref(array))
        found[(name.value or b"").decode()] = (array.dtype, tuple(array.shape[:array.ndim]))
    return found
