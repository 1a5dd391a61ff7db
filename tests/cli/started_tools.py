# SPDX-License-Identifier: Apache-2.0
"""The tools, as a user meets them: started in a folder of their own, watched until they and their children are gone."""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

PATIENCE_SECONDS = 300     # far beyond what anything here takes; only so that a hang becomes a failure


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The folder a test runs in; also the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tool(bin_directory, work):
    """tool("ckptrun", "-r", "a", "--", program, CKPT_LOG_LEVEL="debug"): runs it, answers its CompletedProcess."""
    def run(name, *arguments, **environment):
        command = [str(bin_directory / name), *map(str, arguments)]
        return subprocess.run(command, cwd=work, env=os.environ | environment, text=True, timeout=PATIENCE_SECONDS,
                              stdin=subprocess.DEVNULL, capture_output=True)
    return run


@pytest.fixture
def tool_json(tool):
    """What a tool says with --json, parsed; the tool must succeed."""
    def run(name, *arguments, **environment):
        result = tool(name, *arguments, "--json", **environment)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)
    return run


@pytest.fixture
def start(bin_directory, work):
    """start("ckptrun", …): the running process (stdout and stderr in files .out and .err); killed after the test."""
    started = []

    def run(name, *arguments, **environment):
        out, err = (work / f"{name}-{len(started)}.{kind}" for kind in ("out", "err"))
        process = subprocess.Popen([str(bin_directory / name), *map(str, arguments)], cwd=work,
                                   env=os.environ | environment, stdin=subprocess.DEVNULL,
                                   stdout=out.open("w"), stderr=err.open("w"))
        process.out, process.err = out, err
        started.append(process)
        return process
    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def eventually():
    """eventually(condition): waits for it and answers its value; a condition that never holds fails the test."""
    def wait(condition, what="what the test waits for"):
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.01)
        raise AssertionError(f"in {PATIENCE_SECONDS} s did not happen: {what}")
    return wait


def processes_in(folder):
    """{pid: command} of all processes that stand in this folder."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if pathlib.Path(os.readlink(entry / "cwd")).is_relative_to(folder):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:        # gone meanwhile, a zombie, or not ours
            pass
    return found


@pytest.fixture(autouse=True)
def nothing_left_running(tmp_path):
    """Whatever a test starts is gone when it ends, the children of killed parents too."""
    yield
    end = time.monotonic() + 10
    while (left := processes_in(tmp_path)) and time.monotonic() < end:
        time.sleep(0.02)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, f"still running after the test: {left}"
