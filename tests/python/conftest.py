# SPDX-License-Identifier: Apache-2.0
"""The Python package as it stands in the tree, with the library of the build under test."""
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("CKPT_BUILD_DIR", REPOSITORY / "build/dev"))
LIBRARY = next(iter(sorted(BUILD.glob("lib/**/libckpt.so"))), None)

os.environ.setdefault("LIBCKPT_LIBRARY", str(LIBRARY))
os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(BUILD / "inductor")     # else in a temporary folder, where a kill leaves it
sys.path[:0] = [str(REPOSITORY / "bindings/python"), str(HERE)]


@pytest.fixture(autouse=True)
def one_thread_of_torch():
    """Small tensors on a shared machine: more threads only wait for each other."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture
def environment(bin_directory):
    """What a program started by a test sees. One that is killed removes no temporary files, its libraries' among them."""
    with tempfile.TemporaryDirectory(prefix="programs-", ignore_cleanup_errors=True) as temporary:
        yield os.environ | {"PYTHONPATH": f"{REPOSITORY / 'bindings/python'}:{HERE}", "OMP_NUM_THREADS": "1", "TMPDIR": temporary,
                            "PATH": f"{bin_directory}:{os.environ['PATH']}"}


@pytest.fixture
def script(tmp_path, environment):
    """script(text, *arguments, under=[...], **variables): runs Python on it, answers the CompletedProcess."""
    def run(text, *arguments, under=(), **variables):
        path = tmp_path / "script.py"
        path.write_text(text)
        return subprocess.run([*map(str, under), sys.executable, str(path), *map(str, arguments)], cwd=tmp_path, text=True,
                              env=environment | variables, capture_output=True, timeout=300, stdin=subprocess.DEVNULL)
    return run


@pytest.fixture
def open_run(tmp_path):
    """open_run(**objects): a Run in this test's folder, as in a start of the program of its own; closed at the end."""
    from libckpt import Run, _run
    runs = []

    def make(**arguments):
        _run._complete.clear()
        settings = {"allow_volatile": "on", **arguments.pop("settings", {})}
        runs.append(Run(directory=arguments.pop("directory", tmp_path / "run"), settings=settings, **arguments))
        return runs[-1]
    yield make
    for run in runs:
        run.close()


@pytest.fixture
def ends_alike_when_killed(script, tmp_path, environment):
    """ends_alike_when_killed(module, length, pause): that training, killed at some batch below ckptrun, ends in the bits of one
    that runs through."""
    def check(module, length, pause):
        program = f"import killed, runpy\nrunpy.run_module('{module}', run_name='__main__')\n"
        plain = subprocess.Popen([sys.executable, "-c", program, "straight", str(length), "0"], cwd=tmp_path, env=environment,
                                 stdout=subprocess.DEVNULL)     # beside the chain: it saves time
        chain = script(program, "chain", length, pause,
                       under=["ckptrun", "--allow-volatile", "--block-time", "60s", "--save-interval", "100ms", "--"])
        assert plain.wait() == 0
        assert chain.returncode == 0, chain.stderr
        assert "SIGKILL" in chain.stderr
        assert (tmp_path / "chain").read_bytes() == (tmp_path / "straight").read_bytes()
    return check
