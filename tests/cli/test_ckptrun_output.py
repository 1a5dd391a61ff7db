# SPDX-License-Identifier: Apache-2.0
"""Where the output of a program goes: on a terminal, through a pipe that was asked for, into the log of its block."""
import fcntl
import os
import pty
import resource
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from started_tools import PATIENCE_SECONDS

LOG = "ckpt-runs/a/logs/block-0001.log"


class Screen:
    """A terminal of 80 x 24 and what runs on it, in a session of its own, as in a terminal's window."""

    def __init__(self, command):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            try:
                os.execv(command[0], list(map(str, command)))
            finally:
                os._exit(99)
        self.said = b""
        self.resize(80, 24)

    def resize(self, columns, rows):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.terminal, text)

    def _read(self, seconds):
        """False at its end."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.terminal, 65536)
        except OSError:
            return False
        self.said += piece
        return bool(piece)

    def expect(self, text):
        end = time.monotonic() + PATIENCE_SECONDS
        while text not in self.said:
            assert time.monotonic() < end and self._read(1), f"{text!r} is not in {self.said!r}"

    def wait(self):
        while self._read(PATIENCE_SECONDS):
            pass
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        return code

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.terminal)


@pytest.fixture
def screen(work):
    """screen(command): a Screen with it; gone after the test."""
    screens = []

    def open_one(*command):
        screens.append(Screen(command))
        return screens[-1]
    yield open_one
    for one in screens:
        one.close()


@pytest.fixture
def ckptrun(bin_directory):
    return bin_directory / "ckptrun"


# ---- on a terminal ------------------------------------------------------------------------------------------------------


def test_on_a_terminal_the_program_has_one_and_what_it_prints_is_logged(screen, ckptrun, work):
    shown = screen(ckptrun, "-q", "-r", "a", "--", "sh", "-c",
                   'test -t 0 && test -t 1 && test -t 2 && echo ready; read line; echo "got $line" >&2')
    shown.expect(b"ready\r\n")
    shown.type(b"a word\n")
    assert shown.wait() == 0
    assert shown.said == b"ready\r\na word\r\ngot a word\r\n"     # a typed line is echoed by the terminal alone
    assert (work / LOG).read_bytes() == b"ready\ngot a word\n"


def test_the_window_of_the_program_follows_that_of_the_terminal(screen, ckptrun):
    script = ("import os, select, signal\n"          # input() would not see a signal that comes just before it reads
              "tell = lambda *_: print('size', *os.get_terminal_size(1), flush=True)\n"
              "signal.signal(signal.SIGWINCH, tell)\n"
              "tell()\n"
              "while not select.select([0], [], [], 0.05)[0]: pass")
    shown = screen(ckptrun, "-q", "-r", "a", "--", sys.executable, "-c", script)
    shown.expect(b"size 80 24")
    shown.resize(132, 50)
    shown.expect(b"size 132 50")
    shown.type(b"\n")
    assert shown.wait() == 0


def test_control_c_asks_the_program_to_stop_and_a_second_one_ends_it(screen, ckptrun, work):
    program = 'trap "echo asked" TERM; echo ready; while :; do sleep 0.01; done'
    shown = screen(ckptrun, "-r", "a", "--", "sh", "-c", program)
    shown.expect(b"ready")
    shown.type(b"\x03")
    shown.expect(b"asked")
    time.sleep(0.6)             # sooner it would be the same press, passed on twice
    shown.type(b"\x03")
    shown.wait()
    assert (work / LOG).read_text().startswith("ready\nasked\n")


# Starts a job as a shell does, tells when it is stopped, and goes on with it once a line was typed.
SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
status = os.waitpid(job, os.WUNTRACED)[1]
os.tcsetpgrp(0, os.getpgrp())
print("stopped by", os.WSTOPSIG(status), flush=True)
input()
os.tcsetpgrp(0, job)
os.killpg(job, signal.SIGCONT)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]))
"""


def test_control_z_stops_both_and_the_shell_can_go_on_with_them(screen, ckptrun, work):
    shown = screen(sys.executable, "-c", SHELL, ckptrun, "-q", "-r", "a", "--", "sh", "-c",
                   'echo ready; while [ ! -e leave ]; do sleep 0.01; done; read line; echo "got $line"')
    shown.expect(b"ready")
    shown.type(b"\x1a")
    shown.expect(b"stopped by 20")
    (work / "leave").touch()
    shown.type(b"\n")
    shown.type(b"more\n")
    assert shown.wait() == 0
    assert b"got more" in shown.said


def test_the_modes_of_the_terminal_are_given_back_after_a_program_that_was_killed(screen, ckptrun):
    program = r"stty -echo -icanon; kill -KILL \$\$"
    shown = screen("/bin/sh", "-c", f'stty -a; "{ckptrun}" -q -r a -- sh -c "{program}"; echo after; stty -a')
    shown.wait()
    before, _, after = shown.said.decode().partition("after")
    modes = [line for line in before.splitlines() if "icanon" in line]
    assert modes and "-icanon" not in modes[0]
    assert modes == [line for line in after.splitlines() if "icanon" in line]


def test_on_a_terminal_nothing_is_between_when_that_is_asked(screen, ckptrun, work):
    shown = screen(ckptrun, "-q", "-r", "a", "--log", "none", "--", "sh", "-c", "tty <&1")
    assert shown.wait() == 0
    assert shown.said.decode().startswith("/dev/pts/") and not (work / LOG).exists()


def test_elsewhere_the_program_has_our_own_output_and_there_is_no_log(ckptrun, work):
    with (work / "out").open("w") as out:
        subprocess.run([ckptrun, "-q", "-r", "a", "--", "readlink", "/proc/self/fd/1"], stdout=out, check=True)
    assert (work / "out").read_text() == f"{work}/out\n"
    assert list((work / "ckpt-runs/a/logs").iterdir()) == []


