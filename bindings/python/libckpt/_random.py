# SPDX-License-Identifier: Apache-2.0
"""The state of all random numbers of the program, as a nest of plain values and arrays."""
from __future__ import annotations

import functools
import random
import sys
import types
from typing import Any, Iterator

from ._numpy import generator_state, set_generator_state
from ._tree import HALF_RESTORED, structure_of


def capture(generators: dict[str, Any]) -> dict:
    """Python's, NumPy's and torch's own generators (those of libraries that the program has imported) and the given ones."""
    state: dict[str, Any] = {"python": generator_state(random)}
    if sys.modules.get("numpy") is not None:
        import numpy.random        # NumPy imports it only when it is first used
        state["numpy"] = dict(numpy.random.get_state(legacy=False))
    if torch := _torch():
        state["torch"] = torch.get_rng_state()
        if torch.cuda.is_initialized():
            state["cuda"] = torch.cuda.get_rng_state_all()
    state["given"] = {name: generator_state(generator) for name, generator in generators.items()}
    return state


def apply(state: dict, generators: dict[str, Any]):
    """Every generator goes on from `state`; one that is not there any more is passed over."""
    with structure_of("the snapshot", HALF_RESTORED):
        _apply(state, generators)


def _apply(state, generators):
    set_generator_state(random, state["python"])
    if "numpy" in state:
        import numpy.random
        numpy.random.set_state(state["numpy"])
    torch = _torch()
    if "torch" in state and torch:
        torch.set_rng_state(state["torch"])
    if "cuda" in state and torch and torch.cuda.is_available():
        for device, of_device in enumerate(state["cuda"][:torch.cuda.device_count()]):
            torch.cuda.set_rng_state(of_device, device)
    for name, of_generator in state["given"].items():
        if name in generators:
            set_generator_state(generators[name], of_generator)


def _torch():
    return sys.modules.get("torch")


def generators_in(*owners) -> dict[str, Any]:
    """Random generators that these objects hold (a loader, its sampler, its dataset), and the objects that those hold, down to the
    transforms of a dataset inside another; by owner and attributes."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    waiting = [(label, owner, 0) for label, owner in owners]
    for label, value, depth in waiting:              # grows: those that are held closest come first
        if id(value) in seen or len(seen) > MOST_HELD:
            continue
        seen.add(id(value))
        if is_generator(value):
            found[label] = value
        elif depth < DEEPEST_HELD:
            waiting += [(f"{label}.{name}", inner, depth + 1) for name, inner in held_by(value)]
    return found


DEEPEST_HELD, MOST_HELD = 6, 10_000      # objects in objects; all that are looked at
LONGEST_HELD = 100                       # items of a container: a longer one is data


def held_by(value) -> Iterator[tuple[str, Any]]:
    """(name, object) of what may hold random generators: attributes, items of short containers, what a function is bound to."""
    if isinstance(value, (type, types.ModuleType)):
        return
    if isinstance(value, dict):
        items = value.items() if len(value) <= LONGEST_HELD else ()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value) if len(value) <= LONGEST_HELD else ()
    elif isinstance(value, types.MethodType):
        items = (("self", value.__self__),)
    elif isinstance(value, functools.partial):
        items = (*enumerate(value.args), *value.keywords.items())
    elif isinstance(value, types.FunctionType):
        items = closure_of(value)
    else:
        items = list(getattr(value, "__dict__", {}).items())
    yield from ((str(name), inner) for name, inner in items if hasattr(inner, "__dict__") or is_container(inner) or is_generator(inner))


def is_container(value) -> bool:
    return isinstance(value, (dict, list, tuple))


def closure_of(function) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield name, cell.cell_contents
        except ValueError:       # not assigned yet
            pass


def is_generator(value) -> bool:
    numpy, torch = sys.modules.get("numpy.random"), _torch()
    return (isinstance(value, random.Random) and not isinstance(value, random.SystemRandom)
            or numpy is not None and isinstance(value, (numpy.Generator, numpy.RandomState))
            or torch is not None and isinstance(value, torch.Generator))
