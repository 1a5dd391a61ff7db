# SPDX-License-Identifier: Apache-2.0
"""One loader's way through an epoch: how many batches were given out, and how to get there again exactly.

A loader that can say where it is (torchdata's StatefulDataLoader) is asked. Any other is replayed: the random numbers are put
back to where they were when its iteration began, the same number of batches is drawn and dropped. That repeats what samplers
and workers did, whatever they are; it costs the loading of those batches, which is said."""
from __future__ import annotations

import sys
import time

from . import _random, _workers
from ._held import Attributes
from ._log import say
from ._tree import give_back

END = object()       # no batch


class Feed:
    """`index`: batches given out in this pass. `position()` is what to save of it, `open(position)` goes on from there."""

    def __init__(self, loader, name, resume="auto"):
        if resume not in ("auto", "replay", "epoch"):
            raise ValueError(f"resume={resume!r} is none of 'auto', 'replay', 'epoch'")
        self.loader, self.name, self.resume = loader, name, resume
        self.index = 0
        self.complete = False
        self.is_warm = False         # its workers were running when this pass began
        self._start = None           # random numbers before the iteration began
        self._ahead = None           # random numbers, and the loader's state, before a batch was drawn ahead
        self._loader_state = None
        self._draws_ahead = draws_ahead(loader)
        self._before = None          # where the loader itself draws ahead: random numbers before it was asked last
        self.known_parts: dict = {}          # all that the run knows, this loader's among them
        self.labels: dict[str, str] = {}     # of these, by their place in the loader
        self.batches_given = lambda: None    # a weak reference to the generator that gives them out
        self._length = length_of(loader)
        self._stateful = (resume == "auto" and not self._draws_ahead and not counts_only(loader)
                          and all(hasattr(loader, name) for name in ("state_dict", "load_state_dict")))

    def open(self, position=None):
        """An iterator that stands at `position` (None: the beginning)."""
        _workers.protect(self.loader)
        self._ahead = position and position["ahead"]
        self._before = position and position.get("before")
        if position is None:
            self._start = _random.capture(self.known_parts)
            return self._iterate()
        self._start = position["start"]
        _random.apply(self._start, self.known_parts)
        if position["state"] is not None and self._stateful:
            give_back(self.loader, "load_state_dict", position["state"], (self.name,))
            self.index = position["index"]
            return self._iterate()
        batches = self._iterate()
        self._replay(batches, position["index"])
        return batches

    def tell_epoch(self, epoch):
        """Accelerate shuffles by the epoch that it has counted itself, from 0 in each start of the program."""
        if self._draws_ahead:
            self.loader.set_epoch(epoch)

    def _iterate(self):
        with _workers.signals_wait(self.loader):
            return iter(self.loader)

    def _replay(self, batches, count):
        begun = time.monotonic()
        for number in range(1, count + 1):
            if number == count and self._before:
                _random.apply(self._before, self.known_parts)       # it draws the batch that will be used next
            if next(batches, END) is END:
                raise RuntimeError(f"the loader '{self.name}' gave {count} batches before and only {self.index} now: its data "
                                   "changed since the snapshot")
            self.index += 1
        say(f"{count} batches of the loader '{self.name}' were drawn again in {time.monotonic() - begun:.1f} s, to stand where "
            "the last block stopped; torchdata's StatefulDataLoader or batches(..., resume=\"epoch\") saves that time")

    def position(self):
        """What to save: it belongs to the moment after a batch has been used and before the next is given out."""
        if self.complete:
            return {"index": self.index, "complete": True}
        state = self._loader_state if self._ahead else self._state_of_loader()
        return {"index": self.index, "complete": False, "start": self._start, "state": state, "ahead": self._ahead,
                "before": self._before, "warm": self.is_warm}

    def _state_of_loader(self):
        """None: it is replayed. A sampler that counts how often it was asked is asked more than once when torchdata puts it back."""
        return self.loader.state_dict() if self._stateful and not self._sampler_has_moved() else None

    def _sampler_has_moved(self) -> bool:
        before = self._start["parts"]
        of_samplers = {label: self.known_parts.get(label) for place, label in self.labels.items() if place.startswith(("sampler", "batch_sampler"))}
        return any(isinstance(part, Attributes) and part.state() != before.get(label) for label, part in of_samplers.items())

    def batches(self, iterator, settle):
        """(batch, is it the last) of each. `settle` puts back the random numbers of a resumed run: it is called once the
        iterator stands where it stood. Where only the end tells the length, one batch is drawn ahead."""
        if self._length is None:
            yield from self._ahead_of_use(iterator, settle)
            return
        settle()
        while (batch := self._next(iterator)) is not END:
            yield batch, self.index + 1 >= self._length

    def _next(self, iterator):
        if self._draws_ahead:
            self._before = _random.capture(self.known_parts)
        return next(iterator, END)

    def is_near_end(self, group: int) -> bool:
        """Whether the next group of batches is the last."""
        return self._length is not None and self.index + group >= self._length

    def _ahead_of_use(self, iterator, settle):
        if self._ahead:
            _random.apply(self._ahead, self.known_parts)
        batch = next(iterator, END)
        settle()
        while batch is not END:
            if self._draws_ahead:            # then the batch that is used next was drawn by the call before
                self._before = self._ahead or self._start
            self._ahead = _random.capture(self.known_parts)
            self._loader_state = self._state_of_loader()
            ahead = next(iterator, END)
            yield batch, ahead is END
            batch = ahead


def draws_ahead(loader) -> bool:
    """Whether a loader draws a batch before the one before it is used: those that Hugging Face Accelerate has prepared do."""
    accelerate = sys.modules.get("accelerate.data_loader")
    return accelerate is not None and isinstance(loader, accelerate.DataLoaderStateMixin)


def counts_only(loader) -> bool:
    """Whether a StatefulDataLoader knows no more of its data than how many batches it gave. It is then no faster than a replay, and
    torchdata 0.11 counts those that it passes over once more, so that the second resume in an epoch leaves some out."""
    dataset = getattr(loader, "dataset", None)
    return is_iterable_dataset(dataset) and not hasattr(dataset, "state_dict")


def is_iterable_dataset(dataset) -> bool:
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(dataset, data.IterableDataset)


def length_of(loader) -> int | None:
    """Batches in one pass; None where only the end will tell (a torch IterableDataset's length is a guess)."""
    if is_iterable_dataset(getattr(loader, "dataset", None)):
        return None
    try:
        return len(loader)
    except TypeError:
        return None