# ---- --log tee -----------------------------------------------------------------------------------------------------------


BYTES = "import os, sys; os.write({}, bytes(range(256)) * 4000)"


def test_a_tee_passes_every_byte_on_to_its_own_descriptor_and_keeps_it(ckptrun, work):
    script = "; ".join([BYTES.format(1), BYTES.format(2)])
    result = subprocess.run([ckptrun, "-q", "-r", "a", "--log", "tee", "--", sys.executable, "-c", script],
                            capture_output=True, timeout=PATIENCE_SECONDS)
    whole = bytes(range(256)) * 4000
    assert result.returncode == 0
    assert (result.stdout == whole, result.stderr == whole) == (True, True)
    assert sorted((work / LOG).read_bytes()) == sorted(2 * whole)
    assert (work / LOG).stat().st_mode & 0o777 == 0o600


def test_a_tee_of_both_into_one_keeps_their_order(ckptrun, work):
    script = "import os\nfor i in range(2000): os.write(1 + i % 2, b'%d\\n' % i)"
    result = subprocess.run([ckptrun, "-q", "-r", "a", "--log", "tee", "--", sys.executable, "-c", script],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_SECONDS)
    assert result.stdout == b"".join(b"%d\n" % i for i in range(2000)) == (work / LOG).read_bytes()


def test_a_reader_that_leaves_disturbs_neither_the_program_nor_its_log(ckptrun, work):
    chain = subprocess.Popen([ckptrun, "-r", "a", "--log", "tee", "--", "sh", "-c",
                              "trap 'exit 9' PIPE; echo first; seq 100000; echo last"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert chain.stdout.readline() == b"first\n"
    chain.stdout.close()
    said = chain.stderr.read().decode()
    assert chain.wait(PATIENCE_SECONDS) == 0
    chain.stderr.close()
    assert said.count("cannot be passed on") == 1 and "complete" in said
    assert (work / LOG).read_bytes() == b"first\n" + b"".join(b"%d\n" % i for i in range(1, 100001)) + b"last\n"


def test_a_reader_that_takes_nothing_does_not_hold_the_end_of_a_block_up(ckptrun, work):
    chain = subprocess.Popen([ckptrun, "-r", "a", "--block-time", "2s", "--log", "tee", "--", "seq", "100000000"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = chain.stderr.read().decode()
    assert chain.wait(PATIENCE_SECONDS) != 0
    chain.stdout.close()
    chain.stderr.close()
    assert "the block's time is up" in said and "are taken by nobody" in said
    assert (work / LOG).read_bytes().startswith(b"1\n2\n3\n")


def test_a_log_that_cannot_grow_ends_with_one_line_and_the_program_goes_on(ckptrun, work):
    chain = subprocess.run([ckptrun, "-r", "a", "--log", "tee", "--", "seq", "50000"], capture_output=True, text=True,
                           timeout=PATIENCE_SECONDS,
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40000, 40000)))
    assert chain.returncode == 0
    assert chain.stdout.split() == [str(i) for i in range(1, 50001)]
    assert chain.stderr.count("block-0001.log' ends here") == 1


def test_whoever_holds_the_output_of_a_program_that_has_ended_is_not_waited_for(start, eventually, work):
    chain = start("ckptrun", "-r", "a", "--log", "tee", "--", "sh", "-c",
                  "echo $$ > pid; touch up; while [ ! -e leave ]; do sleep 0.01; done; echo end")
    eventually((work / "up").exists)      # while it writes its pid, the file of that is its output
    pid = (work / "pid").read_text().strip()
    with open(f"/proc/{pid}/fd/1", "wb", buffering=0) as held:
        held.write(b"from elsewhere\n")
        (work / "leave").touch()
        assert chain.wait(PATIENCE_SECONDS) == 0
    assert chain.out.read_text() == (work / LOG).read_text() == "from elsewhere\nend\n"


def test_the_last_words_of_a_program_that_crashed_are_found_in_its_log(tool):
    told = tool("ckptrun", "-r", "a", "--log", "tee", "--", "sh", "-c", "echo 'RuntimeError: CUDA error: no kernel' >&2; exit 1")
    assert "exit code 1: RuntimeError: CUDA error: no kernel" in told.stderr


# ---- ckptrun's own messages, and who names the log -------------------------------------------------------------------------


def test_a_reader_of_our_messages_that_leaves_ends_no_training(ckptrun, work):
    program = "while [ ! -e leave ]; do sleep 0.01; done; touch done"
    ours = subprocess.Popen([ckptrun, "-r", "a", "--", "sh", "-c", program],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    ours.stderr.readline()
    ours.stderr.close()
    (work / "leave").touch()
    assert ours.wait(PATIENCE_SECONDS) == 0
    assert (work / "done").exists()


def test_show_and_status_name_the_log_of_a_block_that_has_one(tool, tool_json, work):
    tool("ckptrun", "-r", "a", "--log", "tee", "--", "echo", "words")
    assert LOG in tool("ckpt", "show", "a").stdout and LOG in tool("ckpt", "status", "a").stdout
    assert tool_json("ckpt", "status", "a")["log"] == str(work / LOG)
    assert tool_json("ckpt", "show", "a")["blocks"][0]["log"] == str(work / LOG)
    tool("ckptrun", "-r", "b", "--", "echo", "words")
    assert "logs/block" not in tool("ckpt", "show", "b").stdout + tool("ckpt", "status", "b").stdout
    assert tool_json("ckpt", "status", "b")["log"] is None
