# SPDX-License-Identifier: Apache-2.0
"""What a torch module keeps in lists, dicts and objects, and modules that it hides from its state_dict()."""
import collections
import copy
import dataclasses
import enum
import pathlib
import types

import libckpt
import pytest
import torch
from libckpt._attributes import renew_objects
from libckpt._tree import Reader
from restored import save_and_restore
from torch import nn


class Meter:
    def __init__(self, momentum=0.5):
        self.momentum, self.count, self.inner = momentum, 0, None

    def tick(self):
        self.count += 1
        return self


class Phase(enum.Enum):
    first = 1


class Keeper(nn.Linear):
    """Its attributes are given to it."""

    def __init__(self, **attributes):
        super().__init__(2, 2)
        for name, value in attributes.items():
            object.__setattr__(self, name, value)         # which registers no module


def after_training(open_run, train, **attributes):
    """The attributes of a module that was made as the one that was trained, and restored."""
    model, again = Keeper(**copy.deepcopy(attributes)), Keeper(**copy.deepcopy(attributes))
    save_and_restore(open_run, {"model": model}, {"model": again}, lambda: train(model))
    return again


HOLDERS = {
    "in a list": ([Meter(), Meter()], lambda kept: kept[1]),
    "in a tuple": ((Meter(),), lambda kept: kept[0]),
    "in a dict": ({"train": Meter(), 3: 1}, lambda kept: kept["train"]),
    "in a defaultdict": (collections.defaultdict(Meter, a=Meter()), lambda kept: kept["a"]),
    "in an ordered dict": (collections.OrderedDict(a=Meter()), lambda kept: kept["a"]),
    "in a nest": ({"a": [{"b": Meter()}]}, lambda kept: kept["a"][0]["b"]),
    "in an object": (types.SimpleNamespace(meters=[Meter()]), lambda kept: kept.meters[0]),
}


@pytest.mark.parametrize("place", HOLDERS)
def test_objects_of_the_scripts_own_come_back_wherever_a_module_keeps_them(place, open_run):
    kept, find = HOLDERS[place]
    assert find(after_training(open_run, lambda model: find(model.kept).tick(), kept=kept).kept).count == 1


def test_an_attribute_of_such_an_object_that_training_has_not_changed_is_the_scripts(open_run):
    model, again = Keeper(kept=[Meter(0.5)]), Keeper(kept=[Meter(0.1)])
    save_and_restore(open_run, {"model": model}, {"model": again}, lambda: model.kept[0].tick())
    assert (again.kept[0].momentum, again.kept[0].count) == (0.1, 1)


def test_a_namespace_counts(open_run):
    def train(model):
        model.kept.step += 1
    assert after_training(open_run, train, kept=types.SimpleNamespace(step=0)).kept.step == 1


def test_a_teacher_that_a_module_hides_comes_back_and_is_no_part_of_its_state_dict(open_run, tmp_path):
    def train(model):
        for teacher in (model.listed[0], model.hidden, model.ema.model):
            teacher.weight.data.fill_(7)
            teacher.running.add_(1)

    def teacher():
        made = nn.Linear(2, 2)
        made.register_buffer("running", torch.zeros(1))
        return made
    again = after_training(open_run, train, listed=[teacher()], hidden=teacher(), ema=types.SimpleNamespace(model=teacher()))
    for made in (again.listed[0], again.hidden, again.ema.model):
        assert made.weight.eq(7).all() and made.running.item() == 1
    with libckpt.open(libckpt.latest(tmp_path / "run")) as snapshot:
        assert set(snapshot.state_dict("model")) == {"weight", "bias"}
        assert "model/listed[0].weight" in snapshot


def test_a_module_that_is_given_and_kept_in_another_comes_once(open_run, tmp_path):
    student, teacher = Keeper(), nn.Linear(2, 2)
    student.teachers, student.itself = [teacher], [student]
    run = open_run(student=student, teacher=teacher)
    run.point()
    run._session.save(run.step)
    run.close()
    with libckpt.open(libckpt.latest(tmp_path / "run")) as snapshot:
        assert len([name for name in snapshot if name.endswith("weight")]) == 2
        assert set(snapshot.state_dict("teacher")) == {"weight", "bias"} == set(snapshot.state_dict("student"))


class Average:
    def __init__(self, size):
        self.shadow = {"weight": torch.zeros(size)}


@pytest.mark.parametrize("size", [3, 30_000])
def test_tensors_of_an_object_come_back_however_large(size, open_run):
    assert after_training(open_run, lambda model: model.ema.shadow["weight"].data.fill_(3), ema=Average(size)).ema.shadow["weight"].eq(3).all()


@dataclasses.dataclass
class Experience:
    reward: float
    state: torch.Tensor | None = None


