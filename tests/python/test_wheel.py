# SPDX-License-Identifier: Apache-2.0
"""The wheel of a release, made by scripts/build-wheels into build/dist, as people on old clusters install and use it."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import elf
import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
EMULATOR = ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu"]
HAS_EMULATOR = shutil.which(EMULATOR[0]) is not None and pathlib.Path(EMULATOR[2]).is_dir()
OLDEST_GLIBC = (2, 17)
OF_LIBC = r"lib(c|m|dl|rt|pthread)\.so\.\d|ld-linux.*"

COUNTING = """
import os, signal, time
from libckpt import Run
run = Run()
total = run.vars.setdefault("total", 0)
for step in run.steps(100):
    run.vars["total"] += step
    time.sleep(0.02)
    if step == 60 and not os.path.exists("killed"):
        open("killed", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
run.finish()
print("total", run.vars["total"])
"""


# They throw, too: C++ exceptions find their way through their own runtime.
WORK_OF_NEIGHBOURS = {
    "h5py": """
try: h5py.File("nothing.h5")
except FileNotFoundError: print(3.0, "fine")
""",
    "torch": """
import torch
try: torch.load("nothing.pt")
except FileNotFoundError: print(float(torch.ones(3).sum()), "fine")
""",
    "tensorflow": """
import tensorflow
try: tensorflow.ones((2, 3)) @ tensorflow.ones((2, 3))
except tensorflow.errors.InvalidArgumentError: print(float(tensorflow.reduce_sum(tensorflow.ones(3))), "fine")
""",
}


def packages_with(neighbour):
    """The folder of packages where it is: TensorFlow wants another h5py than the rest."""
    if neighbour != "tensorflow":
        return next(path for path in sys.path if path.endswith("site-packages"))
    found = next((REPOSITORY / "build/venv-tensorflow").glob("lib/python3*/site-packages/tensorflow"), None)
    if not found:
        pytest.skip("no TensorFlow there: scripts/make-venv build/venv-tensorflow tests/python/tensorflow-requirements.txt")
    return found.parent


def built_wheels(arch):
    found = sorted((REPOSITORY / "build/dist").glob(f"*_{arch}.whl"))
    if not found:
        pytest.skip(f"no wheel there: scripts/build-wheels --arch {arch} --into build/dist")
    return found


def unpacked(wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for path in folder.rglob("scripts/*"):
        path.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def wheels():
    return built_wheels("x86_64")


@pytest.fixture(scope="session")
def content(wheels, tmp_path_factory):
    return unpacked(wheels[0], tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheels, tmp_path_factory):
    """The Python of a fresh virtual environment that holds this wheel and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    portable, = (path for path in wheels if "manylinux" in path.name)
    subprocess.run([sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "--quiet", "--no-deps", "--no-index",
                    "--disable-pip-version-check", portable], check=True)
    return folder / "bin/python"


@pytest.fixture
def use(installed, tmp_path):
    """use(WORDS..., **variables): runs them as somebody in that environment, answers the CompletedProcess."""
    def run(*words, **variables):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("CKPT_", "LIBCKPT_", "PYTHON"))}
        return subprocess.run([str(word) for word in words], cwd=tmp_path, text=True, capture_output=True, timeout=250,
                              stdin=subprocess.DEVNULL,
                              env=clean | {"PATH": f"{installed.parent}:{os.environ['PATH']}"} | variables)
    return run


def binaries(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]


def check_binaries(folder):
    found = binaries(folder)
    assert sorted(path.name for path in found) == ["ckpt", "ckptplan", "ckptrun", "libckpt.so"]
    for path in found:
        assert elf.newest_glibc(path) <= OLDEST_GLIBC, path.name
        assert [name for name in elf.needed(path) if not re.fullmatch(OF_LIBC, name)] == [], path.name
        if path.name == "libckpt.so":
            exported = elf.exported(path)
            assert len(exported) > 30 and all(name.startswith("ckpt_") for name in exported)


