# SPDX-License-Identifier: Apache-2.0
"""A chain of jobs from its first block to the end of its work, and what becomes of the tasks that wait."""
import re

import pytest


def first_and_last_line(output):
    lines = [line for line in output.splitlines() if line.startswith("ckptrun: ")]
    return lines[0], lines[-1]


def test_a_chain_ends_with_its_work_and_cancels_only_its_own_rest(cluster, run):
    other = cluster.sbatch("true", "--array=1-2%1", "--begin=now+1hour")
    job = cluster.sbatch(f"exec {run.command(14, '--block-time 8s')}", "--array=1-6%1")
    cluster.wait(job)
    run.check_complete()
    blocks = len(run.outcomes())
    assert run.outcomes() == ["stopped"] * (blocks - 1) + ["finished"] and 2 <= blocks < 6
    assert list(cluster.states(job).values()).count("COMPLETED") == blocks
    assert cluster.states(other) == {"1-2%1": "PENDING"}


def test_the_first_and_the_last_line_of_a_job_say_where_the_chain_is(cluster, run):
    job = cluster.sbatch(f"exec {run.command(14, '--block-time 8s')}", "--array=1-4%1")
    cluster.wait(job)
    first, last = first_and_last_line(cluster.output(f"{job}_1"))
    assert re.search(r"block 1.* from the beginning.* left", first)
    assert re.search(r"to be continued: .*newest snapshot: step \d+ \(block 1\).*3 waiting tasks", last)
    first, last = first_and_last_line(cluster.output(f"{job}_2"))
    assert re.search(r"block 2.* from step \d+ \(block 1\).* left", first)
    first, last = first_and_last_line(cluster.output(f"{job}_{len(run.outcomes())}"))
    assert re.search(r"complete: .*newest snapshot: step 1400 .*cancelled", last)


def test_the_limit_of_a_job_is_met_by_the_clock_alone(cluster, run):
    job = cluster.sbatch(f"exec {run.command(70)}", "--array=1-3%1", "--time=1")
    cluster.wait(job)
    run.check_complete()
    assert run.outcomes() == ["stopped", "finished"]
    assert "TIMEOUT" not in cluster.states(job).values()


@pytest.mark.slurm("--proctrack", "cgroup")
def test_a_script_that_goes_on_after_ckptrun_needs_no_signal_where_it_would_get_none(cluster, run):
    job = cluster.sbatch(f"{run.command(70)}\necho and then $?", "--array=1-3%1", "--time=1")
    cluster.wait(job)
    run.check_complete()
    assert run.outcomes() == ["stopped", "finished"]
    assert cluster.output(job).count("and then 0") == 2


def test_the_last_task_of_a_chain_that_nobody_planned_prints_the_line_to_type(cluster, run):
    job = cluster.sbatch(f"exec {run.command(100, '--block-time 8s')}", "--array=1-1%1")
    cluster.wait(job)
    assert set(cluster.states(job).values()) == {"COMPLETED"}
    assert run.outcomes() == ["stopped"] and run.status()["state"] == "to-be-continued"
    line = re.search(r"type: (sbatch .*)", cluster.output(job)).group(1)
    assert re.search(r"--array=1-\d+%1 ", line) and line.endswith("job")
    cluster.user("sh", "-c", line)
    run.wait_for_block(2)
    run.check_sound()


def test_a_job_that_is_no_array_is_one_block(cluster, run):
    first = cluster.sbatch(f"exec {run.command(10, '--block-time 8s')}")
    cluster.wait(first)
    second = cluster.sbatch(f"exec {run.command(10, '--block-time 8s')}")
    cluster.wait(second)
    run.check_complete()
    assert run.outcomes() == ["stopped", "finished"]


def test_a_limit_that_its_user_lowers_is_met_as_well(cluster, run):
    job = cluster.sbatch(f"exec {run.command(140)}", "--array=1-3%1", "--time=10")
    run.wait_for_snapshot(1)
    cluster.user("scontrol", "update", f"JobId={job}_1", "TimeLimit=2")
    cluster.wait(job)
    run.check_complete()
    assert run.outcomes() == ["stopped", "finished"] and "TIMEOUT" not in cluster.states(job).values()


