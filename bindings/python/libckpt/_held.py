# SPDX-License-Identifier: Apache-2.0
"""What is part of a run's state although nobody gave it: random generators that a loader holds, and what a sampler, a dataset or
another object of the script's own that it holds counts up, or switches."""
from __future__ import annotations

import collections
import dis
import enum
import functools
import gc
import sys
import types
import weakref
from typing import Any, Iterator

from ._copies import MANY, is_array, is_same, is_tensor, remember, small_copy
from ._log import warn
from ._numpy import generator_state, is_generator, set_generator_state
from ._source import PACKAGE, is_ours, scopes
from ._tree import PLAIN, attribute_of

DEEPEST = 10                   # objects in objects
MOST_OF_ONE, MOST = 2000, 20_000     # that are looked at from one variable, and in all: one that leads to many must not hide another
SHORT, LONGEST, LONGEST_OF_OBJECTS = 8, 100, 1000     # items of a container: a longer one is data


class Attributes:
    """The attributes of an object that are small, and not as the script made them: a counter, a switch, a short list. What the script
    makes otherwise in its next start counts, as long as nothing changes it later.

    What a method changes together with something that is not saved, an open file or a large cache, goes with that: it is left to the
    script, too. `made`: what the script has made of them, where that is not what is there now; `is_lost(name, value)`: whether something
    that is not small is not saved."""

    def __init__(self, owner, made: dict | None = None, is_lost=lambda name, value: not is_ours_own(value)):
        self._is_lost = is_lost
        self._owner = weakref.ref(owner) if type(owner).__weakrefoffset__ else lambda: owner
        self._made = small_attributes(owner) if made is None else made
        self._others = {name: id(value) for name, value in vars(owner).items() if name not in self._made}
        self._restored: set[str] = set()       # in a notebook they may have been changed by the run before
        self._told = False

    def is_of(self, value) -> bool:
        return self._owner() is value

    def state(self, tells=True) -> dict:
        owner = self._owner()
        now = small_attributes(owner)
        changed = {name: value for name, value in now.items()
                   if name in self._restored or name not in self._made or not is_same(self._made[name], value)}
        for name in self._left_to_script(owner, now, changed, tells):
            del changed[name]
        return changed

    def tell_growth(self, place):
        """Of an object that nothing makes anew: what was small once and is data by now."""
        owner = self._owner()
        now = small_attributes(owner)
        grown = [name for name, value in vars(owner).items() if name in self._made and name not in now and is_data(value) and self._is_lost(name, value)]
        if grown and not self._told:
            self._told = True
            warn(f"not saved of {place} ({type(owner).__name__}): {', '.join(sorted(grown))}, too large by now to be saved without being "
                 f"given: give the object a state_dict() and a load_state_dict(), and give it to Run")

    def _left_to_script(self, owner, now, changed, tells=False) -> list[str]:
        lost = {name: value for name, value in getattr(owner, "__dict__", {}).items()
                if name not in now and self._is_lost(name, value) and (name in self._made or self._others.get(name) != id(value))}
        stored, named = named_beside(type(owner))
        beside = {name: (named if isinstance(value, CONTAINERS) else stored).get(name, set()) for name, value in changed.items()}
        left = [name for name, names in beside.items() if not names.isdisjoint(lost)]
        if tells:
            self._tell(owner, left, [name for name, value in lost.items() if is_data(value) and any(name in beside[one] for one in left)])
        return left + [name for name, value in changed.items() if name not in left
                       and self._made.get(name) is None and may_be_a_descriptor(owner, name, value)]

    def _tell(self, owner, left, data):
        if data and not self._told:
            self._told = True
            kind = type(owner).__name__
            warn(f"not saved of {kind}: {', '.join(sorted(left))}, which a method changes together with {', '.join(sorted(data))}, too large "
                 f"to be saved without being given: a resume begins with what the script makes of all these; where that would be another "
                 f"training, give {kind} a state_dict() and a load_state_dict(), and give it to Run")

    def put_back(self, state: dict):
        if not all(isinstance(name, str) and not name.startswith("__") and small_copy(value) is not MANY for name, value in state.items()):
            raise ValueError("attributes")
        self._restored |= state.keys()
        owner = self._owner()
        if owner is not None:
            attributes = vars(owner)
            now = small_attributes(owner)
            left = self._left_to_script(owner, now, now)
            for name, value in (self._made | state).items():
                if name in state or name in now and name not in left:
                    attributes[name] = remember(small_copy(value))(attributes.get(name))


