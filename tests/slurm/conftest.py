# SPDX-License-Identifier: Apache-2.0
"""A real Slurm for the tests, in a user's words: sbatch, scancel, a node that dies. Each process of pytest has clusters
of its own (scripts/slurm-sandbox), so tests that run side by side (-n) can crash what they like. A test that needs
another configuration says so: @pytest.mark.slurm("--proctrack", "cgroup")."""
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import pytest

PATIENCE_SECONDS = 240      # far beyond what a test waits for; only so that a hang becomes a failure
POLL_SECONDS = 0.3
CANNOT_RUN_HERE = 77
SHOWN = {".out", ".log", ".json", ".jsonl"}      # when a test fails
SHOWN_CHARACTERS = 10_000
PROGRAMS = ["ckptrun", "ckpt", "ckptplan", "ten_lines", "checked_counter", "epoch_counter", "fashion_mnist"]


def pytest_configure(config):
    config.addinivalue_line("markers", "slurm(*options): slurm-sandbox starts the cluster of this test with these")


class Cluster:
    def __init__(self, script, options):
        self.script = script
        # Not tmpfs, where runs are refused; reachable for others; short, for its sockets.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ckpt-slurm-", dir="/var/tmp"))
        self.bin, self.scratch = self.directory / "bin", self.directory / "scratch"
        self.work = None                     # the running test's folder
        self.environment = {"PATH": f"{self.bin}:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8",
                            "LD_LIBRARY_PATH": f"{self.directory}/lib",
                            "SLURM_CONF": f"{self.directory}/etc/slurm.conf"}
        self.sandbox("up", *options)

    def sandbox(self, verb, *words):
        result = subprocess.run([self.script, verb, self.directory, *words], text=True, capture_output=True)
        if result.returncode == CANNOT_RUN_HERE:
            self.directory.rmdir()
            pytest.skip(result.stderr.strip())
        assert result.returncode == 0, result.stderr

    def down(self):
        self.sandbox("down")

    # -- as the user -----------------------------------------------------------------------------------------------

    def user(self, *command, check=True, **environment):
        """Runs it in the test's folder as the user of the cluster."""
        result = subprocess.run([self.script, "env", self.directory, *map(str, command)], cwd=self.work, text=True,
                                env=self.environment | environment, capture_output=True, stdin=subprocess.DEVNULL)
        assert result.returncode == 0 or not check, f"{command}: {result.stdout}{result.stderr}"
        return result

    def sbatch(self, script, *options, **environment):
        """Submits the lines as a bash script, of the name job unless an option gives another; answers the job's id."""
        file = self.work / "job"
        file.write_text(f"#!/bin/bash\n{script}\n")
        return self.user("sbatch", "--parsable", *options, file, **environment).stdout.strip()

    def scancel(self, *words):
        self.user("scancel", *words)

    def requeue(self, job):
        self.user("scontrol", "requeue", job)

    # -- looking ---------------------------------------------------------------------------------------------------

    def slurm(self, *command):
        """Looks or acts as root; answers what it prints, nothing when there is no such thing (any more)."""
        return subprocess.run([*map(str, command)], env=self.environment, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL).stdout

    def tasks(self, job):
        """What scontrol shows of a job, or of each task of an array that has been started: {id: {key: value}}."""
        lines = self.slurm("scontrol", "show", "job", "-o", job).splitlines()
        records = [dict(re.findall(r"(\S+?)=(.*?)(?= \S+?=|$)", line)) for line in lines if line]
        return {record.get("ArrayTaskId", record["JobId"]): record for record in records}

    def show(self, job):
        [record] = self.tasks(job).values()
        return record

    def states(self, job):
        return {task: record["JobState"] for task, record in self.tasks(job).items()}

    def state(self, job):
        return self.show(job)["JobState"]

    def is_over(self, job):
        """Not: the controller does not answer, or has forgotten all about it."""
        return bool(self.tasks(job)) and not self.slurm("squeue", "-h", "-j", job)

    def wait(self, job):
        """Until nothing of the job is pending or running."""
        self.eventually(lambda: self.is_over(job), f"the end of job {job}")

    def wait_for(self, job, state):
        self.eventually(lambda: state in self.states(job).values(), f"job {job} becomes {state}")

    def eventually(self, condition, what="what the test waits for"):
        """Waits for the condition and answers its value."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"in {PATIENCE_SECONDS} s did not happen: {what}\n{self.slurm('squeue')}")

    def output(self, job):
        """What a job wrote, or all tasks of it, in their order."""
        def by_number(file):
            return [int(number) for number in re.findall(r"\d+", file.name)]
        files = sorted(self.work.glob(f"slurm-{job}[._]*"), key=by_number)
        return "".join(file.read_text(errors="replace") for file in files)

    # -- harm ------------------------------------------------------------------------------------------------------

    def crash_node(self, node, noticed=True):
        """The machine is dead from one moment to the next. Slurm notices after SlurmdTimeout, or at once."""
        self.sandbox("down", node)
        if noticed:
            self.set_down(node)

    def kill_slurmd(self, node, noticed=True):
        """Slurm loses the node, whose jobs run on."""
        self.sandbox("down", f"{node}.slurmd")
        if noticed:
            self.set_down(node)

    def crash_controller(self):
        """What is running now is known to the next controller: it saves what it knows soon after something has changed."""
        asked = time.time()
        for job in self.slurm("squeue", "-h", "-t", "R", "-o", "%A").split():
            self.slurm("scontrol", "update", f"JobId={job}", "AdminComment=about to crash")
        self.eventually(lambda: (self.directory / "state/job_state").stat().st_mtime > asked, "the controller saves")
        self.sandbox("down", "ctld")

    def set_down(self, node):
        self.slurm("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")

    def mend(self):
        for node in self.slurm("sinfo", "-h", "-N", "-o", "%N", "-t", "down,drain").split():
            self.slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")
        self.sandbox("up")

    # -- between tests ---------------------------------------------------------------------------------------------

    def begin(self, name):
        self.work = self.scratch / re.sub(r"\W+", "-", name)
        self.work.mkdir(mode=0o700)
        shutil.chown(self.work, self.scratch.stat().st_uid, self.scratch.stat().st_gid)

    def end(self):
        """The next test finds every node up and no job."""
        self.mend()
        while jobs := self.slurm("squeue", "-h", "-o", "%A").split():
            self.slurm("scancel", *jobs)
            time.sleep(POLL_SECONDS)
        shutil.rmtree(self.work)
        self.work = None


@pytest.fixture(scope="session")
def clusters(repository, bin_directory):
    """clusters(*options): the cluster with this configuration, started when it is first asked for."""
    started = []

    @functools.lru_cache(maxsize=None)
    def start(*options):
        started.append(Cluster(repository / "scripts/slurm-sandbox", options))
        install_programs(bin_directory, started[-1])
        return started[-1]
    yield start
    for cluster in started:
        cluster.down()


def install_programs(bin_directory, cluster):
    """The build tree may be out of the user's reach."""
    cluster.bin.mkdir()
    for name in PROGRAMS:
        shutil.copy(bin_directory / name, cluster.bin)
    shutil.copytree(bin_directory.parent / "lib", cluster.directory / "lib", symlinks=True)


@pytest.fixture
def cluster(request, clusters):
    mark = request.node.get_closest_marker("slurm")
    cluster = clusters(*(mark.args if mark else ()))
    cluster.begin(request.node.name)
    yield cluster
    cluster.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its jobs wrote."""
    report = yield
    cluster = item.funcargs.get("cluster") if hasattr(item, "funcargs") else None
    if report.failed and call.when == "call" and cluster:
        files = [file for file in sorted(cluster.work.rglob("*")) if file.suffix in SHOWN and file.is_file()]
        for file in [*files, cluster.directory / "log/slurmctld.log"]:
            text = file.read_text(errors="replace")[-SHOWN_CHARACTERS:]
            report.sections.append((str(file.relative_to(cluster.directory)), text))
    return report
