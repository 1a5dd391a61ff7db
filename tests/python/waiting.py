# SPDX-License-Identifier: Apache-2.0
"""Waiting for what a process that was started brings about."""
import time

PATIENCE_SECONDS = 250                    # only so that a hang becomes a failure


def wait_for(process, look):
    """What look() answers, once that is true; fails if the process ends before."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if found := look():
            return found
        time.sleep(0.005)
    raise AssertionError("it did not come that far")
