# SPDX-License-Identifier: Apache-2.0
"""ckpt on runs whose blocks are jobs, as seen from a login node: the fake Slurm answers, the runs are told."""
import re
import time

import pytest

from told_run import ToldRun, process_elsewhere

HOUR = 3600
RUNNING = "JobId=78 ArrayJobId=77 ArrayTaskId=1 ArrayTaskThrottle=1 JobState=RUNNING Restarts=0\n"
WAITING = "JobId=77 ArrayJobId=77 ArrayTaskId=2-4%1 ArrayTaskThrottle=1 JobState=PENDING Restarts=0\n"
OVER = "JobId=78 ArrayJobId=77 ArrayTaskId=1 ArrayTaskThrottle=1 JobState=NODE_FAIL Restarts=0\n"


@pytest.fixture
def slurm(fake_slurm):
    fake_slurm["scontrol-show-config.out"] = "ClusterName = sandbox\n"
    fake_slurm["scancel.out"] = ""
    return fake_slurm


@pytest.fixture
def chain(work, slurm):
    """The first block of array 77, on a node; what the controller says of it is the argument."""
    def run(said, name="a", **block):
        slurm["scontrol-show-job-77.out"] = said
        slurm["scontrol-show-job-78.out"] = said.splitlines()[0] + "\n"
        told = ToldRun(work / "ckpt-runs" / name)
        return told.block(1, 600, who=process_elsewhere(), seconds=HOUR, array="77", task="1", job="78",
                          **{"linked": True, **block})
    return run


def test_a_block_on_a_node_is_running_as_long_as_its_job_does(tool_json, chain):
    chain(RUNNING + WAITING)
    told = tool_json("ckpt", "status")
    assert (told["state"], told["waiting_blocks"], told["array"]) == ("running", 3, "77")
    assert told["to_do"] == "nothing"


def test_a_job_that_is_gone_with_others_waiting_needs_nobody(tool, tool_json, chain):
    chain(OVER + WAITING)
    told = tool_json("ckpt", "status")
    assert (told["state"], told["waiting_blocks"]) == ("interrupted", 3)
    assert told["to_do"] == "nothing: what waits goes on (3 blocks of array 77)"
    assert re.search(r"^block +1, 3 waiting, since", tool("ckpt", "status").stdout, re.MULTILINE)


def test_a_job_that_is_gone_with_nothing_behind_it_is_told_with_the_line_that_goes_on(tool_json, chain):
    chain(OVER.replace("\n", " Command=/home/alice/train.sh --lr 1\n"))
    told = tool_json("ckpt", "status")
    assert told["state"] == "interrupted" and told["reason"].endswith("; no later task of it starts")
    assert told["to_do"] == "to go on from the newest snapshot type: sbatch --array=1-1%1 /home/alice/train.sh --lr 1"


def test_a_trial_whose_next_task_can_never_start_is_told_with_the_line_for_that_trial(tool_json, chain):
    trial = OVER.replace(" ArrayTaskThrottle=1", "").replace("\n", " Command=/home/alice/train.sh\n")
    others = "JobId=77 ArrayJobId=77 ArrayTaskId=2-4 JobState=PENDING Restarts=0\n"
    chain(trial + others, "sweep/1")
    told = tool_json("ckpt", "status", "sweep/1")
    assert told["state"] == "interrupted" and told["waiting_blocks"] == 0
    assert told["to_do"] == "to go on from the newest snapshot type: sbatch --array=1 /home/alice/train.sh"


def test_without_an_answer_the_owner_is_unknown_in_seconds(tool_json, chain, slurm):
    chain(RUNNING)
    slurm["scontrol.sleep"] = "infinity"
    assert tool_json("ckpt", "status")["state"] == "owner unknown"
    assert len(slurm.calls) == 1


def test_ls_of_many_runs_asks_slurm_once(tool_json, chain, slurm):
    for number in range(40):
        chain(RUNNING, f"run{number}")
    slurm["squeue.out"] = "78|77|1|RUNNING|None|N/A|N/A|N/A|1:00|main|a|q|tester|n1|/home|name\n"
    assert {run["state"] for run in tool_json("ckpt", "ls")["runs"]} == {"running"}
    assert [call.split()[0] for call in slurm.calls] == ["scontrol", "squeue"]


def test_status_says_when_fewer_blocks_wait_than_the_work_needs(tool_json, chain):
    run = chain(RUNNING + WAITING, points=[(0, 0), (500, 50)], progress=[(0, 0, 100), (500, 5, 100)])
    told = tool_json("ckpt", "status")
    assert told["outlook"]["blocks"] == 2 and told["to_do"] == "nothing"
    (run.directory / "blocks/0001.program-4711.jsonl").write_text("")
    run = chain(RUNNING, "b", points=[(0, 0), (500, 50)], progress=[(0, 0, 100), (500, 5, 100)])
    assert tool_json("ckpt", "status", "b")["to_do"].startswith("submit about 2 more blocks when it ends")
    run.submission("77", 1)
    assert tool_json("ckpt", "status", "b")["to_do"] == "nothing; its last block sends more of them"
    run.submission("78", 1, extends="77")
    assert tool_json("ckpt", "status", "b")["to_do"].startswith("submit about 2 more blocks when it ends"), "twice the plan is sent"


# ---- stop -------------------------------------------------------------------------------------------------------------

