# SPDX-License-Identifier: Apache-2.0
"""Everything a run saves: what the script gave, and what the run itself must remember. One JSON tree and the arrays it names."""
from __future__ import annotations

import contextlib
import json
import zlib
from typing import Any

from . import _abi, _kinds  # noqa: F401  (registers the kinds)
from ._arrays import memory_of
from ._held import is_module
from ._plain import is_immutable, write_pickled
from ._tree import Reader, Writer, kind_of, name_of

KEY = "python"               # under which ckpt_set has the tree
FORMAT = 1
OWN = ("vars", "random", "loop")


class State:
    """`objects` are the script's, by name; `vars` is run.vars; `is_made_before`: a run before this one may have trained them."""

    def __init__(self, objects: dict, variables: dict, pickled: tuple = (), is_made_before: bool = False):
        self._is_made_before = is_made_before
        self.objects = dict(sorted(objects.items(), key=lambda item: not is_module(item[1])))   # modules name their tensors
        self.variables = variables
        self.pickled = pickled
        self.at_start: dict = {}
        self._is_first = True
        for name, value in objects.items():
            self._check(name, value)

    def _check(self, name, value):
        if name in OWN or name.startswith("$"):
            raise TypeError(f"'{name}' is a name that the run itself uses; give the object another one")
        if name not in self.pickled and kind_of(value) is None:
            Writer().node(value, (name,))
        if isinstance(value, tuple) and any(map(is_immutable, value)):
            raise TypeError(f"'{name}' is a tuple with plain values in it, which cannot be changed in place: give a list")

    def by_name(self) -> dict[str, Any]:
        """All that the script can name."""
        return self.objects | {"vars": self.variables}

    def generators_in_variables(self) -> dict[str, Any]:
        """Random generators in run.vars, by path. Raises TypeError where something there cannot be saved: the script fills it after Run() has
        looked at the rest."""
        writer = Writer(self.pickled, at_start=dict(self.at_start), is_first=False)
        writer.node(self.variables, ("vars",))
        return writer.generators

    def modes(self) -> list:
        """(torch module, whether it is in training) of all that the script gave."""
        return [(module, module.training) for value in self.objects.values() if is_module(value) for module in value.modules()]

    def write(self, own: dict) -> tuple[Writer, str]:
        """A walk over everything as it is now; `own` is what the run remembers. The writer holds the arrays."""
        writer = Writer(self.pickled, at_start=self.at_start, is_first=self._is_first, is_made_before=self._is_made_before)
        self._is_first = False
        objects = {name: self._write(writer, name, value) for name, value in self.objects.items()}
        objects["vars"] = writer.node(self.variables, ("vars",))
        objects |= {name: writer.node(value, (name,)) for name, value in own.items()}
        return writer, json.dumps({"format": FORMAT, "objects": objects}, allow_nan=False, separators=(",", ":"))

    def marks(self) -> dict[str, Any]:
        """By object what differs when a script has changed it: its structure and plain values, and a mark of each array."""
        found: dict[str, Any] = {}
        for name, value in self.objects.items():
            marker = Marker(self.pickled, at_start=self.at_start, is_first=False, is_made_before=self._is_made_before)
            with contextlib.suppress(TypeError):          # what cannot be saved is told when it is
                found[name] = json.dumps(self._write(marker, name, value)), marker.marks
        return found

    def _write(self, writer, name, value):
        return write_pickled(writer, value, (name,)) if name in self.pickled else writer.node(value, (name,))

    def read(self, text: str, arrays: dict) -> tuple[Reader, dict]:
        """Memory for all arrays of a snapshot, and per object the function that restores it once they are filled."""
        tree = json.loads(text)
        if tree.get("format") != FORMAT:
            raise _abi.Error(f"the snapshot's structure has version {tree.get('format')}, this libckpt reads {FORMAT}: update it",
                             _abi.MISMATCH)
        nodes = tree["objects"]
        check_own(nodes["random"], nodes["loop"])
        self._compare_names({name for name in nodes if name not in OWN})
        reader = Reader(arrays, self.pickled, self.at_start)
        live = self.by_name()
        values = {name: reader.value(nodes[name], live.get(name), (name,)) for name in (*self.objects, *OWN) if name in nodes}
        return reader, values

    def check_identity(self, restored: dict):
        """What the script holds is what was restored."""
        for name, value in self.objects.items():
            if restored[name] is not value:
                raise _abi.Error(f"'{name}' ({type(value).__name__}) could not be restored in place, and the script holds the old "
                                 "one: give something that can be changed, or put the value into run.vars", _abi.MISMATCH)

    def _compare_names(self, saved: set):
        advice = "; give Run the same names as before, or start a new run (ckptrun --fresh or --run NAME)"
        if missing := saved - self.objects.keys():
            raise _abi.Error(f"the snapshot holds {_list(missing)}, which Run was not given" + advice, _abi.MISMATCH)
        if unknown := self.objects.keys() - saved:
            raise _abi.Error(f"Run was given {_list(unknown)}, which the snapshot does not hold" + advice, _abi.MISMATCH)


class Marker(Writer):
    """A walk that copies nothing, and notes of each array a checksum, or how often torch has written to it on a device."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.marks: list = []

    def array(self, owner, path, make):
        is_on_device = getattr(owner, "is_cpu", True) is False
        self.marks.append(self._mark_on_device(owner) if is_on_device else mark_of(make()))
        return name_of(path)

    def _mark_on_device(self, tensor):
        """None: nothing is known of what a state_dict() has just made, or inference."""
        if not self._forgiving:
            with contextlib.suppress(RuntimeError):
                return tensor.data_ptr(), tensor._version
        return None


def mark_of(array):
    return zlib.crc32(memory_of(array)), array.shape


def check_own(random: dict, loop: dict):
    """What the run itself remembers, before anything of it is used: what is missing or of another kind raises."""
    position, best = loop["position"], loop["best"]
    counts = [position["epoch"], position["epoch_step"], *(feed["index"] for feed in position["feeds"].values())]
    flags = [feed["complete"] for feed in position["feeds"].values()]
    open_feeds = [feed for feed in position["feeds"].values() if not feed["complete"]]
    whole = (all(type(count) is int and 0 <= count < 1 << 63 for count in counts)
             and all(isinstance(flag, bool) for flag in flags)
             and all(feed.keys() >= {"start", "state", "ahead"} for feed in open_feeds)
             and all(isinstance(nest, dict) for nest in (random["python"], random["parts"], position["lasting"], position["warm"], loop["settings"], loop["overridden"]))
             and all(isinstance(number, (int, float, type(None))) for number in (best["value"], best["step"], position["tail_seconds"])))
    if not whole:
        raise ValueError("loop")


def _list(names) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


def snapshot_content(snapshot) -> tuple[str, dict]:
    """The tree's text and the arrays of a ckpt_snapshot."""
    text = _abi.text_value("ckpt_snapshot_get", snapshot, KEY)
    if text is None:
        raise _abi.Error("the snapshot was not written by the Python package: read it with libckpt.open()", _abi.MISMATCH)
    return text, _abi.arrays_of(snapshot)
