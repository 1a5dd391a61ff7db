# SPDX-License-Identifier: Apache-2.0
"""ckpt export: what others read is what was saved."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn


@pytest.fixture
def saved(open_run, tmp_path):
    """A run with one snapshot, and what it holds."""
    model = nn.Linear(3, 2).bfloat16()
    run = open_run(model=model, steps=np.arange(3), wave=np.ones(2, complex), tiny=torch.randn(5).to(torch.float8_e4m3fn),
                   scalar=np.array(7.5), nothing=torch.zeros(0, 4))
    run.point()
    run.finish()
    return tmp_path / "run", model


@pytest.fixture
def export(bin_directory, environment, tmp_path):
    """export(words...): by the python3 of these tests."""
    def run(*words, **variables):
        path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
        return subprocess.run([bin_directory / "ckpt", "export", *words], cwd=tmp_path, text=True, capture_output=True,
                              env=environment | {"PATH": path, "LIBCKPT_LIBRARY": os.environ["LIBCKPT_LIBRARY"]} | variables)
    return run


def same(model, found):
    assert set(found) == {"weight", "bias"}
    assert all(torch.equal(found[name], value) for name, value in model.state_dict().items())


def test_a_model_is_read_by_safetensors(saved, export, tmp_path):
    run, model = saved
    done = export(run, "--safetensors", "model.safetensors", "--only", "model")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("model.safetensors: 2 arrays of step 1, ")
    same(model, load_file(tmp_path / "model.safetensors"))
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata()["step"] == "1"


@pytest.mark.parametrize("format, load", [("--safetensors", load_file), ("--pt", torch.load)])
def test_a_model_is_named_as_by_its_state_dict_also_where_tensors_are_shared(open_run, export, tmp_path, format, load):
    model = nn.ModuleDict({"wte": nn.Embedding(5, 3), "head": nn.Linear(3, 5, bias=False)})
    model["head"].weight = model["wte"].weight
    model.register_buffer("mask", torch.ones(2), persistent=False)
    model.seen = torch.zeros(2)
    run = open_run(model=model)
    run.point()
    run.finish()
    assert export(tmp_path / "run", format, "model.file", "--only", "model").returncode == 0
    found = load(tmp_path / "model.file")
    assert set(found) == set(model.state_dict())
    model.load_state_dict(found)


def test_several_objects_keep_their_names(saved, export, tmp_path):
    done = export(saved[0], "--safetensors", "some.safetensors", "--only", "model", "--only", "tiny", "--only", "scalar", "--json",
                  "--only", "nothing")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["arrays"]) == {"model/weight", "model/bias", "tiny", "scalar", "nothing"}
    found = load_file(tmp_path / "some.safetensors")
    assert found["tiny"].dtype == torch.float8_e4m3fn
    assert found["scalar"].shape == () and found["scalar"] == 7.5
    assert found["nothing"].shape == (0, 4)


def test_everything_is_read_by_numpy(saved, export, tmp_path):
    run, model = saved
    done = export(run, "--npz", "all.npz")
    assert done.returncode == 0, done.stderr
    assert "as float32, which NumPy has: model/bias, model/weight, tiny" in done.stderr
    with np.load(tmp_path / "all.npz", allow_pickle=False) as found:
        assert found["steps"].tolist() == [0, 1, 2]
        assert found["wave"].tolist() == [1, 1]
        assert found["scalar"].shape == () and found["nothing"].shape == (0, 4)
        assert np.array_equal(found["model/weight"], model.weight.detach().float().numpy())


def test_a_model_is_read_by_torch(saved, export, tmp_path):
    run, model = saved
    assert export(run, "--pt", "model.pt", "--only", "model").returncode == 0
    same(model, torch.load(tmp_path / "model.pt", weights_only=True))


def test_only_pt_needs_torch(saved, export, tmp_path):
    (tmp_path / "without/torch").mkdir(parents=True)
    (tmp_path / "without/torch/__init__.py").write_text("raise ImportError('no torch here')")
    without = {"PYTHONPATH": f"{tmp_path}/without:{os.pathsep.join(p for p in sys.path if p)}"}
    for name in ("safetensors", "npz"):
        done = export(saved[0], f"--{name}", f"model.{name}", "--only", "model", **without)
        assert done.returncode == 0, done.stderr
    done = export(saved[0], "--pt", "model.pt", **without)
    assert done.returncode == 125
    assert "--pt needs Python packages" in done.stderr and "no torch here" in done.stderr


@pytest.mark.parametrize("words, reason", [
    (["--safetensors", "x"], "safetensors has no complex128, which 'wave' is"),
    (["--npz", "there"], "'there' is there already; name another file, or say --force"),
    (["--npz", "x", "--only", "modle"], "holds no arrays of 'modle'; it holds: model, nothing, random, scalar, steps, tiny, wave"),
    (["--npz", "absent/x"], "cannot write 'absent/x': No such file or directory"),
    (["--npz", "x", "--pt", "y"], "Exactly 1 option from [--safetensors,--npz,--pt] is required"),
    ([], "Exactly 1 option from [--safetensors,--npz,--pt] is required")])
def test_what_cannot_be_written_is_an_error_and_leaves_nothing(saved, export, tmp_path, words, reason):
    (tmp_path / "there").write_text("mine")
    before = sorted(os.listdir(tmp_path))
    done = export(saved[0], *words)
    assert done.returncode == 125
    assert reason in done.stderr and done.stderr.count("\n") == 1 and done.stdout == ""
    assert sorted(os.listdir(tmp_path)) == before and (tmp_path / "there").read_text() == "mine"


def test_a_file_that_is_there_is_replaced_by_force(saved, export, tmp_path):
    (tmp_path / "there").write_text("mine")
    assert export(saved[0], "--npz", "there", "--force").returncode == 0
    np.load(tmp_path / "there")["steps"]


def test_a_damaged_snapshot_is_not_exported(saved, export, tmp_path):
    file = next((saved[0] / "snapshots").glob("step-*.h5"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "copy.h5").write_bytes(content)
    done = export("copy.h5", "--npz", "x")
    assert done.returncode == 125
    assert "is damaged" in done.stderr and not (tmp_path / "x").exists()


def test_a_python_without_the_package_is_named(saved, export, tmp_path):
    done = export(saved[0], "--npz", "x", PYTHONPATH="")
    assert done.returncode == 125
    assert "cannot import the Python package libckpt, which ckpt export needs" in done.stderr
