# SPDX-License-Identifier: Apache-2.0
"""ckptplan on a login node: what it sends, what it records, what it refuses to send. The scheduler is of files."""
import json
import os
import re
import subprocess

import pytest

def known(epochs="300", limit="10m"):
    return ["--epochs", epochs, "--epoch-time", "10s", "--limit", limit]


KNOWN = known()      # 56 a block: 6 blocks and one to spare


@pytest.fixture
def site(fake_slurm, repository):
    """A login node of the site of the recorded outputs: partitions main (default), low and high, of an hour at most."""
    def answer(key, recorded):
        lines = (repository / f"tests/unit/slurm/recorded/{recorded}.txt").read_text().splitlines()
        fake_slurm[f"{key}.out"] = "\n".join(lines[1:-1]) + "\n"
    answer("scontrol-ping", "scontrol-ping")
    answer("scontrol-show-config", "scontrol-show-config")
    answer("scontrol-show-partition", "scontrol-show-partition-o")
    answer("sinfo", "sinfo-h-o")
    fake_slurm["sbatch.out"] = "4711\n"
    return fake_slurm


@pytest.fixture
def plan(tool, site):
    def run(*arguments, **environment):
        result = tool("ckptplan", *arguments, **environment)
        assert result.returncode == 0, result.stderr
        return result
    return run


@pytest.fixture
def refused(tool, site):
    """Its one line; nothing was sent."""
    def run(*arguments, **environment):
        result = tool("ckptplan", *arguments, **environment)
        assert result.returncode == 125
        assert not sent(site)
        [line] = result.stderr.splitlines()
        return line.removeprefix("ckptplan: error: ")
    return run


def sent(site):
    return [call for call in site.calls if call.startswith("sbatch ")]


def record(folder, array="4711"):
    return json.loads((folder / f"submissions/{array}.json").read_text())


def script(work, text="exec ckptrun -- ./train \"$@\"", name="train.sh", head="#!/bin/bash\n"):
    (work / name).write_text(head + text + "\n")
    return name


def test_a_command_is_sent_as_a_whole_script(plan, site, work):
    result = plan(*KNOWN, "--gpus", "1", "--mem", "2G", "--submit", "-r", "fashion", "--", "python", "train.py", "it's")
    run = work / "ckpt-runs/fashion"
    [call] = sent(site)
    assert call == f"sbatch --parsable --array=1-7%1 {run}/jobs/0001-fashion.sh"
    lines = (run / "jobs/0001-fashion.sh").read_text().splitlines()
    assert lines[0] == "#!/bin/bash"
    assert [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")] == [
        "--gpus=1", "--mem=2G", "--job-name=fashion", "--time=0-00:10:00", "--signal=B:USR1@60", "--open-mode=append",
        f"--output={run}/logs/%A_%a.log", f"--chdir={work}", "--array=1-7%1"]
    assert lines[-1].endswith(f"ckptrun -r {run} -- python train.py 'it'\\''s'") and lines[-1].startswith("exec ")
    assert record(run) | {"submitted": 0} == {
        "array_id": "4711", "cluster": "", "blocks": 7, "planned_blocks": 7, "extends": "", "options": [],
        "arguments": [], "script": f"{run}/jobs/0001-fashion.sh", "working_directory": str(work), "sweep_arrays": [],
        "submitted": 0}
    assert "submitted  array 4711: 7 blocks of the run fashion, one after another" in result.stdout
    assert "scancel 4711" in result.stdout and "ckpt status --watch" in result.stdout


def test_a_program_with_checkpoints_of_its_own_is_started_by_the_ckptrun_that_is_named(plan, site, work):
    plan(*KNOWN, "--submit", "--", "ckptrun", "-r", "fashion", "--latest", "ck/*.pt", "--resume-args", "-r {resume}", "--keep=5",
         "--", "python", "train.py")
    run = work / "ckpt-runs/fashion"
    last = (run / "jobs/0001-fashion.sh").read_text().splitlines()[-1]
    assert last.endswith(f"ckptrun -r {run} --keep 5 --latest 'ck/*.pt' --resume-args '-r {{resume}}' -- python train.py")


def test_a_named_ckptrun_without_a_program_is_refused(refused):
    assert "stands behind another --" in refused(*KNOWN, "--submit", "--", "ckptrun", "--latest", "ck/*.pt", "python", "train.py")


def test_a_script_calls_ckptrun_by_its_path(plan, bin_directory):
    path = f"{bin_directory}:{os.environ['PATH']}"
    assert f"\nexec {bin_directory}/ckptrun -r /" in plan(*KNOWN, "--", "true", PATH=path).stdout


def test_no_setting_of_the_users_outranks_the_script_that_is_written(plan, site, work):
    result = plan(*KNOWN, "--submit", "-r", "a", "--", "true", SBATCH_JOB_NAME="other", SBATCH_WAIT="1",
                  SBATCH_CONSTRAINT="a100", SBATCH_QOS="long")
    assert not [name for name in site.environment_of("sbatch") if name.startswith("SBATCH_")]
    head = (work / "ckpt-runs/a/jobs/0001-a.sh").read_text()
    assert "--qos=long\n" in head and "--constraint=a100\n" in head and "other" not in head
    [line] = result.stderr.splitlines()
    assert "SBATCH_JOB_NAME" in line and "SBATCH_WAIT" in line and "SBATCH_QOS" not in line


