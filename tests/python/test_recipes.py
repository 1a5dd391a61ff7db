# SPDX-License-Identifier: Apache-2.0
"""docs/how-do-i.md: what it tells people to type is typed here."""
import re
import shlex
import subprocess
import sys

import libckpt
import numpy as np
import pytest
import torch
from torch import nn

TRAIN = """
import sys
from libckpt import Run
seen = []
run = Run(seen=seen)
for epoch in run.epochs(int(sys.argv[2]) if len(sys.argv) > 2 else 3):
    seen.append(epoch)
print(seen)
"""


@pytest.fixture
def recipe(repository):
    """recipe(heading): the indented lines of commands and the blocks of Python under it."""
    document = (repository / "docs/how-do-i.md").read_text()

    def find(heading):
        part = re.search(rf"(?ms)^## … {re.escape(heading)}.*?(?=^## |\Z)", document)[0]
        return re.findall(r"(?m)^    (\S.*)$", re.sub(r"(?s)```.*?```", "", part)), re.findall(r"(?s)```python\n(.*?)```", part)
    return find


@pytest.fixture
def type_in(tmp_path, environment):
    """type_in(command): its stdout, in a folder that has train.py; it must succeed. RUN is 'train'."""
    (tmp_path / "train.py").write_text(TRAIN)
    python = f"ckptrun --allow-volatile {{}}-- {sys.executable} train.py"

    def call(command):
        words = re.sub(r"ckptrun (.*?)-- python train.py", lambda found: python.format(found[1]), command.replace("RUN", "train"))
        result = subprocess.run(shlex.split(words), cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=100,
                                stdin=subprocess.DEVNULL)
        assert result.returncode == 0, result.stderr
        return result.stdout
    return call


def python_of(block, **names):
    """Runs a block of Python as it stands, in a name space that holds what the script around it would have."""
    exec(compile(block.replace("RUN", names.pop("run_name", "RUN")), "how-do-i.md", "exec"), names)
    return names


def test_start_over(recipe, type_in, tmp_path):
    assert type_in("ckptrun -- python train.py") == "[0, 1, 2]\n"
    commands, _ = recipe("start over")
    assert type_in(commands[0]) == "[0, 1, 2]\n"
    assert list((tmp_path / "ckpt-runs").glob("train.old-*"))


def test_train_longer(recipe, type_in):
    type_in("ckptrun -- python train.py")
    commands, _ = recipe("train longer")
    assert type_in(commands[0].replace("600", "5")) == "[0, 1, 2, 3, 4]\n"


def test_train_longer_in_the_script(recipe, open_run):
    _, [block] = recipe("train longer")
    epochs = []
    for total in (3, 5):
        run = open_run(x=[0])
        python_of(block, run=run, arguments=type("", (), {"epochs": total}), train=lambda run: epochs.append(run.epoch))
        run.finish()
    assert epochs == [0, 1, 2, 3, 4]


def objects():
    model = nn.Linear(2, 2)
    return {"model": model, "optimizer": torch.optim.SGD(model.parameters(), lr=0.1)}


@pytest.fixture
def in_directory(tmp_path):
    """Run, as a script started by ckptrun for this directory has it."""
    runs = []

    def make(name):
        def construct(**arguments):
            runs.append(libckpt.Run(directory=tmp_path / name, settings={"allow_volatile": "on"}, **arguments))
            return runs[-1]
        return construct
    yield make
    for run in runs:
        run.close()


def test_change_a_hyperparameter(recipe, in_directory):
    Run = in_directory("run")
    first = Run(**objects())
    first.point()
    first.finish()
    _, [block] = recipe("change a hyperparameter")
    given = objects()
    python_of(block, Run=Run, **given)
    assert given["optimizer"].param_groups[0]["lr"] == 0.01


def test_keep_the_best(recipe, in_directory, tmp_path):
    save, load = recipe("keep the best")[1]
    model = nn.Linear(1, 1)
    run = in_directory("run")(model=model)

    def train(run):
        with torch.no_grad():
            model.weight.fill_(run.epoch)
    python_of(save, run=run, model=model, train=train, accuracy=lambda model: -abs(model.weight.item() - 7))
    run.finish()
    assert model.weight.item() == 19
    python_of(load, libckpt=libckpt, model=model, run_name=str(tmp_path / "run"))
    assert model.weight.item() == 7


