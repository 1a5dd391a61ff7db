# SPDX-License-Identifier: Apache-2.0
"""The images of Fashion-MNIST, from the files of https://github.com/zalandoresearch/fashion-mnist."""
import gzip
import os

import numpy as np

FOLDER = os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist")


def load(part):
    """Images of the part "train" or "t10k", (n, 28, 28) float32 from 0 to 1, and labels, (n,) int64 from 0 to 9."""
    images = read(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    return images.astype("float32") / 255, read(f"{part}-labels-idx1-ubyte.gz", 8).astype("int64")


def read(name, offset):
    with gzip.open(f"{FOLDER}/{name}") as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)
