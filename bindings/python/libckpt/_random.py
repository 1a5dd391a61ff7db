# SPDX-License-Identifier: Apache-2.0
"""The state of all random numbers of the program, and of what else moves with its loaders, as a nest of plain values and arrays."""
from __future__ import annotations

import random
import sys
from typing import Any

from ._held import put_back, state_of
from ._numpy import generator_state, set_generator_state
from ._tree import HALF_RESTORED, structure_of

KERAS_GENERATOR = "global_seed_generator"


def capture(parts: dict[str, Any]) -> dict:
    """Python's, NumPy's, torch's and Keras's own generators (those of libraries that the program has imported) and the parts, by name:
    further generators, and Attributes."""
    state: dict[str, Any] = {"python": generator_state(random)}
    if sys.modules.get("numpy") is not None:
        import numpy.random        # NumPy imports it only when it is first used
        state["numpy"] = dict(numpy.random.get_state(legacy=False))
    if torch := _torch():
        state["torch"] = torch.get_rng_state()
        if torch.cuda.is_initialized():
            state["cuda"] = torch.cuda.get_rng_state_all()
    if (keras := _keras()) and (generator := keras.get_global_attribute(KERAS_GENERATOR)):
        state["keras"] = sys.modules["keras"].ops.convert_to_numpy(generator.state).tolist()
    state["parts"] = {name: state_of(part) for name, part in parts.items()}
    return state


def apply(state: dict, parts: dict[str, Any]):
    """Everything goes on from `state`; a part that is not there any more is passed over."""
    with structure_of("the snapshot", HALF_RESTORED):
        _apply(state, parts)


def _apply(state, parts):
    if keras := _keras():
        _apply_to_keras(keras, state.get("keras"))
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
    for name, of_part in state["parts"].items():
        if name in parts:
            put_back(parts[name], of_part)


def _apply_to_keras(keras, state):
    """Keras makes the generator where it is first needed, with a seed of Python's: those follow, and None leaves it to be made."""
    if state is None:
        keras.set_global_attribute(KERAS_GENERATOR, None)
    else:
        sys.modules["keras.src.random.seed_generator"].global_seed_generator().state.assign(state)


def _torch():
    return sys.modules.get("torch")


def _keras():
    """What holds the generator of Keras's functions without a seed. It may be on a device, out of a forked worker's reach."""
    data = sys.modules.get("torch.utils.data")
    is_worker = data is not None and data.get_worker_info() is not None
    return None if is_worker else sys.modules.get("keras.src.backend.common.global_state")
