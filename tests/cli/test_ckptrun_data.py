# SPDX-License-Identifier: Apache-2.0
"""Data on the node's own disk: unpacked before the program starts, once, or the program does not start."""
import json
import os
import signal
import subprocess
import tarfile
import time
import zipfile

import pytest

SHOW = 'cd "$1" && find . -type f | sort && cat images/1 && echo "$CKPT_DATA"'     # what the program sees of {data}


@pytest.fixture
def node(tmp_path_factory):
    """The node's own disk."""
    return tmp_path_factory.mktemp("node")


@pytest.fixture
def ckptrun(tool, node):
    def run(*arguments, **environment):
        return tool("ckptrun", *arguments, **{"TMPDIR": str(node)} | environment)
    return run


@pytest.fixture
def images(work):
    """images(NAME): an archive of two files, packed as its name says."""
    folder = work / "images"
    folder.mkdir()
    for number in (1, 2):
        (folder / str(number)).write_text(f"picture {number}\n")

    def pack(name):
        if name.endswith(".zip"):
            with zipfile.ZipFile(work / name, "w") as archive:
                for path in sorted(folder.iterdir()):
                    archive.write(path, f"images/{path.name}")
        elif name.endswith(".zst"):
            pack("plain.tar")
            subprocess.run(["zstd", "-q", work / "plain.tar", "-o", work / name], check=True)
        elif name.endswith(".v7"):
            subprocess.run(["tar", "--format=v7", "-C", work, "-cf", work / name, "images"], check=True)
        else:
            with tarfile.open(work / name, "w:" + {"gz": "gz", "xz": "xz", "bz2": "bz2"}.get(name.rpartition(".")[2], "")) as archive:
                archive.add(folder, "images")
        return name
    return pack


def blocks(work, run="train"):
    return list((work / f"ckpt-runs/{run}/blocks").glob("????.json"))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz.gz", "a.tar.zst", "a.tar.xz", "a.tar.bz2", "a.zip", "no-ending", "old.v7"])
def test_an_archive_is_unpacked_before_the_program_starts_and_gone_afterwards(ckptrun, images, node, name):
    done = ckptrun("-r", "train", "--stage-data", images(name), "--", "sh", "-c", SHOW, "show", "{data}")
    assert done.returncode == 0, done.stderr
    *files, picture, data = done.stdout.splitlines()
    assert files == ["./images/1", "./images/2"] and picture == "picture 1"
    assert data.startswith(f"{node}/ckpt-data-")
    assert f"{name} is unpacked" in done.stderr
    assert list(node.iterdir()) == []


def test_several_archives_go_into_folders_of_their_own(ckptrun, images):
    done = ckptrun("-r", "train", "--stage-data", images("a.tar") + ":first", "--stage-data", images("b.zip") + ":sub/second",
                   "--", "sh", "-c", 'cd "$1" && find . -type f | sort', "show", "{data}")
    assert done.stdout.splitlines() == ["./first/images/1", "./first/images/2", "./sub/second/images/1", "./sub/second/images/2"]


