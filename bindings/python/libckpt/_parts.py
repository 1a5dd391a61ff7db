# SPDX-License-Identifier: Apache-2.0
"""What a torch module consists of: the modules inside it, those that it keeps beside its layers, and objects of the script's own classes."""
from __future__ import annotations

import collections
import functools
from typing import Any, Iterator, NamedTuple

from ._held import has_attributes
from ._plain import Dataclass
from ._torch import is_tensor, torch
from ._tree import PLAIN, kind_of

DEEPEST, LONGEST = 4, 100    # containers and objects in each other, and items of each, that are looked into for modules and objects
MOST = 20_000                # of all these


class Place(NamedTuple):
    """Where a value stands: under `key` in `table`, a list or the dict of an object's attributes, say. `way`: the name of the module or
    object that has the attribute, the attribute's, and the keys from there."""
    name: str
    table: Any
    key: Any
    way: tuple

    @property
    def is_item(self) -> bool:
        return len(self.way) > 2


class Held:
    """An object of the script's own classes, known by the first of its `places`."""

    def __init__(self, value, place: Place):
        self.value, self.places = value, [place]

    @property
    def name(self) -> str:
        return self.places[0].name


class Parts:
    """`modules`: (dotted name, module) of it and all inside; `again`: {name: first name} of those that are used once more; `wrappers`: of
    what is around it; `hidden`: of those in its attributes, lists and objects, which are in no state_dict(): a teacher; `objects`: of the
    script's own classes, there."""

    def __init__(self, module):
        self.again: dict[str, str] = {}
        self.modules = list(modules_of(module, again=self.again))
        self.wrappers = list(wrappers_of(module))
        self.hidden: list = []
        self._objects: dict[int, Held] = {}
        self._items: dict[int, list] = {}
        seen = {id(inner) for _, inner in (*self.modules, *self.wrappers)}
        waiting: list = []
        for name, owner in (*self.modules, *self.wrappers):
            waiting += attributes_of(name, self.items_of(owner), owner.__dict__)
        for place, value, depth in waiting:                # grows
            if isinstance(value, torch().nn.Module):
                for name, inner in modules_of(value, place.name):
                    if id(inner) not in seen:
                        seen.add(id(inner))
                        self.hidden.append((name, inner))
                        waiting += attributes_of(name, self.items_of(inner), inner.__dict__)
            elif depth < DEEPEST and len(waiting) < MOST:
                waiting += self._inside(place, value, depth + 1)

    def _inside(self, place, value, depth) -> list:
        if is_container(value):
            return [(Place(f"{place.name}[{key!r}]", value, key, (*place.way, key)), item, depth) for key, item in few_of(value) if may_lead_on(item)]
        if not is_own_object(value) or place.is_item and isinstance(kind_of(value), Dataclass):
            return []            # of a dataclass a container is saved with what is in it
        if id(value) in self._objects:
            self._objects[id(value)].places.append(place)
            return []
        self._objects[id(value)] = Held(value, place)
        return attributes_of(place.name, vars(value).items(), vars(value), depth)

    def items_of(self, module) -> list:
        """own_items(), looked for once."""
        items = self._items.get(id(module))
        if items is None:
            items = self._items[id(module)] = own_items(module)
        return items

    @property
    def objects(self) -> list[Held]:
        return list(self._objects.values())

    @property
    def every_module(self) -> list:
        return [*self.modules, *self.hidden, *self.wrappers]

    def owners(self) -> dict[str, Any]:
        """What has attributes, by name."""
        return dict(self.every_module) | {held.name: held.value for held in self.objects}


def is_container(value) -> bool:
    return type(value) in (list, tuple, collections.deque) or isinstance(value, dict)


def attributes_of(name, items, table, depth=0) -> list:
    return [(Place(dotted(name, key), table, key, (name, key)), value, depth) for key, value in items if may_lead_on(value)]


def may_lead_on(value) -> bool:
    return type(value) not in PLAIN and not is_tensor(value)


def few_of(value) -> list:
    if len(value) > LONGEST:
        return []
    return list(dict.items(value)) if isinstance(value, dict) else list(enumerate(value))


def is_own_object(value) -> bool:
    return has_attributes(value) and ((kind := kind_of(value)) is None or isinstance(kind, Dataclass))


def dotted(prefix, key) -> str:
    return f"{prefix}.{key}" if prefix else key


def own_items(owner):
    """Attributes that not every module has."""
    every = attributes_of_every_module()
    return [(key, value) for key, value in owner.__dict__.items() if key not in every]


@functools.lru_cache(maxsize=None)
def attributes_of_every_module() -> frozenset:
    """Its tables of parameters, hooks and the like. Whether it is in training is part of the state: a frozen layer's statistics are too."""
    return frozenset(torch().nn.Module().__dict__) - {"training"}


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


def wrappers_of(module):
    """(name, module) of what is around it: a counter may have been set there."""
    inner = bare(module)
    while module is not inner:
        yield f"({type(module).__name__})", module
        module = module._modules.get("module") or module._modules["_orig_mod"]


def modules_of(module, prefix="", again=None) -> Iterator[tuple[str, Any]]:
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
