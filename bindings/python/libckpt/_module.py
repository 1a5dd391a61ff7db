# SPDX-License-Identifier: Apache-2.0
"""PyTorch modules."""
from __future__ import annotations

from . import _abi
from ._attributes import (changed_attributes, changed_objects, has_a_state_dict, items_in, kept_in, renew_objects, restored_objects,
                          unchanged_attributes)
from ._log import warn
from ._parts import Parts, dotted, modules_of, own_items
from ._torch import dtype_code, is_lazy, is_tensor, read_tensor, to_save, torch, torch_dtype
from ._tree import Kind, give_back, name_of, shown


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
        parts = Parts(value)
        hidden = {id(module): name for name, module in parts.hidden}
        for name, owner, key, tensor in tensors_of(parts):
            if not is_tensor(tensor):
                continue
            place = (*path, name)
            if id(owner) in hidden and not writer.is_made((*place, tuple(tensor.shape))):
                if writer.is_untold((*path, hidden[id(owner)])):
                    warn(f"{shown((*path, hidden[id(owner)]))} ({type(owner).__name__}) is a module that training has made, so it is not saved: a "
                         "resume finds what the script has made; make it before Run(), or keep its state_dict() in run.vars")
                continue
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
            elif key in owner._non_persistent_buffers_set or id(owner) in hidden:
                unlisted.append(name)
        for name, module in (*parts.modules, *parts.hidden):
            if type(module).get_extra_state is not torch().nn.Module.get_extra_state:
                extra[name] = writer.forgiving(module.get_extra_state(), (*path, name, "extra_state"))
        kept, values = kept_in(parts)
        nests = {name: writer.forgiving(nest, (*path, name)) for name, nest in kept}
        plain = {name: writer.plain(value, (*path, name)) for name, value in changed_attributes(writer, path, values)}
        objects = {name: writer.forgiving(changed, (*path, name)) for name, changed in changed_objects(writer, path, parts.objects)}
        return {"shared": shared, "extra": extra, "attributes": attributes, "nests": nests, "frozen": frozen,
                "unlisted": unlisted, "again": parts.again, "casts": casts, "plain": plain, "objects": objects}

    def read(self, reader, content, live, path):
        if live is None:
            raise _abi.Error(f"the snapshot holds a module '{shown(path)}', which this program does not have", _abi.MISMATCH)
        if reader.goes_on:
            renew_objects(reader, path, live, content["objects"])
        parts = Parts(live)
        values, missing, owners = [], set(content["attributes"]), parts.owners()
        for name, owner, key, tensor in tensors_of(parts, with_empty=True):
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
            if owner in owners:
                saved = content["shared"].get(name) or name_of((*path, name))
                values.append((owners[owner], key, read_tensor(reader, saved, None, str(device_of(live))), None))
        for name, node in (content["nests"] | (content["plain"] if reader.goes_on else {})).items():
            owner, _, key = name.rpartition(".")
            if owner in owners and (key in vars(owners[owner]) or reader.makes(node)):
                nest = vars(owners[owner]).get(key)
                values.append((owners[owner], key, reader.value(node, nest, (*path, name)), nest))
        values += unchanged_attributes(reader, path, parts.every_module, {*content["nests"], *content["attributes"], *content["plain"], *content["objects"]})
        objects = restored_objects(reader, path, parts.objects, content["objects"]) if reader.goes_on else []
        parameters = {name: tensor for name, owner, key, tensor in tensors_of(parts, with_empty=True) if key in owner._parameters}
        frozen = [(parameters[name], flag) for name, flag in content["frozen"].items() if name in parameters]
        extra = [(owners[name], reader.value(node, None, (*path, name, "extra_state")), (*path, name))
                 for name, node in content["extra"].items() if name in owners]

        def restore():
            for owner, key, value, tensor in values:
                if (restored := value()) is not tensor:
                    put(owner, key, restored)
            for put_back in objects:
                put_back()
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
    if not isinstance(owner, torch().nn.Module):
        vars(owner)[key] = tensor
        return
    if key in owner._parameters:
        raise _abi.Error(f"'{key}' of a {type(owner).__name__} shares its memory with another parameter, and did not when the "
                         "snapshot was made; make the model as it was made then", _abi.MISMATCH)
    table = owner._buffers if key in owner._buffers else owner.__dict__
    table[key] = tensor


def tensors_of(parts, with_empty=False):
    """(dotted name, its module, its key there, tensor) of every tensor of modules. `with_empty`: also of those that a lazy module has yet to
    make, and of buffers and attributes that are None by now."""
    kind = torch().Tensor
    for prefix, owner in (*parts.modules, *parts.hidden):
        before = prefix + "." if prefix else ""
        for key, tensor in owner._parameters.items():
            if tensor is not None and (with_empty or not is_lazy(tensor)):
                yield before + key, owner, key, tensor
        for key, tensor in owner._buffers.items():
            if with_empty or tensor is not None and not is_lazy(tensor):
                yield before + key, owner, key, tensor
        for key, value in parts.items_of(owner):
            if value is None and with_empty or isinstance(value, kind):
                yield before + key, owner, key, value


def left_inside(objects: dict) -> list[tuple[str, str]]:
    """(place, class) of what has a state_dict and is inside something given whose state does not have it: an optimizer that is an attribute of
    a module, SAM's base_optimizer."""
    if torch() is None:
        return []
    given = {id(value) for value in objects.values()}
    base = torch().optim.Optimizer
    owners = [(name, value) for name, value in objects.items() if isinstance(value, base) and type(value).state_dict is base.state_dict]
    owners += [owner for name, value in objects.items() if isinstance(value, torch().nn.Module) for owner in modules_of(value, name)]
    return [(dotted(name, key), type(inner).__name__) for name, owner in owners for place, value in own_items(owner)
            for key, inner in items_in(place, value) if has_a_state_dict(inner) and id(inner) not in given]
