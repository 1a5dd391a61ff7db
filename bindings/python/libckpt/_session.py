# SPDX-License-Identifier: Apache-2.0
"""The life of one ckpt_run: opened once, closed once, nothing in a child process."""
from __future__ import annotations

import ctypes
import math
import os
import sys
import weakref

from . import _abi
from ._abi import Error, call, library
from ._log import say

OWNER = "LIBCKPT_OWNER"          # environment: the process that opened a run; its descendants leave that alone
_sessions: weakref.WeakSet = weakref.WeakSet()


class Stopped(SystemExit):
    """The run stops here and is to be continued: its state is durable. Ends a script with exit code 85, unwinding `with` and
    `finally`; in a notebook it ends the cell. `step` is where the next block continues."""

    def __init__(self, code: int, step: int):
        super().__init__(code)
        self.step = step

    def __str__(self):
        return f"stopped at step {self.step}, to be continued"


class Session:
    """Calls that do nothing once the run is closed, or where it is another process's."""

    def __init__(self, settings: dict[str, str]):
        self._handle = ctypes.c_void_p()
        if reason := why_inert():
            say(f"{reason}: nothing is saved by this one")
            return
        refuse_ranks(settings)
        self._open(settings)
        if self.directory:
            os.environ[OWNER] = str(os.getpid())
        _sessions.add(self)

    def _open(self, settings):
        config = ctypes.c_void_p()
        call("ckpt_config_create", ctypes.byref(config))
        try:
            for key, value in settings.items():
                call("ckpt_config_set", config, key.encode(), value.encode())
            call("ckpt_open", config, ctypes.byref(self._handle))
        finally:
            library.ckpt_config_free(ctypes.byref(config))

    @property
    def handle(self):
        return self._handle

    @property
    def is_open(self) -> bool:
        return bool(self._handle)

    @property
    def directory(self) -> str | None:
        """Absolute; None: nothing is saved."""
        path = library.ckpt_directory(self._handle)
        return path.decode() if path else None

    @property
    def block(self) -> int:
        return library.ckpt_block(self._handle)

    def has_snapshot(self) -> bool:
        """Whether there is one to be restored."""
        any_name, array = b"-", _abi.CArray()
        return self.is_open and call("ckpt_find", self._handle, any_name, ctypes.byref(array),
                                     accept=(_abi.OK, _abi.FRESH, _abi.NOT_FOUND)) != _abi.FRESH

    def restore(self) -> int | None:
        """The step of the snapshot that was restored; None: there was none."""
        step = ctypes.c_uint64()
        fresh = not self.is_open or call("ckpt_restore", self._handle, ctypes.byref(step)) == _abi.FRESH
        return None if fresh else step.value

    def point(self, step: int) -> bool:
        """The safe point; True: leave. Saves when that is due."""
        return self.is_open and library.ckpt_point(self._handle, step) == _abi.STOP

    def save(self, step: int):
        if self.is_open:
            call("ckpt_save", self._handle, step)

    def is_durable(self, patience_seconds: float = 0.0) -> bool:
        """Whether everything saved is on disk by now."""
        return self.is_open and call("ckpt_wait", self._handle, patience_seconds,
                                     accept=(_abi.OK, _abi.TIMEOUT)) == _abi.OK

    def keep(self, step: int, name: str) -> bool:
        """False: that snapshot is not there any more."""
        return call("ckpt_keep", self._handle, step, name.encode(), accept=(_abi.OK, _abi.NOT_FOUND)) == _abi.OK

    def finish(self, step: int):
        if self.is_open:
            call("ckpt_finish", self._handle, step)

    def finish_at_exit(self, step: int):
        """Complete if the process then ends with exit status 0, which is not known before Python has ended."""
        if self.is_open:
            call("ckpt_finish_at_exit", self._handle, step)

    def ask_to_stop(self, reason: str):
        if self.is_open:
            call("ckpt_stop", self._handle, reason.encode())

    def stop_is_due(self) -> bool:
        return self.is_open and bool(library.ckpt_stop_due(self._handle))

    def leave(self) -> bool:
        """Stops at the newest snapshot; False: there is none."""
        return call("ckpt_leave", self._handle, accept=(_abi.OK, _abi.NOT_FOUND)) == _abi.OK

    def seconds_left(self) -> float:
        return library.ckpt_time_left(self._handle) if self.is_open else math.inf

    def progress(self, done: float, total: float, unit: str):
        if self.is_open:
            call("ckpt_progress", self._handle, done, total, unit.encode())

    def failure(self) -> Error | None:
        try:
            if self.is_open:
                call("ckpt_last_error", self._handle)
        except Error as error:
            return error
        return None

    def close(self) -> int:
        """Waits until what is staged is durable. The exit code: 0 finished, 85 to be continued, 1 neither."""
        if not self.is_open:
            return 0
        if os.environ.get(OWNER) == str(os.getpid()):
            del os.environ[OWNER]
        return library.ckpt_close(ctypes.byref(self._handle))

    def forget(self):
        """In a forked child: the run is the parent's."""
        self._handle = ctypes.c_void_p()


def why_inert() -> str | None:
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and getattr(multiprocessing.current_process(), "_inheriting", False):
        return "this is a worker process that imports the program's main file, the run is its parent's"
    owner = os.environ.get(OWNER)
    if owner is not None and owner != str(os.getpid()):
        return f"this process inherited the environment of process {owner}, whose run this is"
    return None


def refuse_ranks(settings):
    """A distributed launch that the environment does not show; the C library refuses the others."""
    distributed = sys.modules.get("torch.distributed")
    if not (settings.get("directory") or os.environ.get("CKPT_RUN_DIR")) or distributed is None:
        return
    if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
        raise Error(f"torch.distributed runs {distributed.get_world_size()} ranks, which this version does not support; nothing "
                    "was touched", _abi.RANKS)


def _forget_all():
    for session in list(_sessions):
        session.forget()


os.register_at_fork(after_in_child=_forget_all)
