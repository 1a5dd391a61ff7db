# SPDX-License-Identifier: Apache-2.0
"""The examples do what they are there to show."""
import gzip
import os
import re
import signal
import struct

import pytest

PICTURES = 320      # in a small data set


@pytest.fixture
def pictures(work, small_fashion_mnist):
    return small_fashion_mnist(work / "pictures", PICTURES)


def test_a_training_killed_in_mid_epoch_ends_with_the_same_bytes_as_an_undisturbed_one(
        tool, start, bin_directory, work, pictures, eventually):
    options = ["--data", pictures, "--epochs", 40, "--batch", 32]
    undisturbed = tool("fashion_mnist", *options, "--quiet", "--weights-out", "undisturbed")
    assert undisturbed.returncode == 0, undisturbed.stderr
    chain = start("ckptrun", "-r", "fashion", "--allow-volatile", "--", bin_directory / "fashion_mnist", *options,
                  "--weights-out", "resumed")
    run = work / "ckpt-runs/fashion"
    record = eventually(lambda: list(run.glob("blocks/0001.program-*.jsonl")), "the training opens its run")[0]
    assert tool("ckpt", "save", "fashion").returncode == 0
    os.kill(int(re.search(r"program-(\d+)", record.name)[1]), signal.SIGKILL)
    assert chain.wait(300) == 0, chain.err.read_text()
    assert "SIGKILL" in chain.err.read_text()
    assert re.search(r"^test accuracy [\d.]+ %, 2\d{6} weights$", chain.out.read_text(), re.MULTILINE)
    assert (work / "resumed").read_bytes() == (work / "undisturbed").read_bytes()
    assert chain.out.read_text().splitlines()[-1] == undisturbed.stdout.strip()


@pytest.mark.parametrize("name, content, said", [
    ("train-images-idx3-ubyte.gz", None, "cannot be opened"),
    ("train-images-idx3-ubyte.gz", b"\x1f\x8b cut", "is not a whole gzip file"),
    ("train-labels-idx1-ubyte.gz", b"hello", "is not an IDX file of bytes"),
    ("train-labels-idx1-ubyte.gz", gzip.compress(struct.pack(">II", 0x801, 7) + b"1234567", mtime=0),
     "does not fit the images"),
    ("train-labels-idx1-ubyte.gz", gzip.compress(struct.pack(">II", 0x801, PICTURES) + b"\x0a" * PICTURES, mtime=0),
     "has a label above 9"),
])
def test_data_that_is_not_as_it_should_be_is_named(tool, pictures, name, content, said):
    (pictures / name).unlink()
    if content is not None:
        (pictures / name).write_bytes(content)
    done = tool("fashion_mnist", "--data", pictures)
    assert done.returncode == 1
    assert name in done.stderr and said in done.stderr


def test_final_weights_that_cannot_be_written_are_an_error(tool, pictures):
    done = tool("fashion_mnist", "--data", pictures, "--epochs", 1, "--quiet", "--weights-out", "/dev/full")
    assert done.returncode == 1
    assert "/dev/full: cannot be written" in done.stderr


@pytest.mark.parametrize("options", [["--epochs", "0"], ["--epochs", "x"], ["--batch"], ["--wrong"], ["word"]])
def test_options_it_does_not_know_end_the_example(tool, options):
    done = tool("fashion_mnist", *options)
    assert done.returncode == 2
    assert done.stderr != ""


def test_the_ten_lines_run_without_ckptrun_as_ever(tool):
    done = tool("ten_lines", 20)
    assert done.returncode == 0
    assert done.stdout.startswith("step 20, last weight ")


def test_the_ten_lines_stopped_and_continued_end_as_if_undisturbed(tool, start, bin_directory, work, eventually):
    undisturbed = tool("ten_lines", 400).stdout
    command = ["ckptrun", "-r", "ten", "--allow-volatile", "--", bin_directory / "ten_lines", 400, 10]
    chain = start(*command)
    eventually(lambda: list(work.glob("ckpt-runs/ten/blocks/0001.program-*.jsonl")), "the program opens its run")
    assert tool("ckpt", "stop").returncode == 0
    assert chain.wait(60) == 0
    assert tool("ckpt", "done").returncode == 1
    continued = tool(*command)
    assert continued.returncode == 0, continued.stderr
    assert continued.stdout == undisturbed
    assert tool("ckpt", "done").returncode == 0
