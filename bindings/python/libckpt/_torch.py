# SPDX-License-Identifier: Apache-2.0
"""PyTorch tensors, modules, optimizers and generators; never imports torch before the program does."""
from __future__ import annotations

import collections
import enum
import functools
import itertools
import sys

from . import _abi
from ._abi import DTYPE_NAMES, DTYPES, ITEM_BYTES
from ._arrays import Array
from ._copies import remember
from ._held import may_be_a_descriptor
from ._numpy import generator_state, is_generator, numpy
from ._tree import PLAIN, Kind, give_back, name_of, shown

DEEPEST, LONGEST = 4, 100    # containers in containers, and items of each, that are looked into for state
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
    with torch().no_grad():
        live.copy_(restored)
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


class Module(Kind):
    """Parameters, all buffers (non-persistent ones too), plain attributes that hold tensors, arrays or generators, extra state,
    and which parameters training has frozen or unfrozen. The wrappers of torch.compile, DataParallel and DistributedDataParallel
    leave no trace in the names."""
    tag = "$module"
    needs_live = True

    def takes(self, value):
        return torch() is not None and isinstance(value, torch().nn.Module)

    def write(self, writer, value, path):
        shared, extra, attributes, frozen, unlisted, casts, prefix = {}, {}, [], {}, [], {}, name_of(path)
        for name, owner, key, tensor in tensors_of(value):
            if not is_tensor(tensor):
                continue
            place = (*path, name)
            flag = tensor.requires_grad
            if key in owner._parameters and tensor.is_leaf and writer.at_start(place, lambda flag=flag: flag) != flag:
                frozen[name] = not flag
            if (made := writer.at_start((*place, "dtype"), lambda tensor=tensor: tensor.dtype)) is not tensor.dtype:
                casts[name] = str(made)
            try:
                saved = writer.array(tensor, place, lambda tensor=tensor: to_save(tensor))
            except TypeError as error:
                raise _abi.CannotSave(f"'{shown(place)}' cannot be saved: {error}") from None
            if saved != f"{prefix}/{name}":
                shared[name] = saved
            if key in owner.__dict__:
                attributes.append(name)
            elif key in owner._non_persistent_buffers_set:
                unlisted.append(name)
        again: dict[str, str] = {}
        for name, module in modules_of(value, again=again):
            if type(module).get_extra_state is not torch().nn.Module.get_extra_state:
                extra[name] = writer.forgiving(module.get_extra_state(), (*path, name, "extra_state"))
        nests = {name: writer.forgiving(nest, (*path, name)) for name, nest in nests_of(value)}
        plain = {name: writer.forgiving(nest, (*path, name)) for name, nest in changed_attributes(writer, path, value)}
        return {"shared": shared, "extra": extra, "attributes": attributes, "nests": nests, "frozen": frozen,
                "unlisted": unlisted, "again": again, "casts": casts, "plain": plain}

    def read(self, reader, content, live, path):
        if live is None:
            raise _abi.Error(f"the snapshot holds a module '{shown(path)}', which this program does not have", _abi.MISMATCH)
        values, missing, modules = [], set(content["attributes"]), dict(modules_of(live))
        for name, owner, key, tensor in tensors_of(live, with_empty=True):
            missing.discard(name)
            saved = content["shared"].get(name) or name_of((*path, name))
            if saved in reader.arrays:
                if is_tensor(tensor) and content["casts"].get(name) == str(tensor.dtype):    # by .to() after Run(), which comes again
                    tensor.data = torch().empty_like(tensor, dtype=torch_dtype(reader.shape(saved)[0]))
                values.append((owner, key, read_module_tensor(reader, saved, tensor, live, key in owner._parameters), tensor))
            elif is_tensor(tensor) and key not in owner.__dict__:
                reader.target(saved, tensor, to_save(tensor))      # the C library names it: the snapshot does not hold it
        for name in missing:          # a tensor that the program keeps as an attribute once it has run
            owner, _, key = name.rpartition(".")
            if owner in modules:
                saved = content["shared"].get(name) or name_of((*path, name))
                values.append((modules[owner], key, read_tensor(reader, saved, None, str(device_of(live))), None))
        for name, node in (content["nests"] | (content["plain"] if reader.goes_on else {})).items():
            owner, _, key = name.rpartition(".")
            if owner in modules and (key in modules[owner].__dict__ or reader.makes(node)):
                nest = modules[owner].__dict__.get(key)
                values.append((modules[owner], key, reader.value(node, nest, (*path, name)), nest))
        values += unchanged_attributes(reader, path, modules, {*content["nests"], *content["attributes"], *content["plain"]})
        parameters = {name: tensor for name, owner, key, tensor in tensors_of(live, with_empty=True) if key in owner._parameters}
        frozen = [(parameters[name], flag) for name, flag in content["frozen"].items() if name in parameters]
        extra = [(modules[name], reader.value(node, None, (*path, name, "extra_state")), (*path, name))
                 for name, node in content["extra"].items() if name in modules]

        def restore():
            for owner, key, value, tensor in values:
                if (restored := value()) is not tensor:
                    put(owner, key, restored)
            for parameter, flag in frozen:
                parameter.requires_grad_(not flag)
            for module, state, place in extra:
                give_back(module, "set_extra_state", state(), place)
            return live
        return restore


