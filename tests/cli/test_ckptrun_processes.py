# SPDX-License-Identifier: Apache-2.0
"""Signals, requests, left-over processes, two ckptrun on one run, and the death of ckptrun."""
import json
import os
import signal
import subprocess
import time

import pytest

# A shell that says what it gets, so that a test sees how often.
STUBBORN = 'trap "echo term >> got" TERM; touch up; while [ ! -e leave ]; do sleep 0.01; done; exit 85'


@pytest.fixture
def run(work):
    return work / "ckpt-runs/a"


@pytest.fixture
def fake(bin_directory):
    return bin_directory / "fake_program"


def ledger(run, block=1):
    path = run / f"blocks/{block:04}.ckptrun.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def status(run):
    return json.loads((run / "status.json").read_text())


def alive(pid):
    try:
        state = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# ---- signals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP])
def test_a_signal_asks_a_wrapped_program_once_by_term_and_leaves_the_run_to_be_continued(
        start, eventually, work, run, number):
    chain = start("ckptrun", "-r", "a", "--", "sh", "-c", STUBBORN)
    eventually((work / "up").exists)
    chain.send_signal(number)
    eventually((work / "got").exists)
    chain.send_signal(signal.SIGTERM)     # duplicates are merged
    chain.send_signal(signal.SIGUSR1)
    time.sleep(0.1)
    (work / "leave").touch()
    assert chain.wait(60) == 0
    assert (work / "got").read_text() == "term\n"
    assert status(run)["state"] == "to-be-continued"
    asked = [line["reason"] for line in ledger(run) if line["event"] == "stop_requested"]
    assert asked == [f"{number.name} to ckptrun"]


def test_an_attached_program_is_asked_over_the_station_and_gets_no_signal(start, eventually, work, run, fake):
    chain = start("ckptrun", "-r", "a", "--", fake, "attach", "touch:up", "wait-stop", "snapshot:3", "end:stopped", "exit:85")
    eventually((work / "up").exists)
    chain.send_signal(signal.SIGINT)
    assert chain.wait(60) == 0
    assert "stop: SIGINT to ckptrun" in chain.out.read_text()
    assert status(run)["state"] == "to-be-continued"
    assert status(run)["snapshot"]["step"] == 3


def test_what_a_program_does_after_its_stop_is_not_disturbed(start, eventually, work, fake):
    script = f'trap "touch got" TERM; {fake} attach touch:up wait-stop snapshot:3 end:stopped; sleep 0.3; touch uploaded'
    chain = start("ckptrun", "-r", "a", "--", "sh", "-c", script)
    eventually((work / "up").exists)
    chain.send_signal(signal.SIGTERM)
    assert chain.wait(60) == 0
    assert (work / "uploaded").exists() and not (work / "got").exists()


def test_a_stop_before_the_program_of_a_linking_run_attached_is_told_when_it_attaches(start, eventually, work, run, fake):
    script = f'[ $CKPT_BLOCK = 1 ] && exec {fake} attach snapshot:3 raise:9; touch up; ' \
             f'while [ ! -e asked ]; do sleep 0.01; done; exec {fake} attach wait-stop snapshot:4 end:stopped exit:85'
    chain = start("ckptrun", "-r", "a", "--", "sh", "-c", script)
    eventually((work / "up").exists)
    chain.send_signal(signal.SIGTERM)
    eventually(lambda: any(line["event"] == "stop_requested" for line in ledger(run, 2)))
    (work / "asked").touch()
    assert chain.wait(60) == 0
    assert "stop: SIGTERM to ckptrun" in chain.out.read_text()


def test_int_twice_ends_everything_at_once(start, eventually, work, run):
    chain = start("ckptrun", "-r", "a", "--", "sh", "-c", STUBBORN)
    eventually((work / "up").exists)
    chain.send_signal(signal.SIGINT)
    eventually((work / "got").exists)
    time.sleep(0.6)                       # a press of its own
    chain.send_signal(signal.SIGINT)
    assert chain.wait(60) == 128 + signal.SIGKILL
    assert "killed: asked to stop at once" in chain.err.read_text()
    assert "^C once more ends it at once" in chain.err.read_text()
    assert status(run)["state"] == "stopped"


