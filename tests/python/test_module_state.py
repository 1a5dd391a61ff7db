# SPDX-License-Identifier: Apache-2.0
"""What is saved and restored of a torch module."""

import dataclasses
import enum
import os
import typing

import libckpt
import numpy as np
import pytest
import torch
from restored import save_and_restore
from torch import nn


class Remembering(nn.Module):
    """What training changes in plain attributes."""

    def __init__(self, seed):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.hidden = (torch.zeros(2), torch.zeros(2))
        self.memories, self.cache, self.counts, self.last = [], {}, np.zeros(2), None
        self.sizes, self.rate = [2, 2], (0.5, seed)           # the script's
        self.torch_generator, self.numpy_generator = torch.Generator().manual_seed(seed), np.random.default_rng(seed)

    def train_a_little(self):
        self.last = self.layer(torch.ones(2))                 # with its graph: it is detached when it is used next
        self.hidden = (self.last.detach(), torch.randn(2))
        self.memories.append(torch.randn(2))
        self.cache["key"] = self.memories[0]
        self.counts += 1
        torch.rand(1, generator=self.torch_generator), self.numpy_generator.random()


def test_what_a_module_remembers_in_plain_attributes_comes_back(open_run):
    model, again = nn.Sequential(Remembering(1)), nn.Sequential(Remembering(2))
    model[0].train_a_little()
    save_and_restore(open_run, {"model": model}, {"model": again})
    one, other = model[0], again[0]
    assert torch.equal(one.last, other.last) and not other.last.requires_grad
    assert all(map(torch.equal, one.hidden, other.hidden)) and torch.equal(one.memories[0], other.memories[0])
    assert other.cache["key"] is other.memories[0] and other.counts.tolist() == [1, 1]
    assert torch.equal(one.torch_generator.get_state(), other.torch_generator.get_state())
    assert one.numpy_generator.random() == other.numpy_generator.random()
    assert other.sizes == [2, 2] and other.rate == (0.5, 2)


def test_a_buffer_that_has_grown_comes_back_in_its_size(open_run):
    model, again = nn.Linear(2, 2), nn.Linear(2, 2)
    model.register_buffer("cache", torch.ones(5), persistent=False)
    again.register_buffer("cache", torch.zeros(2), persistent=False)
    save_and_restore(open_run, {"model": model}, {"model": again})
    assert again.cache.tolist() == [1] * 5


def test_parameters_that_training_has_unfrozen_stay_so_and_the_others_are_the_scripts(open_run):
    model, again = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    for module in (model, again):
        module[0].requires_grad_(False)
    again[1].bias.requires_grad_(False)             # the script was changed
    save_and_restore(open_run, {"model": model}, {"model": again}, lambda: model[0].weight.requires_grad_(True))
    assert [parameter.requires_grad for parameter in again.parameters()] == [True, False, True, False]


def test_wrappers_leave_no_trace_in_the_names(open_run, tmp_path):
    compiled = torch.compile(nn.Linear(2, 2))
    inside = nn.DataParallel(nn.Sequential(torch.compile(nn.Linear(2, 2))))
    live = {"a": nn.Linear(2, 2), "b": nn.Sequential(nn.Linear(2, 2))}
    save_and_restore(open_run, {"a": compiled, "b": inside}, live)
    assert torch.equal(live["a"].weight, compiled._orig_mod.weight)
    names = [name for name in libckpt.open(tmp_path / "run") if name[0] in "ab"]
    assert names == ["a/bias", "a/weight", "b/0.bias", "b/0.weight"]


class Masked(nn.Linear):
    def __init__(self, value):
        super().__init__(2, 2)
        self.register_buffer("mask", torch.full((1, 2), value).expand(3, 2))
        self.register_buffer("quiet", torch.full((1, 1), value).expand(3, 2), persistent=False)
        self.scale = torch.full((2,), value).expand(3, 2)


