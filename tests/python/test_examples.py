# SPDX-License-Identifier: Apache-2.0
"""The examples under ckptrun, killed in the middle, end with the bytes of an undisturbed run."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples/python"
PATIENCE_SECONDS = 250


@pytest.fixture
def run(tmp_path, environment):
    """run(command…): its stdout; it must succeed."""
    def call(*command):
        result = subprocess.run([*map(str, command)], cwd=tmp_path, text=True, env=environment, capture_output=True,
                                timeout=PATIENCE_SECONDS, stdin=subprocess.DEVNULL)
        assert result.returncode == 0, result.stderr
        return result.stdout
    return call


@pytest.fixture
def killed_once(tmp_path, environment, run):
    """killed_once(command…): stdout of the program in a chain, whose first block dies by SIGKILL once it has a snapshot."""
    def call(*command):
        with open(tmp_path / "err", "w") as err:
            chain = subprocess.Popen(["ckptrun", "--allow-volatile", "-r", "chain", "--", *map(str, command)], cwd=tmp_path,
                                     env=environment, stdout=subprocess.PIPE, stderr=err, stdin=subprocess.DEVNULL, text=True)
        folder = tmp_path / "ckpt-runs/chain"
        record = wait_for(chain, lambda: next(folder.glob("blocks/0001.program-*.jsonl"), None))
        run("ckpt", "save", "chain")
        wait_for(chain, lambda: next(folder.glob("snapshots/step-*"), None))
        os.kill(int(re.search(r"program-(\d+)", record.name)[1]), signal.SIGKILL)
        out, _ = chain.communicate(timeout=PATIENCE_SECONDS)
        assert chain.returncode == 0, (tmp_path / "err").read_text()
        assert "SIGKILL" in (tmp_path / "err").read_text()
        return out
    return call


def wait_for(process, look):
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if found := look():
            return found
        time.sleep(0.005)
    raise AssertionError("it did not come that far")


@pytest.mark.timeout(3 * PATIENCE_SECONDS)
def test_fashion_mnist(run, killed_once, tmp_path):
    program = [sys.executable, EXAMPLES / "fashion_mnist.py", "--pictures", 2000, "--epochs", 2, "--batch", 20, "--workers", 1]
    plain = run(*program, "--out", "plain.pt")
    chain = killed_once(*program, "--out", "chain.pt")
    assert chain.splitlines()[-1] == plain.splitlines()[-1]
    assert same_tensors(tmp_path / "chain.pt", tmp_path / "plain.pt")


def same_tensors(one, other):
    import torch
    one, other = torch.load(one), torch.load(other)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.timeout(3 * PATIENCE_SECONDS)
def test_heat(run, killed_once, tmp_path):
    program = [sys.executable, EXAMPLES / "heat.py", "--steps", 10_000]
    plain = run(*program, "--out", "plain.npy")
    assert killed_once(*program, "--out", "chain.npy") == plain
    assert (tmp_path / "chain.npy").read_bytes() == (tmp_path / "plain.npy").read_bytes()
