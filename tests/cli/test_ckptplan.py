# SPDX-License-Identifier: Apache-2.0
"""ckptplan as a user meets it, without a scheduler: the arithmetic, what it learns, and rehearsals."""
import pathlib
import pickle
import re
import signal
import subprocess
import sys

import pytest

FIGURES = ["--epochs", "300", "--epoch-time", "14m", "--limit", "24h", "--startup", "2m", "--restore", "20s",
           "--save", "42s"]


@pytest.fixture
def plan(tool, fake_slurm):
    """On a machine whose Slurm does not answer."""
    return lambda *arguments, **environment: tool("ckptplan", *arguments, **environment)


@pytest.fixture
def refused(plan):
    def run(*arguments, **environment):
        result = plan(*arguments, **environment)
        assert result.returncode == 125 and result.stdout == ""
        [line] = result.stderr.splitlines()
        return line.removeprefix("ckptplan: error: ")
    return run


def table(text):
    """{name: (value, why)} of the rows of a plan."""
    rows = (line.split("  ") for line in text.splitlines() if line.startswith("  "))
    cells = ([cell.strip() for cell in row if cell.strip()] for row in rows)
    return {row[0]: (row[1], row[-1] if len(row) > 2 else "") for row in cells if len(row) > 1}


def test_the_arithmetic_is_shown_at_a_glance(plan):
    result = plan(*FIGURES)
    assert result.stdout.startswith("300 epochs in 3 blocks of up to 24 h 00 min\n")
    rows = table(result.stdout)
    assert rows["one epoch"] == ("14 min", "given")
    assert rows["- start-up"] == ("2 min", "given")
    assert rows["- restore"] == ("20 s", "given")
    assert rows["- lead"] == ("18 min", "the next epoch 16 min 48 s, save 42 s, margin 30 s")
    assert rows["= for work"] == ("23 h 39 min 40 s", "/ 14 min = 101.40, so 102 epochs; safe points are epochs, and "
                                  "the one that runs then is finished")
    assert rows["blocks"] == ("3 + 1", "to spare; what is not needed is cancelled")
    assert rows["run time"][0] == "2 d 22 h"
    assert rows["restarts"] == ("0.21 %", "of the time; 3 min 2 s a block")


UNITS = {"d": 86400, "h": 3600, "min": 60, "s": 1, "ms": 0.001}


def seconds(text):
    """Of "23 h 39 min 40 s"."""
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+) (d|h|min|ms|s)\b", text))


@pytest.mark.parametrize("figures", [
    FIGURES, [*FIGURES, "--points", "2s"],
    ["--epochs", "3000", "--epoch-time", "1713s", "--limit", "100h", "--startup", "1234s"],
    ["--epochs", "3000", "--epoch-time", "13s", "--limit", "10m", "--startup", "7s", "--restore", "1.5s", "--save", "2.2s"]])
def test_the_terms_of_the_sum_add_up_as_they_are_shown(plan, figures):
    rows = table(plan(*figures).stdout)
    terms = {row: seconds(value) for row, (value, _) in rows.items()}
    lead = sum(seconds(term) for term in rows["- lead"][1].split(", ") if "not known" not in term)
    assert terms["- lead"] == pytest.approx(lead, abs=1.5)
    left = terms["block"] - terms["- start-up"] - terms["- restore"] - terms["- lead"]
    assert terms["= for work"] == pytest.approx(left, abs=1.5)
    ratio = float(re.search(r" = ([\d.]+)", rows["= for work"][1]).group(1))
    assert ratio == pytest.approx(terms["= for work"] / terms["one epoch"], rel=0.01)


@pytest.mark.parametrize("minutes, ratio", [(55, "1.08"), (59, "1.01")])
def test_an_epoch_that_takes_most_of_a_block_is_planned_as_the_one_that_fits(plan, minutes, ratio):
    rows = table(plan("--epochs", "30", "--epoch-time", f"{minutes}m", "--limit", "1h").stdout)
    assert rows["- lead"] == ("30 s", "save not known, margin 30 s")
    assert rows["= for work"] == ("59 min 30 s", f"/ {minutes} min = {ratio}, so 1 epoch; a second one would not fit")


def test_without_a_scheduler_a_day_is_planned_with_and_that_is_said(plan):
    why = "by custom, as no Slurm answers here; --limit says otherwise"
    assert table(plan("--epochs", "300", "--epoch-time", "14m").stdout)["block"] == ("24 h 00 min", why)


