# SPDX-License-Identifier: Apache-2.0
"""What the variables of a script hold: those of its frames, of its modules, and of the objects that these hold."""
from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import operator
import os
import sys
import types
import warnings
import weakref
from typing import Any, Callable, Iterator

from . import _source
from ._arrays import memory_of
from ._held import closure_of, is_iterator, is_module, iterators_in
from ._origin import is_enumerated, line_that_sets
from ._source import PACKAGE, is_ours
from ._tree import Writer, attribute_of, kind_of
from ._workers import lasting

DEEPEST, MOST = 6, 5000          # objects in objects; variables at one point
LONGEST_SHOWN = 40
KINDS = {"$random": "generator", "$numpy_generator": "generator", "$torch_generator": "generator", "$tensor": "array",
         "$numpy": "array", "$memory": "array", "$object": "object", "$optimizer": "object", "$module": "object"}
CAN_BE_MADE_ANEW = ("array", "container")       # by a loop, although Run was given the one that was there


class Survey:
    """One look at everything that the script's frames and modules hold. What the run saves is left out by the identity of its
    arrays: they are compared anyhow, and may be large."""

    def __init__(self, run, last_seen: dict[str, Callable]):
        self._last_seen = last_seen                   # of the look before: the object that each variable held
        self.variables: dict[str, dict] = {}
        self._saved = run._state.write({})[0]
        self._registered = {id(value) for value in run._state.objects.values()}
        self._seen = {id(run), id(run.vars)}
        self._modules = _source.modules()
        for name, values, code in self._scopes():
            for variable, value in list(values.items()):
                if not variable.startswith("__"):
                    with contextlib.suppress(Exception):      # an object that answers no question does not end a training
                        self._look(f"{name}{variable}", value, code, 0)
        self._note_gradients(run._state.objects)
        self._note_workers(run._feeds)

    def _note_gradients(self, objects):
        """Which modules have gradients: they are not saved, and not compared, since most loops leave some behind. zero_grad() lets the
        next backward() make others."""
        for name, value in objects.items():
            gradients = [p.grad for p in value.parameters() if p.grad is not None and bool(p.grad.any())] if is_module(value) else []
            if gradients:
                self._note(f"gradients of {name}", "gradients", self._is_rebound(f"gradients of {name}", gradients[0]))

    def _note_workers(self, feeds):
        """Which loaders have workers that stay over epochs: what these draw from is in other processes."""
        for name, feed in feeds.items():
            if lasting(feed.loader) is not None:
                self._note(f"workers of '{name}'", "workers")

    def _note(self, key, kind, rebound=False):
        """What has no content to compare, and may be a cause."""
        self.variables[key] = {"digest": "", "shown": "", "kind": kind, "file": "", "function": "", "line": 0, "rebound": rebound}

    def _is_rebound(self, key, value) -> bool:
        """Whether the variable holds another object than at the look before: Run would go on saving the one that it was given."""
        before = self._last_seen.get(key)
        self._last_seen[key] = reference(value)
        return before is not None and before() is not value

    def _scopes(self) -> Iterator[tuple[str, dict, tuple[str, str]]]:
        """(prefix of the names, variables, (file, function)): frames from the inside out, then modules."""
        done = set()
        frame = sys._getframe(1)
        while frame is not None:
            code = frame.f_code
            if code.co_filename.startswith(PACKAGE):
                if code.co_name == "_batches" and "batch" in frame.f_locals:
                    yield f"batches of '{frame.f_locals['feed'].name}'.", {"batch": frame.f_locals["batch"]}, ("", "")
            elif is_ours(code.co_filename) and code.co_name != "<module>":
                yield "", frame.f_locals, (code.co_filename, code.co_name)
            if is_ours(code.co_filename) and id(frame.f_globals) not in done:
                done.add(id(frame.f_globals))
                yield "", frame.f_globals, (code.co_filename, "")
            frame = frame.f_back
        for name, module in self._modules.items():
            if id(module.__dict__) not in done:
                yield "" if name == "__main__" else name + ".", module.__dict__, (module.__file__, "")

    def _look(self, name, value, origin, depth, holder=None):
        if depth > DEEPEST or len(self.variables) >= MOST or isinstance(value, types.ModuleType):
            return
        for part, inner in self._parts(value):
            self._look(name + part, inner, origin, depth + 1, value)
        if isinstance(value, type) or attribute_of(value, "batch_sampler") is not None:
            return
        key = name if name not in self.variables else f"{name} in {origin[1] or os.path.basename(origin[0])}"
        given = id(value) in self._registered and kind_name(value) not in CAN_BE_MADE_ANEW      # is saved; noted for what takes its place
        digest = "" if given else self._digest(value)
        if digest is not None:
            self.variables[key] = {"digest": digest, "shown": shown(value), "kind": kind_name(value), "file": origin[0],
                                   "function": origin[1], "line": line_that_sets(origin[0], name), "rebound": self._is_rebound(key, value),
                                   "enumerated": is_enumerated(origin[0], name), "of_module": is_module(holder)}

    def _parts(self, value) -> Iterator[tuple[str, Any]]:
        """What an object holds that is no array and no plain value: attributes, a closure's variables, a generator's."""
        if isinstance(value, (str, bytes, int, float, complex, type(None))) or id(value) in self._seen:
            return
        self._seen.add(id(value))
        if isinstance(value, (list, tuple)) and len(value) < 100 and any(map(self._has_attributes, value)):
            yield from ((f"[{i}]", item) for i, item in enumerate(value))
        elif isinstance(value, dict) and len(value) < 100 and any(map(self._has_attributes, value.values())):
            yield from ((f"[{key!r}]", item) for key, item in value.items())
        elif isinstance(value, types.GeneratorType):
            if value.gi_frame is not None and is_ours(value.gi_code.co_filename):
                yield from ((f".{name}", item) for name, item in value.gi_frame.f_locals.items())
        elif isinstance(value, types.FunctionType):
            if is_ours(value.__code__.co_filename):
                yield from ((f".{name}", item) for name, item in closure_of(value))
                yield from ((f".{name}", item) for name, item in vars(value).items())
        elif self._has_attributes(value):
            yield from ((f".{name}", item) for name, item in list(vars(value).items()) if not name.startswith(("__", "_abc_")))
        elif is_module(value):
            yield from ((f".{name}", item) for name, item in value.named_children())

    def _has_attributes(self, value) -> bool:
        """An object of a class of the script's own, or such a class."""
        kind = value if isinstance(value, type) else type(value)
        return kind.__module__ in self._modules and hasattr(value, "__dict__")

    def _digest(self, value) -> str | None:
        if is_iterator(value) and (place := place_of(value)):
            return place
        if value is not None and kind_of(value) is None:
            return None
        writer = Writer.beside(self._saved)
        try:
            node = writer.forgiving(value, ("variable",))
            content = hashlib.blake2b(json.dumps(node).encode(), digest_size=8)
            for array in writer.arrays.values():
                content.update(memory_of(array))
        except Exception:        # it cannot be saved now
            return None
        return content.hexdigest()


