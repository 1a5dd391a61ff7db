# SPDX-License-Identifier: Apache-2.0
"""Which versions of a framework its hook knows: it takes part in loops that were other ones before."""
from __future__ import annotations

import re
from types import ModuleType

from ._abi import Error


def need(framework: ModuleType, major: int, minor: int):
    version, name = framework.__version__, framework.__name__
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < (major, minor):
        raise Error(f"libckpt's hook needs {name} {major}.{minor} or newer, and this is {version}: update {name}, or write the loop "
                    "with run.epochs() and run.batches()")
