# SPDX-License-Identifier: Apache-2.0
"""What torch modules keep beside their parameters, buffers and tensors: plain values, containers, random generators, and objects of the
script's own classes."""
from __future__ import annotations

import collections
import contextlib
import enum
import functools
import hashlib
import itertools
import json
import marshal

from ._copies import remember
from ._foreign import Foreign
from ._held import Attributes, is_own_class, may_be_a_descriptor, named_by_script
from ._log import warn
from ._numpy import is_generator, numpy
from ._parts import DEEPEST, LONGEST, Parts, dotted, is_own_object, own_items
from ._plain import Dataclass, class_named, is_named_tuple
from ._torch import is_tensor, torch
from ._tree import PLAIN, Writer, kind_of, shown

LARGEST = 1 << 20            # bytes of a value whose copy is kept
OBJECT = object()            # of at_start
SAVED_APART = {"param_groups", "state"}      # of an optimizer


def nests_of(owners):
    """(dotted name, value) of every attribute that is an array or a random generator, or a container with such, or with tensors, in it: a
    hidden state, a memory, a cache. `owners`: (dotted name, module or object), here as below. What can be indexed is data."""
    for prefix, owner in owners:
        is_object = not isinstance(owner, torch().nn.Module)
        if is_object and hasattr(type(owner), "__getitem__"):
            continue
        for key, value in vars(owner).items() if is_object else own_items(owner):
            if type(value) not in PLAIN and (is_object if is_tensor(value) else holds_state(value)):
                yield dotted(prefix, key), value


def changed_attributes(writer, path, modules):
    """(dotted name, value) of every attribute that is a plain value, or a container of such, and is not as the script made it: a
    counter, a list of losses, a rate of dropout that training lowers."""
    for prefix, owner in modules:
        plain = plain_items(owner)
        before = writer.at_start((*path, prefix, PLAIN), lambda plain=plain: {key: Made(value) for key, value in plain}) or {}
        for key, value in plain:
            made = before.get(key, MISSING)
            if not made.is_same(value) and not (made.is_same(None) and may_be_a_descriptor(owner, key, value)):
                tell_of_many(writer, (*path, dotted(prefix, key)), value)
                yield dotted(prefix, key), value


def tell_of_many(writer, path, value):
    items = (dict.values(value) if isinstance(value, dict) else value) if type(value) in (*MUTABLE, dict) and len(value) > LONGEST else ()
    if any(map(is_own_object, items)) and writer.is_untold(path):
        warn(f"not saved of {shown(path)}: objects of the script's own, of which there are more than {LONGEST}: keep what they hold in lists of "
             "numbers or arrays, or give what holds them a state_dict() and a load_state_dict(), and give it to Run")


def unchanged_attributes(reader, path, modules, saved):
    """(module, its key there, function that yields the value, what is there now) of those that the snapshot does not have, since training
    had not changed them by then, where something else stands there now: what an epoch's first lines have set, say."""
    for prefix, owner in modules:
        for key, made in reader.at_start.get((*path, prefix, PLAIN), {}).items():
            now = owner.__dict__.get(key)
            if dotted(prefix, key) not in saved and key in owner.__dict__ and made.put_back is not None and not made.is_same(now):
                yield owner, key, functools.partial(made.put_back, now), now


class Made:
    """A value as the script has made it."""

    def __init__(self, value):
        self._mark, length = mark_of(value)
        self.put_back = remember(value) if length <= LARGEST else None

    def is_same(self, value) -> bool:
        return mark_of(value)[0] == self._mark


def plain_items(owner) -> list:
    return [(key, value) for key, value in own_items(owner) if is_of_class(key, owner) and (type(value) in PLAIN or can_be_plain(value))]


def can_be_plain(value) -> bool:
    """Whether it is one, or a container in which some may be; what has a state is saved always."""
    kind = kind_of(value)
    return (kind is not None and not kind.needs_live and not is_own_object(value) and not isinstance(kind, Foreign)
            and not is_array(value) and not is_tensor(value) and not holds_state(value))


def mark_of(value) -> tuple:
    """(what differs where the values do, about how many bytes it takes)"""
    if type(value) in PLAIN and value == value:
        return (type(value), value), 0
    data = None
    if is_plain(value):
        with contextlib.suppress(ValueError):           # other classes than Python's own
            data = marshal.dumps(value, 1)              # the same for equal values: later versions tell objects apart
    if data is None:
        data = json.dumps(OnlyPlain().plain(value, ())).encode()
    return hashlib.blake2b(data, digest_size=16).digest(), len(data)


class OnlyPlain(Writer):
    """A walk that leaves out arrays."""

    def array(self, owner, path, make):
        raise TypeError


def changed_objects(writer, path, objects):
    """(name, what changed_object() says, and the `ways` to all its places) of every object of the script's own classes that a module holds:
    a meter."""
    for held in objects:
        if changed := changed_object(writer, (*path, held.name), held.value):
            ways = [list(place.way) for place in held.places] if changed["anew"] else []
            if changed["anew"] and not can_be_made(held) and writer.is_untold((*path, *held.places[0].way[:2])):
                warn(f"{shown((*path, held.name))} ({type(held.value).__name__}) was made in training, and cannot be made from a snapshot: a "
                     "resume finds it only where the script makes it once more; make it before Run()")
            yield held.name, changed | {"ways": ways}