def test_try_something_from_the_middle(recipe, type_in, tmp_path):
    type_in("ckptrun -- python train.py")
    fork, start = recipe("try something")[0]
    type_in(fork.replace("40", "3"))
    assert type_in(start) == "[0, 1, 2]\n"
    assert len(list((tmp_path / "ckpt-runs/other/snapshots").glob("step-*"))) == 1


def test_fine_tune(recipe, in_directory, tmp_path):
    first = objects()
    run = in_directory("run")(**first)
    run.best(1.0)
    run.point()
    run.finish()
    second = objects()
    _, [block] = recipe("fine-tune")
    made = python_of(block, Run=in_directory("second"), run_name=str(tmp_path / "run"), **second)
    assert torch.equal(second["model"].weight, first["model"].weight) and made["run"].step == 0


def test_stop_early(recipe, open_run):
    _, [block] = recipe("stop early")
    losses, epochs, run = iter([3, 2, 1, 1, 1, 1, 1, 1, 1, 1]), [], open_run(x=[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "close", lambda: None)
        python_of(block, run=run, train=lambda run: epochs.append(run.epoch), model=None, loss=lambda model: next(losses))
    assert epochs == list(range(8))


def test_several_loaders(recipe, open_run):
    _, [block] = recipe("use several loaders")
    pairs = [(1, 2), (3, 4)]
    steps, measured = [], []
    run = open_run(x=[0])
    python_of(block, run=run, labelled=pairs, unlabelled=pairs, validation=pairs, step=lambda *given: steps.append(given),
              measure=lambda *given: measured.append(given))
    assert len(steps) == len(measured) == 6 and run.step == 6


def test_log_without_doubled_steps(recipe, in_directory, tmp_path):
    block, rows = recipe("log to")[1]
    logged = {}

    class Logger:
        def __init__(self, identity, purge_step):
            self.lines = logged.setdefault(identity, {})
            for step in [step for step in self.lines if step >= purge_step]:
                del self.lines[step]

        def log(self, values, step):
            assert step not in self.lines, "a step was logged twice"
            self.lines[step] = values
    for fails_at in (4, None):
        run = in_directory("run")(x=[0])

        def train_step(batch):
            if run.step == 2 and fails_at:
                run._session.save(run.step)
            if run.step == fails_at:
                raise OSError("the machine is gone")
            run.report(loss=batch)
            return batch
        try:
            python_of(block, run=run, make_id=lambda: object().__hash__(), Logger=Logger, loader=[1, 2], train_step=train_step)
        except OSError:
            run.close()
    run.finish()
    [lines] = logged.values()
    assert list(lines) == [0, 1, 2, 3, 4, 5]
    found = python_of(rows, libckpt=libckpt, run_name=str(tmp_path / "run"))["rows"]
    assert [row["step"] for row in found] == [1, 2, 3, 4, 5, 6]


def test_look_into_a_snapshot_elsewhere(recipe, in_directory, tmp_path, script):
    model = nn.Linear(3, 2)
    run = in_directory("run")(model=model, half=torch.ones(2).bfloat16())
    run.point()
    run.finish()
    _, [block] = recipe("look into")
    block = block.replace("step-000000000012-b0001.h5", libckpt.latest(tmp_path / "run"))
    result = script(block + "import sys\nprint(weight.tobytes().hex(), step, 'libckpt' in sys.modules)")
    assert result.stdout == f"{model.weight.detach().numpy().tobytes().hex()} 1 False\n", result.stderr
    import h5py
    import hdf5plugin  # noqa: F401  (registers the filter)
    import ml_dtypes
    with h5py.File(libckpt.latest(tmp_path / "run")) as file:
        half = file["state/half"]
        assert half.attrs["ckpt_dtype"] == b"bf16" and half[...].view(ml_dtypes.bfloat16).tolist() == [1, 1]


def test_accumulate_gradients(recipe, open_run):
    _, [block] = recipe("accumulate")
    model, run = nn.Linear(1, 1), open_run(x=[0])
    optimizer, clean = torch.optim.SGD(model.parameters(), lr=0.1), []
    point = run._safe_point
    run._safe_point = lambda: (clean.append(model.weight.grad is None), point())
    python_of(block, run=run, loader=[np.float32(i) for i in range(6)], optimizer=optimizer,
              loss=lambda batch: model(torch.tensor([batch])).sum())
    assert clean == [True] * 5 and run.step == 6
