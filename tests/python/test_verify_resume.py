# SPDX-License-Identifier: Apache-2.0
"""ckptrun --verify-resume: programs with one planted fault each, which must be found and named, and clean ones."""
import json
import subprocess
import sys

import pytest

STEPS = 8            # an epoch has three: stopped in the second, at an end in the middle of the third
PROGRAM = """
import random, sys, time
import numpy as np
from libckpt import Run
{module}

def main():
    w = np.zeros(3)
    data = [np.arange(3.0) + i for i in range(3)]
{before}
    run = Run(w=w{given})
{after}
    for epoch in run.epochs(4):
        for {loop}:
            {step}

main()
"""
IN_A_LOOP = "x in run.batches(data)"


def program(step="w += x", module="", before="", given="", after="", loop=IN_A_LOOP):
    indented = [line and "    " + line for line in (before, after)]
    return PROGRAM.format(step=step, module=module, before=indented[0], given=given, after=indented[1], loop=loop)


COUNTER = """
calls = 0

def count():
    global calls
    calls += 1
    return calls
"""
DRAWN = """
def drawn():
    numbers = random.Random(5)
    while True:
        yield numbers.random()
"""
TRAINER = """
class Trainer:
    def __init__(self):
        self.level = 1.0

    def step(self, x):
        self.level *= 1.5
        return self.level * x
"""
SHUFFLED = """
class Shuffled:
    __slots__ = "data", "shuffle"        # where nobody looks

    def __init__(self, data):
        self.data, self.shuffle = data, random.Random(7).shuffle

    def __iter__(self):
        order = list(self.data)
        self.shuffle(order)
        return iter(order)
"""
HIDDEN = """
class Hidden:
    __slots__ = "calls",

    def __next__(self):
        self.calls = getattr(self, "calls", 0) + 1
        return self.calls
"""
CLOSURE = """
def counter():
    calls = 0

    def count():
        nonlocal calls
        calls += 1
        return calls
    return count
"""
OWN_LOOP = """
    while run.step < 20:
        seen += 1
        w += seen
        run.point()
    run.finish()
    sys.exit()
"""


@pytest.fixture
def verify(script, tmp_path):
    """verify(program): exit code and what --json tells."""
    def check(text, steps=STEPS):
        result = script(text, under=["ckptrun", "--verify-resume", "--steps", str(steps), "--json", "--"])
        assert result.returncode in (0, 1), result.stderr
        assert not list(tmp_path.glob("ckpt-runs*")), "nothing stays behind"
        return result.returncode, json.loads(result.stdout)
    return check