def read_module_tensor(reader, name, tensor, module, is_parameter):
    """A parameter fits or is refused; a buffer may have grown."""
    if tensor is not None and is_lazy(tensor):
        code, shape = reader.shape(name)
        with torch().no_grad():
            tensor.materialize(shape, dtype=torch_dtype(code))
    elif tensor is not None and (reader.shape(name)[0] != dtype_code(tensor.dtype)
                                 or is_parameter and reader.shape(name)[1] != tuple(tensor.shape)):
        reader.target(name, tensor, to_save(tensor))               # the C library names the difference
        return lambda: tensor
    return read_tensor(reader, name, tensor, str(device_of(module)))


def device_of(module):
    return next((tensor.device for tensor in module.parameters()), "cpu")


def put(owner, key, tensor):
    if key in owner._parameters:
        raise _abi.Error(f"'{key}' of a {type(owner).__name__} shares its memory with another parameter, and did not when the "
                         "snapshot was made; make the model as it was made then", _abi.MISMATCH)
    table = owner._buffers if key in owner._buffers else owner.__dict__
    table[key] = tensor


def bare(module):
    """The module inside torch.compile and data-parallel wrappers."""
    while True:
        inner = module._modules
        if "_orig_mod" in inner and type(module).__name__ == "OptimizedModule":
            module = inner["_orig_mod"]
        elif "module" in inner and type(module).__name__ in ("DataParallel", "DistributedDataParallel"):
            module = inner["module"]
        else:
            return module


def modules_of(module, prefix="", again=None):
    """(dotted name, module) of it and all inside; one that is used twice comes once, and is noted in `again`: {name: first name}."""
    seen: dict[int, str] = {}
    waiting = [(prefix, module)]
    while waiting:
        name, module = waiting.pop()
        module = bare(module)
        if id(module) in seen:
            if again is not None:
                again[name] = seen[id(module)]
            continue
        seen[id(module)] = name
        yield name, module
        for key, child in reversed(module._modules.items()):
            if child is not None:
                waiting.append((f"{name}.{key}" if name else key, child))


def tensors_of(module, with_empty=False):
    """(dotted name, its module, its key there, tensor) of every tensor. `with_empty`: also of those that a lazy module has yet to
    make, and of buffers and attributes that are None by now."""
    for prefix, owner in modules_of(module):
        dotted = prefix + "." if prefix else ""
        for key, tensor in owner._parameters.items():
            if tensor is not None and (with_empty or not is_lazy(tensor)):
                yield dotted + key, owner, key, tensor
        for key, tensor in owner._buffers.items():
            if with_empty or tensor is not None and not is_lazy(tensor):
                yield dotted + key, owner, key, tensor
        for key, value in owner.__dict__.items():
            if value is None and with_empty or is_tensor(value):
                yield dotted + key, owner, key, value


