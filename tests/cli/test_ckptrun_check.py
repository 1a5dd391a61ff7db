# SPDX-License-Identifier: Apache-2.0
"""ckptrun --check: what would happen, and nothing happens."""
import json
import os
import pathlib
import subprocess

import pytest

NOBODY = 65534


@pytest.fixture
def check(tool):
    def run(*words, options=(), exit_code=0):
        done = tool("ckptrun", "--check", "--json", *options, "--", *words)
        assert done.returncode == exit_code, done.stderr
        return json.loads(done.stdout)
    return run


@pytest.fixture
def refused(check, tool):
    """The reason why a start is refused; --check tells the same one, and nothing else."""
    def run(*words, options=()):
        seen = check(*words, options=options, exit_code=125)
        assert seen["action"] is None
        text = tool("ckptrun", "--check", *options, "--", *words)
        assert text.returncode == 125 and "refuse: " in text.stdout
        done = tool("ckptrun", *options, "--", *words)
        assert done.returncode == 125 and seen["refusal"] in done.stderr
        return seen["refusal"]
    return run


@pytest.fixture
def ten_lines(tool, bin_directory):
    """A run a with snapshots of a program that links libckpt; answers its command."""
    program = [bin_directory / "ten_lines", "3"]
    assert tool("ckptrun", "-r", "a", "--", *program).returncode == 0
    return program


@pytest.fixture
def in_use(start, eventually, work):
    owner = start("ckptrun", "-r", "a", "--", "sleep", "60")
    eventually((work / "ckpt-runs/a/blocks/0001.json").exists)
    yield owner
    owner.terminate()
    owner.wait(60)


def test_a_new_run_is_shown_and_nothing_is_created(check, tool, work):
    (work / "train.sh").write_text("")
    seen = check("sh", "train.sh", options=["--block-time", "10m"])
    assert (seen["run"], seen["named_after"], seen["exists"]) == ("train", "the command", False)
    assert seen["directory"] == f"{work}/ckpt-runs/train"
    assert (seen["action"], seen["seconds_left"], seen["end_source"]) == ("start", 600, "--block-time")
    assert seen["disk_needed_bytes"] is None and seen["memory_needed_bytes"] is None
    assert seen["disk_free_bytes"] > 0 and seen["memory_allowed_bytes"] > 0
    assert not (work / "ckpt-runs").exists()
    text = tool("ckptrun", "--check", "--", "sh", "train.sh").stdout
    assert "not known before the first block" in text and "start from the beginning" in text


def test_a_run_that_is_there_is_shown_with_what_it_needs(check, tool, ten_lines, work):
    seen = check(*ten_lines, options=["-r", "a"])
    assert (seen["exists"], seen["blocks"], seen["action"], seen["reason"]) == (True, 1, "complete", "this run is complete")
    assert seen["memory_needed_bytes"] > 0 and seen["disk_needed_bytes"] > 0
    assert "1 block, 1 snapshot" in tool("ckptrun", "--check", "-r", "a", "--", *ten_lines).stdout
    assert list((work / "ckpt-runs/a/blocks").glob("0002*")) == []


def test_another_command_is_refused_and_shown_with_what_changed(check, refused, tool, ten_lines):
    changed = [ten_lines[0], "4"]
    assert "--accept-changes" in refused(*changed, options=["-r", "a"])
    assert "was 3, now 4" in check(*changed, options=["-r", "a"], exit_code=125)["changed_command"]
    assert check(*changed, options=["-r", "a", "--accept-changes"])["action"] == "resume"
    accepted = tool("ckptrun", "--check", "-r", "a", "--accept-changes", "--", *changed)
    assert "was 3, now 4" in accepted.stdout and accepted.stderr == ""      # nothing goes on


def test_an_old_run_that_a_fresh_start_moves_aside_is_told(check, tool, ten_lines, work):
    seen = check(*ten_lines, options=["-r", "a", "--fresh"])
    assert (seen["exists"], seen["moves_old_run"], seen["reason"]) == (False, True, "the beginning")
    assert "the old run is moved aside" in tool("ckptrun", "--check", "--fresh", "-r", "a", "--", *ten_lines).stdout
    assert check(*ten_lines, options=["-r", "new", "--fresh"])["moves_old_run"] is False
    assert os.listdir(work / "ckpt-runs") == ["a"]


def test_a_run_in_use_is_shown_with_its_owner(check, in_use):
    seen = check("sleep", "60", options=["-r", "a"])
    assert seen["action"] == "wait" and f"pid {in_use.pid}" in seen["reason"]


def test_a_run_in_use_is_refused_where_a_start_would_not_wait(refused, in_use):
    assert "leave out --no-wait" in refused("sleep", "60", options=["-r", "a", "--no-wait"])
    assert "--fresh: " in refused("sleep", "60", options=["-r", "a", "--fresh"])


@pytest.mark.parametrize("directory, why", [("/dev/shm/q", "tmpfs"), ("/etc/passwd", "is a file"),
                                            ("/usr", "is no run and not empty"), ("/proc/q", "keeps no files"),
                                            (f"/var/tmp/missing/{'q' * 256}", "too long a name"),
                                            ("/var/tmp" + 20 * f"/{'q' * 199}", "too long a name")])
