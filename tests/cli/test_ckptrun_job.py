# SPDX-License-Identifier: Apache-2.0
"""ckptrun inside a job, with a Slurm of files: what it tells the scheduler, what it believes of it, and what it does
while the scheduler is silent."""
import json
import re
import signal
import time

import pytest

ARRAY, TASK_JOB = "4711", "4713"
JOB = {"SLURM_JOB_ID": TASK_JOB, "SLURM_ARRAY_JOB_ID": ARRAY, "SLURM_ARRAY_TASK_ID": "2", "SLURM_JOB_NAME": "train",
       "SLURM_CLUSTER_NAME": "sandbox", "SLURMD_NODENAME": "n1"}


def utc(seconds_from_now):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + seconds_from_now))


def record(job=TASK_JOB, task="2", state="RUNNING", throttle="1", restarts=0, left=3600, **more):
    """A job as `scontrol show job -o` tells it."""
    fields = {"JobId": job, "ArrayJobId": ARRAY, "ArrayTaskId": task, "ArrayTaskThrottle": throttle, "JobName": "train",
              "UserId": "alice(1001)", "JobState": state, "Reason": "None", "Dependency": "(null)", "Requeue": 1,
              "Restarts": restarts, "ExitCode": "0:0", "TimeLimit": "02:00:00", "StartTime": utc(left - 7200),
              "EndTime": utc(left), "Partition": "main", "NodeList": "n1", "BatchHost": "n1"}
    if throttle is None:
        del fields["ArrayTaskThrottle"]
    return " ".join(f"{key}={value}" for key, value in (fields | more).items()) + "\n"


WAITING = record(ARRAY, "3-5", "PENDING", StartTime="Unknown", EndTime="Unknown", NodeList="(null)")


@pytest.fixture
def slurm(fake_slurm):
    """This task runs, three more wait."""
    fake_slurm["scontrol-show-config.run"] = (      # the time at which it is asked, however late that is
        "date -u '+Configuration data as of %FT%T'; printf 'ClusterName = sandbox\\nMinJobAge = 300 sec\\n'\n")
    fake_slurm[f"scontrol-show-job-{TASK_JOB}.out"] = record()
    fake_slurm[f"scontrol-show-job-{ARRAY}.out"] = record() + WAITING
    fake_slurm["scontrol-write-batch_script.out"] = "#!/bin/bash\nexec ckptrun -- ./train\n"
    fake_slurm["alone"] = record()
    fake_slurm["scancel.run"] = f"cp alone scontrol-show-job-{ARRAY}.out"
    return fake_slurm


@pytest.fixture
def run(work):
    return work / "ckpt-runs/train"


@pytest.fixture
def program(bin_directory, work):
    """program(words): the same command whatever the words are that its next start does."""
    def say(*words):
        (work / "words").write_text(" ".join(words))
        return "sh", "-c", f"exec {bin_directory}/fake_program $(cat {work}/words)"
    return say


@pytest.fixture
def job(tool, program, slurm):
    """The block of this job: a program that does what the words say."""
    def block(*words, options=(), **environment):
        return tool("ckptrun", *options, "--", *program(*words), **JOB | environment)
    return block


@pytest.fixture
def start_job(start, program, slurm):
    return lambda *words: start("ckptrun", "--", *program(*words), **JOB)


def cancels(slurm):
    return [call for call in slurm.calls if call.startswith("scancel")]


def decisions(run):
    return [json.loads(line)["decision"] for path in sorted((run / "blocks").glob("*.ckptrun.jsonl"))
            for line in path.read_text().splitlines() if json.loads(line)["event"] == "decision"]


def plan(run, blocks, planned):
    for folder in ("submissions", "blocks", "snapshots"):
        (run / folder).mkdir(exist_ok=True, parents=True)
    script = run / "jobs/train.sh"
    script.parent.mkdir(exist_ok=True)
    script.write_text("#!/bin/sh\n")
    (run / f"submissions/{ARRAY}.json").write_text(json.dumps(
        {"array_id": ARRAY, "cluster": "sandbox", "blocks": blocks, "planned_blocks": planned, "extends": "",
         "script": str(script), "options": ["--time=120", "--job-name=train"], "arguments": ["--lr", "0.1"],
         "working_directory": str(run.parent.parent), "sweep_arrays": [], "submitted": 1}))


# ---- one job, one block ---------------------------------------------------------------------------------------------


