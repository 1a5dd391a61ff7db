# SPDX-License-Identifier: Apache-2.0
"""ckpt on runs that live, end, break and are damaged."""
import json
import os
import pathlib
import pty
import re
import signal
import subprocess

import pytest

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


@pytest.fixture
def ckpt(tool):
    return lambda *arguments, **environment: tool("ckpt", *arguments, **environment)


@pytest.fixture
def live(start, bin_directory, work, eventually):
    """live("a"): (ckptrun, run directory) of a program that has opened its run and passes a safe point every 5 ms."""
    def run(name, block=1):
        process = start("ckptrun", "-r", name, "--allow-volatile", "--", bin_directory / "ten_lines", 10**7, 5)
        directory = work / "ckpt-runs" / name
        eventually(lambda: list(directory.glob(f"blocks/{block:04}.program-*.jsonl")), "the program opens its run")
        return process, directory
    return run


@pytest.fixture
def complete_run(tool, bin_directory, work):
    def run(name, *options):
        done = tool("ckptrun", "-r", name, "--allow-volatile", *options, "--", bin_directory / "ten_lines", 20)
        assert done.returncode == 0, done.stderr
        return work / "ckpt-runs" / name
    return run


def program_pid(directory, block=1):
    return int(next(directory.glob(f"blocks/{block:04}.program-*.json")).stem.split("-")[1])


def snapshots(directory):
    return sorted((directory / "snapshots").glob("*.h5"))


def flip_a_bit_of_the_data(path):
    content = bytearray(path.read_bytes())
    content[content.rindex(ZSTD_MAGIC) + 12] ^= 0x10
    path.write_bytes(content)


# ---- verify ------------------------------------------------------------------------------------------------------------

def test_verify_of_a_whole_run_is_yes(ckpt, complete_run):
    run = complete_run("a")
    told = ckpt("verify")
    assert told.returncode == 0
    assert told.stdout == f"whole    {snapshots(run)[-1]}, 256.0 KiB\n"


