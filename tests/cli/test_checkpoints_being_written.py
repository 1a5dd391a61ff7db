# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that look whole while their program is still filling them."""
import sys

import pytest

WRITERS = {
    # Two arrays, made first and filled later, as f.flush() in between leaves them.
    "h5": """
def write(step, between):
    with h5py.File(f"m-{step}.h5", "w") as file:
        arrays = [file.create_dataset(name, (5000,), "f4") for name in "ab"]
        for array in arrays:
            array[:] = step
            file.flush()
            between()
            between = lambda: None
""",
    # The second is still to come.
    "parts.h5": """
def write(step, between):
    with h5py.File(f"m-{step}.h5", "w") as file:
        file.create_dataset("a", data=[step] * 5000)
        file.flush()
        between()
        file.create_dataset("b", data=[step] * 5000)
""",
    # All that is stored has its place, and its end is there.
    "open.h5": """
def write(step, between):
    with h5py.File(f"m-{step}.h5", "w") as file:
        array = file.create_dataset("a", (5000,), "f4")
        array[2500:] = step
        file.flush()
        between()
        array[:] = step
""",
    "npy": """
def write(step, between):
    array = numpy.lib.format.open_memmap(f"m-{step}.npy", "w+", numpy.float32, (5000,))
    array[:2500] = step
    array.flush()
    between()
    array[:] = step
""",
    "open.npy": """
def write(step, between):
    array = numpy.lib.format.open_memmap(f"m-{step}.npy", "w+", numpy.float32, (5000,))
    array[2500:] = step
    array.flush()
    between()
    array[:] = step
"""}

PROGRAM = """
import h5py, json, numpy, os, signal, sys, time
if os.environ.get("CKPT_RESUME"):
    sys.exit(print("from", os.environ["CKPT_RESUME"].rpartition("/")[2]))
{writer}
def tell():
    print((json.load(open("ckpt-runs/t/status.json")).get("checkpoint") or {{}}).get("path"), flush=True)
def between():
    time.sleep(4)
    tell()
    if {dies}:
        os.kill(os.getpid(), signal.SIGKILL)
write(1, lambda: None)
time.sleep(4)
write(2, between)
time.sleep(4)
tell()
"""


def run(tool, kind, dies):
    ending = kind.rpartition(".")[2]
    return tool("ckptrun", "-r", "t", "--latest", f"m-{{step}}.{ending}", "--", sys.executable, "-c",
                PROGRAM.format(writer=WRITERS[kind], dies=dies)), ending


@pytest.mark.parametrize("kind", list(WRITERS))
def test_what_a_killed_program_had_not_filled_is_not_gone_on_from(tool, work, kind):
    done, ending = run(tool, kind, dies=True)
    assert done.stdout.splitlines() == [f"m-1.{ending}", f"from m-1.{ending}"], done.stdout + done.stderr
    left_out = [line for line in done.stderr.splitlines() if f"m-2.{ending} is left out: " in line]
    assert len(left_out) == 1 and "its format does not tell whether it is whole" in left_out[0], done.stderr


@pytest.mark.parametrize("kind", list(WRITERS))
def test_what_its_program_is_still_filling_is_no_new_checkpoint_until_it_is_closed(tool, work, kind):
    done, ending = run(tool, kind, dies=False)
    assert done.stdout.splitlines() == [f"m-1.{ending}", f"m-2.{ending}"], done.stdout + done.stderr