class Record:
    def __init__(self, reward):
        self.reward = reward


@pytest.mark.parametrize("made", [Record(2.5), Experience(2.5), Experience(2.5, torch.ones(2))])
@pytest.mark.parametrize("container", [[], collections.deque()])
def test_records_that_training_appends_come_back(made, container, open_run, capfd):
    again = after_training(open_run, lambda model: model.memory.extend([made, copy.copy(made)]), memory=container)
    assert [(type(one), one.reward) for one in again.memory] == [(type(made), 2.5)] * 2
    assert "warning" not in capfd.readouterr().err


def test_records_in_several_places_come_back_after_every_stop(open_run):
    """The best of those in a list, a dict and a short deque, which training fills further in each block."""
    def train(model, number):
        record = Record(number)
        model.listed += [record, number]
        model.named[number], model.last[:] = record, [*model.last[-1:], record]
        model.recent.append(record)
        model.best = model.listed[0]

    def made():
        return Keeper(best=None, listed=[], named={}, recent=collections.deque(maxlen=2), last=[])
    models = [made() for _ in range(4)]
    for number, model in enumerate(models[:3]):
        run = open_run(model=model)
        train(model, number)
        run.point()
        run._session.save(run.step)
        run.close()
    found = models[3]
    open_run(model=found)
    assert [one if isinstance(one, int) else one.reward for one in found.listed] == [0, 0, 1, 1, 2, 2]
    assert {key: one.reward for key, one in found.named.items()} == {0: 0, 1: 1, 2: 2}
    assert [one.reward for one in found.recent] == [one.reward for one in found.last] == [1, 2]
    assert found.best is found.listed[0] and found.recent[1] is found.last[1] is found.listed[4]


def test_a_part_of_a_record_that_cannot_be_saved_is_none(open_run):
    def train(model):
        model.memory.append(Experience(2.5, pathlib.Path("x")))
        model.paths.add(pathlib.Path("y"))
    again = after_training(open_run, train, memory=[], paths=set())
    assert again.memory == [Experience(2.5, None)] and again.paths == {None}


def test_records_that_cannot_be_made_again_are_told_and_leave_no_gap(open_run, capfd):
    class Local(Record):
        pass
    again = after_training(open_run, lambda model: (model.memory.append(Local(1)), model.many.extend(map(Record, range(200)))), memory=[1, 2], many=[])
    assert again.memory == [1, 2] and again.many == []
    err = capfd.readouterr().err
    assert err.count("model.memory[2] (Local) was made in training, and cannot be made from a snapshot") == 1
    assert err.count("not saved of model.many: objects of the script's own, of which there are more than 100") == 1


def test_a_meter_that_a_defaultdict_makes_in_training_comes_back(open_run):
    assert after_training(open_run, lambda model: model.meters["loss"].tick(), meters=collections.defaultdict(Meter)).meters["loss"].count == 1


@pytest.mark.parametrize("make", [
    lambda model: model.pool.append(nn.Linear(2, 2)), lambda model: object.__setattr__(model, "best", nn.Linear(2, 2)),
    lambda model: vars(model.ema).update(shadow=nn.Linear(2, 2)),
])
def test_a_module_that_training_makes_and_hides_is_told_and_the_run_goes_on(make, open_run, capfd):
    again = after_training(open_run, make, pool=[], best=None, ema=types.SimpleNamespace(shadow=None))
    assert (again.pool, again.best, again.ema.shadow) == ([], None, None)
    assert capfd.readouterr().err.count("is a module that training has made, so it is not saved") == 1


def test_a_copy_in_place_of_a_hidden_teacher_comes_back(open_run):
    def train(model):
        model.teachers[0] = copy.deepcopy(model.teachers[0])
        model.teachers[0].weight.data.fill_(7)
    assert after_training(open_run, train, teachers=[nn.Linear(2, 2)]).teachers[0].weight.eq(7).all()


def test_an_object_that_is_made_when_it_is_first_needed_comes_back(open_run):
    def train(model):
        model.meter, model.late = Meter().tick(), Meter().tick()
        model.meter.inner = Meter().tick()
    again = after_training(open_run, train, meter=None)
    assert again.meter.count == again.late.count == again.meter.inner.count == 1


def test_an_object_that_takes_the_place_of_two_is_one(open_run):
    def train(model):
        model.one = model.other["also"] = Meter().tick()
    first = Meter()
    again = after_training(open_run, train, one=first, other={"also": first})
    assert again.one is again.other["also"] and again.one.count == 1