def test_disk_and_memory_follow_from_the_size_of_the_state(plan):
    rows = table(plan(*FIGURES, "--state-size", "12GiB", "--keep", "3").stdout)
    assert rows["disk"] == ("48.0 GiB", "3 snapshots, and one while it is written")
    assert rows["memory"] == ("24.0 GiB", "state and staging area")


def test_safe_points_within_an_epoch_make_parts_of_epochs_count(plan):
    assert "parts count" in table(plan(*FIGURES, "--points", "2s").stdout)["= for work"][1]


def test_what_is_not_known_is_said(plan):
    rows = table(plan("--epochs", "300", "--epoch-time", "14m", "--limit", "24h").stdout)
    assert rows["- start-up"] == ("?", "not known, counted as 0")
    assert "save not known" in rows["- lead"][1]
    assert rows["disk"][0] == "?"


def test_programs_get_the_same_as_json(tool_json, fake_slurm):
    plan = tool_json("ckptplan", *FIGURES, "--slack", "2")["plan"]
    assert (plan["blocks_needed"], plan["slack_blocks"], plan["blocks"]) == (3, 2, 5)
    assert plan["units_per_block"] == 102 and plan["rule"] == "whole units"
    assert plan["unit_time"] == {"seconds": 840.0, "source": "given"}
    assert plan["lead_seconds"] == 1008 + 42 + 30
    assert plan["between_points"] is None and plan["disk_bytes"] is None


def test_limits_are_compared_in_rows(plan):
    lines = plan(*FIGURES, "--compare", "3h,12h,24h,3-00:00:00,10m").stdout.splitlines()
    assert lines[0].split() == "limit blocks epochs a block lost to restarts run time".split()
    assert [line.split("  ")[0].strip() or line for line in lines[1:4]]
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[1:]]
    assert rows[0][:4] == ["3 h 00 min", "25", "12", "1.77 %"]
    assert rows[2][:4] == ["24 h 00 min", "3", "102", "0.21 %"]
    assert "does not fit a block" in rows[4][-1]


def test_limits_are_compared_for_programs(tool_json, fake_slurm):
    rows = tool_json("ckptplan", *FIGURES, "--compare", "3h,10m")
    assert (rows[0]["limit_seconds"], rows[0]["blocks_needed"], rows[0]["refusal"]) == (10800, 25, None)
    assert "does not fit" in rows[1]["refusal"]


def test_with_nothing_known_it_says_how_to_know(refused):
    assert "--rehearse 2 -- COMMAND" in refused("--epochs", "300")
    assert "--epochs 300" in refused("--epoch-time", "14m")


def test_an_epoch_that_does_not_fit_is_refused_with_the_arithmetic(refused):
    assert refused("--epochs", "3", "--epoch-time", "26h", "--limit", "24h", "--startup", "10m") == (
        "one epoch (26 h 00 min) does not fit a block (23 h 49 min 30 s = 24 h 00 min - start-up 10 min - margin 30 s): "
        "put safe points within it, or take a longer limit")


@pytest.mark.parametrize("epochs", ["0", "-1", "many", "nan"])
def test_a_number_of_epochs_that_is_none_is_told_in_few_words(refused, epochs):
    assert refused(f"--epochs={epochs}") == f"--epochs: {epochs} is not a number above zero; see ckptplan --help"


@pytest.mark.parametrize("epochs", ["inf", "1e300"])
def test_more_epochs_than_anybody_trains_are_refused(refused, epochs):
    assert f"--epochs: {epochs} is more than can be planned" in refused(f"--epochs={epochs}", "--epoch-time=1s")


def test_what_restarts_cost_is_null_where_it_is_not_known(tool_json, fake_slurm):
    arguments = ["--epochs", "300", "--epoch-time", "14m", "--limit", "24h"]
    plan = tool_json("ckptplan", *arguments)["plan"]
    assert plan["restart_seconds"] is None and plan["restart_share"] is None
    assert tool_json("ckptplan", *arguments, "--compare", "3h")[0]["restart_share"] is None


