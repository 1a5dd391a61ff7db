# SPDX-License-Identifier: Apache-2.0
"""A run directory as its records would be, for what would take days to happen."""
import json
import os
import pathlib
import socket
import time


def this_process():
    """A process that is alive: the test's own."""
    stat = pathlib.Path("/proc/self/stat").read_text()
    return {"host": socket.gethostname(), "machine_id": pathlib.Path("/etc/machine-id").read_text().strip(),
            "boot_id": pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            "pid_namespace": os.readlink("/proc/self/ns/pid"), "pid": os.getpid(),
            "start_ticks": int(stat.rsplit(")", 1)[1].split()[19]), "user": "tester"}


def gone_process():
    return this_process() | {"start_ticks": 1}


def process_elsewhere(host="node12"):
    return this_process() | {"host": host, "machine_id": "another", "boot_id": "another", "pid": 4711}


class ToldRun:
    """told.block(1, …), told.block(2, …), told.status(…): each writes the files that tell it. `ago`: seconds before now."""

    def __init__(self, directory):
        self.directory = directory
        self.newest = 0
        self.now = time.time()
        for folder in ("blocks", "snapshots", "kept", "control", "logs"):
            (directory / folder).mkdir(parents=True)

    def _write(self, path, value):
        target = self.directory / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(value))

    def block(self, number, ago, who=None, seconds=0, array="", task="", job="", linked=True, points=(), progress=(),
              saved=(), end=None, lasted=None, reason="the time of this block is nearly used", decision=None):
        """points, progress and saved: (seconds since the start of the block, step), (…, done, total) and (…, step, done)."""
        self.newest, claimed = number, self.now - ago
        who = who or gone_process()
        name = f"blocks/{number:04}"
        self._write(f"{name}.json", {
            "block": number, "role": "ckptrun", "who": who, "job_id": job, "cluster": "", "array_id": array,
            "array_task": task, "restart_count": 0, "command": ["./train"], "claimed": claimed, "block_seconds": seconds})
        kind = "program" if linked else "child"
        self._write(f"{name}.{kind}-{who['pid']}.json", {"linked": linked, "who": who})
        lines = [{"event": "first_point" if i == 0 else "staged", "time": claimed + after, "step": step, "stall_seconds": 0.5}
                 for i, (after, step) in enumerate(points)]
        lines += [{"event": "progress", "time": claimed + after, "done": done, "total": total, "unit": "epoch"}
                  for after, done, total in progress]
        lines += [{"event": "staged", "time": claimed + after, "step": step, "done": done} for after, step, done in saved]
        (self.directory / f"{name}.program-{who['pid']}.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
        if decision:
            (self.directory / f"{name}.ckptrun.jsonl").write_text(
                json.dumps({"event": "decision", "time": claimed, "decision": decision, "reason": reason}) + "\n")
        if end:
            self._write(f"{name}.end.json", {
                "outcome": end, "reason": reason, "writer": "program", "writer_pid": who["pid"], "step": None,
                "exit_code": None, "signal": None, "ended": claimed + lasted})
        return self

    def status(self, **fields):
        self._write("status.json", {"block": self.newest} | fields)
        return self

    def submission(self, array, blocks, extends="", sweep_arrays=(), planned_blocks=None):
        self._write(f"submissions/{array}.json", {
            "array_id": array, "cluster": "", "blocks": blocks, "planned_blocks": planned_blocks or blocks,
            "extends": extends, "script": "job.sh", "options": [], "arguments": [], "working_directory": "/",
            "sweep_arrays": list(sweep_arrays), "submitted": self.now})
        return self

    def metrics(self, *lines, tail=""):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (self.directory / "metrics.jsonl").write_text(text + tail)
        return self
