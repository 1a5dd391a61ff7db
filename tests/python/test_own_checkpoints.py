# SPDX-License-Identifier: Apache-2.0
"""Trainings that keep their own checkpoints, wrapped as they are (docs/own-checkpoints.md)."""
import json
import pathlib
import re
import subprocess
import sys

import pytest

TRAINING = pathlib.Path(__file__).with_name("own_training.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            pathlib.Path(__file__).with_name("torchrun_training.py")]


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


def test_torchrun_with_workers_of_data_loaders_is_stopped_at_the_deadline_without_orphans_and_goes_on(tmp_path, environment):
    (tmp_path / "ckpts").mkdir()
    (tmp_path / "processes").mkdir()
    done = subprocess.run(["ckptrun", "-r", "./run", "--allow-volatile", "--block-time", "25s", "--latest", "ckpts/model-{epoch}.pt",
                           "--resume-args", "--load-checkpoint {resume}", "--", *TORCHRUN, "--write-checkpoints-to", "ckpts",
                           "--epochs", "13", "--seconds", "2"],      # longer than the first block
                          cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=300, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    ends = [json.loads(file.read_text()) for file in sorted((tmp_path / "run/blocks").glob("*.end.json"))]
    assert len(ends) > 1
    assert [end["outcome"] for end in ends] == ["stopped"] * (len(ends) - 1) + ["finished"]
    for end in ends[:-1]:
        assert re.fullmatch(r"stopped with model-\d+\.pt \(epoch \d+\), exit code 1", end["reason"])      # torchrun's own
    starts = sorted((tmp_path / "processes").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    numbers = [file.read_text().split() for file in starts]
    assert [len(of_start) for of_start in numbers[:-1]] == [2 + 2 * 2] * (len(ends) - 1)    # the last may have nothing to do
    assert not [number for of_start in numbers for number in of_start if pathlib.Path("/proc", number).exists()]
    assert (tmp_path / "ckpts/model-13.pt").exists()
