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
        kept = {name: _keep(name, value) for name, value in values.items()}
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
            with open(self._path, "ab", opener=_private) as file:
                if file.tell() and not _ends_with_newline(self._path):      # of a line that was cut short
                    file.write(b"\n")
                file.write(text.encode())
        except OSError as error:
            from ._log import warn
            warn(f"{len(waiting)} lines of metrics were not written to {self._path}: {error.strerror}; training goes on")


def _private(path, flags):
    return os.open(path, flags, 0o600)


def _ends_with_newline(path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _keep(name, value):
    """What stays the same until it is written: a tensor on a device is copied there, without waiting for it."""
    try:
        if hasattr(value, "detach"):
            value = value.detach()
            if value.device.type != "cpu":
                if value.numel() != 1:
                    raise TypeError(f"{value.numel()} elements")
                return value.clone()
        return _plain(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(f"run.report({name}=...) takes a number, or a tensor or array with one element: {error}") from None


def _plain(value):
    if isinstance(value, (str, bool, int, type(None))):
        return value
    if hasattr(value, "item"):
        value = value.item()
        if isinstance(value, (bool, int)):
            return value
    number = float(value)
    return number if number - number == 0 else str(number)       # JSON has no nan and no infinity


def metrics(run: str | os.PathLike) -> list[dict[str, Any]]:
    """The rows of RUN/metrics.jsonl that belong to the run as it is: of steps that were done again, the newest block's, in the order
    of steps; none where nothing was reported. `run`: a directory, or a name under ./ckpt-runs. Each row has what was reported, and
    ``step`` (of the next safe point, from 1), ``epoch`` (from 0), ``block`` (from 1), ``from`` (the step at which that block began),
    ``time`` (seconds since 1970). A line that was cut short is passed over. Raises FileNotFoundError where there is no such run."""
    from ._reading import directory_of
    directory = directory_of(run)
    if not os.path.isdir(directory):
        raise FileNotFoundError(f"there is no run '{os.fspath(run)}', neither a directory of that name nor one under ./ckpt-runs")
    rows: list[dict] = []
    try:
        with open(os.path.join(directory, "metrics.jsonl"), encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n")[:-1]
    except FileNotFoundError:
        return rows
    first_step_of_block: dict[int, int] = {}
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        rows.append(row)
        first_step_of_block[row["block"]] = min(row["from"], first_step_of_block.get(row["block"], row["from"]))
    return [row for row in rows
            if not any(block > row["block"] and first < row["step"] for block, first in first_step_of_block.items())]
