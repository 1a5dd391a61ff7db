# SPDX-License-Identifier: Apache-2.0
"""The fuzzers of the reader (README.md), for a short time; the corpus first."""
import os
import pathlib
import subprocess

import pytest

SECONDS = 30                            # for each of the two
HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="session")
def fuzzers(repository):
    """The folder of the fuzzers: those of the preset fuzz, which only clang can build."""
    folder = pathlib.Path(os.environ.get("CKPT_FUZZ_DIR", repository / "build/fuzz")) / "bin"
    if not (folder / "bytes_fuzzer").exists():
        pytest.skip(f"no fuzzers in {folder}: cmake --preset fuzz && cmake --build --preset fuzz (needs clang)")
    return folder


@pytest.mark.parametrize("kind", ["bytes", "structure"])
def test_the_reader_survives_whatever_it_is_given(kind, fuzzers, tmp_path):
    found = tmp_path / "found"
    found.mkdir()
    result = subprocess.run(
        [fuzzers / f"{kind}_fuzzer", f"-max_total_time={SECONDS}", "-rss_limit_mb=1024", "-malloc_limit_mb=256", "-timeout=60",
         "-max_len=8192", "-print_final_stats=1", f"-artifact_prefix={tmp_path}/", found, HERE / "corpus" / kind],
        cwd=tmp_path, text=True, capture_output=True)
    tried = [line for line in result.stderr.splitlines() if line.startswith("stat::number_of_executed_units")]
    print(*tried)
    assert result.returncode == 0, result.stderr[-8000:]
    assert tried and int(tried[0].split()[-1]) > 100
