# SPDX-License-Identifier: Apache-2.0
"""What is part of a run's state although nobody gave it: random generators that a loader holds, and what a sampler, a dataset or
another object of the script's own that it holds counts up, or switches."""
from __future__ import annotations

import dis
import functools
import sys
import types
import weakref
from typing import Any, Iterator

from ._copies import MANY, is_same, remember, small_copy
from ._numpy import generator_state, is_generator, set_generator_state
from ._source import is_ours, scopes

DEEPEST, MOST = 10, 10_000     # objects in objects; all that are looked at
LONGEST = 1000                 # items of a container: a longer one is data


class Attributes:
    """The attributes of an object that are small, and not as the script made them: a counter, a switch, a short list. What the script
    makes otherwise in its next start counts, as long as nothing changes it later.

    A flag that says that a file is open, or a cache is full, goes with that, which is not saved: then it is left to the script, too."""

    def __init__(self, owner):
        self._owner = weakref.ref(owner)
        self._made = small_attributes(owner)
        self._others = {name: id(value) for name, value in vars(owner).items() if name not in self._made}
        self._restored: set[str] = set()       # in a notebook they may have been changed by the run before

    def is_of(self, value) -> bool:
        return self._owner() is value

    def state(self) -> dict:
        owner = self._owner()
        now = small_attributes(owner)
        lost = {name for name, value in getattr(owner, "__dict__", {}).items()
                if name not in now and (name in self._made or self._others.get(name) != id(value))}
        return {name: value for name, value in now.items()
                if (name in self._restored or name not in self._made or not is_same(self._made[name], value))
                and not (lost and self._is_flag_of(lost, type(owner), name, value))}

    def _is_flag_of(self, lost, kind, name, value) -> bool:
        may_be = type(value) is bool or self._made.get(name) is None
        return may_be and not lost.isdisjoint(named_beside(kind).get(name, ()))

    def put_back(self, state: dict):
        if not all(isinstance(name, str) and not name.startswith("__") and small_copy(value) is not MANY for name, value in state.items()):
            raise ValueError("attributes")
        self._restored |= state.keys()
        owner = self._owner()
        if owner is not None:
            attributes = vars(owner)
            now = small_attributes(owner)
            for name, value in (self._made | state).items():
                if name in state or name in now:
                    attributes[name] = remember(small_copy(value))(attributes.get(name))


@functools.lru_cache(maxsize=None)
def named_beside(kind: type) -> dict[str, set[str]]:
    """Of each attribute that a method of the class sets, all that such methods name."""
    found: dict[str, set[str]] = {}
    for code in (function.__code__ for base in kind.__mro__ for name, function in vars(base).items()
                 if isinstance(function, types.FunctionType) and name != "__init__"):
        for step in dis.get_instructions(code):
            if step.opname == "STORE_ATTR":
                found.setdefault(step.argval, set()).update(code.co_names)
    return found


DESCRIPTORS = ("fd", "fileno")        # of open files: numbers that mean something in their process only


def small_attributes(owner) -> dict:
    found = {name: small_copy(value) for name, value in getattr(owner, "__dict__", {}).items()
             if not name.startswith("__") and not name.endswith(DESCRIPTORS)}
    return {name: value for name, value in found.items() if value is not MANY}


class Part:
    """Something that may move with a loader. `saved`: what state_of() takes; `path`: the variable that leads to it, "": none does;
    `since`: the epoch in which it was met, -1: before the loop."""

    def __init__(self, held, path: str, since: int):
        self.saved = held if is_generator(held) else Attributes(held)
        self.path, self.since = path, since

    def is_of(self, held) -> bool:
        return self.saved is held or isinstance(self.saved, Attributes) and self.saved.is_of(held)


def state_of(part):
    return part.state() if isinstance(part, Attributes) else generator_state(part)


def put_back(part, state):
    part.put_back(state) if isinstance(part, Attributes) else set_generator_state(part, state)


# ---- Where they are --------------------------------------------------------------------------------------------------------


def held_by_script(but: list) -> dict[str, Any]:
    """What variables of the script lead to, by the name of the variable and attributes, loaders with workers as well; `but`: what is
    not looked into."""
    owners = [(prefix + name, value) for prefix, variables in scopes() for name, value in list(variables.items())
              if not name.startswith("__")]
    return held_in(owners, {id(value) for value in but if not is_generator(value)}, is_loader_with_workers)


def held_by_loader(loader) -> dict[str, Any]:
    """What belongs to a loader, its samplers or its dataset."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    return held_in([("loader", loader), ("sampler", getattr(loader, "sampler", None)), ("batch_sampler", batch_sampler),
                    ("batch_sampler.sampler", getattr(batch_sampler, "sampler", None)),
                    ("dataset", getattr(loader, "dataset", None)), ("collate_fn", getattr(loader, "collate_fn", None))], set())


def generators_in(owners: list) -> dict[str, Any]:
    return {label: part for label, part in held_in(owners, set()).items() if is_generator(part)}


def held_in(owners: list, seen: set[int], is_wanted=lambda value: False) -> dict[str, Any]:
    """Random generators, and objects of the script's own, among these objects and those that they hold, down to the
    transforms of a dataset inside another; by owner and attributes."""
    found: dict[str, Any] = {}
    waiting = [(label, owner, 0) for label, owner in owners if may_hold(owner)]
    for label, value, depth in waiting:              # grows: those that are held closest come first
        if id(value) in seen or len(seen) > MOST:
            continue
        seen.add(id(value))
        if is_generator(value) or has_attributes(value) or is_wanted(value):
            found[label] = value
        if depth < DEEPEST:
            waiting += [(f"{label}.{name}", inner, depth + 1) for name, inner in held_by(value)]
    return found


def held_by(value) -> Iterator[tuple[str, Any]]:
    """(name, object) of what may hold random generators: attributes, items of short containers, what a function is bound to."""
    if isinstance(value, (type, types.ModuleType)):
        return
    if isinstance(value, dict):
        items = value.items() if len(value) <= LONGEST else ()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value) if len(value) <= LONGEST else ()
    elif isinstance(value, types.MethodType):
        items = (("self", value.__self__),)
    elif isinstance(value, functools.partial):
        items = (*enumerate(value.args), *value.keywords.items())
    elif isinstance(value, types.FunctionType):
        items = closure_of(value)
    else:
        items = list(getattr(value, "__dict__", {}).items())
    yield from ((str(name), inner) for name, inner in items if may_hold(inner))


def may_hold(value) -> bool:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return False
    return hasattr(value, "__dict__") or isinstance(value, (dict, list, tuple)) or is_generator(value)


def closure_of(function) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield name, cell.cell_contents
        except ValueError:       # not assigned yet
            pass


def has_attributes(value) -> bool:
    """An object of a class of the script's own: a sampler, a dataset, a transform, the settings of one. What a module keeps beside its
    tensors is left to the script."""
    kind = type(value)
    return hasattr(value, "__dict__") and kind.__weakrefoffset__ != 0 and is_of_script(kind) and not is_module(value)


@functools.lru_cache(maxsize=None)
def is_of_script(kind: type) -> bool:
    return kind.__module__ == "__main__" or is_ours(getattr(sys.modules.get(kind.__module__), "__file__", None))


def is_loader_with_workers(value) -> bool:
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(value, data.DataLoader) and value.num_workers > 0


def is_module(value) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)