def test_settings_of_the_users_hold_for_a_script_of_theirs_as_options(plan, site, work):
    result = plan("--blocks", "2", "--submit", script(work), SBATCH_TIMELIMIT="30", SBATCH_PARTITION="low",
                  SBATCH_EXPORT="NONE", SBATCH_OUTPUT="mine.log")
    assert not [name for name in site.environment_of("sbatch") if name.startswith("SBATCH_")]
    [call] = sent(site)
    assert all(option in call for option in ("--time=30 ", "--partition=low ", "--export=NONE ")) and "mine" not in call
    assert "SBATCH_OUTPUT" in result.stderr and "SBATCH_TIMELIMIT" not in result.stderr
    assert record(work / "ckpt-runs/train")["options"][0] == "--partition=low"


def test_what_a_script_asks_for_otherwise_than_a_chain_has_it_is_told(plan, work):
    own = script(work, head="#!/bin/bash\n#SBATCH --signal=B:TERM@300\n#SBATCH --output=mine.log\n#SBATCH --time=10\n")
    signal, output = plan(*KNOWN, "--submit", own).stderr.splitlines()
    assert signal.endswith("--signal=B:TERM@300 in train.sh gives way to --signal=B:USR1@60")
    assert f"--output=mine.log in train.sh gives way to --output={work}/ckpt-runs/train/logs/" in output


def test_the_present_environment_goes_into_the_script(plan, work):
    shown = plan(*KNOWN, "--", "python", "train.py", VIRTUAL_ENV="/home/a/my venv", LOADEDMODULES="gcc/12:cuda/12.1",
                 SBATCH_ACCOUNT="physics").stdout
    assert "#SBATCH --account=physics\n" in shown
    assert "\nmodule load gcc/12 cuda/12.1\nsource '/home/a/my venv'/bin/activate\n\nexec " in shown


def test_without_submit_nothing_is_sent_or_made(plan, site, work):
    shown = plan(*KNOWN, "--", "python", "train.py").stdout
    assert "With --submit this script is sent:" in shown and "#SBATCH --array=1-7%1" in shown
    shown = plan(*KNOWN, script(work), "--lr", "0.1").stdout
    assert f"sbatch --array=1-7%1 --job-name=train --time=0-00:10:00" in shown and "train.sh --lr 0.1\n" in shown
    assert not sent(site) and not (work / "ckpt-runs").exists()


def test_an_option_of_ours_behind_the_script_is_its_argument_and_that_is_said(plan, work):
    told = plan(*KNOWN, script(work), "--lr", "0.1", "--limit", "3h")
    assert "train.sh --lr 0.1 --limit 3h\n" in told.stdout
    assert "ckptplan: warning: --limit goes to " in told.stderr and "--lr" not in told.stderr


def test_another_command_than_the_run_began_with_is_refused_before_it_waits_in_the_queue(refused, work):
    run = work / "ckpt-runs/a"
    for folder in ("blocks", "snapshots"):
        (run / folder).mkdir(parents=True)
    begun = {"command": ["./train", "9"], "working_directory": str(work), "name": "a", "created": "", "user": "me"}
    (run / "run.json").write_text(json.dumps(begun))
    line = refused(*KNOWN, "--submit", "-r", "a", "--", "./train", "8")
    assert "was started with another command: word 2 was 9, now 8; send a run of its own (-r NAME)" in line


def test_a_users_script_is_sent_as_a_copy_with_its_arguments(plan, site, work):
    plan(*KNOWN, "--submit", script(work), "--lr", "0.1", "a b")
    run = work / "ckpt-runs/train"
    [call] = sent(site)
    assert call == (f"sbatch --parsable --job-name=train --time=0-00:10:00 --signal=B:USR1@60 --open-mode=append "
                    f"--output={run}/logs/%A_%a.log --array=1-7%1 {run}/jobs/0001-train.sh --lr 0.1 a b")
    assert (run / "jobs/0001-train.sh").read_text() == (work / "train.sh").read_text()
    recorded = record(run)
    assert recorded["arguments"] == ["--lr", "0.1", "a b"]
    assert recorded["options"][0] == "--job-name=train" and "--array" not in " ".join(recorded["options"])


def test_what_a_script_says_itself_is_kept(plan, site, work):
    head = "#!/bin/bash\n#SBATCH --time=30 -p low\n#SBATCH -J mine\n"
    plan("--epochs", "300", "--epoch-time", "10s", "--submit", script(work, head=head))
    [call] = sent(site)
    assert "--time" not in call and "--partition" not in call and "--job-name=mine" in call and "--array=1-3%1" in call
    assert (work / "ckpt-runs/mine/jobs").is_dir()


@pytest.mark.parametrize("line", ["exec ckptrun -r lab/a -- ./train", "/opt/bin/ckptrun --quiet --run=lab/a -- x -r b",
                                  "cd . && ckptrun \\\n  --run 'lab/a' -- ./train",
                                  "time ckptrun -rlab/a -- ./train  # -r c"])
def test_the_run_is_the_one_that_the_scripts_ckptrun_names(plan, work, line):
    plan(*KNOWN, "--submit", script(work, line))
    assert (work / "ckpt-runs/lab/a/submissions/4711.json").exists()


def test_a_script_that_would_continue_another_run_is_refused(refused, work):
    other = script(work, "ckptrun -r two -- ./train")
    assert "let it start `ckptrun -r" in refused(*KNOWN, "--submit", "-r", "one", other)
    assert "only a shell can tell" in refused(*KNOWN, "--submit", script(work, "ckptrun -r $HOME/two -- ./train"))
    assert "ckptrun -r /" in refused(*KNOWN, "--submit", "-r", work / "elsewhere", script(work))


