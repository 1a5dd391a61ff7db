# SPDX-License-Identifier: Apache-2.0
"""docs/format.md suffices to read a snapshot: read_snapshot.py was written from it. Values as in golden_test.cpp."""
import importlib.util
import os
import pathlib
import shutil
import subprocess

import h5py
import numpy
import pytest
import xxhash

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE / "format-1.h5"
INF = float("inf")


def load_reader():
    spec = importlib.util.spec_from_file_location("read_snapshot", HERE / "read_snapshot.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


read_snapshot = load_reader()

FLOATS = [0.0, -0.0, 1.5, -2.25, INF, 65504.0]
COMPLEX = [0, 1.5 - 2.25j, -1, 1j, 65504 + 0.5j, 3 + 4j]
EXPECTED = {  # by dtype: the six elements of dtypes/<dtype>
    **{f"u{8 * n}": [0, 1, 2, 2 ** (8 * n) - 1, 0, 2 ** (8 * n) - 1] for n in (1, 2, 4, 8)},
    **{f"i{8 * n}": [0, 1, 2, -1, -(2 ** (8 * n - 1)), 2 ** (8 * n - 1) - 1] for n in (1, 2, 4, 8)},
    **dict.fromkeys(["f16", "f32", "f64"], FLOATS),
    **dict.fromkeys(["c64", "c128"], COMPLEX),
    "bf16": [0x0000, 0x8000, 0x3FC0, 0xC010, 0x7F80, 0x477F],
    "f8e4m3": [0x00, 0x80, 0x3C, 0xC1, 0x7E, 0x01],
    "f8e5m2": [0x00, 0x80, 0x3E, 0xC0, 0x7C, 0x01],
    "bool": [0, 1, 1, 0, 1, 0],
}


@pytest.fixture(scope="module")
def golden():
    return read_snapshot.Snapshot(GOLDEN)


def test_header_and_small_values_are_read(golden):
    assert golden.header == {"step": 4100, "block": 7, "rank": 0, "ranks": 1, "run": "golden",
                             "created": "2024-11-21T10:19:00Z", "writer": "libckpt 0.1.0"}
    assert golden.meta == {"epoch": 3, "name": "Grün"}


@pytest.mark.parametrize("dtype", EXPECTED)
def test_every_dtype_is_read_bit_for_bit(golden, dtype):
    found, kind, values = golden.arrays[f"dtypes/{dtype}"]
    stored = read_snapshot.DTYPES[dtype][1]
    assert (found, kind, values.shape) == (dtype, read_snapshot.ARRAY, (2, 3))
    assert values.tobytes() == numpy.array(EXPECTED[dtype], dtype=stored).tobytes()


def test_scalars_empty_packed_and_cut_arrays_are_read(golden):
    kinds = {name: (dtype, kind) for name, (dtype, kind, _) in golden.arrays.items() if "dtypes/" not in name}
    assert kinds == {
        "empty": ("f32", read_snapshot.ARRAY), "many chunks": ("i32", read_snapshot.ARRAY),
        "packed/état": ("u8", read_snapshot.PACKED), "ragged": ("u16", read_snapshot.ARRAY),
        "scalar": ("f64", read_snapshot.SCALAR), "scalar flag": ("bool", read_snapshot.SCALAR)}
    values = {name: values for name, (_, _, values) in golden.arrays.items()}
    assert values["empty"].shape == (4, 0, 2)
    assert (values["many chunks"] == numpy.arange(500).reshape(5, 100)).all()
    assert (values["packed/état"] == numpy.arange(100) * 7 % 256).all()
    assert (values["ragged"] == numpy.arange(1009) ** 2 % 65536).all()
    assert values["scalar"].tolist() == [0.1]
    assert values["scalar flag"].tolist() == [1]


def test_every_dtype_of_the_page_is_in_the_golden_file(golden):
    assert {dtype for dtype, _, _ in golden.arrays.values()} == set(read_snapshot.DTYPES)


def test_the_example_of_the_digest_on_the_page_is_right(repository):
    page = (repository / "docs/format.md").read_text(encoding="utf-8")
    lines = page.split("```digest-example\n")[1].split("```")[0].splitlines()
    stated = lines.pop().removeprefix("digest ")
    assert xxhash.xxh3_128_hexdigest(b"".join(bytes.fromhex(line[:24]) for line in lines)) == stated


def test_a_changed_step_is_noticed(tmp_path):
    copy = tmp_path / "changed.h5"
    shutil.copy(GOLDEN, copy)
    with h5py.File(copy, "r+") as file:
        file.attrs.modify("step", numpy.uint64(4101))
    with pytest.raises(read_snapshot.Damaged):
        read_snapshot.Snapshot(copy)


@pytest.mark.skipif(not shutil.which("h5dump"), reason="h5dump is not installed (package hdf5-tools)")
def test_h5dump_shows_structure_and_data():
    plugins = read_snapshot.hdf5plugin.PLUGINS_PATH
    dump = subprocess.run(["h5dump", "-d", "/state/scalar", str(GOLDEN)], capture_output=True, text=True, check=True,
                          env=os.environ | {"HDF5_PLUGIN_PATH": plugins})
    assert "H5T_IEEE_F64LE" in dump.stdout and "(0): 0.1" in dump.stdout
    header = subprocess.run(["h5dump", "-pH", str(GOLDEN)], capture_output=True, text=True, check=True)
    assert "FILTER_ID 32015" in header.stdout
