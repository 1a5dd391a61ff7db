# SPDX-License-Identifier: Apache-2.0
"""The script against the snapshot: a restore brings back the old learning rate or schedule, whatever the script says now. What
the script made at its start is saved beside the state, so that a change of the script is told from a change by training."""
from __future__ import annotations

import difflib
import json
import math
import os
import shlex
from collections import Counter
from typing import Any, Iterator, NoReturn

from ._optimizer import Optimizer
from ._plain import StateDict
from ._log import say, warn
from ._tree import attribute_of, kind_of

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
        found |= _of_object(name, value, DEEPEST)
    return found


DEEPEST = 3          # containers in containers


def _of_object(name, value, depth) -> dict[str, Any]:
    kind = kind_of(value)
    if isinstance(kind, Optimizer):
        return _of_optimizer(name, value)
    if isinstance(kind, StateDict):
        state = value.state_dict()
        return _of_dict(name, state) if isinstance(state, dict) else {}
    found = _of_dict(name, value) if type(value) is dict else {}
    if type(value) in (dict, list, tuple) and len(value) <= MOST and depth:
        items = value.items() if type(value) is dict else enumerate(value)
        for key, item in items:
            if type(item) not in PLAIN:
                found |= _of_object(f"{name}.{key}", item, depth - 1)
    return found


MOST = 100           # items of a container: a longer one is data
# Of an optimizer, how it computes, not what.
HOW = ("foreach", "fused")


def _of_optimizer(name, optimizer):
    groups = [{key: value for key, value in group.items() if key not in HOW} for group in optimizer.param_groups]
    found = {f"{name}.{GROUPS}": len(groups)}
    if len(groups) == 1:
        return found | _of_dict(name, groups[0])
    return found | {key: value for i, group in enumerate(groups) for key, value in _of_dict(f"{name}.{i}", group).items()}


GROUPS = "param_groups"      # how many: they are restored with the parameters that are in each


def _of_dict(name, values):
    found: dict[str, Any] = {}
    for key, value in values.items():
        if not isinstance(key, str) or key.startswith("_") and key not in SCRIPTS_OWN:
            continue
        if is_plain(value):
            found[f"{name}.{key}"] = plain(value)
        elif type(value) is list and all(type(item) is dict for item in value):
            if key == PHASES:
                found[f"{name}.{key}"] = len(value)
            for number, item in enumerate(value):
                found |= _of_dict(f"{name}.{key}.{number}", item)
    return found


# Of torch's SequentialLR, ChainedScheduler and OneCycleLR: what the script says, all the same.
PHASES = "_schedule_phases"      # which OneCycleLR has worked out from its length
SCRIPTS_OWN = ("_milestones", "_schedulers", PHASES, "_anneal_func_type")


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


def _differing(saved: dict, now: dict) -> list[str]:
    return [key for key in now if key in saved and differs(now[key], saved[key])]


def tell_differences(objects: dict, saved: dict, now: dict, override: set):
    """One line with what the script says differently and the word that makes it count."""
    changed = {key: now[key] for key in _differing(saved, now) if key not in override}
    for key in [key for key in changed if key.rpartition(".")[2] in (GROUPS, PHASES)]:
        name, _, kind = key.rpartition(".")
        warn(f"the script makes {changed[key]} {kind.lstrip('_')} in '{name}', the run goes on with the {saved[key]} that it has, and their "
             f"values; to take the script's begin a new run with the weights of this one: Run(..., init_from=PATH, only=[\"model\"])")
        changed = {other: value for other, value in changed.items() if other != key and (kind == GROUPS or not other.startswith(f"{name}."))}
    for schedule, rates in _rates_by_code(objects, saved, now, changed).items():
        lines = ", ".join(f"{key} {saved[key]!r} -> {changed.pop(key)!r}" for key in rates)
        say(f"the script changed what {schedule} computes ({lines} at its start): functions are in no snapshot, so that the script's count "
            "from the schedule's next step on")
    if not changed:
        return
    lines = ", ".join(f"{key} {saved[key]!r} -> {value!r}" for key, value in changed.items())
    taken = dict(filter(None, (_to_take(objects, key, saved, now) for key in changed)))
    words = " ".join(f"--override {shlex.quote(f'{key}={json.dumps(value)}')}" for key, value in taken.items())
    advice = f"; to take the script's: Run(..., override={taken!r}), or ckptrun {words}" if taken else ""
    say(f"the script changed ({lines}), and the run goes on with its own values{advice}")


