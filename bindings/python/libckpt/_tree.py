# SPDX-License-Identifier: Apache-2.0
"""Any nest of objects as JSON structure and arrays, and back into the objects that exist.

A *node* is the JSON of one value. Numbers, text and lists are themselves; an object is a dict; whatever else has one member
whose name begins with "$" (a dict whose own keys do has them doubled). Bulk goes into arrays, named by the path to the value.

Writing walks the live objects. Reading has two halves, since the C library fills all arrays at once: Reader.value() finds or
makes the memory for each array and returns a function that yields the restored value once the bytes are there."""
from __future__ import annotations

import contextlib
import functools
import hashlib
import math
from typing import Any, Callable

from . import _abi
from ._arrays import Array

PLAIN = (str, bool, int, float, type(None))
Value = Callable[[], Any]        # yields the restored value; to be called after the arrays are filled

_kinds: list = []                # in the order in which they are asked
_kinds_by_tag: dict[str, Any] = {}
_kind_of_type: dict[type, Any] = {}


class Kind:
    """How one kind of value becomes a node and comes back. `tag` is the node's member; `takes` decides by the value's type."""
    tag = ""
    needs_live = False       # comes back only into what the program has in its place

    def takes(self, value) -> bool:
        raise NotImplementedError

    def write(self, writer: Writer, value, path: tuple) -> Any:
        """What stands under the tag."""
        raise NotImplementedError

    def read(self, reader: Reader, content, live, path: tuple) -> Value:
        """`live` is what the program has in this place, or None."""
        raise NotImplementedError


def register(kind: Kind):
    _kinds.append(kind)
    _kinds_by_tag[kind.tag] = kind


def kind_of(value) -> Kind | None:
    kind = _kind_of_type.get(type(value))
    if kind is None:
        kind = next((kind for kind in _kinds if kind.takes(value)), None)
        if kind is not None:
            _kind_of_type[type(value)] = kind
    return kind


def attribute_of(value, name):
    """None: it has none, or cannot tell, as what six imports when it is asked, or a dict whose items are its attributes."""
    try:
        return getattr(value, name, None)
    except Exception:
        return None


MISREAD = (AttributeError, IndexError, KeyError, MemoryError, OverflowError, RuntimeError, TypeError, ValueError)


@contextlib.contextmanager
def structure_of(snapshot: str, used: str = "nothing of it was used"):
    """Nothing in a file is believed: what its structure makes fail is told as that file's fault. `used`: what was done with it."""
    try:
        yield
    except (_abi.CannotSave, _abi.Error):
        raise
    except MISREAD as error:
        if lacks_memory(error):
            raise _abi.Error(f"there is not enough memory for what {snapshot} holds ({type(error).__name__}: {error}); {used}; run it "
                             "where there is more", _abi.MEMORY) from error
        raise _abi.Error(f"{snapshot} holds a structure that libckpt cannot have written ({type(error).__name__}: {error}); {used}",
                         _abi.DAMAGED) from error


def lacks_memory(error: Exception) -> bool:
    """torch has no class of its own for it but on a device."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in ("can't allocate memory", "out of memory"))


HALF_RESTORED = "a part of it is restored already: end the program"


def give_back(live, method: str, state, path: tuple):
    """live.method(state), whose failure is that of the program's own class."""
    try:
        getattr(live, method)(state)
    except Exception as error:
        raise _abi.Error(f"'{shown(path)}': {type(live).__name__}.{method}() does not take what the snapshot holds of it "
                         f"({type(error).__name__}: {error}); run the program that wrote it", _abi.MISMATCH) from error


LONGEST_NAME_BYTES = 255
DEEPEST = 150        # containers in containers: reading takes some calls of Python for each, of which there may be a thousand
MADE, TOLD = object(), object()
NOT_MADE = "the script does not have it yet when Run() is created, so nothing could be restored into it; make it before, and give it to Run"


@functools.lru_cache(maxsize=1 << 16)      # the same paths at every save
def name_of(path: tuple) -> str:
    """The array's name: the parts of the path between slashes. What a name may not hold is written as %XX."""
    parts = []
    for part in map(str, path):
        part = part.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")
        parts.append(part.replace(".", "%2E") if part in (".", "..") else part or "%")
    name = "/".join(parts)
    if len(name.encode()) <= LONGEST_NAME_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name.encode()[:LONGEST_NAME_BYTES - 17].decode(errors='ignore')}~{digest}"


def shown(path: tuple) -> str:
    return ".".join(map(str, path))


def has_lone_surrogates(text: str) -> bool:
    """As in the name of a file that is not UTF-8: JSON has none."""
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