def test_a_job_is_one_block_and_its_first_and_last_line_say_all(job, run, slurm):
    done = job("attach", "snapshot:5", "end:stopped", "exit:85")
    assert done.returncode == 0
    first, last = done.stderr.splitlines()[0], done.stderr.splitlines()[-1]
    assert re.search(r"block 1 starts from the beginning, (59 min|1 h 00 min) left; run train in ", first)
    assert "to be continued" in last and "newest snapshot: step 5 (block 1)" in last
    assert "3 waiting tasks of array 4711" in last and last.endswith("nothing to do")
    assert decisions(run) == ["resume"] and not cancels(slurm)
    claim = json.loads((run / "blocks/0001.json").read_text())
    assert (claim["job_id"], claim["array_id"], claim["array_task"], claim["cluster"]) == (TASK_JOB, ARRAY, "2", "sandbox")


def test_a_complete_run_has_its_own_waiting_tasks_cancelled_and_nothing_else(job, run, slurm):
    done = job("attach", "snapshot:5", "end:finished")
    assert done.returncode == 0
    assert cancels(slurm) == [f"scancel --state=PENDING {ARRAY}"]
    assert done.stderr.splitlines()[-1].startswith("ckptrun: complete: ")


def test_a_task_that_starts_after_the_work_is_complete_does_nothing_and_cancels_the_rest(job, run, slurm):
    slurm["scancel.run"] = "exit 0"                                   # as Slurm does when it did nothing
    first = job("attach", "snapshot:5", "end:finished")
    assert first.returncode == 0
    assert f"type: scancel --state=PENDING {ARRAY}" in first.stderr.splitlines()[-1]
    late = job("attach", "snapshot:6", "end:finished")
    assert late.returncode == 0
    assert not (run / "blocks/0002.json").exists()
    assert len(cancels(slurm)) == 2


def test_a_crash_is_tried_again_in_the_same_job_and_the_same_crash_twice_ends_the_chain(job, run, slurm):
    done = job("block:1", "attach", "snapshot:5", "raise:11", "block:any", "attach", "exit:3")
    assert done.returncode == 124
    assert decisions(run) == ["retry", "stop"]
    assert cancels(slurm) == [f"scancel --state=PENDING {ARRAY}"]
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "stopped" and "failed twice" in status["reason"] and "cancelled" in status["next"]
    assert "failed twice" in done.stderr.splitlines()[-1]


def test_a_crash_late_in_a_job_is_tried_again_by_the_next_one_where_it_counts(job, run, slurm):
    slurm[f"scontrol-show-job-{TASK_JOB}.out"] = record(left=38)      # 30 of them are the margin before the end
    first = job("attach", "snapshot:5", "raise:11")
    assert first.returncode == 0 and decisions(run) == ["retry"]
    assert "3 waiting tasks" in first.stderr.splitlines()[-1]
    second = job("attach", "exit:3")
    assert second.returncode == 124 and decisions(run) == ["retry", "stop"]


def test_a_crash_before_the_first_safe_point_ends_the_chain_with_the_programs_code(job, run, slurm):
    done = job("attach", "exit:3")
    assert done.returncode == 3 and decisions(run) == ["fail"]
    assert len(cancels(slurm)) == 1


def test_a_task_that_still_starts_after_its_chain_was_ended_does_not_run(job, run, slurm):
    job("attach", "exit:3")
    left_over = job("attach", "snapshot:5", "end:stopped")
    assert left_over.returncode == 124
    assert "block 1 ended this chain" in left_over.stderr and not (run / "blocks/0002.json").exists()
    anew = job("attach", "snapshot:5", "end:stopped", SLURM_ARRAY_JOB_ID="4800")
    assert anew.returncode == 0 and (run / "blocks/0002.json").exists()


def test_ckpt_stop_ends_the_chain_and_not_only_the_block(start_job, tool, eventually, run, slurm):
    block = start_job("attach", "snapshot:5", "wait-stop", "end:stopped", "exit:85")
    eventually((run / "has-snapshots").exists)
    assert tool("ckpt", "stop", "train").returncode == 0
    assert block.wait(60) == 0
    assert decisions(run) == ["to be continued"]
    assert block.err.read_text().splitlines()[-1].endswith(
        "the 3 waiting tasks of array 4711 are cancelled; to go on, submit it again")
    assert cancels(slurm) == [f"scancel --state=PENDING {ARRAY}"]


def test_a_signal_ends_the_block_and_the_chain_goes_on(start_job, eventually, run, slurm):
    block = start_job("attach", "snapshot:5", "wait-stop", "end:stopped", "exit:85")
    eventually((run / "has-snapshots").exists)
    block.terminate()
    assert block.wait(60) == 0
    assert decisions(run) == ["resume"] and not cancels(slurm)


