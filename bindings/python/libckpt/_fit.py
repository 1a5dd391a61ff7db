# SPDX-License-Identifier: Apache-2.0
"""What the hooks for frameworks share: there the loop over epochs and batches is the framework's own, and the run takes part in
it through the loader. When a batch is asked for, all that the framework does after the one before is done: this is the safe
point. Each iteration over the loader is an epoch of the run."""
from __future__ import annotations

import atexit
import math
import signal
import threading
from typing import Any, Callable, Iterator

from ._run import Run


class Fit:
    """A framework's fit() as a loop of the run. It is there before the run is, since frameworks ask for an iteration over the loader
    before they say that the training begins; what was iterated by then is no epoch."""

    def __init__(self) -> None:
        self._epochs: Any = None
        self._batches: Any = None

    def begin(self, run: Run, total: float | None = None):
        """`total`: epochs, for those who look at the run; None: not known."""
        self.run = run
        run._total_epochs = total
        run._loaders_last = True
        self._epochs = run.epochs(math.inf)
        atexit.register(self._epochs.close)      # a loop that is left open would end while Python is shutting down

    def epoch_of(self, loader, accumulate: Callable[[], int], resume: str) -> Iterator:
        """The batches of one epoch; whatever the last epoch did not ask for is left out. `accumulate` is asked when the first
        batch is: by then the framework has said what holds in this epoch."""
        self._leave_epoch()
        self._batches = self._epoch_of(loader, accumulate, resume)
        return self._batches

    def _epoch_of(self, loader, accumulate, resume):
        if self._epochs is None:
            yield from loader
            return
        next(self._epochs)
        yield from self.run.batches(loader, accumulate=accumulate(), resume=resume)

    def _leave_epoch(self):
        if self._batches is not None:      # who counts batches does not ask for the one after the last
            self._batches.close()

    def end(self):
        """The framework's loop has ended by itself: the state is saved, and the work is complete when the script ends."""
        if self.run._ended:
            return
        self._leave_epoch()
        self._epochs.close()
        self.run._complete_epoch()
        self.run._end_loop()


class Loader:
    """A loader as the framework sees it; everything but the iteration is that of the loader inside."""

    def __init__(self, fit: Fit, loader, accumulate: Callable[[], int] = lambda: 1, resume: str = "auto"):
        vars(self).update(_fit=fit, _loader=loader, _accumulate=accumulate, _resume=resume)

    def __iter__(self):
        return self._fit.epoch_of(self._loader, self._accumulate, self._resume)

    def __len__(self):
        return len(self._loader)

    def __getattr__(self, name):
        return getattr(vars(self)["_loader"], name)

    def __setattr__(self, name, value):
        setattr(self._loader, name, value)

    def state_dict(self) -> dict[str, Any]:
        return {}           # the run knows the place; a framework that asks shall not put it back once more

    def load_state_dict(self, state):
        pass


def stop_on_signals(run: Run):
    """For a framework that has put its own handlers in place of the library's."""
    if run.directory and threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, lambda number, frame: run._session.ask_to_stop(signal.Signals(number).name))
