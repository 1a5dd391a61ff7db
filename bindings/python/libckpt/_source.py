# SPDX-License-Identifier: Apache-2.0
"""What is the user's own source, and the variables that it has now."""
from __future__ import annotations

import functools
import os
import sys
import sysconfig
from typing import Any, Iterator

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
LIBRARIES = tuple({os.path.abspath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@functools.lru_cache(maxsize=None)
def is_ours(file: str | None) -> bool:
    """The user's own source, not a library's."""
    if not file or not os.path.isfile(file):
        return False
    path = os.path.abspath(file)
    return not path.startswith((PACKAGE, *LIBRARIES)) and "site-packages" not in path and "dist-packages" not in path


def modules() -> dict[str, Any]:
    """The user's own, by name."""
    return {name: module for name, module in list(sys.modules.items()) if is_ours(getattr(module, "__file__", None))}


def scopes(is_wanted=lambda file: not file.startswith(PACKAGE)) -> Iterator[tuple[str, dict]]:
    """(prefix, variables) of the functions that run now, from the inside out, also of libraries that run the user's, and of the
    user's modules. In a notebook __main__ has no file."""
    frame = sys._getframe(1)
    while frame is not None:
        if is_wanted(frame.f_code.co_filename) and frame.f_code.co_name != "<module>":
            yield frame.f_code.co_name + ".", frame.f_locals
        frame = frame.f_back
    main = sys.modules["__main__"]
    yield "", main.__dict__
    for name, module in modules().items():
        if module is not main:           # which multiprocessing lists by another name, too
            yield name + ".", module.__dict__
