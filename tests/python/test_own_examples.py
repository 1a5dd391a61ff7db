# SPDX-License-Identifier: Apache-2.0
"""examples/own_checkpoints: each line of its README is typed, and its program killed in the middle; the line finishes it."""
import dataclasses
import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
import read_aloud
from waiting import PATIENCE_SECONDS, wait_for

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples/own_checkpoints"
IMAGES = pathlib.Path("/usr/share/datasets/fashion-mnist")
HOW_MUCH = {     # less than a line says, but enough to be found at work
    "train_pytorch.py": ("--epochs 40", "model-40.pt"),
    "train_keras.py": ("--epochs 10", "model-10.keras"),
    "train_lightning.py": ("--epochs 12", "epoch=11-*.ckpt"),
    "train_transformers.py": (f"--text {dataclasses.__file__} --max_steps 200 --save_strategy steps --save_steps 20", "checkpoint-200"),
}


def lines_of_readme():
    [block] = [content for language, content, _ in read_aloud.blocks((EXAMPLES / "README.md").read_text()) if language == "console"]
    return {re.search(r"\S+\.py", line)[0]: line for _, line, _ in read_aloud.commands(block)}


def fewer_images(folder):
    """The first 2000 of Fashion-MNIST's and the first 1000 to test with."""
    folder.mkdir()
    for part, count in ("train", 2000), ("t10k", 1000):
        for name, head, size in (f"{part}-images-idx3-ubyte.gz", 16, 784), (f"{part}-labels-idx1-ubyte.gz", 8, 1):
            with gzip.open(IMAGES / name) as source, gzip.open(folder / name, "wb", compresslevel=1) as target:
                target.write(source.read(head + count * size))


@pytest.fixture
def typed(tmp_path, environment):
    """typed(line): what comes back is the ckptrun which that started, in a folder with the examples."""
    for script in EXAMPLES.glob("*.py"):
        shutil.copy(script, tmp_path)
    fewer_images(tmp_path / "images")
    found = environment | {"PATH": f"{pathlib.Path(sys.executable).parent}:{environment['PATH']}", "KERAS_BACKEND": "torch",
                           "FASHION_MNIST": str(tmp_path / "images")}
    chains = []

    def start(line):
        with open(tmp_path / "err", "w") as err:
            chains.append(subprocess.Popen(["bash", "-c", f"exec {line}"], cwd=tmp_path, env=found, text=True, stdin=subprocess.DEVNULL,
                                           stdout=subprocess.PIPE, stderr=err))
        return chains[-1]
    yield start
    for chain in chains:
        chain.terminate()
        chain.communicate()


@pytest.mark.timeout(3 * PATIENCE_SECONDS)
@pytest.mark.parametrize("script", HOW_MUCH)
def test_one_line_finishes_a_training_that_was_killed(script, typed, tmp_path):
    how_much, last = HOW_MUCH[script]
    line = lines_of_readme()[script]
    places = re.sub(r"\{\w+\}", "*", re.search("--latest '(.*?)'", line)[1])
    chain = typed(line.replace("ckptrun ", "ckptrun --allow-volatile -r chain ", 1) + f" {how_much}")
    wait_for(chain, lambda: len(list(tmp_path.glob(places))) >= 2)       # the first of them is whole
    [record] = (tmp_path / "ckpt-runs/chain/blocks").glob("0001.child-*.json")
    os.kill(json.loads(record.read_text())["who"]["pid"], signal.SIGKILL)
    out, _ = chain.communicate(timeout=PATIENCE_SECONDS)
    told = (tmp_path / "err").read_text()
    assert chain.returncode == 0, told
    assert re.search(r"block 1 ended after .*killed by SIGKILL", told), told
    assert re.search(r"block 2 starts from (?!the beginning)", told) and "block 3" not in told, told
    assert list(tmp_path.glob(places.replace(places.split("/")[-1], last)))
    assert re.search(r"test accuracy [6-9]\d\.\d\d%|^200 steps done", out, re.MULTILINE), out


def test_each_of_these_examples_is_run():
    assert sorted(HOW_MUCH) == sorted(lines_of_readme()) == sorted(path.name for path in EXAMPLES.glob("train_*.py"))
