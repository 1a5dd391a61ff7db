# SPDX-License-Identifier: Apache-2.0
"""ckpt diff tells arrays and small values of two snapshots apart."""
import json
import subprocess

import torch


def test_weights_and_variables_that_differ_are_named(open_run, tmp_path, bin_directory):
    for name, rate in (("a", 0.1), ("b", 0.2)):
        run = open_run(directory=tmp_path / name, weight=torch.full((3,), 10 * rate).bfloat16(), same=torch.zeros(2))
        run.vars["rate"] = rate
        run.point()
        run.finish()
    told = subprocess.run([bin_directory / "ckpt", "diff", "--json", tmp_path / "a", tmp_path / "b"],
                          capture_output=True, text=True)
    assert told.returncode == 1, told.stderr
    difference = json.loads(told.stdout)
    [weight] = [array for array in difference["arrays"] if array["result"] != "same"]
    assert (weight["name"], weight["result"]) == ("weight", "differs")
    assert (weight["differing"], weight["largest"], weight["largest_relative"]) == (3, 1, 0.5)
    [rate] = [change for change in difference["values"] if "rate" in change["path"]]
    assert (rate["op"], rate["value"]) == ("replace", 0.2)
