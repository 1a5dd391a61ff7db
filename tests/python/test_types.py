# SPDX-License-Identifier: Apache-2.0
"""What a type checker says about a program that uses the package as the guide does."""
import os
import subprocess
import sys

PROGRAM = """
import math
from typing import assert_type, Any, Iterator

import libckpt
from libckpt import Error, Run, Stopped


class Scalar:
    def __float__(self) -> float:
        return 1.0


def mean(numbers: Iterator[float]) -> float:
    return sum(numbers)


def main() -> None:
    run = Run(x=[1], directory="run", settings={"keep": "3"}, override={"x.y": 1}, only=["x"], pickle=["x"])
    best: float = run.vars.setdefault("best", 0.0)
    for epoch in run.epochs(3):
        for i, batch in enumerate(run.batches([1.0, 2.0], accumulate=2), run.batch):
            assert_type(i, int)
            assert_type(batch, float)
        is_best: bool = run.best(Scalar(), mode="min")
        run.report(mean=mean(run.eval([1.0])), best=is_best)
    for _ in run.epochs(math.inf):
        break
    for step in run.steps(3):
        assert_type(step, int)
    for name, number in zip(run.batches(["a"], name="a"), run.batches([1], name="b")):
        assert_type((name, number), tuple[str, int])

    @run.on_stop
    def say(word: str = "stopped") -> None:
        print(word, best)
    say("twice")
    try:
        run.point()
        run.stop("enough")
    except Stopped as stopped:
        print(stopped.step, run.seconds_left, run.directory, run.block + run.epoch + run.step, run.resumed)
    except Error as error:
        print(error.status)
    run.finish("done")
    run.close()
    with libckpt.open("run", framework="torch") as snapshot:
        print(snapshot.step, snapshot.block, snapshot.path, len(snapshot), [snapshot[name] for name in snapshot])
        assert_type(snapshot.shape("x"), tuple[int, ...])
        assert_type(snapshot.vars, dict[str, Any])
    assert_type(libckpt.latest("run"), str)
    assert_type(libckpt.metrics("run"), list[dict[str, Any]])
    print(libckpt.__version__)
    libckpt.shield()
"""


def test_a_program_of_the_users_own_checks_strictly(environment, tmp_path):
    (tmp_path / "train.py").write_text(PROGRAM)
    checked = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--python-version=3.11",
                              "--cache-dir", os.devnull, "train.py"], cwd=tmp_path, capture_output=True, text=True,
                             env=environment | {"MYPYPATH": environment["PYTHONPATH"].partition(":")[0]})
    assert checked.returncode == 0, checked.stdout + checked.stderr