@pytest.mark.parametrize("arguments, word", [
    (["--epochs", "0"], "--epochs"), (["--epochs", "many"], "--epochs"),
    (["--epoch-time", "soon"], "--epoch-time: 'soon'"),
    (["--limit", "0"], "--limit"), (["--state-size", "12Q"], "--state-size: '12Q'"),
    (["--cpus", "many", "--", "true"], "--cpus"), (["--limit", ""], "is a variable not set"),
    (["--epoch", "3"], "no option --epoch"),
    (["--compare", "3h,,4h"], "--compare"), (["--keep", "0"], "--keep"), (["--submit"], "--submit needs a job"),
    (["--rehearse", "2"], "--rehearse needs the command"), (["--sweep", "5"], "--sweep needs a job"),
    (["--freeze", "--", "true"], "add --submit"), (["-r", "nobody"], "no run 'nobody'"), (["train.sh"], "train.sh"),
    (["train.sh", "--", "true"], "not both"),
    (["--sweep", "3", "--rehearse", "2", "--", "true"], "do not go together")])
def test_a_wrong_word_is_named_in_one_line(refused, arguments, word):
    assert word in refused(*arguments)


def test_without_a_word_it_shows_its_help(plan):
    result = plan()
    assert result.returncode == 0 and result.stdout == plan("--help").stdout
    assert "Usage: ckptplan" in result.stdout and "--rehearse 2 -- python train.py" in result.stdout


def test_a_run_that_is_under_way_is_planned_from_its_own_ledgers(plan, tool, bin_directory):
    begun = tool("ckptrun", "-r", "count", "--block-time", "4s", "--", bin_directory / "epoch_counter", "9", "40",
                 "10000")
    assert begun.returncode == 0, begun.stderr
    rows = table(plan("-r", "count", "--epochs", "1000", "--limit", "2m").stdout)
    assert "measured" in rows["one epoch"][1] and rows["one epoch"][1].startswith("p90 of ")
    assert "measured" in rows["- restore"][1] or rows["- restore"][1] == "not known, counted as 0"
    assert "between safe points" in rows["- lead"][1]
    assert plan("-r", "count", "--epochs", "1000").stdout.startswith("991 epochs left of 1000 epochs in ")
    assert "all 9 epochs are done" in plan("-r", "count").stderr


@pytest.mark.parametrize("arguments", [
    ["ckptplan", *FIGURES, "--", "true"], ["ckptplan", *FIGURES, "-r", "a"],
    ["ckptplan", "--rehearse", "2", "--", "true"], ["ckptrun", "--", "true"], ["ckptrun", "-r", "a", "--check", "--", "true"], ["ckpt", "ls"], ["ckpt", "status"],
    ["ckpt", "show", "a"], ["ckpt", "rm", "a", "--yes"]])
def test_in_a_folder_that_is_gone_it_says_so_in_a_line(bin_directory, fake_slurm, work, arguments):
    (work / "gone").mkdir()
    program, *words = arguments
    result = subprocess.run(["sh", "-c", 'rmdir ../gone; exec "$@"', "sh", bin_directory / program, *words],
                            cwd=work / "gone", text=True, capture_output=True)
    assert result.returncode != 0
    [line] = result.stderr.splitlines()
    assert "filesystem error" not in line and ("cd to one that is there" in line or "no run" in line), line


def test_a_rehearsal_measures_and_leaves_only_its_ledgers(plan, work, bin_directory):
    command = [bin_directory / "epoch_counter", "500", "20", "10000"]
    result = plan("--rehearse", "3", "--limit", "10m", "--", *command)
    assert result.returncode == 0, result.stderr
    assert "rehearsing 3 epochs" in result.stderr
    rows = table(result.stdout)
    assert "rehearsed" in rows["one epoch"][1]
    assert rows["- start-up"][0] != "?" and rows["- restore"][0] != "?" and rows["disk"][0] != "?"
    [run] = (work / "ckpt-runs").iterdir()
    assert run.name == "epoch_counter"
    assert not list((run / "snapshots").iterdir()) and not list((run / "blocks").iterdir())
    assert list((run / "rehearsal/blocks").glob("*.jsonl"))
    later = table(plan("-r", "epoch_counter", "--limit", "10m").stdout)
    assert later["one epoch"] == rows["one epoch"]


def test_a_rehearsal_of_a_program_that_tells_no_progress_counts_steps(plan, bin_directory):
    command = [bin_directory / "epoch_counter", "1", "10", "10000", "silent"]
    result = plan("--rehearse", "5", "--epochs", "100", "--", *command)
    assert result.returncode == 0, result.stderr
    assert "one step" in table(result.stdout)


def test_a_rehearsal_that_measures_nothing_says_why(refused, plan, work):
    result = plan("--rehearse", "2", "--", "false")
    assert result.returncode == 125
    assert "measured nothing" in result.stderr and "ckpt_progress" in result.stderr
    assert not list((work / "ckpt-runs").glob("*.rehearsal-*"))


