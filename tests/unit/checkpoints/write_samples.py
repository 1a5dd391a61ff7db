#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes samples/: small real checkpoints, each by the library whose format it is.

    write_samples.py [pytorch|keras|arrays|tensorflow|orbax ...]       default: the first three

These need what tests/python/requirements.txt lists, TensorFlow and Orbax (orbax-checkpoint, jax) environments of their own.
"""
import os
import pathlib
import shutil
import sys
import tempfile

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
    hugging_face.mkdir(exist_ok=True)
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


def tensorflow():
    import tensorflow as tf
    tf.random.set_seed(1)
    variables = {"weight": tf.random.normal((7, 5)), "half": tf.ones(3, tf.bfloat16), "step": 7, "flags": [True, False],
                 "text": "one text", "texts": [["", "zwei"], ["\u4e09", "x" * 300]], "none": tf.zeros((0, 3))}
    tf.train.Checkpoint(**{name: tf.Variable(value) for name, value in variables.items()}).write(SAMPLES / "tensorflow")


def orbax():
    import numpy as np
    import orbax.checkpoint
    checkpointer = orbax.checkpoint.StandardCheckpointer()
    with tempfile.TemporaryDirectory() as folder:       # its path is written into a file
        checkpointer.save(f"{folder}/orbax", {"weight": np.arange(35, dtype="<f4").reshape(7, 5), "step": np.int64(7)})
        checkpointer.wait_until_finished()
        shutil.copytree(f"{folder}/orbax", SAMPLES / "orbax", dirs_exist_ok=True)


def arrays():
    import h5py
    import hdf5plugin
    import numpy as np
    values = np.arange(48, dtype="<f4").reshape(6, 8)
    np.save(SAMPLES / "array.npy", values)
    np.save(SAMPLES / "objects.npy", {"weights": values, "epoch": 3})
    np.savez(SAMPLES / "arrays.npz", values=values, other=np.arange(5))
    np.savez_compressed(SAMPLES / "compressed.npz", values=np.random.default_rng(1).standard_normal((6, 8)).round(2))
    np.savez_compressed(SAMPLES / "zeros.npz", values=np.zeros(1 << 20, "<f4"))
    for name, versions in ("checked.h5", ("v110", "v110")), ("newest.h5", "latest"):
        with h5py.File(SAMPLES / name, "w", libver=versions) as file:
            file.create_dataset("group/values", data=values)
            file.create_dataset("checked", data=values, chunks=(3, 8), fletcher32=True)
            file.attrs["epoch"] = 3
    with h5py.File(SAMPLES / "zlib.h5", "w") as file:
        file.create_dataset("values", data=values, chunks=(4, 3), compression="gzip")
    with h5py.File(SAMPLES / "unwritten-array.h5", "w") as file:       # as a flush between its two arrays leaves it
        file.create_dataset("values", data=values)
        file.create_dataset("to-come", (6, 8), "<f4")
    with h5py.File(SAMPLES / "unwritten-chunk.h5", "w") as file:
        file.create_dataset("values", (6, 8), "<f4", chunks=(3, 8))[:3] = values[:3]
    with h5py.File(SAMPLES / "nothing-to-write.h5", "w") as file:
        file.create_dataset("empty", (0, 8), "<f4")
        file.create_dataset("empty-so-far", (0, 8), "<f4", maxshape=(None, 8))
        file["null"] = h5py.Empty("<f4")
        file["one"] = 3
    with h5py.File(SAMPLES / "packed.h5", "w") as file:
        file.create_dataset("by-zlib", data=values, chunks=(3, 8), compression="gzip", fletcher32=True)
        file.create_dataset("by-plugin", data=values, chunks=(3, 8), fletcher32=True, **hdf5plugin.Blosc())


WRITERS = {"pytorch": pytorch, "keras": keras, "arrays": arrays, "tensorflow": tensorflow, "orbax": orbax}


def main():
    SAMPLES.mkdir(exist_ok=True)
    for name in sys.argv[1:] or ["pytorch", "keras", "arrays"]:
        WRITERS[name]()


if __name__ == "__main__":
    main()
