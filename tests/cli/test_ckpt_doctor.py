# SPDX-License-Identifier: Apache-2.0
"""ckpt doctor from its command line, beside a Slurm of files and without any."""
import json
import re

import pytest

from told_run import ToldRun


@pytest.fixture
def recorded(repository):
    """The text of a recorded output of a real command, without the lines of the terminal around it."""
    def text(name):
        lines = (repository / f"tests/unit/slurm/recorded/{name}.txt").read_text().splitlines(keepends=True)
        return "".join(lines[1:-1])
    return text


@pytest.fixture
def site(fake_slurm, recorded):
    """A cluster that answers everything: proctrack/cgroup, accounting."""
    for name in ("scontrol-ping", "scontrol-show-partition-o", "sacctmgr-show-assoc", "sacctmgr-show-qos"):
        fake_slurm[name.removesuffix("-o") + ".out"] = recorded(name)
    fake_slurm["scontrol-show-config.out"] = recorded("scontrol-show-config-cgroup")
    fake_slurm["sinfo.out"] = recorded("sinfo-h-o")
    return fake_slurm


@pytest.fixture
def doctor(tool):
    """doctor(…): {subject: finding}, the exit code and what it said on standard error."""
    def run(*arguments, **environment):
        told = tool("ckpt", "doctor", "--json", *arguments, **environment)
        answer = json.loads(told.stdout)
        return {finding["subject"]: finding for finding in answer["findings"]}, told.returncode, answer
    return run


def test_off_the_cluster_it_examines_this_machine(tool, doctor, fake_slurm, work):
    fake_slurm.miss("scontrol")
    findings, code, answer = doctor()
    assert code == 0 and answer["warnings"] == 0
    assert findings["Slurm"]["verdict"] == "not known"
    assert "scontrol is not in PATH" in findings["Slurm"]["text"]
    assert findings["links"]["text"] == "hard links work"
    assert answer["directory"] == str(work)
    assert list(work.iterdir()) == []
    text = tool("ckpt", "doctor").stdout
    assert re.search(r"^good +links +hard links work$", text, re.MULTILINE)
    assert text.splitlines()[-1] == f"{11 - answer['unknown']} good, 0 to mind, {answer['unknown']} not known"


def test_on_a_cluster_it_says_what_will_happen_there(tool, doctor, site):
    findings, code, answer = doctor()
    assert code == 1 and answer["place"] == "cluster sandbox, Slurm 22.05.8, outside of jobs"
    assert findings["signals without exec"]["verdict"] == "warning"
    assert "exec ckptrun" in findings["signals without exec"]["remedy"]
    assert findings["time limit"]["text"].startswith("partition main: 1 h 00 min at most")
    assert "account physics: 100 may run or wait" in findings["job limits"]["text"]
    assert findings["sbatch from a job"]["verdict"] == "not known"
    assert findings["controller's clock"]["verdict"] == "warning"       # that output is not of today
    text = tool("ckpt", "doctor").stdout
    assert re.search(r"^warning +signals without exec +.*\n +-> write 'exec ckptrun", text, re.MULTILINE)


def test_the_partition_of_the_run_is_looked_at_or_the_one_named(doctor, site, work):
    run = ToldRun(work / "ckpt-runs/a").block(1, 100, end="stopped", lasted=10)
    script = run.directory / "job.sh"
    script.write_text("#!/bin/bash\n#SBATCH -p low\nexec ckptrun -- ./train\n")
    run.submission("7", 1200)
    record = run.directory / "submissions/7.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"script": str(script)}))
    findings, _, answer = doctor("-r", "a")
    assert answer["run"] == "a"
    assert findings["time limit"]["text"].startswith("partition low:")
    assert findings["signals without exec"]["verdict"] == "good"
    assert findings["array size"]["verdict"] == "warning" and "needs 1200" in findings["array size"]["text"]
    assert doctor("-r", "a", "--partition", "high")[0]["time limit"]["text"].startswith("partition high:")


def test_in_a_job_the_job_itself_is_looked_at(doctor, site, recorded):
    site["scontrol-show-job.out"] = recorded("scontrol-show-job-o-running").replace("Partition=main", "Partition=high")
    site["sbatch.err"] = "sbatch: error: Access/permission denied\n"
    site["sbatch.code"] = 1
    findings, _, answer = doctor(SLURM_JOB_ID="3")
    assert answer["place"].endswith("in a job")
    assert findings["time limit"]["text"].startswith("partition high:")
    assert findings["sbatch from a job"]["verdict"] == "warning"
    assert "Access/permission denied" in findings["sbatch from a job"]["text"]
    assert not any(call.startswith("sbatch") and "--test-only" not in call for call in site.calls)


def test_a_site_without_accounting_is_no_failure(doctor, site):
    site.miss("sacctmgr")
    assert "sacctmgr is not in PATH" in doctor()[0]["job limits"]["text"]


def test_a_slurm_that_falls_silent_costs_seconds_and_is_told(doctor, site):
    site["scontrol-show.sleep"] = "infinity"
    findings, code, _ = doctor()
    assert "did not answer" in findings["Slurm"]["text"] and "within 5" in findings["Slurm"]["text"]
    assert "links" in findings
    assert code == 0


def test_a_run_that_is_not_there_is_an_error(tool, fake_slurm):
    told = tool("ckpt", "doctor", "-r", "nothere")
    assert told.returncode == 125
    assert "there is no run 'nothere'" in told.stderr
