# SPDX-License-Identifier: Apache-2.0
"""Snapshots are read without a run, without torch, without NumPy."""
import subprocess

import h5py
import libckpt
import ml_dtypes
import numpy as np
import pytest
import torch
from torch import nn


@pytest.fixture
def saved(open_run, tmp_path):
    """A run with one snapshot, and what it holds."""
    model = nn.Linear(3, 2)
    half = torch.randn(5).bfloat16()
    run = open_run(model=model, half=half, tiny=half.to(torch.float8_e4m3fn), best=0.5, steps=np.arange(3))
    run.vars["history"] = [np.float32(1), {"a": np.ones(2)}]
    run.point()
    run.finish()
    return tmp_path / "run", model, half


def test_a_snapshot_is_a_lazy_mapping_from_names_to_arrays(saved):
    run, model, _ = saved
    with libckpt.open(run) as snapshot:
        assert snapshot.step == 1 and snapshot.block == 1
        assert {"model/weight", "model/bias", "half", "steps"} <= set(snapshot)
        assert len(snapshot) == len(list(snapshot)) and "absent" not in snapshot
        assert snapshot.shape("model/weight") == (2, 3) and snapshot.dtype("half") == "bfloat16"
        assert np.array_equal(snapshot["model/weight"], model.weight.detach().numpy())
        assert snapshot["steps"].tolist() == [0, 1, 2]
        with pytest.raises(KeyError):
            snapshot["absent"]
        snapshot.verify()


@pytest.mark.parametrize("name", ["half", "tiny"])
def test_bfloat16_and_float8_are_read_by_both_frameworks(name, saved):
    run, _, half = saved
    expected = half if name == "half" else half.to(torch.float8_e4m3fn)
    assert torch.equal(libckpt.open(run, "torch")[name].view(torch.uint8), expected.view(torch.uint8))
    array = libckpt.open(run, "numpy")[name]
    assert array.dtype == (ml_dtypes.bfloat16 if name == "half" else ml_dtypes.float8_e4m3fn)
    assert array.tobytes() == expected.view(torch.uint8).numpy().tobytes()


def test_a_module_is_loaded_by_its_name(saved):
    run, model, _ = saved
    other = nn.Linear(3, 2)
    other.load_state_dict(libckpt.open(run, framework="torch").state_dict("model"))
    assert torch.equal(other.weight, model.weight)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.d = nn.Linear(2, 2), nn.Linear(2, 2), nn.ModuleDict({"x/y%": nn.Linear(1, 1)})
        self.b.weight = self.a.weight
        self.again = nn.ModuleList([nn.Sequential(self.b, self.d)] * 2)
        self.register_buffer("frequencies", torch.ones(3), persistent=False)
        self.hidden, self.memory = torch.ones(1), [torch.ones(2)]


def test_a_module_is_loaded_by_its_name_whatever_it_shares_and_keeps_to_itself(open_run, tmp_path):
    run = open_run(model=(model := Tied()))
    run.finish()
    found = libckpt.open(tmp_path / "run", framework="torch").state_dict("model")
    assert found.keys() == model.state_dict().keys()
    Tied().load_state_dict(found)
    assert all(torch.equal(found[name], tensor) for name, tensor in model.state_dict().items())


def test_variables_are_read_with_their_arrays(saved):
    variables = libckpt.open(saved[0]).vars
    assert variables["best"] == 0.5 and variables["history"][1]["a"].tolist() == [1, 1]


def test_the_newest_snapshot_of_a_run_is_found_by_directory_and_by_name(saved, tmp_path, monkeypatch):
    assert libckpt.latest(saved[0]).endswith("step-000000000001-b0001.h5")
    (tmp_path / "ckpt-runs").mkdir()
    saved[0].rename(tmp_path / "ckpt-runs/mine")
    monkeypatch.chdir(tmp_path)
    assert libckpt.open("mine").step == 1
    with pytest.raises(FileNotFoundError, match="keeps no snapshot as 'best'"):
        libckpt.open("mine@best")
    with pytest.raises(libckpt.Error):
        libckpt.latest("absent")


def test_a_folder_may_have_an_at_in_its_name(open_run, tmp_path):
    run = open_run(directory=tmp_path / "me@site" / "run", x=np.arange(3))
    run.best(1.0)
    run.point()
    run.finish()
    assert libckpt.open(tmp_path / "me@site/run")["x"].tolist() == [0, 1, 2]
    assert libckpt.open(f"{tmp_path}/me@site/run@best").step == 1


def test_it_needs_neither_numpy_nor_torch(saved, script):
    result = script("import sys\nfor name in ('numpy', 'torch'): sys.modules[name] = None\nimport libckpt\n"
                    "snapshot = libckpt.open(sys.argv[1])\nprint(bytes(snapshot['steps']).hex(), snapshot.shape('steps'))\n"
                    "print('numpy' if sys.modules['numpy'] else 'no numpy')", saved[0])
    assert result.stdout.split("\n")[:2] == [np.arange(3).tobytes().hex() + " (3,)", "no numpy"], result.stderr


def test_a_run_needs_neither_numpy_nor_torch(script, tmp_path):
    program = """
import array, sys
for name in ("numpy", "torch"): sys.modules[name] = None
from libckpt import Run
data = array.array("d", [0.0] * 100)
run = Run(data=data, total=0)
for step in run.steps(10):
    if step == 5 and not run.resumed: run.stop()
    data[step] += step
    run.vars["total"] += step
print(sum(data), run.vars)
"""
    first = script(program, CKPT_RUN_DIR=str(tmp_path / "run"))
    assert first.returncode == 85, first.stderr
    assert script(program, CKPT_RUN_DIR=str(tmp_path / "run")).stdout == "45.0 {'total': 45}\n"


def test_importing_it_imports_nothing_big(script):
    result = script("import sys, libckpt\nprint([name for name in ('numpy', 'torch', 'asyncio', 'inspect') if name in sys.modules])")
    assert result.stdout == "[]\n", result.stderr


@pytest.mark.parametrize("harm, said", [
    (lambda data: data[:100], "step-"), (lambda data: b"not HDF5", "step-"),
    (lambda data: data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:], None),
])
def test_a_damaged_file_is_refused_with_its_name(harm, said, saved):
    path = libckpt.latest(saved[0])
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(harm(data))
    try:
        libckpt.open(path).verify()
    except libckpt.Error as error:
        assert "step-" in str(error)
    else:
        assert said is None


def test_a_step_that_somebody_changed_in_the_file_is_found_by_verify_and_by_a_run_not_by_open(open_run, tmp_path):
    run = open_run(x=[0])
    run.finish()
    path = libckpt.latest(tmp_path / "run")
    with h5py.File(path, "r+") as file:
        file.attrs.modify("step", np.uint64(7))
    with libckpt.open(path) as snapshot:
        assert snapshot.step == 7 and snapshot.vars == {}
        with pytest.raises(libckpt.Error, match="its digest does not match"):
            snapshot.verify()
    with pytest.raises(libckpt.Error, match="its digest does not match"):
        open_run(x=[0])


def test_a_snapshot_without_python_structure_is_refused_by_a_run(open_run, tmp_path, bin_directory):
    subprocess.run([bin_directory / "ckptrun", "-r", tmp_path / "run", "--allow-volatile", "--", bin_directory / "ten_lines", "3"],
                   check=True, capture_output=True)
    with pytest.raises(libckpt.Error, match="not written by the Python package"):
        open_run(x=[0])
