# SPDX-License-Identifier: Apache-2.0
"""One line for people, on stderr, as the C library's are."""
import os
import sys

_QUIET = ("error", "warning")


def say(text: str):
    if os.environ.get("CKPT_LOG_LEVEL") not in _QUIET:
        print(f"ckpt: {text}", file=sys.stderr, flush=True)


def warn(text: str):
    if os.environ.get("CKPT_LOG_LEVEL") != "error":
        print(f"ckpt: warning: {text}", file=sys.stderr, flush=True)
