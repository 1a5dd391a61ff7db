# SPDX-License-Identifier: Apache-2.0
"""Containers, numbers that JSON cannot hold, and objects with state_dict."""
from __future__ import annotations

import array
import collections
import enum
import functools
import operator
import sys
from typing import Any

from . import _abi, _arrays
from ._tree import NOT_MADE, Kind, attribute_of, give_back, has_lone_surrogates, shown


class List(Kind):
    tag = "list"

    def takes(self, value):
        return type(value) is list

    def write(self, writer, value, path):
        return [writer.node(item, (*path, i)) for i, item in enumerate(value)]

    def read(self, reader, content, live, path):
        same = live if isinstance(live, list) and reader.in_place else []
        items = read_items(reader, content, live, path, closes_gaps=True)

        def restore():
            same[:] = [item() for item in items]
            return same
        return restore


def read_items(reader, nodes, live, path, closes_gaps=False):
    """Each node beside what stands in its place in `live`. `closes_gaps`: without those that stand nowhere."""
    old = list(live) if isinstance(live, (list, tuple, collections.deque)) else []
    old += [None] * (len(nodes) - len(old))
    return [reader.value(node, old[i], (*path, i)) for i, node in enumerate(nodes) if not (closes_gaps and reader.stands_nowhere(node, old[i]))]


class Tuple(Kind):
    tag = "$tuple"

    def takes(self, value):
        return isinstance(value, tuple)

    def write(self, writer, value, path):
        items = [writer.node(item, (*path, i)) for i, item in enumerate(value)]
        return {"class": class_to_make(writer, value, path), "items": items} if is_named_tuple(type(value)) else items

    def read(self, reader, content, live, path):
        kind: Any = tuple
        if isinstance(content, dict):
            kind, content = class_named(content["class"], is_named_tuple), content["items"]
        items = read_items(reader, content, live, path)
        kind = type(live) if hasattr(type(live), "_make") else kind
        make = kind._make if hasattr(kind, "_make") else tuple

        def restore():
            values = [item() for item in items]
            same = isinstance(live, tuple) and len(live) == len(values) and all(map(operator.is_, live, values))
            return live if same else make(values)
        return restore


def is_named_tuple(kind) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_make") and hasattr(kind, "_fields")


def full_name(kind) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def name_of_class(kind) -> str | None:
    """By which class_named() finds it; None: it cannot, as where a function has made the class."""
    name = full_name(kind)
    return name if class_named(name, lambda found: found is kind) else None


def class_to_make(writer, value, path) -> str | None:
    name = name_of_class(type(value))
    if name is None and writer.comes_back_alone(path):
        raise TypeError("its class cannot be found by its name, as one that a function makes: define it at the top of its module")
    return name


def class_named(name: str | None, is_wanted) -> type | None:
    """A class that the program has loaded; nothing is imported because a file says so."""
    module, _, path = (name or "").partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and is_wanted(found) else None


class Set(Kind):
    """Elements are plain values; their order in the file is by repr, so that equal sets give equal files."""
    tag = "$set"

    def takes(self, value):
        return isinstance(value, (set, frozenset))

    def write(self, writer, value, path):
        items = [writer.node(item, (*path, i)) for i, item in enumerate(sorted(value, key=repr))]
        return {"frozen": isinstance(value, frozenset), "items": items}

    def read(self, reader, content, live, path):
        items = read_items(reader, content["items"], None, path)
        same = live if isinstance(live, set) and reader.in_place else None

        def restore():
            elements = {item() for item in items}
            if content["frozen"] or same is None:
                return frozenset(elements) if content["frozen"] else elements
            same.clear()
            same.update(elements)
            return same
        return restore


class Deque(Kind):
    tag = "$deque"

    def takes(self, value):
        return isinstance(value, collections.deque)

    def write(self, writer, value, path):
        return {"maxlen": value.maxlen, "items": [writer.node(item, (*path, i)) for i, item in enumerate(value)]}

    def read(self, reader, content, live, path):
        items = read_items(reader, content["items"], live, path, closes_gaps=True)
        same = live if isinstance(live, collections.deque) and reader.in_place else None

        def restore():
            values = [item() for item in items]
            if same is None:
                return collections.deque(values, content["maxlen"])
            same.clear()
            same.extend(values)
            return same
        return restore


KNOWN_DICTS = {"OrderedDict": collections.OrderedDict, "Counter": collections.Counter, "defaultdict": dict}


