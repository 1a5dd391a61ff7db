# SPDX-License-Identifier: Apache-2.0
"""Notebooks: the kernel outlives a run, and Ctrl-C there means the cell."""
from __future__ import annotations

import sys


def in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")