def test_a_warning_long_before_the_end_of_the_job_stops_nothing(start_job, eventually, run, slurm):
    block = start_job("attach", "snapshot:5", "wait-stop", "end:stopped", "exit:85")
    eventually((run / "has-snapshots").exists)
    block.send_signal(signal.SIGUSR1)
    eventually(lambda: "the program stops in time for that" in block.err.read_text())
    assert block.poll() is None and "asked to stop" not in block.err.read_text()
    block.terminate()
    assert block.wait(60) == 0


SAVES = "n=0; while [ $n -lt 100 ]; do sleep 1; n=$((n + 1)); echo state $n > m-$n.state; done"


def test_a_warning_long_before_the_end_stops_no_program_that_is_stopped_after_its_checkpoints(start, eventually, work, run, slurm):
    block = start("ckptrun", "--latest", "m-{step}.state", "--", "sh", "-c", SAVES, **JOB)
    ledger = run / "blocks/0001.ckptrun.jsonl"
    found = lambda: ledger.read_text().count('"event":"checkpoint"') if ledger.exists() else 0
    eventually(lambda: found() > 1)
    block.send_signal(signal.SIGUSR1)
    eventually(lambda: "the program is stopped in time for that" in block.err.read_text())
    before = found()
    eventually(lambda: found() > before + 1)
    assert block.poll() is None and "asked to stop" not in block.err.read_text()
    block.terminate()
    assert block.wait(60) == 0


def test_a_warning_that_slurm_does_not_explain_is_a_stop(start_job, eventually, run, slurm):
    block = start_job("attach", "snapshot:5", "wait-stop", "end:stopped", "exit:85")
    eventually((run / "has-snapshots").exists)
    slurm["scontrol.fail"] = "1000"
    slurm["squeue.fail"] = "1000"
    block.send_signal(signal.SIGUSR1)
    assert block.wait(60) == 0
    assert "asked to stop: SIGUSR1 to ckptrun" in block.err.read_text()


def test_preemptions_without_progress_never_end_a_chain(start, eventually, run, slurm):
    for number in (1, 2, 3):
        block = start("ckptrun", "--", "sh", "-c", "touch up; exec sleep 60", **JOB)
        eventually((run.parent.parent / "up").exists)
        (run.parent.parent / "up").unlink()
        block.terminate()
        assert block.wait(60) == 0
    assert decisions(run) == ["start"] * 3 and not cancels(slurm)


def test_a_mistyped_command_has_the_other_tasks_cancelled_before_they_burn_as_well(tool, run, slurm):
    refused = tool("ckptrun", "--", "no-such-program", **JOB)
    assert refused.returncode == 127
    assert cancels(slurm) == [f"scancel --state=PENDING {ARRAY}"]
    assert "would be refused as well: the 3 waiting tasks of array 4711 are cancelled" in refused.stderr
    assert not run.exists()


def test_a_pattern_that_the_shell_has_expanded_has_the_other_tasks_cancelled(tool, work, run, slurm):
    for name in "a.pt", "b.pt":
        (work / name).write_text("")
    refused = tool("ckptrun", "--latest", "a.pt", "b.pt", "--", "true", **JOB)
    assert refused.returncode == 125 and "the shell has expanded the pattern of --latest" in refused.stderr
    assert cancels(slurm) == [f"scancel --state=PENDING {ARRAY}"]
    assert not run.exists()


def test_one_of_several_tasks_of_srun_is_refused_and_the_other_blocks_cancelled(tool, run, slurm):
    refused = tool("ckptrun", "--", "true", **JOB, SLURM_STEP_NUM_TASKS="2")
    assert refused.returncode == 125 and "one of 2 tasks started side by side" in refused.stderr
    assert cancels(slurm) == [f"scancel --state=PENDING {ARRAY}"]
    assert not run.exists()


def test_a_changed_command_has_the_other_tasks_cancelled(tool, job, run, slurm):
    slurm["scontrol-show-job-4600.out"] = record(ArrayJobId=4600)
    assert job("attach", "snapshot:5", "end:stopped", "exit:85", SLURM_ARRAY_JOB_ID="4600").returncode == 0
    assert not cancels(slurm)
    refused = tool("ckptrun", "--", "true", **JOB)
    assert refused.returncode == 125 and "another command" in refused.stderr
    assert cancels(slurm) == [f"scancel --state=PENDING {ARRAY}"]


def test_a_command_that_is_missing_on_one_node_of_a_chain_that_ran_before_costs_no_other_task(tool, job, run, slurm):
    job("attach", "snapshot:5", "end:stopped", "exit:85")
    assert tool("ckptrun", "--", "no-such-program", **JOB).returncode == 127
    assert not cancels(slurm)


# ---- the end of the chain's tasks -----------------------------------------------------------------------------------


def submissions(slurm):
    return [call for call in slurm.calls if call.startswith("sbatch")]


