# SPDX-License-Identifier: Apache-2.0
"""Blocks that do not end by themselves. Whatever happens to a job, its run goes on from its newest state to the exact
end, and nobody writes beside the newest block."""
import random

import pytest

SECONDS = 20                       # of counting, in all; the harm comes in the middle
LONG = "--block-time 60s"          # so that the harm ends the first block, not its time


def chain(cluster, run, *options, launcher=""):
    script = f"exec {run.command(SECONDS, LONG, launcher=launcher)}"
    return cluster.sbatch(script, "--array=1-4%1", "--open-mode=append", *options)


def test_a_requeued_job_goes_on_in_its_next_life(cluster, run):
    job = cluster.sbatch(f"exec {run.command(SECONDS, LONG)}", "--open-mode=append")
    run.wait_for_snapshot(1)
    cluster.requeue(job)
    cluster.wait(job)
    run.check_complete()
    assert [claim["restart_count"] for claim in run.claims()] == [0, 1]
    assert run.outcomes() == ["stopped", "finished"]
    assert "put back into the queue" in run.events("ended", writer="ckptrun")[0]["reason"]


def test_after_the_death_of_its_node_a_run_goes_on_elsewhere(cluster, run):
    job = chain(cluster, run)
    run.wait_for_snapshot(1)
    cluster.crash_node(run.claims()[0]["who"]["host"])
    cluster.wait(job)
    run.check_complete()
    assert len({claim["who"]["host"] for claim in run.claims()}) == 2
    assert run.outcomes()[0] == "abandoned"


def test_a_block_that_slurm_lost_and_that_runs_on_leaves_when_the_next_one_has_begun(cluster, run):
    job = chain(cluster, run)
    run.wait_for_snapshot(1)
    cluster.kill_slurmd(run.claims()[0]["who"]["host"])
    run.wait_for_block(2)
    cluster.eventually(lambda: any(line.startswith("left") for line in run.log()), "the first block leaves")
    cluster.wait(job)
    run.check_complete()
    assert [claim["who"]["host"] for claim in run.claims()] == ["n1", "n2"]
    assert sorted(run.decisions()) == ["complete", "superseded"]


@pytest.mark.parametrize("", [pytest.param(id="alone", marks=pytest.mark.slurm("--conf", "MinJobAge=2")),
                              pytest.param(id="with accounting",
                                           marks=pytest.mark.slurm("--conf", "MinJobAge=2", "--accounting"))])
def test_a_dead_job_that_the_controller_has_forgotten_keeps_nobody_waiting(cluster, run):
    job = cluster.sbatch(f"exec {run.command(SECONDS, LONG)}", "--no-requeue")
    run.wait_for_snapshot(1)
    cluster.crash_node(run.claims()[0]["who"]["host"])
    cluster.eventually(lambda: not cluster.tasks(job), "Slurm forgets the job")
    cluster.wait(cluster.sbatch(f"exec {run.command(SECONDS, LONG)}"))
    run.check_complete()


@pytest.mark.parametrize("warning", [["--signal=B:USR1@1"], []], ids=["warned", "silent"])
def test_a_preempted_block_saves_within_its_grace(cluster, run, warning):
    job = chain(cluster, run, "--partition=low", "--nodelist=n1", "--exclusive", *warning)
    run.wait_for_snapshot(1)
    urgent = cluster.sbatch("sleep 2", "--partition=high", "--nodelist=n1", "--exclusive")
    cluster.wait(urgent)
    cluster.wait(job)
    run.check_complete()
    assert run.outcomes() == ["stopped", "finished"]
    left, restored = (next(line for line in run.log() if line.startswith(word)) for word in ("left", "restored"))
    assert left.split()[1] == restored.split()[1]
    if warning:
        assert "(preempted)" in cluster.output(job)


def test_a_cancelled_task_saves_and_the_next_one_goes_on(cluster, run):
    job = chain(cluster, run)
    run.wait_for_snapshot(1)
    cluster.scancel(f"{job}_1")
    cluster.wait(job)
    run.check_complete()
    assert run.outcomes() == ["stopped", "finished"]
    assert cluster.states(job)["1"] == "CANCELLED"
    assert "(cancelled with scancel)" in run.events("ended", writer="ckptrun")[0]["reason"]


