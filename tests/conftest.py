# SPDX-License-Identifier: Apache-2.0
"""What all Python tests share: where the repository, this build and its tools are."""
import gzip
import os
import pathlib
import random
import shutil
import signal
import struct
import tempfile
import time
import uuid

import pytest

pytest_plugins = ["fake_slurm"]      # tests/slurm/fake: a Slurm of files
REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository():
    return REPOSITORY


@pytest.fixture(scope="session")
def build_directory():
    """Of the build under test: CKPT_BUILD_DIR, else build/dev."""
    return pathlib.Path(os.environ.get("CKPT_BUILD_DIR", REPOSITORY / "build/dev"))


@pytest.fixture(scope="session")
def bin_directory(build_directory):
    """Tools and examples of the build under test: CKPT_BIN_DIR, else bin in the build directory."""
    return pathlib.Path(os.environ.get("CKPT_BIN_DIR", build_directory / "bin"))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """A test decides itself what its programs see of us, of a scheduler and of launchers."""
    for name in list(os.environ):
        if name.startswith(("CKPT_", "SLURM_", "OMPI_", "PMI_", "PMIX_")) or name in ("WORLD_SIZE", "MPI_LOCALNRANKS"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def small_fashion_mnist():
    """small_fashion_mnist(folder, count): makes a data set in the format of Fashion-MNIST there, with pictures of ten
    kinds; the same at every call."""
    return write_pictures


def write_pictures(folder, count):
    folder.mkdir()
    chance = random.Random(1)
    for part in ("train", "t10k"):
        labels = bytes(chance.randrange(10) for _ in range(count))
        images = b"".join(bytes(min(255, 25 * label + chance.randrange(20)) for _ in range(28 * 28)) for label in labels)
        with gzip.open(folder / f"{part}-images-idx3-ubyte.gz", "wb", compresslevel=1) as file:
            file.write(struct.pack(">IIII", 0x803, count, 28, 28) + images)
        with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">II", 0x801, count) + labels)
    return folder


# ---- Nothing is left of a session: no process, no temporary file, no shared memory ----------------------------------------

SESSION = "TEST_SESSION_OF_CKPT"          # in the environment of whatever the tests start, and of what that starts
SECONDS_TO_END = 10                     # for what was told to end
# pytest's own, where --basetemp names no other place; multiprocessing's, which a killed worker of a DataLoader cannot remove;
# those of wandb, which go with the interpreter
NOT_OURS = ("pytest-of-", "pymp-", "wandb-")


def pytest_sessionstart(session):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)   # ignored below nohup, and then by whatever a test starts
    signal.signal(signal.SIGINT, signal.default_int_handler)   # the same for what a script has put into the background
    if SESSION in os.environ:           # a worker of pytest-xdist
        return
    os.environ[SESSION] = str(uuid.uuid4())
    session.config.temporary = os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="ckpt-tests-", dir="/var/tmp")
    os.chmod(session.config.temporary, 0o711)   # some tests act as an unprivileged user in a folder of theirs
    session.config.shared_before = set(os.listdir("/dev/shm"))
    tempfile.tempdir = None


def processes_of_session():
    mark = f"{SESSION}={os.environ[SESSION]}".encode()
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int(entry.name) != os.getpid() and mark in (entry / "environ").read_bytes():
                found.append(f"{entry.name}: {(entry / 'cmdline').read_bytes().replace(bytes(1), b' ').decode()}")
        except OSError:                 # gone meanwhile, or not ours
            pass
    return found


@pytest.hookimpl(trylast=True)          # after pytest-xdist has ended its workers
def pytest_sessionfinish(session):
    if not hasattr(session.config, "temporary"):
        return
    end = time.monotonic() + SECONDS_TO_END
    while (left := processes_of_session()) and time.monotonic() < end:
        time.sleep(0.05)
    here = pathlib.Path(session.config.temporary)
    left += [str(path) for path in (here.iterdir() if here.exists() else []) if not any(name in path.name for name in NOT_OURS)]
    left += [f"/dev/shm/{name}" for name in set(os.listdir("/dev/shm")) - session.config.shared_before if "ckpt" in name]
    shutil.rmtree(here, ignore_errors=True)
    if left:
        print("\nLEFT BEHIND by the tests: " + "; ".join(left))
        session.exitstatus = 1