OWN_TRAINER = [sys.executable, pathlib.Path(__file__).parent / "programs/own_trainer.py", "--write-checkpoints-to", "ck"]


def own_training(*options, latest="ck/model-{epoch}.pt", seconds=0.5, epochs=1000):
    return ["ckptrun", "--latest", latest, "--resume-args", "--load-checkpoint {resume}", *options, "--", *OWN_TRAINER,
            "--epochs", epochs, "--seconds", seconds]


@pytest.mark.parametrize("how", [{}, {"latest": "ck/*.pt", "options": ["--progress", "keras"]},
                                 {"latest": "ck/*.pt", "options": ["--progress", r"Epoch (?<done>\d+)/(?<total>\d+)"]}],
                         ids=["names", "output", "words"])
def test_a_rehearsal_of_a_program_with_checkpoints_of_its_own_ends_after_its_epochs(plan, work, how):
    result = plan("--rehearse", "3", "--epochs", "1000", "--limit", "10m", "--", *own_training(
        *how.get("options", []), "--setup", "sleep 1", latest=how.get("latest", "ck/model-{epoch}.pt")))
    assert result.returncode == 0, result.stderr
    assert "stay, and the run will go on from them: ck/" in result.stderr
    rows = table(result.stdout)
    assert "rehearsed" in rows["one epoch"][1] and seconds(rows["- start-up"][0]) >= 1
    assert 3 <= len(list((work / "ck").iterdir())) < 50
    assert "one epoch takes" in result.stdout and "left of 1000 epochs" in result.stdout        # what was done stays


TEARS_ITS_CHECKPOINT = """
import os, signal
with open("last.pkl", "r+b") as file:
    file.truncate(500)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_checkpoint_that_a_rehearsal_has_torn_is_made_again_from_its_copy(plan, work):
    whole = pickle.dumps("x" * 1000)
    (work / "last.pkl").write_bytes(whole)
    result = plan("--rehearse", "1", "--epochs", "3", "--", "ckptrun", "--latest", "last.pkl", "--progress", "keras", "--resume-args", "{resume}",
                  "--", sys.executable, "-c", TEARS_ITS_CHECKPOINT)
    assert result.returncode == 125, result.stderr
    assert "'last.pkl' is made again from its copy" in result.stderr, result.stderr
    assert (work / "last.pkl").read_bytes() == whole
    assert not list((work / "ckpt-runs").glob("*.rehearsal-*"))


def test_a_rehearsal_that_would_never_learn_of_an_epoch_is_refused(refused, work):
    line = refused("--rehearse", "2", "--epochs", "300", "--", *own_training(latest="ck/*.pt"))
    assert "nothing would tell when an epoch is done" in line and "ck/*.pt" in line and "--progress" in line
    assert not (work / "ck").exists()


def test_short_blocks_of_a_program_with_checkpoints_of_its_own_teach_its_times(plan, tool):
    options, command = own_training(epochs=8)[1:5], own_training(epochs=8)[6:]
    done = tool("ckptrun", "-r", "own", "--setup", "sleep 1", *options, "--", *command)
    assert done.returncode == 0, done.stderr
    rows = table(plan("-r", "own", "--epochs", "300", "--limit", "10m").stdout)
    assert "measured" in rows["one epoch"][1] and seconds(rows["- start-up"][0]) >= 1


def test_an_interrupted_rehearsal_leaves_nothing(start, fake_slurm, eventually, work, bin_directory):
    process = start("ckptplan", "--rehearse", "1000", "--", bin_directory / "epoch_counter", "5000", "20", "10000")
    eventually(lambda: list(work.glob("ckpt-runs/*.rehearsal-*/blocks/*.program-*.jsonl")))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 125
    assert "interrupted" in process.err.read_text()
    assert not (work / "ckpt-runs").exists()


def test_on_a_login_node_a_rehearsal_is_a_line_to_type(refused, fake_slurm):
    fake_slurm["scontrol-ping.out"] = "Slurmctld(primary) at vm is UP\n"
    line = refused("--rehearse", "2", "--gpus", "1", "--", "python", "my train.py")
    assert "login node" in line and "--rehearse 2 --submit" in line
    typed = line.split("type: ")[1].split("   ")[0]
    assert typed.startswith("srun --gpus=1 --time=60 --pty /")
    assert typed.endswith("--rehearse 2 -- python 'my train.py'")
