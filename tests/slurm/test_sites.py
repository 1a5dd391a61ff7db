# SPDX-License-Identifier: Apache-2.0
"""The scripts that are recorded for sites, given to a real sbatch whose partitions and nodes are like theirs."""
import re

import pytest

# One cluster for all: each node has what one of any of these sites has.
LIKE_ALL_SITES = ["--nodes", "1", "--cpus", "128", "--node-memory", "510000",
                  "--gres", "gpu:v100:4,gpu:a100:4,gpu:p100:4,gpu:h200:8,nvme:3600",
                  *(f"--conf=PartitionName={name} Nodes=ALL MaxTime={days}-0" for name, days in
                    [("gpu", 3), ("small", 3)]),
                  *(f"--conf=PartitionName={name} Nodes=ALL MaxTime=36:00:00" for name in ("gpusmall", "gpumedium"))]


def is_accepted(cluster, script, *options):
    (cluster.work / "job.sh").write_text(script)
    tried = cluster.user("sbatch", "--test-only", *options, "job.sh", check=False)
    return tried.returncode == 0 and "to start at" in tried.stderr


@pytest.mark.slurm(*LIKE_ALL_SITES)
def test_the_scripts_of_all_sites_are_accepted(cluster, repository):
    cluster.slurm("scontrol", "update", "PartitionName=main", "MaxTime=7-00:00:00")   # that of sites which pick one
    recorded = sorted((repository / "tests/cli/sites").glob("*.sh"))
    for file in recorded:
        script = file.read_text()
        assert is_accepted(cluster, script), file
        # What a site would refuse is refused here, too: the word of --test-only is worth something.
        assert not is_accepted(cluster, script, "--time=30-0"), file
        if "gpu" in script:
            assert not is_accepted(cluster, re.sub(r"(gpu:|--gpus=)(\w+:)?\d", r"\g<1>\g<2>99", script)), file
    assert len(recorded) >= 11


@pytest.mark.slurm(*LIKE_ALL_SITES)
def test_a_job_gets_what_its_site_is_asked_for(cluster):
    sent = cluster.user("ckptplan", "--site", "mahti", "--account", "project_1", "--gpus", "2", "--blocks", "1", "--submit",
                        "--limit", "1h", "-r", "count", "--", "epoch_counter", "1", "3", "1000")
    [array] = re.findall(r"array (\d+)", sent.stdout)
    cluster.wait(array)
    [task] = cluster.tasks(array).values()
    assert task["Partition"] == "gpusmall" and task["JobState"] == "COMPLETED" and task["NumCPUs"] == "64"
    assert task["TresPerNode"].strip() == "gres:gpu:a100:2,gres:nvme:100"