def test_a_release_has_one_wheel_under_two_names(wheels):
    names = sorted(path.name for path in wheels)
    assert len(names) == 2
    assert re.fullmatch(r"libckpt-[\d.]+-py3-none-linux_x86_64\.whl", names[0])
    assert re.fullmatch(r"libckpt-[\d.]+-py3-none-manylinux2014_x86_64\.manylinux_2_17_x86_64\.whl|"
                        r"libckpt-[\d.]+-py3-none-manylinux_2_17_x86_64\.manylinux2014_x86_64\.whl", names[1])


def test_its_binaries_run_with_the_c_library_of_2012_and_need_nothing_else(content):
    check_binaries(content)


def test_it_names_no_folder_of_the_machine_that_built_it(content):
    for path in binaries(content):
        assert str(REPOSITORY).encode() + b"/" not in path.read_bytes(), path.name


def test_the_notices_of_what_is_compiled_in_are_inside(content):
    notices = {path.name for path in content.rglob("libckpt/licenses/*")}
    assert {f"LICENSE.{name}" for name in ("cli11", "fmt", "hdf5", "nlohmann-json", "xxhash", "zlib", "zstd")} <= notices
    assert list(content.glob("*.dist-info/licenses/LICENSE"))


def test_a_script_is_killed_and_continues_in_a_fresh_environment(use, tmp_path):
    (tmp_path / "count.py").write_text(COUNTING)
    result = use("ckptrun", "--allow-volatile", "--block-time", "60s", "--save-interval", "100ms", "--",
                 "python", "count.py")
    assert result.returncode == 0, result.stderr
    assert "total 4950" in result.stdout
    assert (tmp_path / "killed").exists() and "block 2 starts from step" in result.stderr
    assert use("ckpt", "verify").returncode == 0
    for tool in ("ckpt", "ckptplan", "ckptrun"):
        assert use(tool, "--version").returncode == 0


@pytest.mark.parametrize("order", ["import {0}; import libckpt; work()", "import libckpt; work(); import {0}"],
                         ids=["before", "after"])
@pytest.mark.parametrize("neighbour", WORK_OF_NEIGHBOURS)
def test_it_lives_beside(use, neighbour, order):
    """Its HDF5 and its C++ runtime, and theirs, in one process."""
    result = use("python", "-c", f"""
import sys; sys.path.append({str(packages_with(neighbour))!r})
def work():
    run = libckpt.Run(directory="run", settings={{"allow_volatile": "on"}}, data=bytearray(b"abc"))
    for _ in run.steps(1): pass
    run.finish()
    assert bytes(libckpt.open(libckpt.latest("run"))["data"]) == b"abc"
{order.format(neighbour)}
import h5py
with h5py.File("own.h5", "w") as file: file["x"] = [1, 2, 3]
print(h5py.File("own.h5")["x"][2])
{WORK_OF_NEIGHBOURS[neighbour]}
""", TF_CPP_MIN_LOG_LEVEL="3")
    assert (result.returncode, result.stdout) == (0, "3\n3.0 fine\n"), result.stderr


@pytest.mark.skipif(not HAS_EMULATOR, reason="no qemu-user-static with libc6-arm64-cross")
def test_the_one_for_aarch64_runs_there(tmp_path):
    content = unpacked(built_wheels("aarch64")[0], tmp_path / "content")
    check_binaries(content)
    tools = next(content.rglob("scripts/ckptrun")).parent
    library, = content.rglob("libckpt.so")
    library.with_name("libckpt.so.0").symlink_to(library.name)      # as the linker's file names it; Python loads it by its path
    program = tmp_path / "ten_lines"
    zig = REPOSITORY / "build/zig-aarch64/cc"
    subprocess.run([zig, "-o", program, REPOSITORY / "examples/c/ten_lines.c", f"-I{REPOSITORY}/libckpt/include",
                    library, f"-Wl,-rpath,{library.parent}"], check=True)

    def emulate(*words):
        result = subprocess.run([*EMULATOR, *words], cwd=tmp_path, text=True, capture_output=True, timeout=250)
        assert result.returncode == 0, result.stderr
        return result.stdout + result.stderr

    emulate(tools / "ckpt", "verify", REPOSITORY / "tests/compat/format-1.h5")
    assert "complete" in emulate(tools / "ckptrun", "-r", "run", "--allow-volatile", "--block-time", "60s", "--",
                                 *EMULATOR, program)
    assert "whole" in emulate(tools / "ckpt", "verify", "run")