def is_ours_own(value) -> bool:
    """self.run = Run(...)"""
    return type(value).__module__.partition(".")[0] == __package__


CONTAINERS = (list, dict, set, collections.deque)
OPENERS = {"open", "fileno", "socket"}


def may_be_a_descriptor(owner, name, value) -> bool:
    """Of an open file, which a method has made: it means something in its process only."""
    return type(value) is int and not named_beside(type(owner))[0].get(name, set()).isdisjoint(OPENERS)


def is_data(value) -> bool:
    return isinstance(value, (*CONTAINERS, tuple, str, bytes)) or is_array(value) or is_tensor(value)


@functools.lru_cache(maxsize=None)
def named_beside(kind: type) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Of each attribute that a method of the class sets, and of each that one names, all that such methods name."""
    stored: dict[str, set[str]] = {}
    named: dict[str, set[str]] = {}
    for code in (code for base in kind.__mro__ for name, value in vars(base).items() if name != "__init__" for code in codes_of(value)):
        names = set(code.co_names)
        for name in names:
            named.setdefault(name, set()).update(names)
        for step in dis.get_instructions(code):
            if step.opname == "STORE_ATTR":
                stored.setdefault(step.argval, set()).update(names)
    return stored, named


@functools.lru_cache(maxsize=None)
def named_by_script(kind: type) -> frozenset[str]:
    """All that the methods of the class, and of those it derives from, name, where these are the script's own."""
    return frozenset(name for base in kind.__mro__ if is_of_script(base)
                     for value in vars(base).values() for code in codes_of(value) for name in code.co_names)


def codes_of(value) -> Iterator[types.CodeType]:
    """Of a method, also below decorators."""
    for inner in (value, *(attribute_of(value, name) for name in ("fget", "fset", "__func__", "func", "__wrapped__"))):
        if isinstance(inner, types.FunctionType):
            yield inner.__code__


def small_attributes(owner) -> dict:
    found = {name: small_copy(value) for name, value in getattr(owner, "__dict__", {}).items() if not name.startswith("__")}
    return {name: value for name, value in found.items() if value is not MANY}


class Part:
    """Something that may move with a loader. `saved`: what state_of() takes; `path`: the variable that leads to it, "": none does;
    `since`: the epoch, of steps() the step, in which it was met, -1: before the loop."""

    def __init__(self, held, path: str, since: int):
        self.saved = held if is_generator(held) else Attributes(held)
        self.path, self.since = path, since

    def is_of(self, held) -> bool:
        return self.saved is held or isinstance(self.saved, Attributes) and self.saved.is_of(held)


def state_of(part, tells=True):
    return part.state(tells) if isinstance(part, Attributes) else generator_state(part)


def put_back(part, state):
    part.put_back(state) if isinstance(part, Attributes) else set_generator_state(part, state)


# ---- Where they are --------------------------------------------------------------------------------------------------------


def held_by_script(but: list, modules: dict) -> dict[str, Any]:
    """What variables of the script lead to, by the name of the variable and attributes, loaders with workers as well; `but`: what is
    not looked into; `modules`: torch's, by name, of which only what stands beside the layers is."""
    owners = [(prefix + name, value) for prefix, variables in scopes() for name, value in list(variables.items())
              if not name.startswith("__")]
    owners += [(f"{name}.{key}", value) for name, module in modules.items() for key, value in vars(module).items() if not key.startswith("_")]
    seen = {id(value) for value in but if not is_generator(value)}
    found: dict[str, Any] = {}
    for owner in owners:
        if len(seen) < MOST:
            found = held_in([owner], seen, is_loader_with_workers) | found
    return found


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
    most = len(seen) + MOST_OF_ONE
    for label, value, depth in waiting:              # grows: those that are held closest come first
        if id(value) in seen or len(seen) >= most:
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
        items = few(dict.items(value))        # of the dict itself: what a class derived from it answers may be made by asking
    elif isinstance(value, (list, tuple)):
        items = few(list(enumerate(value)) if len(value) <= LONGEST_OF_OBJECTS else ())
    elif isinstance(value, types.MethodType):
        items = (("self", value.__self__),)
    elif isinstance(value, functools.partial):
        items = (*enumerate(value.args), *value.keywords.items())
    elif isinstance(value, types.FunctionType):
        items = closure_of(value)
    elif isinstance(value, types.GeneratorType):         # a function between a loader and its batches
        items = list(value.gi_frame.f_locals.items()) if value.gi_frame is not None else ()
    elif is_iterator(value):                             # enumerate, zip, islice and the like
        items = enumerate(gc.get_referents(value))
    else:
        items = list(getattr(value, "__dict__", {}).items())
    yield from ((str(name), inner) for name, inner in items if may_hold(inner))


