# SPDX-License-Identifier: Apache-2.0
"""torch.distributed.checkpoint on a run: a training that is stopped or killed and loads again ends in the same bits."""
import collections
import contextlib
import math
import re
import resource

import distributed_checkpoint_training as training
import libckpt
import pytest
import torch
import torch.distributed.checkpoint as dcp
from libckpt.distributed_checkpoint import StorageReader, StorageWriter
from torch.distributed.checkpoint.api import CheckpointException


@pytest.fixture
def open_writer(tmp_path):
    writers = []

    def make(name="run"):
        writers.append(StorageWriter(tmp_path / name, settings={"allow_volatile": "on"}))
        return writers[-1]
    yield make
    for writer in writers:
        writer.close()


def failure_in(exception_info) -> str:
    return str(exception_info.value).splitlines()[-1]


@pytest.mark.timeout(300)
def test_a_training_killed_at_any_batch_ends_in_the_same_bits(ends_alike_when_killed):
    ends_alike_when_killed("distributed_checkpoint_training", 40, 0.02)


def test_the_guides_loop_goes_on_where_it_was_stopped(open_writer, repository):
    text = (repository / "docs/python.md").read_text()
    block = re.search(r"(?s)### torch.distributed.checkpoint\n\n```python\n(.*?)```", text)[1].replace("1000", "300")
    states = []

    def train_step(state):
        state["step"] += 1
        state["x"] += state["step"]
        if state["step"] == 250 and len(states) == 1:
            names["writer"]._session.ask_to_stop("the test says so")
    code = compile(block.replace("writer = StorageWriter()", "writer = open_writer()"), "python.md", "exec")
    for _ in range(2):
        states.append({"step": 0, "x": torch.zeros(3)})
        names = {"state": states[-1], "train_step": train_step, "open_writer": open_writer}
        with contextlib.suppress(libckpt.Stopped):
            exec(code, names)
    assert [state["step"] for state in states] == [250, 300]
    assert states[1]["x"].tolist() == [sum(range(301))] * 3


def saved_in_the_background(state, **arguments):
    dcp.async_save(state, **arguments).result()


@pytest.mark.parametrize("save", [dcp.save, saved_in_the_background])
def test_a_training_stopped_at_every_few_steps_ends_in_the_same_bits(save, open_writer):
    straight = training.Training(7)
    for _ in range(12):
        straight.train_step()
    expected, blocks = straight.result(), 1
    while True:
        writer = open_writer()
        if blocks < 5:
            writer._session.ask_to_stop("the test says so")
        try:
            trained = training.train(writer, 7 if blocks == 1 else 1000 + blocks, 12, save=save, every=2)
            break
        except libckpt.Stopped as stopped:
            assert stopped.code == 85 and stopped.step == blocks
            blocks += 1
    assert (blocks, trained.result()) == (5, expected)
    writer.complete()
    assert libckpt.open(writer.directory).step == 12


def test_what_is_saved_in_the_background_is_the_state_of_the_call(open_writer):
    state, writer = {"x": torch.ones(1000)}, open_writer()
    saving = dcp.async_save(state, storage_writer=writer)
    state["x"] += 1
    saving.result()
    dcp.load(state, storage_reader=StorageReader(writer.directory))
    assert state["x"].eq(1).all()


VALUES = {"text": "ä", "none": None, "inf": math.inf, "big": 2**70, "pair": (1, [2.5, {"x": True}]), "bytes": b"\0\1",
          "by number": (collections.OrderedDict({3: "c", 1: "a"}),), "complex": 2j}


def tensors(fill):
    """Of all sorts, with `fill` in each."""
    scattered = torch.zeros(6, 4).t()[::2]
    made = {"half": torch.zeros(3, dtype=torch.bfloat16), "scalar": torch.zeros(()), "scattered": scattered,
            "last": torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last), "flags": torch.zeros(5, dtype=torch.bool)}
    return {name: tensor.fill_(fill) for name, tensor in made.items()} | {"empty": torch.zeros(0, 3)}


@pytest.mark.parametrize("source", ["the run", "a path"])
def test_tensors_are_filled_in_place_and_values_come_back_as_they_were(source, open_writer):
    writer = open_writer()
    state = {"a/b": tensors(1), "values": VALUES, "mixed": {"list": [torch.ones(2), 5]}}
    dcp.save(state, storage_writer=writer, checkpoint_id="step-4")
    given = tensors(0)
    state = {"a/b": dict(given), "values": dict.fromkeys(VALUES), "mixed": {"list": [torch.zeros(2), 0]}}
    writer.close()
    reader = StorageReader(open_writer() if source == "the run" else writer.directory)
    dcp.load(state, storage_reader=reader)
    assert reader.step == 4
    assert all(state["a/b"][name] is tensor and torch.equal(tensor, tensors(1)[name]) for name, tensor in given.items())
    assert state["values"] == VALUES
    assert state["mixed"]["list"][0].tolist() == [1, 1] and state["mixed"]["list"][1] == 5


def test_a_part_of_the_state_is_loaded_and_converted_as_torch_does(open_writer):
    writer = open_writer()
    dcp.save({"model": {"w": torch.arange(6.0)}, "other": torch.ones(1000)}, storage_writer=writer)
    writer.close()
    state, writer = {"model": {"w": torch.zeros(6, dtype=torch.float64)}}, open_writer()
    dcp.load(state, storage_reader=StorageReader(writer))
    assert state["model"]["w"].tolist() == [0, 1, 2, 3, 4, 5]


def damage(path):
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle:middle + 64] = bytes(byte ^ 0x10 for byte in content[middle:middle + 64])
    path.write_bytes(content)