def test_tensors_that_expand_has_made_come_back_and_into_them_only_what_they_can_show(open_run, tmp_path):
    model, again, given = Masked(1.0), Masked(0.0), torch.zeros(2).expand(3, 2)
    mask = again.mask
    save_and_restore(open_run, {"model": model, "x": torch.ones(2).expand(3, 2)}, {"model": again, "x": given})
    assert again.mask is mask and all(torch.equal(tensor, torch.ones(3, 2)) for tensor in (again.mask, again.quiet, again.scale, given))
    with pytest.raises(libckpt.Error, match="holds different numbers in the snapshot"):
        save_and_restore(open_run, {"x": torch.arange(6.0).view(3, 2)}, {"x": torch.zeros(2).expand(3, 2)}, directory=tmp_path / "other")


def test_a_counter_of_a_wrapper_comes_back_where_it_is_wrapped_again(open_run):
    wrapped, again, bare = nn.DataParallel(nn.Linear(2, 2)), nn.DataParallel(nn.Linear(2, 2)), nn.Linear(2, 2)
    wrapped.seen = again.seen = 0
    save_and_restore(open_run, {"model": wrapped}, {"model": again}, lambda: setattr(wrapped, "seen", 5)).close()
    open_run(model=bare)
    assert again.seen == 5 and not hasattr(bare, "seen") and torch.equal(bare.weight, wrapped.module.weight)


class Lookahead(torch.optim.SGD):
    def __init__(self, parameters):
        super().__init__(parameters, 0.1)
        self.counter, self.every = 0, 5

    def step(self, closure=None):
        self.counter += 1
        return super().step(closure)


def test_what_an_optimizer_of_ones_own_counts_comes_back(open_run):
    optimizer, again = (Lookahead(nn.Linear(2, 2).parameters()) for _ in range(2))
    again.every = 7                                # the script was changed
    save_and_restore(open_run, {"optimizer": optimizer}, {"optimizer": again}, optimizer.step)
    assert (again.counter, again.every) == (1, 7)


def test_a_run_begins_before_a_lazy_module_is_made(open_run):
    def objects():
        model = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
        return {"model": model, "optimizer": torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)}
    first = objects()
    run = open_run(**first)
    for _ in range(2):
        first["model"](torch.ones(4, 2)).pow(2).sum().backward()
        first["optimizer"].step()
    run._session.save(run.step + 1)
    run.close()
    second = objects()
    open_run(**second)
    for name, tensor in first["model"].state_dict().items():
        assert torch.equal(second["model"].state_dict()[name], tensor), name
    assert torch.equal(second["optimizer"].state_dict()["state"][0]["momentum_buffer"],
                       first["optimizer"].state_dict()["state"][0]["momentum_buffer"])


def test_a_lazy_module_gets_the_shape_of_the_snapshot(open_run):
    trained = nn.LazyLinear(3)
    trained(torch.zeros(1, 5))
    fresh = nn.LazyLinear(3)
    save_and_restore(open_run, {"m": trained}, {"m": fresh})
    assert torch.equal(fresh.weight, trained.weight)


@pytest.mark.parametrize("other, said", [
    ({"model": nn.Linear(2, 4)}, "holds"), ({"model": nn.Linear(2, 3), "more": [1]}, "'more', which the snapshot does not hold"),
    ({"models": nn.Linear(2, 3)}, "'model', which Run was not given"), ({"model": nn.Linear(2, 3, bias=False)}, "model/bias"),
    ({"model": nn.Linear(2, 3).double()}, "model/"), ({"model": nn.Sequential(nn.Linear(2, 3))}, "model/"),
])
def test_another_structure_is_refused_naming_both(other, said, open_run):
    with pytest.raises(libckpt.Error, match=said):
        save_and_restore(open_run, {"model": nn.Linear(2, 3)}, other)


class Options(dict):
    """As people write it."""
    __getattr__ = dict.__getitem__


