# SPDX-License-Identifier: Apache-2.0
"""What is part of a run's state although nobody gave it: random generators that a loader holds, and plain numbers that a sampler or
a dataset of the script's own counts up."""
from __future__ import annotations

import functools
import random
import sys
import types
import weakref
from typing import Any, Iterator

from ._numpy import generator_state, set_generator_state
from ._source import is_ours, scopes
from ._tree import PLAIN

DEEPEST, MOST = 6, 10_000      # objects in objects; all that are looked at
LONGEST = 100                  # items of a container: a longer one is data


class Attributes:
    """The plain attributes of an object that are not as the script made them: a counter, a switch. What the script makes otherwise
    in its next start counts, as long as nothing changes it later."""

    def __init__(self, owner):
        self._owner = weakref.ref(owner)
        self._made = plain_attributes(owner)
        self._restored: set[str] = set()       # in a notebook they may have been changed by the run before

    def is_of(self, value) -> bool:
        return self._owner() is value

    def state(self) -> dict:
        return {name: value for name, value in plain_attributes(self._owner()).items()
                if name in self._restored or name not in self._made or not is_same(self._made[name], value)}

    def put_back(self, state: dict):
        if not all(isinstance(name, str) and not name.startswith("__") and type(value) in PLAIN for name, value in state.items()):
            raise ValueError("attributes")
        self._restored |= state.keys()
        owner = self._owner()
        if owner is not None:
            now = plain_attributes(owner)
            vars(owner).update({name: value for name, value in (self._made | state).items() if name in state or name in now})


def plain_attributes(owner) -> dict:
    return {name: value for name, value in getattr(owner, "__dict__", {}).items()
            if type(value) in PLAIN and not name.startswith("__") and not (type(value) is str and has_lone_surrogates(value))}


def has_lone_surrogates(text: str) -> bool:
    """As in the name of a file that is not UTF-8: JSON has none."""
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


def is_same(a, b) -> bool:
    return type(a) is type(b) and a == b


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
    """What variables of the script lead to, by the name of the variable and attributes; `but`: what is not looked into."""
    owners = [(prefix + name, value) for prefix, variables in scopes() for name, value in list(variables.items())
              if not name.startswith("__")]
    return held_in(owners, {id(value) for value in but if not is_generator(value)})


def held_by_loader(loader) -> dict[str, Any]:
    """What belongs to a loader, its samplers or its dataset."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    return held_in([("loader", loader), ("sampler", getattr(loader, "sampler", None)), ("batch_sampler", batch_sampler),
                    ("batch_sampler.sampler", getattr(batch_sampler, "sampler", None)),
                    ("dataset", getattr(loader, "dataset", None)), ("collate_fn", getattr(loader, "collate_fn", None))], set())


def generators_in(owners: list) -> dict[str, Any]:
    return {label: part for label, part in held_in(owners, set()).items() if is_generator(part)}


def held_in(owners: list, seen: set[int]) -> dict[str, Any]:
    """Random generators, and objects of the script's own that give data, among these objects and those that they hold, down to the
    transforms of a dataset inside another; by owner and attributes."""
    found: dict[str, Any] = {}
    waiting = [(label, owner, 0) for label, owner in owners if may_hold(owner)]
    for label, value, depth in waiting:              # grows: those that are held closest come first
        if id(value) in seen or len(seen) > MOST:
            continue
        seen.add(id(value))
        if is_generator(value) or gives_data(value):
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


def gives_data(value) -> bool:
    """An object of a class of the script's own that is iterated, indexed or called: a sampler, a dataset, a transform. What a
    module keeps beside its tensors is left to the script."""
    kind = type(value)
    return (any(hasattr(kind, name) for name in ("__iter__", "__getitem__", "__call__")) and hasattr(value, "__dict__")
            and kind.__weakrefoffset__ != 0 and is_of_script(kind) and not is_module(value))


@functools.lru_cache(maxsize=None)
def is_of_script(kind: type) -> bool:
    return kind.__module__ == "__main__" or is_ours(getattr(sys.modules.get(kind.__module__), "__file__", None))


def is_module(value) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def is_generator(value) -> bool:
    numpy, torch = sys.modules.get("numpy.random"), sys.modules.get("torch")
    return (isinstance(value, random.Random) and not isinstance(value, random.SystemRandom)
            or numpy is not None and isinstance(value, (numpy.Generator, numpy.RandomState))
            or torch is not None and isinstance(value, torch.Generator))
