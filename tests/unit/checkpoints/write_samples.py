#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes samples/: small real checkpoints, each by the library whose format it is. Needs tests/python/requirements.txt."""
import os
import pathlib
import shutil

SAMPLES = pathlib.Path(__file__).parent / "samples"


def pytorch():
    import torch
    import torch.distributed.checkpoint
    from safetensors.torch import save_file
    torch.manual_seed(1)
    state = {"weight": torch.randn(7, 5), "bias": torch.randn(5), "epoch": 3}
    torch.save(state, SAMPLES / "pytorch.pt")
    torch.save(state, SAMPLES / "old-pytorch.pt", _use_new_zipfile_serialization=False)
    torch.serialization.set_crc32_options(False)
    torch.save(state, SAMPLES / "pytorch-without-checksums.pt")
    torch.serialization.set_crc32_options(True)
    tensors = {name: value for name, value in state.items() if name != "epoch"}
    save_file(tensors, SAMPLES / "weights.safetensors")
    torch.distributed.checkpoint.save(tensors, checkpoint_id=SAMPLES / "distributed", no_dist=True)
    hugging_face = SAMPLES / "checkpoint-20"
    hugging_face.mkdir()
    save_file({"weight": state["weight"]}, hugging_face / "model-00001-of-00002.safetensors")
    save_file({"bias": state["bias"]}, hugging_face / "model-00002-of-00002.safetensors")
    (hugging_face / "model.safetensors.index.json").write_text(
        '{"metadata": {}, "weight_map": {"weight": "model-00001-of-00002.safetensors", '
        '"bias": "model-00002-of-00002.safetensors"}}')
    torch.save(state, hugging_face / "optimizer.pt")
    (hugging_face / "trainer_state.json").write_text('{"global_step": 20}')


def keras():
    os.environ["KERAS_BACKEND"] = "torch"
    import keras as k
    model = k.Sequential([k.layers.Input((3,)), k.layers.Dense(2)])
    model.compile("sgd", "mse")
    model.save(SAMPLES / "model.keras")
    model.save(SAMPLES / "model.h5")
    model.save_weights(SAMPLES / "model.weights.h5")


def arrays():
    import h5py
    import hdf5plugin
    import numpy as np
    values = np.arange(48, dtype="<f4").reshape(6, 8)
    np.save(SAMPLES / "array.npy", values)
    np.save(SAMPLES / "objects.npy", {"weights": values, "epoch": 3})
    np.savez(SAMPLES / "arrays.npz", values=values, other=np.arange(5))
    np.savez_compressed(SAMPLES / "compressed.npz", values=values)
    for name, versions in ("checked.h5", ("v110", "v110")), ("newest.h5", "latest"):
        with h5py.File(SAMPLES / name, "w", libver=versions) as file:
            file.create_dataset("group/values", data=values)
            file.create_dataset("checked", data=values, chunks=(3, 8), fletcher32=True)
            file.attrs["epoch"] = 3
    with h5py.File(SAMPLES / "packed.h5", "w") as file:
        file.create_dataset("by-zlib", data=values, chunks=(3, 8), compression="gzip", fletcher32=True)
        file.create_dataset("by-plugin", data=values, chunks=(3, 8), fletcher32=True, **hdf5plugin.Blosc())


def main():
    shutil.rmtree(SAMPLES, ignore_errors=True)
    SAMPLES.mkdir()
    pytorch()
    keras()
    arrays()


if __name__ == "__main__":
    main()
