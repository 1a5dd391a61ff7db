# SPDX-License-Identifier: Apache-2.0
"""ckptplan on a real Slurm: what it sends is accepted and runs to its end, what it refuses would not."""
import json
import shlex

import pytest


def submitted(cluster, *arguments):
    """Sends it; answers what ckptplan tells programs."""
    return json.loads(cluster.user("ckptplan", "--submit", "--json", *arguments).stdout)["submitted"]


def complete(cluster, run="ckpt-runs/count"):
    return cluster.user("ckpt", "done", run, check=False).returncode == 0


def test_a_command_becomes_a_chain_that_runs_to_its_end(cluster):
    told = submitted(cluster, "--epochs", "6", "--epoch-time", "1s", "--limit", "10m", "-r", "count", "--cpus", "1",
                     "--", "epoch_counter", "6", "10", "100000")
    cluster.wait(told["array"])
    assert complete(cluster)
    [log] = (cluster.work / "ckpt-runs/count/logs").glob(f"{told['array']}_1.log")
    assert "complete" in log.read_text()


def test_a_users_own_script_becomes_a_chain_whose_surplus_is_cancelled(cluster):
    (cluster.work / "count.sh").write_text(
        '#!/bin/bash\n#SBATCH --time=5 --partition low\nexec ckptrun -- epoch_counter "$@"\n')
    told = submitted(cluster, "count.sh", "2", "3", "100000")
    assert told["blocks"] == 10
    cluster.wait(told["array"])
    assert complete(cluster)
    assert len(list((cluster.work / "ckpt-runs/count/logs").iterdir())) == 1
    again = cluster.user("ckptplan", "--submit", "count.sh", check=False)
    assert again.returncode == 125 and "all 2 epochs are done and saved, the work is complete" in again.stderr


def test_a_script_with_a_path_that_needs_quotes_is_accepted(cluster):
    run = cluster.work / "my runs" / "it's"
    told = submitted(cluster, "--blocks", "1", "--limit", "5m", "-r", run, "--", "epoch_counter", "1", "3", "100000")
    cluster.wait(told["array"])
    assert complete(cluster, run) and list((run / "logs").glob("*.log"))


def test_trials_of_a_sweep_are_runs_of_their_own(cluster):
    told = submitted(cluster, "--sweep", "2", "--blocks", "2", "--limit", "5m", "-r", "count", "--", "epoch_counter",
                     "1", "{SLURM_ARRAY_TASK_ID}", "100000")
    assert len(told["arrays"]) == 2
    for array in told["arrays"]:
        cluster.wait(array)
    for trial in ("1", "2"):
        assert complete(cluster, f"ckpt-runs/count/{trial}")


@pytest.mark.parametrize("harm", [["--batch", "--signal=KILL"], []], ids=["killed", "cancelled"])
def test_a_trial_that_was_killed_goes_on_by_the_line_that_status_tells_and_its_siblings_are_left_alone(cluster, harm):
    """Its next task waits for a good end of the one that was killed, and is cancelled by Slurm."""
    told = submitted(cluster, "--sweep", "2", "--blocks", "2", "--limit", "5m", "-r", "count", "--", "epoch_counter",
                     "16", "3", "300000")
    first, second = told["arrays"]
    cluster.eventually(lambda: list(cluster.work.glob("ckpt-runs/count/2/snapshots/*")), "trial 2 saves")
    cluster.scancel(*harm, f"{first}_2")
    for array in (first, second):
        cluster.wait(array)
    assert cluster.states(second)["2"] == "CANCELLED"
    assert complete(cluster, "ckpt-runs/count/1") and not complete(cluster, "ckpt-runs/count/2")
    status = json.loads(cluster.user("ckpt", "status", "ckpt-runs/count/2", "--json").stdout)
    log = (cluster.work / f"ckpt-runs/count/logs/{first}_2.log").read_text()
    assert harm or "no task waits of array" in log.splitlines()[-1], "it knows that its next task will not start"
    line = status["to_do"].removeprefix("to go on from the newest snapshot type: ")
    assert "sbatch --array=2 " in line
    cluster.wait(cluster.user("sh", "-c", line).stdout.split()[-1])
    assert complete(cluster, "ckpt-runs/count/2")


OF_THIS_SITE = {"--partition=gpu": "--partition=main", "--mem=32G": "--mem=8G", "--constraint=a100": "--comment=a100",
                "1-00:00:00": "0-01:00:00", "0-01:30:00": "0-00:45:00"}


