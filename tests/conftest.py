# SPDX-License-Identifier: Apache-2.0
"""What all Python tests share: where the repository, this build and its tools are."""
import os
import pathlib

import pytest

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