def nests_of(module):
    """(dotted name, value) of every plain attribute that is an array or a random generator, or a container with such, or with
    tensors, in it: a hidden state, a memory, a cache."""
    own = _own_attributes()
    for prefix, owner in modules_of(module):
        for key, value in owner.__dict__.items():
            if type(value) not in PLAIN and key not in own and not is_tensor(value) and holds_state(value):
                yield f"{prefix}.{key}" if prefix else key, value


def changed_attributes(writer, path, module):
    """(dotted name, value) of every attribute that is a plain value, or a container of such, and is not as the script made it: a
    counter, a list of losses, a rate of dropout that training lowers. What begins with an underscore is a library's own."""
    own = _own_attributes()
    for prefix, owner in modules_of(module):
        now = {key: value for key, value in owner.__dict__.items() if key not in own and not key.startswith("_") and is_plain(value)}
        before = writer.at_start((*path, prefix, PLAIN), lambda now=now: copy_of(now)) or {}
        if now != before:
            for key, value in now.items():
                if (key not in before or value != before[key]) and not may_be_a_descriptor(owner, key, before.get(key), value):
                    yield f"{prefix}.{key}" if prefix else key, value


def unchanged_attributes(reader, path, modules, saved):
    """(module, its key there, function that yields the value, what is there now) of those that the snapshot does not have, since training
    had not changed them by then, where something else stands there now: what an epoch's first lines have set, say."""
    for prefix, owner in modules.items():
        for key, value in reader.at_start.get((*path, prefix, PLAIN), {}).items():
            now = owner.__dict__.get(key)
            if (f"{prefix}.{key}" if prefix else key) not in saved and key in owner.__dict__ and not (is_plain(now) and now == value):
                yield owner, key, functools.partial(remember(copy_of(value)), now), now


def copy_of(value):
    """Of plain values and containers of such. A class derived from dict may answer anything to copy.deepcopy()."""
    if isinstance(value, collections.defaultdict):
        return collections.defaultdict(value.default_factory, {key: copy_of(item) for key, item in value.items()})
    if isinstance(value, dict):
        made = type(value).__new__(type(value))
        dict.update(made, {key: copy_of(item) for key, item in value.items()})
        return made
    if isinstance(value, collections.deque):
        return collections.deque(map(copy_of, value), value.maxlen)
    return type(value)(map(copy_of, value)) if type(value) in CONTAINERS else value


CONTAINERS = (list, tuple, set, frozenset)


def is_plain(value, depth=0) -> bool:
    if type(value) in PLAIN or isinstance(value, (bytes, complex, enum.Enum)) or numpy() is not None and isinstance(value, numpy().generic):
        return True
    if type(value) in (*CONTAINERS, collections.deque):
        return depth < DEEPEST and all(is_plain(item, depth + 1) for item in value)
    return isinstance(value, dict) and depth < DEEPEST and all(is_plain(item, depth + 1) for item in value.values())


@functools.lru_cache(maxsize=None)
def _own_attributes() -> frozenset:
    """Of every module: its tables of parameters, hooks and the like."""
    return frozenset(torch().nn.Module().__dict__)


def holds_state(value, depth=0) -> bool:
    if isinstance(value, (list, tuple, collections.deque, dict)):
        items = value.values() if isinstance(value, dict) else value
        return depth < DEEPEST and any(holds_state(item, depth + 1) for item in itertools.islice(items, LONGEST))
    if numpy() is not None and isinstance(value, numpy().ndarray):
        return value.flags.writeable         # else nothing can have changed it: data in a file, say
    return is_tensor(value) or is_generator(value)


KINDS = (Tensor(), Module(), TorchGenerator())
