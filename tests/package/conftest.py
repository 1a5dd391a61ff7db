# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import re
import subprocess

import pytest


@pytest.fixture(scope="session")
def version(repository):
    return re.search(r"project\(ckpt VERSION ([\d.]+)", (repository / "CMakeLists.txt").read_text()).group(1)


@pytest.fixture(scope="session")
def build_directory(repository):
    """What is installed is the release build: CKPT_RELEASE_DIR, else build/release."""
    return pathlib.Path(os.environ.get("CKPT_RELEASE_DIR", repository / "build/release"))


@pytest.fixture(scope="session")
def prefix(build_directory, tmp_path_factory):
    """This build, installed somewhere and then moved: nothing in it may know where it was."""
    base = tmp_path_factory.mktemp("install")
    subprocess.run(["cmake", "--install", build_directory, "--prefix", base / "first"], check=True, capture_output=True)
    return (base / "first").rename(base / "moved")


@pytest.fixture
def installed_environment(prefix):
    """What a user of that prefix has set."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CKPT_")}
    return clean | {
        "PATH": f"{prefix}/bin:{os.environ['PATH']}",
        "PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig",
        "LD_LIBRARY_PATH": f"{prefix}/lib",
        "CMAKE_PREFIX_PATH": str(prefix),
    }


@pytest.fixture
def shell(installed_environment, tmp_path):
    """shell(command): its CompletedProcess; stdout and stderr together, as on a screen."""
    def run(command, folder=tmp_path, **environment):
        return subprocess.run(command, shell=not isinstance(command, list), cwd=folder, text=True, timeout=120,
                              env=installed_environment | environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return run