@pytest.fixture
def last_task(slurm, run):
    """Of a planned chain of two blocks; what it sends is array 4800."""
    slurm[f"scontrol-show-job-{ARRAY}.out"] = record()
    slurm["sbatch.out"] = "4800\n"
    slurm["scontrol-show-job-4800.out"] = record("4800", "1-2", "PENDING", ArrayJobId=4800)
    slurm["squeue.out"] = f"{ARRAY}|(null)\n"
    plan(run, blocks=2, planned=2)


def test_the_last_task_of_a_planned_chain_sends_more_of_the_same_once_and_before_it_begins(job, run, slurm, last_task):
    done = job("attach", "snapshot:5", "end:stopped", "exit:85")
    assert done.returncode == 0
    [call] = submissions(slurm)
    assert "--array=1-2%1" in call and "--time=120" in call and call.endswith("jobs/train.sh --lr 0.1")
    inherited = slurm.environment_of("sbatch")
    assert not [name for name in inherited if name.startswith("SLURM_") and name != "SLURM_CONF"]
    told, last = done.stderr, done.stderr.splitlines()[-1]
    assert "this is the last task of array 4711: array 4800 with 2 more blocks goes on; nothing to do" in told
    assert last.endswith("it goes on with the 2 waiting tasks of array 4800; nothing to do")
    sent = json.loads((run / "submissions/4800.json").read_text())
    assert (sent["extends"], sent["blocks"], sent["planned_blocks"]) == (ARRAY, 2, 2)
    slurm["scontrol-show-job-4800.out"] = record("4801", "1", "COMPLETED", ArrayJobId=4800)
    again = job("attach", "snapshot:9", "end:stopped", "exit:85")
    assert len(submissions(slurm)) == 1
    assert "no task waits of array 4711, nor of array 4800, which extended it; to go on type: " in again.stderr.splitlines()[-1]


def test_a_chain_that_completes_in_its_last_task_cancels_what_that_had_sent(job, run, slurm, last_task):
    slurm["scancel.run"] = "cp alone scontrol-show-job-4800.out; sed -i s/4711/4800/ scontrol-show-job-4800.out"
    done = job("attach", "snapshot:5", "end:finished")
    assert cancels(slurm) == ["scancel --state=PENDING 4800"]
    assert done.stderr.splitlines()[-1].endswith("the 2 waiting tasks of array 4800 are cancelled")


def test_a_last_task_that_is_killed_before_it_sends_is_made_up_for_by_the_next_start(job, run, slurm, last_task):
    slurm["sbatch.run"] = "kill -9 $PPID"
    assert job("attach", "snapshot:5", "end:stopped", "exit:85").returncode == -signal.SIGKILL
    assert not (run / "submissions/4800.json").exists()
    del slurm["sbatch.run"]
    assert job("attach", "snapshot:5", "end:stopped", "exit:85").returncode == 0
    assert len(submissions(slurm)) == 2 and (run / "submissions/4800.json").exists()


def test_a_last_task_that_is_killed_just_after_it_sent_does_not_double_the_chain(job, run, slurm, last_task):
    slurm["sbatch.run"] = "printf '4711|(null)\\n4800|ckpt-extends:4711\\n4800|ckpt-extends:4711\\n' >squeue.out; kill -9 $PPID"
    assert job("attach", "snapshot:5", "end:stopped", "exit:85").returncode == -signal.SIGKILL
    again = job("attach", "snapshot:5", "end:stopped", "exit:85")
    assert len(submissions(slurm)) == 1
    assert "array 4800 was sent before, and goes on" in again.stderr
    assert json.loads((run / "submissions/4800.json").read_text())["blocks"] == 2


def test_where_nobody_knows_whether_a_killed_task_has_sent_nothing_is_sent(job, run, slurm, last_task):
    slurm["sbatch.run"] = "kill -9 $PPID"
    job("attach", "snapshot:5", "end:stopped", "exit:85")
    del slurm["squeue.out"]
    again = job("attach", "snapshot:5", "end:stopped", "exit:85")
    assert len(submissions(slurm)) == 1
    last = again.stderr.splitlines()[-1]
    assert "whether array 4711 was extended before cannot be told" in last and "to go on type: " in last


def test_a_chain_that_nobody_planned_tells_the_line_to_type(job, run, slurm):
    slurm[f"scontrol-show-job-{ARRAY}.out"] = record()
    done = job("attach", "snapshot:5", "end:stopped", "exit:85")
    assert done.returncode == 0
    assert not [call for call in slurm.calls if call.startswith("sbatch")]
    assert re.search(r"no task waits of array 4711; to go on type: .*sbatch .*--array=1", done.stderr.splitlines()[-1])


