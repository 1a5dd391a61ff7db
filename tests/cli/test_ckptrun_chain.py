# SPDX-License-Identifier: Apache-2.0
"""How blocks end, what the chain does then, and what ckptrun exits with: the table of outcomes, row by row."""
import json
import signal

import pytest


@pytest.fixture
def run(work):
    return work / "ckpt-runs/a"


@pytest.fixture
def linked(tool, bin_directory):
    """A program that speaks with ckptrun as libckpt does, and does what the words say."""
    return lambda *words, options=(): tool("ckptrun", "-r", "a", *options, "--", bin_directory / "fake_program", *words)


@pytest.fixture
def wrapped(tool):
    return lambda script, options=(): tool("ckptrun", "-r", "a", *options, "--", "sh", "-c", script)


def outcomes(run):
    return [json.loads(path.read_text())["outcome"] for path in sorted((run / "blocks").glob("*.end.json"))]


def decisions(run):
    return [json.loads(line)["decision"] for path in sorted((run / "blocks").glob("*.ckptrun.jsonl"))
            for line in path.read_text().splitlines() if json.loads(line)["event"] == "decision"]


# ---- a program that links libckpt ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 85])
def test_linked_and_finished_is_complete_with_the_programs_code(linked, run, code):
    done = linked("attach", "snapshot:5", "end:finished", f"exit:{code}")
    assert done.returncode == code
    assert outcomes(run) == ["finished"] and decisions(run) == ["complete"]
    assert ("warning" in done.stderr) == (code != 0)


@pytest.mark.parametrize("code", [0, 1, 85])
def test_linked_and_stopped_is_continued_whatever_the_code(linked, run, code):
    done = linked("block:1", "attach", "snapshot:5", "end:stopped", f"exit:{code}", "block:2", "attach", "end:finished")
    assert done.returncode == 0
    assert outcomes(run) == ["stopped", "finished"] and decisions(run) == ["resume", "complete"]
    assert "block 2 starts from step 5 (block 1)" in done.stderr


def test_a_block_that_fell_back_and_comes_to_the_step_of_the_damaged_snapshot_again_made_progress(tool, bin_directory, run):
    fake, damaged = bin_directory / "fake_program", run / "snapshots/step-000000000010-b0001.h5"
    done = tool("ckptrun", "-r", "a", "--", "sh", "-c",
                f'case $CKPT_BLOCK in 1) exec {fake} attach snapshot:5 snapshot:10 end:stopped exit:85;; '
                f'2) mv {damaged} {damaged}.damaged-b0002; exec {fake} attach snapshot:10 end:stopped exit:85;; '
                f'*) exec {fake} attach end:finished;; esac')
    assert done.returncode == 0, done.stderr
    assert decisions(run) == ["resume", "resume", "complete"]


def test_linked_and_finished_counts_when_only_the_station_heard_it(linked, run):
    assert linked("attach", "snapshot:5", "tell:finished").returncode == 0
    assert outcomes(run) == ["finished"]


def test_linked_exit_0_without_finish_is_a_crash_with_a_hint(linked, run):
    done = linked("attach", "exit:0")
    assert done.returncode == 1
    assert outcomes(run) == ["crashed"]
    assert "ckpt_finish" in done.stderr


def test_linked_exit_85_without_a_recorded_stop_is_a_crash(linked, run):
    done = linked("attach", "exit:85")
    assert done.returncode == 85
    assert outcomes(run) == ["crashed"]


def test_a_run_that_linked_once_is_judged_as_linked_for_good(linked, tool, run):
    linked("attach", "snapshot:5", "raise:9")
    done = tool("ckptrun", "-r", "a", "--accept-changes", "--", "true")
    assert done.returncode == 124
    assert "ckpt_finish" in done.stderr


def test_a_crash_before_the_first_safe_point_is_not_retried(linked, run):
    done = linked("attach", "exit:3")
    assert done.returncode == 3
    assert outcomes(run) == ["crashed"] and decisions(run) == ["fail"]
    assert "first safe point" in done.stderr


def test_a_crash_with_a_snapshot_is_retried_once_and_may_succeed(linked, run):
    done = linked("block:1", "attach", "snapshot:5", "raise:6", "block:2", "attach", "snapshot:9", "end:finished")
    assert done.returncode == 0
    assert decisions(run) == ["retry", "complete"]
    assert "killed by SIGABRT" in done.stderr


def test_the_same_step_failing_twice_stops_the_chain(linked, run):
    done = linked("block:1", "attach", "snapshot:5", "raise:9", "block:any", "attach", "exit:1")
    assert done.returncode == 124
    assert decisions(run) == ["retry", "stop"]
    assert "failed twice" in done.stderr
    assert json.loads((run / "status.json").read_text())["state"] == "stopped"