FAULTS = {
    "a variable of the loop": ("seen", "put it into run.vars", program("seen += 1; w += seen * x", after="seen = 0")),
    "a counter of the module": ("calls", "put it into run.vars", program("w += count() * x", module=COUNTER)),
    "a random generator of its own": ("rng", "Run(..., rng=rng)", program("w += rng.random()", before="rng = random.Random(5)")),
    "a NumPy generator": ("noise", "a random generator of its own",
                          program("w += noise.random(3)", before="noise = np.random.default_rng(5)")),
    "an array": ("momentum", "Run(..., momentum=momentum)",
                 program("momentum += x; w += momentum", before="momentum = np.zeros(3)")),
    "an array that is another object in each step": ("hidden", 'put it into run.vars: run.vars["hidden"]',
                                                     program("hidden = hidden + x; w += hidden", before="hidden = np.zeros(3)")),
    "an array that Run was given and that is another object since": (
        "hidden", 'put it into run.vars: run.vars["hidden"]',
        program("hidden = hidden + x; w += hidden", before="hidden = np.zeros(3)", given=", hidden=hidden")),
    "a tuple of arrays": ("hidden", 'put it into run.vars: run.vars["hidden"]',
                          program("hidden = hidden[0] + x, x; w += hidden[0]", before="hidden = np.zeros(3), np.zeros(3)")),
    "a list": ("past", "give it to Run", program("past.append(x); w += sum(past)", before="past = []")),
    "an attribute of an object": ("trainer.level", "state_dict() and a load_state_dict()",
                                  program("w += trainer.step(x)", module=TRAINER, before="trainer = Trainer()")),
    "a variable of a closure": ("count.calls", "", program("w += count()", module=CLOSURE, before="count = counter()")),
    "an iterator": ("numbers", "an iterator starts anew", program("w += next(numbers)", before="numbers = iter(range(99))")),
    "a cycle": ("numbers", "an iterator starts anew", program("w += next(numbers)",
                                                              before="import itertools; numbers = itertools.cycle([1, 2, 4])")),
    "a generator that has begun": ("source", "an iterator starts anew",
                                   program("w += next(source)", module=DRAWN, before="source = drawn()")),
    "an iterator of a loader": ("given", "an iterator starts anew",
                                program("w += float(next(given))", module="from torch.utils.data import DataLoader",
                                        before="given = iter(DataLoader(range(99)))")),
    "iterators side by side": ("numbers", "an iterator starts anew",
                               program("a, b = next(numbers); w += a * b", before="numbers = zip(iter(range(99)), iter(range(99)))")),
    "a chain of iterators that is mapped": (
        "numbers", "an iterator starts anew",
        program("w += next(numbers)", before="import itertools; numbers = map(float, itertools.chain(range(2), itertools.count()))")),
    "a number that follows from what nobody sees into": ("n", "it follows from something that is not saved",
                                                         program("n = next(hidden); w += n", module=HIDDEN, before="hidden = Hidden()")),
    "a number that the loop gives": ("i", "run.batch)", program("w += i * x", loop="i, x in enumerate(run.batches(data))")),
    "a loop of its own": ("seen", "put it into run.vars", program("pass", after="seen = 0" + OWN_LOOP)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_saved_is_found_and_named(fault, verify):
    name, remedy, text = FAULTS[fault]
    code, told = verify(text)
    assert (code, told["verdict"]) == (1, "differs")
    assert [array["name"] for array in told["differing"]] == ["w"] and told["differing"][0]["type"] == "f64 3"
    assert name in [variable["name"] for variable in told["variables"]]
    [cause] = [cause for cause in told["causes"] if cause.startswith(name + " (script.py:")]
    assert remedy in cause


def test_numbers_that_an_iterator_gives_are_not_named_beside_it(verify):
    _, told = verify(program("i, y = next(numbers); w += i * y",
                             before="import itertools; numbers = enumerate(itertools.cycle([1, 2, 4]))"))
    [cause] = told["causes"]
    assert cause.startswith("numbers (script.py:") and "an iterator starts anew" in cause


def test_an_order_of_the_data_that_is_not_restored_is_found(verify):
    code, told = verify(program("w *= 0.5; w += x", module=SHUFFLED, before="data = Shuffled(data)"))
    assert (code, told["verdict"]) == (1, "differs")
    assert any("the order of the data is not restored" in cause for cause in told["causes"])


def test_state_that_nothing_shows_is_said_to_be_somewhere_else(verify):
    code, told = verify(program(
        "open(f'{run.directory}/{run.block}', 'a').write('x'); w += len(open(f'{run.directory}/{run.block}').read())"))
    assert (code, told["verdict"]) == (1, "differs")
    assert ["nothing that the script's variables show" in cause for cause in told["causes"]] == [True]


GRADIENTS = """
import torch
from libckpt import Run
torch.manual_seed(1)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
run = Run(model=model, optimizer=optimizer)
for epoch in run.epochs(3):
    for number, x in enumerate(run.batches(torch.ones(6, 3)), run.batch):
        model(x).sum().backward()
        if number % 3 == 2:
            optimizer.step()
            optimizer.zero_grad()
"""


def test_gradients_that_are_summed_over_batches_are_named(verify):
    code, told = verify(GRADIENTS)
    assert (code, told["verdict"]) == (1, "differs")
    assert "gradients of model" in told["causes"][0] and "accumulate=N" in told["causes"][0]


ANEW = GRADIENTS[:GRADIENTS.index("        model(x)")] + """\
        optimizer.zero_grad()
        (model(x).sum() * (1 + run.block)).backward()
        optimizer.step()
"""


def test_gradients_that_the_loop_makes_anew_in_each_step_are_not_named_for_a_fault_that_nothing_shows(verify):
    code, told = verify(ANEW)
    assert (code, told["verdict"]) == (1, "differs")
    assert len(told["causes"]) == 1 and told["causes"][0].startswith("nothing that the script's variables show")


REPLACED = """
import torch
from libckpt import Run
torch.manual_seed(1)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
run = Run(model=model, optimizer=optimizer)
for epoch in run.epochs(4):
    if epoch == 1:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for x in run.batches(torch.ones(3, 3)):
        model(x).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
"""


@pytest.mark.parametrize("epoch, steps, stopped", [("== 1", 10, "in the epoch in which it is replaced"), ("== 1", 16, "in a later one"),
                                                   (">= 0", 3, "in the first, at whose beginning it is replaced")])
def test_an_optimizer_that_the_loop_replaces_is_not_asked_for_as_if_run_was_not_given_one(epoch, steps, stopped, verify):
    code, told = verify(REPLACED.replace("== 1", epoch), steps=steps)
    assert (code, told["verdict"]) == (1, "differs")
    assert told["causes"][0].startswith("optimizer (script.py:10)")
    assert "the loop makes another object of it than Run was given: make each before Run(...) and give it all of them" in told["causes"][0]


def test_a_value_from_before_the_loop_is_no_note_where_the_loop_does_not_change_it(verify):
    code, told = verify("""
from libckpt import Run
run = Run(x=[0])
total = run.vars.setdefault("total", 0.0)
count = 0
for step in run.steps(8):
    run.vars["total"] += 1.5
    count += 1
""")
    assert (code, told["verdict"], [one["name"] for one in told["variables"]]) == (0, "exact", ["count"])


OF_A_MODULE = """
import torch
from libckpt import Run
torch.manual_seed(1)
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(3, 1)
        self.optimizer = torch.optim.SGD(self.inner.parameters(), lr=0.1, momentum=0.9)
model = Net()
model._calls = 0                     # which no method names
run = Run(model=model)
for epoch in run.epochs(4):
    for x in run.batches(torch.ones(3, 3)):
        model._calls += 1
        model.optimizer.zero_grad()
        (model._calls * model.inner(x).sum()).backward()
        model.optimizer.step()
"""


def test_what_a_module_holds_is_not_told_to_be_in_its_state_dict_which_is_never_asked(verify):
    code, told = verify(OF_A_MODULE)
    assert (code, told["verdict"]) == (1, "differs")
    [cause, of_optimizer] = told["causes"]
    assert "Run(..., optimizer=model.optimizer)" in of_optimizer
    assert cause.startswith("model._calls (script.py:") and "4 at the stop, 0 after a resume" in cause
    assert "keep it in a buffer (register_buffer), in get_extra_state() and set_extra_state(), or in run.vars" in cause


UNSTEADY = {
    "a time": ("w += time.time()", "", "inside a step: a time"),
    "the seed of hashes": ("w += salt", "salt = hash('salt')", "salt (script.py"),
    "a generator without a seed": ("w += rng.random()", "rng = np.random.default_rng()", "rng (script.py"),
}


@pytest.mark.parametrize("fault", UNSTEADY)
def test_a_program_that_differs_from_itself_cannot_be_judged(fault, verify):
    step, before, named = UNSTEADY[fault]
    code, told = verify(program(step, before=before))
    assert (code, told["verdict"]) == (1, "not deterministic")
    assert told["differing"][0]["name"] == "w" and named in " ".join(told["causes"])


def test_a_start_that_fails_after_a_stop_is_told_with_what_it_printed(verify, script):
    text = program(after="assert not run.resumed, 'never again'")
    code, told = verify(text)
    assert (code, told["verdict"]) == (1, "does not resume")
    shown = script(text, under=["ckptrun", "--verify-resume", "--steps", "4", "--"])
    assert "AssertionError: never again" in shown.stderr and shown.stdout.startswith("does not resume")


def test_a_clean_program_resumes_exactly_and_what_it_loses_beside_its_state_is_noted(verify):
    code, told = verify(program("w += x * rng.random(); shown.append(epoch)", given=", rng=rng",
                                before="rng, shown, begun = random.Random(5), [], time.time()"))
    assert (code, told["verdict"], told["causes"]) == (0, "exact", [])
    assert [(variable["name"], variable["differs_at_end"]) for variable in told["variables"]] == [("shown", True)]


@pytest.mark.parametrize("steps, warned", [(2, True), (STEPS, False)])
def test_where_no_epoch_ended_it_says_that_the_end_of_one_was_not_tried(steps, warned, script):
    result = script(program(), under=["ckptrun", "--verify-resume", "--steps", str(steps), "--"])
    assert result.returncode == 0, result.stderr
    assert ("no epoch ended in these" in result.stderr) == warned


ONCE_PER_EPOCH = """
import random
import numpy as np
from libckpt import Run
rng, w = random.Random(5), np.zeros(1)
run = Run(w=w)
for epoch in run.epochs(3):
    noise = rng.random()
    for x in run.batches(range(6)):
        w += x * noise
"""


@pytest.mark.parametrize("steps, said", [(10, "the stop after 5 steps lay in the first epoch: going on in a later one was not tried; --steps 14 "),
                                         (12, "the stop after 6 steps fell on the end of an epoch")])
def test_where_the_stop_lay_in_the_first_epoch_it_says_which_steps_would_try_a_later_one(steps, said, script):
    result = script(ONCE_PER_EPOCH, under=["ckptrun", "--verify-resume", "--steps", str(steps), "--"])
    assert result.stderr.count("was not tried") == 1 and said in result.stderr


def test_what_is_drawn_once_per_epoch_is_found_where_the_stop_is_in_a_later_one_and_named_before_what_is_drawn(verify):
    code, told = verify(ONCE_PER_EPOCH, steps=14)
    assert (code, told["verdict"]) == (1, "differs") and told["causes"][0].startswith("rng (script.py")


def test_a_program_in_c_is_compared_as_well(bin_directory, environment, tmp_path):
    command = ["ckptrun", "--verify-resume", "--keep-trials", "--", str(bin_directory / "ten_lines"), "1000"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ("resumes exactly: 1 array, the same bytes at step 10 with a stop at step 5 as without one\n")
    assert sorted(path.name for path in (tmp_path / "ckpt-runs").glob("ten_lines.verify-*/*")) == ["resumed", "straight"]


@pytest.mark.parametrize("text, said", [
    ("print('hello')", "opened no run of libckpt"),
    (program("raise OSError('broken')"), "fails without any resume"),
    (program().replace("epochs(4)", "epochs(1)"), "say --steps with less than 8"),
])
def test_what_cannot_be_tried_is_refused_with_the_reason(text, said, script, tmp_path):
    result = script(text, under=["ckptrun", "--verify-resume", "--steps", str(STEPS), "--"])
    assert result.returncode == 125 and said in result.stderr and not list(tmp_path.glob("ckpt-runs*"))


TORCH = """
import numpy as np, torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from libckpt import Run
torch.set_num_threads(1)

class Data(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, i):
        return torch.full((4,), float(i)) {noise}

def main():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.2), nn.Linear(4, 1))
    mean = nn.Linear(4, 4)
    mean.load_state_dict(model[0].state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    own = torch.Generator().manual_seed(1)
    loader = DataLoader(Data(), 4, shuffle=True, num_workers=1)
    run = Run(model=model{given})
    for epoch in run.epochs(4):
        for x in run.batches(loader):
            loss = model(x * (torch.rand(x.shape, generator=own) > 0.2)).square().mean() + mean(x).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for slow, fast in zip(mean.parameters(), model[0].parameters()):
                    slow.lerp_(fast, 0.1)

main()
"""
ALL_GIVEN = ", mean=mean, optimizer=optimizer, own=own"


def test_torch_objects_that_run_was_not_given_are_named(verify):
    code, told = verify(TORCH.format(noise="", given=""))
    assert (code, told["verdict"]) == (1, "differs")
    assert told["differing"][0]["name"].startswith("model/")
    assert {variable["name"]: variable["kind"] for variable in told["variables"]} == {
        "mean": "object", "optimizer": "object", "own": "generator"}


def test_a_worker_without_a_seed_is_no_fault_of_the_resume(verify):
    code, told = verify(TORCH.format(noise="* np.random.default_rng().random()", given=ALL_GIVEN))
    assert (code, told["verdict"]) == (1, "not deterministic")
    assert "its workers draw random numbers, without a seed" in told["causes"][0]


@pytest.mark.parametrize("first", ["import torch", "import libckpt"])
def test_a_torch_training_without_a_seed_gets_one(first, verify):
    text = TORCH.format(noise="* torch.rand(1)", given=ALL_GIVEN).replace("    torch.manual_seed(3)\n", "")
    code, told = verify(f"{first}\n{text}")
    assert (code, told["verdict"]) == (0, "exact"), told


PERSISTENT = TORCH.format(noise="* torch.rand(1)", given=ALL_GIVEN).replace("num_workers=1", "num_workers=1, persistent_workers=True")


def test_random_numbers_of_persistent_workers_are_named_as_such_and_what_to_do(verify):
    code, told = verify(PERSISTENT)
    assert (code, told["verdict"]) == (1, "differs")
    assert "the workers of 'batches' are persistent, and the random numbers that they draw are not restored" in told["causes"][0]


def test_a_torch_training_with_workers_resumes_exactly(verify):
    code, told = verify(TORCH.format(noise="* torch.rand(1)", given=ALL_GIVEN))
    assert (code, told["verdict"], told["variables"]) == (0, "exact", []), told
