# SPDX-License-Identifier: Apache-2.0
"""How blocks of programs that write their own checkpoints end, and when their work is done."""
import sys

from own_training import TRAINER

SAVES_ON_ITS_SIGNAL = r"""
import os, pathlib, signal, sys, time
def save(number, frame):
    pathlib.Path("last.state").write_text("saved on the signal")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
if os.environ.get("CKPT_RESUME"):
    sys.exit(pathlib.Path(os.environ["CKPT_RESUME"]).read_text() != "saved on the signal")
signal.signal(signal.SIGTERM, save)
time.sleep(60)
"""


def test_what_a_program_saves_before_it_dies_of_the_signal_that_asked_it_to_stop_is_taken(tool, work):
    done = tool("ckptrun", "-r", "t", "--block-time", "3s", "--stop", "signal:TERM", "--latest", "last.state", "--", sys.executable, "-c",
                SAVES_ON_ITS_SIGNAL)
    assert done.returncode == 0, done.stderr
    assert "block 2 starts from last.state" in done.stderr


def test_a_block_ends_after_the_last_checkpoint_that_fits(training):
    done = training.ckptrun("--block-time", "20s", trainer=["--epochs", 14, "--seconds", 2])
    assert done.returncode == 0, done.stderr
    assert training.epochs() == list(range(1, 15))      # none twice: nothing was lost at the stops
    assert "the next checkpoint (one every" in done.stderr


STARTS_SLOWLY = """
import os, pathlib, pickle, sys, time
resume = os.environ.get("CKPT_RESUME")
epoch = pickle.load(open(resume, "rb")) if resume else 0
time.sleep(6)
while epoch < int(sys.argv[1]):
    time.sleep(float(sys.argv[2]))
    epoch += 1
    pathlib.Path(f"m-{epoch}.pkl").write_bytes(pickle.dumps(epoch))
"""


def test_the_time_to_start_is_not_taken_for_the_time_between_checkpoints(tool, work):
    done = tool("ckptrun", "-r", "t", "--latest", "m-{epoch}.pkl", "--block-time", "14s", "--", sys.executable, "-c", STARTS_SLOWLY, "10", "1")
    assert done.returncode == 0, done.stderr
    assert "block 2 ended" in done.stderr and "block 3" not in done.stderr, done.stderr


def test_a_first_block_goes_on_after_its_first_checkpoint_until_its_deadline(tool, work):
    done = tool("ckptrun", "-r", "t", "--latest", "m-{epoch}.pkl", "--block-time", "14s", "--", sys.executable, "-c", STARTS_SLOWLY, "3", "4")
    assert done.returncode == 0, done.stderr
    assert "block 1: asked to stop: the block's time is up" in done.stderr


PAUSES_IN_ITS_CHECKPOINT = """
import os, pathlib, pickle, sys, time
last = int(os.environ.get("CKPT_RESUME", "step_0").rpartition("_")[2])
for step in range(last + 1, 4):
    time.sleep(2)
    os.mkdir(f"step_{step}")
    for name in "model.bin", "optimizer.bin", "rng.bin":
        pathlib.Path(f"step_{step}/{name}").write_bytes(pickle.dumps(step))
        time.sleep(2.2 * (name != "rng.bin"))
    print("saved", step, flush=True)
"""


