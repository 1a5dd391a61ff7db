# SPDX-License-Identifier: Apache-2.0
"""Heat that spreads on a plate with random sources: a NumPy simulation, restartable at every step.

    ckptrun -- python heat.py --steps 2000"""
import argparse

import numpy as np
from libckpt import Run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=200, help="cells on a side")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--out", help="where to write the plate at the end (.npy)")
    options = parser.parse_args()

    plate = np.zeros((options.size, options.size))
    sources = np.random.default_rng(1)

    run = Run(plate=plate, sources=sources)
    run.vars.setdefault("hottest", 0.0)
    for _ in run.steps(options.steps):
        plate[tuple(sources.integers(1, options.size - 1, 2))] += 100.0
        inner = plate[1:-1, 1:-1]
        inner += 0.2 * (plate[:-2, 1:-1] + plate[2:, 1:-1] + plate[1:-1, :-2] + plate[1:-1, 2:] - 4 * inner)
        run.vars["hottest"] = max(run.vars["hottest"], float(plate.max()))
    run.finish()
    print(f"step {run.step}: {plate.sum():.3f} in all, at most {run.vars['hottest']:.3f}", flush=True)
    if options.out:
        np.save(options.out, plate)


if __name__ == "__main__":
    main()