def test_a_name_that_no_job_can_hand_to_its_ckptrun_is_refused(refused, work):
    line = refused(*KNOWN, "--submit", "-r", "sub/x", script(work))
    assert f"would continue the run {work}/ckpt-runs/sub-x" in line and "take a name without '/'" in line


@pytest.mark.parametrize("option", ["-D ..", "--chdir=.."])
def test_a_job_that_would_run_elsewhere_is_refused(refused, plan, work, option):
    there = script(work, head=f"#!/bin/bash\n#SBATCH {option}\n")
    assert "would run in .. (--chdir)" in refused(*KNOWN, "--submit", there)
    assert "would run in /" in refused(*KNOWN, "--job-option=--chdir=/", "--submit", "--", "true")
    plan(*KNOWN, "--submit", script(work, head=f"#!/bin/bash\n#SBATCH --chdir={work}\n"))


@pytest.mark.parametrize("change", ["cd sub", "cd sub/../sub && true", "cd / || exit 1", "cd $SLURM_SUBMIT_DIR/sub"])
def test_a_script_that_changes_the_folder_before_ckptrun_is_refused(refused, plan, work, change):
    (work / "sub").mkdir()
    line = refused(*KNOWN, "--submit", script(work, f"{change}\nexec ckptrun -- ./train"))
    assert "(cd in train.sh)" in line and "by an absolute path" in line
    plan(*KNOWN, "--submit", script(work, f"{change}\nexec ckptrun -r {work}/runs/a -- ./train"))


@pytest.mark.parametrize("change", ['cd "$SLURM_SUBMIT_DIR"', "cd sub; make; cd ..", "(cd sub && make)", "cd {work}",
                                    "# cd sub"])
def test_a_script_that_is_back_in_its_folder_when_it_starts_ckptrun_is_sent(plan, site, work, change):
    (work / "sub").mkdir()
    result = plan(*KNOWN, "--submit", script(work, change.format(work=work) + "\nexec ckptrun -- ./train\ncd sub"))
    assert sent(site) and "goes to" not in result.stderr


def test_a_script_that_goes_where_only_a_shell_can_tell_is_warned_of(plan, work):
    result = plan(*KNOWN, "--submit", script(work, "cd $SCRATCH/a\nexec ckptrun -- ./train"))
    assert "goes to $SCRATCH/a" in result.stderr and f"ckptrun -r {work}/ckpt-runs/train" in result.stderr


def test_a_job_that_runs_elsewhere_may_have_its_run_at_an_absolute_path(plan, work):
    (work / "there").mkdir()
    run = work / "runs/a"
    plan(*KNOWN, "--job-option=--chdir=there", "--submit", "-r", run, "--", "true")
    assert [line for line in (run / "jobs/0001-a.sh").read_text().splitlines() if "--chdir" in line] == [
        "#SBATCH --chdir=there"]
    head = "#!/bin/bash\n#SBATCH -D there\n"
    plan(*KNOWN, "--submit", script(work, f"exec ckptrun -r {work}/runs/b -- ./train", head=head))
    assert (work / "runs/b/submissions/4711.json").exists()


def test_a_frozen_job_does_not_run_elsewhere(refused, work):
    (work / "there").mkdir()
    assert "--freeze runs a copy of what is here" in refused(
        *KNOWN, "--freeze", "-r", work / "runs/a", "--job-option=--chdir=there", "--submit", "--", "true")


def test_a_script_whose_launcher_starts_ckptrun_is_refused(refused, plan, work):
    line = refused(*KNOWN, "--submit", script(work, "exec /opt/bin/srun -n 4 ckptrun -- ./train"))
    assert "starts ckptrun by srun" in line and "`ckptrun -- srun …`" in line
    plan(*KNOWN, "--submit", script(work, "exec ckptrun -- srun ./train"))


@pytest.mark.parametrize("line", [
    "which srun >/dev/null && ckptrun -r a -- ./train", "command -v srun || exit 1; ckptrun -r a -- ./train",
    "if [ -x /usr/bin/srun ]; then exec ckptrun -r a -- ./train; fi", "echo no srun here; exec ckptrun -r a -- ./train",
    "LAUNCHER=/usr/bin/srun exec ckptrun -r a -- ./train", "which ckptrun && exec ckptrun -r a -- ./train",
    "command -v ckptrun || exit\nexec ckptrun -r a -- ./train", "srun hostname\nckptrun -r a -- ./train  # no srun"])
def test_a_launcher_that_does_not_start_ckptrun_is_no_matter(plan, work, line):
    plan(*KNOWN, "--submit", script(work, line))
    assert (work / "ckpt-runs/a/submissions/4711.json").exists()


def test_an_array_of_the_users_own_is_refused(refused):
    assert "take --blocks N, or --sweep N" in refused(*KNOWN, "--job-option=--array=1-9", "--submit", "--", "true")


def test_a_job_named_like_a_script_means_the_run_that_its_ckptrun_takes(plan, work):
    plan(*KNOWN, "--submit", script(work, head="#!/bin/bash\n#SBATCH -J a/b.sh\n"))
    assert (work / "ckpt-runs/a-b/submissions/4711.json").exists()


