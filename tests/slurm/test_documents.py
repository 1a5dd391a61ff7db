# SPDX-License-Identifier: Apache-2.0
"""What documents tell a user of Slurm to type, typed by the cluster's user. Prompts say where: laptop$ knows no Slurm,
login$ does, node$ is the shell of the salloc before. A comment in the document names what is run in another way than it
stands there, so that it takes less time: "this" is run as "that"."""
import re
import shutil
import subprocess

import pytest

import read_aloud

A_DAY = ("--conf", "PartitionName=day Nodes=ALL Default=YES DefaultTime=60 MaxTime=1-0 PriorityTier=10")
pytestmark = pytest.mark.slurm(*A_DAY)


class Reader:
    def __init__(self, cluster, prefix):
        self.cluster = cluster
        self.folders = {place: cluster.work / place for place in ("laptop", "login")}
        for folder in self.folders.values():
            cluster.user("mkdir", folder)
        self.environment = cluster.environment | {
            "PATH": f"{prefix}/bin:{cluster.environment['PATH']}", "LD_LIBRARY_PATH": f"{prefix}/lib",
            "PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig", "PYTHONPATH": f"{prefix}/python"}
        self.node = None

    def read(self, document):
        text = document.read_text()
        for written, run in re.findall(r'"(.*)" is run as "(.*)"', text):
            assert text.count(written) > 1, f"{document} does not say {written}"
            text = text.replace(written, run)
        count = read_aloud.read_aloud(text, self.save, self.run)
        assert self.node is None, f"{document} leaves its node with exit"
        return count

    def save(self, name, content):
        for folder in self.folders.values():
            (folder / name).write_text(content)

    def run(self, place, command):
        if place == "node":
            return self.run_on_node(command)
        if command.startswith("salloc"):
            return self.take_node(command)
        without_slurm = ["env", "-u", "SLURM_CONF"] if place == "laptop" else []
        done = subprocess.run(self.words(*without_slurm, "bash", "-c", command), cwd=self.folders[place], text=True,
                              env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def words(self, *command):
        return [self.cluster.script, "env", self.cluster.directory, *command]

    def take_node(self, command):
        self.node = subprocess.Popen(self.words(*command.split(), "bash"), cwd=self.folders["login"], text=True,
                                     env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT)
        return 0, ""

    def run_on_node(self, command):
        if command == "exit":
            node, self.node = self.node, None
            node.communicate("exit\n")
            return node.returncode, ""
        self.node.stdin.write(f"{{ {command}; }} </dev/null; echo that was $?\n")
        self.node.stdin.flush()
        lines = []
        for line in self.node.stdout:
            if told := re.fullmatch(r"that was (\d+)\n", line):
                return int(told.group(1)), "".join(lines)
            lines.append(line)
        raise AssertionError(f"the node is gone: {lines}")


@pytest.fixture(scope="session")
def prefix(repository, build_directory, clusters):
    """This build and the Python package, installed where the cluster's user can reach them."""
    prefix = clusters(*A_DAY).directory / "prefix"
    subprocess.run(["cmake", "--install", build_directory, "--prefix", prefix], check=True, capture_output=True)
    shutil.copytree(repository / "bindings/python/libckpt", prefix / "python/libckpt")
    return prefix


@pytest.fixture
def reader(cluster, prefix):
    return Reader(cluster, prefix)


def test_the_first_hour_is_as_it_is_told(repository, reader):
    assert reader.read(repository / "docs/first-hour.md") > 10


def test_what_the_examples_say_of_interactive_jobs_is_so(repository, reader):
    assert reader.read(repository / "examples/slurm/README.md") > 0


# ---- the job scripts of examples/slurm, as they are but for blocks of some seconds ----------------------------------

STEPS = 750


@pytest.fixture
def submit(cluster, repository):
    """submit("chain.sh", "--job-name=x", command=…): sends the example; waits; answers what its tasks wrote, in order."""
    def submit(name, *options, command=f"ten_lines {STEPS} 10"):
        text = (repository / "examples/slurm" / name).read_text()
        short = re.sub(r"^((?:exec )?ckptrun) ", r"\1 --block-time 7s ", text, flags=re.MULTILINE)
        assert short != text
        (cluster.work / name).write_text(short)
        job = cluster.user("sbatch", "--parsable", *options, name, *command.split()).stdout.strip()
        cluster.wait(job)
        assert {"FAILED", "TIMEOUT"}.isdisjoint(cluster.states(job).values()), cluster.states(job)
        logs = sorted(cluster.work.glob(f"*-{job}_*.log"))
        return [log.read_text() for log in logs]
    return submit


@pytest.mark.parametrize("script", ["chain.sh", "srun.sh"])
def test_a_chain_from_an_example_ends_with_its_work(cluster, submit, script):
    logs = submit(script, "--job-name=lines")
    assert len(logs) == 2, "the tasks that were not needed never started"
    assert "waiting tasks" in logs[0].splitlines()[-1]
    assert f"step {STEPS}, last weight" in logs[1]
    cluster.user("ckpt", "done", "lines")


def test_the_script_that_goes_on_after_ckptrun_writes_its_results_once_the_work_is_complete(cluster, submit):
    submit("chain_without_exec.sh", "--job-name=lines", "--array=1-1%1")
    assert not (cluster.work / "results.txt").exists()
    submit("chain_without_exec.sh", "--job-name=lines")
    assert f"{STEPS}" in (cluster.work / "results.txt").read_text()


@pytest.mark.parametrize("document", ["docs/slurm.md", "README.md"])
def test_the_example_of_a_chain_has_the_lines_that_are_explained(repository, document):
    [lines] = [content for language, content, _ in read_aloud.blocks((repository / document).read_text())
               if language == "bash"]
    *options, last = lines.removeprefix("#!/bin/bash\n").splitlines()
    example = (repository / "examples/slurm/chain.sh").read_text().splitlines()
    assert [line for line in example if line.startswith("#SBATCH")] == options
    assert example[-1].replace('"$@"', "python train.py --epochs 300") == last


def test_an_example_that_nobody_named_is_the_run_of_its_script(cluster, submit):
    submit("chain.sh", command="ten_lines 50")
    cluster.user("ckpt", "done", "chain")


def test_the_trials_of_the_example_sweep_are_runs_of_their_own(cluster, submit):
    assert len(submit("sweep.sh", "--job-name=seeds", command="ten_lines 50")) == 4
    table = cluster.user("ckpt", "ls", "seeds").stdout
    assert table.count("complete") == 4


def test_the_messages_that_are_explained_are_those_of_the_tools(repository):
    sources = "".join(file.read_text() for file in (repository / "supervisor").rglob("*.cpp"))
    _, help_section = (repository / "docs/slurm.md").read_text().split("## When something is wrong")
    messages = [message for row in re.findall(r"^\| (.*?) \|", help_section, re.MULTILINE)
                for message in re.findall(r'"([^"]+)"', row)]
    assert len(messages) >= 5
    assert [message for message in messages if message not in sources] == []
