# SPDX-License-Identifier: Apache-2.0
"""ckpt diff: two snapshots, named in every way there is, and what is told of them."""
import json

import pytest


@pytest.fixture
def run(tool, bin_directory):
    """run(name, steps): a complete run of ten_lines, whose weights start at zero and change in every step."""
    def make(name, steps):
        done = tool("ckptrun", "-q", "-r", name, "--allow-volatile", "--", bin_directory / "ten_lines", steps)
        assert done.returncode == 0, done.stderr
    return make


def test_the_same_state_is_said_to_be_the_same(tool, run, work):
    run("a", 2)
    assert tool("ckpt", "keep", "2", "best", "-r", "a").returncode == 0
    file = next((work / "ckpt-runs/a/snapshots").glob("step-*.h5"))
    for name in ("a", "a@2", "a@best", file, work / "ckpt-runs/a"):
        told = tool("ckpt", "diff", "a", name)
        assert told.returncode == 0, told.stderr
        assert told.stdout.endswith("\nthe same state, byte for byte\n")


def test_what_differs_is_named_with_how_much_and_where(tool, run):
    run("a", 2)
    run("b", 3)
    told = tool("ckpt", "diff", "a", "b")
    assert told.returncode == 1
    assert "weights  f32 256 x 256  " in told.stdout
    assert " of 65536 " in told.stdout
    assert told.stdout.endswith("\ndiffer: 1 of 1 array, 0 small values\n")


def test_programs_get_it_as_json(tool, run):
    run("a", 2)
    run("b", 3)
    told = json.loads(tool("ckpt", "diff", "--json", "a@2", "b").stdout)
    assert told["same"] is False
    assert (told["a"]["step"], told["b"]["step"]) == (2, 3)
    [weights] = told["arrays"]
    assert weights["result"] == "differs"
    assert 0 < weights["differing"] <= weights["elements"] == 256 * 256
    assert 0 < weights["largest"] and 0 < weights["largest_relative"] < 1


@pytest.mark.parametrize("name, reason", [
    ("a@7", "a has no snapshot of step 7; it has: 2"), ("a@best", "a keeps no snapshot as 'best', and no other"),
    ("b", "there is no run 'b'"), ("a@", "a keeps no snapshot as ''")])
def test_what_is_not_there_is_an_error_that_says_what_is(tool, run, name, reason):
    run("a", 2)
    told = tool("ckpt", "diff", "a", name)
    assert told.returncode == 125
    assert reason in told.stderr
    assert told.stdout == ""


def test_a_damaged_snapshot_is_no_difference_but_an_error(tool, run, work):
    run("a", 2)
    file = next((work / "ckpt-runs/a/snapshots").glob("step-*.h5"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    (work / "copy.h5").write_bytes(content)
    told = tool("ckpt", "diff", "a", "copy.h5")
    assert told.returncode == 125
    assert "is damaged" in told.stderr