def test_a_planned_chain_whose_throttle_was_changed_is_no_sweep(job, run, slurm):
    slurm[f"scontrol-show-job-{ARRAY}.out"] = record(throttle="2") + WAITING.replace("Throttle=1", "Throttle=2")
    plan(run, blocks=4, planned=4)
    assert job("attach", "snapshot:5", "end:stopped", "exit:85").returncode == 0
    assert (run / "blocks/0001.json").exists() and not (run / "2").exists()


def test_where_jobs_cannot_submit_the_line_to_type_is_told(job, run, slurm, last_task):
    slurm["sbatch.err"] = "sbatch: error: Access/permission denied\n"
    slurm["sbatch.code"] = "1"
    del slurm["sbatch.out"]
    done = job("attach", "snapshot:5", "end:stopped", "exit:85")
    assert done.returncode == 0
    last = done.stderr.splitlines()[-1]
    assert "could not be extended" in last and "ermission denied" in last and "type: " in last and "sbatch" in last


# ---- sweeps -----------------------------------------------------------------------------------------------------------


def test_a_task_of_a_sweep_is_a_run_of_its_own_and_never_touches_its_siblings(job, work, slurm):
    slurm[f"scontrol-show-job-{TASK_JOB}.out"] = record(throttle=None)
    slurm[f"scontrol-show-job-{ARRAY}.out"] = record(throttle=None) + WAITING.replace("ArrayTaskThrottle=1 ", "")
    done = job("attach", "snapshot:5", "end:finished")
    assert done.returncode == 0
    assert (work / "ckpt-runs/train/2/blocks/0001.json").exists()
    assert not cancels(slurm)


# ---- who owns the run -----------------------------------------------------------------------------------------------


def claim_of_other_node(run, job="4712", restarts=0, cluster="sandbox"):
    """As if block 1 had been another job's, on another machine."""
    for path in (run / "blocks").glob("0001.*"):
        if path.suffix == ".jsonl" or path.name == "0001.end.json":
            path.unlink()
            continue
        process = json.loads(path.read_text())
        process["who"] |= {"host": "n2", "boot_id": "another", "machine_id": "another"}
        if path.name == "0001.json":
            process |= {"job_id": job, "restart_count": restarts, "cluster": cluster}
        path.write_text(json.dumps(process))


def test_a_block_waits_for_the_job_before_it_as_long_as_slurm_says_that_it_lives(job, start_job, eventually, run, slurm):
    job("attach", "snapshot:5", "end:stopped", "exit:85")
    claim_of_other_node(run)
    slurm["scontrol-show-job-4712.out"] = record("4712", "1", "COMPLETING")
    block = start_job("attach", "end:finished")
    eventually(lambda: "waiting: this run is in use" in block.err.read_text())
    assert not (run / "blocks/0002.json").exists()
    slurm["scontrol-show-job-4712.out"] = record("4712", "1", "NODE_FAIL")
    assert block.wait(60) == 0
    assert json.loads((run / "blocks/0001.end.json").read_text())["reason"] == "its node failed"
    assert json.loads((run / "blocks/0001.end.json").read_text())["outcome"] == "abandoned"


def test_a_block_that_waits_in_vain_says_for_whom_and_that_nothing_is_to_do(job, start_job, eventually, run, slurm):
    job("attach", "snapshot:5", "end:stopped", "exit:85")
    claim_of_other_node(run)
    slurm["scontrol-show-job-4712.out"] = record("4712", "1", "RUNNING")
    slurm[f"scontrol-show-job-{ARRAY}.out"] = record()
    block = start_job("attach", "end:finished")
    eventually(lambda: "waiting: this run is in use" in block.err.read_text())
    block.send_signal(signal.SIGTERM)
    assert block.wait(60) == 0
    last = block.err.read_text().splitlines()[-1]
    assert "SIGTERM to ckptrun while it waited for the run, which is in use (block 1: job 4712" in last
    assert last.endswith("; nothing to do here")


def test_a_job_killed_for_memory_without_a_word_is_a_crash_like_any_other(job, run, slurm):
    job("attach", "snapshot:5", "end:stopped", "exit:85")
    claim_of_other_node(run)
    slurm["scontrol-show-job-4712.out"] = record("4712", "1", "OUT_OF_MEMORY")
    done = job("attach", "exit:3")
    assert json.loads((run / "blocks/0001.end.json").read_text())["outcome"] == "crashed"
    assert done.returncode == 124 and "failed twice" in done.stderr.splitlines()[-1]


