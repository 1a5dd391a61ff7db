# SPDX-License-Identifier: Apache-2.0
"""One kind of description for every kind of array: where its bytes are, and who keeps them alive."""
from __future__ import annotations

import ctypes
import math
import sys

from . import _abi
from ._abi import CArray, DTYPES, ITEM_BYTES, MAX_DIMENSIONS, call


class Array:
    """Memory that the C library copies from or into: `pointer`, `dtype` (a code of ckpt.h), `shape` in elements, `strides`
    in bytes (None: contiguous in C order). `owner` keeps the memory alive. `shows`: whose memory it is, "torch" or "numpy", or, of
    a copy, a tuple that tells what it is a copy of; None: not known."""
    __slots__ = ("pointer", "dtype", "shape", "strides", "owner", "shows")

    def __init__(self, pointer, dtype, shape, strides, owner, shows=None):
        self.pointer, self.dtype, self.shape, self.strides, self.owner, self.shows = pointer, dtype, shape, strides, owner, shows

    @property
    def place(self):
        """Changes when the C library must be told again."""
        return self.pointer, self.dtype, self.shape, self.strides

    @property
    def memory(self) -> tuple | None:
        """The same for two objects of the program that show the same elements; None: not known, or there are none."""
        if self.shows is None or 0 in self.shape:
            return None
        return self.shows if type(self.shows) is tuple else (self.shows, self.pointer, self.dtype, self.shape, self.strides)

    @property
    def size_bytes(self):
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


class Registry:
    """What the C library has registered, kept equal to the arrays of the last walk with as few calls as that takes."""

    def __init__(self, run):
        self._run = run
        self._places: dict[str, tuple] = {}
        self._arrays: dict[str, Array] = {}
        self._c_array = CArray()

    def replace_by(self, arrays: dict[str, Array]):
        for name in self._places.keys() - arrays.keys():
            call("ckpt_remove", self._run, name.encode())
            del self._places[name]
        for name, array in arrays.items():
            place = array.place
            known = self._places.get(name)
            if known != place:
                self._tell("ckpt_add" if known is None else "ckpt_update", name, array)
                self._places[name] = place
        self._arrays = arrays

    def release(self):
        """The arrays are copied: whoever wants to go, goes. They are told anew before they are read again."""
        self._arrays = {}

    def _tell(self, function, name, array):
        if len(array.shape) > MAX_DIMENSIONS:
            raise _abi.Error(f"'{name}' has {len(array.shape)} dimensions; at most {MAX_DIMENSIONS} can be saved")
        if array.strides and not any(array.strides) and math.prod(array.shape) > 1:      # in the ABI that is: contiguous
            raise _abi.Error(f"array '{name}': its strides let elements overlap, which cannot be restored")
        c = self._c_array
        c.data, c.dtype, c.ndim = array.pointer, array.dtype, len(array.shape)
        c.shape[:c.ndim] = array.shape
        c.strides[:c.ndim] = array.strides or (0,) * c.ndim
        call(function, self._run, name.encode(), ctypes.byref(c))


def of_bytes(data: bytes) -> Array:
    """Bytes to be saved; never a place to restore into."""
    pointer = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value if data else None
    return Array(pointer, _abi.U8, (len(data),), None, data)


def new_bytes(size_bytes: int) -> Array:
    """Room for bytes that are restored; `owner.raw` is what came."""
    buffer = ctypes.create_string_buffer(size_bytes) if size_bytes else ctypes.create_string_buffer(1)
    return Array(ctypes.addressof(buffer), _abi.U8, (size_bytes,), None, buffer)


def bytes_in(array: Array) -> bytes:
    return array.owner.raw[:array.shape[0]]


def is_native(byte_order: str) -> bool:
    return byte_order in "=|@" or byte_order == ("<" if sys.byteorder == "little" else ">")


_NUMPY_CODES: dict = {}     # numpy dtype -> code of ckpt.h, as they are met


def dtype_of_numpy(dtype) -> int:
    code = _NUMPY_CODES.get(dtype)
    if code is None:
        code = DTYPES.get(dtype.name)
        if code is None or dtype.hasobject or not is_native(dtype.byteorder):
            raise _abi.CannotSave(f"a NumPy array of {dtype} cannot be saved; numbers, complex and bool in native byte order can")
        _NUMPY_CODES[dtype] = code
    return code


def memory_of(array):
    """The bytes of an Array, in C order."""
    if array.strides is None:
        return (ctypes.c_char * array.size_bytes).from_address(array.pointer) if array.size_bytes else b""
    owner = array.owner
    return owner.tobytes() if hasattr(owner, "tobytes") else owner.detach().numpy().tobytes()


def of_numpy(array) -> Array:
    interface = array.__array_interface__
    return Array(interface["data"][0], dtype_of_numpy(array.dtype), array.shape, interface["strides"], array, "numpy")


_CODES_OF_LETTERS = {"b1": "bool", "u1": "uint8", "i1": "int8", "u2": "uint16", "i2": "int16", "u4": "uint32", "i4": "int32",
                     "u8": "uint64", "i8": "int64", "f2": "float16", "f4": "float32", "f8": "float64", "c8": "complex64",
                     "c16": "complex128"}


def of_interface(value) -> Array:
    """Anything that has __array_interface__ (version 3)."""
    interface = value.__array_interface__
    order, letters = interface["typestr"][0], interface["typestr"][1:]
    data = interface.get("data")
    if letters not in _CODES_OF_LETTERS or not is_native(order) or data is None:
        raise _abi.CannotSave(f"its __array_interface__ of type {interface['typestr']} is none that can be saved")
    if data[1]:
        raise _abi.CannotSave("its memory is read-only, so nothing can be restored into it")
    strides = interface.get("strides")
    return Array(data[0], DTYPES[_CODES_OF_LETTERS[letters]], tuple(interface["shape"]),
                 tuple(strides) if strides else None, (value, interface))


def of_buffer(value) -> Array:
    """Anything with the buffer protocol that is writable: mmap, ctypes arrays, extension types."""
    view = memoryview(value)
    if view.readonly:
        raise _abi.CannotSave("its buffer is read-only, so nothing can be restored into it")
    if not view.c_contiguous:
        raise _abi.CannotSave("its buffer is not contiguous")
    letter = view.format.lstrip("@=<" if sys.byteorder == "little" else "@=>")
    kinds = {"?": "b", "f": "f", "d": "f", "e": "f"}
    kind = kinds.get(letter, "u" if letter.isupper() or letter == "c" else "i")
    letters = f"{kind}{view.itemsize}"
    if len(letter) != 1 or letters not in _CODES_OF_LETTERS:
        raise _abi.CannotSave(f"a buffer of format {view.format!r} cannot be saved")
    pinned = (ctypes.c_char * view.nbytes).from_buffer(view)
    return Array(ctypes.addressof(pinned), DTYPES[_CODES_OF_LETTERS[letters]], tuple(view.shape or ()), None, pinned)