def test_a_script_that_asks_for_no_limit_gets_the_partitions(plan, site, work):
    plan("--submit", script(work, head="#!/bin/bash\n#SBATCH --time=0\n"))
    assert "--time=0-01:00:00" in sent(site)[0]


def test_a_script_with_the_line_ends_of_dos_is_named_with_the_remedy(refused, work):
    line = refused("--blocks", "2", "--submit", script(work, head="#!/bin/bash\r\n#SBATCH --time=3\r\n"))
    assert "line ends of DOS" in line and "sed -i 's/\\r$//' train.sh" in line


def test_a_script_with_a_limit_that_is_none_is_named(refused, work):
    line = refused("--submit", script(work, head="#!/bin/bash\n#SBATCH --time=soon\n"))
    assert line.startswith("the limit that train.sh asks for: 'soon' is no duration")


def test_a_sweep_is_not_sent_as_a_chain(refused, plan, site, work):
    sweep = script(work, head="#!/bin/bash\n#SBATCH --array=1-50\n")
    assert "asks for an array of its own (--array=1-50), which is a sweep" in refused(*KNOWN, "--submit", sweep)
    plan(*KNOWN, "--submit", script(work, head="#!/bin/bash\n#SBATCH --array=1-50%1\n", name="chain.sh"))
    assert "--array=1-7%1" in sent(site)[0]


def test_a_job_around_us_does_not_speak_for_the_script(plan, site, work):
    plan(*KNOWN, "--submit", script(work), SLURM_JOB_ID="7", SBATCH_JOB_NAME="around")
    assert "--job-name=train" in sent(site)[0]


def test_a_name_for_a_script_without_one_becomes_the_jobs(plan, site, work):
    plan(*KNOWN, "--submit", "-r", "one", script(work))
    assert "--job-name=one" in sent(site)[0] and (work / "ckpt-runs/one/jobs/0001-train.sh").exists()


def test_a_script_without_ckptrun_is_warned_about(plan, work):
    assert "does not call ckptrun" in plan(*KNOWN, "--submit", script(work, "python train.py")).stderr


def test_with_nothing_known_ten_blocks_are_sent_and_that_is_said(plan, site, work):
    result = plan("--submit", script(work))
    assert "--array=1-10%1" in sent(site)[0] and "--time=0-01:00:00" in sent(site)[0]
    assert result.stdout.startswith("10 blocks, since how long an epoch takes is not known")
    assert "What is not needed is cancelled" in result.stdout


def test_with_nothing_known_the_users_number_of_blocks_needs_no_excuse(plan, work):
    assert plan("--blocks", "4", "--submit", script(work)).stdout.startswith("4 blocks, as asked for.\n")


def test_one_of_something_is_told_as_one(plan, site, work):
    told = plan("--blocks", "1", "--keep", "1", "--submit", script(work)).stdout
    assert told.startswith("1 block, as asked for.\n") and "array 4711: 1 block of the run train\n" in told
    told = plan("--blocks", "1", "--sweep", "1", "--submit", "-r", "a", "--", "./{SLURM_ARRAY_TASK_ID}").stdout
    assert "submitted  1 trial of up to 1 block: array 4711\n" in told
    assert "1 snapshot, and one while" in plan(*KNOWN, "--keep", "1", "--state-size", "1M").stdout


def test_a_chain_that_was_sent_and_has_not_begun_needs_nobody(plan, site, work, tool_json):
    plan(*KNOWN, "--submit", script(work))
    told = tool_json("ckpt", "status", "train")
    assert re.fullmatch(r"nothing: array \d+ was sent for it, and has not begun", told["to_do"])


def test_the_users_number_of_blocks_outranks_the_plan(plan, site, work):
    plan(*KNOWN, "--blocks", "3", "--submit", script(work))
    assert "--array=1-3%1" in sent(site)[0]


def test_programs_are_told_what_was_sent(tool_json, site, work):
    told = tool_json("ckptplan", *KNOWN, "-r", "a", "--submit", "--json", "--", "true")
    assert told["plan"]["blocks"] == 7
    assert told["submitted"]["array"] == "4711" and told["submitted"]["directory"] == str(work / "ckpt-runs/a")


@pytest.mark.parametrize("arguments, words", [
    (known(limit="2h"), ["a block of 2 h 00 min is longer than partition main allows (1 h 00 min)", "rejected"]),
    ([*KNOWN, "--partition", "gpu"], ["there is no partition 'gpu'", "main, low, high"]),
    ([*KNOWN, "--blocks", "1001"], ["an array of 1001 tasks is more than one may have here (1000", "--blocks 1000"]),
    (known(epochs="100000"), ["blocks would be needed and one array may have 1000", "56000 epochs now"]),
    ([*KNOWN, "--cpus", "9"], ["no node of partition main has 9 CPUs (at most 8)"]),
    ([*KNOWN, "--job-option=--nodes=3-4"], ["partition main has 2 nodes, and the job asks for 3"]),
    ([*KNOWN, "--job-option=-n17"], ["partition main has 16 CPUs, and the job asks for 17 tasks"]),
    ([*KNOWN, "--cpus", "8", "--job-option=--ntasks=3"], ["has 16 CPUs, and the job asks for 3 tasks of 8 CPUs"]),
    ([*KNOWN, "--job-option=-n2", "--job-option=-c9"], ["no node of partition main has 9 CPUs"]),
    ([*KNOWN, "--job-option=-N2", "--job-option=--ntasks-per-node=9"], ["has 16 CPUs, and the job asks for 18 tasks:"]),
    ([*KNOWN, "--mem", "17000"], ["no node of partition main has 16.6 GiB of memory (at most 15.6 GiB)"])])
