# SPDX-License-Identifier: Apache-2.0
"""A person's hand on a run: ckpt keep, rollback, fork, rm."""
import json
import os
import pty
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from told_run import ToldRun, process_elsewhere

STEPS, SAVE_EVERY = 100, 20


@pytest.fixture
def ckpt(tool):
    return lambda *arguments, **environment: tool("ckpt", *arguments, **environment)


@pytest.fixture
def counter(bin_directory, tool, work):
    """counter("a"): goes on with that run until step 100, saves every 20 steps; answers what the program said."""
    def run(name, *options, steps=STEPS, keep=5):
        log = work / f"{name}.log"
        said = len(log.read_text()) if log.exists() else 0
        told = tool("ckptrun", "-r", name, "--allow-volatile", "--keep", keep, *options, "--",
                    bin_directory / "checked_counter", steps, 1000, 10, log, SAVE_EVERY)
        assert told.returncode == 0, told.stderr
        return log.read_text()[said:].splitlines()[1:]
    return run


@pytest.fixture
def living(start, bin_directory, work, eventually):
    """The directory of the run "live" with a durable snapshot, and whose program goes on."""
    log = work / "live.log"
    process = start("ckptrun", "-r", "live", "--allow-volatile", "--", bin_directory / "checked_counter", 0, 1000, 500, log,
                    SAVE_EVERY)
    eventually(lambda: log.exists() and "durable" in log.read_text(), "a durable snapshot")
    yield work / "ckpt-runs/live"
    process.terminate()
    process.wait()


def steps_of(tool_json, run):
    return [snapshot["step"] for snapshot in tool_json("ckpt", "ls", run)["snapshots"]]


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# ---- keep --------------------------------------------------------------------------------------------------------------

def test_a_kept_snapshot_outlives_retention(ckpt, counter, work):
    counter("a")
    told = ckpt("keep", 40, "best", "-r", "a")
    assert told.returncode == 0 and told.stdout.startswith("kept  step 40 of a as best: ")
    counter("a", "--accept-changes", keep=1, steps=200)
    assert json.loads(ckpt("show", work / "ckpt-runs/a/kept/best.h5", "--json").stdout)["step"] == 40
    assert ckpt("verify", "a").returncode == 0


def test_a_snapshot_can_be_named_by_its_file_and_a_name_goes_over_to_another(ckpt, counter, tool_json, work):
    counter("a")
    run = work / "ckpt-runs/a"
    for step in (40, 60):
        [path] = run.glob(f"snapshots/step-*{step}-b*.h5")
        told = tool_json("ckpt", "keep", path, "best")
        assert (told["run"], told["step"], told["name"], told["file"]) == ("a", step, "best", str(run / "kept/best.h5"))
    assert (run / "kept/best.h5").samefile(path)


def test_a_step_that_is_only_kept_can_be_kept_under_another_name(ckpt, counter, tool_json, work):
    counter("a")
    assert ckpt("keep", 40, "best", "-r", "a").returncode == 0
    counter("a", "--accept-changes", keep=1, steps=200)
    assert tool_json("ckpt", "keep", 40, "first", "-r", "a")["step"] == 40
    assert (work / "ckpt-runs/a/kept/first.h5").samefile(work / "ckpt-runs/a/kept/best.h5")


def test_a_running_run_can_have_a_snapshot_kept(ckpt, living):
    newest = max(living.glob("snapshots/step-*.h5"))
    assert ckpt("keep", newest, "early").returncode == 0 or not newest.exists()      # pruned meanwhile


@pytest.mark.parametrize("words, reason", [
    ((17, "best"), "has no snapshot of step 17"), (("newest", "best"), "'newest' is no step"),
    ((40, "../best"), "no '/'"), (("a.log", "best"), "is no snapshot of a run")])
def test_keep_refuses_what_it_cannot_keep_and_says_why(ckpt, counter, words, reason):
    counter("a")
    told = ckpt("keep", *words, "-r", "a")
    assert told.returncode == 125 and reason in told.stderr and told.stderr.count("\n") == 1


