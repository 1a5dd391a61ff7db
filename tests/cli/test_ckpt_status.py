# SPDX-License-Identifier: Apache-2.0
"""ckpt status and ckpt ls: how fast, how long still, and what a person should do. The runs are told, not run."""
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest

from told_run import ToldRun, this_process

HOUR = 3600


@pytest.fixture
def told(work):
    return lambda name: ToldRun(work / "ckpt-runs" / name)


@pytest.fixture
def day_long_blocks(told):
    """A chain of 24-hour blocks of 90 epochs each; the third one runs for 4 h. 30 min between two of them."""
    def run(name="a"):
        run = told(name)
        for number, ago in ((1, 53), (2, 28.5)):
            run.block(number, ago * HOUR, seconds=24 * HOUR, array="77", task=str(number), job=f"9{number}",
                      points=[(60, 9000 * (number - 1)), (60 + 22.5 * HOUR, 9000 * number)],
                      progress=[(60, 90 * (number - 1), 300), (60 + 22.5 * HOUR, 90 * number, 300)],
                      end="stopped", lasted=24 * HOUR)
        run.block(3, 4 * HOUR, who=this_process(), seconds=24 * HOUR, array="77", task="3", job="93",
                  points=[(60, 18000)], progress=[(60, 180, 300)])
        run.status(step=19000, progress={"done": 190, "total": 300, "unit": "epoch"}, seconds_to_end=20 * HOUR,
                   stop_in_seconds=19.75 * HOUR)
        return run.submission("77", 12)
    return run


class OnTerminal:
    """A command with its output on a terminal of its own; `said` grows."""

    def __init__(self, command):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(command, stdout=slave, stdin=subprocess.DEVNULL, env=os.environ | {"TERM": "xterm"})
        os.close(slave)
        self.said = ""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        try:
            while piece := os.read(self.master, 65536):
                self.said += piece.decode().replace("\r\n", "\n")
        except OSError:        # its other end is closed
            pass

    def wait(self):
        code = self.process.wait(60)
        self.reader.join()
        os.close(self.master)
        return code


def rows_of(text):
    """{first word(s): rest} of the table below the heading."""
    return dict(re.split(r"  +", line, maxsplit=1) for line in text.splitlines()[2:])


# ---- status -----------------------------------------------------------------------------------------------------------

def test_status_shows_how_far_and_how_fast(tool, day_long_blocks):
    day_long_blocks()
    rows = rows_of(tool("ckpt", "status").stdout)
    assert rows["progress"] == "[###################...........]  epoch 190.00 of 300 (63 %)"
    assert re.fullmatch(r"1\d min per epoch, \d\.\d s per step", rows["rate"])
    assert rows["block"].startswith("3 of 12 planned, since ")
    assert rows["last end"] == "block 2: to be continued: the time of this block is nearly used"
    assert rows["to do"] == "nothing"


def test_the_expected_finish_counts_work_starts_and_waits(tool_json, day_long_blocks):
    day_long_blocks()
    told = tool_json("ckpt", "status")
    assert (told["waits"], told["mean_wait_seconds"]) == (2, pytest.approx(HOUR / 2, abs=5))
    ahead = told["outlook"]
    unit = (2 * 22.5 * HOUR + 4 * HOUR - 60) / 190
    assert told["seconds_per_unit"] == pytest.approx(unit, rel=0.01)
    assert ahead["work_seconds"] == pytest.approx(110 * unit, rel=0.01)
    assert ahead["blocks"] == 1        # 19.75 h of work fit this block, the rest the next
    rest = ahead["work_seconds"] - 19.75 * HOUR
    assert ahead["finish_in_seconds"] == pytest.approx(20 * HOUR + HOUR / 2 + 60 + rest, rel=0.01)
    assert (ahead["restart_seconds"], ahead["wait_seconds"]) == (pytest.approx(60, abs=1), pytest.approx(HOUR / 2, abs=5))


def test_the_time_a_person_stayed_away_is_no_wait_in_the_queue(tool_json, told):
    run = told("a")
    run.block(1, 500 * HOUR, seconds=HOUR, job="1", points=[(1, 0), (1800, 100)], end="stopped", lasted=HOUR)
    run.block(2, 10, who=this_process(), seconds=HOUR, job="2", points=[(1, 100)])
    assert tool_json("ckpt", "status")["waits"] == 0


