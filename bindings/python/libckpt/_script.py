# SPDX-License-Identifier: Apache-2.0
"""The script against the snapshot: a restore brings back the old learning rate or schedule, whatever the script says now. What
the script made at its start is saved beside the state, so that a change of the script is told from a change by training."""
from __future__ import annotations

from typing import Any

from ._optimizer import Optimizer
from ._plain import StateDict
from ._log import say
from ._tree import kind_of

PLAIN = (bool, int, float, str, type(None))


def settings_of(objects: dict) -> dict[str, Any]:
    """"optimizer.lr" -> 0.1: the plain values that the script's objects have before anything is restored."""
    found: dict[str, Any] = {}
    for name, value in objects.items():
        kind = kind_of(value)
        if isinstance(kind, Optimizer):
            found |= _of_optimizer(name, value)
        elif isinstance(kind, StateDict) and isinstance(state := value.state_dict(), dict):
            found |= _of_dict(name, state)
        elif type(value) is dict:
            found |= _of_dict(name, value)
    return found


def _of_optimizer(name, optimizer):
    groups = optimizer.param_groups
    if len(groups) == 1:
        return _of_dict(name, groups[0])
    return {key: value for i, group in enumerate(groups) for key, value in _of_dict(f"{name}.{i}", group).items()}


def _of_dict(name, values):
    return {f"{name}.{key}": plain(value) for key, value in values.items()
            if isinstance(key, str) and not key.startswith("_") and is_plain(value)}


def is_plain(value) -> bool:
    if type(value) in (list, tuple):
        return all(type(item) in PLAIN for item in value)
    return type(value) in PLAIN


def plain(value):
    return list(value) if type(value) is tuple else value


def tell_differences(saved: dict, now: dict, override: dict):
    """One line with what the script says differently and the word that makes it count."""
    changed = {key: now[key] for key in now if key in saved and now[key] != saved[key] and key not in override}
    if not changed:
        return
    lines = ", ".join(f"{key} {saved[key]!r} -> {value!r}" for key, value in changed.items())
    say(f"the script changed ({lines}), and the run goes on with its own values; to take the script's: "
        f"Run(..., override={changed!r})")


def apply_override(objects: dict, override: dict, done: dict) -> dict:
    """Sets what is overridden, each value once in the life of a run: a later block goes on from what training made of it.
    Returns what has been overridden by now."""
    for key, value in override.items():
        if done.get(key, _NOTHING) != plain(value):
            _set(objects, key, value)
            say(f"override: {key} = {value!r}")
    return done | {key: plain(value) for key, value in override.items()}


_NOTHING = object()


def _set(objects, key, value):
    name, _, rest = key.partition(".")
    if name not in objects or not rest:
        known = ", ".join(sorted(settings_of(objects))) or "none"
        raise KeyError(f"override names '{key}'; there are: {known}")
    target = objects[name]
    kind = kind_of(target)
    if isinstance(kind, Optimizer):
        _set_in_groups(target.param_groups, rest, value, key)
    elif isinstance(kind, StateDict):
        _set_in_state(target, rest, value, key)
    else:
        _set_in_dict(target, rest, value, key)


def _set_in_groups(groups, rest, value, key):
    number, dot, inner = rest.partition(".")
    if dot and number.isdigit():
        groups, rest = groups[int(number):int(number) + 1], inner
    for group in groups:
        _set_in_dict(group, rest, value, key)


def _set_in_state(target, rest, value, key):
    state = target.state_dict()
    _set_in_dict(state, rest, value, key)
    target.load_state_dict(state)


def _set_in_dict(values, rest, value, key):
    if rest not in values:
        raise KeyError(f"override names '{key}', which is not there; there are: {', '.join(map(str, values))}")
    old = values[rest]
    if hasattr(old, "fill_"):       # a tensor, for instance a capturable learning rate: compiled code holds on to it
        old.fill_(value)
    else:
        values[rest] = type(old)(value) if type(old) is tuple else value