def test_a_damaged_snapshot_is_not_kept(ckpt, counter, work):
    counter("a")
    [path] = work.glob("ckpt-runs/a/snapshots/step-*40-b*.h5")
    flip_a_bit(path)
    told = ckpt("keep", 40, "best", "-r", "a")
    assert told.returncode == 125 and path.name in told.stderr and "damaged" in told.stderr
    assert not list(work.glob("ckpt-runs/a/kept/*"))


# ---- rollback ------------------------------------------------------------------------------------------------------------

def test_a_run_rolled_back_goes_on_from_that_step_and_ends_with_the_same_bytes(ckpt, counter, tool_json):
    assert counter("a")[0] == "fresh"
    told = ckpt("rollback", "a", 40)
    assert (told.returncode, told.stdout) == (0, "a goes on from step 40 when it is started next\n")
    assert ckpt("done", "a").returncode == 1
    assert steps_of(tool_json, "a")[:2] == [40, 100]       # nothing is removed
    said = counter("a")
    assert said[0] == "restored 40 exact" and said[-1] == "finished 100 exact"
    blocks = tool_json("ckpt", "show", "a")["blocks"]
    assert blocks[1]["outcome"] == "stopped" and "rolled back to step 40 by" in blocks[1]["reason"]


def test_a_rollback_may_be_rolled_back(ckpt, counter):
    counter("a")
    for step in (40, 80, 20):
        assert ckpt("rollback", "a", step).returncode == 0
    assert counter("a")[0] == "restored 20 exact"


def test_rollback_finds_a_step_that_is_only_kept(ckpt, counter):
    counter("a")
    ckpt("keep", 20, "early", "-r", "a")
    counter("a", "--accept-changes", keep=1, steps=200)
    assert ckpt("rollback", "a", 20).returncode == 0
    assert counter("a", "--accept-changes", steps=200)[0] == "restored 20 exact"


def test_a_snapshot_that_is_kept_is_meant_by_its_name_and_listed_with_its_step(ckpt, counter, tool_json):
    counter("a")
    ckpt("keep", 20, "early", "-r", "a")
    assert [(kept["name"], kept["step"]) for kept in tool_json("ckpt", "ls", "a")["kept"]] == [("early", 20)]
    assert ckpt("rollback", "a", "early").stdout == "a goes on from step 20 when it is started next\n"
    assert ckpt("fork", "a", "b", "--at", "early").returncode == 0
    assert counter("b", "--accept-changes")[0] == "restored 20 exact"
    told = ckpt("rollback", "a", "erly")
    assert told.returncode == 125 and "a keeps no snapshot as 'erly'; it keeps: early" in told.stderr


def test_rollback_to_a_damaged_snapshot_is_refused_and_changes_nothing(ckpt, counter, tool_json, work):
    counter("a")
    [path] = work.glob("ckpt-runs/a/snapshots/step-*40-b*.h5")
    flip_a_bit(path)
    told = ckpt("rollback", "a", 40)
    assert told.returncode == 125 and path.name in told.stderr and "damaged" in told.stderr
    assert ckpt("done", "a").returncode == 0
    assert len(tool_json("ckpt", "show", "a")["blocks"]) == 1


def test_rollback_to_a_step_without_a_snapshot_names_those_there_are(ckpt, counter):
    counter("a")
    told = ckpt("rollback", "a", 41)
    assert told.returncode == 125 and "it has: 20, 40, 60, 80, 100" in told.stderr


@pytest.mark.parametrize("verb", [("rollback", "live", 20), ("rm", "live", "--yes")])
def test_a_run_in_use_is_neither_rolled_back_nor_removed(ckpt, living, verb):
    told = ckpt(*verb)
    assert told.returncode == 125 and "in use" in told.stderr and "ckpt stop live" in told.stderr
    assert list(living.glob("snapshots/step-*.h5"))


@pytest.mark.parametrize("verb", [("rollback", "a", 20), ("rm", "a", "--yes")])
def test_a_run_whose_owner_cannot_be_seen_is_neither_rolled_back_nor_removed(ckpt, work, verb):
    ToldRun(work / "ckpt-runs/a").block(1, ago=60, who=process_elsewhere())
    told = ckpt(*verb)
    assert told.returncode == 125 and "ckpt unlock a" in told.stderr