def test_what_the_site_would_reject_is_refused_before(refused, arguments, words):
    line = refused(*arguments, "--submit", "--", "true")
    assert all(word in line for word in words), line


def test_a_job_script_that_asks_for_more_nodes_than_there_are_is_refused(refused, plan, work):
    assert "asks for 3" in refused(*KNOWN, "--submit", script(work, head="#!/bin/bash\n#SBATCH -N 3\n"))
    plan(*KNOWN, "--job-option=--nodes=2", "--submit", script(work, head="#!/bin/bash\n#SBATCH -N 3 -n16\n"))


def test_what_the_site_would_leave_pending_for_ever_is_refused(refused, site):
    def change(file, old, new):
        assert old in site[file]
        site[file] = site[file].replace(old, new, 1)
    change("scontrol-show-config.out", "EnforcePartLimits       = ALL", "EnforcePartLimits = NO")
    assert "would wait for ever" in refused(*known(limit="2h"), "--submit", "--", "true")
    change("scontrol-show-partition.out", "State=UP", "State=DOWN")
    assert "partition main is DOWN" in refused(*KNOWN, "--submit", "--", "true")
    change("scontrol-show-partition.out", "Default=YES", "Default=NO")
    assert "no default partition" in refused(*KNOWN, "--submit", "--", "true")
    change("sinfo.out", "low|up|idle|2|8|16000|n[1-2]|gpu:4", "low|up|idle|2|8|16000|n[1-2]|(null)")
    assert "has a GPU" in refused(*KNOWN, "--partition", "low", "--gpus", "1", "--submit", "--", "true")


@pytest.fixture
def accounting(site, repository):
    """What the user's accounts allow is enforced: 20 jobs and 2 hours in one, 6 jobs in the other."""
    site["scontrol-show-config.out"] = site["scontrol-show-config.out"].replace(
        "AccountingStorageEnforce = none", "AccountingStorageEnforce = associations,limits")
    site["sacctmgr-show-assoc.out"] = "physics|5|20|2:00:00|normal\nchemistry||6||normal\n"
    site["sacctmgr-show-qos.out"] = "normal|||30:00|\n"
    return site


@pytest.mark.parametrize("arguments, words", [
    (known(limit="40m"), ["longer than QOS normal allows you (30 min)"]),
    ([*KNOWN, "--account", "chemistry"], ["7 jobs at once is more than account chemistry lets you submit (6)"]),
    ([*KNOWN, "--blocks", "2", "--sweep", "11"],
     ["22 jobs at once is more than account physics lets you submit (20)"])])
def test_what_an_account_does_not_allow_is_refused(refused, accounting, arguments, words):
    line = refused(*arguments, "--submit", "--", "true")
    assert all(word in line for word in words), line


def test_what_one_of_the_users_accounts_allows_is_sent(plan, accounting):
    plan(*KNOWN, "--submit", "--", "true")
    assert len(sent(accounting)) == 1


def test_where_nobody_says_a_limit_blocks_are_as_long_as_the_account_allows(plan, accounting):
    assert "30 min  the most that QOS normal allows" in plan("--epochs", "300", "--epoch-time", "10s", "--", "true").stdout
    asked = [call for call in accounting.calls if call.startswith("sacctmgr")]
    assert len(asked) == 2, asked            # associations, qualities: once each


def test_where_nothing_can_be_submitted_it_says_why(tool, site, work):
    site.miss("sbatch")
    missing = tool("ckptplan", *KNOWN, "--submit", "--", "true")
    assert missing.returncode == 125 and "sbatch is not in PATH" in missing.stderr
    assert not (work / "ckpt-runs").exists()
    del site["scontrol-ping.out"]
    silent = tool("ckptplan", *KNOWN, "--submit", "--", "true")
    assert silent.returncode == 125 and "cannot submit from here" in silent.stderr


def test_a_refusal_of_the_scheduler_is_handed_on_and_nothing_recorded(tool, site, work):
    del site["sbatch.out"]
    site["sbatch.err"] = "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy\n"
    site["sbatch.code"] = 1
    result = tool("ckptplan", *KNOWN, "-r", "a", "--submit", "--", "true")
    assert result.returncode == 125 and "nothing was submitted" in result.stderr and "QOS policy" in result.stderr
    assert result.stdout == "" and not (work / "ckpt-runs").exists()


@pytest.mark.parametrize("action", [["--submit"], ["--submit", "--sweep", "2"], ["--submit", "--rehearse", "2"]])
def test_what_a_refused_submission_finds_stays_and_what_it_made_goes(tool, site, work, action):
    del site["sbatch.out"]
    site["sbatch.err"] = "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy\n"
    site["sbatch.code"] = 1
    jobs = work / "ckpt-runs/lab/a/jobs"
    jobs.mkdir(parents=True)
    if "--sweep" not in action:
        (work / "ckpt-runs/lab/a/blocks").mkdir()
    (jobs / "0001-a.sh").write_text("of before")
    before = sorted(work.rglob("*"))
    for run in ("lab/a", "lab/b", "other/c"):
        result = tool("ckptplan", *known(), *action, "-r", run, "--", "true", "{SLURM_ARRAY_TASK_ID}")
        assert result.returncode == 125 and "nothing was submitted" in result.stderr, result.stderr
    assert [path for path in sorted(work.rglob("*")) if "fake" not in str(path)] == [
        path for path in before if "fake" not in str(path)]


