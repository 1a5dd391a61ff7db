# SPDX-License-Identifier: Apache-2.0
"""How a script ends: whether its loop ran to its end, and whether nothing went wrong after that."""
from __future__ import annotations

import atexit
import opcode
import os
import sys
import weakref


def watch(run):
    """Calls run._at_exit(raised) when the interpreter ends, in this process only. raised: an exception has ended the script;
    whether it ends with a status of its own is known only after Python's end."""
    weak, process, earlier = weakref.ref(run), os.getpid(), last_error()

    def at_exit():
        alive = weak()
        if alive is not None and os.getpid() == process:
            alive._at_exit(last_error() is not earlier)
    atexit.register(at_exit)


def last_error() -> BaseException | None:
    """The exception that Python printed last: one that ends a script is here, whoever has taken over sys.excepthook."""
    return getattr(sys, "last_value", None)


CO_GENERATOR = 0x20      # of inspect, which takes long to import
POPS_AN_ITERATOR = ("POP_TOP", "POP_ITER", "END_FOR")


def left_by_break() -> bool:
    """Called where a generator is being closed: did its loop let go of it by `break` or `return`? An exception that leaves the
    loop closes it in the same way, but then the loop's frame stands at the instruction that raised."""
    frame = sys._getframe(1).f_back
    while frame is not None and frame.f_code.co_flags & CO_GENERATOR:
        frame = frame.f_back            # tqdm and the like between us and the loop
    return frame is not None and opcode.opname[frame.f_code.co_code[frame.f_lasti]] in POPS_AN_ITERATOR