def test_one_stop_that_is_not_heard_until_the_end_of_the_block_is_not_called_one_at_once(start, eventually, work):
    chain = start("ckptrun", "-r", "a", "--block-time", "2s", "--", "sh", "-c", STUBBORN)
    eventually((work / "up").exists)
    chain.send_signal(signal.SIGTERM)
    assert chain.wait(60) == 128 + signal.SIGKILL
    told = chain.err.read_text()
    assert "killed: asked to stop, it had not when the block's time was up" in told and "at once" not in told


def test_int_twice_ends_also_what_ignores_every_signal_in_a_session_of_its_own(start, eventually, work):
    ignore = "trap '' TERM INT HUP USR1 USR2"
    stubborn = f'{ignore}; echo \\$\\$ >> pids; while :; do sleep 0.05; done'
    chain = start("ckptrun", "-r", "a", "--", "sh", "-c",
                  f'{ignore}; echo $$ >> pids; setsid sh -c "{stubborn}" & while :; do sleep 0.05; done')
    eventually(lambda: (work / "pids").exists() and len((work / "pids").read_text().split()) == 2)
    chain.send_signal(signal.SIGINT)
    eventually(lambda: "^C once more" in chain.err.read_text())   # not before: two that wait together are one
    time.sleep(0.6)                       # a press of its own
    chain.send_signal(signal.SIGINT)
    assert chain.wait(60) == 128 + signal.SIGKILL
    assert not any(alive(int(pid)) for pid in (work / "pids").read_text().split())


def start_hook(start, eventually, work, script):
    """A ckptrun whose program is complete and whose --on-complete runs."""
    chain = start("ckptrun", "-r", "a", "--on-complete", script, "--", "true")
    eventually((work / "up").exists)
    return chain


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_command_at_the_end_is_ended_by_a_signal_and_its_children_too(start, eventually, work, number):
    chain = start_hook(start, eventually, work, "sleep 1000 & touch up; wait; kill $$")
    chain.send_signal(number)
    assert chain.wait(60) == 0
    told = chain.err.read_text()
    assert "is asked to end" in told and "ended with killed by SIGTERM" in told


def test_a_command_at_the_end_that_hears_nothing_is_killed_by_int_twice(start, eventually, work):
    chain = start_hook(start, eventually, work, "trap '' TERM; touch up; while :; do sleep 0.05; done")
    chain.send_signal(signal.SIGINT)
    eventually(lambda: "is asked to end" in chain.err.read_text())
    time.sleep(0.6)                       # a press of its own
    chain.send_signal(signal.SIGINT)
    assert chain.wait(60) == 0
    assert "did not end, and is killed" in chain.err.read_text()


def test_a_warning_that_a_job_ends_soon_leaves_a_command_at_the_end_alone(start, eventually, work):
    chain = start_hook(start, eventually, work, "touch up; while [ ! -e leave ]; do sleep 0.01; done; touch whole")
    chain.send_signal(signal.SIGUSR1)
    (work / "leave").touch()
    assert chain.wait(60) == 0 and (work / "whole").exists()