def test_what_may_have_been_submitted_keeps_its_run(tool, site, work):
    del site["sbatch.out"]
    site["sbatch.err"] = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"
    site["sbatch.code"] = 1
    result = tool("ckptplan", *KNOWN, "-r", "a", "--submit", "--", "true")
    assert result.returncode == 125 and "squeue --me" in result.stderr and "nothing was" not in result.stderr
    assert (work / "ckpt-runs/a/jobs/0001-a.sh").exists() and (work / "ckpt-runs/a/logs").is_dir()


def test_a_chain_that_still_waits_is_not_doubled(plan, tool, site, repository):
    arguments = [*KNOWN, "-r", "a", "--submit", "--", "true"]
    plan(*arguments)
    waiting = (repository / "tests/unit/slurm/recorded/scontrol-show-job-o-pending.txt").read_text().splitlines()[1]
    site["scontrol-show-job.out"] = waiting + "\n"
    again = tool("ckptplan", *arguments)
    assert again.returncode == 125 and "array 4711 of this run is still in the queue" in again.stderr
    assert "scancel 4711" in again.stderr and len(sent(site)) == 1


@pytest.mark.parametrize("said, remedy", [
    ("Invalid --mem specification", "32G"), ("Invalid feature specification", "sinfo -o '%P %f'"),
    ("Invalid time specification (pos=0): foo", "now+2hours")])
def test_what_the_scheduler_refuses_comes_with_a_remedy(tool, site, said, remedy):
    site["sbatch.err"] = f"sbatch: error: {said}\n"
    site["sbatch.code"] = 1
    del site["sbatch.out"]
    told = tool("ckptplan", *KNOWN, "-r", "a", "--submit", "--", "true").stderr
    assert said in told and remedy in told


def test_a_plan_for_nowhere_says_what_the_partition_would_not_allow(plan):
    assert "longer than partition main allows" in plan("--epochs", "300", "--epoch-time", "14m", "--limit", "24h").stderr
    assert "main allows 1 h 00 min" in plan("--epochs", "300", "--epoch-time", "14m", "--compare", "30m,24h").stderr


def test_a_complete_run_has_nothing_to_submit(tool, plan, refused, bin_directory, site):
    done = tool("ckptrun", "--here", "-r", "a", "--", bin_directory / "epoch_counter", "2", "2", "1000")
    assert done.returncode == 0, done.stderr
    assert "complete" in refused("--blocks", "3", "-r", "a", "--submit", "--", "true")


def test_a_sweep_is_chained_arrays_and_a_run_for_each_trial(plan, site, work):
    site["sbatch.run"] = 'n=$(grep -c ^sbatch calls); echo $((100 + n))'
    result = plan("--epochs", "300", "--epoch-time", "10s", "--limit", "30m", "--sweep", "50", "--submit", "-r", "lr",
                  "--", "python", "train.py", "--seed={SLURM_ARRAY_TASK_ID}")
    sweep = work / "ckpt-runs/lr"
    copy = f"{sweep}/jobs/0001-lr.sh"
    array = "sbatch --parsable --array=1-50"
    assert sent(site) == [f"{array} {copy}"] + [
        f"{array} --dependency=aftercorr:{before} --kill-on-invalid-dep=yes {copy}" for before in (101, 102)]
    last = open(copy).read().splitlines()[-1]
    assert f'ckptrun -r {sweep}/"$SLURM_ARRAY_TASK_ID" -- python train.py --seed="$SLURM_ARRAY_TASK_ID"' in last
    recorded = record(sweep, "101")
    assert (recorded["sweep_arrays"], recorded["blocks"]) == (["101", "102", "103"], 50)
    assert "%1" not in open(copy).read()
    assert "50 trials of up to 3 blocks: arrays 101, 102, 103" in result.stdout and f"ckpt ls {sweep}" in result.stdout


def test_a_sweep_that_is_refused_half_way_says_what_was_sent(plan, site, work):
    site["sbatch.run"] = """n=$(grep -c ^sbatch calls); [ "$n" -lt 3 ] && echo $n && exit
                            echo "sbatch: error: too many" >&2; exit 1"""
    result = plan("--blocks", "4", "--sweep", "5", "--submit", "-r", "lr", "--", "true")
    assert "only 2 of 4 blocks submitted" in result.stderr and "scancel 1 2" in result.stderr
    assert record(work / "ckpt-runs/lr", "1")["sweep_arrays"] == ["1", "2"]


def test_a_sweep_with_more_trials_than_an_array_may_have_is_refused(refused):
    line = refused(*KNOWN, "--sweep", "1001", "--submit", "--", "true")
    assert "1001 trials" in line and "--sweep 1000" in line and "--blocks" not in line


@pytest.mark.parametrize("run", ["lr/{SLURM_ARRAY_TASK_ID}", "lr/$SLURM_ARRAY_TASK_ID", "lr/${SLURM_ARRAY_TASK_ID}"])
def test_the_runs_of_a_sweep_stand_in_the_folder_that_its_script_names(plan, work, run):
    plan(*KNOWN, "--sweep", "3", "--submit", script(work, f'exec ckptrun -r "{run}" -- ./train $SLURM_ARRAY_TASK_ID'))
    assert (work / "ckpt-runs/lr/submissions/4711.json").exists()


