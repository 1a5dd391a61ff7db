#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A reader of snapshots that shares nothing with libckpt but docs/format.md.

read_snapshot.py FILE: verifies it and lists what it holds.
"""
import itertools
import json
import math
import struct
import sys

import h5py
import hdf5plugin  # noqa: F401  (registers the zstd filter)
import numpy
import xxhash

DTYPES = {  # name: (code, NumPy type it is stored as, tag)
    "u8": (1, "<u1", None), "i8": (2, "<i1", None), "u16": (3, "<u2", None), "i16": (4, "<i2", None),
    "u32": (5, "<u4", None), "i32": (6, "<i4", None), "u64": (7, "<u8", None), "i64": (8, "<i8", None),
    "f16": (9, "<f2", None), "f32": (10, "<f4", None), "f64": (11, "<f8", None),
    "bf16": (12, "<u2", "bf16"), "f8e4m3": (13, "<u1", "f8e4m3"), "f8e5m2": (14, "<u1", "f8e5m2"),
    "c64": (15, "<c8", None), "c128": (16, "<c16", None), "bool": (17, "<u1", "bool"),
}
ARRAY, SCALAR, PACKED = 0, 1, 2
SHUFFLE, ZSTD = 2, 32015


class Damaged(Exception):
    pass


def number(value):
    return struct.pack("<Q", value)


def text(attribute):
    return attribute.decode("utf-8") if isinstance(attribute, bytes) else attribute


def dtype_of(dataset):
    tag = text(dataset.attrs["ckpt_dtype"]) if "ckpt_dtype" in dataset.attrs else None
    for name, (_, stored, wanted_tag) in DTYPES.items():
        if dataset.dtype == numpy.dtype(stored) and tag == wanted_tag:
            return name
    raise Damaged(f"{dataset.name}: no dtype of ours")


def kind_of(dataset):
    if "ckpt_packed" in dataset.attrs:
        return PACKED
    return SCALAR if "ckpt_scalar" in dataset.attrs else ARRAY


def check_layout(dataset):
    creation = dataset.id.get_create_plist()
    filters = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
    if filters != [SHUFFLE, ZSTD]:
        raise Damaged(f"{dataset.name}: filters {filters}")
    axis = next((i for i, length in enumerate(dataset.chunks) if length != 1), len(dataset.chunks) - 1)
    if dataset.chunks[axis + 1:] != dataset.shape[axis + 1:]:
        raise Damaged(f"{dataset.name}: chunks {dataset.chunks} are not contiguous")


def frame_checksums(dataset):
    """Of every chunk, in C order, as the four bytes at the end of its frame."""
    for offset in itertools.product(*(range(0, n, c) for n, c in zip(dataset.shape, dataset.chunks))):
        mask, frame = dataset.id.read_direct_chunk(offset)
        descriptor = frame[4]
        if mask != 0 or frame[:4] != b"\x28\xb5\x2f\xfd" or not descriptor & 4:
            raise Damaged(f"{dataset.name}: the chunk at {offset} is no frame with a checksum")
        yield bytes(frame[-4:])


def digest_input_of(dataset):
    path = dataset.name.encode("utf-8")
    code = DTYPES[dtype_of(dataset)][0]
    parts = [number(len(path)), path, number(code), number(kind_of(dataset)), number(len(dataset.shape))]
    parts += [number(length) for length in dataset.shape]
    if dataset.size == 0:
        return b"".join(parts + [number(0), number(0)])
    check_layout(dataset)
    checksums = list(frame_checksums(dataset))
    return b"".join(parts + [number(math.prod(dataset.chunks)), number(len(checksums))] + checksums)


def datasets_under(group):
    found = []
    group.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return sorted(found, key=lambda dataset: dataset.name.encode("utf-8"))


def digest_input(file):
    header = b"".join(number(int(file.attrs[name])) for name in ("step", "block", "rank", "ranks"))
    return header + b"".join(digest_input_of(dataset) for dataset in [file["meta"], *datasets_under(file["state"])])


class Snapshot:
    """Everything of one file, verified."""

    def __init__(self, path):
        with h5py.File(path, "r") as file:
            if "ckpt_format" not in file.attrs:
                raise Damaged("no snapshot")
            if file.attrs["ckpt_format"] != 1:
                raise Damaged(f"format {file.attrs['ckpt_format']}")
            self.header = {name: int(file.attrs[name]) for name in ("step", "block", "rank", "ranks")}
            self.header |= {name: text(file.attrs[name]) for name in ("run", "created", "writer")}
            if xxhash.xxh3_128_hexdigest(digest_input(file)) != text(file.attrs["digest"]):
                raise Damaged("the digest does not match")
            self.meta = json.loads(file["meta"][...].tobytes())
            self.arrays = {}
            for dataset in datasets_under(file["state"]):
                name = dataset.name.removeprefix("/state/")
                values = dataset[...]  # decodes every frame, which checks its checksum
                self.arrays[name] = (dtype_of(dataset), kind_of(dataset), values)


def main():
    snapshot = Snapshot(sys.argv[1])
    for name, value in snapshot.header.items():
        print(f"{name}: {value}")
    print(f"values: {json.dumps(snapshot.meta, ensure_ascii=False)}")
    for name, (dtype, kind, values) in snapshot.arrays.items():
        print(f"{name}: {dtype} {'scalar' if kind == SCALAR else 'packed' if kind == PACKED else list(values.shape)}")


if __name__ == "__main__":
    main()