def test_a_snapshot_between_two_crashes_makes_the_second_a_first_one(linked, run):
    done = linked("block:1", "attach", "snapshot:5", "raise:9", "block:2", "attach", "snapshot:6", "raise:9",
                  "block:3", "attach", "exit:1", "block:4", "attach", "end:finished")
    assert done.returncode == 124
    assert decisions(run) == ["retry", "retry", "stop"]


def test_a_stopped_chain_does_not_bind_an_explicit_new_start(linked, run):
    words = ("block:1", "attach", "snapshot:5", "raise:9", "block:2", "attach", "exit:1", "block:3", "attach", "exit:1",
             "block:4", "attach", "end:finished")
    assert linked(*words).returncode == 124
    assert linked(*words).returncode == 0
    assert decisions(run) == ["retry", "stop", "retry", "complete"]


def test_a_block_that_stopped_without_a_newer_snapshot_stops_the_chain(linked, run):
    done = linked("block:1", "attach", "snapshot:5", "end:stopped", "exit:85", "block:2", "attach", "end:stopped", "exit:85")
    assert done.returncode == 124
    assert "no progress" in done.stderr and "step 5 (block 1)" in done.stderr


def test_a_step_that_does_not_fit_a_block_stops_the_chain_with_the_arithmetic_and_is_refused_next_time(linked, run):
    words = ("block:1", "attach", "snapshot:5", "end:stopped", "block:2", "attach", "points:7200", "end:stopped")
    done = linked(*words, options=("--block-time", "1h"))
    assert done.returncode == 124
    assert "one step (2 h 00 min)" in done.stderr and "safe points" in done.stderr
    refused = linked(*words, options=("--block-time", "1h"))
    assert refused.returncode == 124
    assert "one step (2 h 00 min)" in refused.stderr
    assert len(outcomes(run)) == 2


def test_a_run_whose_snapshots_are_all_gone_is_not_tried_again_and_again(linked, run):
    linked("block:1", "attach", "snapshot:5", "raise:9", "block:any", "attach", "exit:1")
    for snapshot in (run / "snapshots").iterdir():
        snapshot.unlink()
    done = linked("block:1", "attach", "snapshot:5", "raise:9", "block:any", "attach", "exit:1")
    assert done.returncode == 124
    assert "none is left" in done.stderr
    assert len(outcomes(run)) == 2


def test_a_program_that_comes_when_a_newer_block_has_begun_computes_nothing(tool, bin_directory, work, run):
    newer = f'cp {run}/blocks/0001.json {run}/blocks/0002.json; exec "$0" "$@"'
    counter = [bin_directory / "checked_counter", 20, 1000, 10, work / "log", 10]
    done = tool("ckptrun", "-r", "a", "--", "sh", "-c", newer, *counter)
    assert done.returncode != 0 and "block 1 of run" in done.stderr and "no longer the newest" in done.stderr
    assert [line.split()[0] for line in (work / "log").read_text().splitlines()] == ["start", "left"]


def test_only_one_program_of_a_block_is_served(tool, bin_directory):
    fake = bin_directory / "fake_program"
    done = tool("ckptrun", "-r", "a", "--", "sh", "-c",
                f"{fake} attach touch:attached wait-stop & until [ -e attached ]; do sleep 0.01; done; {fake} attach; "
                "kill $!; wait")
    assert "accepted" in done.stdout
    assert "refused: process" in done.stdout


def test_when_the_served_program_ends_unfinished_the_next_one_is_served(tool, bin_directory):
    fake = bin_directory / "fake_program"
    done = tool("ckptrun", "-r", "a", "--", "sh", "-c", f"{fake} attach exit:3; {fake} attach end:finished; {fake} attach")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:2] == ["accepted", "accepted"]
    assert done.stdout.splitlines()[2].startswith("refused: ")


# ---- a program that is only wrapped ----------------------------------------------------------------------------------


def test_wrapped_exit_0_is_complete(wrapped, run):
    assert wrapped("exit 0").returncode == 0
    assert outcomes(run) == ["finished"] and decisions(run) == ["complete"]


def test_wrapped_exit_85_is_continued_until_it_is_complete(wrapped, run):
    done = wrapped('[ "$CKPT_BLOCK" = 3 ] || exit 85')
    assert done.returncode == 0
    assert outcomes(run) == ["stopped", "stopped", "finished"]


@pytest.mark.parametrize("script, code", [("exit 3", 3), ("kill -KILL $$", 137), ("kill -SEGV $$", 139), ("exit 124", 124)])
def test_wrapped_anything_else_is_a_crash_that_is_not_retried(wrapped, run, script, code):
    assert wrapped(script).returncode == code
    assert outcomes(run) == ["crashed"] and decisions(run) == ["fail"]