def test_below_nohup_the_end_of_a_terminal_stops_nothing(bin_directory, eventually, work):
    program = "touch up; while [ ! -e leave ]; do sleep 0.01; done"
    chain = subprocess.Popen(["nohup", bin_directory / "ckptrun", "-r", "a", "--", "sh", "-c", program],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually((work / "up").exists)
    chain.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    (work / "leave").touch()
    assert chain.wait(60) == 0
    assert status(work / "ckpt-runs/a")["state"] == "complete"


def test_a_crash_after_a_request_to_stop_is_not_retried(start, eventually, work, run, fake):
    chain = start("ckptrun", "-r", "a", "--", fake, "attach", "snapshot:3", "touch:up", "wait-stop", "exit:7")
    eventually((work / "up").exists)
    chain.send_signal(signal.SIGTERM)
    assert chain.wait(60) == 7
    assert len(list((run / "blocks").glob("????.json"))) == 1


# ---- requests ------------------------------------------------------------------------------------------------------------


def request(run, kind):
    (run / "control" / f"{kind}-1-1.json").write_text('{"from": "alice, pid 1 on login1", "made": "now"}')


def test_a_stop_request_in_control_stops_the_program_and_is_acted_on_once(start, eventually, work, run, fake):
    chain = start("ckptrun", "-r", "a", "--", fake, "attach", "touch:up", "wait-stop", "snapshot:3", "end:stopped", "exit:85")
    eventually((work / "up").exists)
    request(run, "stop")
    assert chain.wait(60) == 0
    assert "alice" in chain.out.read_text()
    assert not list((run / "control").iterdir())
    assert {"kind": "stop", "from": "alice, pid 1 on login1"}.items() <= next(
        line for line in ledger(run) if line["event"] == "request").items()


def test_a_save_request_in_control_reaches_the_program(start, eventually, work, run, fake):
    chain = start("ckptrun", "-r", "a", "--", fake, "attach", "touch:up", "wait-save", "end:finished")
    eventually((work / "up").exists)
    request(run, "save")
    assert chain.wait(60) == 0
    assert "save" in chain.out.read_text()


def test_a_request_older_than_this_start_is_dropped(tool, run, fake):
    tool("ckptrun", "-r", "a", "--", "sh", "-c", "exit 3")
    request(run, "stop")
    done = tool("ckptrun", "-r", "a", "--", "sh", "-c", "exit 3")
    assert "dropped" in done.stderr
    assert not list((run / "control").iterdir())


# ---- the whole tree of processes ----------------------------------------------------------------------------------------------


def test_children_in_sessions_of_their_own_are_ended_with_the_block(tool, work):
    script = 'setsid sh -c "echo \\$\\$ > orphan; exec sleep 1000" & until [ -s orphan ]; do sleep 0.01; done'
    assert tool("ckptrun", "-r", "a", "--", "sh", "-c", script).returncode == 0
    assert not alive(int((work / "orphan").read_text()))


def test_a_child_left_behind_that_ignores_term_is_killed(tool, work):
    script = 'setsid sh -c "trap \'\' TERM; echo \\$\\$ > orphan; while :; do sleep 0.1; done" & ' \
             'until [ -s orphan ]; do sleep 0.01; done'
    assert tool("ckptrun", "-r", "a", "--block-time", "1s", "--", "sh", "-c", script).returncode == 0
    assert not alive(int((work / "orphan").read_text()))


# ---- two of them, and the death of one -------------------------------------------------------------------------------------------


def test_a_second_ckptrun_waits_names_the_owner_and_then_sees_the_run_complete(start, eventually, work, run):
    script = "touch up; while [ ! -e leave ]; do sleep 0.01; done"
    first = start("ckptrun", "-r", "a", "--", "sh", "-c", script)
    eventually((work / "up").exists)
    second = start("ckptrun", "-r", "a", "--", "sh", "-c", script)
    eventually(lambda: "waiting" in second.err.read_text())
    assert f"pid {first.pid}" in second.err.read_text() and "ckpt stop" in second.err.read_text()
    (work / "leave").touch()
    assert first.wait(60) == 0
    assert second.wait(60) == 0
    assert "complete already" in second.err.read_text()
    assert len(list((run / "blocks").glob("????.json"))) == 1


def test_a_second_ckptrun_that_may_not_wait_is_refused_with_125(start, eventually, work, tool):
    script = "touch up; while [ ! -e leave ]; do sleep 0.01; done"
    first = start("ckptrun", "-r", "a", "--", "sh", "-c", script)
    eventually((work / "up").exists)
    done = tool("ckptrun", "-r", "a", "--no-wait", "--", "sh", "-c", script)
    assert done.returncode == 125
    assert "in use" in done.stderr and f"pid {first.pid}" in done.stderr
    fresh = tool("ckptrun", "-r", "a", "--fresh", "--", "sh", "-c", script)
    assert fresh.returncode == 125 and "in use" in fresh.stderr
    (work / "leave").touch()
    assert first.wait(60) == 0


def test_a_waiting_ckptrun_leaves_when_it_is_asked_to_stop(start, eventually, work):
    script = "touch up; while [ ! -e leave ]; do sleep 0.01; done"
    first = start("ckptrun", "-r", "a", "--", "sh", "-c", script)
    eventually((work / "up").exists)
    second = start("ckptrun", "-r", "a", "--", "sh", "-c", script)
    eventually(lambda: "waiting" in second.err.read_text())
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
    assert first.poll() is None
    (work / "leave").touch()
    assert first.wait(60) == 0


def test_after_the_death_of_ckptrun_the_next_one_waits_for_the_orphaned_program(start, eventually, work, run):
    script = 'echo $$ > pid; touch up; while [ ! -e leave ]; do sleep 0.01; done; echo ran >> log'
    first = start("ckptrun", "-r", "a", "--", "sh", "-c", script)
    eventually((work / "up").exists)
    orphan = int((work / "pid").read_text())
    first.kill()
    first.wait()
    assert alive(orphan)
    second = start("ckptrun", "-r", "a", "--", "sh", "-c", script)
    eventually(lambda: "waiting" in second.err.read_text())
    assert f"pid {orphan}" in second.err.read_text()
    assert not (work / "log").exists()
    (work / "leave").touch()
    assert second.wait(60) == 0
    assert json.loads((run / "blocks/0001.end.json").read_text())["outcome"] == "abandoned"
    assert (work / "log").read_text() == "ran\nran\n"


def test_a_linked_program_that_outlives_ckptrun_records_its_stop_and_the_next_one_continues(start, eventually, work, run, fake):
    words = ("block:1", "attach", "snapshot:3", "touch:up", "wait-gone", "snapshot:4", "end:stopped", "exit:85",
             "block:2", "attach", "end:finished")
    first = start("ckptrun", "-r", "a", "--", fake, *words)
    eventually((work / "up").exists)
    first.kill()
    first.wait()
    second = start("ckptrun", "-r", "a", "--", fake, *words)
    assert second.wait(60) == 0
    assert "block 2 starts from step 4 (block 1)" in second.err.read_text()
    assert json.loads((run / "blocks/0001.end.json").read_text())["outcome"] == "stopped"


def test_a_program_is_never_started_by_a_ckptrun_that_dies_at_its_birth(bin_directory, work, run):
    for delay in range(0, 20):
        process = subprocess.Popen([bin_directory / "ckptrun", "-q", "-r", "a", "--", "sh", "-c", "echo $$ >> pids; exec sleep 60"],
                                   cwd=work)
        time.sleep(delay / 1000)
        process.kill()
        process.wait()
        recorded = {int(path.stem.rpartition("-")[2]) for path in (run / "blocks").glob("*.child-*.json")}
        started = {int(line) for line in (work / "pids").read_text().split()} if (work / "pids").exists() else set()
        assert started <= recorded
        for pid in recorded:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_an_idle_ckptrun_wakes_up_at_most_about_once_a_second(start, eventually, work):
    chain = start("ckptrun", "-r", "a", "--", "sh", "-c", "touch up; while [ ! -e leave ]; do sleep 0.1; done")
    eventually((work / "up").exists)

    def switches():
        lines = open(f"/proc/{chain.pid}/status").read().splitlines()
        return sum(int(line.split()[1]) for line in lines if "voluntary_ctxt" in line)
    time.sleep(0.5)
    before = switches()
    time.sleep(3)
    assert switches() - before <= 8      # a wake-up may cost a switch or two more when the directory is read
    (work / "leave").touch()
    chain.wait(60)
