# SPDX-License-Identifier: Apache-2.0
"""The loops of a training, each batch and each epoch with a safe point, and how to stand in the middle of them again."""
from __future__ import annotations

import math
import time
import weakref
from typing import Any, Callable, Generator, Iterable, Iterator, TypeVar

from . import _held, _random
from ._abi import Error
from ._best import Best
from ._copies import is_same, remember
from ._ending import left_by_break
from ._feed import Feed
from ._held import Part
from ._log import say, warn
from ._state import State
from ._tree import HALF_RESTORED, structure_of
from ._workers import is_running, lasting, protect, signals_wait, start_lasting

Batch = TypeVar("Batch")


class Loops:
    """`step` and `epoch` count what is complete. A loader that is iterated in another's loop, or in that of steps(), makes no safe
    points of its own: only the outermost one knows when a step is complete."""

    vars: dict[str, Any]                           # these are Run's
    _state: State
    _best: Best
    _safe_point: Callable[[], None]
    _save_now: Callable[[], None]
    _leave_if_stop_is_due: Callable[[], None]
    _put_back_objects: Callable[[list[str]], str | None]

    def __init__(self, session):
        self._session = session
        self.step = 0
        self.epoch = 0
        self._ended = False                        # the loop over epochs() or steps() has ended, in good order
        self._driver: Any = None                   # who makes the safe points now
        self._in_epoch = False
        self._epoch_step = 0                       # self.step when the epoch began
        self._epoch_random: dict | None = None     # random numbers when the epoch began
        self._reached_at_epoch: dict[int, Any] = {}   # the same of what may turn out to move with a loader of this epoch
        self._total_epochs: float | None = None    # for those who look at the run; None: not known
        self._feeds: dict[str, Feed] = {}          # loaders of this epoch, by name
        self._parts: dict[str, Any] = {}           # generators and Attributes that are saved, by where they are
        self._reached: dict[int, Part] = {}        # those that could be, by the identity of the object
        self._lasting: dict[str, str] = {}         # those that outlive an epoch -> the variable that leads to them; "": none does
        self._warm: dict[str, bool] = {}           # by loader whether its workers will run when its next pass begins
        self._outliving: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()   # loaders that are not made anew for each pass ->
                                                   # the variable that leads to them; "": none does
        self._passed: set[str] = set()             # loaders over which this process has made a pass
        self._loaders_last = False                 # a framework makes its loaders once
        self._tail_seconds = 0.0                   # from the last safe point in an epoch to the epoch's end, measured last
        self._tail_begin: float | None = None
        self._resumed_step: int | None = None
        self._pending_feeds: dict[str, dict] = {}  # of the snapshot: where loaders stand
        self._pending_random: dict | None = None   # of the snapshot: put back when the loop stands there again
        self._unseen: dict[str, Any] = {}          # of the snapshot: states of parts, of loaders not seen yet
        self._moving_in = 0
        self._moving: dict[str, tuple] = {}        # iterators over loaders, and random generators, at the first safe point
        self._modes: list = []                     # (torch module, whether it was in training) as restored
        self._vars_at_epoch: Callable | None = None
        self._marks_at_epoch: dict = {}            # of everything given, where the epoch begins in its middle

    # ---- Where it stands ---------------------------------------------------------------------------------------------------

    def _position(self) -> dict:
        feeds = self._pending_feeds | {name: feed.position() for name, feed in self._feeds.items()}
        if not self._in_epoch:        # of a step, or of a loop of one's own: a pass that is through is not to be skipped in the next
            feeds = {name: position for name, position in feeds.items() if not position["complete"]}
        return {"epoch": self.epoch, "epoch_step": self._epoch_step, "epoch_random": self._epoch_random if feeds else None,
                "feeds": feeds, "lasting": self._lasting, "warm": self._warm, "tail_seconds": self._tail_seconds}

    def _random_state(self) -> dict:
        state = _random.capture(self._parts)
        state["parts"] = self._unseen | state["parts"]
        return state

    def _put_back_position(self, position: dict, random: dict, step: int):
        self.step, self.epoch = step, position["epoch"]
        self._epoch_step, self._epoch_random = position["epoch_step"], position["epoch_random"]
        self._tail_seconds = position["tail_seconds"]
        self._pending_feeds = position["feeds"]
        self._pending_random, self._lasting, self._warm = random, dict(position["lasting"]), dict(position["warm"])
        self._unseen = {label: state for label, state in random["parts"].items() if label not in self._parts}
        self._find_again()
        _random.apply(random, self._parts)         # for loops of one's own; those below put it back once more

    def _settle(self, over: bool = False):
        """The loop stands where the snapshot was made: random numbers last. `over`: it has nothing left to do, and the snapshot is
        from after it; so is the loop, if there is another."""
        if self._pending_random is not None:
            _random.apply(self._pending_random, self._parts)
            if not over:
                self._pending_random = None
                self._settled()

    def _settled(self):
        """All is back: what the script's variables hold now they hold by themselves."""

    @property
    def batch(self) -> int:
        """Batches of the running epoch that are complete: ``enumerate(run.batches(loader), run.batch)`` counts on."""
        if isinstance(self._driver, Feed):
            return self._driver.index
        return max((position["index"] for position in self._pending_feeds.values()), default=0)

    @property
    def _next_step(self) -> int:
        """The step of the next safe point: what is reported now belongs to it."""
        counted = self._in_epoch and self._driver is None and self.step > self._epoch_step
        return self.step if counted else self.step + 1

    # ---- Loops -------------------------------------------------------------------------------------------------------------

    def epochs(self, total: float) -> Generator[int, None, None]:
        """``for epoch in run.epochs(300)``: the epochs that are left, from 0. After each there is a safe point, and between them
        those of batches(). Raises Stopped when time is up, after the state is durable. ``math.inf``: until the script says
        `break`."""
        self._look_around()
        self._settle_before_epoch(self.epoch >= total)
        try:
            while self.epoch < total:
                self._begin_epoch(total)
                yield self.epoch
                self._leave_loaders()
                self._in_epoch = False
                self._complete_epoch()
                if self.epoch < total:
                    self._safe_point()
        except GeneratorExit:
            self._ended, self._in_epoch = left_by_break(), False
            raise
        self._end_loop()

    def _settle_before_epoch(self, over):
        if not self._pending_feeds:
            self._settle(over)
        elif self._epoch_random:
            _random.apply(self._epoch_random, self._parts)    # what precedes batches() in the epoch sees what it saw

    def _begin_epoch(self, total):
        self._in_epoch = True
        if not self._pending_feeds:
            self._epoch_step = self.step
            self._epoch_random = _random.capture(self._parts)
            known = {id(part) for part in self._parts.values()}
            self._reached_at_epoch = {number: _held.state_of(part.saved, tells=False) for number, part in self._reached.items() if id(part.saved) not in known}
        self._vars_at_epoch = remember(self.vars) if self._pending_feeds else None
        self._marks_at_epoch = self._state.marks() if self._pending_feeds else {}
        if total < math.inf:
            self._total_epochs = total
        self._tell_epochs()

    def _tell_epochs(self):
        """Also when one is complete: the block may end there, and the work."""
        if self._total_epochs:
            self._session.progress(self.epoch, self._total_epochs, "epoch")

    def _leave_loaders(self):
        """The epoch's lines are through, and so are its loaders: also one that was asked with next() and has batches left."""
        for feed in list(self._feeds.values()):
            if (batches := feed.batches_given()) is not None:
                batches.close()

    def _complete_epoch(self):
        """An epoch whose loaders are through counts, also one that is left by `break` or finish()."""
        if not all(feed.complete for feed in self._feeds.values()) or not (self._feeds or self._epoch_random):
            return
        self.epoch += 1
        if self.step == self._epoch_step:
            self.step += 1
        self._tell_epochs()
        self._feeds.clear()
        self._pending_feeds.clear()
        self._epoch_step, self._epoch_random = self.step, None
        if self._tail_begin is not None:
            self._tail_seconds, self._tail_begin = time.monotonic() - self._tail_begin, None

    def _end_loop(self):
        """The state is saved now: a long test may follow before the script's end makes it complete."""
        self._ended = True
        if self.step != self._resumed_step and self._session.is_open:
            if self._best.due:
                self._best.saving_at(self.step)
            self._save_now()
            self._best.keep(math.inf)          # the script may want to test it

    def steps(self, total: int) -> Iterator[int]:
        """``for step in run.steps(100_000)``: the steps that are left, from 0, a safe point after each. Raises Stopped
        as epochs() does."""
        self._look_around()
        self._settle(self.step >= total)
        self._driver = "steps"
        try:
            while self.step < total:
                yield self.step
                self.step += 1
                if self.step < total:
                    self._safe_point()
        except GeneratorExit:
            self._ended = left_by_break()
            self.step += self._ended
            raise
        finally:
            self._driver = None
        self._end_loop()

    def point(self) -> None:
        """A safe point of a loop of one's own: one more step is complete. ``while run.step < total: ...; run.point()``. Raises
        Stopped when time is up, Error inside another loop of the run: steps inside an epoch are ``run.batches(range(n))``."""
        if self._driver is not None or self._in_epoch:
            raise Error("run.point() inside a loop over run.epochs(), run.batches() or run.steps(): these make the safe points themselves; "
                        "steps inside an epoch are run.batches(range(n))")
        self._pending_random = None
        self._complete_epoch()           # whose batches() came before
        self.step += 1
        self._safe_point()

    def batches(self, loader: Iterable[Batch], *, name: str | None = None, accumulate: int = 1,
                resume: str = "auto") -> Iterator[Batch]:
        """The loader's batches that are left in this epoch, a safe point after each but the last (the epoch's end is that one's).

        Args:
            loader: a DataLoader or anything that can be iterated anew each epoch.
            name: needed when several loaders are used in one epoch.
            accumulate: gradients are accumulated over so many batches: safe points, and steps, only after each group.
            resume: "auto" asks a loader that can say where it is (StatefulDataLoader), and replays others: the batches that
                were used are drawn again and dropped; "replay" always replays; "epoch" makes no safe points inside the epoch.

        Raises:
            Stopped: time is up, and the state is durable.
            Error: two loaders of one name in one epoch.
            ValueError: `accumulate` or `resume` is none of these.
            RuntimeError: the loader gives fewer batches than before the snapshot.
        """
        if accumulate < 1:
            raise ValueError(f"accumulate={accumulate} is no number of batches")
        feed = Feed(loader, name or "batches", resume)
        batches = self._batches(feed, accumulate)
        feed.batches_given = weakref.ref(batches)        # weak: a loop that lets go of them ends them
        return batches

    def _batches(self, feed, accumulate):
        position = self._enter(feed)
        if position and position["complete"]:
            feed.complete, feed.index = True, position["index"]
            return
        drives = self._driver is None
        if drives:
            self._driver = feed
        try:
            feed.tell_epoch(self.epoch)
            iterator, settle = self._open(feed, position)
            for batch, last in feed.batches(iterator, settle):
                feed.index += not drives     # used by the time the driver makes its next safe point
                yield batch
                if drives:
                    self._used(feed, accumulate, last)
            feed.complete = True
        except GeneratorExit:
            if drives:
                self._used(feed, 1, True)
            feed.complete = True
            raise
        finally:
            if drives:
                self._driver = None

    def _enter(self, feed) -> dict | None:
        known = self._feeds.get(feed.name)
        if known is not None and (self._in_epoch or not known.complete):
            raise Error(f"two loaders '{feed.name}' in one epoch: give each its name, run.batches(loader, name=\"...\")")
        if known is not None and self._driver is None:
            self._complete_epoch()       # a loop over range(run.epoch, n): the loader begins another one
        if feed.name not in self._pending_feeds:
            self._settle()               # before: what the script has made, and what the iteration draws, is not to be undone
        self._feeds[feed.name] = feed
        feed.labels = self._see(feed.name, feed.loader)
        feed.known_parts = self._parts
        return self._pending_feeds.pop(feed.name, None)

    # ---- What loaders hold -------------------------------------------------------------------------------------------------

    def _look_around(self):
        """Before the first lines of an epoch run, which may seed a generator or throw a switch: what they find is as it was."""
        self._look_at_variables()
        if not self._session.is_open:
            return
        for module, mode in self._modes:           # between Run() and the loop most scripts have a model.train()
            module.training = mode
        self._modes = []
        saved = [value for value in self._state.objects.values() if not _held.has_attributes(value)]
        modules = {name: value for name, value in self._state.objects.items() if _held.is_module(value)}
        for path, held in _held.held_by_script([self, *saved], modules).items():
            if (inner := lasting(held)) is not None:
                self._outliving.setdefault(inner, path)
            elif self._part_of(held) is None:
                self._reached[id(held)] = Part(held, path, -1)
        self._find_again()

    def _look_at_variables(self):
        """The script has filled them by now; what it made for the first time, and what came from the snapshot."""
        generators = self._state.generators_in_variables()
        late = sorted(generators.keys() - self._parts.keys())
        if late and self._epoch_random and self._session.is_open:
            warn(f"{', '.join(late)}: a random generator that was made in the epoch: where it is drawn from before run.batches(), a resume in "
                 "this epoch draws other numbers; make it before the loop")
        self._parts |= generators
        self._unseen = {label: state for label, state in self._unseen.items() if label not in generators}

    def _look_at_what_moves(self):
        """At the first two safe points, of one epoch: what has moved between them, and is not the run's."""
        if not self._session.is_open:
            return
        before = self._moving if self.epoch == self._moving_in else {}
        self._moving_in, self._moving = self.epoch, _held.moving({id(part) for part in self._parts.values()})
        moved = {kind: [path for path, (found, same, place) in self._moving.items() if found == kind and path in before
                        and before[path][1] == same and not is_same(before[path][2], place)] for kind in ("iterator", "generator")}
        if moved["iterator"] and not self._loaders_last:
            warn(f"{', '.join(moved['iterator'])}: an iterator over a loader which the run does not see: a resume begins it anew; let its batches "
                 "come from run.batches(loader, name=\"...\") in a loop over run.epochs()")
        if moved["generator"]:
            name = moved["generator"][0].rpartition(".")[2]
            warn(f"{', '.join(moved['generator'])}: a random generator which Run was not given: a resume begins it anew; give it, "
                 f"Run(..., {name}=...)")

    def _find_again(self):
        """What the same variables lead to as when the snapshot was made is put back."""
        parts = {part.path: part for part in self._reached.values() if part.path}
        for label in [label for label in self._unseen if self._lasting.get(label) in parts]:
            self._put_back_part(label, parts[self._lasting[label]])

    def _see(self, name, loader) -> dict[str, str]:
        """What moves with a loader is saved from now on. What the snapshot has of it is put back, unless the script has made it in this
        epoch, as it does in each. Returns where each part is saved, by its place in the loader."""
        if not self._session.is_open:
            return {}
        in_epoch = name in self._pending_feeds
        now = self.step if self._driver == "steps" else self.epoch
        labels: dict[str, str] = {}
        for place, held in _held.held_by_loader(loader).items():
            part = self._part_of(held)
            if part is None:
                part = self._reached[id(held)] = Part(held, "", now)
            labels[place] = label = self._label_of(part, f"{name}.{place}")
            if label in self._unseen and (in_epoch or label in self._lasting):
                self._put_back_part(label, part)
            self._unseen.pop(label, None)
            self._parts[label] = part.saved
            if self._epoch_random and id(held) in self._reached_at_epoch:
                self._epoch_random["parts"].setdefault(label, self._reached_at_epoch.pop(id(held)))
            if part.since < now or self._loaders_last:
                self._lasting[label] = part.path
            else:
                self._lasting.pop(label, None)
        return labels

    def _label_of(self, part, label) -> str:
        """Loaders may take turns under one name: then the later one's parts are known by the variables that lead to them."""
        known = self._parts.get(label)
        is_taken = known is not None and known is not part.saved and any(other.saved is known and other.path for other in self._reached.values())
        return part.path if part.path and is_taken else label

    def _part_of(self, held) -> Part | None:
        part = self._reached.get(id(held))
        return part if part is not None and part.is_of(held) else None

    def _put_back_part(self, label, part):
        self._parts[label] = part.saved
        with structure_of("the snapshot", HALF_RESTORED):
            _held.put_back(part.saved, self._unseen.pop(label))

    def _tell_of_workers(self, feed):
        """Once in a run, of a loader that is not made anew for each pass."""
        inner = lasting(feed.loader)
        if inner is None or inner not in self._outliving or self._resumed_step is not None or not self._session.is_open:
            return
        name = self._outliving[inner] or feed.name
        if name not in self._passed and not hasattr(feed.loader, "load_state_dict"):
            say(f"the workers of the loader '{name}' are persistent: where they draw random numbers, for augmentation say, these go on "
                "otherwise after a resume than without a stop; with persistent_workers=False they are exact")

    def _open(self, feed, position):
        """The feed's iterator, and the function that puts random numbers back once it stands there."""
        self._tell_of_workers(feed)
        knows_place = position is not None and position["state"] is not None     # then it begins with that, not with a pass
        feed.is_warm = self._warm_up(feed.name, feed.loader, False if knows_place else position and position.get("warm"))
        if position is None:
            return feed.open(), lambda: None
        goal = self._pending_random or _random.capture(self._parts)
        self._pending_random = None
        iterator = feed.open(position)

        self._undo_first_lines()

        def settle():
            if self._vars_at_epoch is not None:      # what the epoch's first lines set, it had set before the snapshot
                self._vars_at_epoch(self.vars)
                self._vars_at_epoch = None
            _random.apply(goal, self._parts)
            self._settled()
        return iterator, settle

    def _warm_up(self, name, loader, was_warm=None) -> bool:
        """Before a pass over a loader begins: whether its workers run already, as they do after a resume where they did without one.
        `was_warm`: of a pass that is resumed."""
        if (inner := lasting(loader)) is None:
            return False
        name = self._outliving.get(inner) or name        # loaders may take turns under one name
        if was_warm is None:
            was_warm = is_running(inner) if name in self._passed else self._warm.get(name, False)
        if was_warm and not is_running(inner):
            before = _random.capture(self._parts)
            start_lasting(inner)
            _random.apply(before, self._parts)
        self._warm[name] = inner in self._outliving
        self._outliving.setdefault(inner, "")       # if it comes again
        self._passed.add(name)
        return was_warm

    def _undo_first_lines(self):
        """They have run again, in the middle of their epoch; what they change they had changed before the snapshot."""
        if not self._marks_at_epoch:
            return
        before, self._marks_at_epoch = self._marks_at_epoch, {}
        marks = self._state.marks()
        changed = sorted(name for name in marks if marks[name] != before.get(name))
        if changed and (why_not := self._put_back_objects(changed)):
            warn(f"epoch {self.epoch} goes on in its middle, and its lines before run.batches() have run once more and changed "
                 f"{', '.join(changed)}: what was there is lost ({why_not}); let them do so only if run.batch == 0")

    def _used(self, feed, accumulate, last):
        """The batch that was given out last has been used."""
        feed.index += 1
        feed.complete = last
        if not last and feed.index % accumulate:
            return
        self.step += 1
        if last or feed.resume == "epoch":
            return
        if feed.is_near_end(accumulate):
            self._tail_begin = time.monotonic()
            self._stop_before_tail()
        self._safe_point()

    def _stop_before_tail(self):
        """A validation that would be cut off is better not begun."""
        if self._session.seconds_left() < self._tail_seconds and self.step != self._resumed_step:
            self._session.ask_to_stop(f"the rest of the epoch, {self._tail_seconds:.0f} s, does not fit any more")

    def eval(self, loader: Iterable[Batch], *, name: str = "eval") -> Iterator[Batch]:
        """The loader's batches, for a validation or a test. Nothing is saved in it; when a stop is due it leaves, the run stops at
        its newest snapshot by raising Stopped, and the next block comes here again."""
        protect(loader)
        self._see(name, loader)
        self._warm_up(name, loader)
        with signals_wait(loader):
            batches = iter(loader)
        for batch in batches:
            yield batch
            self._leave_if_stop_is_due()