@pytest.mark.parametrize("launcher", ["", "srun --ntasks=1"], ids=["alone", "srun"])
def test_the_death_of_ckptrun_costs_no_more_than_the_last_snapshot(cluster, run, launcher):
    job = chain(cluster, run, launcher=launcher)
    run.wait_for_snapshot(1)
    cluster.scancel("--batch", "--signal=KILL", f"{job}_1")
    cluster.wait(job)
    run.check_complete()
    assert len(run.claims()) == 2


def test_a_controller_that_is_away_when_a_block_ends_stops_nothing(cluster, run):
    job = cluster.sbatch(f"exec {run.command(26, '--block-time 20s')}", "--array=1-4%1")
    run.wait_for_snapshot(1)
    cluster.crash_controller()
    cluster.eventually(lambda: run.outcomes() == ["stopped"], "the end of the first block")
    cluster.eventually(lambda: "whether a task waits" in cluster.output(f"{job}_1"), "its last line")
    cluster.mend()
    cluster.wait(job)
    run.check_complete()
    assert run.outcomes() == ["stopped", "finished"]


def test_a_stop_by_hand_ends_the_chain_and_a_new_submission_goes_on(cluster, run):
    job = chain(cluster, run)
    run.wait_for_snapshot(1)
    cluster.user("ckpt", "stop", run.name)
    cluster.wait(job)
    assert run.outcomes() == ["stopped"]
    assert sorted(cluster.states(job).values()) == ["CANCELLED", "COMPLETED"]
    again = chain(cluster, run)
    cluster.wait(again)
    run.check_complete()


def test_a_program_that_crashes_again_and_again_at_the_same_step_stops_the_chain(cluster, run):
    count = run.command(100, "--block-time 8s")
    before, program = count.split(" -- ")
    crashing = f"""exec {before} -- sh -c '[ "$CKPT_BLOCK" = 1 ] && exec {program}; kill -KILL $$'"""
    job = cluster.sbatch(crashing, "--array=1-9%1")
    cluster.wait(job)
    run.check_sound()
    assert run.decisions() == ["resume", "retry", "stop"] and run.outcomes() == ["stopped", "crashed", "crashed"]
    assert "same step failed twice" in run.events("decision", writer="ckptrun")[-1]["reason"]
    assert run.status()["state"] == "stopped" and "same step failed twice" in run.status()["reason"]
    assert cluster.tasks(job)["2"]["ExitCode"] == "124:0"
    assert cluster.user("ckpt", "done", run.name, check=False).returncode == 2
    assert set(cluster.states(job).values()) == {"COMPLETED", "FAILED", "CANCELLED"}


@pytest.mark.slurm("--memory")
@pytest.mark.parametrize("start, end", [
    ("{}", "killed by SIGKILL"), ("sh -c '{}; exit $?'", "exit code 137"), ("srun {}", "exit code 1:")])
def test_a_program_that_is_killed_for_memory_says_so_and_what_to_ask_for(cluster, run, start, end):
    greedy = 'python3 -c "bytearray(400 << 20)"'
    job = cluster.sbatch(f"exec ckptrun -r count -- {start.format(greedy)}", "--mem=100")
    cluster.wait(job)
    last = next(line for line in cluster.output(job).splitlines() if "ended after" in line)
    assert end in last and "the job's memory was used up; ask for more (--mem)" in last
    assert run.events("ended", writer="ckptrun")[0]["crash"] == "memory"


def test_a_run_survives_one_harm_after_another(cluster, run):
    """Each comes once the newest block has saved something; two in a row without that may rightly end a chain."""
    seed = random.randrange(1_000_000)
    chance = random.Random(seed)
    job = cluster.sbatch(f"exec {run.command(30, LONG)}", "--array=1-30%1", "--open-mode=append")
    harms = {"node": lambda host, task: cluster.crash_node(host), "slurmd": lambda host, task: cluster.kill_slurmd(host),
             "ckptrun": lambda host, task: cluster.scancel("--batch", "--signal=KILL", task),
             "cancel": lambda host, task: cluster.scancel(task), "requeue": lambda host, task: cluster.requeue(task)}
    run.wait_for_block(1)
    for name in chance.sample(sorted(harms), len(harms)):
        print(f"seed {seed}: {name} after block {len(run.claims())}")
        run.wait_for_snapshot(len(run.claims()))
        newest = run.claims()[-1]
        harms[name](newest["who"]["host"], f"{job}_{newest['array_task']}")
        run.wait_for_block(newest["block"] + 1)
        cluster.mend()
    cluster.wait(job)
    run.check_complete()