class Dict(Kind):
    """A dict with text for keys is a JSON object; others, and its subclasses, are a list of pairs with the type's name."""
    tag = "dict"

    def takes(self, value):
        return isinstance(value, dict)

    def write(self, writer, value, path):
        if type(value) is dict and all(type(key) is str and not has_lone_surrogates(key) for key in value):
            return {"$" + key if key.startswith("$") else key: writer.node(item, (*path, key)) for key, item in value.items()}
        if factory_of(value) is None and isinstance(value, collections.defaultdict) and value.default_factory and writer.comes_back_alone(path):
            raise TypeError(f"its default_factory is a function, which is not saved; take one of {', '.join(DEFAULTS)}, or make it before "
                            "Run() and give it to Run")
        pairs = []
        for name, (key, item) in zip(names_of_keys(value), value.items()):
            with writer.without_arrays():
                node = writer.node(key, (*path, name))
            pairs.append([node, writer.node(item, (*path, name))])
        return {"$pairs": {"type": type(value).__name__, "default": factory_of(value), "items": pairs}}

    def read(self, reader, content, live, path):
        keys = [key[1:] if key.startswith("$$") else key for key in content]
        return read_dict(reader, keys, content.values(), live, path, dict)


def names_of_keys(keys) -> list[str]:
    """For paths: 1 and "1" are two keys."""
    found: dict[str, None] = {}
    for number, key in enumerate(keys):
        name = str(key)
        found[name if name not in found else f"{name}~{number}"] = None
    return list(found)


DEFAULTS = {kind.__name__: kind for kind in (list, dict, set, int, float, str, bool)}


def factory_of(value) -> str | None:
    """Of a defaultdict; None where its values are made by the script's own function."""
    factory = value.default_factory if isinstance(value, collections.defaultdict) else None     # any other may answer to any name
    return factory.__name__ if factory in DEFAULTS.values() else None


class Pairs(Kind):
    tag = "$pairs"

    def takes(self, value):
        return False        # Dict writes them

    def read(self, reader, content, live, path):
        keys = [reader.value(key, None, path)() for key, _ in content["items"]]
        nodes = [node for _, node in content["items"]]
        factory = DEFAULTS.get(content["default"])
        make = functools.partial(collections.defaultdict, factory) if factory else KNOWN_DICTS.get(content["type"], dict)
        return read_dict(reader, keys, nodes, live, path, make, names_of_keys(keys))


def read_dict(reader, keys, nodes, live, path, make, names=None):
    old = live if isinstance(live, dict) else {}
    values = {key: reader.value(node, old.get(key), (*path, name)) for key, name, node in zip(keys, names or keys, nodes)
              if not reader.stands_nowhere(node, old.get(key))}
    in_place = isinstance(live, dict) and reader.in_place

    def restore():
        restored = {key: value() for key, value in values.items()}
        same = live if in_place else empty_like(live, make)
        same.clear()
        same.update(restored)
        return same
    return restore


def empty_like(live, make):
    if isinstance(live, collections.defaultdict):
        return collections.defaultdict(live.default_factory)
    return type(live)() if isinstance(live, dict) else make()


class Number(Kind):
    """Integers beyond 64 bits, floats that are not finite, subclasses of both (their plain value), complex numbers."""
    tag = "$number"

    def takes(self, value):
        return type(value) in (int, float, complex)

    def write(self, writer, value, path):
        return repr(value)

    def read(self, reader, content, live, path):
        make = complex if "j" in content else int if content.lstrip("-").isdigit() else float
        return lambda: make(content)


class Enumeration(Kind):
    """Its class and its value."""
    tag = "$enum"

    def takes(self, value):
        return isinstance(value, enum.Enum)

    def write(self, writer, value, path):
        return {"class": class_to_make(writer, value, path), "value": writer.node(value.value, path)}

    def read(self, reader, content, live, path):
        plain = reader.value(content["value"], None, path)
        kind = type(live) if isinstance(live, enum.Enum) else class_named(content["class"], lambda found: issubclass(found, enum.Enum))
        return lambda: kind(plain()) if kind else plain()


class Subclass(Kind):
    """A str, int or float of a class of its own: made again from its plain value."""
    tag = "$plain"

    def takes(self, value):
        return isinstance(value, (str, int, float))

    def write(self, writer, value, path):
        base = next(base for base in (str, int, float) if isinstance(value, base))
        return writer.node(base(value), path)

    def read(self, reader, content, live, path):
        plain = reader.value(content, None, path)
        return lambda: type(live)(plain()) if live is not None and isinstance(live, type(plain())) else plain()


class Bytes(Kind):
    """As an array; in the key of a dict, which is needed before arrays are read, as digits."""
    tag = "$bytes"

    def takes(self, value):
        return type(value) is bytes

    def write(self, writer, value, path):
        if not writer.may_use_arrays:
            return {"hex": value.hex()}
        return writer.array(value, path, lambda: _arrays.of_bytes(value))

    def read(self, reader, content, live, path):
        if isinstance(content, dict):
            value = bytes.fromhex(content["hex"])
            return lambda: value
        return read_bytes(reader, content)


