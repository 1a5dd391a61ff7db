# SPDX-License-Identifier: Apache-2.0
"""A Slurm of files for pytest: see tests/slurm/fake/fake_slurm for what can be steered."""
import os
import pathlib

import pytest

COMMANDS = ("scontrol", "squeue", "sbatch", "scancel", "sacct", "sacctmgr", "sinfo", "srun", "salloc")
SCRIPT = pathlib.Path(__file__).with_name("fake_slurm")


class FakeSlurm:
    """The files that steer it, by name: fake_slurm["squeue.out"] = "4|RUNNING\\n"; del fake_slurm["squeue.out"]."""

    def __init__(self, folder):
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        self.provide(*COMMANDS)

    def __setitem__(self, file, text):
        (self.folder / file).write_text(str(text))

    def __getitem__(self, file):
        return (self.folder / file).read_text()

    def __delitem__(self, file):
        (self.folder / file).unlink()

    def provide(self, *commands):
        for command in commands:
            (self.bin / command).symlink_to(SCRIPT)

    def miss(self, *commands):
        """From now on these are not in PATH."""
        for command in commands:
            (self.bin / command).unlink()

    @property
    def calls(self):
        """One line per call, oldest first: "scontrol show job -o 7"."""
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def environment_of(self, command):
        """Of the last call of this command."""
        return dict(line.split("=", 1) for line in self[f"{command}.env"].splitlines() if "=" in line)


@pytest.fixture(scope="session")
def programs_without_slurm(tmp_path_factory):
    """A folder of links to every program in PATH but Slurm's: a machine may have the real ones installed."""
    folder = tmp_path_factory.mktemp("programs")
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in pathlib.Path(directory).glob("*"):
            if program.name not in COMMANDS and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program.absolute())
    return folder


@pytest.fixture
def fake_slurm(tmp_path_factory, monkeypatch, programs_without_slurm):
    """Its commands are first in PATH. Nobody steers it yet, so every command fails as if there were no controller."""
    fake = FakeSlurm(tmp_path_factory.mktemp("slurm") / "fake")
    monkeypatch.setenv("PATH", f"{fake.bin}{os.pathsep}{programs_without_slurm}")
    monkeypatch.setenv("FAKE_SLURM", str(fake.folder))
    return fake
