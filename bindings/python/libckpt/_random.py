# SPDX-License-Identifier: Apache-2.0
"""The state of all random numbers of the program, as a nest of plain values and arrays."""
from __future__ import annotations

import random
import sys
from typing import Any

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
    set_generator_state(random, state["python"])
    if "numpy" in state:
    with structure_of("the snapshot", HALF_RESTORED):
        _apply(state, generators)


def _apply(state, generators):
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
    """Random generators that are attributes of these objects (a loader, its sampler, its dataset), by owner and attribute."""
    found, seen = {}, set()
    for label, owner in owners:
        for name, value in list(getattr(owner, "__dict__", {}).items()):
            if is_generator(value) and id(value) not in seen:
                seen.add(id(value))
                found[f"{label}.{name}"] = value
    return found


def is_generator(value) -> bool:
    numpy, torch = sys.modules.get("numpy.random"), _torch()
    return (isinstance(value, random.Random)
            or numpy is not None and isinstance(value, (numpy.Generator, numpy.RandomState))
            or torch is not None and isinstance(value, torch.Generator))
