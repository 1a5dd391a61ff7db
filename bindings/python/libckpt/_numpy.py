# SPDX-License-Identifier: Apache-2.0
"""NumPy arrays, scalars and random generators; never imports NumPy before the program does."""
from __future__ import annotations

import array
import random
import sys

from . import _arrays
from ._abi import DTYPE_NAMES, CannotSave
from ._tree import Kind


def numpy():
    return sys.modules.get("numpy")


def numpy_dtype(code: int):
    """The NumPy type of a code of ckpt.h; bfloat16 and float8 need the package ml_dtypes (as JAX and TensorFlow do)."""
    import numpy as np
    name = DTYPE_NAMES[code]
    if name.startswith(("bfloat", "float8")):
        import ml_dtypes
        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name)


class NumpyArray(Kind):
    tag = "$numpy"

    def takes(self, value):
        return numpy() is not None and isinstance(value, numpy().ndarray)

    def write(self, writer, value, path):
        if (masked := sys.modules.get("numpy.ma")) is not None and isinstance(value, masked.MaskedArray):
            raise CannotSave("a masked array is not saved with its mask: give its .data and its .mask, or a filled() copy")
        if len(path) == 1 and not value.flags.writeable:
            raise CannotSave("its memory is read-only, so nothing can be restored into it")
        return writer.array(value, path, lambda: _arrays.of_numpy(value))

    def read(self, reader, content, live, path):
        code, shape = reader.shape(content)
        usable = reader.must_fit(live, path) or isinstance(live, numpy().ndarray) and fits(live, (code, shape))
        free = usable and reader.claim(memory_of(live))
        if content not in reader.targets:
            array = live if free else numpy().empty(shape, numpy_dtype(code))
            reader.target(content, array, _arrays.of_numpy(array))
        restored = reader.owners[content]
        if usable and memory_of(live) == memory_of(restored):
            return lambda: live
        return (lambda: copy_into(live, restored)) if free else lambda: restored


def memory_of(array):
    return _arrays.of_numpy(array).memory


def fits(live, saved):
    return live.flags.writeable and saved == (_arrays.dtype_of_numpy(live.dtype), live.shape)


def copy_into(live, restored):
    live[...] = restored
    return live


class NumpyScalar(Kind):
    tag = "$scalar"

    def takes(self, value):
        return numpy() is not None and isinstance(value, numpy().generic)

    def write(self, writer, value, path):
        _arrays.dtype_of_numpy(value.dtype)
        return [value.dtype.name, value.tobytes().hex()]

    def read(self, reader, content, live, path):
        import numpy as np
        scalar = np.frombuffer(bytes.fromhex(content[1]), numpy_dtype(DTYPE_NAMES.index(content[0])))[0]
        return lambda: scalar


class NumpyGenerator(Kind):
    """numpy.random.Generator and the legacy RandomState: the same object goes on where it was."""
    tag = "$numpy_generator"

    def takes(self, value):
        return numpy() is not None and isinstance(value, (numpy().random.Generator, numpy().random.RandomState))

    def write(self, writer, value, path):
        writer.generators[".".join(map(str, path))] = value
        return writer.node(generator_state(value), path)

    def read(self, reader, content, live, path):
        with reader.fresh_containers():
            state = reader.value(content, None, path)

        def restore():
            same = live
            if same is None:
                same = random.Random() if "version" in content else new_numpy_generator(state())
            set_generator_state(same, state())
            return same
        return restore


def new_numpy_generator(state):
    import numpy.random
    if "has_gauss" in state:
        return numpy.random.RandomState()
    kind = getattr(numpy.random, state["bit_generator"])
    if not issubclass(kind, numpy.random.BitGenerator):
        raise ValueError(kind)
    return numpy.random.Generator(kind())


class PythonGenerator(Kind):
    """random.Random: an instance of one's own."""
    tag = "$random"

    def takes(self, value):
        return isinstance(value, random.Random)

    def write(self, writer, value, path):
        writer.generators[".".join(map(str, path))] = value
        return writer.node(generator_state(value), path)

    read = NumpyGenerator.read


def is_generator(value) -> bool:
    of_numpy, torch = sys.modules.get("numpy.random"), sys.modules.get("torch")
    return (isinstance(value, random.Random) and not isinstance(value, random.SystemRandom)
            or of_numpy is not None and isinstance(value, (of_numpy.Generator, of_numpy.RandomState))
            or torch is not None and isinstance(value, torch.Generator))


def generator_state(generator):
    """A nest of plain values and arrays from which set_generator_state continues; nothing in it changes later."""
    if hasattr(generator, "getstate"):
        version, state, gauss = generator.getstate()
        return {"version": version, "state": array.array("I", state).tobytes(), "gauss": gauss}
    if hasattr(generator, "bit_generator"):
        return dict(generator.bit_generator.state) | {"spawned": getattr(seeds_of(generator), "n_children_spawned", 0)}
    if hasattr(generator, "initial_seed"):       # a torch.Generator
        return generator.get_state()
    return dict(generator.get_state(legacy=False))


def seeds_of(generator):
    """Where spawn() takes the seeds of children from; None where NumPy is older than 1.25, or the script has set a state."""
    return getattr(generator.bit_generator, "seed_seq", None)


def set_generator_state(generator, state):
    state = dict(state) if isinstance(state, dict) else state
    if hasattr(generator, "getstate"):
        generator.setstate((state["version"], tuple(array.array("I", state["state"])), state["gauss"]))
    elif hasattr(generator, "bit_generator"):
        spawned = state.pop("spawned")
        generator.bit_generator.state = state
        seeds = seeds_of(generator)
        if spawned > getattr(seeds, "n_children_spawned", spawned):      # it only ever counts up
            seeds.spawn(spawned - seeds.n_children_spawned)
    else:
        generator.set_state(state)