def test_an_array_that_extends_another_goes_on_with_its_chain(tool_json, told):
    run = told("a")
    run.block(1, 10 * HOUR, seconds=HOUR, array="5", task="1", job="6", end="stopped", lasted=HOUR)
    run.block(2, 60, who=this_process(), seconds=HOUR, array="8", task="1", job="9")
    run.submission("5", 1).submission("8", 1, extends="5", planned_blocks=1)
    assert tool_json("ckpt", "status")["mean_wait_seconds"] == pytest.approx(9 * HOUR - 60, abs=5)


def test_a_run_without_a_limit_is_done_after_its_work(tool_json, told):
    run = told("a")
    run.block(1, 1000, who=this_process(), points=[(10, 0), (510, 100)], progress=[(10, 0, 4), (510, 2, 4)])
    ahead = tool_json("ckpt", "status")["outlook"]
    assert ahead["blocks"] == 0
    assert ahead["finish_in_seconds"] == pytest.approx(500, rel=0.01)


def test_without_a_whole_unit_seen_the_steps_tell_the_pace(tool_json, told):
    run = told("a")
    run.block(1, 1000, who=this_process(), points=[(0, 0), (500, 50)])
    run.status(step=50, progress={"done": 0.5, "total": 2, "unit": "epoch"})
    told = tool_json("ckpt", "status")
    assert told["seconds_per_unit"] == pytest.approx(1000, rel=0.01)
    assert told["outlook"]["work_seconds"] == pytest.approx(1500, rel=0.01)


def test_no_finish_is_promised_where_a_block_is_too_short_to_work_in(tool_json, told):
    run = told("a")
    run.block(1, 100, who=this_process(), seconds=60, points=[(90, 0), (95, 10)], progress=[(90, 0, 99), (95, 1, 99)])
    assert tool_json("ckpt", "status")["outlook"] is None


@pytest.mark.parametrize("end, decision, state, advice", [
    ("stopped", None, "to be continued", "start it again with the same command"),
    ("crashed", None, "crashed", "mend what the reason says"),
    ("crashed", "stop", "stopped", "mend what the reason says"),
    ("finished", None, "complete", "nothing"),
])
def test_status_says_what_to_do(tool_json, told, end, decision, state, advice):
    told("a").block(1, 100, end=end, lasted=10, decision=decision)
    told = tool_json("ckpt", "status")
    assert told["state"] == state
    assert told["to_do"].startswith(advice)


def test_status_of_a_run_with_a_failing_disk_says_to_look(tool, told):
    run = told("a").block(1, 100, who=this_process())
    run.status(save_error="disk quota exceeded")
    rows = rows_of(tool("ckpt", "status").stdout)
    assert rows["last save"] == "failed: disk quota exceeded"
    assert rows["to do"].startswith("see why the last save failed")


def test_the_word_of_a_wrapped_program_is_told_once(tool, work):
    assert tool("ckptrun", "-r", "a", "--allow-volatile", "--", "sh", "-c", "exit 85").returncode == 124
    told = tool("ckpt", "show", "a").stdout
    assert told.splitlines()[-1].endswith("to be continued: exit code 85")


# ---- --watch ----------------------------------------------------------------------------------------------------------

def test_watch_ends_with_the_run_and_says_each_change_in_a_line(tool, told):
    told("good").block(1, 100, end="finished", lasted=10)
    told("bad").block(1, 100, end="crashed", lasted=10, decision="stop", reason="no progress")
    told("left").block(1, 100, end="stopped", lasted=10)
    for name, code, words in (("good", 0, "complete"), ("bad", 2, "stopped"), ("left", 1, "to be continued")):
        watched = tool("ckpt", "status", name, "--watch")
        assert watched.returncode == code
        assert watched.stdout.count("\n") == 1 and f"{name}  {words}  block 1" in watched.stdout


