# SPDX-License-Identifier: Apache-2.0
"""Runs as chains of jobs. Their program is checked_counter, which knows what its state has to be at every step."""
import json

import pytest

STEPS_A_SECOND = 100


class Run:
    """What the user of a cluster sees of a run, and what must hold of every one, whatever happened to its blocks."""

    def __init__(self, cluster, name="count"):
        self.cluster, self.name = cluster, name
        self.directory = cluster.work / "ckpt-runs" / name
        self.log_file = cluster.work / f"{name.replace('/', '-')}.log"

    def command(self, seconds, *options, launcher=""):
        """A line for a job: ckptrun with a program that counts for so many seconds in all."""
        steps = int(seconds * STEPS_A_SECOND)
        program = f"{launcher} checked_counter {steps} 4096 {1_000_000 // STEPS_A_SECOND} {self.log_file}"
        return " ".join(["ckptrun -r", self.name, *options, "--", program])

    # -- what is recorded ------------------------------------------------------------------------------------------

    def log(self):
        """What the programs wrote, line by line."""
        return self.log_file.read_text().splitlines() if self.log_file.exists() else []

    def records(self, pattern):
        return [json.loads(file.read_text()) for file in sorted((self.directory / "blocks").glob(pattern))]

    def outcomes(self):
        return [record["outcome"] for record in self.records("[0-9]*.end.json")]

    def claims(self):
        return self.records("[0-9][0-9][0-9][0-9].json")

    def events(self, *names, writer="program"):
        """Of the ledgers of all programs, or of ckptrun, in the order of time."""
        files = (self.directory / "blocks").glob(f"*.{writer}*.jsonl")
        events = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return sorted((event for event in events if event["event"] in names), key=lambda event: event["time"])

    def decisions(self):
        return [event["decision"] for event in self.events("decision", writer="ckptrun")]

    def status(self):
        file = self.directory / "status.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def newest_step(self):
        return max((event["step"] for event in self.events("durable")), default=0)

    # -- waiting ---------------------------------------------------------------------------------------------------

    def wait_for_snapshot(self, block):
        self.cluster.eventually(lambda: any(event["block"] == block for event in self.events("durable")),
                                f"a snapshot of block {block}")

    def wait_for_block(self, block):
        """Until the program of that block has restored or begun."""
        self.cluster.eventually(lambda: len(self.events("fresh", "restored")) >= block, f"block {block}")

    # -- what must hold --------------------------------------------------------------------------------------------

    def check_sound(self):
        """Every restored state was exact and the newest there was, and nobody wrote once another block had begun."""
        assert not any("WRONG" in line for line in self.log()), self.log()
        claimed = {claim["block"]: claim["claimed"] for claim in self.claims()}
        assert sorted(claimed) == list(range(1, len(claimed) + 1))
        durable = self.events("durable")
        for event in durable:
            assert event["time"] < claimed.get(event["block"] + 1, float("inf")), f"a block that is over wrote: {event}"
        for event in self.events("restored"):
            before = [(other["block"], other["step"]) for other in durable if other["time"] < event["time"]]
            assert (event["block"], event["step"]) == max(before)
        assert "damaged" not in self.cluster.user("ckpt", "verify", self.name).stdout

    def check_complete(self):
        """Once, with the exact state; and every tool says so."""
        self.check_sound()
        assert [line.split()[2] for line in self.log() if line.startswith("finished")] == ["exact"]
        assert self.outcomes()[-1] == "finished" and self.status()["state"] == "complete"
        self.cluster.user("ckpt", "done", self.name)


@pytest.fixture
def run(cluster):
    return Run(cluster)


@pytest.fixture
def run_named(cluster):
    return lambda name: Run(cluster, name)