def test_a_sweep_may_be_named_as_its_runs_are(plan, work):
    plan(*KNOWN, "--sweep", "3", "--submit", "-r", "lr/{SLURM_ARRAY_TASK_ID}", "--", "./{SLURM_ARRAY_TASK_ID}")
    assert (work / "ckpt-runs/lr/submissions/4711.json").exists()


def test_one_run_for_all_trials_is_refused(refused, work):
    same = script(work, "exec ckptrun -r lr -- ./train $SLURM_ARRAY_TASK_ID")
    line = refused(*KNOWN, "--sweep", "3", "--submit", same)
    assert "one run for all 3 trials: let it start `ckptrun -r 'lr/{SLURM_ARRAY_TASK_ID}' -- …`" in line
    line = refused(*KNOWN, "--sweep", "3", "--submit", "-r", "lr-{SLURM_ARRAY_TASK_ID}", "--", "./train")
    assert "name them 'NAME/{SLURM_ARRAY_TASK_ID}'" in line


def test_a_run_for_each_block_is_refused(refused, work):
    name = "lr/{SLURM_ARRAY_TASK_ID}"
    assert "every block would be a run of its own" in refused(*KNOWN, "--submit", "-r", name, "--", "true")
    line = refused(*KNOWN, "--submit", script(work, f"exec ckptrun -r '{name}' -- ./train"))
    assert line.startswith("train.sh names the run") and "--sweep N" in line


def test_trials_that_nothing_tells_apart_are_warned_about(plan, work):
    def told(*words, trials="3"):
        return plan(*KNOWN, "--sweep", trials, "-r", "lr/{SLURM_ARRAY_TASK_ID}", *words).stderr
    warning = "depends on {SLURM_ARRAY_TASK_ID}, so that all 3 trials compute the same"
    assert f"nothing in the command {warning}" in told("--", "python", "train.py")
    runs = "exec ckptrun -r 'lr/{SLURM_ARRAY_TASK_ID}' -- ./train"
    assert f"nothing in train.sh {warning}" in told(script(work, runs))
    assert told("--", "python", "train.py", trials="1") == ""
    assert told(script(work, f"{runs} $SLURM_ARRAY_TASK_ID")) == ""
    assert told(script(work, runs), "{SLURM_ARRAY_TASK_ID}") == ""
    (work / "train.py").write_text("import os\nseed = int(os.environ['SLURM_ARRAY_TASK_ID'])\n")
    assert told("--", "python", "train.py") == "" and told(script(work, f"{runs} train.py")) == ""


def test_nobody_promises_to_continue_a_trial(plan):
    assert "continued" not in plan("--blocks", "2", "--sweep", "3", "--", "true").stdout


def test_a_comparison_is_not_sent(refused):
    assert "--compare and --submit" in refused(*KNOWN, "--compare", "3m,5m", "--submit", "--", "true")


def test_a_rehearsal_can_be_sent_as_a_short_job(plan, site, work):
    plan("--rehearse", "2", "--epochs", "300", "--submit", "-r", "a", "--", "python", "train.py")
    [call] = sent(site)
    assert call == f"sbatch --parsable {work}/ckpt-runs/a/jobs/0001-rehearsal.sh"
    text = (work / "ckpt-runs/a/jobs/0001-rehearsal.sh").read_text()
    assert "--time=0-01:00:00" in text and "--array" not in text and "--signal" not in text
    assert f"ckptplan --rehearse 2 --epochs 300 -r {work}/ckpt-runs/a -- python train.py" in text


def test_a_rehearsal_that_is_sent_tells_of_settings_that_count_for_nothing(plan):
    result = plan("--rehearse", "2", "--submit", "-r", "a", "--", "true", SBATCH_WAIT="1", SBATCH_QOS="long")
    assert "SBATCH_WAIT of the environment" in result.stderr and "SBATCH_QOS" not in result.stderr


def test_what_a_plan_says_of_a_refusal_is_the_refusal_alone(refused, tool, site, work):
    for words in (['--job-option=--comment="x"', "--", "true"], ["-r", work / "a%b", "--", "true"]):
        for submit in ([], ["--submit"]):
            result = tool("ckptplan", *KNOWN, *submit, *words)
            assert result.returncode == 125 and result.stdout == "" and len(result.stderr.splitlines()) == 1


def test_a_plan_for_no_job_is_made_for_the_default_partition(plan, site):
    told = plan("--epochs", "300", "--epoch-time", "10s").stdout
    assert "1 h 00 min  the most that the default partition main allows\n" in told
    site["scontrol-show-partition.out"] = site["scontrol-show-partition.out"].replace("MaxTime=01:00:00", "MaxTime=3-0")
    told = plan("--epochs", "300", "--epoch-time", "10s").stdout
    assert "24 h 00 min  by custom (the default partition main allows 3 d 0 h); --limit says otherwise\n" in told
    site["scontrol-show-partition.out"] = site["scontrol-show-partition.out"].replace("Default=YES", "Default=NO")
    assert "24 h 00 min  by custom; --limit says otherwise\n" in plan("--epochs", "300", "--epoch-time", "10s").stdout