def test_watch_follows_a_run_to_its_end(start, bin_directory, eventually):
    run = start("ckptrun", "-r", "a", "--allow-volatile", "--", bin_directory / "ten_lines", 200, 5)
    eventually(lambda: os.path.exists("ckpt-runs/a/blocks/0001.json"), "the run is there")
    watching = start("ckpt", "status", "a", "--watch", "--json", "--interval", "100ms")
    assert watching.wait(60) == 0 and run.wait(60) == 0
    lines = [json.loads(line) for line in watching.out.read_text().splitlines()]
    assert lines[-1]["state"] == "complete" and lines[-1]["step"] == 200
    assert {line["state"] for line in lines[:-1]} <= {"running", "not started"}


def test_watch_is_redrawn_in_place_on_a_terminal_and_leaves_it_as_it_was(told, bin_directory, eventually):
    told("a").block(1, 100, who=this_process())
    watching = OnTerminal([bin_directory / "ckpt", "status", "a", "--watch", "--interval", "100ms"])
    eventually(lambda: watching.said.count("\033[J") >= 3, "three frames")
    watching.process.send_signal(signal.SIGINT)
    assert watching.wait() == 130
    frame_lines = len(re.findall("\n", watching.said.split("\033[J")[0]))
    assert f"\033[{frame_lines}A" in watching.said
    assert watching.said.startswith("\033[?25l\033[?7l") and watching.said.endswith("\033[?7h\033[?25h")


def test_a_snapshot_that_is_newer_than_status_json_is_told_with_the_progress_of_that_moment(tool, tool_json, told):
    run = told("a").block(1, 100, who=this_process(), points=[(10, 0)], progress=[(20, 1, 8)], saved=[(90, 500, 5)])
    run.status(step=200, progress={"done": 2, "total": 8, "unit": "epoch"})
    (run.directory / "snapshots/step-000000000500-b0001.h5").touch()
    for now in (tool_json("ckpt", "status"), tool_json("ckpt", "ls")["runs"][0]):
        assert (now["step"], now["progress"]["done"]) == (500, 5)
    run.status(step=620, progress={"done": 6.2, "total": 8, "unit": "epoch"})
    now = tool_json("ckpt", "status")
    assert (now["step"], now["progress"]["done"]) == (620, 6.2)


def test_an_interval_without_rest_is_refused(tool, told):
    told("a").block(1, 100, end="finished", lasted=10)
    refused = tool("ckpt", "status", "a", "--watch", "--interval", "0s")
    assert refused.returncode == 125 and "--interval" in refused.stderr


# ---- ls ---------------------------------------------------------------------------------------------------------------

def test_the_trials_of_a_sweep_stand_in_order_with_their_last_metrics(tool, tool_json, told):
    for trial, loss in ((10, 0.25), (2, 0.5), (1, 0.75)):
        told(f"sweep/{trial}").block(1, 100, end="stopped", lasted=10).metrics(
            {"time": 1.0, "step": 10, "loss": 9.0, "accuracy": 0.5}, {"time": 2.0, "step": 20, "loss": loss})
    header, *rows = tool("ckpt", "ls", "sweep").stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["1", "2", "10"]
    assert header.split()[5:7] == ["loss", "accuracy"]
    assert rows[2][header.index("loss") - 1:].split()[:2] == ["0.25", "0.5"]
    assert tool_json("ckpt", "ls", "sweep")["runs"][1]["metrics"] == {"loss": 0.5, "accuracy": 0.5}
    assert tool_json("ckpt", "ls", "sweep")["runs"][1]["metrics_step"] == 20


def test_a_metrics_line_that_is_being_written_is_not_read(tool_json, told):
    told("a").block(1, 100, end="stopped", lasted=10).metrics({"step": 1, "loss": 0.5}, tail='{"step": 2, "loss": 0.1}')
    assert tool_json("ckpt", "ls")["runs"][0]["metrics"] == {"loss": 0.5}


def test_of_a_large_metrics_file_only_the_end_is_read(tool_json, told):
    run = told("a").block(1, 100, end="stopped", lasted=10)
    run.metrics({"step": 0, "old": 1}, *({"step": i, "loss": i} for i in range(20000)), {"step": 20000, "loss": 0.5})
    assert tool_json("ckpt", "ls")["runs"][0]["metrics"] == {"loss": 0.5}


