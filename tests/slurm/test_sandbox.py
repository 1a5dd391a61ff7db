# SPDX-License-Identifier: Apache-2.0
"""The cluster that the other tests stand on behaves as clusters do; without any part of ours."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest


def test_an_array_runs_as_the_user_one_task_at_a_time(cluster):
    job = cluster.sbatch('echo "$(id -un) $SLURM_ARRAY_TASK_ID begins"; sleep 1; echo ends', "--array=1-3%1",
                         "--output=slurm-%A.out", "--open-mode=append")
    cluster.wait(job)
    assert cluster.output(job) == "".join(f"sandbox {task} begins\nends\n" for task in (1, 2, 3))
    assert set(cluster.states(job).values()) == {"COMPLETED"}


def test_a_job_of_a_crashed_node_runs_again_on_another(cluster):
    job = cluster.sbatch('hostname; sleep 300', "--open-mode=append")
    node = cluster.eventually(lambda: cluster.output(job)).strip()
    cluster.crash_node(node, noticed=False)
    cluster.eventually(lambda: len(cluster.output(job).split()) == 2)
    assert sorted(cluster.output(job).split()) == ["n1", "n2"] and cluster.show(job)["Restarts"] == "1"


def test_a_preempted_job_is_warned_and_waits_its_turn(cluster):
    all_cpus = ["--nodes=2", "--exclusive"]
    job = cluster.sbatch("trap 'echo warned' USR1; for ((i = 0; i < 300; ++i)); do sleep 0.1; done", *all_cpus,
                         "--partition=low", "--signal=B:USR1@1")
    cluster.wait_for(job, "RUNNING")
    other = cluster.sbatch("sleep 1", *all_cpus, "--partition=high")
    cluster.eventually(lambda: "warned" in cluster.output(job))
    cluster.eventually(lambda: cluster.state(other) == "COMPLETED")
    assert cluster.show(job)["Restarts"] == "1"


TELLS_ITS_SIGNALS = """
bash -c 'trap "echo child: TERM" TERM; echo ready; while :; do sleep 0.1; done'
"""


@pytest.mark.parametrize("hears", [
    pytest.param(True, id="linuxproc"),
    pytest.param(False, id="cgroup", marks=pytest.mark.slurm("--proctrack", "cgroup"))])
def test_whether_a_child_of_the_script_hears_of_the_limit_depends_on_the_tracking(cluster, hears):
    job = cluster.sbatch(TELLS_ITS_SIGNALS, "--time=1")
    cluster.wait(job)
    assert "ready" in cluster.output(job) and cluster.state(job) == "TIMEOUT"
    assert ("child: TERM" in cluster.output(job)) == hears


# ---- slurm-sandbox itself ------------------------------------------------------------------------------------------


def traces(folder):
    """Whatever of a sandbox is on this machine: processes, mounts, cgroups, files."""
    processes = [path.parent.name for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if str(folder) in read(path)]
    mounts = [line for line in read(pathlib.Path("/proc/self/mountinfo")).splitlines() if str(folder) in line]
    cgroups = list(pathlib.Path("/sys/fs/cgroup").glob(f"*/slurm-sandbox{str(folder).replace('/', '-')}"))
    return processes + mounts + cgroups + [folder] * folder.exists()


def read(path):
    with contextlib.suppress(OSError):       # a process that ended meanwhile
        return path.read_bytes().decode(errors="replace")
    return ""


@pytest.fixture
def folder():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ckpt-slurm-", dir="/var/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def sandbox(repository, folder, clusters):
    """sandbox("up"): a call of slurm-sandbox for this folder; answers its CompletedProcess."""
    clusters()                               # skips where there can be none
    script = repository / "scripts/slurm-sandbox"
    yield lambda verb, *words: subprocess.run([script, verb, folder, *words], text=True, capture_output=True)
    subprocess.run([script, "down", folder])


@pytest.mark.parametrize("options", [[], ["--proctrack", "cgroup", "--memory"]], ids=["linuxproc", "cgroup"])
def test_down_leaves_nothing_neither_of_jobs_nor_of_daemons(sandbox, folder, options):
    accounts = pathlib.Path("/etc/passwd").read_text()
    assert sandbox("up", *options).returncode == 0
    job = f"for launch in srun setsid; do $launch bash -c 'exec -a {folder}/job sleep 300' & done; touch up; wait"
    assert sandbox("env", "sbatch", "--nodes=2", "--wrap", job).returncode == 0
    while not (folder / "scratch/up").exists():
        time.sleep(0.1)
    assert sandbox("down").returncode == 0
    assert traces(folder) == []
    assert pathlib.Path("/etc/passwd").read_text() == accounts


def test_down_works_when_the_folder_is_gone(sandbox, folder):
    assert sandbox("up").returncode == 0
    shutil.rmtree(folder)
    assert traces(folder) != []
    assert sandbox("down").returncode == 0
    assert traces(folder) == []


def test_up_mends_what_crashed_and_keeps_the_rest(sandbox, folder):
    sandbox("up")
    daemons = set(traces(folder))
    assert sandbox("down", "n1", "ctld").returncode == 0
    left = set(traces(folder))
    assert left < daemons
    assert sandbox("up").returncode == 0
    assert left < set(traces(folder))
    assert "idle n[1-2]" in sandbox("env", "sinfo").stdout


def test_a_folder_that_holds_something_else_is_neither_used_nor_removed(sandbox, folder):
    (folder / "thesis").touch()
    for call in (sandbox("up"), sandbox("env"), sandbox("down", "n1")):
        assert call.returncode == 1 and str(folder) in call.stderr
    assert sandbox("down").returncode == 0 and (folder / "thesis").exists()


def test_another_part_than_there_is_is_refused_with_the_list(sandbox):
    sandbox("up")
    refused = sandbox("down", "n3")
    assert refused.returncode == 1 and "munge, ctld, n1, n2" in refused.stderr


def test_anybody_but_root_is_told_so(repository, folder):
    for name in ("slurm-sandbox", "slurm_sandbox"):
        subprocess.run(["cp", "-r", repository / "scripts" / name, folder], check=True)
    folder.chmod(0o755)
    as_nobody = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    command = [*as_nobody, folder / "slurm-sandbox", "up", folder / "new"]
    refused = subprocess.run(command, text=True, capture_output=True)
    assert refused.returncode == 77 and "only root" in refused.stderr
