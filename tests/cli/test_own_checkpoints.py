# SPDX-License-Identifier: Apache-2.0
"""Programs that write their own checkpoints and know nothing of ckptrun."""
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
from own_training import TRAINER


def test_a_crash_goes_on_from_the_newest_checkpoint(training):
    done = training.ckptrun(trainer=["--epochs", 5, "--crash-after", 2, 4])
    assert done.returncode == 0, done.stderr
    assert training.begun_from() == [0, 2, 4]
    assert training.epochs() == [1, 2, 3, 4, 5]
    assert "starts from model-2.pt (epoch 2)" in done.stderr
    assert training.log()[2 + 1].endswith("ckpts/model-2.pt")        # CKPT_RESUME


def test_the_same_crash_without_a_newer_checkpoint_stops_the_chain(training):
    done = training.ckptrun(trainer=["--epochs", 5, "--fail-in", 3])
    assert done.returncode == 124, done.stderr
    assert "blocks 1 and 2 crashed without a newer whole checkpoint in between" in done.stderr
    assert training.begun_from() == [0, 2]


def test_a_program_that_never_gets_to_a_checkpoint_is_not_tried_again(tool, work):
    done = tool("ckptrun", "-r", "t", "--latest", "ckpts/*.pt", "--", "sh", "-c", "exit 4")
    assert done.returncode == 4
    assert "before the first whole checkpoint" in done.stderr


def test_a_truncated_and_a_flipped_checkpoint_are_named_left_out_and_not_touched(training):
    training.ckptrun(trainer=["--epochs", 4])
    cut, flipped = training.checkpoints / "model-4.pt", training.checkpoints / "model-3.pt"
    cut.write_bytes(cut.read_bytes()[:100_000])
    damaged = bytearray(flipped.read_bytes())
    damaged[60_000] ^= 1
    flipped.write_bytes(damaged)
    checked = training.ckptrun("--check", "--accept-changes", trainer=["--epochs", 6])
    assert "start from model-2.pt (epoch 2)" in checked.stdout and "model-4.pt (the list" in checked.stdout, checked.stdout
    done = training.ckptrun("--accept-changes", trainer=["--epochs", 6, "--name", "other-{}.pt"])
    assert "model-4.pt is left out: the list of its entries, which a zip file ends with, is missing" in done.stderr
    assert "model-3.pt is left out: its entry 'archive/data/0' does not match its checksum (CRC-32)" in done.stderr
    assert training.begun_from()[-1] == 2
    assert cut.stat().st_size == 100_000 and flipped.read_bytes() == damaged


def test_checkpoints_from_before_are_adopted_with_a_word_and_not_by_a_fresh_run(training):
    training.ckptrun(trainer=["--epochs", 2])
    done = training.ckptrun(run="another", trainer=["--epochs", 3])
    assert "ckpts/model-2.pt was there before this run, and is taken for its own" in done.stderr
    assert training.begun_from() == [0, 2]
    done = training.ckptrun("--fresh", run="another", trainer=["--epochs", 1])
    assert done.returncode == 0, done.stderr
    assert training.begun_from() == [0, 2, 0]


def test_a_fresh_run_sees_its_checkpoints_though_older_ones_have_higher_numbers(training):
    training.ckptrun(trainer=["--epochs", 20])
    done = training.ckptrun("--fresh", "--block-time", "20s", trainer=["--epochs", 12, "--seconds", 2])
    assert done.returncode == 0, done.stderr
    assert "stopped with model-" in done.stderr
    assert training.epochs()[20:] == list(range(1, 13))