def test_what_the_first_lines_of_an_epoch_put_there_is_filled_where_it_stands(open_run):
    seen = []
    for stop_at in (2, None):
        model = Keeper(meter=None)
        run = open_run(model=model)
        try:
            for _ in run.epochs(1):
                meter = model.meter = Meter()
                for _ in run.batches([1, 2, 3, 4]):
                    seen.append(meter.tick().count)
                    assert model.meter is meter
                    if len(seen) == stop_at:
                        run.stop()
        except libckpt.Stopped:
            run.close()
    assert seen == [1, 2, 3, 4]


UNSAVABLE = {"path": pathlib.Path("x"), "device": torch.device("cpu"), "function": torch.tanh, "dtype": torch.float32}


@pytest.mark.parametrize("beside", UNSAVABLE)
def test_a_counter_comes_back_whatever_stands_beside_it(beside, open_run):
    def train(model):
        model.kept["n"] += 1
    again = after_training(open_run, train, kept={"n": 0, beside: UNSAVABLE[beside]})
    assert again.kept == {"n": 1, beside: UNSAVABLE[beside]}


def test_a_counter_comes_back_however_deep_it_is(open_run):
    def train(model):
        model.kept["a"][0]["b"]["c"][0]["d"] += 1
    assert after_training(open_run, train, kept={"a": [{"b": {"c": [{"d": 0}]}}]}).kept == {"a": [{"b": {"c": [{"d": 1}]}}]}


def test_what_contains_itself_stops_nothing(open_run):
    kept = {"n": 0, "list": [1]}
    kept["itself"] = kept
    kept["list"] += [kept["list"]] * 3

    def train(model):
        model.kept["n"] += 1
        model.count += 1
    assert after_training(open_run, train, kept=kept, count=0).count == 1


class Policy:
    """Counts in the method that keeps something else."""

    def __init__(self):
        self.kept, self.count = None, 0

    def act(self, kept):
        self.kept = kept
        self.count += 1


@pytest.mark.parametrize("kept", [iter([1]), torch.distributions.Normal(0, 1), lambda: 1, torch.ones(2, requires_grad=True) * 2])
def test_an_object_counts_whatever_it_keeps_beside(kept, open_run):
    model, again = Keeper(policy=Policy()), Keeper(policy=Policy())
    save_and_restore(open_run, {"model": model}, {"model": again}, lambda: model.policy.act(kept))
    assert again.policy.count == 1


def test_what_an_object_changes_with_an_open_file_is_the_scripts(open_run, tmp_path):
    model, again = Keeper(policy=Policy()), Keeper(policy=Policy())
    with open(tmp_path / "log", "w") as file:
        save_and_restore(open_run, {"model": model}, {"model": again}, lambda: model.policy.act(file))
    assert (again.policy.kept, again.policy.count) == (None, 0)


class Trainer:
    def __init__(self):
        self.run, self.steps = None, 0

    def fit(self, make):
        self.run = make()
        self.steps += 1


def test_a_trainer_that_keeps_its_run_counts(open_run):
    first, again = Keeper(trainer=Trainer()), Keeper(trainer=Trainer())
    first.trainer.fit(lambda: open_run(model=first))
    first.trainer.run.point()
    first.trainer.run._session.save(1)
    first.trainer.run.close()
    open_run(model=again)
    assert again.trainer.steps == 1


def test_a_memory_bank_comes_back_wherever_it_is_filled(open_run):
    def train(model):
        model.bank[140] = torch.ones(2)
    again = after_training(open_run, train, bank=[None] * 150)
    assert again.bank[140].tolist() == [1, 1] and again.bank[:140] == [None] * 140


def test_data_in_an_object_that_is_indexed_is_not_saved_with_the_module(open_run, tmp_path):
    class Data:
        def __init__(self):
            self.x = torch.zeros(5000)

        def __getitem__(self, index):
            return self.x[index]
    run = open_run(model=Keeper(data=Data()))
    run.point()
    run._session.save(run.step)
    run.close()
    with libckpt.open(libckpt.latest(tmp_path / "run")) as snapshot:
        assert not any("data" in name for name in snapshot)


@pytest.mark.parametrize("forged", [
    {"class": "subprocess:Popen", "ways": [["", "late"]]},                        # no class of the script's own
    {"class": f"{__name__}:Phase", "ways": [["", "late"]]},                       # one whose members are all there are
    {"class": f"{__name__}:Meter", "ways": [["nowhere", "late"]]},
    {"class": f"{__name__}:Meter", "ways": [["", "weight_names", 10**9]]},        # nothing is as long
    {"class": f"{__name__}:Meter", "ways": [["", "training"]]},                   # something else stands there
])
def test_a_forged_place_or_class_makes_nothing(forged):
    model = Keeper(weight_names=["a"])
    before = dict(vars(model))
    renew_objects(Reader({}), ("model",), model, {"late": {"attributes": {}, "anew": True} | forged})
    assert vars(model) == before and model.weight_names == ["a"]