@pytest.fixture
def two_snapshots(open_writer, tmp_path):
    writer = open_writer()
    for step in (1, 2):
        dcp.save({"x": torch.rand(10_000).add(step)}, storage_writer=writer, checkpoint_id=step)
    writer.close()
    return sorted((tmp_path / "run/snapshots").iterdir())


def test_a_damaged_snapshot_is_said_and_the_older_one_loaded(two_snapshots, open_writer, capfd):
    damage(two_snapshots[1])
    writer, state = open_writer(), {"x": torch.zeros(10_000)}
    dcp.load(state, storage_reader=StorageReader(writer))
    assert writer.step == 1 and 1 <= state["x"].min() and state["x"].max() < 2
    assert "trying the next older snapshot" in capfd.readouterr().err


def test_a_snapshot_named_by_its_file_is_refused_when_damaged(two_snapshots):
    damage(two_snapshots[1])
    with pytest.raises(CheckpointException) as refusal:
        dcp.load({"x": torch.zeros(10_000)}, storage_reader=StorageReader(two_snapshots[1]))
    assert str(two_snapshots[1]) in failure_in(refusal)


@pytest.mark.parametrize("state, told", [({"x": torch.zeros(10_000), "y": 1}, "Missing key in checkpoint state_dict: y"),
                                         ({"x": torch.zeros(3, 3)}, r"Size mismatch .* x")])
def test_what_the_snapshot_does_not_hold_is_named(state, told, two_snapshots, open_writer):
    writer = open_writer()
    with pytest.raises(CheckpointException, match=told):
        dcp.load(state, storage_reader=StorageReader(writer))
    state = {"x": torch.zeros(10_000)}
    dcp.load(state, storage_reader=StorageReader(writer))       # nothing is broken by the attempt
    assert state["x"].min() >= 2


def test_an_older_snapshot_that_does_not_fit_is_no_replacement(open_writer, tmp_path):
    writer = open_writer()
    dcp.save({"x": torch.rand(10)}, storage_writer=writer, checkpoint_id=1)
    dcp.save({"x": torch.rand(10_000)}, storage_writer=writer, checkpoint_id=2)
    writer.close()
    damage(sorted((tmp_path / "run/snapshots").iterdir())[1])
    with pytest.raises(CheckpointException) as refusal:
        dcp.load({"x": torch.zeros(10_000)}, storage_reader=StorageReader(open_writer()))
    assert "'x' has the shape (10,)" in failure_in(refusal)


def test_nothing_is_saved_before_the_snapshots_there_are_were_loaded(two_snapshots, open_writer):
    writer, state = open_writer(), {"x": torch.ones(10_000)}
    with pytest.raises(CheckpointException) as refusal:
        dcp.save(state, storage_writer=writer)
    assert "none was loaded" in failure_in(refusal)
    dcp.load(state, storage_reader=StorageReader(writer))
    dcp.save(state, storage_writer=writer)
    assert writer.step == 3


@pytest.mark.parametrize("given, told", [("newest", "does not end in a number"), (2, "give a higher number"), ("at/1", "higher")])
def test_a_checkpoint_id_is_a_step_and_steps_grow(given, told, open_writer):
    writer = open_writer()
    dcp.save({"x": torch.ones(1)}, storage_writer=writer, checkpoint_id=2)
    with pytest.raises(ValueError, match=told):
        dcp.save({"x": torch.ones(1)}, storage_writer=writer, checkpoint_id=given)
    dcp.save({"x": torch.ones(1)}, storage_writer=writer)
    assert writer.step == 3


def test_what_cannot_be_saved_is_named_and_the_older_snapshot_stands(open_writer):
    writer = open_writer()
    dcp.save({"x": torch.ones(1)}, storage_writer=writer)
    with pytest.raises(CheckpointException) as refusal:
        dcp.save({"x": torch.ones(1), "config": {"what": object()}}, storage_writer=writer)
    assert "'config.what' (builtins.object) cannot be saved" in failure_in(refusal)
    assert libckpt.open(writer.directory).step == 0


@pytest.fixture
def small_files_only():
    """with small_files_only(): no file of this process grows beyond 64 KiB, as on a disk without space."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextlib.contextmanager
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_save_that_the_disk_refuses_is_an_error_and_the_next_one_counts(small_files_only, open_writer):
    writer, state = open_writer(), {"x": torch.rand(100_000)}
    dcp.save({"x": torch.ones(1)}, storage_writer=writer, checkpoint_id=1)
    with small_files_only(), pytest.raises(CheckpointException) as refusal:
        dcp.save(state, storage_writer=writer, checkpoint_id=2)
    assert "File too large" in failure_in(refusal)
    assert writer.step == libckpt.open(writer.directory).step == 1
    dcp.save(state, storage_writer=writer, checkpoint_id=2)
    assert writer.step == libckpt.open(writer.directory).step == 2
    writer.complete()


def test_several_ranks_are_refused(open_writer):
    with pytest.raises(libckpt.Error, match="2 ranks"):
        open_writer().prepare_global_plan([None, None])


def test_a_snapshot_of_a_run_is_no_checkpoint_of_torchs(open_run):
    run = open_run(x=torch.ones(1))
    run.point()
    run.finish()
    with pytest.raises(CheckpointException, match="was not written by dcp.save"):
        dcp.load({"x": torch.ones(1)}, storage_reader=StorageReader(run.directory))


def test_the_end_of_a_run_needs_a_state(open_writer, tmp_path):
    writer = open_writer()
    with pytest.raises(libckpt.Error, match="nothing was saved"):
        writer.complete()
    dcp.save({"x": torch.ones(1)}, storage_writer=writer)
    writer.complete()
    assert '"finished"' in (tmp_path / "run/blocks/0001.end.json").read_text()