def test_an_older_checkpoint_is_no_new_one_when_the_program_has_removed_the_newest(training):
    training.checkpoints.mkdir()
    done = training.ckptrun("--block-time", "15s", latest="ckpts/*.pt",
                            trainer=["--name", "first.pt", "--epochs", 1])
    assert done.returncode == 0, done.stderr
    training.ckptrun("--accept-changes", "--block-time", "12s", latest="ckpts/*.pt",
                     trainer=["--name", "last-{}.pt", "--epochs", 6, "--seconds", 1, "--removes-first"])
    found = [pathlib.Path(event["path"]).name for event in training.events("checkpoint")]
    assert found[0] == "first.pt" and "first.pt" not in found[1:] and len(found) > 2


def test_a_program_that_goes_to_another_directory_finds_its_checkpoint(training):
    (training.work / "ckpts").mkdir()
    done = training.tool("ckptrun", "-r", "t", "--latest", "ckpts/*.state", "--", "sh", "-c",
                         'cd / && if [ "$CKPT_RESUME" ]; then cp "$CKPT_RESUME" "$0/second"; else echo epoch 1 > "$0/ckpts/1.state"; exit 85; fi',
                         training.work)
    assert done.returncode == 0, done.stderr
    assert (training.work / "second").exists()


def test_a_pattern_that_the_shell_has_expanded_is_told_so(training):
    training.ckptrun(trainer=["--epochs", 1])
    for name in "a.pt", "b.pt":
        (training.checkpoints / name).write_text("")
    done = training.tool("ckptrun", "--latest", "ckpts/a.pt", "ckpts/b.pt", "--", "true")
    assert done.returncode == 125
    assert "the shell has expanded the pattern of --latest to 2 files" in done.stderr
    done = training.ckptrun(latest="ckpts/model-1.pt", trainer=["--epochs", 1])
    assert done.returncode == 125
    assert "the shell has expanded it; quote it: --latest 'ckpts/model-{epoch}.pt'" in done.stderr


def test_a_trial_goes_on_from_a_checkpoint_of_its_own(tool, work):
    for trial, epoch in (3, 1), (7, 9):
        (work / f"ckpts/{trial}").mkdir(parents=True)
        (work / f"ckpts/{trial}/model-{epoch}.txt").write_text("state")
    done = tool("ckptrun", "-r", "trials/{TRIAL}", "--latest", "ckpts/{TRIAL}/model-{epoch}.txt", "--", "sh", "-c", "echo $CKPT_RESUME",
                TRIAL="3")
    assert done.stdout.strip() == str(work / "ckpts/3/model-1.txt"), done.stderr


def test_a_pattern_that_nothing_matches_is_named_as_the_reason(training):
    done = training.ckptrun("--block-time", "6s", latest="ckpts/*.pth", trainer=["--epochs", 100, "--seconds", 1])
    assert done.returncode == 124
    assert "nothing that --latest names was there all the time" in done.stderr


def test_a_run_whose_checkpoints_are_all_damaged_does_not_start_over(training):
    training.ckptrun(trainer=["--epochs", 1])
    (training.checkpoints / "model-1.pt").write_bytes(b"PK\3\4")
    done = training.ckptrun("--accept-changes", trainer=["--epochs", 2])
    assert done.returncode == 124
    assert "this run had whole checkpoints and none is whole now" in done.stderr
    assert "model-1.pt is left out: " in done.stderr
    assert training.begun_from() == [0]


@pytest.mark.parametrize("part", [1, 2])
def test_a_file_that_is_overwritten_in_place_survives_being_killed_in_the_middle(training, part):
    kills = 25
    done = training.ckptrun(latest="ckpts/last.pt", trainer=["--name", "last.pt", "--epochs", kills + 1, "--torn", training.run / "kept/checkpoints"])
    assert done.returncode == 0, done.stderr
    assert training.epochs() == list(range(1, kills + 2))
    assert training.begun_from() == list(range(kills + 1))
    assert len(list((training.run / "kept/checkpoints").iterdir())) == 2
    assert done.stderr.count("ckpts/last.pt is left out") == kills


