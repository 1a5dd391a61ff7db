# SPDX-License-Identifier: Apache-2.0
"""Blocks end in time: the program stops and saves before its block is killed, also when its steps vary."""
import json
import subprocess
import tempfile

import pytest


def run_chain(folder, bin_directory, block_time, *program):
    return subprocess.run([bin_directory / "ckptrun", "-r", folder / "run", "--block-time", block_time, "--", *program],
                          capture_output=True, text=True, timeout=120)


def blocks_of(folder, bin_directory):
    shown = subprocess.run([bin_directory / "ckpt", "show", "--json", folder / "run"], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)["blocks"]


@pytest.mark.parametrize("steps, microseconds", [(400, "1000-60000"), (6000, "500"), (60, "200000-250000")])
def test_every_block_stops_and_saves_before_it_is_killed(tmp_path, bin_directory, steps, microseconds):
    log = tmp_path / "log"
    result = run_chain(tmp_path, bin_directory, "3s", bin_directory / "checked_counter", str(steps), "100000",
                       microseconds, str(log))
    assert result.returncode == 0, result.stderr
    lines = log.read_text().splitlines()
    assert f"finished {steps} exact" in lines
    blocks = blocks_of(tmp_path, bin_directory)
    assert len(blocks) >= 2, "the work fitted one block: no deadline was met"
    assert [block["outcome"] for block in blocks[:-1]] == ["stopped"] * (len(blocks) - 1)
    assert blocks[-1]["outcome"] == "finished"
    # Nothing is done twice: each life begins at the step where the one before left.
    left = [int(line.split()[1]) for line in lines if line.startswith("left")]
    restored = [int(line.split()[1]) for line in lines if line.startswith("restored")]
    assert left == restored


def test_a_program_accepts_the_directory_that_its_ckptrun_was_told_to_accept(bin_directory):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        run = [bin_directory / "ckptrun", "-r", f"{folder}/run", "--", bin_directory / "ten_lines", "3"]
        refused = subprocess.run(run, capture_output=True, text=True, timeout=60)
        assert refused.returncode == 125 and "memory" in refused.stderr
        allowed = subprocess.run([*run[:1], "--allow-volatile", *run[1:]], capture_output=True, text=True, timeout=60)
        assert allowed.returncode == 0, allowed.stderr
