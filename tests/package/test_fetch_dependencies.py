# SPDX-License-Identifier: Apache-2.0
"""scripts/fetch-dependencies with a network that is a folder: apt-get and curl are replaced."""
import hashlib
import os
import re
import subprocess

import pytest

FAKE_APT = """#!/bin/sh
echo "apt-get $*" >> "$CALLS"
case "$*" in
  *indextargets*)
    echo "mirror:/elsewhere/ $RELEASE-security $RELEASE-security main"
    echo "mirror:/debian/ $RELEASE $RELEASE main" ;;
  *" source "*)
    for word; do case $word in Dir::Etc::sourcelist=*) cat "${word#*=}" >> "$CALLS" ;; esac; done
    cp "$NETWORK"/debian/*_*orig* . ;;
esac
"""
FAKE_CURL = """#!/bin/sh
echo "curl $*" >> "$CALLS"
for word; do last=$word; done
cp "$NETWORK/release/${last##*/}" "$6"
"""


class Machine:
    """A copy of the script that knows the hashes of small archives instead of the real ones."""

    def __init__(self, repository, folder):
        self.folder = folder
        for name in ("bin", "network/debian", "network/release", "given", "into"):
            (folder / name).mkdir(parents=True)
        for name, text in (("apt-get", FAKE_APT), ("curl", FAKE_CURL)):
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        (folder / "keyring").touch()
        text = (repository / "scripts/fetch-dependencies").read_text()
        self.files = {}
        for line in re.findall(r"^(?:hdf5|zlib|zstd) .*$", text, re.MULTILINE):
            name, sum_, file, where = line.rstrip("'").split()
            self.files[name, where.split(":")[0]] = file
            text = text.replace(sum_, hashlib.sha256(self.content(file)).hexdigest())
        text = re.sub(r"^keyring=.*$", f"keyring={folder}/keyring", text, flags=re.MULTILINE)
        self.script = folder / "fetch-dependencies"
        self.script.write_text(text)
        self.script.chmod(0o755)

    @staticmethod
    def content(file):
        return f"what is in {file}\n".encode()

    def put(self, where, *kinds, content=None):
        for (_, kind), file in self.files.items():
            if kind in kinds:
                (self.folder / where / file).write_bytes(content or self.content(file))

    def run(self, *arguments):
        calls = self.folder / "calls"
        calls.unlink(missing_ok=True)
        release = re.search(r"^VERSION_CODENAME=(\S+)", open("/etc/os-release").read(), re.MULTILINE).group(1)
        environment = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "NETWORK": str(self.folder / "network"),
                       "CALLS": str(calls), "RELEASE": release}
        result = subprocess.run([self.script, "--into", self.folder / "into", *arguments], env=environment,
                                capture_output=True, text=True)
        self.calls = calls.read_text() if calls.exists() else ""
        assert sorted(path.name for path in (self.folder / "into").iterdir() if path.is_dir()) == []
        return result

    def expected(self, folder, kind):
        return [f"{name} {hashlib.sha256(self.content(file)).hexdigest()} {self.folder / folder / file}"
                for (name, its_kind), file in self.files.items() if its_kind == kind]


@pytest.fixture
def machine(repository, tmp_path):
    return Machine(repository, tmp_path)


def test_on_debian_they_come_from_the_machine_s_own_mirror(machine):
    machine.put("network/debian", "debian")
    result = machine.run()
    assert (result.returncode, result.stdout.splitlines()) == (0, machine.expected("into", "debian")), result.stderr
    assert f"deb-src [signed-by={machine.folder}/keyring] mirror:/debian/ trixie main" in machine.calls
    assert "elsewhere" not in machine.calls and "curl" not in machine.calls


def test_elsewhere_they_are_the_projects_releases(machine):
    machine.put("network/release", "https")
    (machine.folder / "keyring").unlink()
    result = machine.run()
    assert (result.returncode, result.stdout.splitlines()) == (0, machine.expected("into", "https")), result.stderr
    assert "apt-get" not in machine.calls


def test_a_mirror_without_them_is_no_end(machine):
    machine.put("network/release", "https")
    assert machine.run().stdout.splitlines() == machine.expected("into", "https")


def test_what_was_fetched_once_is_not_fetched_again(machine):
    machine.put("network/debian", "debian")
    first = machine.run()
    assert (machine.run().stdout, machine.calls) == (first.stdout, "")


def test_a_damaged_archive_of_ours_is_fetched_again(machine):
    machine.put("network/debian", "debian")
    machine.put("into", "debian", content=b"half of")
    result = machine.run()
    assert (result.returncode, result.stdout.splitlines()) == (0, machine.expected("into", "debian"))
    assert "is not the archive that was released" in result.stderr


@pytest.mark.parametrize("kind", ["debian", "https"])
def test_archives_that_are_given_need_no_network(machine, kind):
    machine.put("given", kind)
    result = machine.run("--archives", machine.folder / "given")
    assert (result.returncode, result.stdout.splitlines()) == (0, machine.expected("given", kind))
    assert machine.calls == ""


def test_a_given_archive_with_other_content_is_refused(machine):
    machine.put("given", "debian", content=b"something else")
    machine.put("network/debian", "debian")
    result = machine.run("--archives", machine.folder / "given")
    assert (result.returncode, result.stdout) == (1, "")
    assert "is not the archive that was released" in result.stderr


def test_a_fetched_archive_with_other_content_is_refused(machine):
    machine.put("network/debian", "debian", content=b"something else")
    result = machine.run()
    assert (result.returncode, result.stdout, list((machine.folder / "into").iterdir())) == (1, "", [])


def test_who_can_have_none_is_told_what_to_do(machine):
    result = machine.run()
    assert (result.returncode, result.stdout) == (1, "")
    assert re.search(r"put one of hdf5\S+ hdf5\S+ into a folder.*--archives.*CKPT_DEPENDENCY_ARCHIVES", result.stderr)


def test_an_option_it_does_not_know_is_refused(machine):
    assert machine.run("--lits").returncode == 2
