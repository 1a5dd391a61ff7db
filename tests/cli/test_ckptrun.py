# SPDX-License-Identifier: Apache-2.0
"""ckptrun from its command line: what a run is called, what is refused, what is written down."""
import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def ckptrun(tool):
    return lambda *arguments, **environment: tool("ckptrun", *arguments, **environment)


def blocks(run):
    return sorted(path.name for path in (run / "blocks").glob("????.json"))


def ledger(run, block=1):
    return [json.loads(line) for line in (run / f"blocks/{block:04}.ckptrun.jsonl").read_text().splitlines()]


def test_a_program_runs_with_its_input_output_and_arguments_untouched(bin_directory, work):
    done = subprocess.run([bin_directory / "ckptrun", "--", "sh", "-c", 'cat; echo "$0|$1" >&2', "a b", "--", "c"],
                          cwd=work, input="typed", text=True, capture_output=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout == "typed"
    assert "a b|--\n" in done.stderr


def test_a_run_is_named_after_the_script_and_lies_below_ckpt_runs(ckptrun, work):
    (work / "train.sh").write_text("exit 0\n")
    assert ckptrun("--", "sh", "train.sh").returncode == 0
    assert (work / "ckpt-runs/train/run.json").exists()


def test_a_run_can_be_named_with_variables_or_by_a_path(ckptrun, work):
    assert ckptrun("-r", "sweep/{TASK}", "--", "true", TASK="7").returncode == 0
    assert (work / "ckpt-runs/sweep/7/run.json").exists()
    assert ckptrun("--run", "./elsewhere", "--", "true").returncode == 0
    assert (work / "elsewhere/run.json").exists()


def test_a_variable_in_the_name_that_is_not_set_is_refused(ckptrun, work):
    done = ckptrun("-r", "sweep/{NO_SUCH_VARIABLE}", "--", "true")
    assert done.returncode == 125
    assert "NO_SUCH_VARIABLE" in done.stderr
    assert not (work / "ckpt-runs").exists()


def test_the_program_finds_its_run_in_the_environment(ckptrun, work):
    done = ckptrun("-r", "a", "--block-time", "1h", "--staging-size", "4K", "--", "env", CKPT_STEP="9", CKPT_RESUME="/x")
    environment = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("CKPT_"))
    assert environment["CKPT_RUN"] == "a"
    assert environment["CKPT_RUN_DIR"] == str(work / "ckpt-runs/a")
    assert environment["CKPT_BLOCK"] == "1"
    assert environment["CKPT_STATION"]
    assert int(environment["CKPT_DEADLINE"]) > 1_700_000_000
    assert environment["CKPT_STAGING_SIZE"] == "4096"
    assert "CKPT_STEP" not in environment and "CKPT_RESUME" not in environment


def test_without_a_block_time_there_is_no_deadline(ckptrun):
    assert "CKPT_DEADLINE" not in ckptrun("--", "env", CKPT_DEADLINE="1").stdout


def test_a_program_is_told_which_snapshot_is_the_newest(ckptrun, work, bin_directory):
    script = 'echo "$CKPT_STEP $CKPT_RESUME"; exec "$0" "$@"'
    done = ckptrun("-r", "a", "--", "sh", "-c", script, bin_directory / "fake_program",
                   "block:1", "attach", "snapshot:5", "end:stopped", "exit:85", "block:2", "attach", "end:finished")
    assert done.returncode == 0
    assert f"5 {work}/ckpt-runs/a/snapshots/step-000000000005-b0001.h5" in done.stdout


def test_what_happens_is_written_down(ckptrun, work):
    ckptrun("-r", "a", "--", "sh", "-c", "exit 3")
    run = work / "ckpt-runs/a"
    assert json.loads((run / "run.json").read_text())["command"] == ["sh", "-c", "exit 3"]
    assert [line["event"] for line in ledger(run)] == ["started", "surroundings", "ended", "decision"]
    assert ledger(run)[2]["exit_code"] == 3
    end = json.loads((run / "blocks/0001.end.json").read_text())
    assert (end["outcome"], end["exit_code"]) == ("crashed", 3)
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["block"], status["run"]) == ("stopped", 1, "a")


def test_a_run_is_private(ckptrun, work):
    ckptrun("-r", "a", "--", "true")
    run = work / "ckpt-runs/a"
    assert run.stat().st_mode & 0o777 == 0o700
    assert (run / "run.json").stat().st_mode & 0o077 == 0
    assert (run / "blocks/0001.json").stat().st_mode & 0o077 == 0


def test_messages_are_short_lines_with_our_name_and_quiet_leaves_them_out(ckptrun):
    loud = ckptrun("-r", "a", "--", "true")
    assert loud.stderr and all(line.startswith("ckptrun: ") for line in loud.stderr.splitlines())
    assert ckptrun("-q", "-r", "b", "--", "true").stderr == ""
    assert "exit code 3" in ckptrun("-q", "-r", "c", "--", "sh", "-c", "exit 3").stderr