def test_wrapped_a_crash_after_a_block_that_can_be_continued_is_retried_once(wrapped, run):
    done = wrapped('case $CKPT_BLOCK in 1) exit 85;; 2) exit 3;; 3) exit 85;; *) exit 4;; esac')
    assert done.returncode == 124
    assert outcomes(run) == ["stopped", "crashed", "stopped", "crashed", "crashed"]


def test_wrapped_blocks_that_end_at_once_with_85_do_not_burn_for_ever(wrapped, run):
    done = wrapped("exit 85")
    assert done.returncode == 124
    assert "no progress" in done.stderr
    assert len(outcomes(run)) == 5


# ---- the block's time ----------------------------------------------------------------------------------------------------


def test_a_wrapped_program_gets_term_once_at_the_deadline_and_may_say_85(wrapped, run, work):
    script = '[ "$CKPT_BLOCK" = 2 ] && exit 0; trap "echo term >> terms; exit 85" TERM; while :; do sleep 0.01; done'
    done = wrapped(script, options=("--block-time", "2s"))
    assert done.returncode == 0, done.stderr
    assert outcomes(run) == ["stopped", "finished"]
    assert (work / "terms").read_text() == "term\n"


def test_a_wrapped_program_that_exits_0_after_it_was_asked_to_stop_is_a_crash_that_is_explained(wrapped, run):
    done = wrapped('trap "exit 0" TERM; while :; do sleep 0.01; done', options=("--block-time", "2s"))
    assert done.returncode == 1
    assert outcomes(run) == ["crashed"]
    assert "not known" in done.stderr


def test_a_program_that_does_not_stop_is_killed_at_the_end_of_its_block(wrapped, run):
    done = wrapped('trap "" TERM; while :; do sleep 0.01; done', options=("--block-time", "500ms"))
    assert done.returncode == 128 + signal.SIGKILL
    assert "time was up" in done.stderr


def test_an_attached_program_is_asked_at_the_deadline_and_not_signalled(linked, run):
    done = linked("block:1", "attach", "wait-stop", "snapshot:5", "end:stopped", "exit:85", "block:2", "attach",
                  "end:finished", options=("--block-time", "2s"))
    assert done.returncode == 0, done.stderr
    assert "stop: the block's time is up" in done.stdout
    assert outcomes(run) == ["stopped", "finished"]


def test_an_attached_program_that_was_killed_at_the_end_goes_on_if_it_saved_else_the_chain_stops(linked, run):
    done = linked("block:1", "attach", "snapshot:5", "sleep", "block:any", "attach", "sleep",
                  options=("--block-time", "400ms"))
    assert done.returncode == 124
    assert decisions(run) == ["resume", "stop"]
    assert "no progress" in done.stderr


# ---- what follows the end of a chain -----------------------------------------------------------------------------------


@pytest.fixture
def hooked(linked, work):
    told = 'echo "$CKPT_OUTCOME $CKPT_RUN $CKPT_STEP $CKPT_REASON" >> '
    options = ("--on-complete", told + "complete", "--on-stop", told + "stopped")
    return lambda *words: linked(*words, options=options)


def test_a_command_runs_when_the_work_is_complete_and_is_told_about_it(hooked, work):
    assert hooked("block:1", "attach", "snapshot:5", "end:stopped", "exit:85", "block:2", "attach", "snapshot:9",
                  "end:finished").returncode == 0
    assert (work / "complete").read_text().startswith("complete a 9 finished")
    assert not (work / "stopped").exists()


def test_a_command_runs_when_the_chain_stops_and_is_told_why(hooked, work):
    assert hooked("attach", "exit:3").returncode == 3
    assert (work / "stopped").read_text().startswith("stopped a  exit code 3")
    assert not (work / "complete").exists()


def test_a_run_that_was_complete_before_runs_no_command_again(hooked, work):
    hooked("attach", "end:finished")
    assert hooked("attach", "end:finished").returncode == 0
    assert len((work / "complete").read_text().splitlines()) == 1


def test_a_command_that_fails_is_a_warning_and_changes_no_exit_code(linked):
    done = linked("attach", "end:finished", options=("--on-complete", "exit 7"))
    assert done.returncode == 0
    assert "warning: --on-complete 'exit 7' ended with exit code 7" in done.stderr


def test_a_program_that_fails_at_the_same_step_again_is_stopped_although_it_saved_on_the_way(tool, bin_directory, run):
    done = tool("ckptrun", "-r", "a", "--block-time", "4s", "--", bin_directory / "epoch_counter", 1, 1000, 5000, 200)
    assert done.returncode == 124 and "the same step failed twice" in done.stderr
    *earlier, last = decisions(run)
    assert last == "stop" and set(earlier) == {"retry"} and len(earlier) <= 2      # it is heard of once a second
    assert len({path.stem[-4:] for path in (run / "snapshots").glob("step-*.h5")}) == 2, "each block saved"
