# SPDX-License-Identifier: Apache-2.0
"""docs/how-do-i.md: what it tells people to type is typed here."""
import json
import re
import shlex
import struct
import subprocess
import sys
import zipfile

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


SETTINGS = """
from libckpt import Run
optimizer = {"lr": 0.1}
run = Run(optimizer=optimizer)
for step in run.steps(10):
    pass
print(optimizer["lr"])
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
    first._session.save(first.step)
    first.close()
    _, [block] = recipe("change a hyperparameter")
    given = objects()
    python_of(block, Run=Run, **given)
    assert given["optimizer"].param_groups[0]["lr"] == 0.01


def test_change_a_hyperparameter_without_the_script(recipe, type_in, tmp_path):
    (tmp_path / "train.py").write_text(SETTINGS)
    [command], _ = recipe("change a hyperparameter")
    assert type_in(command) == "0.01\n"


def test_know_that_it_resumes_exactly(recipe, type_in, tmp_path):
    (tmp_path / "train.py").write_text(SETTINGS)
    [command], _ = recipe("know that")
    assert type_in(command).startswith("resumes exactly: 2 arrays")


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


LOGGING = """
import os, sys, uuid
from libckpt import Run
{imports}
run = Run(directory="run", settings={{"allow_volatile": "on"}}, x=[0])
fails_at, loader = int(sys.argv[1]), [1, 2]
def train_step(batch):
    if run.step == 2:
        run._session.save(run.step)
    if run.step == fails_at:
        raise OSError("the machine is gone")
    return run.step + batch / 10
{recipe}
run.finish()
"""
OTHER = "1" * 40          # an identity that the environment has: what the recipe says counts more
LOSSES = {step: step + (step % 2 + 1) / 10 for step in range(6)}


@pytest.fixture
def logged_in_two_blocks(recipe, script):
    """logged_in_two_blocks(number, imports, **variables): that recipe for logging, in a block that fails at its step 4 after it
    has saved step 2, and in the next one."""
    def run(number, imports, **variables):
        text = LOGGING.format(imports=imports, recipe=recipe("log to")[1][number])
        for fails_at, code in ((4, 1), (-1, 0)):
            result = script(text, fails_at, **variables)
            assert result.returncode == code, result.stderr
    return run


def wandb_records(path):
    """Of the file that an offline run leaves for `wandb sync`: a log in LevelDB's format after a head of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record
    content, at, record = path.read_bytes(), 7, b""
    while at + 7 <= len(content):
        if (left := BLOCK_BYTES - at % BLOCK_BYTES) < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", content[at + 4:at + 7])
        record, at = record + content[at + 7:at + 7 + length], at + 7 + length
        if kind in (FULL, LAST):
            yield Record.FromString(record)
            record = b""


BLOCK_BYTES, FULL, LAST = 32768, 1, 4


def test_log_to_wandb(logged_in_two_blocks, tmp_path):
    places = {f"WANDB_{name}_DIR": str(tmp_path / "other") for name in ("CACHE", "CONFIG", "DATA", "ARTIFACT")}
    quiet = {"WANDB_SILENT": "true", "WANDB_DISABLE_GIT": "true", "WANDB_ERROR_REPORTING": "false"}
    logged_in_two_blocks(0, "import wandb", WANDB_MODE="offline", WANDB_RUN_ID=OTHER, WANDB_RESUME="must", **quiet, **places)
    identities, points = [], []
    for path in sorted(tmp_path.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime):
        for record in wandb_records(path):
            if record.HasField("run"):
                identities.append((path, record.run.run_id))
            if record.HasField("history"):
                points += [(record.history.step.num, float(item.value_json)) for item in record.history.item
                           if "loss" in (item.key, *item.nested_key)]
    assert len({path for path, _ in identities}) == 2
    [identity] = {identity for _, identity in identities}
    assert identity != OTHER
    assert [step for step, _ in points] == [0, 1, 2, 3, 2, 3, 4, 5]         # the service passes over a step that it has
    assert dict(points) == LOSSES and set(points) == set(LOSSES.items())


def test_log_to_tensorboard(logged_in_two_blocks, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    logged_in_two_blocks(1, "from torch.utils.tensorboard import SummaryWriter")
    events = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload().Scalars("loss")
    assert [(event.step, round(event.value, 5)) for event in events] == list(LOSSES.items())


def test_log_to_comet(logged_in_two_blocks, tmp_path):
    logged_in_two_blocks(2, "import comet_ml", COMET_START_ONLINE="0", COMET_OFFLINE_DIRECTORY=str(tmp_path / "comet"),
                         COMET_LOGGING_CONSOLE="ERROR", COMET_DISABLE_AUTO_LOGGING="1", COMET_EXPERIMENT_KEY=OTHER,
                         HOME=str(tmp_path))
    identities, points = set(), []
    for path in (tmp_path / "comet").glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            identities.add(json.loads(archive.read("experiment.json"))["offline_id"])
            messages = [json.loads(line) for line in archive.read("messages.json").splitlines()]
        metrics = [message["payload"]["metric"] for message in messages if message["type"] == "metric_msg"]
        points += [(metric["step"], metric["metricValue"]) for metric in metrics if metric["metricName"] == "loss"]
    [identity] = identities
    assert identity != OTHER and len(points) == 8        # steps 2 and 3 twice
    assert dict(points) == LOSSES and set(points) == set(LOSSES.items())


def test_a_report_has_each_step_once(recipe, in_directory, tmp_path):
    for fails_at in (4, None):
        run = in_directory("run")(x=[0])
        try:
            for _ in run.epochs(3):
                for batch in run.batches([1, 2]):
                    if run.step == 2:
                        run._session.save(run.step)
                    if run.step == fails_at:
                        raise OSError("the machine is gone")
                    run.report(loss=batch)
        except OSError:
            run.close()
    run.finish()
    rows = recipe("log to")[1][3]
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