def test_a_program_with_its_own_checkpoints_is_continued_by_its_exit_code(cluster, run):
    program = "n=$(($(cat state 2>/dev/null) + 1)); echo $n >state; sleep 1; [ $n = 3 ] || exit 85"
    job = cluster.sbatch(f"exec ckptrun -r count -- sh -c '{program}'", "--array=1-5%1")
    cluster.wait(job)
    assert run.outcomes() == ["stopped", "stopped", "finished"] and run.status()["state"] == "complete"
    assert sorted(cluster.states(job).values()).count("CANCELLED") == 1


def test_a_program_that_srun_starts_is_served_as_if_ckptrun_had(cluster, run):
    job = cluster.sbatch(f"exec {run.command(14, '--block-time 8s', launcher='srun --ntasks=1')}", "--array=1-6%1")
    cluster.wait(job)
    run.check_complete()
    assert set(run.outcomes()[:-1]) == {"stopped"}


def test_a_chain_submitted_twice_writes_once(cluster, run):
    jobs = [cluster.sbatch(f"exec {run.command(14, '--block-time 8s')}", "--array=1-3%1") for _ in range(2)]
    for job in jobs:
        cluster.wait(job)
    run.check_complete()
    assert {"FAILED", "TIMEOUT"}.isdisjoint(state for job in jobs for state in cluster.states(job).values())


def test_the_trials_of_a_sweep_are_runs_of_their_own_and_never_cancel_each_other(cluster, run_named):
    runs = [run_named(f"job/{task}") for task in (1, 2, 3, 4)]
    line = runs[0].command(3).replace("-r job/1", "").replace("job-1.log", "job-$SLURM_ARRAY_TASK_ID.log")
    job = cluster.sbatch(f"exec {line}", "--array=1-4%2")
    cluster.wait(job)
    assert set(cluster.states(job).values()) == {"COMPLETED"}
    for run in runs:
        run.check_complete()


def test_two_runs_of_one_script_share_an_array_until_both_are_complete(cluster, run_named):
    one, two = run_named("one"), run_named("two")
    script = f"{one.command(3)}\n{two.command(14, '--block-time 8s')}"
    job = cluster.sbatch(script, "--array=1-6%1")
    cluster.wait(job)
    one.check_complete()
    two.check_complete()
    assert one.outcomes() == ["finished"] and len(two.outcomes()) >= 2
    assert "the run two goes on in it" in cluster.output(f"{job}_1")
    assert "CANCELLED" in cluster.states(job).values(), "the rest, once both are complete"


def test_a_chain_that_runs_here_in_its_first_task_cancels_the_others(cluster, run):
    job = cluster.sbatch(f"{run.command(14, '--here --block-time 8s')}", "--array=1-3%1")
    cluster.wait(job)
    run.check_complete()
    assert sorted(cluster.states(job).values()) == ["CANCELLED", "COMPLETED"]


def test_a_program_of_several_ranks_is_refused_and_the_last_line_says_why(cluster, run):
    job = cluster.sbatch(f"exec {run.command(3, launcher='srun --ntasks=2 --overcommit')}", "--array=1-3%1", "--ntasks=2")
    cluster.wait(job)
    first, last = first_and_last_line(cluster.output(f"{job}_1"))
    assert "launched with 2 ranks" in last and last.startswith("ckptrun: error: stopped: ")
    assert run.log() == [] or not any("restored" in line for line in run.log())
    assert len(run.outcomes()) == 1


def test_several_tasks_of_srun_are_refused_before_anything_is_written(cluster, run):
    job = cluster.sbatch(f"srun {run.command(3)}", "--ntasks=2")
    cluster.wait(job)
    assert cluster.show(job)["ExitCode"] == "125:0"
    assert "tasks" in cluster.output(job) and run.outcomes() == [] and run.log() == []


def test_a_training_in_blocks_ends_with_the_bytes_of_an_undisturbed_one(cluster, small_fashion_mnist):
    training = f"fashion_mnist --data {small_fashion_mnist(cluster.work / 'pictures', 320)} --epochs 150 --batch 32"
    undisturbed = cluster.sbatch(f"exec {training} --quiet --weights-out undisturbed")
    in_blocks = f"ckptrun -r fashion --block-time 8s -- {training} --weights-out chain"
    chain = cluster.sbatch(f"exec {in_blocks}", "--array=1-20%1")
    for job in (undisturbed, chain):
        cluster.wait(job)
    blocks = list((cluster.work / "ckpt-runs/fashion/blocks").glob("[0-9]*.end.json"))
    assert len(blocks) >= 2
    assert (cluster.work / "chain").read_bytes() == (cluster.work / "undisturbed").read_bytes()