def read_bytes(reader, name):
    if name not in reader.targets:
        _, shape = reader.shape(name)
        room = _arrays.new_bytes(shape[0] if shape else 1)
        reader.target(name, None, room)
    room = reader.targets[name]

    def read():          # once: a file may name it again and again
        if name not in reader.bytes_of:
            reader.bytes_of[name] = _arrays.bytes_in(room)
        return reader.bytes_of[name]
    return read


class GrowingBuffer(Kind):
    """bytearray and array.array: their length may change, so their content is replaced, in the same object."""
    tag = "$growing"

    def takes(self, value):
        return type(value) is bytearray or type(value).__module__ == "array" and type(value).__name__ == "array"

    def write(self, writer, value, path):
        copy = bytes(value)
        return {"type": getattr(value, "typecode", None), "bytes": writer.array(value, path, lambda: _arrays.of_bytes(copy))}

    def read(self, reader, content, live, path):
        data, letter = read_bytes(reader, content["bytes"]), content["type"]

        def restore():
            same = live if live is not None else reader.grown.get(content["bytes"])
            if not self.takes(same) or getattr(same, "typecode", None) != letter:
                same = array.array(letter) if letter else bytearray()
            del same[:]
            same.extend(data()) if isinstance(same, bytearray) else same.frombytes(data())
            reader.grown[content["bytes"]] = same
            return same
        return restore


class StateDict(Kind):
    """An object with state_dict() and load_state_dict(): schedulers, scalers, metrics, loaders, one's own."""
    tag = "$object"
    needs_live = True

    def takes(self, value):
        return callable(attribute_of(value, "state_dict")) and callable(attribute_of(value, "load_state_dict"))

    def write(self, writer, value, path):
        return writer.forgiving(value.state_dict(), path)

    def read(self, reader, content, live, path):
        if live is None:
            raise _abi.Error(f"the snapshot holds '{shown(path)}', which this program does not have", _abi.MISMATCH)
        with reader.fresh_containers():    # what state_dict returns may be the object's own ones
            state = reader.value(content, live.state_dict(), path)

        def restore():
            give_back(live, "load_state_dict", state(), path)
            return live
        return restore


class Dataclass(Kind):
    """The fields of an instance; one that the program does not have is made of its class, without __init__. Frozen ones cannot be
    restored in place."""
    tag = "$fields"

    def takes(self, value):
        return hasattr(type(value), "__dataclass_fields__") and not type(value).__dataclass_params__.frozen

    def write(self, writer, value, path):
        kind = class_to_make(writer, value, path)
        if kind is None and not writer.is_made(path):
            raise TypeError(NOT_MADE)
        return {"class": kind, "fields": {name: writer.node(getattr(value, name), (*path, name))
                                          for name in type(value).__dataclass_fields__}}

    def read(self, reader, content, live, path):
        if not hasattr(type(live), "__dataclass_fields__"):
            kind = class_named(content["class"], lambda found: hasattr(found, "__dataclass_fields__"))
            if kind is None:
                raise _abi.Error(f"the snapshot holds '{shown(path)}' of the class {content['class']}, which this program does not have",
                                 _abi.MISMATCH)
            live = object.__new__(kind)
        values = {name: reader.value(node, getattr(live, name, None), (*path, name)) for name, node in content["fields"].items()
                  if name in type(live).__dataclass_fields__}

        def restore():
            for name, value in values.items():
                object.__setattr__(live, name, value())
            return live
        return restore


class Pickled(Kind):
    """Only for a name that the script allows by Run(..., pickle=[...]), at saving and at restoring."""
    tag = "$pickle"

    def takes(self, value):
        return False

    def read(self, reader, content, live, path):
        if path[0] not in reader.pickled:
            raise _abi.Error(f"'{path[0]}' was saved with pickle, which can run any code: if you trust this snapshot, allow "
                             f"it by Run(..., pickle=[\"{path[0]}\"])", _abi.MISMATCH)
        data = read_bytes(reader, content)

        def restore():
            import pickle
            try:
                restored = pickle.loads(data())
            except Exception as error:
                raise _abi.Error(f"'{path[0]}' was saved with pickle and cannot be made again here ({type(error).__name__}: {error}); "
                                 "run the program that wrote it", _abi.MISMATCH) from error
            if live is None or not hasattr(live, "__dict__"):
                return restored
            live.__dict__.clear()
            live.__dict__.update(restored.__dict__)
            return live
        return restore


def write_pickled(writer, value, path):
    import pickle
    data = pickle.dumps(value)
    return {"$pickle": writer.array(data, path, lambda: _arrays.of_bytes(data))}


def is_immutable(value) -> bool:
    """A value that nothing can be restored into: it is replaced."""
    if isinstance(value, tuple):
        return all(map(is_immutable, value))
    numpy = sys.modules.get("numpy")
    return (isinstance(value, (str, bytes, bool, int, float, complex, type(None), enum.Enum, frozenset))
            or numpy is not None and isinstance(value, numpy.generic))
