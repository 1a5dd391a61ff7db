# SPDX-License-Identifier: Apache-2.0
"""ckpt from its command line: which run is meant, what it tells, what it exits with."""
import json
import os
import re
import subprocess
import time

import pytest

ARRAY_BYTES = 256 * 256 * 4     # what ten_lines registers


@pytest.fixture
def ckpt(tool):
    return lambda *arguments, **environment: tool("ckpt", *arguments, **environment)


@pytest.fixture
def complete_run(tool, bin_directory, work):
    """complete_run(name, steps=20): a run that is complete; its directory."""
    def run(name, steps=20):
        done = tool("ckptrun", "-r", name, "--allow-volatile", "--", bin_directory / "ten_lines", steps)
        assert done.returncode == 0, done.stderr
        return work / "ckpt-runs" / name
    return run


# ---- Which run is meant -------------------------------------------------------------------------------------------------

def test_without_a_name_the_only_run_of_the_folder_is_meant(ckpt, complete_run):
    complete_run("a")
    told = ckpt("status")
    assert told.returncode == 0
    assert told.stdout.startswith("a  complete")
    assert told.stderr == ""


def test_of_several_runs_the_one_active_last_is_meant_and_named(ckpt, complete_run):
    for name in ("first", "second", "third"):
        complete_run(name)
    complete_run("second", 20)      # complete already: nothing happens
    os.utime("ckpt-runs/second/status.json", (time.time() + 10,) * 2)
    told = ckpt("status")
    assert told.stdout.startswith("second  complete")
    assert "second was active last of the 3 runs here" in told.stderr


def test_inside_a_run_directory_that_run_is_meant(ckpt, complete_run, bin_directory):
    run = complete_run("a")
    told = subprocess.run([bin_directory / "ckpt", "done"], cwd=run, capture_output=True, text=True)
    assert told.returncode == 0
    assert told.stdout.startswith("a  complete")


@pytest.mark.parametrize("verb", ["show", "verify", "status", "done", "stop", "save"])
def test_where_no_run_is_every_verb_says_so_and_what_to_do(ckpt, work, verb):
    told = ckpt(verb)
    assert told.returncode == 125
    assert told.stdout == ""
    assert str(work) in told.stderr and "-r NAME" in told.stderr
    assert told.stderr.count("\n") == 1


@pytest.mark.parametrize("verb", ["ls", "show", "verify", "status", "done", "stop", "save"])
def test_a_run_that_is_not_there_is_named_with_those_that_are(ckpt, complete_run, verb):
    complete_run("a")
    for words in (["nothere"], ["-r", "nothere"]):
        told = ckpt(verb, *words)
        assert told.returncode == 125
        assert "there is no run 'nothere'; in ./ckpt-runs there is a\n" in told.stderr


@pytest.mark.parametrize("verb", ["ls", "status", "done", "stop", "save"])
def test_a_file_instead_of_a_run_is_refused(ckpt, work, verb):
    (work / "notes.txt").write_text("hello")
    told = ckpt(verb, "notes.txt")
    assert told.returncode == 125
    assert "'notes.txt' is a file, not the directory of a run" in told.stderr


def test_a_folder_that_is_no_run_is_refused(ckpt, work):
    (work / "src").mkdir()
    told = ckpt("status", "./src")
    assert told.returncode == 125
    assert "is no run directory" in told.stderr


@pytest.mark.parametrize("words, said", [([], "no verb"), (["prune"], "no verb 'prune'"), (["ls", "--wrong"], "--wrong"),
                                         (["done", "a", "b"], "b"), (["save", "--timeout", "soon"], "'soon' is no duration")])
def test_words_it_does_not_know_are_refused_in_one_line(ckpt, complete_run, words, said):
    complete_run("a")
    told = ckpt(*words)
    assert told.returncode == 125
    assert said in told.stderr
    assert told.stderr.count("\n") == 1


def test_help_shows_examples(ckpt):
    assert "ckpt verify fashion" in ckpt("--help").stdout
    assert "Example: ckpt done && ./evaluate" in ckpt("done", "--help").stdout


# ---- ls ---------------------------------------------------------------------------------------------------------------

def test_ls_tells_the_state_of_every_run(ckpt, tool, tool_json, complete_run):
    complete_run("good", 20)
    complete_run("sweep/3", 10)
    tool("ckptrun", "-r", "bad", "--allow-volatile", "--", "false")
    told = {run["name"]: run for run in tool_json("ckpt", "ls")["runs"]}
    assert {name: run["state"] for name, run in told.items()} == \
        {"good": "complete", "sweep/3": "complete", "bad": "stopped"}
    assert told["good"]["step"] == told["good"]["newest"]["step"] == 20
    assert told["bad"]["newest"] is None
    lines = ckpt("ls").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "bad", "good", "sweep/3"]


