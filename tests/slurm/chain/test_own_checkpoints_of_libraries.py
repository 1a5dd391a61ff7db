# SPDX-License-Identifier: Apache-2.0
"""The job script of docs/own-checkpoints.md, literally, with real PyTorch and real Keras on real images."""
import json
import os
import pathlib
import re
import shutil
import time

import pytest

import read_aloud

EPOCHS = 12
# Would fit into one if it started in no time: it does six at most, and the second block begins with the last of them again, so
# that the chain needs three blocks or more.
EPOCHS_IN_A_BLOCK = 7
# The second task finds the newest file cut short; on the disk of the third one a bit of the newest one has turned.
HARM = """
import os, pathlib, sys
newest = max(map(pathlib.Path, sys.argv[1:]), key=lambda file: file.exists() and file.stat().st_mtime_ns)
if os.environ["SLURM_ARRAY_TASK_ID"] == "2":
    os.truncate(newest, newest.stat().st_size * 2 // 3)
if os.environ["SLURM_ARRAY_TASK_ID"] == "3":
    content, time = bytearray(newest.read_bytes()), newest.stat().st_mtime_ns
    content[len(content) // 2] ^= 4
    newest.write_bytes(content)
    os.utime(newest, ns=(time, time))
"""


class RealTraining:
    """A chain of jobs whose program is tests/python/own_training.py."""

    def __init__(self, cluster, repository, python, library, ending):
        self.cluster, self.library, self.ending = cluster, library, ending
        document = (repository / "docs/own-checkpoints.md").read_text()
        [self.script] = [content for language, content, _ in read_aloud.blocks(document) if language == "bash"]
        self.environment = {"PATH": f"{python.parent}:{cluster.environment['PATH']}", "OMP_NUM_THREADS": "1"}
        self.checkpoints = cluster.work / "scratch/checkpoints/ml-test"
        shutil.copy(repository / "tests/python/own_training.py", cluster.work / "train.py")
        (cluster.work / "train.py").chmod(0o644)
        (cluster.work / "harm.py").write_text(HARM)

    def start_up_seconds(self):
        """What this machine, as busy as it is, needs to start the program and train it for an epoch. The first time it may have to
        read the libraries from its disk as well."""
        return min(self.try_seconds(), self.try_seconds())

    def try_seconds(self):
        began = time.monotonic()
        self.cluster.user("python", "train.py", self.library, "--write-checkpoints-to", f"tried-{self.library}",
                          "--epochs", "1", **self.environment)
        return time.monotonic() - began

    def submit(self, block_seconds):
        epoch_seconds = block_seconds / EPOCHS_IN_A_BLOCK
        script = self.script.removeprefix("#!/bin/bash\n")
        for written, run in {"~/": f"{self.cluster.work}/", ".pt": self.ending,
                             "exec ckptrun": f"python harm.py $CHECKPOINTS/*{self.ending}\n"
                                             f"exec ckptrun --block-time {block_seconds:.0f}s",
                             "train.py": f"train.py {self.library} --epochs {EPOCHS} --seconds {epoch_seconds:.1f}"}.items():
            assert script.count(written) == 1, f"the script does not say {written}"
            script = script.replace(written, run)
        self.job = self.cluster.sbatch(script, f"--job-name={self.library}", "--time=10", **self.environment)

    def epochs(self):
        """Of each block: that of the checkpoint which it began from, and those of the whole ones that it wrote."""
        begun = re.findall(r"block \d+ starts from (?:the beginning|model-(\d+))", self.cluster.output(self.job))
        written = []
        for ledger in sorted((self.cluster.work / "ckpt-runs" / self.library / "blocks").glob("*.ckptrun.jsonl")):
            events = map(json.loads, ledger.read_text().splitlines())
            paths = [event["path"] for event in events if event["event"] == "checkpoint"]
            written.append([int(re.search(r"model-(\d+)", path)[1]) for path in paths])
        return [int(epoch or 0) for epoch in begun], written

    def check_all_done(self, *reasons):
        begun, written = self.epochs()
        output = self.cluster.output(self.job)
        assert all(written[:-1]), output        # the last one may find that all is done
        newest = [of_block[-1] for of_block in written if of_block]
        assert begun == [0, newest[0] - 1, newest[1] - 1, *newest[2:]][:len(begun)]
        assert 3 <= len(begun) < 10 and newest[-1] == EPOCHS
        assert output.count("is left out: ") == 2 and all(reason in output for reason in reasons), output
        assert sorted(self.checkpoints.glob(f"*{self.ending}")) == sorted(
            self.checkpoints / f"model-{epoch}{self.ending}" for epoch in range(1, EPOCHS + 1))
        assert list(self.cluster.states(self.job).values()).count("COMPLETED") == len(begun)
        assert f"newest checkpoint: model-{EPOCHS}{self.ending}" in output
        self.cluster.user("ckpt", "done", self.library)


@pytest.fixture(scope="session")
def python_with_libraries(repository):
    """The Python that has PyTorch and Keras: CKPT_TEST_PYTHON, else that of build/venv-python."""
    python = pathlib.Path(os.environ.get("CKPT_TEST_PYTHON", repository / "build/venv-python/bin/python"))
    if not python.exists():
        pytest.skip(f"{python}, which has PyTorch and Keras, is not there: scripts/test makes it")
    return python


@pytest.fixture
def real_training(cluster, repository, python_with_libraries):
    if cluster.user("test", "-x", python_with_libraries, check=False).returncode:
        pytest.skip(f"the cluster's user cannot reach {python_with_libraries}, which has PyTorch and Keras")
    return lambda library, ending: RealTraining(cluster, repository, python_with_libraries, library, ending)


@pytest.mark.timeout(600)
def test_real_pytorch_and_keras_cut_by_the_limit_go_on_from_the_newest_whole_checkpoint(cluster, real_training):
    chains = {".pt": real_training("pytorch", ".pt"), ".h5": real_training("keras", ".h5")}
    blocks_seconds = [3 * chain.start_up_seconds() + 4 for chain in chains.values()]    # enough when it is busier soon
    for chain, block_seconds in zip(chains.values(), blocks_seconds):
        chain.submit(block_seconds)
    for chain in chains.values():
        cluster.wait(chain.job)
    chains[".pt"].check_all_done("the list of its entries, which a zip file ends with, is missing",
                                 "does not match its checksum (CRC-32)")
    chains[".h5"].check_all_done("cut short, or not closed by who wrote it", "the disk has changed them")
