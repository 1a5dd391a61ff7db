# SPDX-License-Identifier: Apache-2.0
"""The script against the snapshot: a restore brings back the old learning rate or schedule, whatever the script says now. What
the script made at its start is saved beside the state, so that a change of the script is told from a change by training."""
from __future__ import annotations

import difflib
import json
import os
import shlex
from collections import Counter
from typing import Any, NoReturn

from ._optimizer import Optimizer
from ._plain import StateDict
from ._log import say, warn
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
    found: dict[str, Any] = {}
    for key, value in values.items():
        if not isinstance(key, str) or key.startswith("_") and key not in SCRIPTS_OWN:
            continue
        if is_plain(value):
            found[f"{name}.{key}"] = plain(value)
        elif type(value) is list and all(type(item) is dict for item in value):
            for number, item in enumerate(value):
                found |= _of_dict(f"{name}.{key}.{number}", item)
    return found


SCRIPTS_OWN = ("_milestones", "_schedulers")       # of torch's SequentialLR and ChainedScheduler: what the script says, all the same


def is_plain(value) -> bool:
    if type(value) in (list, tuple, Counter):
        return all(type(item) in PLAIN for item in value)
    return type(value) in PLAIN or is_number(value)


def is_number(value) -> bool:
    """A tensor or a NumPy scalar that is one number: a capturable learning rate."""
    return hasattr(value, "item") and getattr(value, "shape", None) == ()


def plain(value):
    if type(value) in (tuple, Counter):         # the milestones of MultiStepLR are a Counter
        return sorted(value.elements()) if type(value) is Counter else list(value)
    return value.item() if is_number(value) else value


def differs(one, other) -> bool:
    """Not so for nan and nan."""
    return one != other and repr(one) != repr(other)


def tell_differences(saved: dict, now: dict, override: set):
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
        _tell_if_undone(objects, key, override)
    return done | {key: plain(value) for key, value in override.items()}


_NOTHING = object()


COMPUTED_FROM = {"LambdaLR": "{0}.base_lrs", "CyclicLR": "{0}.base_lrs and {1}.max_lr",
                 "OneCycleLR": "{1}.initial_lr, {1}.max_lr and {1}.min_lr"}


def _tell_if_undone(objects, key, override):
    """Most schedules go on from the rate as it is; some compute it anew at each step, from what they began with."""
    name, _, rest = key.partition(".")
    if not isinstance(kind_of(objects.get(name)), Optimizer) or rest.rpartition(".")[2] != "lr":
        return
    for schedule, value in objects.items():
        kind = next((kind.__name__ for kind in type(value).__mro__ if kind.__name__ in COMPUTED_FROM), None)
        if kind and getattr(value, "optimizer", None) is objects[name]:
            words = COMPUTED_FROM[kind].format(schedule, name)
            if not any(word in override for word in words.replace(" and ", ", ").split(", ")):
                warn(f"'{schedule}' ({kind}) computes the learning rate anew, so that {key} lasts until its next step; override "
                     f"{words} as well")


def _set(objects, key, value):
    holders, name, put_back = _holders(objects, key)
    for holder in holders:
        _set_in_dict(holder, name, value)
    if put_back:
        put_back()


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
    found = [_find(holder, rest) for holder in holders]
    if not found or None in found:
        _refuse(key, objects)
    return [holder for holder, _ in found], found[0][1], put_back and (lambda: put_back(*holders))


def _find(holder, key):
    """(dict, key there) of a key with the places of nested lists and dicts in it: `_schedulers.1.T_max`."""
    if isinstance(holder, dict) and key in holder:
        return holder, key
    place, _, rest = key.partition(".")
    if isinstance(holder, list) and place.isdigit() and int(place) < len(holder):
        return _find(holder[int(place)], rest)
    return _find(holder[place], rest) if isinstance(holder, dict) and place in holder else None


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
        values[key] = type(old)(value) if type(old) in (tuple, Counter) else value