def test_stop_says_that_it_ends_the_chain(tool, tool_json, chain):
    run = chain(RUNNING + WAITING)
    told = tool("ckpt", "stop")
    assert told.returncode == 0
    assert told.stdout == ("asked a to stop: it saves at its next safe point and ends; that ends the chain: blocks that "
                           "wait are cancelled\n")
    assert len(list((run.directory / "control").iterdir())) == 1
    assert tool_json("ckpt", "stop")["ends_chain"]


def test_stop_cancels_what_waits_when_nobody_runs_now(tool, chain, slurm):
    run = chain(OVER + WAITING)
    slurm["scancel.run"] = f"printf '{OVER}' >scontrol-show-job-77.out"
    told = tool("ckpt", "stop")
    assert (told.returncode, told.stdout) == (0, "nobody runs a now; cancelled what waited: 3 blocks of array 77\n")
    assert "scancel --state=PENDING 77" in slurm.calls
    assert list((run.directory / "control").iterdir()) == []
    told = tool("ckpt", "stop")
    assert told.returncode == 125 and "nobody runs a now" in told.stderr


@pytest.fixture
def sent(work, slurm):
    """A run that ckptplan has sent as array 77, of which no block has begun; what the controller says is the argument."""
    def run(said):
        slurm["scontrol-show-job-77.out"] = said
        return ToldRun(work / "ckpt-runs/a").submission("77", 4)
    return run


def test_a_chain_that_has_not_begun_waits_and_stop_cancels_it(tool, tool_json, sent, slurm):
    sent(WAITING)
    told = tool_json("ckpt", "status")
    assert (told["state"], told["waiting_blocks"]) == ("not started", 3)
    assert told["to_do"] == "nothing: array 77 was sent for it, and has not begun"
    assert re.search(r"^block +none, 3 waiting", tool("ckpt", "status").stdout, re.MULTILINE)
    slurm["scancel.run"] = "sed -i s/PENDING/CANCELLED/ scontrol-show-job-77.out"
    told = tool("ckpt", "stop")
    assert (told.returncode, told.stdout) == (0, "nobody runs a now; cancelled what waited: 3 blocks of array 77\n")
    assert "scancel --state=PENDING 77" in slurm.calls


@pytest.mark.parametrize("state", ["CANCELLED", "FAILED", "forgotten"])
def test_the_watch_ends_when_what_was_sent_is_gone_without_having_begun(tool, sent, slurm, state):
    sent(WAITING.replace("PENDING", state))
    if state == "forgotten":
        del slurm["scontrol-show-job-77.out"]
        slurm["scontrol-show-job-77.err"] = "slurm_load_jobs error: Invalid job id specified\n"
        slurm["scontrol-show-job-77.code"] = 1
    told = tool("ckpt", "status", "--watch", "--interval", "100ms")
    assert told.returncode == 1
    assert "array 77 is gone without having begun" in told.stdout
    assert tool("ckpt", "status").stdout.splitlines()[-1].endswith("submit it again")


def test_an_array_whose_first_task_only_starts_is_not_gone(tool_json, sent):
    sent(RUNNING)
    assert tool_json("ckpt", "status")["to_do"] == "nothing: array 77 was sent for it, and has not begun"


def test_stop_names_another_array_of_the_run_that_waits(tool, tool_json, chain, slurm):
    chain(RUNNING + WAITING).submission("80", 2)
    slurm["scontrol-show-job-80.out"] = "JobId=80 ArrayJobId=80 ArrayTaskId=1-2%1 ArrayTaskThrottle=1 JobState=PENDING\n"
    assert tool("ckpt", "stop").stdout.splitlines()[1:] == [
        "array 80 of this run was sent apart from it, waits, and would go on; to cancel that: scancel 80"]
    assert tool_json("ckpt", "stop")["other_arrays_waiting"] == ["80"]


def test_stop_does_not_name_the_array_that_extends_the_chain(tool, chain, slurm):
    chain(RUNNING).submission("77", 1).submission("80", 2, extends="77")
    slurm["scontrol-show-job-80.out"] = "JobId=80 ArrayJobId=80 ArrayTaskId=1-2%1 ArrayTaskThrottle=1 JobState=PENDING\n"
    assert len(tool("ckpt", "stop").stdout.splitlines()) == 1


def test_stop_prints_the_line_to_type_when_slurm_cancels_nothing(tool, chain, slurm):
    chain(OVER + WAITING)
    slurm["scancel.code"] = 1
    slurm["scancel.err"] = "scancel: error: Access/permission denied\n"
    told = tool("ckpt", "stop")
    assert told.returncode == 125
    assert "type: scancel --state=PENDING 77" in told.stderr


def test_a_trial_of_a_sweep_never_cancels_its_siblings(tool, chain, slurm):
    chain("JobId=78 ArrayJobId=77 ArrayTaskId=1 JobState=FAILED Restarts=0\n"
          "JobId=77 ArrayJobId=77 ArrayTaskId=2-4 JobState=PENDING Restarts=0\n", "sweep/1")
    assert tool("ckpt", "stop", "sweep/1").returncode == 125
    assert not any(call.startswith("scancel") for call in slurm.calls)


def test_a_chain_between_two_blocks_is_watched_on(tool_json, start, chain, slurm, eventually):
    run = chain(OVER + WAITING, end="stopped", lasted=500)
    watching = start("ckpt", "status", "--watch", "--interval", "100ms")
    eventually(lambda: "to be continued" in watching.out.read_text(), "the first line")
    time.sleep(0.4)        # several looks that show nothing new
    run.block(2, 10, who=process_elsewhere(), array="77", task="2", job="79", end="finished", lasted=5, reason="done")
    assert watching.wait(60) == 0
    assert len(watching.out.read_text().splitlines()) == 2
