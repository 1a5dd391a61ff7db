# SPDX-License-Identifier: Apache-2.0
"""How a script ends: whether its loop ran to its end, and whether nothing went wrong after that."""
from __future__ import annotations

import atexit
import builtins
import os
import sys
import weakref

_exit_status: object = None      # what the script gave sys.exit(), exit() or quit() last


def watch(run):
    """Calls run._at_exit(normal) when the interpreter ends, in this process only."""
    weak, process, earlier = weakref.ref(run), os.getpid(), last_error()

    def at_exit():
        alive = weak()
        if alive is not None and os.getpid() == process:
            alive._at_exit(_exit_status in (None, 0) and last_error() is earlier)
    atexit.register(at_exit)


def last_error() -> BaseException | None:
    """The exception that Python printed last: one that ends a script is here, whoever has taken over sys.excepthook."""
    return getattr(sys, "last_value", None)


def note_exits():
    """At import: `sys.exit(main())` looks sys.exit up before main() makes a Run."""
    leave = sys.exit

    def note_exit(status=None, /):
        note(status)
        leave(status)
    sys.exit = note_exit
    words = type(getattr(builtins, "exit", None))          # of exit() and quit(), which site adds
    if words.__module__ == "_sitebuiltins":
        say_goodbye = words.__call__

        def note_word(self, code=None):
            note(code)
            say_goodbye(self, code)
        words.__call__ = note_word


def note(status):
    global _exit_status
    _exit_status = status


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