def test_help_has_examples_and_exit_codes_and_the_version_is_told(ckptrun):
    text = ckptrun("--help")
    assert text.returncode == 0
    assert "Examples:" in text.stdout and "Exit codes:" in text.stdout and "--block-time" in text.stdout
    assert ckptrun("--version").stdout.startswith("ckptrun 0.")


@pytest.mark.parametrize("arguments, told", [
    ([], "no command"),
    (["true"], "--"),
    (["3", "./fast"], "not expected here: 3 ./fast; the command goes after '--'"),
    (["--"], "no command"),
    (["--no-such-option", "--", "true"], "--no-such-option"),
    (["--block-time", "soon", "--", "true"], "soon"),
    (["--block-time", "0s", "--", "true"], "--block-time"),
    (["--block-time", "-5m", "--", "true"], "-5m"),
    (["--mtbf", "1 fortnight", "--", "true"], "--mtbf"),
    (["--save-interval", "often", "--", "true"], "often"),
    (["--staging-size", "big", "--", "true"], "big"),
    (["--keep", "0", "--", "true"], "--keep"),
    (["--keep", "two", "--", "true"], "--keep"),
    (["-r", "/", "--", "true"], "root directory"),
])
def test_bad_usage_is_125_one_line_that_names_it_and_nothing_made(ckptrun, work, arguments, told):
    done = ckptrun(*arguments)
    assert done.returncode == 125
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (work / "ckpt-runs").exists()


def test_a_command_that_does_not_exist_is_127_and_no_block_is_claimed(ckptrun, work):
    done = ckptrun("--", "no-such-command")
    assert done.returncode == 127
    assert "no-such-command" in done.stderr
    assert not (work / "ckpt-runs").exists()


def test_a_file_that_is_not_executable_is_126(ckptrun, work):
    (work / "data").write_text("x")
    done = ckptrun("--", "./data")
    assert done.returncode == 126
    assert "chmod" in done.stderr


def test_a_script_whose_interpreter_is_missing_is_127_and_is_not_tried_again(ckptrun, work):
    script = work / "tool"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    done = ckptrun("-r", "a", "--", "./tool")
    assert done.returncode == 127
    assert "No such file" in done.stderr
    assert blocks(work / "ckpt-runs/a") == ["0001.json"]


def test_a_run_directory_that_is_a_file_is_refused(ckptrun, work):
    (work / "occupied").write_text("mine")
    done = ckptrun("-r", "./occupied", "--", "true")
    assert done.returncode == 125
    assert "occupied" in done.stderr
    assert (work / "occupied").read_text() == "mine"


def test_another_command_in_the_same_run_is_refused_with_the_difference(ckptrun, work):
    assert ckptrun("-r", "a", "--", "sh", "-c", "exit 85", "x", "--lr", "0.1").returncode == 124
    done = ckptrun("-r", "a", "--", "sh", "-c", "exit 0", "x", "--lr", "0.1")
    assert done.returncode == 125
    assert "'exit 85'" in done.stderr and "'exit 0'" in done.stderr
    assert "--accept-changes" in done.stderr and "--fresh" in done.stderr and "--run" in done.stderr
    assert len(blocks(work / "ckpt-runs/a")) == 5


def test_another_command_is_accepted_on_request_and_remembered(ckptrun):
    ckptrun("-r", "a", "--", "sh", "-c", "exit 3")
    done = ckptrun("-r", "a", "--accept-changes", "--", "sh", "-c", "exit 0")
    assert done.returncode == 0
    assert "'exit 3'" in done.stderr
    assert "complete" in ckptrun("-r", "a", "--", "sh", "-c", "exit 0").stderr


def edited_between_two_blocks(ckptrun, work, *words):
    (work / "model.py").write_text("layers = 3")
    (work / "train.py").write_text("import model, sys; sys.exit(3)")
    command = ["-r", "a", *words, "--", sys.executable, "train.py"]
    ckptrun(*command)
    assert "changed" not in ckptrun(*command).stderr
    (work / "model.py").write_text("layers = 4")
    return command


def test_code_that_was_edited_between_two_blocks_is_warned_about_and_shown(ckptrun, work, tool, tool_json):
    command = edited_between_two_blocks(ckptrun, work)
    told = ckptrun(*command)
    assert told.returncode == 3 and "model.py has changed" in told.stderr
    assert "model.py has changed" in tool("ckpt", "status", "a").stdout
    assert "changed before block 3: model.py has changed" in tool("ckpt", "show", "a").stdout
    assert tool_json("ckpt", "status", "a")["changed"] == "model.py has changed"
    assert "changed" not in ckptrun(*command).stderr       # it is what the newest block ran with


