# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C stops at the next safe point, a second one at once."""
from __future__ import annotations

import os
import signal
import threading

from ._log import say


class Keyboard:
    def __init__(self, ask_to_stop):
        self._ask = ask_to_stop
        self._asked = False
        self._process = os.getpid()
        self._installed = (threading.current_thread() is threading.main_thread()
                           and signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        if self._installed:
            signal.signal(signal.SIGINT, self._interrupted)

    def _interrupted(self, number, frame):
        if self._asked or os.getpid() != self._process:      # a forked child's Ctrl-C is not the run's
            raise KeyboardInterrupt
        self._asked = True
        say("stopping at the next safe point, where the state is saved; press Ctrl-C again to stop at once")
        self._ask("interrupted from the keyboard")

    def release(self):
        if self._installed and signal.getsignal(signal.SIGINT) == self._interrupted:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._installed = False
