# SPDX-License-Identifier: Apache-2.0
"""Values kept for later, and put back into the objects that the script holds by then."""
from __future__ import annotations

import array
import collections
import enum
import sys
from typing import Any, Callable

from . import _abi, _arrays
from ._numpy import generator_state, is_generator, set_generator_state
from ._plain import is_named_tuple, name_of_class
from ._tree import PLAIN, has_lone_surrogates

LONGEST = 100                  # values in a nest: a longer one is data
LARGEST = 1 << 13              # bytes of an array: a larger one is data
DEEPEST = 4                    # containers in containers
MANY = object()                # instead of a copy: what is no small value


def small_copy(value) -> Any:
    """Of what a class keeps beside its data: numbers, text, short lists of them, small arrays. MANY: anything else."""
    return copy_within(value, [LONGEST], DEEPEST)


def copy_within(value, left: list[int], depth: int) -> Any:
    """`left`: the values that may still come in the whole nest."""
    kind = type(value)
    left[0] -= 1
    if left[0] < 0:
        return MANY
    if kind is str:
        return MANY if has_lone_surrogates(value) else value
    if kind in PLAIN or kind is complex or is_scalar(value):
        return value
    if kind is bytes:
        return value if len(value) <= LARGEST else MANY
    if isinstance(value, enum.Enum):
        return value if name_of_class(kind) else MANY
    if kind in (list, tuple, set, frozenset, dict, collections.deque):
        return copy_of_items(value, left, depth) if len(value) <= left[0] and depth else MANY
    if is_array(value):
        return value.copy() if value.nbytes <= LARGEST and can_be_saved(value) else MANY
    if is_tensor(value):
        is_plain = value.device.type == "cpu" and value.layout is sys.modules["torch"].strided and not value.requires_grad
        is_small = is_plain and str(value.dtype).removeprefix("torch.") in _abi.DTYPES and value.numel() * value.element_size() <= LARGEST
        return value.clone() if is_small else MANY
    return MANY


def copy_of_items(value, left, depth):
    items = []
    for item in value.values() if isinstance(value, dict) else value:
        items.append(copy_within(item, left, depth - 1))
        if items[-1] is MANY:
            return MANY
    if isinstance(value, dict):
        plain_keys = all(type(key) in PLAIN and not (type(key) is str and has_lone_surrogates(key)) for key in value)
        return dict(zip(value, items)) if plain_keys else MANY
    return collections.deque(items, value.maxlen) if isinstance(value, collections.deque) else type(value)(items)


def can_be_saved(array) -> bool:
    try:
        _arrays.dtype_of_numpy(array.dtype)
    except _abi.CannotSave:
        return False
    return True


def is_same(a, b) -> bool:
    """Of two small values; the order of a dict counts."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(is_same, a.values(), b.values()))
    if isinstance(a, (list, tuple, collections.deque)):
        return len(a) == len(b) and all(map(is_same, a, b))
    if is_array(a):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if is_tensor(a):
        return a.dtype == b.dtype and a.shape == b.shape and sys.modules["torch"].equal(a, b)
    return bool(a == b)


def remember(value) -> Callable[[Any], Any]:
    """What the value is now. Called later with what stands in its place by then, it makes that again what it was, where it can be
    changed, and answers what belongs there. Objects of other classes than these are left as they are."""
    if isinstance(value, (dict, list, collections.deque)):
        return remember_items(value)
    if isinstance(value, tuple):
        items = [remember(item) for item in value]
        return lambda live: tuple_of(value, [put(item) for put, item in zip(items, as_long_as(value, live))])
    if type(value) in (set, bytearray):
        return remember_elements(value, type(value)(value))
    if isinstance(value, array.array):
        return remember_elements(value, value[:])
    if is_array(value) or is_tensor(value):
        return remember_array(value, value.copy() if is_array(value) else value.detach().clone())
    if is_generator(value):
        state = generator_state(value)
        return lambda live: with_state(live if type(live) is type(value) else value, state)
    if hasattr(type(value), "__dataclass_fields__") and not type(value).__dataclass_params__.frozen:
        fields = {name: remember(getattr(value, name)) for name in type(value).__dataclass_fields__}
        return lambda live: with_fields(live if type(live) is type(value) else value, fields)
    return lambda live: value


def as_long_as(value, live) -> list:
    found = list(live) if type(live) is type(value) else []
    return found[:len(value)] + [None] * (len(value) - len(found))


def tuple_of(value, items):
    return type(value)._make(items) if is_named_tuple(type(value)) else tuple(items)


def remember_items(value):
    keys = list(value) if isinstance(value, dict) else range(len(value))
    items = {key: remember(value[key]) for key in keys}

    def put_back(live):
        same = live if type(live) is type(value) else value
        before = dict(same) if isinstance(same, dict) else dict(enumerate(same))
        after = {key: put(before.get(key)) for key, put in items.items()}
        same.clear()
        same.update(after) if isinstance(same, dict) else same.extend(after.values())
        return same
    return put_back


def remember_elements(value, copy):
    def put_back(live):
        same = live if type(live) is type(value) else value
        if isinstance(same, set):
            same.clear()
            same.update(copy)
        else:
            same[:] = copy
        return same
    return put_back


def remember_array(value, copy):
    def put_back(live):
        if type(live) is not type(value) or live.dtype != copy.dtype or live.shape != copy.shape or is_read_only(live):
            return copy
        if is_array(live):
            live[...] = copy
        else:
            live.data.copy_(copy)
        return live
    return put_back


def is_read_only(live) -> bool:
    return is_array(live) and not live.flags.writeable


def with_state(generator, state):
    set_generator_state(generator, state)
    return generator


def with_fields(live, fields):
    for name, put in fields.items():
        object.__setattr__(live, name, put(getattr(live, name, None)))
    return live


def is_scalar(value) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic) and can_be_saved(value)


def is_array(value) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray


def is_tensor(value) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and type(value) is torch.Tensor