class Writer:
    """One walk over live objects. `arrays` is what to save; `left_out` says what stays as the script makes it. `alone`: everything must
    come back from the snapshot alone, and what does not is refused with this advice. `at_start`: what the first walk of a run met;
    `is_first`: this is that walk."""

    def __init__(self, pickled: tuple = (), alone: str | None = None, at_start: dict | None = None, is_first: bool = True,
                 is_made_before: bool = False):
        self.arrays: dict[str, Array] = {}
        self.left_out: list[str] = []
        self.generators: dict[str, Any] = {}      # random generators among the objects, by path
        self.pickled = pickled
        self._at_start = {} if at_start is None else at_start
        self._is_first = is_first
        self._is_made_before = is_made_before
        self._alone = alone
        self._names: dict[int, str] = {}          # id of an object with an array -> its name: shared objects are saved once
        self._names_of_memory: dict = {}          # the same for objects that share all of their memory, `weight.data` say
        self._sharing: set[int] = set()           # ids of those that came after the first
        self._keep: list = []                     # so that no id is given to another object during the walk
        self._open: set[int] = set()
        self._forgiving = 0                       # inside what a state_dict returned
        self._only_plain = False                  # what has a state of its own is left out
        self.may_use_arrays = True

    @classmethod
    def beside(cls, other: Writer) -> Writer:
        """One for which what the other has written is written already."""
        writer = cls(other.pickled, at_start=dict(other._at_start))
        writer._names, writer._names_of_memory = dict(other._names), dict(other._names_of_memory)
        return writer

    def node(self, value, path: tuple) -> Any:
        kind = type(value)
        if kind is bool or value is None or kind is str and not has_lone_surrogates(value):
            return value
        if kind is str:
            return self._leave_out(value, path, "it is no Unicode text, as the name of a file may be: keep os.fsencode() of it")
        if kind is int and -2**63 <= value < 2**63 or kind is float and math.isfinite(value):
            return value
        found = kind_of(value)
        if found is None or id(value) in self._open:
            return self._leave_out(value, path, "it contains itself" if found else None)
        if len(path) > DEEPEST:
            return self._leave_out(value, path[:3], f"it is nested more than {DEEPEST} deep")
        if found.needs_live and (self._alone or self._only_plain or not self.is_made(path)):
            return self._leave_out(value, path, None if self._alone else NOT_MADE)
        self._open.add(id(value))
        try:
            content = found.write(self, value, path)
        except TypeError as error:
            return self._leave_out(value, path, str(error))
        finally:
            self._open.discard(id(value))
        return {found.tag: content} if found.tag.startswith("$") else content

    def forgiving(self, value, path: tuple) -> Any:
        """The node of something that an object gave us itself: what cannot be saved in it is said, and left out."""
        self._forgiving += 1
        try:
            return self.node(value, path)
        finally:
            self._forgiving -= 1

    def plain(self, value, path: tuple) -> Any:
        """The same without what has a state of its own, modules say: that is given to Run elsewhere, or not at all."""
        self._only_plain = True
        try:
            return self.forgiving(value, path)
        finally:
            self._only_plain = False

    @contextlib.contextmanager
    def without_arrays(self):
        before, self.may_use_arrays = self.may_use_arrays, False
        try:
            yield
        finally:
            self.may_use_arrays = before

    def _leave_out(self, value, path, reason):
        if not self._forgiving:
            name = type(value).__module__ + "." + type(value).__qualname__
            raise TypeError(reason if reason and reason.startswith("'") else
                            f"'{shown(path)}' ({name}) cannot be saved: " + (reason or self._advice(path)))
        self.left_out.append(shown(path))
        return {"$script": type(value).__qualname__}

    def _advice(self, path):
        if self._alone:
            return f"it is neither an array nor a plain value; {self._alone}"
        if path[0] == "vars":
            return ("it is neither an array nor a plain value; keep it as such, or give an object of a class of your own to Run by name "
                    "and allow pickle for it: Run(..., thing=thing, pickle=[\"thing\"])")
        return ("it is neither an array nor a plain value and has no state_dict() and load_state_dict(); "
                f"give it those, or allow pickle for it: Run(..., pickle=[\"{path[0]}\"])")

    def array(self, owner, path: tuple, make: Callable[[], Array]) -> str:
        """Saves an array under the name of its path, an object met before under the name it has. Returns the name."""
        name = self._names.get(id(owner))
        if name is None:
            array = make()
            memory = array.memory
            name = self._names_of_memory.get(memory) if memory else None
            if name is not None:
                self._sharing.add(id(owner))
            else:
                if (name := name_of(path)) in self.arrays:
                    raise TypeError(f"'{shown(path)}' cannot be saved: another array has the name '{name}' already")
                self.arrays[name] = array
                self._names_of_memory[memory] = name
            self._names[id(owner)] = name
            self._keep.append(owner)
        return name

    def is_made(self, path: tuple) -> bool:
        """Whether the script has something there when Run() is created, into which it could be restored."""
        if self._is_first:
            self._at_start[MADE, path] = True
        return (MADE, path) in self._at_start

    def comes_back_alone(self, path: tuple) -> bool:
        """Whether there will be nothing of the script there that tells its class; what a state_dict returned is left to its object."""
        return not self._forgiving and not self.is_made(path)

    def at_start(self, path: tuple, make: Callable[[], Any]) -> Any:
        """What the run's first walk met there, where the script alone had made it: made now, if this is that walk. What has not changed
        since is the script's, and not saved. None: a run before this one may have trained it, in a notebook."""
        if self._is_made_before:
            return None
        if path not in self._at_start:
            self._at_start[path] = make()
        return self._at_start[path]

    def is_untold(self, path: tuple) -> bool:
        """True once in a run."""
        known = (TOLD, path) in self._at_start
        self._at_start[TOLD, path] = True
        return not known

    def shares_memory(self, owner) -> bool:
        """Whether what this object shows was saved as another object's."""
        return id(owner) in self._sharing

    def known(self, owner) -> str | None:
        return self._names.get(id(owner))