SAVES_SLOWLY = r"""
import os, pathlib, signal, sys
here, before = pathlib.Path(sys.argv[1]), os.environ.get("CKPT_RESUME")
step = int(pathlib.Path(before).read_bytes().split(b" ")[0]) if before else 0
print("from", step, flush=True)
if step >= 20:
    sys.exit()
here.write_bytes(b"%d " % (step + 10) + b"x" * 50)          # torn
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_that_was_there_before_is_copied_before_it_can_be_lost(training):
    whole = b"10 " + b"x" * 100
    (training.work / "last.state").write_bytes(whole)
    training.tool("ckptrun", "-r", "t", "--latest", "last.state", "--", sys.executable, "-c", SAVES_SLOWLY, "last.state")
    copies = list((training.run / "kept/checkpoints").iterdir())
    assert [copy.read_bytes() for copy in copies] == [whole]           # and only once, although two blocks went on from it
    told = training.tool("ckptrun", "-r", "t", "--check", "--latest", "last.state", "--", sys.executable, "-c", SAVES_SLOWLY, "last.state")
    assert copies[0].name in told.stdout and "its format does not tell whether it is whole" in told.stdout + told.stderr


WRITES_FOR_EVER = """
import os, sys, time
if os.environ.get("CKPT_RESUME"):
    sys.exit(print("from", open(os.environ["CKPT_RESUME"]).read(1)))
for step in 1, 2, 3:
    with open("last.state", "w") as file:
        for piece in range(60):
            file.write(str(step) * 1000)
            file.flush()
            time.sleep(step == 3)
    time.sleep(2.5)
"""


@pytest.mark.parametrize("shell", [[], ["sh", "-c", '"$@"; exit $?', "sh"]])
def test_what_a_program_that_handles_no_signal_was_writing_when_it_was_stopped_is_not_taken(shell, tool, work):
    done = tool("ckptrun", "-r", "t", "--block-time", "10s", "--stop", "deadline", "--latest", "last.state", "--", *shell, sys.executable,
                "-c", WRITES_FOR_EVER)
    assert "last.state is left out: it is much smaller than the one before it" in done.stderr, done.stderr
    assert done.stdout == "from 2\n", done.stderr


KILLED_IN_ITS_FOURTH = """
import json, os, signal, sys, time
if os.environ.get("CKPT_RESUME"):
    sys.exit(print("from", open(os.environ["CKPT_RESUME"]).read(1)))
