# SPDX-License-Identifier: Apache-2.0
"""Lives of a program under ckptrun, both on a file system that kills them (mortal.hpp), and what each of them said."""
import mmap
import os
import re
import struct
import subprocess
import time

MOMENTS = ["none", "running", "claiming", "filling", "staged", "draining", "synced", "renamed", "directory synced", "pruning",
           "any"]
PATIENCE_SECONDS = 120                    # only so that a hang becomes a failure

SNAPSHOT = re.compile(r"step-(\d+)-b(\d+)\.h5")


class Words:
    """Of tests/fault/mortal.hpp: where a process is, where it is to die, and how often its disk fails."""

    def __init__(self, path):
        path.write_bytes(bytes(28))
        self.path = path
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 28)

    def _word(self, number):
        return struct.unpack_from("=I", self.memory, 4 * number)[0]

    @property
    def moment(self):
        return MOMENTS[self._word(0)]

    @property
    def died(self):
        return MOMENTS[self._word(4)]

    @property
    def failed(self):
        return self._word(6)

    def fail(self, of_thousand):
        struct.pack_into("=I", self.memory, 20, of_thousand)

    def aim(self, moment, calls, with_parent=False):
        struct.pack_into("=I", self.memory, 16, 0)
        struct.pack_into("=II", self.memory, 8, calls, with_parent)
        struct.pack_into("=I", self.memory, 4, MOMENTS.index(moment))


class Campaign:
    def __init__(self, folder, bin_directory, words, microseconds, save_every):
        folder.mkdir()
        self.run, self.log = folder / "run", folder / "log"
        self.log.touch()
        self.program, self.ckptrun = Words(folder / "program.words"), Words(folder / "ckptrun.words")
        self.command = [bin_directory / "mortal_ckptrun", "-q", "-r", self.run, "--block-time", "10m", "--",
                        bin_directory / "mortal_counter", "0", str(words), str(microseconds), self.log, str(save_every)]
        self.environment = os.environ | {"MORTAL_PROGRAM": str(self.program.path),
                                         "MORTAL_CKPTRUN": str(self.ckptrun.path)}
        self.errors = open(folder / "errors", "w")
        self.kills = {}                   # (victim, moment): how often
        self.supervisor = None
        self.checked = 0                  # characters of the log
        self.durable = 0                  # step

    def is_gone(self):
        """ckptrun ends when it was killed, and when it stopped the chain after two crashes at the same step."""
        return self.supervisor is None or self.supervisor.poll() is not None

    def start(self):
        self.supervisor = subprocess.Popen(self.command, env=self.environment, stderr=self.errors)

    def count(self, victim, moment):
        self.kills[victim, moment] = self.kills.get((victim, moment), 0) + 1

    def snapshots(self):
        """[((block, step), file name)], newest last."""
        names = os.listdir(self.run / "snapshots") if (self.run / "snapshots").exists() else []   # the first kill may come before
        return sorted(((int(m[2]), int(m[1])), m[0]) for m in map(SNAPSHOT.fullmatch, names) if m)

    def check(self):
        """What the lives said since the last check, and that nothing durable went away. Steps of one run only grow."""
        text = self.log.read_text()
        text, self.checked = text[self.checked:], self.checked + len(text[self.checked:])
        for line in text.splitlines():
            what, step = line.split()[0], int((line.split() + ["0"])[1])
            assert "WRONG" not in line
            if what == "fresh":
                assert self.durable == 0, "a run with a durable snapshot began anew"
            elif what == "restored":
                assert step >= self.durable, f"restored step {step} although step {self.durable} was durable"
            if what in ("durable", "restored"):
                self.durable = max(self.durable, step)
        newest = max([step for (_, step), _ in self.snapshots()], default=0)
        assert newest >= self.durable, "a durable snapshot is gone and nothing newer took its place"

    def wait(self, condition, what):
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            gone = self.is_gone()         # before the condition: of its death it says so first, and the dead one is to be waited for
            if condition():
                return
            assert time.monotonic() < end, f"in {PATIENCE_SECONDS} s did not happen: {what}"
            if gone:
                self.start()
            time.sleep(0.002)

    def aimed_kill(self, victim, moment, calls):
        words = self.ckptrun if victim == "ckptrun" else self.program
        words.aim(moment, calls, with_parent=victim == "both")
        self.wait(lambda: words.died != "none", f"death of {victim} at call {calls} of {moment}")
        self.count(victim, words.died)
        if victim == "both":
            self.supervisor.kill()        # lives if the program that died was left over by an earlier ckptrun
        if victim != "program":
            self.supervisor.wait(timeout=PATIENCE_SECONDS)
        self.check()

    def program_pid(self):
        """Of the newest that said it started, if it lives."""
        starts = [line for line in self.log.read_text().splitlines() if line.startswith("start ")]
        pid = int(starts[-1].split()[1]) if starts else 0
        try:
            return pid if pid and "mortal_counter" in open(f"/proc/{pid}/comm").read() else None
        except (FileNotFoundError, ProcessLookupError):   # it may end between opening and reading
            return None

    def random_kill(self, victim):
        pid = self.program_pid()
        if pid is None:
            return
        moment = self.program.moment
        if victim != "program":
            self.supervisor.kill()
        if victim != "ckptrun":
            os.kill(pid, 9)
        if victim != "program":
            self.supervisor.wait(timeout=PATIENCE_SECONDS)
        self.count(victim, moment)
        self.check()

    def stop(self):
        """In order: once the program has begun, ckptrun is asked to stop, and ends."""
        if self.is_gone():
            self.start()
        lives = self.log.read_text().count("start ")
        self.wait(lambda: self.program_pid() or self.log.read_text().count("start ") > lives, "a program that runs")
        self.supervisor.terminate()
        self.supervisor.wait(timeout=PATIENCE_SECONDS)
        self.check()

    def wait_for_the_last_program(self):
        """A program whose ckptrun was killed goes on for a while, and has then still something to say."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.program_pid():
            assert time.monotonic() < end, "a program goes on although its ckptrun is gone"
            time.sleep(0.002)
        self.check()

    def complete(self):
        """Lets the work end."""
        self.log.with_name("log.enough").touch()
        self.wait(lambda: "\nfinished" in self.log.read_text(), "the end of the work")
        assert self.supervisor.wait(timeout=PATIENCE_SECONDS) == 0
        self.check()
        assert self.log.read_text().splitlines()[-1].endswith("exact")

    def end(self):
        if self.supervisor and self.supervisor.poll() is None:
            self.supervisor.kill()
            self.supervisor.wait()
        if pid := self.program_pid():
            os.kill(pid, 9)
        self.errors.close()

    def report(self):
        total = {}
        for (_, moment), kills in self.kills.items():
            total[moment] = total.get(moment, 0) + kills
        print(f"kills {sum(total.values())}: " + ", ".join(f"{kills} {moment}" for moment, kills in sorted(total.items())))
        for victim in ("program", "ckptrun", "both"):
            print(f"  of {victim}: {sum(kills for (who, _), kills in self.kills.items() if who == victim)}")
        return total