class Phase(enum.Enum):
    first, second = 1, 2


class Place(typing.NamedTuple):
    row: int
    losses: list


class Counting(nn.Linear):
    def __init__(self, rate=0.5):
        super().__init__(2, 2)
        self.seen, self.rate, self.worst, self.stage, self.losses = 0, rate, float("nan"), "warm", []
        self.best, self.of_epochs, self.sizes, self._own = None, {"loss": []}, [2, 2], 0
        self.options, self.phase, self.place = Options(width=2), Phase.first, Place(0, [])

    def count(self):
        self.seen += 1
        self._own += 1
        self.losses.append(0.5)
        self.of_epochs["loss"].append([self.seen, np.float32(0.25)])
        self.best, self.stage, self.late, self.phase = 0.5, "hot", (1, 2), Phase.second
        self.place = Place(self.seen, [*self.place.losses, 0.5])


def count_twice(open_run, model, again):
    """With a save after each."""
    run = open_run(model=model)
    for _ in range(2):
        model[0].count()
        run.point()
        run._session.save(run.step)
    run.close()
    open_run(model=again)


def test_plain_attributes_of_a_module_that_training_has_changed_come_back_and_the_others_are_the_scripts(open_run):
    model, again = nn.Sequential(Counting()), nn.Sequential(Counting(rate=0.1))
    kept = again[0].losses
    count_twice(open_run, model, again)
    found = again[0]
    assert (found.seen, found.losses, found.best, found.stage, found.late) == (2, [0.5, 0.5], 0.5, "hot", (1, 2))
    assert found.of_epochs == {"loss": [[1, 0.25], [2, 0.25]]} and found.losses is kept
    assert (found.rate, found.sizes, found._own) == (0.1, [2, 2], 2)
    assert found.phase is Phase.second and found.options.width == 2 and found.place == Place(2, [0.5, 0.5])


def test_what_a_library_keeps_under_an_underscore_stays_as_the_library_makes_it(open_run):
    model, again = Counting(), Counting()
    model._of_library, again._of_library = {id(model): "metric"}, {id(again): "metric"}
    save_and_restore(open_run, {"model": model}, {"model": again}, lambda: model._of_library.update({1: "loss"}))
    assert again._of_library == {id(again): "metric"}


class Meter:
    def __init__(self, momentum=0.5):
        self.momentum, self.total, self.count, self.memory = momentum, 0.0, 0, []

    def add(self, value):
        self.total += value

    def tick(self):
        self.count += 1

    def keep(self, values):
        self.memory.extend(values)


@dataclasses.dataclass
class Stage:
    number: int = 0


class Flags(enum.Flag):
    a, b, c = 1, 2, 4


SHARED = Meter()


class Metered(nn.Linear):
    def __init__(self, momentum=0.5):
        super().__init__(2, 2)
        self.meter, self.stage, self.replaced, self.other = Meter(momentum), Stage(), SHARED, Meter()
        self.phase, self.flags = Phase.first, Flags.a

    def count(self):
        self.meter.add(1.5)
        self.meter.tick()
        self.stage.number += 1
        self.replaced = Meter()
        self.replaced.tick()
        self.other = Stage(5)
        self.phase, self.flags = Phase.second, Flags.a | Flags.c


def test_objects_of_the_scripts_own_that_a_module_holds_come_back_as_training_has_changed_them(open_run):
    model, again = nn.Sequential(Metered()), nn.Sequential(Metered(momentum=0.1))
    meter, other = again[0].meter, again[0].other
    count_twice(open_run, model, again)
    found = again[0]
    assert found.meter is meter and (meter.total, meter.count, meter.momentum) == (3.0, 2, 0.1)
    assert found.stage.number == 2 and found.replaced.count == 1
    assert found.other == Stage(5) and vars(other) == vars(Meter())          # one of another class stands there
    assert vars(SHARED) == vars(Meter())                                     # another object had taken its place
    assert found.phase is Phase.second and found.flags is Flags.a | Flags.c
    assert [(one.name, one.value) for one in (*Phase, *Flags)] == [("first", 1), ("second", 2), ("a", 1), ("b", 2), ("c", 4)]