def test_ls_of_a_folder_without_runs_says_so(ckpt, work):
    (work / "empty").mkdir()
    told = ckpt("ls", "empty")
    assert (told.returncode, told.stdout) == (0, "no runs in empty\n")


def test_a_run_with_broken_records_does_not_hide_the_others(ckpt, tool_json, complete_run):
    complete_run("a")
    broken = complete_run("b")
    for record in (broken / "blocks").glob("0001*"):
        record.write_bytes(b"\0\xff not JSON")
    (broken / "status.json").write_text("[1, 2")
    (broken / "run.json").write_text("{}")
    states = {run["name"]: run["state"] for run in tool_json("ckpt", "ls")["runs"]}
    assert states["a"] == "complete"
    assert states["b"] != "complete"


def test_ls_of_a_run_lists_what_it_holds_kept_and_damaged_included(ckpt, tool_json, complete_run):
    run = complete_run("a", 20)
    newest = next((run / "snapshots").glob("*.h5"))
    (run / "kept").mkdir(exist_ok=True)
    os.link(newest, run / "kept/best.h5")
    (run / "snapshots/step-000000000007-b0001.h5.damaged-b0001").write_bytes(b"x" * 100)
    told = tool_json("ckpt", "ls", "a")
    assert [(one["step"], one["block"]) for one in told["snapshots"]] == [(20, 1)]
    assert told["kept"][0]["name"] == "best"
    assert told["damaged"][0]["bytes"] == 100
    assert tool_json("ckpt", "ls")["runs"][0]["bytes"] == newest.stat().st_size    # two names, one file
    text = ckpt("ls", "a").stdout
    assert re.search(r"step-000000000020-b0001\.h5 .* newest\n", text)
    assert re.search(r"kept/best\.h5 .* kept\n", text)
    assert re.search(r"damaged-b0001 .* damaged\n", text)


def test_columns_stand_below_each_other_also_with_wide_characters(ckpt, complete_run):
    for name in ("a", "größe-µ", "long-name-of-a-run"):
        complete_run(name)
    header, *rows = ckpt("ls", LC_ALL="C.UTF-8").stdout.splitlines()
    assert {row.index("complete") for row in rows} == {header.index("state")}


def test_names_cannot_steer_the_terminal(ckpt, complete_run):
    complete_run("evil\033[2Jname")
    for words in (["ls"], ["status"], ["show"], ["verify"], ["done"]):
        told = ckpt(*words)
        assert "\033" not in told.stdout + told.stderr
        assert "evil" in told.stdout


# ---- show --------------------------------------------------------------------------------------------------------------



def test_show_tells_what_is_in_a_snapshot(ckpt, tool_json, complete_run):
    run = complete_run("a", 20)
    path = next((run / "snapshots").glob("*.h5"))
    told = tool_json("ckpt", "show", path)
    assert (told["step"], told["block"], told["run"]) == (20, 1, "a")
    assert told["arrays"] == [{"name": "weights", "dtype": "f32", "shape": [256, 256], "bytes": ARRAY_BYTES,
                               "packed": False}]
    assert told["state_bytes"] == ARRAY_BYTES
    assert told["file_bytes"] == path.stat().st_size
    assert re.search(r"weights +f32 +256 x 256 +256\.0 KiB", ckpt("show", path).stdout)


def test_show_of_a_file_that_is_no_snapshot_says_which_and_why(ckpt, work):
    (work / "notes.h5").write_text("hello")
    told = ckpt("show", "notes.h5")
    assert told.returncode == 125
    assert "notes.h5" in told.stderr and told.stderr.count("\n") == 1


# ---- unlock -----------------------------------------------------------------------------------------------------------

def let_its_owner_be_elsewhere(run):
    """As if the last block had run on a machine that cannot be seen from here, and had left no end."""
    for record in (run / "blocks").glob("*.json"):
        if record.name.endswith(".end.json"):
            record.unlink()
            continue
        content = json.loads(record.read_text())
        content["who"].update(boot_id="another", host="elsewhere", machine_id="another")
        record.write_text(json.dumps(content))


def test_a_run_whose_owner_cannot_be_seen_is_used_again_after_unlock_and_not_before(ckpt, tool, complete_run, bin_directory):
    run = complete_run("a")
    let_its_owner_be_elsewhere(run)
    again = ("ckptrun", "-r", "a", "--allow-volatile", "--no-wait", "--", bin_directory / "ten_lines", 20)
    refused = tool(*again)
    assert refused.returncode == 125
    assert "elsewhere" in refused.stderr and f"ckpt unlock {run}" in refused.stderr
    told = ckpt("unlock", run)
    assert told.returncode == 0 and "elsewhere" in told.stdout
    assert tool(*again).returncode == 0
    assert ckpt("unlock", "a").stdout == "a was free already\n"


def test_unlock_wants_to_be_told_which_run(ckpt, complete_run):
    complete_run("a")
    assert ckpt("unlock").returncode == 125