def test_a_line_tells_its_place_and_steps_done_again_count_no_more(tool_json, tool, told):
    def line(block, start, step, **values):
        return {"step": step, "epoch": 1, "block": block, "from": start, "time": 1.0, **values}
    told("a").block(1, 100, end="stopped", lasted=10).metrics(
        line(1, 0, 10, loss=0.5, score=1), line(1, 0, 30, loss=0.1, score=9), line(2, 20, 25, loss="nan"))
    told = tool_json("ckpt", "ls")["runs"][0]
    assert (told["metrics"], told["metrics_step"]) == ({"loss": "nan", "score": 1}, 25)
    assert " nan " in tool("ckpt", "ls").stdout


@pytest.mark.parametrize("content", [b"", b"\n", b"no JSON\n", b"[1]\n", b"\xff\xfe\n", b"x" * 200000 + b"\n"])
def test_odd_metrics_are_no_metrics(tool_json, told, content):
    run = told("a").block(1, 100, end="stopped", lasted=10)
    (run.directory / "metrics.jsonl").write_bytes(content)
    assert tool_json("ckpt", "ls")["runs"][0]["metrics"] == {}


class Sealed:
    """Folders that this user may not look into; root, who may, becomes nobody in a copy of ckpt that all can reach."""

    def __init__(self, ckpt, folder):
        self.folder, self.ckpt = folder, folder / "ckpt"
        shutil.copy(ckpt, self.ckpt)
        folder.chmod(0o755)

    def seal(self, path):
        path.chmod(0 if os.geteuid() else 0o700)

    def run(self, *arguments):
        nobody = {} if os.geteuid() else {"user": 65534, "group": 65534, "extra_groups": []}
        return subprocess.run([self.ckpt, *arguments], cwd=self.folder, text=True, capture_output=True, **nobody)


@pytest.fixture
def sealed(bin_directory):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ckpt-test-"))
    yield Sealed(bin_directory / "ckpt", folder)
    for path in (folder / "runs").rglob("*"):
        if path.is_dir():
            path.chmod(0o700)
    shutil.rmtree(folder)


def test_runs_that_may_not_be_read_are_no_absent_runs(sealed):
    runs = sealed.folder / "runs"
    for name in ("a", "b"):
        ToldRun(runs / name).block(1, 100, end="stopped", lasted=10)
    sealed.seal(runs / "a")
    told = sealed.run("ls", "runs")
    assert told.returncode == 0
    assert "'runs/a' is left out: Permission denied" in told.stderr
    assert [line.split()[0] for line in told.stdout.splitlines()] == ["run", "b"]
    sealed.seal(runs / "b")
    told = sealed.run("ls", "runs")
    assert (told.returncode, told.stdout) == (125, "")
    assert "no run in 'runs' can be read" in told.stderr
    told = sealed.run("status", "runs/a")
    assert told.returncode == 125
    assert "cannot look into" in told.stderr and "Permission denied" in told.stderr


def test_an_answer_that_could_not_be_written_is_an_error(told, bin_directory):
    told("a").block(1, 100, end="finished", lasted=10)
    for words in (["ls"], ["status"], ["show"], ["status", "--watch"]):
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = subprocess.run([bin_directory / "ckpt", *words], stdout=full, stderr=subprocess.PIPE, text=True)
        assert result.returncode == 125
        assert "cannot write to standard output: No space left on device" in result.stderr


# ---- stop -------------------------------------------------------------------------------------------------------------

def test_a_wrapped_program_whose_ckptrun_was_killed_cannot_be_asked_to_stop(tool, told):
    run = told("a").block(1, 100, linked=False)
    record = run.directory / "blocks/0001.child-1.json"
    record.write_text(json.dumps({"linked": False, "who": this_process()}))
    asked = tool("ckpt", "stop", "a")
    assert asked.returncode == 125
    assert "nobody takes a request" in asked.stderr and f"kill {os.getpid()}" in asked.stderr
    assert list((run.directory / "control").iterdir()) == []


def test_between_two_blocks_the_progress_is_that_of_the_last_save(told, tool_json):
    told("a").block(1, 1000, progress=[(10, 22, 40), (400, 23, 40)], saved=[(200, 450, 22.5), (500, 537, 26.85)],
                    end="stopped", lasted=510)
    assert tool_json("ckpt", "status", "a")["progress"]["done"] == 26.85
