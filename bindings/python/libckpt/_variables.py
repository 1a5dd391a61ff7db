# SPDX-License-Identifier: Apache-2.0
"""A record of what the script's variables hold at each safe point. ckptrun --verify-resume asks for it, compares that of a
straight run with that of a resumed one, and names what changed and was not saved. Where nobody asks nothing is done."""
from __future__ import annotations

import importlib.util
import json
import os
import random
import sys

ASKED = "CKPT_VARIABLES"         # environment: the file to write to
MOMENTS = (("_settled", "entry"), ("_safe_point", "point"), ("_end_loop", "end"), ("finish", "end"))


def give_seeds():
    """A script without seeds draws other numbers in each start, and no two could be compared: for the check it gets some."""
    if os.environ.get(ASKED):
        random.seed(0)
        if importlib.util.find_spec("numpy"):
            import numpy.random
            numpy.random.seed(0)
        if torch := sys.modules.get("torch"):
            torch.manual_seed(0)
        else:
            sys.meta_path.insert(0, SeedOfTorch())


class SeedOfTorch:
    """Seeds torch when the script imports it."""

    def find_spec(self, name, path=None, target=None):
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_seed(module):
                execute(module)
                module.manual_seed(0)
            spec.loader.exec_module = execute_and_seed
        return spec


def watch(run):
    """A line in the record before the loop is entered, at each safe point, and at the loop's end."""
    path = os.environ.get(ASKED)
    if path and run.directory:
        record = Record(run, path)
        for method, moment in MOMENTS:
            setattr(run, method, record.before(getattr(run, method), moment))


class Record:
    def __init__(self, run, path):
        self._run, self._path = run, path
        self._ended = False
        self._last_seen: dict = {}
        self._look()             # at what Run was given, before the loop puts something in its place

    def before(self, method, moment):
        def call(*arguments, **options):
            if not self._ended:
                self._note(moment)
            self._ended = self._ended or moment == "end"
            return method(*arguments, **options)
        return call

    def _note(self, moment):
        in_epoch = any(not feed.complete for feed in self._run._feeds.values())
        line = {"block": self._run.block, "step": self._run.step, "moment": moment, "in_epoch": in_epoch, "variables": self._look()}
        with open(self._path, "a") as file:
            file.write(json.dumps(line) + "\n")

    def _look(self) -> dict:
        from ._survey import Survey      # what it needs is not loaded for nothing
        return Survey(self._run, self._last_seen).variables
