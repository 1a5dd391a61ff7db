# SPDX-License-Identifier: Apache-2.0
"""Trainings that keep their own checkpoints, wrapped as they are (docs/own-checkpoints.md)."""
import pathlib
import subprocess
import sys

import pytest

TRAINING = pathlib.Path(__file__).with_name("own_training.py")


@pytest.mark.parametrize("library, ending, reason", [
    ("pytorch", ".pt", "the list of its entries, which a zip file ends with, is missing"),
    ("keras", ".h5", "cut short, or not closed by who wrote it")])
def test_a_training_killed_while_it_writes_goes_on_from_the_one_before(library, ending, reason, tmp_path, environment):
    done = subprocess.run(["ckptrun", "-r", "./run", "--allow-volatile", "--latest", f"ckpts/model-{{epoch}}{ending}", "--resume-args",
                           "--load-checkpoint {resume}", "--", sys.executable, TRAINING, library, "--write-checkpoints-to", "ckpts",
                           "--die-in", "3"],
                          cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=300, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert f"ckpts/model-3{ending} is left out: " in done.stderr and reason in done.stderr
    assert f"block 2 starts from model-2{ending} (epoch 2)" in done.stderr
    assert sorted(path.name for path in (tmp_path / "ckpts").iterdir()) == [f"model-{epoch}{ending}" for epoch in range(1, 5)]