def test_what_grows_large_in_an_object_that_a_module_holds_is_told_once(open_run, capfd):
    model = Metered()
    run = open_run(model=model)
    model.meter.keep(range(1000))
    for _ in range(2):
        run.point()
        run._session.save(run.step)
    err = capfd.readouterr().err
    assert err.count("not saved of model.meter (Meter): memory, too large by now") == 1


@pytest.mark.parametrize("is_given", [True, False])
def test_an_optimizer_inside_a_module_that_run_was_not_given_is_told_at_the_start(is_given, open_run, capfd):
    agent = nn.Linear(2, 2)
    agent.optimizers = {"actor": torch.optim.Adam(agent.parameters())}
    open_run(agent=agent, **({"optimizer": agent.optimizers["actor"]} if is_given else {}))
    assert ("agent.optimizers['actor'] (Adam) has a state of its own, which is not saved" in capfd.readouterr().err) != is_given


def test_what_the_first_of_two_runs_in_a_notebook_has_trained_comes_back(open_run, monkeypatch):
    monkeypatch.setattr(libckpt._run, "in_notebook", lambda: True)
    model, again = Counting(), Counting()
    for seen in (1, 2):
        run = open_run(model=model)
        if seen == 1:
            model.count()
            model.bias.requires_grad_(False)
        run.point()
        run._session.save(run.step)
    run.close()
    monkeypatch.setattr(libckpt._run, "in_notebook", lambda: False)
    open_run(model=again)
    assert (again.seen, again.stage, again.bias.requires_grad) == (1, "hot", False)


class Reading(nn.Module):
    """Opens a file when it needs it."""

    def __init__(self):
        super().__init__()
        self.calls, self.descriptor = 0, None

    def forward(self, x):
        self.calls += 1
        if self.descriptor is None:
            self.descriptor = os.open(os.devnull, os.O_RDONLY)
        return x


def test_the_number_of_an_open_file_does_not_come_back(open_run):
    model, again = Reading(), Reading()
    save_and_restore(open_run, {"model": model}, {"model": again}, lambda: model(1))
    os.close(model.descriptor)
    assert (again.calls, again.descriptor) == (1, None)


def test_fine_tuning_takes_no_counters(open_run, tmp_path):
    model, again = Counting(), Counting()
    run = open_run(model=model)
    model.count()
    run.finish()
    open_run(directory=tmp_path / "tuned", model=again, init_from=tmp_path / "run")
    assert torch.equal(again.weight, model.weight) and (again.seen, again.losses) == (0, [])


def test_a_module_that_changes_its_type_after_run_comes_back_in_that_type(open_run):
    def made():
        model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        return model, torch.optim.Adam(model.parameters())
    (model, optimizer), (again, its_optimizer) = made(), made()
    weight = again[0].weight
    run = open_run(model=model, optimizer=optimizer)
    model.to(torch.float64)
    model(torch.ones(3, 2, dtype=torch.float64)).sum().backward()
    optimizer.step()
    run.point()
    run._session.save(run.step)
    run.close()
    open_run(model=again, optimizer=its_optimizer)
    again.to(torch.float64)
    assert again[0].weight is weight and torch.equal(weight, model[0].weight) and torch.equal(again[1].running_mean, model[1].running_mean)
    assert its_optimizer.state[weight]["exp_avg"].dtype is torch.float64


def test_gradients_are_not_saved(open_run, tmp_path):
    model = nn.Linear(2, 2)
    model(torch.ones(2)).sum().backward()
    run = open_run(model=model)
    run.point()
    run.finish()
    assert not [name for name in libckpt.open(tmp_path / "run") if "grad" in name]
