# SPDX-License-Identifier: Apache-2.0
"""ckpt on the login node of a real Slurm, where nothing of a job's node can be seen."""
import json

CHAIN = "exec ckptrun -r a -- epoch_counter 1000 10 100000"      # a second each


def ask(cluster, *words, check=True):
    return json.loads(cluster.user("ckpt", *words, "--json", check=check).stdout)


def start_chain(cluster, script=CHAIN):
    """Three blocks, the first one at work with something saved; its array."""
    array = cluster.sbatch(script, "--array=1-3%1", "--time=10", "--open-mode=append")
    cluster.eventually(lambda: list(cluster.work.glob("ckpt-runs/a/blocks/0001.program-*.jsonl")), "the program is at work")
    cluster.user("ckpt", "save", "a")
    return array


def test_a_chain_is_seen_and_stopped_from_outside(cluster):
    array = start_chain(cluster)
    told = ask(cluster, "status")
    assert (told["state"], told["waiting_blocks"], told["array"]) == ("running", 2, array)
    assert told["to_do"].startswith("submit about") or told["to_do"] == "nothing"
    assert [run["state"] for run in ask(cluster, "ls")["runs"]] == ["running"]
    refused = cluster.user("ckpt", "unlock", "a", check=False)
    assert refused.returncode == 125 and "alive" in refused.stderr
    assert "that ends the chain" in cluster.user("ckpt", "stop", "a").stdout
    cluster.wait(array)
    assert len(list(cluster.work.glob("ckpt-runs/a/blocks/000?.json"))) == 1
    told = ask(cluster, "status")
    assert (told["state"], told["waiting_blocks"]) == ("to be continued", 0)
    watched = cluster.user("ckpt", "status", "a", "--watch", check=False)
    assert watched.returncode == 1 and watched.stdout.count("\n") == 1


def test_waiting_blocks_of_a_chain_whose_owner_was_killed_are_cancelled(cluster):
    killable = CHAIN.replace("exec", "set -m\n") + " &\nwhile [ ! -e die ]; do sleep 0.2; done\nkill -KILL $! 0"
    array = start_chain(cluster, killable)
    cluster.slurm("scontrol", "hold", f"{array}_[2-3]")
    (cluster.work / "die").touch()
    cluster.eventually(lambda: ask(cluster, "status")["state"] in ("interrupted", "to be continued"), "the owner is gone")
    told = ask(cluster, "status")
    assert told["waiting_blocks"] == 2 and told["to_do"].startswith("nothing: what waits goes on")
    assert ask(cluster, "stop")["cancelled_blocks"] == 2
    cluster.wait(array)


def test_the_doctor_looks_at_the_site_from_outside_and_from_a_job(cluster):
    findings = {one["subject"]: one for one in ask(cluster, "doctor", check=False)["findings"]}
    assert findings["time limit"]["text"].startswith("partition main: 1 h 00 min")
    assert findings["controller's clock"]["verdict"] == "good"
    assert findings["sbatch from a job"]["verdict"] == "not known"
    job = cluster.sbatch("ckpt doctor --json", "--partition=low", "--time=2")
    cluster.wait(job)
    told = json.loads(cluster.output(job))
    findings = {one["subject"]: one for one in told["findings"]}
    assert told["place"].endswith("in a job")
    assert findings["sbatch from a job"]["verdict"] == "good"
    assert findings["time limit"]["text"].startswith("partition low:")
    assert "preempted (REQUEUE)" in findings["preemption"]["text"]