class Reader:
    """Finds or makes the memory for what a snapshot holds. `arrays`: name -> (dtype code, shape) in the snapshot; `at_start`: what the
    run's first walk met, which a Writer does not save where it has not changed; `goes_on`: this run goes on, it does not begin from
    another's weights."""

    def __init__(self, arrays: dict[str, tuple[int, tuple]], pickled: tuple = (), at_start: dict | None = None, goes_on: bool = True):
        self.goes_on = goes_on
        self.arrays = arrays
        self.at_start = {} if at_start is None else at_start
        self.targets: dict[str, Array] = {}       # where the bytes go
        self.owners: dict[str, Any] = {}          # the live object of a name
        self.pickled = pickled
        self.bytes_of: dict[str, bytes] = {}      # what was read of arrays of bytes
        self.grown: dict[str, Any] = {}           # what was made of them where the program has nothing
        self._claimed: set = set()                # memory of the program that an array goes to
        self.in_place = True                      # containers that exist are changed; False: made anew

    def value(self, node, live, path: tuple) -> Value:
        if isinstance(node, PLAIN):
            return lambda: node
        if isinstance(node, list):
            return _kinds_by_tag["list"].read(self, node, live, path)
        tag = next(iter(node), "")
        if not tag.startswith("$") or tag.startswith("$$"):
            return _kinds_by_tag["dict"].read(self, node, live, path)
        if tag == "$script":
            return lambda: live
        if tag not in _kinds_by_tag:
            raise _abi.Error(f"'{shown(path)}' was saved as {tag[1:]}, which this program does not know: import the library "
                             "it comes from before Run(), or update libckpt", _abi.MISMATCH)
        return _kinds_by_tag[tag].read(self, node[tag], live, path)

    def stands_nowhere(self, node, live) -> bool:
        """Of what was not saved, and the script does not have either."""
        return live is None and self.in_place and isinstance(node, dict) and "$script" in node

    @staticmethod
    def makes(node) -> bool:
        """Whether the value comes back where the program has none."""
        tag = next(iter(node), "") if isinstance(node, dict) else ""
        return not (tag in _kinds_by_tag and _kinds_by_tag[tag].needs_live)

    @staticmethod
    def must_fit(live, path: tuple) -> bool:
        """What the script gave by name is the only handle it has: it cannot be replaced by an array of another shape."""
        return live is not None and len(path) == 1

    @contextlib.contextmanager
    def fresh_containers(self):
        before, self.in_place = self.in_place, False
        try:
            yield
        finally:
            self.in_place = before

    def shape(self, name: str) -> tuple[int, tuple]:
        if name not in self.arrays:
            raise _abi.Error(f"the snapshot names an array '{name}' that it does not hold", _abi.DAMAGED)
        return self.arrays[name]

    def claim(self, memory) -> bool:
        """Whether this Array.memory is free for an array of the snapshot; it is not any more. A program may begin with one memory in
        several places, `deque([frame] * 4)` say, where the snapshot has different arrays: only the first goes there."""
        free = memory is None or memory not in self._claimed
        self._claimed.add(memory)
        return free

    def target(self, name: str, owner, array: Array):
        self.targets[name] = array
        self.owners[name] = owner
