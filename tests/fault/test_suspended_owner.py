# SPDX-License-Identifier: Apache-2.0
"""The owner that everybody thought dead and that was not: stopped for 65 s, really, while a successor goes on."""
import json
import os
import signal
import time

SUSPENDED_SECONDS = 65                    # above every interval at which a block looks whether it is the newest


def let_its_owner_be_elsewhere(run):
    """So that it cannot be seen from here whether it lives, as on another node."""
    for record in (run / "blocks").glob("0001*.json"):
        content = json.loads(record.read_text())
        content["who"].update(boot_id="another", host="elsewhere", machine_id="another")
        record.write_text(json.dumps(content))


def test_an_owner_that_was_suspended_for_65_seconds_leaves_and_has_harmed_nothing(start, tool, tool_json, bin_directory, work,
                                                                                  eventually):
    run = work / "ckpt-runs/a"

    def block(log):
        process = start("ckptrun", "-r", "a", "--allow-volatile", "--accept-changes", "--", bin_directory / "checked_counter",
                        0, 20_000, 500, log, 50)
        eventually(lambda: log.exists() and "durable" in log.read_text(), f"a durable snapshot of {log.name}")
        return process, int(log.read_text().split()[1])

    first, first_program = block(work / "first")
    for pid in (first.pid, first_program):
        os.kill(pid, signal.SIGSTOP)
    suspended = time.monotonic()
    durable = (work / "first").read_text().splitlines()[-1]
    let_its_owner_be_elsewhere(run)
    assert tool("ckpt", "unlock", "a").returncode == 0

    second, second_program = block(work / "second")
    said = (work / "second").read_text().splitlines()
    assert said[1].endswith("exact") and int(said[1].split()[1]) >= int(durable.split()[1])
    time.sleep(max(0, suspended + SUSPENDED_SECONDS - time.monotonic()))
    for pid in (first_program, first.pid):
        os.kill(pid, signal.SIGCONT)
    first.wait(120)
    assert (work / "first").read_text().splitlines()[-1].startswith("left ")
    assert "newer block" in first.err.read_text()

    assert second.poll() is None
    snapshots = tool_json("ckpt", "ls", "a")["snapshots"]
    assert snapshots[0]["block"] > 1, "a late writer shadows its successor"
    (work / "second.enough").touch()
    assert second.wait(60) == 0
    assert (work / "second").read_text().splitlines()[-1].endswith("exact")
    assert tool("ckpt", "verify", "a").returncode == 0
    assert json.loads((run / "blocks/0001.end.json").read_text())["writer"] == "unlock"
