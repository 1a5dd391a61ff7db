# SPDX-License-Identifier: Apache-2.0
"""How a script ends: whether its loop ran to its end, and whether nothing went wrong after that."""
from __future__ import annotations

import atexit
import os
import sys
import weakref

_failure: str | None = None
_hooked = False


def watch(run):
    """Calls run._at_exit(normal) when the interpreter ends, in this process only."""
    _hook_exits()
    weak, process = weakref.ref(run), os.getpid()

    def at_exit():
        alive = weak()
        if alive is not None and os.getpid() == process:
            alive._at_exit(_failure is None)
    atexit.register(at_exit)


def _hook_exits():
    global _hooked
    if _hooked:
        return
    _hooked = True
    excepthook, leave = sys.excepthook, sys.exit

    def note_exception(kind, value, trace):
        global _failure
        _failure = kind.__name__
        excepthook(kind, value, trace)

    def note_exit(status=None, /):
        global _failure
        if status not in (None, 0):
            _failure = f"exit({status!r})"
        leave(status)
    sys.excepthook, sys.exit = note_exception, note_exit


CO_GENERATOR = 0x20      # of inspect, which takes long to import
POPS_AN_ITERATOR = ("POP_TOP", "POP_ITER", "END_FOR")


def left_by_break() -> bool:
    """Called where a generator is being closed: did its loop let go of it by `break` or `return`? An exception that leaves the
    loop closes it in the same way, but then the loop's frame stands at the instruction that raised."""
    import opcode
    frame = sys._getframe(1).f_back
    while frame is not None and frame.f_code.co_flags & CO_GENERATOR:
        frame = frame.f_back            # tqdm and the like between us and the loop
    return frame is not None and opcode.opname[frame.f_code.co_code[frame.f_lasti]] in POPS_AN_ITERATOR
