# SPDX-License-Identifier: Apache-2.0
"""``ckpt export``: a snapshot as a file of another library. Holds one array at a time (--pt: all of them).

The safetensors library wants all arrays in memory at once, and has no bfloat16 from NumPy; its format is an eight-byte length,
a JSON header, and the bytes (https://github.com/huggingface/safetensors, "Format"), so it is written here."""
from __future__ import annotations

import argparse
import json
import os
import sys
import zipfile
from typing import Any

from . import _abi
from ._reading import Snapshot

SAFETENSORS = {"bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "uint32": "U32", "int32": "I32",
               "uint64": "U64", "int64": "I64", "float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64",
               "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "complex64": "C64"}
ALIGNMENT = 8                           # of the header of safetensors, by spaces at its end
EXIT_ERROR = 125


class Refused(Exception):
    """What cannot be done, in words for the user."""


def names_of(snapshot: Snapshot, only: list[str]) -> dict[str, str]:
    """{name in the export: name in the snapshot}; of one object only, named as in its state_dict."""
    if not only:
        return {name: name for name in snapshot}
    found: dict[str, str] = {}
    for wanted in only:
        inside = snapshot._names_in(wanted) or ({wanted: wanted} if wanted in snapshot else {})
        if not inside:
            objects = sorted({name.partition("/")[0] for name in snapshot})
            raise Refused(f"{snapshot.path} holds no arrays of '{wanted}'; it holds: {', '.join(objects)}")
        found |= {key if len(only) == 1 or array == wanted else f"{wanted}/{key}": array for key, array in inside.items()}
    return found


def write_safetensors(snapshot: Snapshot, names: dict[str, str], path: str):
    header: dict[str, Any] = {"__metadata__": {"step": str(snapshot.step), "format": "pt"}}
    offset = 0
    for name, source in names.items():
        dtype = SAFETENSORS.get(snapshot.dtype(source))
        if dtype is None:
            raise Refused(f"safetensors has no {snapshot.dtype(source)}, which '{source}' is: leave it out with --only, or take --npz")
        size = snapshot.size_bytes(source)
        header[name] = {"dtype": dtype, "shape": list(snapshot.shape(source)), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for source in names.values():
            file.write(snapshot.bytes(source))
        sync(file)


def write_npz(snapshot: Snapshot, names: dict[str, str], path: str):
    """NumPy's files know no bfloat16 and no float8: these become float32, which holds each of their values."""
    import numpy
    widened = []
    with open(path, "wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, source in names.items():
                array = snapshot[source]
                if snapshot.dtype(source).startswith(("bfloat", "float8")):
                    array = array.astype(numpy.float32)
                    widened.append(name)
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    numpy.lib.format.write_array(member, array, allow_pickle=False)
        sync(file)
    if widened:
        print(f"ckpt: as float32, which NumPy has: {', '.join(widened)}", file=sys.stderr)


def write_pt(snapshot: Snapshot, names: dict[str, str], path: str):
    import torch
    with open(path, "wb") as file:
        torch.save({name: snapshot[source] for name, source in names.items()}, file)
        sync(file)


def sync(file):
    file.flush()
    os.fsync(file.fileno())


FORMATS = {"safetensors": (write_safetensors, None), "npz": (write_npz, "numpy"), "pt": (write_pt, "torch")}


def export(source: str, format: str, path: str, only: list[str], force: bool) -> dict:
    """Answers what was written. The file is there whole or not at all; one that is there already stays, unless `force`."""
    if os.path.exists(path) and not force:
        raise Refused(f"'{path}' is there already; name another file, or say --force")
    write, framework = FORMATS[format]
    temporary = f"{path}.part-{os.getpid()}"
    try:
        with Snapshot(source, framework) as snapshot:
            names = names_of(snapshot, only)
            write(snapshot, names, temporary)
            os.replace(temporary, path)
            return {"file": path, "step": snapshot.step, "arrays": list(names), "bytes": os.path.getsize(path)}
    except ImportError as error:
        raise Refused(f"--{format} needs Python packages that {sys.executable} does not have: {error}") from None
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def main(arguments: list[str] | None = None) -> int:
    """The words that `ckpt export` hands on; the exit code."""
    parser = argparse.ArgumentParser(prog="ckpt export")
    parser.add_argument("source")
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("path")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args(arguments)
    try:
        done = export(words.source, words.format, words.path, words.only, words.force)
        print(json.dumps(done) if words.json else "{file}: {count} arrays of step {step}, {bytes} bytes".format(
            count=len(done["arrays"]), **done))
        return 0
    except (Refused, _abi.Error) as error:
        reason = str(error)
    except OSError as error:
        reason = f"cannot write '{words.path}': {error.strerror}"
    print(f"ckpt: error: {reason}", file=sys.stderr)
    return EXIT_ERROR
