# SPDX-License-Identifier: Apache-2.0
"""Files that somebody made to do harm are refused with an error that names them, in little memory, whatever they claim."""
import json

import h5py
import hdf5plugin
import libckpt
import numpy as np
import pytest
import torch
from libckpt import _abi, _random
from libckpt._arrays import Registry, of_bytes
from libckpt._session import Session

POSITION = {"epoch": 0, "epoch_step": 0, "epoch_random": None, "feeds": {}, "lasting": {}, "warm": {}, "tail_seconds": 0.0}
LOOP = {"position": POSITION, "best": {"value": None, "step": None}, "settings": {}, "overridden": {}}
RANDOM = {"python": {"version": 3, "state": {"$bytes": "generator"}, "gauss": None}, "parts": {}}
VALID = {"format": 1, "objects": {"state": [], "vars": {}, "random": RANDOM, "loop": LOOP}}
DEEP = "[" * 900 + "]" * 900
STRUCTURES = {
    "no object": "[]", "a number": "3", "nothing in it": '{"format": 1}', "another version": '{"format": 99}',
    "objects that are none": '{"format": 1, "objects": 5}', "no vars": '{"format": 1, "objects": {"state": []}}',
    "too deep": json.dumps(VALID).replace("[]", DEEP),
} | {node: json.dumps(VALID).replace("[]", node) for node in (
    '{"$numpy": 5}', '{"$numpy": ["bytes"]}', '{"$numpy": "absent"}', '{"$tensor": {}}', '{"$tuple": 3}', '{"$set": {}}',
    '{"$deque": []}', '{"$number": []}', '{"$pairs": {"type": "dict", "items": [[1]]}}', '{"$bytes": {}}', '{"$what": 1}',
    '{"$pickle": "bytes"}', '{"$number": "x"}', '{"$set": {"frozen": false, "items": [[]]}}', '{"$deque": {"maxlen": "x", "items": []}}', '{"$module": {}}', '{"$optimizer": {}}', '{"$fields": 7}', '{"$bytes": "../../bytes"}')}


@pytest.fixture
def forged(tmp_path):
    """forged(text): a run whose snapshot is whole, with this text where the structure belongs."""
    def make(text):
        session = Session({"directory": str(tmp_path / "run"), "allow_volatile": "on"})
        session.restore()
        arrays = {"bytes": b"cos\nsystem\n(S'touch harm'\ntR.", "generator": _random.capture({})["python"]["state"]}
        Registry(session.handle).replace_by({name: of_bytes(data) for name, data in arrays.items() if f'"{name}"' in text})
        _abi.call("ckpt_set", session.handle, b"python", text.encode())
        session.finish(1)
        session.close()
    return make


def test_the_structure_that_the_others_are_made_from_is_taken(forged, open_run):
    forged(json.dumps(VALID))
    assert open_run(state=[]).resumed


def test_a_structure_of_more_lists_than_fit_into_memory_is_not_written(forged):
    text = json.dumps(VALID).replace('"vars": {}', '"vars": [' + "[]," * 2_000_000 + "[]]")     # some kB in the file
    with pytest.raises(libckpt.Error, match="at most 2000000 are possible"):
        forged(text)


def test_an_array_of_bytes_that_is_named_again_and_again_takes_its_memory_once(forged, open_run, tmp_path):
    forged(json.dumps(VALID).replace('"vars": {}', '"vars": {"a": {"$bytes": "bytes"}, "b": {"$bytes": "bytes"}}'))
    found = libckpt.open(tmp_path / "run").vars
    assert found["a"] is found["b"]


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_that_makes_no_sense_is_refused_by_a_run(name, forged, open_run):
    forged(STRUCTURES[name])
    with pytest.raises(libckpt.Error):
        open_run(state=[])


@pytest.mark.parametrize("name", sorted(STRUCTURES.keys() - {"no vars", "another version"}))     # of which it takes the objects only
def test_a_structure_that_makes_no_sense_is_refused_where_a_run_would_begin_from_it(name, forged, open_run, tmp_path):
    forged(STRUCTURES[name])
    with pytest.raises(libckpt.Error):
        open_run(state=[], directory=tmp_path / "other", init_from=tmp_path / "run")


PLACES = {
    "nothing": {}, "a text": "x", "no best": {"position": POSITION}, "a list of settings": LOOP | {"settings": [1]},
    "a best that is none": LOOP | {"best": "x"}, "a step that is none": LOOP | {"best": {"value": 1.0, "step": "x"}},
} | {f"epoch {epoch!r}": LOOP | {"position": POSITION | {"epoch": epoch}} for epoch in (-5, "x", 10**30, None, 0.5)} | {
    f"feeds {feeds!r}": LOOP | {"position": POSITION | {"feeds": feeds}}
    for feeds in ([1], {"batches": 3}, {"batches": {"index": "q", "complete": True}}, {"batches": {"index": 1}})}