def _to_take(objects, key, saved, now):
    """(key, value) of the override, if one would do. A learning rate is by now not what the script began with: it changes as the rate does
    from which a schedule computes it, or which it has reduced."""
    if now[key] and _missing_state(objects, key):
        return None
    if not _is_rate(objects, key):
        return key, now[key]
    first = _first_rate(key, saved, now)
    if not differs(now[first], saved[first]):
        return None              # a warm-up of another length, say
    holders, name, _ = _holders(objects, key)
    by_now = plain(holders[0][name])
    if first == key and by_now in (0, saved[key]):
        return key, now[key]
    if not saved[first] or not by_now:        # one that has come to nothing: the schedule's own values say what it is
        return None
    return key, float(f"{by_now * now[first] / saved[first]:.12g}")


def _is_rate(objects, key) -> bool:
    """Of an optimizer, whatever it is."""
    return key.rpartition(".")[2] == "lr" and hasattr(_object_of(objects, key)[0], "param_groups")


def _first_rate(key, saved, now) -> str:
    """What a schedule computes it from, where there is one, then and now."""
    first = f"{key.rpartition('.')[0]}.initial_lr"
    return first if first in saved and first in now else key


def _rates_by_code(objects, saved, now, changed) -> dict[str, list[str]]:
    """schedule -> the learning rates that its own code makes otherwise at its start: neither the rate from which it computes them nor a
    value of its own has changed."""
    found: dict[str, list[str]] = {}
    differing = _differing(saved, now)
    for key in changed:
        if not _is_rate(objects, key) or _first_rate(key, saved, now) in differing:
            continue
        for place, schedule in _schedules_of(objects, key):
            has_code = hasattr(schedule, "lr_lambdas") or not type(schedule).__module__.startswith("torch.")
            if has_code and not any(other.startswith(place + ".") for other in differing):
                found.setdefault(f"'{place}' ({type(schedule).__name__})", []).append(key)
                break
    return found


def apply_override(objects: dict, override: dict, done: dict) -> tuple[dict, dict]:
    """Sets what is overridden, each value once in the life of a run: a later block goes on from what training made of it.
    Returns what has been overridden by now, and what of that in this block."""
    due = {key: value for key, value in override.items() if differs(done.get(key, _NOTHING), plain(value))}
    for key, value in due.items():                 # all are there, and fit, before the first is set
        holders, name, _ = _holders(objects, key)
        _check_type(key, holders[0][name], value)
        if value and (missing := _missing_state(objects, key)):
            raise ValueError(f"override: {key} needs '{missing}' of each parameter, which is kept only where it was on from the beginning; "
                             "start a new run with the weights of this one: Run(..., init_from=PATH, only=[\"model\"])")
    for place in {place for key in due if (place := _one_cycle_of(key))}:
        _check_phases(objects, place, due)
    set_again(objects, due)
    for key, value in due.items():
        say(f"override: {key} = {value!r}")
        _tell_if_undone(objects, key, override)
    return done | {key: plain(value) for key, value in override.items()}, due


def set_again(objects: dict, due: dict):
    """Also where a part of the objects was restored once more."""
    following = list(_schedules_that_follow(objects, due))
    for key, value in due.items():
        _set(objects, key, value)
    for schedule in following:
        schedule._last_lr = schedule._get_closed_form_lr()
        for group, rate in zip(schedule.optimizer.param_groups, schedule._last_lr):
            group["lr"] = rate


def _schedules_that_follow(objects, due):
    """Those of torch's that are overridden and know a formula for their rates, which they keep to so far: they go on from where it then
    is. Each would make the next rate of the one before, and what has come to nothing would stay so. Where the rate is overridden,
    it is what is said."""
    rated = {id(_object_of(objects, key)[0]) for key in due if _is_rate(objects, key)}
    overridden = {key.partition(".")[0] for key in due}
    for name, schedule in objects.items():
        if name not in overridden or attribute_of(schedule, "_get_closed_form_lr") is None or id(schedule.optimizer) in rated:
            continue
        rates = [float(group["lr"]) for group in schedule.optimizer.param_groups]
        if _are_close(rates, schedule._get_closed_form_lr()):
            yield schedule


def _are_close(rates, others) -> bool:
    return len(rates) == len(others) and all(math.isclose(rate, float(other), rel_tol=1e-6, abs_tol=1e-12) for rate, other in zip(rates, others))


def _check_type(key, old, value):
    """A number stays a number: "1e-3x" would be found only when the optimizer computes with it."""
    wanted = next((kinds for kinds in ((bool,), (int, float), (str,), (list, tuple, Counter)) if isinstance(plain(old), kinds)), None)
    given = plain(value)
    fits = wanted is None or isinstance(given, wanted) and isinstance(given, bool) == (wanted == (bool,))
    if not fits:
        raise TypeError(f"override: {key} is {plain(old)!r}, and {value!r} is of another type")
    if type(old) is tuple and len(given) != len(old):
        raise ValueError(f"override: {key} has {len(old)} values, {plain(old)!r}, and {value!r} has {len(given)}")


