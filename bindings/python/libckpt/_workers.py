# SPDX-License-Identifier: Apache-2.0
"""Worker processes outlive the signals that a scheduler sends to every process of a job: while the state is being saved the
main process needs its batches, or at least no error from a dead worker. They go when the main process ends or ends them."""
from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading

from . import _held, _random

PASSED_OVER = (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


def shield() -> None:
    """Call it first thing in a worker process of your own: Pool(initializer=libckpt.shield). SIGTERM from the process that
    started it still ends it; from anybody else it is ignored as long as that process lives."""
    for number in PASSED_OVER:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    threading.Thread(target=_obey_parent_only, name="libckpt-shield", daemon=True).start()


def _obey_parent_only():
    import multiprocessing
    parent = multiprocessing.parent_process()
    while True:
        sender = signal.sigwaitinfo([signal.SIGTERM]).si_pid
        if parent is None or sender == parent.pid or not parent.is_alive():
            os._exit(0)


class Shield:
    """A DataLoader's worker_init_fn that shields the worker and then calls the program's own."""

    def __init__(self, init_function, stateful):
        self.init_function, self._stateful = init_function, stateful

    def __call__(self, worker):
        shield()
        if self._stateful:
            carry_random_numbers()
        if self.init_function is not None:
            self.init_function(worker)


def carry_random_numbers():
    """In a worker of a StatefulDataLoader: with each batch that sends along what its dataset's state_dict() says, but not the
    random numbers of the worker, which would begin anew after a resume. Here they are part of that state."""
    from torch.utils.data import IterableDataset, get_worker_info
    dataset = get_worker_info().dataset
    if isinstance(dataset, IterableDataset):
        return           # a state would say that it knows its place; one that does not is drawn again, random numbers and all
    generators = _held.generators_in([("dataset", dataset)])
    own = {name: getattr(dataset, name, None) for name in ("state_dict", "load_state_dict")}

    def state_dict():
        return {"random": _random.capture(generators), "own": own["state_dict"]() if all(own.values()) else None}

    def load_state_dict(state):
        if all(own.values()):
            own["load_state_dict"](state["own"])
        _random.apply(state["random"], generators)
    with contextlib.suppress(AttributeError):        # a list, say: nothing random in it
        dataset.state_dict, dataset.load_state_dict = state_dict, load_state_dict


def protect(loader):
    """Shields the workers that this loader starts from now on."""
    if getattr(loader, "num_workers", 0) and not isinstance(loader.worker_init_fn, Shield):
        loader.worker_init_fn = Shield(loader.worker_init_fn, stateful=hasattr(loader, "load_state_dict"))


def lasting(loader):
    """torch's loader, where its workers stay from one pass to the next; None: they do not. Only the first pass starts them, and draws a
    seed for them from the numbers that shuffle as well."""
    inner = getattr(loader, "__dict__", {}).get("base_dataloader", loader)      # of Hugging Face Accelerate
    torch_s = sys.modules.get("torch.utils.data")
    is_torch_s = torch_s is not None and isinstance(inner, torch_s.DataLoader)
    return inner if is_torch_s and inner.num_workers and inner.persistent_workers else None


def is_running(inner) -> bool:
    return inner._iterator is not None


def start_lasting(inner):
    """As the first pass did, in an earlier block."""
    protect(inner)
    with signals_wait(inner):
        inner._iterator = inner._get_iterator()


def start_tracker(context):
    """Workers that are not forked need multiprocessing's resource tracker. Where it is started it lets SIGINT and SIGTERM through
    again, whatever was blocked before: so it is started first."""
    import multiprocessing.resource_tracker
    if (context or multiprocessing.get_context()).get_start_method() != "fork":
        multiprocessing.resource_tracker.ensure_running()


@contextlib.contextmanager
def signals_wait(loader):
    """Processes started inside are born deaf to these signals, so that none strikes before their shield is up."""
    if getattr(loader, "num_workers", 0):
        start_tracker(getattr(loader, "multiprocessing_context", None))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, *PASSED_OVER])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
