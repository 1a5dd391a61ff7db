# SPDX-License-Identifier: Apache-2.0
"""What torch modules keep beside their parameters, buffers and tensors: plain values, containers, random generators, and objects of the
script's own classes."""
from __future__ import annotations

import collections
import enum
import functools
import itertools

from ._copies import remember, tuple_of
from ._held import Attributes, has_attributes, may_be_a_descriptor, named_by_script
from ._numpy import is_generator, numpy
from ._plain import Dataclass, is_named_tuple
from ._torch import is_tensor, torch
from ._tree import PLAIN, kind_of, shown

DEEPEST, LONGEST = 4, 100    # containers in containers, and items of each, that are looked into for state
OBJECT = object()            # of at_start


def nests_of(modules):
    """(dotted name, value) of every plain attribute that is an array or a random generator, or a container with such, or with
    tensors, in it: a hidden state, a memory, a cache. `modules`: (dotted name, module), here as below."""
    for prefix, owner in modules:
        for key, value in own_items(owner):
            if type(value) not in PLAIN and not is_tensor(value) and holds_state(value):
                yield dotted(prefix, key), value


def changed_attributes(writer, path, modules):
    """(dotted name, value) of every attribute that is a plain value, or a container of such, and is not as the script made it: a
    counter, a list of losses, a rate of dropout that training lowers."""
    for prefix, owner in modules:
        now = {key: value for key, value in own_items(owner) if is_of_class(key, owner) and is_plain(value)}
        before = writer.at_start((*path, prefix, PLAIN), lambda now=now: copy_of(now)) or {}
        if now != before:
            for key, value in now.items():
                if (key not in before or value != before[key]) and not may_be_a_descriptor(owner, key, before.get(key), value):
                    yield dotted(prefix, key), value


def unchanged_attributes(reader, path, modules, saved):
    """(module, its key there, function that yields the value, what is there now) of those that the snapshot does not have, since training
    had not changed them by then, where something else stands there now: what an epoch's first lines have set, say."""
    for prefix, owner in modules:
        for key, value in reader.at_start.get((*path, prefix, PLAIN), {}).items():
            now = owner.__dict__.get(key)
            if dotted(prefix, key) not in saved and key in owner.__dict__ and not (is_plain(now) and now == value):
                yield owner, key, functools.partial(remember(copy_of(value)), now), now


def changed_objects(writer, path, modules):
    """(dotted name, what changed_object() says) of every object of the script's own classes that a module holds: a meter."""
    for name, held in objects_of(modules):
        if changed := changed_object(writer, (*path, name), held):
            yield name, changed


def changed_object(writer, path, held) -> dict | None:
    """{class, attributes}: the small attributes that training has changed. All, and `anew`, where the script has put it in place of another,
    which may stand elsewhere as well and is left as it is."""
    attributes = writer.at_start((*path, OBJECT), lambda: Attributes(held))
    anew = attributes is not None and not attributes.is_of(held)
    if anew and type(held).__new__ is not object.__new__:
        return None              # of which no other can be made
    if attributes is None or anew:
        attributes = Attributes(held, made={})
    changed = attributes.state()
    attributes.tell_growth(shown(path))
    return {"class": type(held).__qualname__, "attributes": changed, "anew": anew} if changed else None


def restored_objects(reader, path, modules, saved):
    """A function for each of those, which puts the attributes back."""
    owners = dict(modules)
    return [restored_object(reader, (*path, name), held, saved.get(name), owners[name.rpartition(".")[0]])
            for name, held in objects_of(owners.items())]


def restored_object(reader, path, held, saved, owner=None):
    attributes = reader.at_start.get((*path, OBJECT))
    if attributes is None or not attributes.is_of(held):
        attributes = Attributes(held)
    if saved and saved["class"] != type(held).__qualname__:
        return lambda: None
    state = reader.value(saved["attributes"], None, path) if saved else dict

    def put_back():
        if not (saved and saved["anew"]):
            attributes.put_back(state())
            return
        made = object.__new__(type(held))
        vars(made).update(vars(held))
        Attributes(made).put_back(state())
        owner.__dict__[path[-1].rpartition(".")[2]] = made
    return put_back


def objects_of(modules):
    for prefix, owner in modules:
        for key, value in own_items(owner):
            if type(value) not in PLAIN and has_attributes(value) and (kind_of(value) is None or isinstance(kind_of(value), Dataclass)):
                yield dotted(prefix, key), value


def items_in(place, value):
    if type(value) in (list, tuple, dict) and len(value) <= LONGEST:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [(f"{place}[{key!r}]", item) for key, item in items]
    return [(place, value)]


def has_a_state_dict(value) -> bool:
    return kind_of(value) is not None and kind_of(value).needs_live and not isinstance(value, torch().nn.Module)


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


def is_of_class(key, owner) -> bool:
    """What begins with an underscore is a library's own, numbers of objects of this process for instance, unless the script's class names it."""
    return not key.startswith("_") or key in named_by_script(type(owner))


def copy_of(value):
    """Of plain values and containers of such. A class derived from dict may answer anything to copy.deepcopy()."""
    if isinstance(value, collections.defaultdict):
        return collections.defaultdict(value.default_factory, {key: copy_of(item) for key, item in value.items()})
    if isinstance(value, dict):
        made = type(value).__new__(type(value))
        dict.update(made, {key: copy_of(item) for key, item in dict.items(value)})
        return made
    if isinstance(value, collections.deque):
        return collections.deque(map(copy_of, value), value.maxlen)
    if isinstance(value, tuple):
        return tuple_of(value, map(copy_of, value))
    return type(value)(map(copy_of, value)) if type(value) in CONTAINERS else value


CONTAINERS = (list, tuple, set, frozenset)


def is_plain(value, depth=0) -> bool:
    if type(value) in PLAIN or isinstance(value, (bytes, complex, enum.Enum)) or numpy() is not None and isinstance(value, numpy().generic):
        return True
    if type(value) in (*CONTAINERS, collections.deque) or is_named_tuple(type(value)):
        return depth < DEEPEST and all(is_plain(item, depth + 1) for item in value)
    return isinstance(value, dict) and depth < DEEPEST and all(is_plain(item, depth + 1) for item in dict.values(value))


def holds_state(value, depth=0) -> bool:
    if isinstance(value, (list, tuple, collections.deque, dict)):
        items = dict.values(value) if isinstance(value, dict) else value
        return depth < DEEPEST and any(holds_state(item, depth + 1) for item in itertools.islice(items, LONGEST))
    if numpy() is not None and isinstance(value, numpy().ndarray):
        return value.flags.writeable         # else nothing can have changed it: data in a file, say
    return is_tensor(value) or is_generator(value)
