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
from ._held import Attributes, is_data, is_ours_own, is_own_class, may_be_a_descriptor, named_by_script
from ._log import warn
from ._numpy import is_generator, numpy
from ._parts import DEEPEST, LONGEST, Parts, dotted, is_container, is_own_object
from ._plain import Dataclass, class_named, full_name, is_named_tuple, name_of_class
from ._torch import is_tensor, torch
from ._tree import PLAIN, Writer, attribute_of, kind_of, shown

LARGEST = 1 << 20            # bytes of a value whose copy is kept
OBJECT = object()            # of at_start


def kept_in(parts) -> tuple[list, list]:
    """What a module keeps beside its tensors: (dotted name, value) of every attribute that is an array or a random generator, or a container
    with such, or with tensors, in it: a hidden state, a memory, a cache; and (dotted name, module, {key: value}) of those that are plain
    values, or containers in which some may be."""
    nests, plain = [], []
    for name, owner in parts.every_module:
        values = {}
        for key, value in parts.items_of(owner):
            is_value = type(value) in PLAIN or not is_tensor(value) and is_plain(value)
            if not is_value and holds_state(value):
                if not is_tensor(value):
                    nests.append((dotted(name, key), value))
            elif is_of_class(key, owner) and (is_value or may_hold_plain(value)):
                values[key] = value
        plain.append((name, owner, values))
    for held in parts.objects:
        if not hasattr(type(held.value), "__getitem__"):           # what can be indexed is data
            nests += [(dotted(held.name, key), value) for key, value in vars(held.value).items() if type(value) not in PLAIN and holds_state(value)]
    return nests, plain


def changed_attributes(writer, path, plain):
    """(dotted name, value) of those that are not as the script made them: a counter, a list of losses, a rate of dropout that training
    lowers."""
    for prefix, owner, values in plain:
        before = writer.at_start((*path, prefix, PLAIN), lambda values=values: {key: Made(value) for key, value in values.items()}) or {}
        for key, value in values.items():
            made = before.get(key, MISSING)
            if not made.is_same(value) and not (made.is_same(None) and may_be_a_descriptor(owner, key, value)):
                tell_of_many(writer, (*path, dotted(prefix, key)), value)
                yield dotted(prefix, key), value


def tell_of_many(writer, path, value):
    items = () if not is_container(value) or len(value) <= LONGEST else dict.values(value) if isinstance(value, dict) else value
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
        self.put_back = None
        with contextlib.suppress(RecursionError):           # it contains itself
            self.put_back = remember(value) if length <= LARGEST else None

    def is_same(self, value) -> bool:
        return mark_of(value)[0] == self._mark


def may_hold_plain(value) -> bool:
    kind = kind_of(value)
    return kind is not None and not kind.needs_live and not is_own_object(value) and not isinstance(kind, Foreign) and not is_array(value)


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
    attributes = writer.at_start((*path, OBJECT), lambda: Attributes(held, is_lost=is_lost)) if writer.is_made((*path, OBJECT)) else None
    anew = attributes is None or not attributes.is_of(held)
    if anew:
        attributes = Attributes(held, {}, is_lost)
    changed = attributes.state()
    attributes.tell_growth(shown(path))
    return {"class": full_name(type(held)), "attributes": changed, "anew": anew} if changed or anew else None


def is_lost(name, value) -> bool:
    """Of what such an object has: open files and the like, and large lists and arrays without tensors. What an optimizer is for is saved."""
    if name in ("param_groups", "state") or is_tensor(value) or is_ours_own(value):
        return False
    return attribute_of(value, "close") is not None or is_data(value) and not holds_state(value)


def can_be_made(held) -> bool:
    """From its class's name and small attributes, into lists and dicts that are there."""
    kind = type(held.value)
    return (kind.__new__ is object.__new__ and name_of_class(kind) is not None
            and all(type(place.table) is not tuple and all(type(key) in PLAIN for key in place.way) for place in held.places))


def renew_objects(reader, path, module, saved: dict):
    """Makes those that training had put in place of the script's, or where it has none, unless the epoch's first lines have by now."""
    anew = {name: changed for name, changed in saved.items() if changed["anew"]}
    if not anew:
        return
    parts = Parts(module)
    owners, places = parts.owners(), {place.way: held.value for held in parts.objects for place in held.places}
    waiting: list = []
    for name, changed in anew.items():                 # those that hold others come before them
        ways = list(map(tuple, changed["ways"]))
        old = places.get(ways[0])
        start = reader.at_start.get((*path, name, OBJECT))
        kind = type(old) if full_name(type(old)) == changed["class"] else class_named(changed["class"], is_own_class)
        if old is not None and (start is None or not start.is_of(old)) or kind is None or kind.__new__ is not object.__new__:
            continue
        owners[name] = made = object.__new__(kind)
        vars(made).update(vars(old) if type(old) is kind else {})
        waiting += [(way, made) for way in ways]
    for way, made in sorted(waiting, key=lambda item: item[0][-1] if type(item[0][-1]) is int else -1):     # lists grow from the front
        put_into(owners.get(way[0]), way, made, places.get(way))


def put_into(owner, way, value, old):
    """Where the script has `old`, or nothing. What is missing before it in a list follows with the list."""
    table = None if owner is None else vars(owner)
    for key in way[1:-1]:
        is_item = isinstance(table, MUTABLE) and type(key) is int and key < len(table)
        table = table.get(key) if isinstance(table, dict) else table[key] if is_item else None
    key = way[-1]
    if isinstance(table, MUTABLE) and len(table) <= key < LONGEST:
        table.extend([None] * (key - len(table)) + [value])
    elif isinstance(table, dict) and table.get(key) is old or isinstance(table, MUTABLE) and key < len(table) and table[key] is old:
        table[key] = value


MUTABLE = (list, collections.deque)


def restored_objects(reader, path, objects, saved):
    """A function for each of those, which puts the attributes back."""
    return [restored_object(reader, (*path, held.name), held.value, saved.get(held.name)) for held in objects]


def restored_object(reader, path, held, saved):
    attributes = reader.at_start.get((*path, OBJECT))
    if attributes is None or not attributes.is_of(held):
        attributes = Attributes(held, is_lost=is_lost)
    if saved and saved["class"] != full_name(type(held)):
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


def is_plain(value) -> bool:
    """Whether there is nothing else in it; by types, level by level, since there may be many."""
    level = [value]
    for _ in range(MOST_LEVELS):
        kinds = set(map(type, level))
        if kinds <= PLAIN_TYPES:
            return True
        if len(level) > MOST_ITEMS or not all(map(is_plain_type, kinds)):
            return False
        inner = [item for item in level if is_kind_of_container(type(item))]
        level = list(itertools.chain.from_iterable(dict.values(item) if isinstance(item, dict) else item for item in inner))
    return False


PLAIN_TYPES = frozenset((*PLAIN, bytes, complex))
MOST_LEVELS, MOST_ITEMS = 20, 2_000_000      # one may contain itself


@functools.lru_cache(maxsize=None)
def is_kind_of_container(kind) -> bool:
    return kind in (list, tuple, set, frozenset, collections.deque) or is_named_tuple(kind) or issubclass(kind, dict)


@functools.lru_cache(maxsize=None)
def is_plain_type(kind) -> bool:
    return (kind in PLAIN_TYPES or is_kind_of_container(kind) or issubclass(kind, (bytes, complex, enum.Enum))
            or numpy() is not None and issubclass(kind, numpy().generic))


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