@pytest.mark.parametrize("random", [
    RANDOM | {"python": {"state": {"$bytes": "bytes"}}}, RANDOM | {"torch": {"$bytes": "bytes"}}, RANDOM | {"numpy": {"bit_generator": "MT19937"}},
    RANDOM | {"python": RANDOM["python"] | {"version": "x"}}])
def test_random_numbers_that_make_no_sense_are_refused(random, forged, open_run):
    forged(json.dumps(VALID | {"objects": VALID["objects"] | {"random": random}}))
    with pytest.raises(libckpt.Error, match="structure that libckpt cannot have written"):
        open_run(state=[])


@pytest.mark.parametrize("name", PLACES)
def test_a_place_of_the_loops_that_makes_no_sense_is_refused_before_anything_is_used(name, forged, open_run):
    forged(json.dumps(VALID | {"objects": VALID["objects"] | {"loop": PLACES[name]}}))
    state = []
    with pytest.raises(libckpt.Error, match="structure that libckpt cannot have written"):
        open_run(state=state)
    assert state == []


@pytest.mark.parametrize("node", ["5", '{"a": {"$numpy": "absent"}}', '{"a": {"$set": 1}}', DEEP])
def test_variables_that_make_no_sense_are_refused_naming_the_file(node, forged, tmp_path):
    forged(json.dumps(VALID).replace('"vars": {}', f'"vars": {node}'))
    snapshot = libckpt.open(tmp_path / "run")
    if node == "5":
        assert snapshot.vars == 5            # odd, and harmless
        return
    with pytest.raises(libckpt.Error, match="step-|absent"):
        snapshot.vars


READ = """
import resource, sys
import numpy
import libckpt
mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + (int(sys.argv[3]) << 20),) * 2)
def say(what, do):
    try:
        do()
        print(what, "was read")
    except (libckpt.Error, KeyError) as error:
        print(what, "is refused:", error)
path, run = sys.argv[1:3]
for framework in ("numpy", "bytes"):
    if framework == "bytes":
        sys.modules["numpy"] = None
    say(framework, lambda: libckpt.open(path)["weights"])
sys.modules["numpy"] = numpy
say("verify", lambda: libckpt.open(path).verify())
say("run", lambda: libckpt.Run(directory=run, weights=numpy.zeros(6), settings={"allow_volatile": "on"}))
say("any run", lambda: libckpt.Run(directory=run, weights={}, settings={"allow_volatile": "on"}))
"""


@pytest.mark.parametrize("shape", [(1 << 40,), (1 << 33,), (1 << 20, 1 << 20), (1 << 62,), (1 << 26,)])
def test_a_shape_that_the_file_only_claims_takes_no_memory(shape, open_run, script, tmp_path):
    run = open_run(weights=np.arange(6.0))
    run.point()
    run.finish()
    path = libckpt.latest(tmp_path / "run")
    with h5py.File(path, "r+", libver="latest") as file:
        del file["state/weights"]
        file["state"].create_dataset("weights", shape, "f8", chunks=(1 << 10,) * len(shape), **hdf5plugin.Zstd())
    result = script(READ, path, tmp_path / "run", 256)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 5 and all(" is refused: " in line for line in lines), result.stdout


def test_an_array_for_which_there_is_no_memory_is_named(open_run, script, tmp_path):
    run = open_run(weights=np.zeros(1 << 24))        # 128 MiB, which compress to nothing
    run.point()
    run.finish()
    path = libckpt.latest(tmp_path / "run")
    lines = script(READ, path, tmp_path / "run", 100).stdout.splitlines()
    assert [line for line in lines if line.startswith(("numpy", "bytes"))] == [
        f"{name} is refused: 'weights' in {path} claims the shape (16777216,), for which there is not enough memory"
        for name in ("numpy", "bytes")]


READ_WITH_TORCH = """
import resource, sys
import numpy, torch
import libckpt
mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + (100 << 20),) * 2)
def say(what, do):
    try:
        do()
        print(what, "was read")
    except libckpt.Error as error:
        print(what, error.status, error)
run = sys.argv[1]
say("tensor", lambda: libckpt.open(run, "torch")["weights/inside"])
say("vars", lambda: libckpt.open(run).vars)
say("run", lambda: libckpt.Run(directory=run, weights={}, settings={"allow_volatile": "on"}))
"""


@pytest.mark.parametrize("large", [np.zeros(1 << 24), torch.zeros(1 << 24, dtype=torch.float64)])
def test_what_is_too_large_for_the_memory_is_not_called_forged(large, open_run, script, tmp_path):
    run = open_run(weights={"inside": large})
    run.vars["large"] = large
    run.finish()
    path = libckpt.latest(tmp_path / "run")
    tensor, variables, whole = script(READ_WITH_TORCH, tmp_path / "run").stdout.splitlines()
    assert tensor == f"tensor 50 'weights/inside' in {path} claims the shape (16777216,), for which there is not enough memory"
    assert variables.startswith(f"vars 50 there is not enough memory for what {path} holds (")
    assert whole.startswith("run 50 there is not enough memory for what the snapshot holds (")
    assert all("134217728 bytes" in line or "128. MiB" in line for line in (variables, whole))