def test_a_job_of_another_cluster_is_an_unknown_owner(tool, job, bin_directory, run, slurm):
    job("attach", "snapshot:5", "end:stopped", "exit:85")
    claim_of_other_node(run, cluster="elsewhere")
    slurm["scontrol-show-job-4712.err"] = "slurm_load_jobs error: Invalid job id specified\n"
    slurm["scontrol-show-job-4712.code"] = "1"
    assert job("attach", "end:finished", options=["--no-wait"]).returncode == 125


def test_a_job_that_its_own_controller_has_forgotten_is_gone(job, run, slurm):
    job("attach", "snapshot:5", "end:stopped", "exit:85")
    claim_of_other_node(run)
    slurm["scontrol-show-job-4712.err"] = "slurm_load_jobs error: Invalid job id specified\n"
    slurm["scontrol-show-job-4712.code"] = "1"
    assert job("attach", "end:finished", options=["--no-wait"]).returncode == 0


# ---- ends that move -------------------------------------------------------------------------------------------------


def test_an_end_that_a_preemption_brings_nearer_is_noticed_at_the_signal(start, eventually, run, slurm):
    block = start("ckptrun", "--", "sh", "-c", "trap '' TERM; touch up; while :; do sleep 0.05; done", **JOB)
    eventually((run.parent.parent / "up").exists)
    slurm[f"scontrol-show-job-{TASK_JOB}.out"] = record(left=4)
    block.terminate()
    assert block.wait(60) is not None
    assert "its end has moved nearer" in block.err.read_text()
    assert not cancels(slurm)


def test_a_slurm_that_hangs_when_the_time_is_up_costs_no_last_line(tool, work, slurm):
    slurm[f"scontrol-show-job-{TASK_JOB}.out"] = record(left=9, StartTime=utc(9 - 60))
    hang = "echo infinity >$FAKE_SLURM/scontrol.sleep; echo infinity >$FAKE_SLURM/squeue.sleep"
    done = tool("ckptrun", "-r", "train", "--", "sh", "-c", f"trap '{hang}; exit 85' TERM; while :; do sleep 0.05; done", **JOB)
    assert done.returncode == 0
    assert "whether a task waits the scheduler does not say now" in done.stderr.splitlines()[-1]
    assert [call for call in slurm.calls if call.endswith(ARRAY)] == [f"scontrol show job -o {ARRAY}"], "asked once, not again"


@pytest.mark.parametrize("said, why", [
    (dict(PreemptTime=utc(0), EndTime=utc(600)), "preempted"),
    (dict(state="COMPLETING", restarts=1), "put back into the queue: requeued, or preempted without a grace"),
    (dict(state="COMPLETING", EndTime=utc(0)), "cancelled with scancel")], ids=["preempted", "requeued", "cancelled"])
def test_a_block_that_is_ended_from_outside_says_what_slurm_does_to_its_job(start_job, eventually, run, slurm, said, why):
    block = start_job("attach", "snapshot:5", "wait-stop", "end:stopped", "exit:85")
    eventually((run / "has-snapshots").exists)
    slurm[f"scontrol-show-job-{TASK_JOB}.out"] = record(**said)
    block.terminate()
    assert block.wait(60) == 0
    assert f"asked to stop: SIGTERM to ckptrun ({why})" in block.err.read_text()
    assert f"({why})" in block.err.read_text().splitlines()[-1]
    assert why in json.loads((run / "status.json").read_text())["reason"] or decisions(run) == ["resume"]


def test_a_slurm_that_does_not_say_why_delays_no_stop_by_much(start_job, eventually, run, slurm):
    block = start_job("attach", "snapshot:5", "wait-stop", "end:stopped", "exit:85")
    eventually((run / "has-snapshots").exists)
    slurm["scontrol-show-job.sleep"] = "infinity"
    block.terminate()
    eventually(lambda: "asked to stop: SIGTERM to ckptrun\n" in block.err.read_text())
    del slurm["scontrol-show-job.sleep"]
    assert block.wait(60) == 0


# ---- a Slurm that is silent, odd or absent ----------------------------------------------------------------------------


def test_while_slurm_is_silent_the_training_goes_on(tool, bin_directory, fake_slurm, work):
    done = tool("ckptrun", "-r", "a", "--", bin_directory / "fake_program", "attach", "snapshot:5", "end:stopped", "exit:85",
                **JOB | {"SLURM_JOB_END_TIME": str(int(time.time()) + 3600)})
    assert done.returncode == 0, done.stderr
    assert "min left" in done.stderr.splitlines()[0]
    assert "does not say" in done.stderr.splitlines()[-1] and "sbatch" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("text", ["-5", "soon", "17"])