# ---- fork --------------------------------------------------------------------------------------------------------------

def test_a_fork_begins_with_the_newest_snapshot_or_that_of_a_step_and_leaves_the_other_run_alone(ckpt, counter, tool_json):
    counter("a")
    assert ckpt("fork", "a", "newest", "--allow-volatile").returncode == 0
    told = tool_json("ckpt", "fork", "a", "early", "--at", 40, "--allow-volatile")
    assert (told["run"], told["step"]) == ("early", 40)
    assert counter("newest", steps=200)[0] == "restored 100 exact"
    assert counter("early", steps=60)[0] == "restored 40 exact"
    assert steps_of(tool_json, "a") == [100, 80, 60, 40, 20]
    assert ckpt("done", "a").returncode == 0
    assert "forked from step 40 of" in tool_json("ckpt", "show", "early")["blocks"][0]["reason"]


def test_a_run_in_use_can_be_forked_although_its_snapshots_come_and_go(ckpt, living, tool_json):
    for name in "abcdefgh":
        told = tool_json("ckpt", "fork", "live", name, "--allow-volatile")
        assert steps_of(tool_json, name) == [told["step"]]
        assert ckpt("verify", name).returncode == 0


def test_a_fork_of_a_damaged_snapshot_is_refused_and_leaves_nothing(ckpt, counter, work):
    counter("a")
    [path] = work.glob("ckpt-runs/a/snapshots/step-*60-b*.h5")
    flip_a_bit(path)
    told = ckpt("fork", "a", "b", "--at", 60, "--allow-volatile")
    assert told.returncode == 125 and f"there is no fork from {path}" in told.stderr and "damaged" in told.stderr
    assert not (work / "ckpt-runs/b").exists() and path.exists()


def test_a_fork_onto_something_is_refused(ckpt, counter, work):
    counter("a")
    (work / "ckpt-runs/b").mkdir()
    told = ckpt("fork", "a", "b")
    assert told.returncode == 125 and "is there already" in told.stderr
    assert not list((work / "ckpt-runs/b").iterdir())


@pytest.fixture
def elsewhere(work):
    """A directory on another file system than the runs, so that a fork into it has to copy."""
    memory = Path("/dev/shm")
    if memory.stat().st_dev == work.stat().st_dev:
        memory = Path("/var/tmp")
    if memory.stat().st_dev == work.stat().st_dev:
        pytest.skip("there is one file system only, where a fork is a link")
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        yield Path(directory)


def test_a_fork_that_fails_leaves_nothing(bin_directory, counter, elsewhere):
    counter("a")
    told = subprocess.run(["prlimit", "--fsize=2000", bin_directory / "ckpt", "fork", "a", elsewhere / "b", "--allow-volatile"],
                          text=True, capture_output=True)
    assert told.returncode == 125 and "cannot make" in told.stderr and "File too large" in told.stderr
    assert not list(elsewhere.iterdir())


def test_a_fork_needs_a_name(ckpt, counter):
    counter("a")
    told = ckpt("fork", "a", "")
    assert told.returncode == 125 and "NEW: the value is empty" in told.stderr


def half_forked(run):
    """As a kill in the midst of its copy leaves it."""
    [end] = run.glob("blocks/0001.end.json")
    [snapshot] = run.glob("snapshots/step-*.h5")
    end.unlink()
    snapshot.unlink()


def test_a_fork_that_was_killed_does_not_begin_from_zero(ckpt, counter, tool, bin_directory, work):
    counter("a")
    ckpt("fork", "a", "b", "--allow-volatile")
    half_forked(work / "ckpt-runs/b")
    told = tool("ckptrun", "-r", "b", "--allow-volatile", "--", bin_directory / "checked_counter", 20, 1000, 10, work / "log", 10)
    assert told.returncode == 124 and "none is left" in told.stderr and not (work / "log").exists()