def test_strict_refuses_code_that_was_edited_until_it_is_accepted(ckptrun, work):
    command = edited_between_two_blocks(ckptrun, work, "--strict")
    told = ckptrun(*command)
    assert told.returncode == 125 and "model.py has changed" in told.stderr and "--accept-changes" in told.stderr
    assert len(blocks(work / "ckpt-runs/a")) == 2
    assert ckptrun("--accept-changes", *command).returncode == 3
    assert ckptrun(*command).returncode == 3


def test_a_complete_run_started_again_is_0_does_nothing_and_says_what_to_do(ckptrun, work):
    ckptrun("-r", "a", "--", "sh", "-c", "echo ran >> log")
    done = ckptrun("-r", "a", "--", "sh", "-c", "echo ran >> log")
    assert done.returncode == 0
    assert "complete" in done.stderr and "--fresh" in done.stderr
    assert (work / "log").read_text() == "ran\n"


def test_a_complete_run_is_reopened_on_request(ckptrun, work):
    for _ in range(2):
        assert ckptrun("-r", "a", "--accept-changes", "--", "sh", "-c", "echo ran >> log").returncode == 0
    assert (work / "log").read_text() == "ran\nran\n"
    assert len(blocks(work / "ckpt-runs/a")) == 2


def test_a_fresh_start_moves_the_old_run_aside_whole(ckptrun, work):
    ckptrun("-r", "a", "--", "sh", "-c", "exit 3")
    for old_runs in (1, 2):
        assert ckptrun("-r", "a", "--fresh", "--", "true").returncode == 0
        assert blocks(work / "ckpt-runs/a") == ["0001.json"]
        assert len(list((work / "ckpt-runs").glob("a.old-*"))) == old_runs
    assert any(json.loads((old / "run.json").read_text())["command"][-1] == "exit 3"
               for old in (work / "ckpt-runs").glob("a.old-*"))


def test_a_job_id_among_the_words_is_no_other_command(ckptrun):
    assert ckptrun("--here", "-r", "a", "--", "sh", "-c", "exit 3", "job-4711", SLURM_JOB_ID="4711").returncode == 3
    assert ckptrun("--here", "-r", "a", "--", "sh", "-c", "exit 3", "job-4712", SLURM_JOB_ID="4712").returncode == 3
    assert ckptrun("--here", "-r", "a", "--", "sh", "-c", "exit 3", "job-4711", SLURM_JOB_ID="4712").returncode == 125


def test_a_ckptrun_inside_its_own_run_is_refused_instead_of_waiting_for_itself(ckptrun, bin_directory):
    done = ckptrun("-r", "a", "--", bin_directory / "ckptrun", "-r", "a", "--", "true")
    assert done.returncode == 125
    assert "wait for itself" in done.stderr


def test_one_of_several_tasks_of_a_launcher_is_refused_with_the_right_order(ckptrun, work):
    done = ckptrun("--", "true", SLURM_STEP_NUM_TASKS="2")
    assert done.returncode == 125 and "2 tasks" in done.stderr and "ckptrun -- LAUNCHER true" in done.stderr
    assert not (work / "ckpt-runs").exists()
    assert ckptrun("--", "true", SLURM_STEP_NUM_TASKS="1", WORLD_SIZE="8").returncode == 0


def test_a_ckptrun_inside_another_run_is_a_run_of_its_own(ckptrun, bin_directory, work):
    assert ckptrun("-r", "a", "--", bin_directory / "ckptrun", "-r", "b", "--", "env").returncode == 0
    assert (work / "ckpt-runs/b/blocks/0001.end.json").exists()


def test_the_configuration_reaches_the_program(ckptrun, bin_directory):
    done = ckptrun("--keep", "3", "--mtbf", "2h", "--save-interval", "90s", "--block-time", "100s", "--",
                   bin_directory / "fake_program", "attach", "config", "times", "end:finished")
    assert done.returncode == 0, done.stderr
    assert {"keep=3", "mtbf=7200s", "save_interval=90s"} <= set(done.stdout.splitlines())
    block, end, deadline = map(float, done.stdout.splitlines()[-1].split())
    assert block == 100
    assert 0 < deadline <= end - 10 <= 90


def test_a_volume_too_full_for_the_snapshots_to_come_is_warned_about(ckptrun, bin_directory, work):
    fake = bin_directory / "fake_program"
    ckptrun("-r", "a", "--", fake, "attach", "snapshot:5", "raise:9")
    snapshot = next((work / "ckpt-runs/a/snapshots").iterdir())
    os.truncate(snapshot, 1 << 43)     # sparse
    done = ckptrun("-r", "a", "--keep", "9", "--", fake, "attach", "snapshot:5", "raise:9")
    assert "free" in done.stderr and "--keep" in done.stderr