def changed_object(writer, path, held) -> dict | None:
    """{class, attributes}: the small attributes that training has changed. All, and `anew`, where the script, or training, has put it there
    after Run(): what stood there may stand elsewhere as well, and is left as it is."""
    attributes = writer.at_start((*path, OBJECT), lambda: Attributes(held, saved_apart=SAVED_APART)) if writer.is_made((*path, OBJECT)) else None
    anew = attributes is None or not attributes.is_of(held)
    if anew:
        attributes = Attributes(held, {}, SAVED_APART)
    changed = attributes.state()
    attributes.tell_growth(shown(path))
    return {"class": name_of(type(held)), "attributes": changed, "anew": anew} if changed or anew else None


def can_be_made(held) -> bool:
    """From its class's name and small attributes, into lists and dicts that are there."""
    kind = type(held.value)
    return (kind.__new__ is object.__new__ and class_named(name_of(kind), is_own_class) is kind
            and all(type(place.table) is not tuple and all(type(key) in PLAIN for key in place.way) for place in held.places))


def renew_objects(reader, path, module, saved: dict):
    """Makes those that training had put in place of the script's, or where it has none, unless the epoch's first lines have by now."""
    owners: dict | None = None
    for name, changed in saved.items():                # those that hold others come before them
        if not changed["anew"]:
            continue
        ways = list(map(tuple, changed["ways"]))
        if owners is None or ways[0][0] not in owners:
            parts = Parts(module)              # as it is by now
            owners, places = parts.owners(), {place.way: held.value for held in parts.objects for place in held.places}
        old = places.get(ways[0])
        start = reader.at_start.get((*path, name, OBJECT))
        kind = type(old) if name_of(type(old)) == changed["class"] else class_named(changed["class"], is_own_class)
        if old is not None and (start is None or not start.is_of(old)) or kind is None or kind.__new__ is not object.__new__:
            continue
        made = object.__new__(kind)
        vars(made).update(vars(old) if type(old) is kind else {})
        for way in ways:
            put_into(owners.get(way[0]), way, made, places.get(way))


def put_into(owner, way, value, old):
    """Where the script has `old`, or nothing."""
    table = None if owner is None else vars(owner)
    for key in way[1:-1]:
        table = table.get(key) if isinstance(table, dict) else table[key] if isinstance(table, list) and type(key) is int and key < len(table) else None
    key = way[-1]
    if isinstance(table, dict) and table.get(key) is old or isinstance(table, MUTABLE) and key < len(table) and table[key] is old:
        table[key] = value
    elif isinstance(table, MUTABLE) and key == len(table):
        table.append(value)


MUTABLE = (list, collections.deque)


def name_of(kind: type) -> str:
    """As class_named() takes it."""
    return f"{kind.__module__}:{kind.__qualname__}"


def restored_objects(reader, path, objects, saved):
    """A function for each of those, which puts the attributes back."""
    return [restored_object(reader, (*path, held.name), held.value, saved.get(held.name)) for held in objects]


def restored_object(reader, path, held, saved):
    attributes = reader.at_start.get((*path, OBJECT))
    if attributes is None or not attributes.is_of(held):
        attributes = Attributes(held, saved_apart=SAVED_APART)
    if saved and saved["class"] != name_of(type(held)):
        return lambda: None
    state = reader.value(saved["attributes"], None, path) if saved else dict
    return lambda: attributes.put_back(state())


def items_in(place, value):
    if type(value) in (list, tuple, dict) and len(value) <= LONGEST:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [(f"{place}[{key!r}]", item) for key, item in items]
    return [(place, value)]


def has_a_state_dict(value) -> bool:
    return kind_of(value) is not None and kind_of(value).needs_live and not isinstance(value, torch().nn.Module)


def is_of_class(key, owner) -> bool:
    """What begins with an underscore is a library's own, numbers of objects of this process for instance, unless the script's class names it."""
    return not key.startswith("_") or key in named_by_script(type(owner))


CONTAINERS = (list, tuple, set, frozenset)


def is_plain(value, depth=0) -> bool:
    if type(value) in PLAIN or isinstance(value, (bytes, complex, enum.Enum)) or numpy() is not None and isinstance(value, numpy().generic):
        return True
    if type(value) in (*CONTAINERS, collections.deque) or is_named_tuple(type(value)):
        return depth < DEEPEST and all(is_plain(item, depth + 1) for item in value)
    return isinstance(value, dict) and depth < DEEPEST and all(is_plain(item, depth + 1) for item in dict.values(value))


def holds_state(value, depth=0) -> bool:
    if isinstance(value, (list, tuple, collections.deque, dict)):
        items = iter(dict.values(value) if isinstance(value, dict) else value)
        return depth < DEEPEST and (any(holds_state(item, depth + 1) for item in itertools.islice(items, LONGEST)) or any(map(is_tensor, items)))
    if is_array(value):
        return value.flags.writeable         # else nothing can have changed it: data in a file, say
    if depth and isinstance(kind_of(value), Dataclass):
        return depth < DEEPEST and any(holds_state(item, depth + 1) for item in vars(value).values())
    return is_tensor(value) or is_generator(value)


def is_array(value) -> bool:
    return numpy() is not None and isinstance(value, numpy().ndarray)


MISSING = Made(None)