def test_a_fork_that_was_killed_may_be_made_again(ckpt, counter, work):
    counter("a")
    ckpt("fork", "a", "b", "--allow-volatile")
    half_forked(work / "ckpt-runs/b")
    assert ckpt("fork", "a", "b", "--at", 40, "--allow-volatile").returncode == 0
    assert counter("b")[0] == "restored 40 exact"
    assert "is there already" in ckpt("fork", "a", "b").stderr


def test_status_says_what_finishes_a_fork_that_was_killed(ckpt, counter, tool_json, tool, work):
    counter("a")
    ckpt("fork", "a", "b", "--allow-volatile")
    half_forked(work / "ckpt-runs/b")
    assert "ckpt fork" in tool_json("ckpt", "status", "b")["to_do"]
    tool("ckptrun", "-r", "b", "--allow-volatile", "--", "true")       # refused: it is still to be finished
    assert ckpt("fork", "a", "b", "--allow-volatile").returncode == 0
    assert "same command" in tool_json("ckpt", "status", "b")["to_do"]


def test_a_fork_is_not_complete_by_a_program_that_never_opened_it(ckpt, counter, tool, tool_json):
    counter("a")
    ckpt("fork", "a", "b", "--allow-volatile")
    tool("ckptrun", "-r", "b", "--allow-volatile", "--", "true")
    assert ckpt("done", "b").returncode != 0


# ---- what is printed to be typed ----------------------------------------------------------------------------------------

def test_a_line_to_type_can_be_typed_as_it_stands_also_for_a_name_with_a_blank(ckpt, counter, bin_directory):
    counter("a b")
    said = ckpt("fork", "a b", "it's another", "--allow-volatile").stdout
    line = said.split(": ", 1)[1].strip().replace("COMMAND", f"{bin_directory}/checked_counter 100 1000 10 log 20")
    typed = subprocess.run(["sh", "-c", line.replace("ckptrun", f"{bin_directory}/ckptrun --allow-volatile", 1)],
                           text=True, capture_output=True)
    assert typed.returncode == 0 and "it's another" in typed.stderr, typed.stderr


# ---- rm ----------------------------------------------------------------------------------------------------------------

def test_a_removed_run_is_gone_and_its_name_free(ckpt, counter, work):
    counter("a")
    ckpt("keep", 40, "best", "-r", "a")
    told = ckpt("rm", "a", "--yes")
    assert told.returncode == 0 and told.stdout.startswith("removed a, ")
    assert not (work / "ckpt-runs/a").exists()
    assert counter("a")[0] == "fresh"


def test_without_a_word_nothing_is_removed(ckpt, counter, work):
    counter("a")
    told = ckpt("rm", "a")
    assert told.returncode == 125 and "--yes" in told.stderr and "5 snapshots" in told.stderr
    assert ckpt("verify", "a").returncode == 0
    assert ckpt("rm", "--yes").returncode == 125          # of which run?


def test_what_is_not_of_the_run_stays(ckpt, counter, work):
    counter("a")
    mine = work / "ckpt-runs/a/train.py"
    mine.write_text("mine")
    told = ckpt("rm", "a", "--yes")
    assert told.returncode == 0 and "other files in" in told.stdout
    assert [path.name for path in mine.parent.iterdir()] == ["train.py"]


@contextmanager
def unremovable(directory):
    """Nothing in it can be removed; root needs more than a mode for that."""
    lock, unlock = (("chattr", "+i"), ("chattr", "-i")) if os.geteuid() == 0 else (("chmod", "500"), ("chmod", "700"))
    if subprocess.run([*lock, directory], capture_output=True).returncode != 0:
        pytest.skip("this file system knows no immutable directories")
    try:
        yield
    finally:
        subprocess.run([*unlock, directory], check=True)


