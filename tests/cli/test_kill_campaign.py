# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of the program, of ckptrun, and of both, at random moments: the run always goes on from the newest durable
snapshot, whose state is exact, and ends with the right bytes."""
import json
import os
import random
import signal
import subprocess
import time

KILLS = 50
WORDS, MICROSECONDS = 300_000, 500


class Campaign:
    def __init__(self, folder, bin_directory):
        self.folder, self.bin = folder, bin_directory
        self.run = folder / "run"
        self.log = folder / "log"
        self.durable = (0, 0)
        self.kills = {"program": 0, "ckptrun": 0, "both": 0}
        self.supervisor = None

    def start(self):
        self.log.touch()
        self.supervisor = subprocess.Popen(
            [self.bin / "ckptrun", "-q", "-r", str(self.run), "--block-time", "60s", "--save-interval", "100ms", "--",
             self.bin / "checked_counter", "0", str(WORDS), str(MICROSECONDS), str(self.log)])

    def newest(self):
        out = subprocess.run([self.bin / "ckpt", "ls", "--json", self.run], capture_output=True, text=True)
        if out.returncode != 0:
            return (0, 0)
        snapshots = json.loads(out.stdout)["snapshots"]
        return max([(s["block"], s["step"]) for s in snapshots if not s.get("damaged")], default=(0, 0))

    def program_pid(self):
        """Of the program that is alive now: the newest one that said it started."""
        starts = [line.split()[1] for line in self.log.read_text().splitlines() if line.startswith("start ")]
        pid = int(starts[-1]) if starts else None
        try:
            if pid and open(f"/proc/{pid}/comm").read().strip() == "checked_counter":
                return pid
        except FileNotFoundError:
            pass
        return None

    def kill(self, victim):
        pid = self.program_pid()
        if victim != "ckptrun" and pid is None:
            return
        if victim != "program":
            self.supervisor.kill()
        if victim != "ckptrun":
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return
        if victim != "program":
            self.supervisor.wait()
        self.kills[victim] += 1

    def finished(self):
        return any(line.startswith("finished") for line in self.log.read_text().splitlines())


def check_log(log):
    lines = log.read_text().splitlines()
    wrong = [line for line in lines if "WRONG" in line]
    assert not wrong, wrong
    steps = [int(line.split()[1]) for line in lines if line.startswith("restored")]
    assert steps == sorted(steps), "a later life restored an older step"
    return lines, steps


def test_fifty_kills_lose_nothing_that_was_durable(tmp_path, bin_directory):
    seed = int(os.environ.get("CKPT_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed} (CKPT_TEST_SEED repeats it)")
    rng = random.Random(seed)
    campaign = Campaign(tmp_path, bin_directory)
    campaign.start()
    try:
        while sum(campaign.kills.values()) < KILLS:
            time.sleep(rng.uniform(0.02, 0.5))
            newest = campaign.newest()
            assert newest >= campaign.durable, "a durable snapshot is gone and nothing newer took its place"
            campaign.durable = newest
            campaign.kill(rng.choice(["program", "ckptrun", "both"]))
            if campaign.supervisor.poll() is not None:   # killed, or it stopped the chain after two crashes in a row
                campaign.start()
        (tmp_path / "log.enough").touch()
        deadline = time.monotonic() + 120
        while not campaign.finished() and time.monotonic() < deadline:
            if campaign.supervisor.poll() is not None:
                campaign.start()
            time.sleep(0.1)
        assert campaign.supervisor.wait(timeout=60) == 0
    finally:
        if campaign.supervisor.poll() is None:
            campaign.supervisor.kill()
            campaign.supervisor.wait()
        pid = campaign.program_pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
    lines, steps = check_log(campaign.log)
    print(f"kills {campaign.kills}, lives {sum(l.startswith('start') for l in lines)}, resumed from {len(steps)} snapshots")
    assert lines[-1].startswith("finished") and lines[-1].endswith("exact")
    assert min(campaign.kills.values()) >= 5
    assert subprocess.run([bin_directory / "ckpt", "verify", campaign.run], capture_output=True).returncode == 0
