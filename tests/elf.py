# SPDX-License-Identifier: Apache-2.0
"""What a program or library says of itself to the dynamic linker."""
import re
import subprocess


def read(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def needed(path):
    """The libraries it asks for."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", read("readelf", "-d", path))


def exported(library):
    lines = [line.split() for line in read("nm", "-D", "--defined-only", library).splitlines()]
    return [name for _, kind, name in lines if kind != "A"]               # A: the version itself


def newest_glibc(path):
    """The newest version of the C library whose symbols it wants, as (2, 17)."""
    return max(tuple(map(int, text.split("."))) for text in re.findall(r"GLIBC_([\d.]+)", read("readelf", "-W", "-V", path)))