def test_an_end_of_the_job_that_is_no_time_is_passed_over_in_one_line(tool, bin_directory, fake_slurm, text):
    done = tool("ckptrun", "-r", "a", "--", bin_directory / "fake_program", "attach", "snapshot:5", "end:finished",
                **JOB | {"SLURM_JOB_END_TIME": text})
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if f"SLURM_JOB_END_TIME is '{text}', which is no time" in line] == [
        line for line in done.stderr.splitlines() if "SLURM_JOB_END_TIME" in line]
    assert done.stderr.count("SLURM_JOB_END_TIME") == 1 and " left" not in done.stderr


def test_without_slurms_commands_in_a_container_the_training_goes_on(tool, bin_directory, fake_slurm, work):
    fake_slurm.miss("scontrol", "squeue", "sbatch", "scancel", "sacct", "sinfo")
    done = tool("ckptrun", "-r", "a", "--", bin_directory / "fake_program", "attach", "snapshot:5", "end:finished",
                **JOB | {"SLURM_JOB_END_TIME": str(int(time.time()) + 3600)})
    assert done.returncode == 0, done.stderr
    assert "complete" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("missing, why", [((), "scontrol failed"), (("scontrol", "squeue"), "scontrol is not in PATH")])
def test_a_job_whose_end_is_not_known_says_so_and_what_then_stops_it(tool, bin_directory, fake_slurm, missing, why):
    fake_slurm.miss(*missing)
    done = tool("ckptrun", "-r", "a", "--", bin_directory / "fake_program", "attach", "end:finished", **JOB)
    assert done.returncode == 0, done.stderr
    assert f"when this job ends is not known ({why}" in done.stderr and "--block-time" in done.stderr


def test_a_first_task_waits_for_slurm_to_say_whether_it_is_of_a_chain_or_a_sweep(job, run, slurm):
    slurm[f"scontrol-show-job-{ARRAY}.fail"] = 3      # as often as a question is repeated
    done = job("attach", "snapshot:5", "end:finished")
    assert done.returncode == 0 and run.is_dir(), done.stderr
    assert "whether array 4711 is a chain or a sweep: it is asked again in 1.0 s" in done.stderr


def test_a_task_that_is_ended_while_it_waits_for_slurms_word_leaves_at_once(start_job, eventually, slurm):
    slurm[f"scontrol-show-job-{ARRAY}.fail"] = 1000
    block = start_job("attach")
    eventually(lambda: "asked again in 1.0 s" in block.err.read_text())
    block.terminate()
    assert block.wait(30) == 125 and "--run train " in block.err.read_text()


def test_an_array_of_unknown_kind_without_a_name_is_refused_with_both_ways_to_name_it(tool, fake_slurm):
    fake_slurm.miss("scontrol", "squeue")             # nobody will ever say
    refused = tool("ckptrun", "--", "true", **JOB)
    assert refused.returncode == 125
    assert "--run train " in refused.stderr and "{SLURM_ARRAY_TASK_ID}" in refused.stderr


def test_warnings_and_odd_lines_around_an_answer_change_nothing(job, run, slurm):
    slurm["scontrol.err"] = "scontrol: warning: something old\n"
    slurm[f"scontrol-show-job-{ARRAY}.out"] = "\nnote: maintenance on Monday\n" + record() + WAITING
    assert job("attach", "snapshot:5", "end:finished").returncode == 0
    assert cancels(slurm) == [f"scancel --state=PENDING {ARRAY}"]


# ---- login nodes ------------------------------------------------------------------------------------------------------


def test_on_a_login_node_a_command_is_refused_with_what_to_type_instead(tool, fake_slurm):
    fake_slurm["scontrol-ping.out"] = "Slurmctld(primary) at localhost is UP\n"
    refused = tool("ckptrun", "--", "python", "train.py")
    assert refused.returncode == 125
    assert "ckptplan" in refused.stderr and "--submit -- python train.py" in refused.stderr and "--here" in refused.stderr
    assert tool("ckptrun", "--here", "-r", "a", "--", "true").returncode == 0
    refused = tool("ckptrun", "--latest", "ck/*.pt", "--", "python", "train.py").stderr
    assert "ckptplan --submit -- ckptrun --latest 'ck/*.pt' -- python train.py;" in refused
    assert "ckptrun --here --latest 'ck/*.pt' -- python train.py" in refused


def test_a_machine_that_merely_has_slurm_installed_is_no_login_node(tool, fake_slurm):
    assert tool("ckptrun", "-r", "a", "--", "true").returncode == 0
    fake_slurm["scontrol-ping.sleep"] = "infinity"
    assert tool("ckptrun", "-r", "b", "--", "true").returncode == 0
    fake_slurm.miss("scontrol")
    assert tool("ckptrun", "-r", "c", "--", "true").returncode == 0