def test_what_cannot_be_a_run_directory_is_refused(refused, directory, why):
    assert why in refused("true", options=["-r", directory])
    assert not pathlib.Path("/dev/shm/q").exists()


@pytest.fixture
def without_rights(bin_directory, work):
    """ckptrun, run by somebody who may not write in the current folder, and may not reach it by its name either."""
    work.chmod(0o555)
    rights = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}

    def run(*arguments):
        try:
            return subprocess.run([bin_directory / "ckptrun", *arguments], cwd=work, text=True, capture_output=True,
                                  **rights)
        except PermissionError as error:
            pytest.skip(f"another user cannot get to the tools: {error}")
    yield run
    work.chmod(0o755)


def test_a_place_where_one_may_not_write_is_refused(without_rights, work):
    command = ["-r", "/proc/self/cwd/a/b", "--", "true"]
    told = without_rights("--check", *command)
    assert told.returncode == 125 and "refuse: cannot write in '/proc/self/cwd'" in told.stdout
    done = without_rights(*command)
    assert done.returncode == 125 and "Permission denied" in done.stderr
    assert not (work / "a").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a run to somebody else")
def test_the_run_of_another_user_is_refused_without_an_explicit_word(check, refused, ten_lines, work):
    os.chown(work / "ckpt-runs/a", NOBODY, NOBODY)
    assert "--allow-other-owner" in refused(*ten_lines, options=["-r", "a"])
    assert check(*ten_lines, options=["-r", "a", "--allow-other-owner"])["action"] == "complete"


def reopened(check, command, **wanted):
    return check(*command, options=["-r", "a", "--accept-changes"], **wanted)


def test_the_newest_snapshot_is_not_called_whole_and_one_with_a_damaged_head_is_passed_over(check, tool, ten_lines,
                                                                                          work):
    text = tool("ckptrun", "--check", "--accept-changes", "-r", "a", "--", *ten_lines).stdout
    assert "not verified" in text
    newest = max((work / "ckpt-runs/a/snapshots").iterdir())
    older = newest.with_name("step-000000000001-b0001.h5")
    older.write_bytes(newest.read_bytes())
    newest.write_bytes(b"no snapshot")
    seen = reopened(check, ten_lines)
    assert seen["reason"] == "step 1 (block 1)" and seen["damaged"] == [newest.name]


@pytest.mark.parametrize("directory_is_gone", [True, False])
def test_a_run_whose_snapshots_are_all_gone_is_refused(check, tool, ten_lines, work, directory_is_gone):
    for snapshot in (work / "ckpt-runs/a/snapshots").iterdir():
        snapshot.unlink()
    if directory_is_gone:
        (work / "ckpt-runs/a/snapshots").rmdir()
    seen = reopened(check, ten_lines, exit_code=125)
    assert seen["exists"] and "none of them is left" in seen["refusal"]
    done = tool("ckptrun", "--accept-changes", "-r", "a", "--", *ten_lines)
    assert done.returncode == 124 and "none is left" in done.stderr


def test_a_run_of_which_one_snapshot_is_kept_by_name_starts_from_that(check, tool, ten_lines, work):
    newest = max((work / "ckpt-runs/a/snapshots").iterdir())
    newest.rename(work / "ckpt-runs/a/kept/best.h5")
    assert reopened(check, ten_lines)["reason"].startswith("what is kept by name")


@pytest.mark.parametrize("size, allowed, told", [("0", 0, "no staging area"), ("64M", 64 * 2**20, "by --staging-size")])
def test_a_staging_size_that_was_given_is_what_is_allowed(check, tool, ten_lines, size, allowed, told):
    options = ["-r", "a", "--staging-size", size]
    assert check(*ten_lines, options=options)["memory_allowed_bytes"] == allowed
    assert told in tool("ckptrun", "--check", *options, "--", *ten_lines).stdout


def test_what_a_program_without_libckpt_needs_is_not_promised_for_later(tool, work):
    assert tool("ckptrun", "-r", "a", "--", "sh", "-c", "exit 3").returncode == 3
    text = tool("ckptrun", "--check", "-r", "a", "--", "sh", "-c", "exit 3").stdout
    assert "uses no libckpt" in text and "before the first block" not in text


def test_changed_code_is_refused_where_a_start_would_be_strict(check, refused, tool, work):
    (work / "train.sh").write_text("exit 3")
    assert tool("ckptrun", "--", "sh", "train.sh").returncode == 3
    assert check("sh", "train.sh", options=["--strict"])["action"] == "start"
    (work / "train.sh").write_text("exit 4")
    assert "train.sh has changed" in refused("sh", "train.sh", options=["--strict"])


def test_what_cannot_be_told_for_a_full_disk_is_an_error(bin_directory, work):
    with open("/dev/full", "w") as full:
        done = subprocess.run([bin_directory / "ckptrun", "--check", "--", "true"], stdout=full,
                              stderr=subprocess.PIPE, text=True)
    assert done.returncode == 125 and "cannot write to standard output" in done.stderr


def test_a_command_that_cannot_run_is_refused_as_it_would_be(tool, work):
    assert tool("ckptrun", "--check", "--", "no-such-program").returncode == 127
    assert tool("ckptrun", "--json", "--", "true").returncode == 125
    assert not (work / "ckpt-runs").exists()
