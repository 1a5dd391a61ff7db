# SPDX-License-Identifier: Apache-2.0
"""Disks as they really are: full, limited, not ours, read-only. The program lives on, the older snapshot stands, and the
reason is told. Needs root for mounts and for becoming somebody else; skipped otherwise."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

MIB = 1 << 20
WORDS = MIB                       # a state, and a snapshot, of 4 MiB
NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, and become another user")


@pytest.fixture
def folder():
    """Where others can get to, unlike the folders of pytest."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="ckpt-disks-", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def mounted(folder):
    """mounted(*words of mount): mounts it, answers where; gone after the test."""
    points = []

    def run(*words):
        point = folder / f"mount-{len(points)}"
        point.mkdir()
        result = subprocess.run(["mount", *words, point], text=True, capture_output=True)
        if result.returncode != 0:
            point.rmdir()
            pytest.skip(f"mount {' '.join(map(str, words))}: {result.stderr.strip()}")
        points.append(point)
        return point
    yield run
    for point in reversed(points):        # lazily: a program may use it still, when a test has failed
        subprocess.run(["umount", "--lazy", point], check=True)


@pytest.fixture
def small_disk(folder, mounted):
    """small_disk(24): a real ext4 of so many MiB."""
    def make(size_mib):
        image = folder / "image"
        with image.open("wb") as file:
            file.truncate(size_mib * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
        return mounted("-o", "loop", image)
    return make


def fill(disk, leave_mib=0):
    """A file that takes all of the disk but so much."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        try:
            while shutil.disk_usage(disk).free > leave_mib * MIB + 65536:
                file.write(bytes(65536))
                file.flush()
        except OSError:           # the last block
            pass
    return ballast


def counter(bin_directory, log, steps, save_every=20, words=WORDS, microseconds=1000):
    return [bin_directory / "checked_counter", steps, words, microseconds, log, save_every]


def durable_steps(log):
    lines = log.read_text().splitlines() if log.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith("durable")]


def temporaries(run):
    return [path.name for path in (run / "snapshots").iterdir() if path.name.startswith(".")]


@needs_root
def test_a_program_on_a_full_disk_goes_on_with_the_older_snapshot_and_saves_again_when_there_is_room(
        small_disk, start, tool, tool_json, work, bin_directory, eventually):
    disk = small_disk(32)
    run, log = disk / "run", work / "log"
    process = start("ckptrun", "-r", run, "--", *counter(bin_directory, log, 0))
    eventually(lambda: len(durable_steps(log)) >= 2, "two durable snapshots")
    ballast = fill(disk)
    eventually(lambda: "No space left" in (tool_json("ckpt", "status", run)["save_error"] or ""), "the reason is told")
    before = durable_steps(log)
    assert process.poll() is None
    eventually(lambda: temporaries(run) == [], "what could not be written is removed")   # it tries again and again
    assert tool("ckpt", "verify", run).returncode == 0
    ballast.unlink()
    eventually(lambda: len(durable_steps(log)) > len(before), "it saves again")
    (work / "log.enough").touch()
    assert process.wait(60) == 0
    assert log.read_text().splitlines()[-1].endswith("exact")
    assert "No space left" in process.err.read_text() and "the older one stands" in process.err.read_text()


@needs_root
def test_a_program_killed_on_a_full_disk_resumes_from_the_older_snapshot(
        small_disk, start, tool, work, bin_directory, eventually):
    disk = small_disk(32)
    run, log = disk / "run", work / "log"
    process = start("ckptrun", "-r", run, "--", *counter(bin_directory, log, 0))
    eventually(lambda: durable_steps(log), "a durable snapshot")
    ballast = fill(disk)
    process.kill()
    os.kill(int(log.read_text().split()[1]), 9)
    process.wait()
    ballast.unlink()
    (work / "log.enough").touch()
    told = tool("ckptrun", "-r", run, "--", *counter(bin_directory, log, 0))
    assert told.returncode == 0, told.stderr
    restored = [line for line in log.read_text().splitlines() if line.startswith("restored")]
    assert restored and int(restored[-1].split()[1]) >= durable_steps(log)[0] and restored[-1].endswith("exact")


@needs_root
def test_a_disk_without_any_room_is_refused_in_one_line_that_names_it(small_disk, tool, work, bin_directory):
    disk = small_disk(16)
    fill(disk)
    (disk / "ballast-2").write_bytes(bytes(shutil.disk_usage(disk).free // 4096 * 4096))
    told = tool("ckptrun", "-r", disk / "run", "--", *counter(bin_directory, work / "log", 100))
    assert told.returncode == 125, told.stderr
    assert "No space left" in told.stderr and str(disk / "run") in told.stderr


def test_a_limit_on_the_size_of_files_fails_the_save_and_not_the_program(tool, bin_directory, work, start, eventually):
    """As a quota does: the disk has room, this process must not use it."""
    log = work / "log"
    limited = ["prlimit", f"--fsize={2 * MIB}:{2 * MIB}", *counter(bin_directory, log, 60)]
    told = tool("ckptrun", "-r", "a", "--allow-volatile", "--", *limited)
    assert told.returncode == 124, told.stderr                   # stopped: twice nothing could be saved
    assert "left 60" in log.read_text() and durable_steps(log) == []
    assert "File too large" in told.stderr
    assert temporaries(work / "ckpt-runs/a") == []


@pytest.fixture
def as_nobody(folder, bin_directory):
    """as_nobody("ckpt", …): the tool, run by somebody without any rights, in their own folder."""
    home = folder / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)

    def run(name, *arguments):
        result = subprocess.run([bin_directory / name, *map(str, arguments)], cwd=home, user=NOBODY, group=NOBODY,
                                extra_groups=[], text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
        return result
    try:
        run("ckpt", "--version")
    except PermissionError as error:
        pytest.skip(f"another user cannot get to the tools: {error}")
    run.home = home
    return run


@needs_root
def test_an_unprivileged_user_is_refused_where_they_may_not_write_and_told_which_directory(as_nobody, folder, bin_directory):
    for where in (folder, folder / "missing"):
        told = as_nobody("ckptrun", "-r", where / "run", "--", *counter(bin_directory, as_nobody.home / "log", 10))
        assert told.returncode == 125
        assert "Permission denied" in told.stderr and str(where) in told.stderr, told.stderr
    assert not (folder / "run").exists() and not (as_nobody.home / "log").exists()


@needs_root
def test_an_unprivileged_user_loses_nothing_when_the_directory_of_snapshots_becomes_read_only(as_nobody, bin_directory):
    run, log = as_nobody.home / "ckpt-runs/a", as_nobody.home / "log"
    assert as_nobody("ckptrun", "-r", "a", "--", *counter(bin_directory, log, 40)).returncode == 0
    (run / "snapshots").chmod(0o500)
    told = as_nobody("ckptrun", "-r", "a", "--accept-changes", "--", *counter(bin_directory, log, 80))
    (run / "snapshots").chmod(0o700)
    assert "Permission denied" in told.stderr and told.returncode != 0
    assert "restored 40 exact" in log.read_text()
    assert as_nobody("ckpt", "verify", "a").returncode == 0
    assert as_nobody("ckptrun", "-r", "a", "--accept-changes", "--", *counter(bin_directory, log, 80)).returncode == 0


@needs_root
def test_a_run_of_somebody_else_may_not_be_looked_into(as_nobody, folder, tool, bin_directory, work):
    run = folder / "private"
    assert tool("ckptrun", "-r", run, "--", *counter(bin_directory, work / "log", 40)).returncode == 0
    for verb in ("ls", "show", "status", "verify", "stop", "done"):
        told = as_nobody("ckpt", verb, run)
        assert told.returncode == 125 and "Permission denied" in told.stderr, (verb, told)


@needs_root
def test_a_read_only_mount_can_be_looked_at_and_is_not_run_in(mounted, folder, tool, work, bin_directory):
    run = folder / "disk/run"
    run.parent.mkdir()
    command = counter(bin_directory, work / "log", 40)
    assert tool("ckptrun", "-r", run, "--", *command).returncode == 0
    point = mounted("--bind", run.parent)
    subprocess.run(["mount", "-o", "remount,ro,bind", point], check=True)
    assert tool("ckpt", "verify", point / "run").returncode == 0
    assert json.loads(tool("ckpt", "ls", point / "run", "--json").stdout)["snapshots"]
    for words in (["ckptrun", "-r", point / "run", "--accept-changes", "--", *counter(bin_directory, work / "log", 80)],
                  ["ckptrun", "-r", point / "new", "--", *command], ["ckpt", "keep", 40, "best", "-r", point / "run"],
                  ["ckpt", "rollback", point / "run", 20], ["ckpt", "rm", "--yes", point / "run"]):
        told = tool(*words)
        assert told.returncode == 125 and re.search("[Rr]ead-only file system|mounted read-only", told.stderr), told.stderr
    assert tool("ckpt", "verify", run).returncode == 0


@pytest.fixture
def memory_group():
    """memory_group(bytes): the files of a real memory cgroup of version 1 with this limit; the callable enters it."""
    made = []

    class Group:
        def __init__(self, limit_bytes):
            top = pathlib.Path("/sys/fs/cgroup/memory")
            if os.geteuid() != 0 or not (top / "memory.limit_in_bytes").exists():
                pytest.skip("no memory cgroup of version 1 that could be made here")
            self.path = top / f"ckpt-test-{os.getpid()}"
            self.path.mkdir()
            made.append(self.path)
            (self.path / "memory.limit_in_bytes").write_text(str(limit_bytes))

        def enter(self):
            (self.path / "cgroup.procs").write_text(str(os.getpid()))

        def kills(self):
            words = (self.path / "memory.oom_control").read_text().split()
            return int(words[words.index("oom_kill") + 1])

        def most_bytes(self):
            return int((self.path / "memory.max_usage_in_bytes").read_text())
    yield Group
    for path in made:
        path.rmdir()


def test_where_the_state_fits_1_3_times_nothing_is_killed_for_memory(memory_group, bin_directory, work):
    state_bytes = 192 * MIB
    group = memory_group(state_bytes * 13 // 10)
    log = work / "log"
    words = counter(bin_directory, log, 12, save_every=4, words=state_bytes // 4)
    for steps in (12, 16):                                        # the second restores
        words[1] = steps
        done = subprocess.run([bin_directory / "ckptrun", "-r", "a", "--allow-volatile", "--accept-changes", "--",
                               *map(str, words)], cwd=work, preexec_fn=group.enter, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        assert group.kills() == 0
    said = log.read_text().splitlines()
    assert durable_steps(log) == [4, 8, 12, 16] or durable_steps(log)[-1] >= 12
    assert "restored 12 exact" in said and said[-1] == "finished 16 exact"
    print(f"most memory used: {group.most_bytes() / state_bytes:.2f} of the state; limit 1.30")


# ---- shared with the group -------------------------------------------------------------------------------------------------


def test_a_shared_run_is_read_by_the_group_and_continued_or_steered_by_nobody_else(as_nobody, folder, bin_directory):
    """Ours is the run, the group's is the other user: as members of one project."""
    run = folder / "project/run"
    program = [str(word) for word in counter(bin_directory, folder / "log", 10)]

    def ours(*words):
        return subprocess.run([bin_directory / "ckptrun", "-r", run, *words, "--", *program], text=True, capture_output=True,
                              group=NOBODY, extra_groups=[], umask=0o077, timeout=120)
    assert ours("--share").returncode == 0
    for path in [run, *run.rglob("*")]:
        assert path.stat().st_mode & 0o7777 == (0o2750 if path.is_dir() else 0o640), path
        assert path.stat().st_gid == NOBODY
    for verb in ["show", "status", "verify"]:
        told = as_nobody("ckpt", verb, run)
        assert told.returncode == 0, told
    told = as_nobody("ckptrun", "-r", run, "--", *program)
    assert told.returncode == 125 and "--allow-other-owner" in told.stderr
    for words in [["keep", "10", "best", "-r", run], ["rollback", run, "10"], ["rm", run, "--yes"], ["unlock", run],
                  ["stop", run], ["save", run]]:
        told = as_nobody("ckpt", *words)
        assert told.returncode == 125 and "--allow-other-owner" in told.stderr, (words, told)