def _one_cycle_of(key) -> str | None:
    """The place of a schedule whose length, or phases, this names."""
    place, found, _ = key.partition(f".{PHASES}.")
    return place if found else key.rpartition(".")[0] if key.endswith(".total_steps") else None


def _check_phases(objects, place, due):
    """Where the last phase ends before the schedule does, the rate would rise once more after its end."""
    holders, _, _ = _holders(objects, f"{place}.total_steps")
    if not (phases := holders[0].get(PHASES)):
        return
    last = f"{place}.{PHASES}.{len(phases) - 1}.end_step"
    total, end = due.get(f"{place}.total_steps", holders[0]["total_steps"]), due.get(last, phases[-1]["end_step"])
    if end != total - 1:
        raise ValueError(f"override: the last phase of {place} would end at step {end} of {total}; override {place}.total_steps, {last} and "
                         f"the end_step of the phases before it together, as the script has them")


NEEDS = {"amsgrad": "max_exp_avg_sq", "centered": "grad_avg", "momentum": "momentum_buffer"}


def _missing_state(objects, key) -> str | None:
    """What an optimizer would want to know of its parameters if this were switched on: torch's make it in their first step only."""
    needed = NEEDS.get(key.rpartition(".")[2])
    target, _ = _object_of(objects, key)
    lacks = needed and isinstance(kind_of(target), Optimizer) and any(state and needed not in state for state in target.state.values())
    return needed if lacks else None


_NOTHING = object()


# Of torch's schedules, those that go on from the rate as it is. Others compute it anew at each step, from what they began with.
GOES_ON = ("StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR", "CosineAnnealingLR", "MultiplicativeLR",
           "ReduceLROnPlateau", "SWALR")
COMPUTED_FROM = {"CyclicLR": "{0}.base_lrs and {1}.max_lr", "OneCycleLR": "{1}.initial_lr, {1}.max_lr and {1}.min_lr"}


def _tell_if_undone(objects, key, override):
    if not _is_rate(objects, key):
        return
    of_group = key.rpartition(".")[0]
    for place, schedule in _schedules_of(objects, key):
        words = _computed_from(schedule, place, of_group)
        if words and not any(word in override for word in words.replace(" and ", ", ").split(", ")):
            warn(f"'{place}' ({type(schedule).__name__}) computes the learning rate anew, so that {key} lasts until its next step; "
                 f"override {words} as well")


def _schedules_of(objects, key) -> Iterator[tuple[str, Any]]:
    """(place, schedule) of those that set this learning rate."""
    groups = _holders(objects, key)[0]
    for name, schedule in objects.items():
        its_groups = getattr(getattr(schedule, "optimizer", None), "param_groups", ())
        if any(group is one for one in groups for group in its_groups):
            yield from _schedules_in(name, schedule)


def _schedules_in(name, schedule):
    inner = getattr(schedule, "_schedulers", None)
    if isinstance(inner, (list, tuple)):
        for number, one in enumerate(inner):
            yield from _schedules_in(f"{name}._schedulers.{number}", one)
    else:
        yield name, schedule


def _computed_from(schedule, place, of_group) -> str | None:
    """What a schedule computes the rate from, where it does so anew at each step, or will when its turn comes."""
    kind = type(schedule)
    known = next((base.__name__ for base in kind.__mro__ if base.__name__ in COMPUTED_FROM), None)
    if known:
        return COMPUTED_FROM[known].format(place, of_group)
    is_torch_s = kind.__module__.startswith("torch.")
    takes_turns = "._schedulers." in place and getattr(schedule, "last_epoch", 0) <= 0
    goes_on = is_torch_s and kind.__name__ in GOES_ON and not takes_turns
    return None if goes_on or not hasattr(schedule, "base_lrs") else f"{place}.base_lrs"


def _set(objects, key, value):
    holders, name, put_back = _holders(objects, key)
    for holder in holders:
        _set_in_dict(holder, name, value)
    if put_back:
        put_back()


def _holders(objects, key):
    """The dicts in which `key` is, its name there, and the function that gives them back to their object, if that is needed."""
    target, rest = _object_of(objects, key)
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


def _object_of(objects, key):
    """(object, the rest of the key) of a key that may lead through dicts and lists to it."""
    name, _, rest = key.partition(".")
    target = objects.get(name)
    while type(target) in (dict, list, tuple):
        place, dot, inner = rest.partition(".")
        key_there = int(place) if type(target) is not dict and place.isdigit() else place
        there = target.get(key_there) if type(target) is dict else target[key_there] if isinstance(key_there, int) and key_there < len(target) else None
        if not dot or not (type(there) in (dict, list, tuple) or kind_of(there) is not None and type(there) not in PLAIN):
            break
        target, rest = there, inner
    return target, rest


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
