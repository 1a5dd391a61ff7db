# SPDX-License-Identifier: Apache-2.0
"""Worker processes outlive the signals that a scheduler sends to every process of a job: while the state is being saved the
main process needs its batches, or at least no error from a dead worker. They go when the main process ends or ends them."""
from __future__ import annotations

import contextlib
import os
import signal
import threading

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

    def __init__(self, init_function):
        self.init_function = init_function

    def __call__(self, worker):
        shield()
        if self.init_function is not None:
            self.init_function(worker)


def protect(loader):
    """Shields the workers that this loader starts from now on."""
    if getattr(loader, "num_workers", 0) and not isinstance(loader.worker_init_fn, Shield):
        loader.worker_init_fn = Shield(loader.worker_init_fn)


@contextlib.contextmanager
def signals_wait():
    """Processes started inside are born deaf to these signals, so that none strikes before their shield is up."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, *PASSED_OVER])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