def test_a_plan_for_a_job_is_made_for_the_partition_that_the_environment_names(plan, refused, site):
    assert "the most that partition low allows" in plan("--epochs", "300", "--epoch-time", "10s", "--", "true",
                                                        SBATCH_PARTITION="low").stdout
    assert "no partition 'gpu'" in refused(*KNOWN, "--submit", "--", "true", SBATCH_PARTITION="gpu")


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(work, monkeypatch):
    """A repository with tracked, changed, new, large and ignored files; the test stands in its folder src."""
    (work / "src").mkdir()
    (work / "src/train.py").write_text("old")
    (work / "src/gone.py").write_text("deleted later")
    (work / ".gitignore").write_text("data/\nckpt-runs/\n")
    git(work, "init")
    git(work, "add", ".")
    git(work, "commit", "-m", "first")
    (work / "src/train.py").write_text("changed")
    (work / "src/gone.py").unlink()
    (work / "src/new.py").write_text("new")
    (work / "src/large.bin").write_bytes(bytes(2 << 20))
    (work / "data").mkdir()
    (work / "data/images").write_text("images")
    return work


def test_a_frozen_chain_runs_the_code_as_it_was(plan, site, project):
    result = plan(*KNOWN, "-r", "a", "--submit", "--freeze", "--", "python", "src/train.py")
    code = project / "ckpt-runs/a/code/0001"
    (project / "src/train.py").write_text("changed again")
    assert (code / "src/train.py").read_text() == "changed" and (code / "src/new.py").read_text() == "new"
    assert not (code / "src/gone.py").exists() and not (code / "ckpt-runs/a/code").is_symlink()
    assert (code / "data/images").read_text() == "images" and (code / "src/large.bin").stat().st_size == 2 << 20
    assert "left out of it" in result.stderr and "src/large.bin (2.00 MiB)" in result.stderr
    assert "data (ignored by git)" in result.stderr
    assert f"#SBATCH --chdir={code}\n" in (project / "ckpt-runs/a/jobs/0001-a.sh").read_text()


def test_a_second_copy_is_refused_where_the_first_may_hold_the_programs_own_files(refused, project, bin_directory):
    run = project / "ckpt-runs/a"
    code = run / "code/0001"
    for folder in (code, run / "blocks", run / "snapshots"):
        folder.mkdir(parents=True)
    subprocess.run([bin_directory / "ckptrun", "-r", run, "--here", "--", "false"], cwd=code, capture_output=True)
    line = refused(*KNOWN, "-r", "a", "--submit", "--freeze", "--", "false")
    assert "keeps files of its own" in line and str(code) in line


def test_a_repository_within_the_frozen_one_is_linked(plan, project):
    for name in ("new", "tracked"):
        (project / name).mkdir()
        (project / name / "file").write_text("nested")
        git(project / name, "init")
        git(project / name, "add", ".")
        git(project / name, "commit", "-m", "first")
    git(project, "add", "tracked")
    told = plan(*KNOWN, "-r", "a", "--submit", "--freeze", "--", "true").stderr
    for name in ("new", "tracked"):
        assert (project / "ckpt-runs/a/code/0001" / name / "file").read_text() == "nested"
        assert f"{name} (a repository of its own)" in told


def test_a_frozen_chain_starts_where_the_user_stood(bin_directory, site, project):
    result = subprocess.run([bin_directory / "ckptplan", *KNOWN, "-r", "a", "--submit", "--freeze", "--", "true"],
                            cwd=project / "src", text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    run = project / "src/ckpt-runs/a"
    assert f"#SBATCH --chdir={run}/code/0001/src\n" in (run / "jobs/0001-a.sh").read_text()
    assert (run / "code/0001/src/ckpt-runs/a").samefile(run)


def test_without_a_repository_nothing_is_frozen_or_sent(refused, work, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(work.parent))      # the tests may run inside this repository
    assert "git init" in refused(*KNOWN, "-r", "a", "--submit", "--freeze", "--", "true")
    assert not (work / "ckpt-runs").exists()


def test_code_that_cannot_be_copied_is_named_with_the_reason(refused, project, monkeypatch):
    os.mkfifo(project / "src/pipe")
    git(project, "add", "src/train.py")
    (project / "src/train.py").unlink()
    os.mkfifo(project / "src/train.py")
    line = refused(*KNOWN, "-r", "a", "--submit", "--freeze", "--", "true")
    assert f"--freeze cannot copy '{project}/src/train.py'" in line and "filesystem error" not in line
    assert not (project / "ckpt-runs").exists()


def manual_examples(repository):
    text = (repository / "docs/man/ckptplan.1").read_text()
    return re.findall(r"^\.Dl \$ (ckptplan .*)$", text, flags=re.MULTILINE)


def test_the_examples_of_the_manual_do_what_it_says(repository, site, project, bin_directory, monkeypatch):
    python = project / "bin/python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\nexec {bin_directory}/epoch_counter 300 20 10000\n")
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{python.parent}:{bin_directory}:{os.environ['PATH']}")
    (project / "train.py").write_text("")
    script(project)
    git(project, "add", "train.py")
    site["sbatch.run"] = "echo $((100 + $(grep -c ^sbatch calls)))"
    for command in (examples := manual_examples(repository)):
        if "--rehearse" in command:       # a machine of one's own
            ping = site["scontrol-ping.out"]
            del site["scontrol-ping.out"]
        if "--submit" in command:         # as the recorded site allows an hour only
            command = command.replace("ckptplan ", "ckptplan --limit 1h ")
        result = subprocess.run(command, shell=True, cwd=project, text=True, capture_output=True)
        assert result.returncode == 0, f"$ {command}\n{result.stdout}{result.stderr}"
        if "--rehearse" in command:
            site["scontrol-ping.out"] = ping
    assert len(examples) == 6 and len(sent(site)) == 1 + 1 + 3
