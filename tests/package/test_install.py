# SPDX-License-Identifier: Apache-2.0
"""What cmake --install puts into a prefix works there as a user meets it."""
import pathlib
import re
import subprocess

import elf
import pytest

CONSUMER = pathlib.Path(__file__).parent / "consumer"
COMPILED_IN = ["cli11", "fmt", "hdf5", "nlohmann-json", "xxhash", "zlib", "zstd"]
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-fsyntax-only"]


def names_in_map(repository):
    text = re.sub(r"/\*.*?\*/", "", (repository / "libckpt/libckpt.map").read_text(), flags=re.DOTALL)
    return re.findall(r"\b(ckpt_\w+);", text)


def functions_in_header(prefix):
    text = re.sub(r"/\*.*?\*/", "", (prefix / "include/ckpt/ckpt.h").read_text(), flags=re.DOTALL)
    return re.findall(r"^CKPT_API[^(;]*?\b(ckpt_\w+)\s*\(", text, re.MULTILINE)


def test_exactly_these_files_are_installed(prefix, version):
    found = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir()}
    cmake = {path for path in found if re.fullmatch(r"lib/cmake/ckpt/ckptTargets-\w+\.cmake", path)}
    assert len(cmake) == 1
    assert found - cmake == {
        "bin/ckpt", "bin/ckptplan", "bin/ckptrun", "include/ckpt/ckpt.h", "include/ckpt/ckpt.hpp",
        "lib/libckpt.so", "lib/libckpt.so.0", f"lib/libckpt.so.{version}",
        "lib/cmake/ckpt/ckptConfig.cmake", "lib/cmake/ckpt/ckptConfigVersion.cmake",
        "lib/cmake/ckpt/ckptTargets.cmake", "lib/pkgconfig/ckpt.pc",
        "share/doc/ckpt/LICENSE", *(f"share/doc/ckpt/LICENSE.{name}" for name in COMPILED_IN),
        "share/man/man1/ckpt.1", "share/man/man1/ckptplan.1", "share/man/man1/ckptrun.1", "share/man/man7/ckpt.7"}


@pytest.mark.parametrize("name", COMPILED_IN)
def test_the_notice_of_a_library_that_is_compiled_in_says_whose_it_is_and_the_terms(prefix, name):
    notice = (prefix / f"share/doc/ckpt/LICENSE.{name}").read_text().lower()
    assert "copyright" in notice and ("redistribution" in notice or "permission is hereby granted" in notice or "permission is granted" in notice)


def test_the_library_exports_the_functions_of_the_header_and_nothing_else(prefix, repository):
    public = sorted(functions_in_header(prefix))
    assert len(public) > 30
    assert sorted(names_in_map(repository)) == public
    assert sorted(elf.exported(prefix / "lib/libckpt.so")) == sorted(f"{name}@@CKPT_0" for name in public)


def test_the_library_is_known_by_its_abi_version(prefix):
    assert "Library soname: [libckpt.so.0]" in subprocess.run(
        ["readelf", "-d", prefix / "lib/libckpt.so"], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("compiler, standard, header", [
    ("cc", "c11", "ckpt.h"), ("c++", "c++11", "ckpt.h"), ("c++", "c++20", "ckpt.h"),
    ("c++", "c++11", "ckpt.hpp"), ("c++", "c++20", "ckpt.hpp")])
def test_a_header_compiles_alone_without_a_warning(prefix, tmp_path, compiler, standard, header):
    source = tmp_path / ("alone.c" if compiler == "cc" else "alone.cpp")
    source.write_text(f"#include <ckpt/{header}>\n")
    result = subprocess.run([compiler, f"-std={standard}", *STRICT, f"-I{prefix}/include", source],
                            capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.fixture(scope="module")
def built_by_cmake(prefix, tmp_path_factory):
    build = tmp_path_factory.mktemp("consumer")
    for command in (["cmake", "-G", "Ninja", "-S", CONSUMER, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"],
                    ["cmake", "--build", build]):
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert result.returncode == 0, result.stdout
    return build


def runs_and_leaves_a_snapshot(shell, program, folder, version):
    folder.mkdir()
    result = shell([program], CKPT_RUN_DIR=str(folder / "run"))
    assert (result.returncode, result.stdout) == (0, f"libckpt {version}\n")
    assert len(list((folder / "run/snapshots").glob("*.h5"))) == 1


@pytest.mark.parametrize("program", ["consumer_c", "consumer_cpp"])
def test_a_project_finds_the_package_by_cmake(built_by_cmake, shell, tmp_path, version, program):
    runs_and_leaves_a_snapshot(shell, built_by_cmake / program, tmp_path / "work", version)


@pytest.mark.parametrize("compiler, source", [("cc -std=c11", "consumer.c"), ("c++ -std=c++20", "consumer.cpp")])
def test_a_program_finds_the_package_by_pkg_config(shell, tmp_path, version, compiler, source):
    built = shell(f"{compiler} -o program {CONSUMER / source} $(pkg-config --cflags --libs ckpt)")
    assert built.returncode == 0, built.stdout
    runs_and_leaves_a_snapshot(shell, tmp_path / "program", tmp_path / "work", version)


def test_a_project_that_asks_for_another_version_is_told_so(prefix, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(other LANGUAGES NONE)\nfind_package(ckpt 9.0 REQUIRED)\n")
    result = subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}"],
                            capture_output=True, text=True)
    assert result.returncode != 0 and '"9.0"' in result.stderr


@pytest.mark.parametrize("tool", ["ckptrun", "ckptplan", "ckpt"])
def test_a_tool_tells_the_version_of_the_project(shell, tool, version):
    result = shell([tool, "--version"])
    assert (result.returncode, result.stdout.split()[-1]) == (0, version)


def test_pkg_config_tells_the_version_of_the_project(shell, version):
    assert shell("pkg-config --modversion ckpt").stdout == f"{version}\n"


@pytest.mark.parametrize("page", ["man1/ckptrun.1", "man1/ckptplan.1", "man1/ckpt.1", "man7/ckpt.7"])
def test_a_man_page_is_there_and_well_formed(prefix, page):
    result = subprocess.run(["mandoc", "-T", "lint", "-W", "error", prefix / "share/man" / page],
                            capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")
