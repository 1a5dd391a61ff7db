# SPDX-License-Identifier: Apache-2.0
"""run.report(): one JSON object a line in RUN/metrics.jsonl, each with the step, epoch and block it belongs to.

Only the program that owns the run writes, whole lines, at the end of the file. What a block did after the snapshot from which
the next one went on is done again, so its lines are there twice: readers drop the older ones, as metrics() does."""
from __future__ import annotations

import json
import os
import time
from typing import Any

SECONDS_BETWEEN_WRITES = 5.0     # a number on a GPU is fetched then, not at each call
OWN = ("step", "epoch", "block", "from", "time")     # the keys of every line


class Metrics:
    def __init__(self, path: str | None):
        self._path = path
        self._waiting: list[dict] = []
        self._written = time.monotonic()

    def add(self, place: dict, values: dict):
        for name in OWN:
            if name in values:
                raise ValueError(f"run.report({name}=...): every line has a '{name}' of its own; give the metric another name")
        if self._path is None:
            return
        kept = {name: _keep(value) for name, value in values.items()}
        self._waiting.append({**place, "time": round(time.time(), 3), **kept})
        if time.monotonic() - self._written >= SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self):
        """Everything waiting, to the file. A failure of the disk is told and costs those lines, never the training."""
        self._written = time.monotonic()
        if not self._waiting or self._path is None:
            return
        waiting, self._waiting = self._waiting, []
        text = "".join(json.dumps({key: _plain(value) for key, value in row.items()}) + "\n" for row in waiting)
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, text.encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            from ._log import warn
            warn(f"{len(waiting)} lines of metrics were not written to {self._path}: {error.strerror}; training goes on")


def _keep(value):
    """What stays the same until it is written: a tensor on a device is copied there, without waiting for it."""
    if hasattr(value, "detach"):
        value = value.detach()
        return value.item() if value.device.type == "cpu" else value.clone()
    return value


def _plain(value):
    if isinstance(value, (str, bool, int, type(None))):
        return value
    if hasattr(value, "item"):
        value = value.item()
    number = float(value)
    return number if number - number == 0 else str(number)       # JSON has no nan and no infinity


def metrics(run_directory: str | os.PathLike) -> list[dict[str, Any]]:
    """The rows of RUN/metrics.jsonl that belong to the run as it is: of steps that were done again, the newest block's, in the order
    of steps; none where nothing was reported. Each has what was reported, and ``step`` (of the next safe point, from 1), ``epoch``
    (from 0), ``block`` (from 1), ``from`` (the step at which that block began), ``time`` (seconds since 1970)."""
    rows: list[dict] = []
    try:
        with open(os.path.join(run_directory, "metrics.jsonl"), encoding="utf-8") as file:
            lines = file.read().split("\n")[:-1]
    except FileNotFoundError:
        return rows
    first_step_of_block: dict[int, int] = {}
    for line in lines:
        row = json.loads(line)
        rows.append(row)
        first_step_of_block[row["block"]] = min(row["from"], first_step_of_block.get(row["block"], row["from"]))
    return [row for row in rows
            if not any(block > row["block"] and first < row["step"] for block, first in first_step_of_block.items())]
