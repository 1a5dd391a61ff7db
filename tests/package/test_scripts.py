# SPDX-License-Identifier: Apache-2.0
"""The scripts people type, with everything that would change the machine replaced."""
import os
import subprocess

import pytest


@pytest.fixture
def machine(repository, tmp_path):
    """machine(user, installed): runs install-dependencies where only these packages are there."""
    def fake(name, script):
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def run(user, installed, *arguments):
        fake("id", f"echo {user}")
        fake("dpkg-query", f"printf 'ii %s ' {' '.join(installed)}")
        fake("apt-get", f'echo "$@" >> {tmp_path}/calls')
        result = subprocess.run([repository / "scripts/install-dependencies", *arguments],
                                env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, stdin=subprocess.DEVNULL,
                                capture_output=True, text=True)
        calls = tmp_path / "calls"
        return result, calls.read_text().splitlines() if calls.exists() else []
    return run


@pytest.fixture
def packages(machine):
    return machine(0, ["none"], "--list")[0].stdout.split()


def test_nothing_missing_says_and_does_nothing(machine, packages):
    result, calls = machine(0, packages)
    assert (result.returncode, result.stdout, result.stderr, calls) == (0, "", "", [])


def test_root_installs_just_what_is_missing(machine, packages):
    result, calls = machine(0, packages[2:])
    assert result.returncode == 0
    assert calls[0].startswith("update") and calls[1].split()[-2:] == packages[:2] and " install " in f" {calls[1]}"
    assert packages[2] not in calls[1].split()


def test_anybody_else_gets_the_line_to_type_and_nothing_is_installed(machine, packages):
    result, calls = machine(1000, packages[1:])
    assert result.returncode == 1 and calls == []
    assert f"sudo apt-get update && sudo apt-get install --yes --no-install-recommends {packages[0]}\n" in result.stderr


def test_an_option_it_does_not_know_is_refused(machine):
    assert machine(0, ["none"], "--lits")[0].returncode == 2


def summarize(repository, tmp_path, *suites):
    paths = []
    for number, cases in enumerate(suites):
        paths.append(tmp_path / f"{number}.xml")
        paths[-1].write_text(f"<testsuite>{cases}</testsuite>")
    result = subprocess.run([repository / "scripts/summarize-tests", *paths], capture_output=True, text=True)
    return result.returncode, result.stdout.splitlines()


PASSED = '<testcase name="it holds"/>'
FAILED = '<testcase name="it breaks"><failure message="no"/></testcase>'
ERROR = '<testcase name="it cannot start"><error message="no"/></testcase>'
SKIPPED = '<testcase name="on a GPU"><skipped message="no GPU"/></testcase>'
SKIPPED_BY_CTEST = ('<testcase name="full disk"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>'
                    "<system-out>x\nSKIPPED: needs root\n===</system-out></testcase>")


def test_the_summary_adds_up_all_suites(repository, tmp_path):
    code, lines = summarize(repository, tmp_path, PASSED + SKIPPED, PASSED + SKIPPED_BY_CTEST)
    assert (code, lines) == (0, ["skipped: on a GPU: no GPU", "skipped: full disk: needs root",
                                 "2 passed, 0 failed, 2 skipped"])


@pytest.mark.parametrize("bad", [FAILED, ERROR])
def test_one_failure_fails_the_whole_and_is_named(repository, tmp_path, bad):
    code, lines = summarize(repository, tmp_path, PASSED, bad + PASSED)
    assert code == 1 and lines[-1] == "2 passed, 1 failed, 0 skipped" and lines[0].startswith("FAILED: it ")


def test_no_test_at_all_is_a_failure(repository, tmp_path):
    assert summarize(repository, tmp_path, "", "")[0] == 1