def damage_by_truncation(path):
    os.truncate(path, path.stat().st_size // 2)


def damage_by_one_byte_less(path):
    os.truncate(path, path.stat().st_size - 1)


def damage_by_emptying(path):
    os.truncate(path, 0)


def damage_by_something_else(path):
    path.write_text("not a snapshot at all\n" * 1000)


@pytest.mark.parametrize("damage", [flip_a_bit_of_the_data, damage_by_truncation, damage_by_one_byte_less,
                                    damage_by_emptying, damage_by_something_else])
def test_verify_names_the_damaged_file_and_the_reason(ckpt, complete_run, damage):
    run = complete_run("a")
    path = snapshots(run)[-1]
    damage(path)
    for words in (["a"], [path]):
        told = ckpt("verify", *words)
        assert told.returncode == 1, told.stdout
        assert re.fullmatch(rf"damaged  .*{re.escape(path.name)}.*: .+\n", told.stdout)
    told = json.loads(ckpt("verify", "--json", path).stdout)
    assert (told["damaged"], told["files"][0]["result"]) == (1, "damaged")
    assert told["files"][0]["reason"]


def test_verify_goes_on_after_a_damaged_file(ckpt, complete_run):
    bad, good = (snapshots(complete_run(name))[-1] for name in ("bad", "good"))
    flip_a_bit_of_the_data(bad)
    told = ckpt("verify", bad, good)
    assert told.returncode == 1
    assert [line.split()[0] for line in told.stdout.splitlines()] == ["damaged", "whole"]


def test_verify_reads_kept_snapshots_too(ckpt, complete_run):
    run = complete_run("a")
    (run / "kept").mkdir(exist_ok=True)
    (run / "kept/best.h5").write_bytes(snapshots(run)[-1].read_bytes())
    flip_a_bit_of_the_data(run / "kept/best.h5")
    told = ckpt("verify", "a")
    assert told.returncode == 1
    assert re.search(r"^damaged .*kept/best\.h5", told.stdout, re.MULTILINE)


def test_verify_and_show_of_one_snapshot_by_its_step_or_its_name(ckpt, complete_run):
    run = complete_run("a")
    (run / "kept").mkdir(exist_ok=True)
    (run / "kept/best.h5").write_bytes(snapshots(run)[-1].read_bytes())
    flip_a_bit_of_the_data(run / "kept/best.h5")
    step = int(snapshots(run)[-1].name.split("-")[1])
    assert re.fullmatch(r"damaged .*kept/best\.h5.*\n", ckpt("verify", "a@best").stdout)
    assert ckpt("verify", f"a@{step}").stdout == f"whole    {snapshots(run)[-1]}, 256.0 KiB\n"
    assert "kept/best.h5" in ckpt("show", "a@best").stdout.splitlines()[0]
    told = ckpt("verify", "a@worst")
    assert told.returncode == 125 and "keeps no snapshot as 'worst'; it keeps: best" in told.stderr


def test_a_run_whose_snapshots_were_all_purged_is_damaged(ckpt, complete_run):
    run = complete_run("a")
    for path in snapshots(run):
        path.unlink()
    told = ckpt("verify", "a")
    assert told.returncode == 1
    assert "it had snapshots and none is left" in told.stdout


def test_a_file_that_cannot_be_read_is_not_called_damaged(ckpt, work):
    (work / "loop.h5").symlink_to("loop.h5")
    told = ckpt("verify", "loop.h5")
    assert told.returncode == 125
    assert "loop.h5" in told.stderr + told.stdout
    assert "damaged" not in told.stdout


# ---- A run that lives ----------------------------------------------------------------------------------------------------

def test_status_follows_a_running_program(ckpt, tool_json, live, eventually):
    process, run = live("a")
    assert ckpt("save", "a").returncode == 0
    told = tool_json("ckpt", "status", "a")
    assert (told["run"], told["state"], told["block"]) == ("a", "running", 1)
    assert f"pid {process.pid}" in told["reason"]
    assert told["snapshot"]["step"] > 0 and told["save_error"] is None
    before = told["step"]
    eventually(lambda: tool_json("ckpt", "status", "a")["step"] > before, "the step grows")
    assert re.search(r"^time left +no limit$", ckpt("status", "a").stdout, re.MULTILINE)
    assert ckpt("done", "a").returncode == 1


def test_status_needs_no_status_file_and_tolerates_any(ckpt, tool_json, complete_run):
    run = complete_run("a")
    for content in (b"", b"[]", b'{"block": "x", "progress": 7}', b'{"block": 1, "progress": {"done": "x"}}', b"\xff"):
        (run / "status.json").write_bytes(content)
        assert tool_json("ckpt", "status", "a")["state"] == "complete"
    (run / "status.json").unlink()
    told = tool_json("ckpt", "status", "a")
    assert (told["state"], told["step"], told["snapshot"]["step"]) == ("complete", 20, 20)


def test_stop_ends_a_run_that_goes_on_where_it_stopped(ckpt, tool_json, live):
    process, run = live("a")
    told = ckpt("stop", "a")
    assert told.returncode == 0
    assert process.wait(60) == 0
    assert tool_json("ckpt", "status", "a")["state"] == "to be continued"
    assert ckpt("done", "a").returncode == 1

    process, run = live("a", block=2)
    assert ckpt("stop", "a").returncode == 0
    assert process.wait(60) == 0
    first, second = tool_json("ckpt", "show", "a")["blocks"]
    assert first["outcome"] == second["outcome"] == "stopped"
    assert first["from_step"] is None
    assert second["from_step"] == first["to_step"] <= second["to_step"]
    assert first["snapshots"] >= 1 and first["stall_seconds"] > 0
    assert "ckpt stop by" in first["reason"]
    rows = ckpt("show", "a").stdout.splitlines()[-2:]
    assert [row.split()[0] for row in rows] == ["1", "2"]
    assert all("to be continued: " in row and "ckpt stop by" in row for row in rows)


def test_save_answers_when_a_newer_snapshot_is_durable(ckpt, tool_json, live):
    process, run = live("a")
    steps = []
    for _ in range(3):
        told = tool_json("ckpt", "save", "a")
        assert told["saved"]
        assert pathlib.Path(told["snapshot"]["file"]).is_file()
        steps.append(told["snapshot"]["step"])
    assert steps == sorted(set(steps))
    assert re.match(r"saved  step \d+ of block 1, .*\.h5\n", ckpt("save", "a").stdout)


def test_save_says_when_no_snapshot_came_in_time(ckpt, live):
    process, run = live("a")
    os.kill(program_pid(run), signal.SIGSTOP)
    told = ckpt("save", "a", "--timeout", "1s")
    os.kill(program_pid(run), signal.SIGCONT)
    assert told.returncode == 1
    assert "no newer snapshot within 1.0 s; the request stands" in told.stderr


def test_save_says_when_the_run_ends_instead(ckpt, start, live, eventually):
    process, run = live("a")
    os.kill(program_pid(run), signal.SIGSTOP)
    waiting = start("ckpt", "save", "a")
    eventually(lambda: '"request"' in (run / "blocks/0001.ckptrun.jsonl").read_text(), "ckptrun takes the request")
    process.kill()
    os.kill(program_pid(run), signal.SIGKILL)
    assert waiting.wait(60) == 1
    assert "it ended without a newer snapshot (interrupted)" in waiting.err.read_text()


@pytest.mark.parametrize("verb", ["stop", "save"])
def test_nobody_is_asked_when_nobody_runs(ckpt, complete_run, verb):
    run = complete_run("a")
    told = ckpt(verb, "a")
    assert told.returncode == 125
    assert f"nobody runs a now (complete): there is nothing to {verb}" in told.stderr
    assert list((run / "control").iterdir()) == []


def test_a_program_without_libckpt_cannot_be_asked_to_save(ckpt, start, work, eventually):
    process = start("ckptrun", "-r", "a", "--allow-volatile", "--", "sleep", "1000")
    eventually(lambda: list(work.glob("ckpt-runs/a/blocks/0001.child-*.json")), "the program is started")
    told = ckpt("save", "a")
    assert told.returncode == 125
    assert "does not use libckpt" in told.stderr
    assert ckpt("stop", "a").returncode == 0
    process.wait(60)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a run of another user")
@pytest.mark.parametrize("verb", ["stop", "save"])
def test_a_run_of_another_user_is_steered_only_on_an_explicit_word(ckpt, live, verb):
    process, run = live("a")
    os.chown(run, 12345, -1)
    told = ckpt(verb, "a")
    assert told.returncode == 125
    assert "another user" in told.stderr and "--allow-other-owner" in told.stderr
    assert ckpt(verb, "a", "--allow-other-owner").returncode == 0


# ---- How it ended --------------------------------------------------------------------------------------------------------

def test_done_is_two_when_ckptrun_gave_up(ckpt, tool, work):
    assert tool("ckptrun", "-r", "a", "--allow-volatile", "--", "false").returncode == 1
    told = ckpt("done", "a")
    assert told.returncode == 2
    assert told.stdout.startswith("a  stopped: ")


def test_a_run_whose_processes_were_all_killed_is_interrupted_and_not_done(ckpt, tool_json, live):
    process, run = live("a")
    pid = program_pid(run)
    process.kill()
    os.kill(pid, signal.SIGKILL)
    process.wait()
    told = tool_json("ckpt", "status", "a")
    assert told["state"] == "interrupted"
    assert ckpt("done", "a").returncode == 1
    assert "interrupted" in ckpt("show", "a").stdout


def test_every_verb_speaks_json(ckpt, complete_run):
    run = complete_run("a")
    for words in (["ls"], ["ls", "a"], ["show", "a"], ["show", snapshots(run)[-1]], ["verify", "a"], ["status", "a"],
                  ["done", "a"]):
        told = ckpt(*words, "--json")
        assert told.returncode == 0
        assert isinstance(json.loads(told.stdout), dict)


def output_on_a_terminal(command, **environment):
    """Standard output and error of a command that has both on a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdout=slave, stderr=slave, stdin=subprocess.DEVNULL,
                               env=os.environ | {"TERM": "xterm"} | environment)
    os.close(slave)
    said = b""
    try:
        while piece := os.read(master, 65536):
            said += piece
    except OSError:        # the terminal is gone with the last process on it
        pass
    os.close(master)
    return process.wait(), said.decode()


def test_colours_only_on_a_terminal_and_not_against_a_wish(ckpt, complete_run, bin_directory, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    complete_run("a")
    command = [bin_directory / "ckpt", "ls"]
    assert "\033[32mcomplete\033[0m" in output_on_a_terminal(command)[1]
    assert "\033" not in output_on_a_terminal(command, NO_COLOR="1")[1]
    assert "\033" not in ckpt("ls").stdout


def test_verify_shows_on_a_terminal_how_far_it_is(complete_run, bin_directory):
    complete_run("a")
    code, said = output_on_a_terminal([bin_directory / "ckpt", "verify"])
    assert code == 0
    assert "100 %" in said and "whole" in said
