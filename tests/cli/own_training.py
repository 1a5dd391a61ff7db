# SPDX-License-Identifier: Apache-2.0
"""A training that writes its own checkpoints, and what it did."""
import json
import pathlib
import sys

import pytest

TRAINER = [sys.executable, pathlib.Path(__file__).parent / "programs/own_trainer.py"]


class Training:
    def __init__(self, tool, work):
        self.tool, self.work = tool, work
        self.checkpoints, self.run = work / "ckpts", work / "ckpt-runs/t"

    def ckptrun(self, *options, trainer=(), latest="ckpts/model-{epoch}.pt", run="t"):
        return self.tool("ckptrun", "-r", run, "--latest", latest, "--resume-args", "--load-checkpoint {resume}", *options,
                         "--", *TRAINER, "--write-checkpoints-to", "ckpts", *map(str, trainer))

    def log(self):
        return (self.work / "trainer.log").read_text().splitlines()

    def begun_from(self):
        return [int(line.split()[1]) for line in self.log() if line.startswith("from")]

    def epochs(self):
        return [int(line.split()[1]) for line in self.log() if line.startswith("epoch")]

    def events(self, name):
        lines = [line for file in sorted(self.run.glob("blocks/*.ckptrun.jsonl")) for line in file.read_text().splitlines()]
        return [event for event in map(json.loads, lines) if event["event"] == name]


@pytest.fixture
def training(tool, work):
    return Training(tool, work)