def require_accepted(cluster, script, *options):
    """By the real sbatch, whose word on a script that asks for too much is not yes."""
    (cluster.work / "accepted.sh").write_text(script)
    assert "to start at" in cluster.user("sbatch", "--test-only", *options, "accepted.sh").stderr
    refused = cluster.user("sbatch", "--test-only", *options, "--gpus=99", "accepted.sh", check=False)
    assert refused.returncode != 0 and "to start at" not in refused.stderr


def test_the_recorded_scripts_are_accepted_by_the_real_sbatch(cluster, repository):
    recorded = sorted((repository / "tests/unit/slurm/golden").glob("*.sh"))
    for script in recorded:
        text = script.read_text()
        for elsewhere, here in OF_THIS_SITE.items():
            text = text.replace(elsewhere, here)
        require_accepted(cluster, text)
    assert len(recorded) >= 2


@pytest.mark.parametrize("arguments", [
    ["--epochs", "300", "--epoch-time", "10s", "--limit", "30m"], ["--limit", "30m", "--gpus", "2", "--cpus", "2"],
    ["--mem", "2G", "--partition", "low", "--job-option=--comment=a b", "--job-option=--exclusive", "-r", "my/it's"],
    ["--job-option=--gres=gpu:1", "--limit", "90s"], ["--sweep", "5", "--blocks", "2", "-r", "lr"]])
def test_scripts_that_are_written_are_accepted_by_the_real_sbatch(cluster, arguments):
    shown = cluster.user("ckptplan", *arguments, "--", "python3", "train.py", "it's {SLURM_ARRAY_TASK_ID}").stdout
    require_accepted(cluster, shown.split("this script is sent:\n\n")[1])


def test_a_users_own_script_is_accepted_with_the_options_that_make_it_a_chain(cluster):
    (cluster.work / "train.sh").write_text("#!/bin/bash\n#SBATCH --time=5 --partition low\nexec ckptrun -- true\n")
    shown = cluster.user("ckptplan", "--blocks", "3", "--gpus", "1", "train.sh").stdout
    [line] = [line for line in shown.splitlines() if line.startswith("sbatch ")]
    require_accepted(cluster, (cluster.work / "train.sh").read_text(), *shlex.split(line)[1:-1])


def test_a_frozen_chain_is_accepted_and_runs_the_code_as_it_was(cluster):
    cluster.user("git", "init", "-q")
    (cluster.work / "train.sh").write_text("#!/bin/bash\necho as it was\n")
    cluster.user("git", "add", "train.sh")
    told = submitted(cluster, "--freeze", "--blocks", "1", "--limit", "5m", "-r", "count", "--", "bash", "train.sh")
    (cluster.work / "train.sh").write_text("#!/bin/bash\necho changed\n")
    require_accepted(cluster, (cluster.work / "ckpt-runs/count/jobs/0001-count.sh").read_text())
    cluster.wait(told["array"])
    [log] = (cluster.work / "ckpt-runs/count/logs").glob("*.log")
    assert "as it was" in log.read_text() and complete(cluster)


@pytest.mark.parametrize("arguments, word", [
    (["--limit", "61m"], "longer than partition main allows"), (["--partition", "nosuch"], "no partition 'nosuch'"),
    (["--blocks", "1001"], "more than one may have"), (["--cpus", "9"], "no node of partition main has 9 CPUs")])
def test_what_this_slurm_would_not_run_is_refused(cluster, arguments, word):
    refused = cluster.user("ckptplan", "--submit", *arguments, "--", "true", check=False)
    assert refused.returncode == 125 and word in refused.stderr
    assert not (cluster.work / "ckpt-runs").exists() and cluster.slurm("squeue", "-h") == ""


def test_a_rehearsal_is_a_job_and_its_times_make_the_plan(cluster):
    command = ["-r", "count", "--", "epoch_counter", "1000", "10", "20000"]
    refused = cluster.user("ckptplan", "--rehearse", "2", *command, check=False)
    assert refused.returncode == 125
    assert f"type: srun --time=60 --pty {cluster.bin}/ckptplan --rehearse 2 -r count -- epoch_counter" in refused.stderr
    sent = json.loads(cluster.user("ckptplan", "--rehearse", "2", "--limit", "5m", "--submit", "--json",
                                   *command).stdout)
    cluster.wait(sent["job"])
    planned = json.loads(cluster.user("ckptplan", "-r", "count", "--limit", "5m", "--json").stdout)["plan"]
    assert planned["units"] == 1000 and "rehearsed" in planned["unit_time"]["source"]
    log = (cluster.work / f"ckpt-runs/count/logs/rehearsal-{sent['job']}.log").read_text()
    assert "1000 epochs in " in log
