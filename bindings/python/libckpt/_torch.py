# SPDX-License-Identifier: Apache-2.0
"""PyTorch tensors and generators; never imports torch before the program does."""
from __future__ import annotations

import sys

from . import _abi
from ._abi import DTYPE_NAMES, DTYPES, ITEM_BYTES
from ._arrays import Array
from ._numpy import generator_state
from ._tree import Kind, shown

SHORTEST_RUN_BYTES = 64      # of a strided tensor: shorter runs are copied by torch first, which has threads for it


def torch():
    return sys.modules.get("torch")


_codes: dict = {}


def dtype_code(dtype) -> int:
    code = _codes.get(dtype)
    if code is None:
        code = DTYPES.get(str(dtype).removeprefix("torch."))
        if code is None:
            raise _abi.CannotSave(f"a tensor of {dtype} cannot be saved")
        _codes[dtype] = code
    return code


def torch_dtype(code: int):
    return getattr(torch(), DTYPE_NAMES[code])


def _plain_types():
    return torch().Tensor, torch().nn.Parameter


def why_not(tensor) -> str | None:
    """Why a tensor has no plain memory; None: it has."""
    if tensor.layout is not torch().strided or tensor.is_quantized or tensor.device.type == "meta":
        return f"a tensor of layout {tensor.layout} on {tensor.device} has no plain memory to save"
    if type(tensor).__torch_dispatch__ is not torch().Tensor.__torch_dispatch__:
        return f"a {type(tensor).__name__} (several ranks, or a wrapper) is not supported yet"
    return None


def direct(tensor) -> Array | None:
    """The tensor's own memory; None where it is a device's, or so scattered that torch copies it better."""
    if tensor.device.type != "cpu" or tensor.is_conj() or tensor.is_neg():
        return None
    code = dtype_code(tensor.dtype)
    shape = tuple(tensor.shape)
    if tensor.is_contiguous():
        return Array(tensor.data_ptr(), code, shape, None, tensor, "torch")
    item, strides = ITEM_BYTES[code], tensor.stride()
    if strides[-1] != 1 or tensor.shape[-1] * item < SHORTEST_RUN_BYTES or 0 in strides:
        return None
    return Array(tensor.data_ptr(), code, shape, tuple(stride * item for stride in strides), tensor, "torch")


def memory_of(tensor) -> tuple | None:
    """Array.memory of what it shows."""
    array = direct(tensor.detach())
    return array.memory if array else copied_from(tensor) if tensor.numel() else None


def copied_from(tensor) -> tuple:
    return (str(tensor.device), tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.is_conj(), tensor.is_neg())


def to_save(tensor) -> Array:
    """The memory to save: the tensor's own, or that of a contiguous copy on the host."""
    if type(tensor) in _plain_types() and tensor.is_cpu and tensor.layout is torch().strided and tensor.is_contiguous():
        code = _codes.get(tensor.dtype)      # nearly all of them: the short way
        if code is not None and not (tensor.is_conj() or tensor.is_neg()):
            return Array(tensor.data_ptr(), code, tuple(tensor.shape), None, tensor, "torch")
    if reason := why_not(tensor):
        raise _abi.CannotSave(reason)
    tensor = tensor.detach()
    array = direct(tensor)
    if array is None:
        array = direct(tensor.cpu().resolve_conj().resolve_neg().contiguous())
        assert array is not None
        array.shows = copied_from(tensor)
    return array


class Tensor(Kind):
    tag = "$tensor"

    def takes(self, value):
        return torch() is not None and isinstance(value, torch().Tensor)

    def write(self, writer, value, path):
        name = writer.array(value, path, lambda: to_save(value))
        if writer.shares_memory(value):
            return [name, str(value.device), "shares"]
        return name if value.device.type == "cpu" else [name, str(value.device)]

    def read(self, reader, content, live, path):
        name, device, *shares = content if isinstance(content, list) else (content, "cpu")
        if reader.must_fit(live, path) and reader.shape(name) != (dtype_code(live.dtype), tuple(live.shape)):
            reader.target(name, live, to_save(live))               # the difference is named by who compares them
            return lambda: live
        restored = read_tensor(reader, name, live, device)
        return (lambda: sharing(restored(), live)) if shares else restored


def read_tensor(reader, name, live, device="cpu"):
    """Into `live` where it fits, so that tensors keep their identity; else into a new tensor on `device`."""
    code, shape = reader.shape(name)
    fits = is_tensor(live) and tuple(live.shape) == shape and live.dtype is torch_dtype(code) and why_not(live) is None
    if name in reader.owners:
        first = reader.owners[name]
        if not fits or memory_of(live) == memory_of(first):
            return lambda: live if fits else first
        return (lambda: copy_into(live, first)) if reader.claim(memory_of(live)) else (lambda: first)
    if fits and not reader.claim(memory_of(live)):
        fits, device, live = False, str(live.device), None
    if not fits:
        live = torch().empty(shape, dtype=torch_dtype(code), device=usable(device, live))
    array = direct(live.detach())
    if array is not None:
        reader.target(name, live, array)
        return lambda: live
    host = torch().empty(shape, dtype=live.dtype)
    reader.target(name, live, direct(host))
    return lambda: copy_into(live, host)


def sharing(restored, live):
    """A tensor of its own on the memory of `restored`, which is a parameter, say."""
    return restored if restored is live else restored.detach()


def is_lazy(tensor):
    return torch().nn.parameter.is_lazy(tensor)


def is_tensor(value):
    return isinstance(value, torch().Tensor)


def usable(device: str, live):
    """Where a new tensor belongs: where the program has its own; else where it was, if there is such a device."""
    if is_tensor(live):
        return live.device
    try:
        torch().empty(0, device=device)
        return device
    except Exception:        # a snapshot from a machine with another device: the program moves it where it wants
        return "cpu"


def copy_into(live, restored):
    """Also into one that expand() has made, of which one memory shows in many places."""
    once = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in live.stride())
    with torch().no_grad():
        if 0 in live.stride() and not torch().equal(restored[once].expand_as(restored), restored):
            raise _abi.Error(f"a tensor of {tuple(live.shape)} that expand() has made here holds different numbers in the snapshot; make it "
                             "as it was made then", _abi.MISMATCH)
        live[once].copy_(restored[once])
    return live


class TorchGenerator(Kind):
    tag = "$torch_generator"

    def takes(self, value):
        return torch() is not None and isinstance(value, torch().Generator)

    def write(self, writer, value, path):
        writer.generators[shown(path)] = value
        return {"device": str(value.device), "state": writer.node(generator_state(value), path)}

    def read(self, reader, content, live, path):
        state = reader.value(content["state"], None, path)

        def restore():
            same = torch().Generator(usable(content["device"], live)) if live is None else live
            same.set_state(state())
            return same
        return restore
