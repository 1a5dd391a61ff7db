# SPDX-License-Identifier: Apache-2.0
"""The script against the snapshot: a restore brings back the old learning rate or schedule, whatever the script says now. What
the script made at its start is saved beside the state, so that a change of the script is told from a change by training."""
from __future__ import annotations

import difflib
import json
import os
import shlex
from typing import Any, NoReturn

from ._optimizer import Optimizer
from ._plain import StateDict
from ._log import say
from ._tree import kind_of

PLAIN = (bool, int, float, str, type(None))
OVERRIDE = "CKPT_OVERRIDE"        # environment: what ckptrun --override says, as a JSON object
_of_ckptrun: dict[str, Any] = {}


def override_of_ckptrun() -> dict[str, Any]:
    """Taken out of the environment: where it is left, the C library says that the program takes no such values."""
    if text := os.environ.pop(OVERRIDE, ""):
        _of_ckptrun.update(json.loads(text))
    return dict(_of_ckptrun)


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


def differs(one, other) -> bool:
    """Not so for nan and nan."""
    return one != other and repr(one) != repr(other)


def tell_differences(saved: dict, now: dict, override: dict):
    """One line with what the script says differently and the word that makes it count."""
    changed = {key: now[key] for key in now if key in saved and differs(now[key], saved[key]) and key not in override}
    if not changed:
        return
    lines = ", ".join(f"{key} {saved[key]!r} -> {value!r}" for key, value in changed.items())
    words = " ".join(f"--override {shlex.quote(f'{key}={json.dumps(value)}')}" for key, value in changed.items())
    say(f"the script changed ({lines}), and the run goes on with its own values; to take the script's: "
        f"Run(..., override={changed!r}), or ckptrun {words}")


def apply_override(objects: dict, override: dict, done: dict) -> dict:
    """Sets what is overridden, each value once in the life of a run: a later block goes on from what training made of it.
    Returns what has been overridden by now."""
    due = {key: value for key, value in override.items() if differs(done.get(key, _NOTHING), plain(value))}
    for key in due:                 # all are there before the first is set
        _holders(objects, key)
    for key, value in due.items():
        _set(objects, key, value)
        say(f"override: {key} = {value!r}")
    return done | {key: plain(value) for key, value in override.items()}


_NOTHING = object()


def _set(objects, key, value):
    holders, name, put_back = _holders(objects, key)
    for holder in holders:
        _set_in_dict(holder, name, value)
    if put_back:
        put_back(*holders)


def _holders(objects, key):
    """The dicts in which `key` is, its name there, and the function that gives them back to their object, if that is needed."""
    name, _, rest = key.partition(".")
    target = objects.get(name)
    kind, put_back = kind_of(target), None
    if isinstance(kind, Optimizer):
        number, dot, inner = rest.partition(".")
        holders = target.param_groups
        if dot and number.isdigit():
            holders, rest = holders[int(number):int(number) + 1], inner
    elif isinstance(kind, StateDict):
        holders, put_back = [target.state_dict()], target.load_state_dict
    else:
        holders = [target]
    if not holders or not all(isinstance(holder, dict) and rest in holder for holder in holders):
        _refuse(key, objects)
    return holders, rest, put_back


def _refuse(key, objects) -> NoReturn:
    known = sorted(settings_of(objects))
    near = difflib.get_close_matches(key, known, n=3)
    advice = f"did you mean {' or '.join(near)}? " if near else ""
    raise KeyError(f"override names '{key}', which is not there; {advice}there are: {', '.join(known) or 'none'}")


def _set_in_dict(values, key, value):
    old = values[key]
    if hasattr(old, "fill_"):       # a tensor, for instance a capturable learning rate: compiled code holds on to it
        old.fill_(value)
    else:
        values[key] = type(old)(value) if type(old) is tuple else value