def test_what_a_site_clears_with_the_job_stays(ckptrun, images, node):
    assert ckptrun("-r", "train", "--stage-data", images("a.tar"), "--", "true", SLURM_TMPDIR=str(node / "job")).returncode == 0
    [data] = (node / "job").iterdir()
    assert (data / "images/1").exists()


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_a_damaged_archive_is_an_error_before_the_program_starts_and_costs_no_block(ckptrun, images, work, node, name):
    whole = (work / images(name)).read_bytes()
    (work / name).write_bytes(whole[:len(whole) * 2 // 3] if name != "a.tar" else whole[:512] + b"?" * 512 + whole[1024:])
    done = ckptrun("-r", "train", "--stage-data", name, "--", "touch", "started")
    assert done.returncode == 125
    assert f"of {work}/{name} ended with exit code" in done.stderr and "not started" in done.stderr
    assert not (work / "started").exists() and not blocks(work) and list(node.iterdir()) == []


@pytest.mark.parametrize("given, words", [
    ("absent.tar", "absent.tar is not there"), ("images", "images is no file"), ("text", "text is no archive"),
    ("a.tar:../b", "a folder within"), ("a.tar:/b", "a folder within")])
def test_what_cannot_be_staged_is_refused_at_once(ckptrun, images, work, given, words):
    images("a.tar")
    (work / "text").write_text("no archive\n")
    done = ckptrun("--stage-data", given, "--", "touch", "started")
    [line] = done.stderr.splitlines()
    assert done.returncode == 125 and words in line
    assert not (work / "started").exists()


def test_a_tar_that_was_cut_between_two_of_its_files_is_refused(ckptrun, work):
    (work / "zeros").write_bytes(bytes(2048))
    subprocess.run(["tar", "-cf", "a.tar", "zeros", "zeros"], cwd=work, check=True)
    (work / "a.tar").write_bytes((work / "a.tar").read_bytes()[:512 + 2048])           # the first file with its head, which ends with zeros
    assert subprocess.run(["tar", "-tf", work / "a.tar"]).returncode == 0
    done = ckptrun("-r", "train", "--stage-data", "a.tar", "--", "true")
    assert done.returncode == 125, done.stderr
    assert "a.tar ends without the zeros that end a tar archive: it was cut short" in done.stderr
    assert not blocks(work)


@pytest.mark.parametrize("form", ["--format=gnu", "--format=pax", "--format=ustar", "--format=v7", "--sparse"])
def test_a_whole_tar_of_any_form_is_unpacked_also_with_something_behind_its_end(form, ckptrun, work):
    folder = work / "in"
    folder.mkdir()
    with open(folder / "sparse", "wb") as file:
        for piece in range(30):
            file.seek(piece << 20)
            file.write(b"x" * 4096)
    (folder / "empty").touch()
    (folder / "link").symlink_to("empty")
    os.link(folder / "sparse", folder / "same")
    (folder / ("n" * 90)).write_text("long")
    subprocess.run(["tar", form, "-cf", "a.tar", "in"], cwd=work, check=True)
    with open(work / "a.tar", "ab") as file:
        file.write(b"\n")
    done = ckptrun("-r", "train", "--stage-data", "a.tar", "--", "sh", "-c", "ls $0/in | wc -l", "{data}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["5"]


def test_a_program_that_unpacks_and_is_missing_is_named(ckptrun, images, work, bin_directory):
    images("a.tar.zst")
    (work / "bin").mkdir()
    for program in ("sh", "tar", "mkdir"):
        (work / "bin" / program).symlink_to(f"/bin/{program}")
    done = ckptrun("--stage-data", "a.tar.zst", "--", "/bin/true", PATH=str(work / "bin"))
    assert done.returncode == 125 and "zstd is needed to unpack" in done.stderr


def test_data_that_cannot_fit_is_refused_before_it_is_unpacked(ckptrun, images, work, node):
    images("a.tar")
    free = os.statvfs(node)
    try:
        os.truncate(work / "a.tar", free.f_bavail * free.f_frsize + (1 << 34))      # a hole: it takes no space itself
    except OSError as error:
        pytest.skip(f"no file may be that large here: {error}")
    done = ckptrun("-r", "train", "--stage-data", "a.tar", "--", "touch", "started")
    assert done.returncode == 125 and "the data needs at least" in done.stderr
    assert "unpacking" not in done.stderr and not (work / "started").exists()


def test_a_setup_finds_the_data_and_may_bring_the_program(ckptrun, images, work):
    done = ckptrun("-r", "train", "--stage-data", images("a.tar"), "--setup", 'cp /bin/ls "$CKPT_DATA"/look && test -d {data}/images',
                   "--", "{data}/look", "{data}/images")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "2"]
    record = json.loads((work / "ckpt-runs/train/run.json").read_text())
    assert record["command"] == ["{data}/look", "{data}/images"]        # which is the same in every block


def test_a_program_that_the_setup_brings_is_compared_between_blocks(ckptrun, work):
    def block(text):
        return ckptrun("-r", "train", "--strict", "--setup", f"echo '#!/bin/sh\n# {text}\nexit 85' > {{data}}/it; chmod +x {{data}}/it",
                       "--", "{data}/it")
    first = block("one")
    assert first.returncode == 124 and "not recorded" not in first.stderr, first.stderr
    assert block("one").returncode == 124
    changed = block("two")
    assert changed.returncode == 125 and "the program's file has changed" in changed.stderr, changed.stderr


def test_a_setup_that_fails_keeps_the_program_from_starting(ckptrun, work):
    done = ckptrun("-r", "train", "--setup", "echo no module >&2; exit 3", "--", "touch", "started")
    assert done.returncode == 125
    assert "no module" in done.stderr and "exit code 3" in done.stderr and "not started" in done.stderr
    assert not (work / "started").exists() and not blocks(work)


def test_all_blocks_that_run_here_share_what_was_staged_once(ckptrun, images, bin_directory):
    done = ckptrun("-r", "train", "--allow-volatile", "--block-time", "2s", "--stage-data", images("a.tar"), "--",
                   bin_directory / "epoch_counter", 10, 30, 10000)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is unpacked") == 1 and done.stderr.count("block ") > 2
    again = ckptrun("-r", "train", "--allow-volatile", "--stage-data", "a.tar", "--", bin_directory / "epoch_counter", 10, 30, 10000)
    assert again.returncode == 0 and "complete" in again.stderr and "unpack" not in again.stderr


def test_a_stop_while_the_node_is_prepared_starts_nothing(start, eventually, node, work):
    process = start("ckptrun", "-r", "train", "--setup", "echo begun; exec sleep 300", "--", "touch", "started", TMPDIR=str(node))
    eventually(lambda: "begun" in process.out.read_text())
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    assert not (work / "started").exists() and not blocks(work) and list(node.iterdir()) == []


# A second node, whose disk is another folder: each step is done here, and there.
TWO_NODES = r"""
while [ "${1#--}" != "$1" ]; do shift; done
"$@" || exit
there() { printf %s "$1" | sed 's|/first/|/second/|g'; }
words=$#
for word; do set -- "$@" "$(there "$word")"; done
shift $words
CKPT_DATA=$(there "$CKPT_DATA") "$@"
"""


@pytest.fixture
def nodes(node):
    """The own disks of two nodes."""
    disks = node / "first", node / "second"
    for disk in disks:
        disk.mkdir()
    return disks


def test_in_a_job_of_several_nodes_each_of_them_is_prepared_and_cleared(ckptrun, images, fake_slurm, nodes):
    fake_slurm["srun.run"] = TWO_NODES
    first, second = nodes
    done = ckptrun("-r", "train", "--here", "--stage-data", images("a.tar"), "--setup", "touch {data}/set-up", "--",
                   "sh", "-c", f"cd {second}/* && ls . images", SLURM_JOB_ID="7", SLURM_JOB_NUM_NODES="2", TMPDIR=str(first))
    assert done.stdout.split() == [".:", "images", "set-up", "images:", "1", "2"], done.stderr
    sent = [call.split()[:5] for call in fake_slurm.calls if call.startswith("srun")]
    assert sent == [["srun", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--kill-on-bad-exit=1"]] * 4
    assert not [*first.iterdir(), *second.iterdir()]


def test_a_setup_alone_finds_its_folder_on_each_node(ckptrun, fake_slurm, nodes):
    fake_slurm["srun.run"] = TWO_NODES
    first, second = nodes
    done = ckptrun("-r", "train", "--here", "--setup", 'touch "$CKPT_DATA"/it', "--", "sh", "-c", f"ls {second}/*",
                   SLURM_JOB_ID="7", SLURM_JOB_NUM_NODES="2", TMPDIR=str(first))
    assert done.stdout.split() == ["it"], done.stderr


def test_the_data_of_a_run_stays_when_another_run_of_the_same_job_ends(ckptrun, start, eventually, fake_slurm, images, node, work):
    job = {"SLURM_JOB_ID": "7"}
    one = start("ckptrun", "-r", "one", "--here", "--stage-data", images("a.tar"), "--", "sh", "-c",
                'touch up; while [ ! -e go ]; do sleep 0.01; done; cat "$0/images/1"', "{data}", TMPDIR=str(node), **job)
    eventually((work / "up").exists)
    assert ckptrun("-r", "two", "--here", "--stage-data", "a.tar", "--", "true", **job).returncode == 0
    (work / "go").touch()
    assert one.wait(60) == 0 and one.out.read_text() == "picture 1\n", one.err.read_text()
    assert list(node.iterdir()) == []


def test_what_an_earlier_try_of_a_job_has_left_is_done_over(start, eventually, ckptrun, fake_slurm, images, node, work):
    job = {"SLURM_JOB_ID": "7"}
    lost = start("ckptrun", "-r", "train", "--here", "--stage-data", images("a.tar"), "--", "sh", "-c",
                 'touch "$0/left"; echo $$ >pid.part; mv pid.part pid; exec sleep 300', "{data}", TMPDIR=str(node), **job)
    eventually((work / "pid").exists)
    program = int((work / "pid").read_text())
    lost.kill()
    lost.wait()
    os.kill(program, signal.SIGKILL)
    done = ckptrun("-r", "train", "--here", "--accept-changes", "--stage-data", "a.tar", "--", "ls", "{data}", **job)
    assert done.stdout.split() == ["images"], done.stderr
    assert list(node.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error_before_the_program_starts(ckptrun, images, work):
    (work / "file").touch()
    done = ckptrun("-r", "train", "--stage-data", images("a.tar"), "--", "touch", "started", TMPDIR=str(work / "file"))
    assert done.returncode == 125 and "TMPDIR names another place" in done.stderr
    assert not (work / "started").exists() and not blocks(work)


def test_what_the_preparation_takes_is_part_of_the_start_up(ckptrun, tool_json, bin_directory, work):
    assert ckptrun("-r", "train", "--allow-volatile", "--setup", "sleep 1", "--", bin_directory / "epoch_counter", 5, 10, 2000).returncode == 0
    ledger = (work / "ckpt-runs/train/blocks/0001.ckptrun.jsonl").read_text().splitlines()
    [started] = [line for line in map(json.loads, ledger) if line["event"] == "started"]
    assert started["prepared_seconds"] >= 1
    plan = tool_json("ckptplan", "--epochs", "100", "--limit", "1h", "-r", "train")["plan"]
    assert plan["startup"]["seconds"] >= 1, plan


def test_a_stop_soon_after_a_preparation_began_does_not_end_the_chain(start, eventually, fake_slurm, node, work):
    block = start("ckptrun", "-r", "train", "--setup", "echo begun; exec sleep 300", "--", "touch", "started", TMPDIR=str(node),
                  SLURM_JOB_ID="7", SLURM_JOB_END_TIME=str(int(time.time()) + 3600))
    eventually(lambda: "begun" in block.out.read_text())
    block.terminate()
    assert block.wait(60) == 0 and "to be continued: SIGTERM" in block.err.read_text()
    assert not (work / "started").exists() and not blocks(work) and list(node.iterdir()) == []