def test_here_inside_a_job_runs_the_whole_chain_in_it(tool, bin_directory, slurm, work):
    done = tool("ckptrun", "--here", "-r", "a", "--", bin_directory / "fake_program", "block:1", "attach", "snapshot:5",
                "end:stopped", "exit:85", "block:2", "attach", "end:finished", **JOB)
    assert done.returncode == 0
    assert decisions(work / "ckpt-runs/a") == ["resume", "complete"]
    assert cancels(slurm) == [f"scancel --state=PENDING {ARRAY}"]
    assert done.stderr.splitlines()[-1].endswith("the 3 waiting tasks of array 4711 are cancelled")


def test_here_inside_a_job_leaves_the_next_task_what_this_one_did_not_complete(start, bin_directory, eventually, work, slurm):
    block = start("ckptrun", "--here", "-r", "a", "--", bin_directory / "fake_program", "attach", "snapshot:5", "wait-stop",
                  "end:stopped", "exit:85", **JOB)
    eventually((work / "ckpt-runs/a/has-snapshots").exists)
    block.terminate()
    assert block.wait(60) == 0 and not cancels(slurm)


# ---- several runs in one script ---------------------------------------------------------------------------------------


@pytest.fixture
def one_of_two(tool, program, slurm):
    """Runs one of two that the script of the job names, one after the other."""
    slurm["scontrol-write-batch_script.out"] = (
        "#!/bin/bash\n# ckptrun -r none -- x\nckptrun -r a --block-time 1h -- ./one\n  ckptrun \\\n  --run=b -- ./two\n")
    return lambda name, *words: tool("ckptrun", "-r", name, "--", *program(*words), **JOB)


def test_a_run_that_is_complete_leaves_the_tasks_that_another_run_of_the_same_script_needs(one_of_two, slurm):
    done = one_of_two("a", "attach", "snapshot:5", "end:finished")
    assert not cancels(slurm)
    assert done.stderr.splitlines()[-1].endswith("array 4711 is left as it is: the run b goes on in it")
    done = one_of_two("b", "attach", "snapshot:5", "end:finished")
    assert cancels(slurm) == [f"scancel --state=PENDING {ARRAY}"]


def test_a_run_with_blanks_in_its_name_is_the_scripts_own_and_cancels_what_waits(one_of_two, slurm, work):
    run = work / "my runs/späß 1"
    slurm["scontrol-write-batch_script.out"] = f"#!/bin/bash\nexec ckptrun -r '{run}' -- ./prog   # ckptrun -r c\n"
    assert one_of_two(run, "attach", "snapshot:5", "end:finished").returncode == 0
    assert cancels(slurm) == [f"scancel --state=PENDING {ARRAY}"]


def test_a_run_that_has_begun_in_the_same_array_keeps_it_whatever_the_script_says(one_of_two, slurm):
    slurm["scontrol-write-batch_script.out"] = 'for run in a b; do ckptrun -r "$run" -- ./prog; done\n'
    one_of_two("b", "attach", "snapshot:5", "end:stopped", "exit:85")
    done = one_of_two("a", "attach", "snapshot:5", "end:finished")
    assert not cancels(slurm) and "the run b goes on in it" in done.stderr.splitlines()[-1]
    one_of_two("b", "attach", "exit:3")
    one_of_two("b", "attach", "exit:3")
    one_of_two("a", "attach", "end:finished")
    assert cancels(slurm), "b has failed for good"


def test_a_complete_run_stays_from_cancelling_while_another_has_not_begun(one_of_two, slurm):
    one_of_two("a", "attach", "snapshot:5", "end:finished")
    done = one_of_two("a", "attach", "snapshot:5", "end:finished")
    assert not cancels(slurm) and "the run b goes on in it" in done.stderr.splitlines()[-1]


def test_a_preparation_that_takes_all_of_a_job_ends_the_chain(tool, slurm, work, run):
    whole = {"left": 15, "StartTime": utc(0)}
    slurm[f"scontrol-show-job-{TASK_JOB}.out"] = record(**whole)
    slurm[f"scontrol-show-job-{ARRAY}.out"] = record(**whole) + WAITING
    done = tool("ckptrun", "--setup", "sleep 300", "--", "touch", "started", TMPDIR=str(work), **JOB)
    assert done.returncode == 124, done.stderr
    assert "is asked to end: the time of this job is up" in done.stderr
    assert "no progress: the preparation of the node" in done.stderr and "of the 15 s of this job" in done.stderr
    assert cancels(slurm) and not (work / "started").exists() and not list((run / "blocks").iterdir())
    assert not list(work.glob("ckpt-data-*"))