def test_a_program_is_not_stopped_between_the_files_of_its_first_directory(tool, work):
    done = tool("ckptrun", "-r", "t", "--latest", "step_{step}", "--block-time", "22s", "--", sys.executable, "-c", PAUSES_IN_ITS_CHECKPOINT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "saved 1\nsaved 2\nsaved 3\n", done.stdout + done.stderr


def test_a_program_that_saves_on_a_signal_gets_it_in_time_through_its_shell(training):
    done = training.tool("ckptrun", "-r", "t", "--latest", "ckpts/model-{epoch}.pt", "--stop", "signal:USR1", "--block-time", "15s",
                         "--", "sh", "-c", '"$@" ${CKPT_RESUME:+--load-checkpoint $CKPT_RESUME}; echo ended', "sh", *TRAINER,
                         "--write-checkpoints-to", "ckpts", "--save-on-signal", "--epochs", "2")
    assert done.returncode == 0, done.stderr
    assert training.begun_from() == [0, 1]
    assert training.events("ended")[0]["stop_seconds"] > 0
    assert "stopped with model-1.pt (epoch 1)" in done.stderr


SAVES_SLOWLY_ON_ITS_SIGNAL = """
import os, pathlib, signal, sys, time
def save(number, frame):
    time.sleep(7.5)
    pathlib.Path("saved.tmp").write_text("whole")
    os.rename("saved.tmp", "last.state")
    sys.exit(0)
if os.environ.get("CKPT_RESUME"):
    sys.exit(0)
signal.signal(signal.SIGUSR1, save)
time.sleep(60)
"""


def test_a_program_that_saves_on_a_signal_and_had_too_little_time_for_it_gets_more_in_the_next_block(tool, work):
    done = tool("ckptrun", "-r", "t", "--latest", "last.state", "--stop", "signal:USR1", "--block-time", "14s", "--", sys.executable, "-c",
                SAVES_SLOWLY_ON_ITS_SIGNAL)
    assert done.returncode == 0, done.stderr
    assert "block 1: its program had not ended " in done.stderr and "after SIGUSR1: the next block sends that earlier" in done.stderr
    assert "block 2 ended" in done.stderr and "block 3 starts from last.state" in done.stderr, done.stderr


ONE_EPOCH_AT_A_TIME = "mkdir -p ckpts; n=$(ls ckpts | wc -l); echo $n > ckpts/model-$((n + 1)).txt; sleep 0.1"


def test_an_end_with_0_is_the_end_of_the_work_only_when_done_when_says_so(tool, work):
    done = tool("ckptrun", "-r", "t", "--latest", "ckpts/model-{epoch}.txt", "--done-when", "test -e ckpts/model-3.txt",
                "--", "sh", "-c", ONE_EPOCH_AT_A_TIME)
    assert done.returncode == 0, done.stderr
    assert len(list((work / "ckpts").iterdir())) == 3
    assert "exit code 0, but --done-when says that the work is not done" in done.stderr
    assert tool("ckpt", "done", "t").returncode == 0


def test_without_a_newer_checkpoint_an_end_with_0_that_is_not_done_is_repeated_once(tool, work):
    done = tool("ckptrun", "-r", "t", "--latest", "ckpts/model-{epoch}.txt", "--done-when", "false",
                "--", "sh", "-c", f"[ -e ckpts/model-1.txt ] || {{ {ONE_EPOCH_AT_A_TIME}; }}; echo begun >> begun")
    assert done.returncode == 124, done.stderr
    assert (work / "begun").read_text().count("begun") == 2
    assert "without a newer whole checkpoint in between" in done.stderr


def test_a_done_when_that_cannot_be_asked_is_told_and_counts_as_not_done(tool):
    done = tool("ckptrun", "-r", "t", "--done-when", "no-such-command", "--", "true")
    assert done.returncode == 1
    assert "--done-when 'no-such-command' gave no answer: exit code 127; that counts as not done" in done.stderr


def test_done_when_knows_the_run_and_is_asked_only_after_0(tool, work):
    asked = 'echo "$CKPT_RUN $CKPT_RUN_DIR" >> asked'
    assert tool("ckptrun", "-r", "t", "--done-when", asked, "--", "sh", "-c", "exit 3").returncode == 3
    assert not (work / "asked").exists()
    assert tool("ckptrun", "-r", "u", "--done-when", asked, "--", "true").returncode == 0
    assert (work / "asked").read_text() == f"u {work}/ckpt-runs/u\n"