def reference(value) -> Callable:
    """An object that is gone leaves its identity to another; a weak reference does not keep what is large, workers, or a graph."""
    try:
        return weakref.ref(value)
    except TypeError:            # a tuple, say
        return lambda: value


def place_of(iterator, depth=0) -> str | None:
    """How far it is, by those inside it where it does not tell itself: enumerate(), zip(), map() and the like."""
    if isinstance(iterator, types.GeneratorType):
        return f"at {iterator.gi_frame.f_lasti}" if iterator.gi_frame is not None and is_ours(iterator.gi_code.co_filename) else None
    if hasattr(iterator, "_num_yielded"):      # of a torch DataLoader
        return f"{iterator._num_yielded} given"
    if (left := operator.length_hint(iterator, -1)) >= 0:
        return f"{left} left"
    if isinstance(iterator, itertools.count):
        return repr(iterator)
    if isinstance(iterator, itertools.cycle) and (place := place_in_cycle(iterator)):
        return place
    if type(iterator).__module__ not in ("builtins", "itertools") or depth == DEEPEST:
        return None
    return ", ".join(filter(None, (place_of(inner, depth + 1) for inner in iterators_in(iterator)))) or None


def place_in_cycle(cycle) -> str | None:
    """As long as Python tells it (before 3.14): how far its first pass is, and this one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            _, (inner,), (seen, again) = cycle.__reduce__()
        return f"{len(seen)} seen, {again}, {place_of(inner)}"
    except Exception:            # it does not say
        return None


def kind_name(value) -> str:
    if isinstance(value, (bool, int, float, complex)):
        return "number"
    if isinstance(value, (str, bytes)):
        return "text"
    if hasattr(value, "__next__"):
        return "iterator"
    kind = kind_of(value)
    return KINDS.get(kind.tag, "container") if kind else "container"


def shown(value) -> str:
    """For people; empty where it would say nothing."""
    if isinstance(value, (bool, int, float, complex, str, type(None))):
        text = repr(value)
        return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN - 1] + "…"
    if isinstance(value, (list, tuple, dict, set)):
        return f"{len(value)} items"
    return ""
