# SPDX-License-Identifier: Apache-2.0
"""torch.optim optimizers, without their load_state_dict: that casts state to the parameter's type and makes new tensors.

A parameter is known by the name of its array, so that groups which the program made later (unfreezing) are found again."""
from __future__ import annotations

from . import _abi
from ._attributes import changed_object, restored_object
from ._held import has_attributes
from ._plain import StateDict
from ._torch import is_lazy, is_tensor, read_tensor, to_save, torch
from ._tree import Kind, name_of, shown


class Optimizer(Kind):
    tag = "$optimizer"
    needs_live = True

    def takes(self, value):
        if torch() is None or not isinstance(value, torch().optim.Optimizer):
            return False
        base = torch().optim.Optimizer      # one with a state_dict of its own is an object like others
        return type(value).state_dict is base.state_dict and type(value).load_state_dict is base.load_state_dict

    def write(self, writer, value, path):
        groups: list[dict] = []
        number_of: dict[int, int] = {}
        for group in value.param_groups:
            names = []
            for param in group["params"]:
                number_of[id(param)] = len(number_of)
                if is_lazy(param):           # nothing of it can have been saved before it is made
                    names.append(name_of((*path, "params", number_of[id(param)])))
                    continue
                names.append(writer.array(param, (*path, "params", number_of[id(param)]), lambda p=param: to_save(p)))
            rest = {key: item for key, item in group.items() if key != "params"}
            groups.append({"params": names, "values": writer.forgiving(rest, (*path, "groups", len(groups)))})
        own = writer.forgiving(changed_object(writer, (*path, "own"), value), (*path, "own")) if has_attributes(value) else None
        return {"type": type(value).__name__, "groups": groups, "state": self._write_state(writer, value, path, number_of), "own": own}

    def _write_state(self, writer, value, path, number_of):
        entries = []
        for key, state in value.state.items():
            number = number_of.get(id(key)) if is_tensor(key) else None
            if is_tensor(key) and number is None:
                continue        # of a parameter that is in no group any more
            name = key if number is None else number
            entries.append([writer.node(name, path), number is not None, writer.forgiving(state, (*path, name))])
        return entries

    def read(self, reader, content, live, path):
        if live is None:
            raise _abi.Error(f"the snapshot holds an optimizer '{shown(path)}', which this program does not have",
                             _abi.MISMATCH)
        refuse_another(content["type"], type(live).__name__, path)
        known = [param for group in live.param_groups for param in group["params"]]
        params: list = []
        groups = []
        for index, saved in enumerate(content["groups"]):
            members = [self._param(reader, name, known, len(params) + i, path) for i, name in enumerate(saved["params"])]
            params += members
            old = live.param_groups[index] if index < len(live.param_groups) else {}
            rest = {key: item for key, item in old.items() if key != "params"}
            with reader.fresh_containers():
                groups.append((old, members, reader.value(saved["values"], rest, (*path, "groups", index))))
        states = [self._state(reader, entry, live, params, path) for entry in content["state"]]
        put_back_own = restored_object(reader, (*path, "own"), live, content["own"]) if has_attributes(live) and reader.goes_on else None

        def restore():
            live.param_groups[:] = [regroup(*group) for group in groups]
            restored = [(key, state()) for key, state in states]
            live.state.clear()
            live.state.update(restored)
            if put_back_own:
                put_back_own()
            return live
        return restore

    def _param(self, reader, name, known, number, path):
        owner = reader.owners.get(name)
        if owner is None:
            if number >= len(known):
                raise _abi.Error(f"'{shown(path)}' had more parameters when the snapshot was made, and '{name}' is not part "
                                 "of a module given to Run: give the module as well", _abi.MISMATCH)
            owner = known[number]
            read_tensor(reader, name, owner)
        return owner

    def _state(self, reader, entry, live, params, path):
        key, of_param, node = entry
        key = params[key] if of_param else reader.value(key, None, path)()
        old = live.state.get(key)
        with reader.fresh_containers():
            return key, self._on_device(reader, node, old, key if of_param else None, path)

    def _on_device(self, reader, node, old, param, path):
        """State that does not exist yet is made where its parameter is, unless it lived on the host."""
        if param is not None and isinstance(node, dict) and not old:
            node = {name: moved(item, param.device) for name, item in node.items()}
        return reader.value(node, old, path)


class Scheduler(StateDict):
    """Of the learning rate. Another kind of schedule would take the state, and compute nonsense from it."""
    tag = "$scheduler"

    def takes(self, value):
        return torch() is not None and isinstance(value, torch().optim.lr_scheduler.LRScheduler)

    def write(self, writer, value, path):
        return {"type": kind_of_schedule(value), "state": super().write(writer, value, path)}

    def read(self, reader, content, live, path):
        if live is not None:
            refuse_another(content["type"], kind_of_schedule(live), path)
        return super().read(reader, content["state"], live, path)


def kind_of_schedule(schedule) -> str:
    """With those inside: torch gives the state of each to the one in its place."""
    inner = getattr(schedule, "_schedulers", None)
    return type(schedule).__name__ + (f"({', '.join(map(kind_of_schedule, inner))})" if isinstance(inner, (list, tuple)) else "")


def refuse_another(saved: str, here: str, path):
    if here != saved:
        raise _abi.Error(f"'{shown(path)}' was {saved} when the snapshot was made and is {here} here; use the same, "
                         "or begin a new run with what shall be kept: Run(..., init_from=PATH, only=[\"model\"])", _abi.MISMATCH)


def moved(node, device):
    on_device = isinstance(node, dict) and isinstance(node.get("$tensor"), list)
    return {"$tensor": [node["$tensor"][0], str(device)]} if on_device else node


def regroup(group, params, values):
    group["params"] = params
    group.update(values())
    return group