def test_a_run_that_was_half_removed_does_not_begin_from_zero(ckpt, counter, tool, bin_directory, work):
    counter("a")
    (work / "ckpt-runs/a/logs/log").touch()
    with unremovable(work / "ckpt-runs/a/logs"):
        assert ckpt("rm", "a", "--yes").returncode == 125
    told = tool("ckptrun", "-r", "a", "--allow-volatile", "--", bin_directory / "checked_counter", 20, 1000, 10, work / "log", 10)
    assert told.returncode == 124 and "none is left" in told.stderr and not (work / "log").exists()


@pytest.mark.parametrize("part", ["snapshots", "kept", "blocks"])
def test_what_a_removal_left_can_be_removed(ckpt, counter, work, part):
    counter("a")
    ckpt("keep", 40, "best", "-r", "a")
    run = work / "ckpt-runs/a"
    with unremovable(run / part):
        told = ckpt("rm", "a", "--yes")
        assert told.returncode == 125 and part in told.stderr
    assert ckpt("rm", "a", "--yes").returncode == 0
    assert not run.exists()


def test_what_others_have_put_into_a_run_stays(ckpt, counter, work):
    counter("a")
    run = work / "ckpt-runs/a"
    (run / "snapshots/notes.txt").write_text("mine")
    (run / "kept/mine").mkdir(parents=True)
    (run / "kept/mine/thesis.h5").write_text("mine")
    told = ckpt("rm", "a", "--yes")
    assert told.returncode == 0 and f"other files in {run} stay" in told.stdout
    assert sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()) == ["kept/mine/thesis.h5", "snapshots/notes.txt"]


def test_what_is_behind_a_link_in_a_run_is_not_removed(ckpt, counter, work):
    counter("a")
    run, elsewhere = work / "ckpt-runs/a", work / "big"
    (run / "snapshots").rename(elsewhere)
    (run / "snapshots").symlink_to(elsewhere)
    (elsewhere / "thesis").write_text("mine")
    before = sorted(path.name for path in elsewhere.iterdir())
    told = ckpt("rm", "a", "--yes")
    assert told.returncode == 125 and f"'{run}/snapshots' is a symbolic link" in told.stderr
    assert sorted(path.name for path in elsewhere.iterdir()) == before


@pytest.mark.parametrize("words", [["rm", "", "--yes"], ["rollback", "", "40"], ["unlock", ""], ["fork", "", "b"], ["stop", ""]])
def test_a_variable_that_is_not_set_names_no_run(ckpt, counter, work, words):
    counter("a")
    told = ckpt(*words)
    assert told.returncode == 125 and (work / "ckpt-runs/a/run.json").exists() and not (work / "ckpt-runs/b").exists()


@pytest.mark.parametrize("verb", ["verify", "show"])
def test_a_program_beside_the_run_that_is_called_after_it_is_no_snapshot(ckpt, counter, work, verb):
    counter("a")
    (work / "a").write_bytes(b"\x7fELF")
    assert ckpt(verb, "a").returncode == 0


def test_a_run_whose_newest_block_left_no_readable_record_has_a_status(ckpt, counter, work):
    counter("a")
    (work / "ckpt-runs/a/blocks/0002.json").write_text("garbage")
    told = ckpt("status", "a")
    assert "cannot be read" in told.stdout + told.stderr and "1970" not in told.stdout


def test_a_run_behind_a_symbolic_link_is_not_removed_by_the_link(ckpt, counter, work):
    counter("a")
    (work / "ckpt-runs/b").symlink_to("a")
    told = ckpt("rm", "b", "--yes")
    assert told.returncode == 125 and str(work / "ckpt-runs/a") in told.stderr
    assert ckpt("verify", "a").returncode == 0


@pytest.mark.parametrize("answer, removed", [("y\n", True), ("Y\n", True), ("n\n", False), ("\n", False)])
def test_on_a_terminal_it_asks(bin_directory, counter, work, answer, removed):
    counter("a")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(bin_directory / "ckpt", ["ckpt", "rm", "a"])
    os.write(terminal, answer.encode())
    said = b""
    try:
        while piece := os.read(terminal, 4096):
            said += piece
    except OSError:          # the end of a terminal
        pass
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert b"for ever? [y/N]" in said
    assert (code == 0) == removed and (work / "ckpt-runs/a").exists() != removed