for step in range(int(sys.argv[1]), 5):
    with open(f"m-{step}.state", "w") as file:
        for piece in range(50):
            file.write(str(step) * 1000)
            file.flush()
            time.sleep(0.1 * (step == 4))
        if step == 4:
            print((json.load(open("ckpt-runs/t/status.json")).get("checkpoint") or {}).get("path"), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_with_a_newer_one_behind_it_is_seen_at_rest_while_that_one_is_written(tool, work):
    done = tool("ckptrun", "-r", "t", "--latest", "m-{step}.state", "--", sys.executable, "-c", KILLED_IN_ITS_FOURTH, "1")
    assert done.stdout.splitlines() == ["m-3.state", "from 3"], done.stdout + done.stderr
    assert "m-4.state is left out: " in done.stderr


WRITES_SLOWLY = """
import time
with open("m-2.state", "wb", buffering=0) as file:
    for piece in range(60):
        file.write(b"2" * 1000)
        time.sleep(0.5)
"""


def test_what_somebody_is_writing_at_the_start_of_a_block_is_not_taken(tool, work):
    (work / "m-1.state").write_text("1 whole")
    with subprocess.Popen([sys.executable, "-c", WRITES_SLOWLY]) as other:
        try:
            while not (work / "m-2.state").exists():
                time.sleep(0.05)
            done = tool("ckptrun", "-r", "t", "--latest", "m-{step}.state", "--", "sh", "-c", 'head -c 1 "$CKPT_RESUME"')
        finally:
            other.kill()
    assert "m-2.state is left out: somebody is writing it" in done.stderr, done.stderr
    assert done.stdout == "1"


def test_what_a_killed_program_may_have_torn_is_told_where_it_is_all_there_is(tool, work):
    command = ["ckptrun", "-r", "t", "--latest", "m-{step}.state", "--", sys.executable, "-c", KILLED_IN_ITS_FOURTH, "4"]
    assert tool(*command).returncode == 137
    done = tool(*command)
    assert "what is gone on from is all there is, and may be torn: m-4.state: its program was killed" in done.stderr, done.stderr
    assert done.stdout == "from 4\n"


TORN = """
import os, signal, subprocess, sys, time
how = sys.argv[1]
if os.environ.get("CKPT_RESUME"):
    sys.exit(print("from", os.environ["CKPT_RESUME"].rpartition("/")[2]))
if how == "leaves":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if how == "has a helper":
    subprocess.Popen([sys.executable, "-c", "import signal, sys, time; signal.signal(15, lambda *_: sys.exit()); time.sleep(60)"])
for step in 1, 2, 3:
    with open(f"m-{step}.state", "w") as file:
        for piece in range(20):
            file.write("x" * 1000)
            file.flush()
            if (step, piece) == (3, 5):
                if how == "fails":
                    raise OSError(28, "No space left on device")
                if how == "dies in a shell":
                    os.kill(os.getpid(), 9)
                time.sleep(60)
    time.sleep(2.5)
"""


@pytest.mark.parametrize("how", ["fails", "leaves", "has a helper", "dies in a shell"])
def test_a_file_that_was_cut_short_is_not_taken_however_its_program_ended(how, tool, work):
    shell = ["sh", "-c", '"$@"; code=$?; sleep 4; exit $code', "sh"] if how == "dies in a shell" else []
    done = tool("ckptrun", "-r", "t", "--block-time", "12s", "--stop", "deadline", "--latest", "m-{step}.state", "--", *shell, sys.executable,
                "-c", TORN, how)
    assert done.stdout == "from m-2.state\n", done.stderr
    assert "m-3.state is left out: it is much smaller than the one before it" in done.stderr


def test_a_run_that_went_on_from_a_checkpoint_of_before_does_not_start_over_without_it(training):
    training.ckptrun(trainer=["--epochs", 2], run="other")
    first = training.ckptrun(trainer=["--epochs", 5, "--fail-in", 3])
    assert "starts from model-2.pt" in first.stderr
    for checkpoint in training.checkpoints.iterdir():
        checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    done = training.ckptrun(trainer=["--epochs", 5])
    assert done.returncode != 0 and "starts from the beginning" not in done.stderr
    assert training.begun_from()[1:] == [2, 2]


def test_numbers_that_come_again_are_progress_where_they_are_overwritten_and_told_where_they_begin_again(tool, work):
    script = 'n=$(cat count 2>/dev/null || echo 0); echo $((n + 1)) > count; [ $n -lt 3 ] || exit 0; '
    overwrites = tool("ckptrun", "-r", "same", "--latest", "c/m-{epoch}.txt", "--", "sh", "-c",
                      script + 'mkdir -p c; sleep 0.02; echo "state $n" > c/m-1.txt; exit 85')
    assert overwrites.returncode == 0, overwrites.stderr
    again = tool("ckptrun", "-r", "again", "--latest", "d/m-{epoch}.txt", "--", "sh", "-c",
                 'mkdir -p d; sleep 0.02; if [ -e d/m-5.txt ]; then echo later > d/m-1.txt; else echo first > d/m-5.txt; fi; exit 85')
    assert again.returncode != 0
    assert "has lower numbers than m-5.txt (epoch 5), from which it went on" in again.stderr


def test_numbers_that_begin_again_are_refused_also_where_the_block_came_further(tool, work):
    done = tool("ckptrun", "-r", "t", "--latest", "m-{epoch}.txt", "--", "sh", "-c",
                'save() { echo $$ > m-$1.txt; sleep 1.5; }; if [ -e m-3.txt ]; then save 1; rm m-1.txt; save 2; save 3; save 4; else save 3; fi; exit 85')
    assert done.returncode == 124, done.stderr
    assert "block 2 wrote has lower numbers than m-3.txt (epoch 3), from which it went on" in done.stderr


@pytest.mark.parametrize("second", ["save 4; echo $$ > m-2.txt; sleep 1.5", "touch m-1.txt m-2.txt m-3.txt; sleep 1.5; save 4", "save 0; save 4"])
def test_older_checkpoints_that_are_written_anew_or_touched_are_no_numbers_that_begin_again(second, tool, work):
    done = tool("ckptrun", "-r", "t", "--latest", "m-{epoch}.txt", "--", "sh", "-c",
                f'save() {{ echo $$ > m-$1.txt; sleep 1.5; }}; if [ -e m-4.txt ]; then exit 0; elif [ -e m-3.txt ]; then {second}; else save 0; save 1; save 2; save 3; fi; exit 85')
    assert done.returncode == 0, done.stderr
    assert "block 3 starts from m-4.txt" in done.stderr


def test_an_older_checkpoint_that_is_being_removed_is_no_number_that_begins_again(tool, work):
    done = tool("ckptrun", "-r", "t", "--latest", "c-{step}", "--", "sh", "-c",
                'save() { mkdir c-$1; echo $$ > c-$1/a; echo $$ > c-$1/b; sleep 1; }; '
                'if [ -e c-3 ]; then exit 0; elif [ -e c-2 ]; then rm c-1/a; sleep 2; rm -r c-1; save 3; else save 1; save 2; fi; exit 85')
    assert done.returncode == 0, done.stderr
    assert "block 3 starts from c-3" in done.stderr


OUTGROWS_ITS_COPIES = """
import os, resource, sys, time, zipfile
if os.environ.get("CKPT_RESUME"):
    sys.exit(print("from", os.environ["CKPT_RESUME"].rpartition("/")[2]))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
for size in 1000, 1000000:
    with zipfile.ZipFile("next", "w") as archive:
        archive.writestr("values", bytes(size))
    os.rename("next", "last.npz")
    time.sleep(3)
time.sleep(60)
"""


def test_a_whole_version_without_a_copy_stays_the_newest_and_the_copy_that_a_kill_would_leave_is_named(tool, work, bin_directory):
    limited = 'trap "" XFSZ; ulimit -S -f 100; exec "$@"'        # for the copies, as on a full disk
    done = subprocess.run(["sh", "-c", limited, "sh", bin_directory / "ckptrun", "-r", "t", "--latest", "last.npz", "--block-time", "10s",
                           "--stop", "deadline", "--", sys.executable, "-c", OUTGROWS_ITS_COPIES], text=True, capture_output=True)
    assert done.stdout == "from last.npz\n", done.stderr
    assert "stopped with last.npz" in done.stderr
    assert f"would leave only '{work}/ckpt-runs/t/kept/checkpoints/last.b0001-1.npz', of an earlier version" in done.stderr


def test_a_checkpoint_from_the_future_is_told(tool, work):
    (work / "a.state").write_text("epoch 1")
    os.utime(work / "a.state", (time.time() + 2.5 * 3600,) * 2)
    done = tool("ckptrun", "-r", "t", "--latest", "*.state", "--", "true")
    assert "'a.state' is dated 2 h " in done.stderr and "in the future" in done.stderr
    assert "touch 'a.state'" in done.stderr


def test_a_program_that_reads_its_own_file_finds_the_copy_in_its_place(training):
    done = training.tool("ckptrun", "-r", "t", "--latest", "ckpts/last.pt", "--", *TRAINER, "--write-checkpoints-to", "ckpts", "--name",
                         "last.pt", "--epochs", "3", "--torn", training.run / "kept/checkpoints", "--reads-its-own")
    assert done.returncode == 0, done.stderr
    assert training.begun_from() == [0, 1, 2]
    assert "'ckpts/last.pt' is made again from its copy" in done.stderr
    assert len(list(training.checkpoints.glob("last.pt.damaged-b*"))) == 2        # nothing is removed


def test_removing_a_run_removes_its_copies_and_leaves_the_program_s_own_checkpoint(training):
    training.ckptrun(latest="ckpts/last.pt", trainer=["--name", "last.pt", "--epochs", 2])
    assert list((training.run / "kept/checkpoints").iterdir())
    done = training.tool("ckpt", "rm", "t", "--yes")
    assert done.returncode == 0, done.stderr
    assert not training.run.exists()
    assert (training.checkpoints / "last.pt").exists()


def test_a_file_that_is_completed_late_in_a_folder_of_the_checkpoint_is_seen(training):
    done = training.ckptrun("--block-time", "25s", latest="ckpts/iter_{step}",
                            trainer=["--name", "iter_{}/rank_0/state.pt", "--epochs", 6, "--slow-disk", 4])
    assert done.returncode == 0, done.stderr
    assert training.epochs() == list(range(1, 7))
    assert "stopped with iter_" in done.stderr
    assert len(training.begun_from()) > 1


def test_progress_is_read_from_the_output(training):
    done = training.ckptrun("--progress", "keras", trainer=["--epochs", 3], latest="ckpts/*.pt")
    progress = training.events("progress")[0]
    assert progress["total"] == 3 and progress["unit"] == "epoch"
    assert "Epoch 3/3" in done.stdout
    status = json.loads(training.tool("ckpt", "status", "t", "--json").stdout)
    assert status["progress"] == {"done": 3, "total": 3, "unit": "epoch"}      # though it told the third only as it began
    training.ckptrun("--accept-changes", "--progress", "keras", trainer=["--epochs", 3], latest="ckpts/*.pt")       # finds it done
    status = json.loads(training.tool("ckpt", "status", "t", "--json").stdout)
    assert len(training.events("ended")) == 2 and status["progress"] == {"done": 3, "total": 3, "unit": "epoch"}
    assert training.ckptrun("--progress", "(", trainer=[]).returncode == 125


def test_the_checkpoints_of_a_run_are_listed(training):
    training.ckptrun(trainer=["--epochs", 2])
    listed = training.tool("ckpt", "ls", "t").stdout
    assert "model-2.pt" in listed and "model-1.pt" in listed
    of_run = json.loads(training.tool("ckpt", "ls", "t", "--json").stdout)
    assert [one["epoch"] for one in of_run["checkpoints"]] == [2, 1]
    assert "model-2.pt (epoch 2)" in training.tool("ckpt", "status", "t").stdout


def test_a_torn_file_is_not_called_the_newest_checkpoint_of_a_run(training):
    training.ckptrun(trainer=["--epochs", 2])
    (training.checkpoints / "model-3.pt").write_bytes(b"PK torn")
    assert "model-2.pt (epoch 2)" in training.tool("ckpt", "status", "t").stdout
    ends = [line.rpartition("  ")[2].strip() for line in training.tool("ckpt", "ls", "t").stdout.splitlines()[1:3]]
    assert ends == ["not known to be whole", "newest"]
    of_run = json.loads(training.tool("ckpt", "ls", "t", "--json").stdout)
    assert [one["known_whole"] for one in of_run["checkpoints"]][:2] == [False, True]


def test_a_byte_that_the_disk_has_changed_is_found_by_verify_in_a_format_that_does_not_tell(tool, work):
    tool("ckptrun", "-r", "t", "--latest", "m-{step}.state", "--", "sh", "-c", "echo state > m-1.state")
    time_of_it = (work / "m-1.state").stat().st_mtime_ns
    (work / "m-1.state").write_text("stats\n")
    os.utime(work / "m-1.state", ns=(time_of_it, time_of_it))
    done = tool("ckpt", "verify", "t")
    assert done.returncode == 1 and "its bytes are not those that were found whole" in done.stdout, done.stdout


def test_each_checkpoint_of_a_run_is_verified(training):
    training.ckptrun(trainer=["--epochs", 3])
    flipped, late = training.checkpoints / "model-2.pt", training.checkpoints / "model-9.pt"
    flipped.write_bytes(flipped.read_bytes()[:100_000])
    late.write_bytes(b"anything that is no archive")
    done = training.tool("ckpt", "verify", "t")
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["unknown", "whole", "damaged", "whole"], done.stdout
    assert "ckpts/model-2.pt: the list of its entries" in done.stdout
    of_run = json.loads(training.tool("ckpt", "verify", "t", "--json").stdout)
    assert (of_run["damaged"], of_run["files"][1]["format"]) == (1, "PyTorch")


def test_a_run_whose_checkpoints_are_all_gone_is_damaged_unless_it_is_complete(training):
    training.ckptrun(latest="ckpts/last.pt", trainer=["--name", "last.pt", "--epochs", 4, "--fail-in", 3])
    (training.checkpoints / "last.pt").unlink()
    assert training.tool("ckpt", "verify", "t").returncode == 0               # there are copies
    for copy in (training.run / "kept/checkpoints").iterdir():
        copy.unlink()
    done = training.tool("ckpt", "verify", "t")
    assert done.returncode == 1, done.stdout
    assert done.stdout.endswith("ckpt-runs/t: its program had checkpoints and none is left\n")
    training.ckptrun(run="other", trainer=["--epochs", 1])
    (training.checkpoints / "model-1.pt").unlink()
    done = training.tool("ckpt", "verify", "other")
    assert (done.returncode, done.stdout) == (0, "nothing to verify\n"), done.stdout


def test_a_checkpoint_is_named_with_the_folder_that_the_pattern_leaves_open(tool, work):
    program = "import os, pathlib, sys\nfor n in (1, 2):\n    os.makedirs(f'run-{n}', exist_ok=True)\n" \
              "    pathlib.Path(f'run-{n}/last.bin').write_text(f'{n}')\nsys.exit(85 if not os.environ.get('CKPT_RESUME') else 0)"
    done = tool("ckptrun", "-r", "t", "--latest", "run-*/last.bin", "--", sys.executable, "-c", program)
    assert "block 2 starts from run-2/last.bin" in done.stderr, done.stderr


@pytest.mark.parametrize("options, word", [
    (["--resume-args", "x"], "--latest"), (["--stop", "checkpoint"], "--latest"), (["--stop", "signal:FOO"], "no signal"),
    (["--latest", "x/*.pt", "--resume-args", "'open"], "quote"), (["--latest", "folder/"], "names no file"),
    (["--latest", "last.pt", "--verify-resume"], "would write over the checkpoints"),
    (["--latest", "$CHECKPOINTS/*.pt"], "double quotes"), (["--latest", "run-*/last.pt", "--copies", "2"], "names several")])
def test_options_that_make_no_sense_are_refused(tool, work, options, word):
    done = tool("ckptrun", *options, "--", "true")
    assert done.returncode == 125
    assert word in done.stderr
    assert not (work / "ckpt-runs").exists()


def test_a_checkpoint_that_a_tracker_names_late_is_seen(tool, work):
    save = "mkdir -p c/global_step{0}; echo {0} > c/global_step{0}/state; sleep 1; echo global_step{0} > c/latest; "
    done = tool("ckptrun", "-r", "t", "--latest", "c/global_step{step}", "--resume-args", "{resume}", "--", "sh", "-c",
                save.format(1) + save.format(2) + "sleep 1; mkdir c/global_step3; echo 3 > c/global_step3/state; exit 1")
    assert "is not named by latest yet" in done.stderr
    assert "block 2 starts from global_step2" in done.stderr
