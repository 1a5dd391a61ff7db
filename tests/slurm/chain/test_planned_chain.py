# SPDX-License-Identifier: Apache-2.0
"""Chains that ckptplan has sent with too few blocks: they send more themselves, but not without end."""
import json
import re

import pytest


@pytest.fixture
def submit(cluster, run):
    """Sends a job script for that many seconds of counting, in blocks of 8 s; answers the array."""
    def send(seconds, blocks):
        script = cluster.work / "count.sh"
        script.write_text(f"#!/bin/bash\n#SBATCH --time=5\nexec {run.command(seconds, '--block-time 8s')}\n")
        done = cluster.user("ckptplan", "--submit", "--json", "--blocks", blocks, "-r", run.name, script)
        return json.loads(done.stdout)["submitted"]["array"]
    return send


def arrays(run):
    """In the order in which their blocks began."""
    return list(dict.fromkeys(claim["array_id"] for claim in run.claims()))


def test_a_chain_with_too_few_blocks_is_extended_once_and_completes(cluster, run, submit):
    first = submit(12, blocks=1)
    cluster.wait(first)
    run.wait_for_block(2)
    assert arrays(run)[0] == first and len(arrays(run)) == 2
    cluster.wait(arrays(run)[1])
    run.check_complete()
    assert cluster.slurm("squeue", "-h") == ""


def test_a_chain_whose_last_task_is_killed_goes_on(cluster, run, submit):
    """It had sent what follows when it began."""
    first = submit(6, blocks=1)
    run.wait_for_snapshot(1)
    cluster.scancel("--batch", "--signal=KILL", f"{first}_1")
    cluster.wait(first)
    run.wait_for_block(2)
    cluster.wait(arrays(run)[1])
    run.check_complete()
    assert run.decisions() == ["complete"], "the first block was killed before it could decide anything"
    assert cluster.slurm("squeue", "-h") == ""


def test_a_chain_that_completes_in_its_last_task_leaves_nothing_in_the_queue(cluster, run, submit):
    first = submit(3, blocks=1)
    cluster.wait(first)
    run.check_complete()
    assert arrays(run) == [first] and cluster.slurm("squeue", "-h") == ""
    assert "this is the last task" in "".join(file.read_text() for file in (run.directory / "logs").iterdir())


def test_a_chain_is_not_extended_beyond_twice_its_plan(cluster, run, submit):
    first = submit(100, blocks=1)
    cluster.wait(first)
    run.wait_for_block(2)
    cluster.wait(arrays(run)[1])
    run.check_sound()
    assert run.outcomes() == ["stopped", "stopped"] and cluster.slurm("squeue", "-h") == ""
    log = "".join(file.read_text() for file in (run.directory / "logs").iterdir())
    assert re.search(r"type: (cd \S+ && )?(sbatch|ckptplan) ", log)


def test_a_chain_that_is_cancelled_as_a_whole_sends_nothing_more(cluster, run, submit):
    first = submit(30, blocks=3)
    run.wait_for_snapshot(1)
    cluster.scancel(first)
    cluster.wait(first)
    run.check_sound()
    assert arrays(run) == [first] and cluster.slurm("squeue", "-h") == ""
    log = "".join(file.read_text() for file in (run.directory / "logs").iterdir())
    assert re.search(r"type: (cd \S+ && )?(sbatch|ckptplan) ", log)


def test_a_script_without_exec_gets_no_warning_of_which_its_shell_would_die(cluster, run):
    script = cluster.work / "count.sh"
    script.write_text(f"#!/bin/bash\n#SBATCH --time=5\n{run.command(12, '--block-time 8s')}\necho behind it\n")
    done = cluster.user("ckptplan", "--submit", "--json", "--blocks", 2, "-r", run.name, script)
    assert "starts ckptrun without exec: it gets no --signal" in done.stderr
    first = json.loads(done.stdout)["submitted"]["array"]
    assert "--signal" not in " ".join(json.loads(done.stdout)["submitted"].get("options", []))
    cluster.wait(first)
    run.check_complete()
    assert "behind it" in "".join(file.read_text() for file in (run.directory / "logs").iterdir())
