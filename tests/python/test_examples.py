# SPDX-License-Identifier: Apache-2.0
"""The examples under ckptrun, killed in the middle, end with the bytes of an undisturbed run."""
import heapq
import os
import pathlib
import re
import signal
import subprocess
import sys

import h5py
import pytest
import torch
from waiting import PATIENCE_SECONDS, wait_for

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples/python"


@pytest.fixture
def started(tmp_path, environment):
    """started(folder, command…): starts it; what comes back waits for its end and gives the lines it printed."""
    processes = []

    def start(folder, *command):
        (tmp_path / folder).mkdir(exist_ok=True)
        process = subprocess.Popen([*map(str, command)], cwd=tmp_path / folder, text=True, env=environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        processes.append(process)

        def lines():
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
            assert process.returncode == 0, err
            return out.splitlines()
        return lines
    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def killed_once(tmp_path, environment, started):
    """killed_once(command…): stdout of the program in a chain, whose first block dies by SIGKILL once it has a snapshot."""
    def call(*command):
        with open(tmp_path / "err", "w") as err:
            chain = subprocess.Popen(["ckptrun", "--allow-volatile", "-r", "chain", "--", *map(str, command)], cwd=tmp_path,
                                     env=environment, stdout=subprocess.PIPE, stderr=err, stdin=subprocess.DEVNULL, text=True)
        folder = tmp_path / "ckpt-runs/chain"
        record = wait_for(chain, lambda: next(folder.glob("blocks/0001.program-*.jsonl"), None))
        started(".", "ckpt", "save", "chain")()
        wait_for(chain, lambda: next(folder.glob("snapshots/step-*"), None))
        os.kill(int(re.search(r"program-(\d+)", record.name)[1]), signal.SIGKILL)
        out, _ = chain.communicate(timeout=PATIENCE_SECONDS)
        assert chain.returncode == 0, (tmp_path / "err").read_text()
        assert "SIGKILL" in (tmp_path / "err").read_text()
        return out
    return call


EXAMPLES_WITH = {     # small, but long enough for `ckpt save` to find them at work
    "fashion_mnist": ["--pictures", 2000, "--batch", 20, "--epochs", 2, "--workers", 1],
    "fashion_mnist_lightning": ["--pictures", 1200, "--batch", 20, "--epochs", 3],
    "fashion_mnist_keras": ["--pictures", 1000, "--batch", 20, "--epochs", 6],
    "characters_transformers": ["--text", heapq.__file__, "--epochs", 2],
    "heat": ["--steps", 10_000],
}
OUT = {"fashion_mnist_keras": "out.weights.h5", "characters_transformers": "out", "heat": "out.npy"}


@pytest.mark.timeout(3 * PATIENCE_SECONDS)
@pytest.mark.parametrize("name", EXAMPLES_WITH)
def test_an_example_that_was_killed_once_ends_as_if_it_were_not(name, started, killed_once, tmp_path):
    program = [sys.executable, EXAMPLES / f"{name}.py", *EXAMPLES_WITH[name], "--out", OUT.get(name, "out.pt")]
    plain = started("plain", *program)
    chain = killed_once(*program)
    assert plain()[-1] == chain.splitlines()[-1]
    one, other = content_of(tmp_path / "plain"), content_of(tmp_path)
    assert one and one == other


def content_of(folder):
    """Of what an example has written there: by names, the bytes of each array."""
    found = {}
    for path in folder.glob("out*"):
        if path.suffix == ".pt":
            found |= {name: tensor.numpy().tobytes() for name, tensor in torch.load(path).items()}
        elif path.suffix == ".h5":
            with h5py.File(path) as file:
                file.visititems(lambda name, item: found.update({name: item[...].tobytes()}) if hasattr(item, "shape") else None)
        else:
            found[path.name] = (path / "model.safetensors" if path.is_dir() else path).read_bytes()
    return found


def test_each_example_is_run():
    assert sorted(EXAMPLES_WITH) == sorted(path.stem for path in EXAMPLES.glob("*.py"))