def moving(known: set[int]) -> dict[str, tuple]:
    """(kind, identity, place) of each iterator over a torch DataLoader, and each random generator but the `known`, that a variable of the
    script's functions and modules, or an object of its own, has: directly, or inside a Python generator, a cycle() and the like. What the
    run itself goes through is not looked into."""
    found: dict[str, tuple] = {}
    for prefix, variables in scopes(is_ours):
        for name, value in list(variables.items()):
            inner = vars(value).items() if has_attributes(value) else ()
            for path, item in ((prefix + name, value), *((f"{prefix}{name}.{attribute}", item) for attribute, item in inner)):
                kind, moves = ("generator", item) if is_generator(item) else ("iterator", loader_iterator_in(item))
                if moves is not None and id(moves) not in known:
                    known.add(id(moves))             # by its first name
                    seed = moves.initial_seed() if hasattr(moves, "initial_seed") else 0      # one that is seeded before each use is as it should be
                    found[path] = kind, (id(moves), seed), generator_state(item) if kind == "generator" else moves._num_yielded
    return found


def loader_iterator_in(value, depth=3):
    if is_iterator(value) and attribute_of(value, "_num_yielded") is not None:
        return value
    is_of_the_run = isinstance(value, types.GeneratorType) and value.gi_code.co_filename.startswith(PACKAGE)
    if depth and is_iterator(value) and not is_of_the_run and not hasattr(value, "__dict__"):
        return next(filter(None, (loader_iterator_in(item, depth - 1) for item in iterators_in(value))), None)
    return None


def iterators_in(iterator) -> Iterator:
    """Of a generator, enumerate(), zip(), map() and the like."""
    for held in gc.get_referents(iterator):
        yield from filter(is_iterator, held if isinstance(held, tuple) else (held,))


def few(items):
    """(name, item) of a container; of a long one those that are objects, the parts of a dataset say, not records."""
    if len(items) > LONGEST_OF_OBJECTS:
        return ()
    return items if len(items) <= LONGEST else [(name, item) for name, item in items if not isinstance(item, (dict, list, tuple))]


def may_hold(value) -> bool:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return False
    if isinstance(value, (dict, list, tuple)):         # a longer one that begins with a plain value is data
        items = dict.values(value) if isinstance(value, dict) else value
        return len(items) <= SHORT or type(next(iter(items), None)) not in PLAIN
    return hasattr(value, "__dict__") or is_generator(value) or is_iterator(value)


def is_iterator(value) -> bool:
    return hasattr(type(value), "__next__")


def closure_of(function) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield name, cell.cell_contents
        except ValueError:       # not assigned yet
            pass


def has_attributes(value) -> bool:
    """An object of a class of the script's own: a sampler, a dataset, a transform, the settings of one. What a module keeps beside its
    tensors is looked at with the module."""
    return hasattr(value, "__dict__") and is_own_class(type(value)) and not is_module(value)


NAMESPACES = {"types.SimpleNamespace", "argparse.Namespace"}      # as good as a class of one's own


@functools.lru_cache(maxsize=None)
def is_own_class(kind: type) -> bool:
    return f"{kind.__module__}.{kind.__qualname__}" in NAMESPACES or kind.__weakrefoffset__ != 0 and is_of_script(kind) and not issubclass(kind, enum.Enum)


@functools.lru_cache(maxsize=None)
def is_of_script(kind: type) -> bool:
    return kind.__module__ == "__main__" or is_ours(getattr(sys.modules.get(kind.__module__), "__file__", None))


def is_loader_with_workers(value) -> bool:
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(value, data.DataLoader) and value.num_workers > 0


def is_module(value) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)
