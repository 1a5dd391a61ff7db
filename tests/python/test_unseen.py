# SPDX-License-Identifier: Apache-2.0
"""What moves beside the run is told: a resume would begin it anew."""
import contextlib
import itertools
import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader


def told(capfd, run, loop):
    with contextlib.suppress(StopIteration):
        loop(run)
    return capfd.readouterr().err


def test_a_generator_made_in_an_epoch_is_told(open_run, capfd):
    def loop(run):
        for _ in run.epochs(1):
            run.vars.setdefault("late", np.random.default_rng(1)).random()
            for _ in run.batches([1, 2, 3]):
                pass
    assert "vars.late: a random generator that was made in the epoch" in told(capfd, open_run(), loop)


def endless(loader):
    while True:
        yield from loader


class Holder:
    pass


@pytest.mark.parametrize("make", [
    lambda loader: iter(loader), endless, lambda loader: enumerate(endless(loader)),
    lambda loader: itertools.cycle(loader), lambda loader: zip(range(9), endless(loader)),
])
@pytest.mark.parametrize("is_attribute", [False, True])
def test_an_iterator_over_a_loader_that_the_run_does_not_see_is_told(make, is_attribute, open_run, capfd):
    def loop(run):
        batches, own = make(DataLoader([1, 2, 3, 4])), Holder()
        if is_attribute:
            own.batches, batches = batches, None
        for _ in run.steps(4):
            next(own.batches if is_attribute else batches)
    name = "own.batches" if is_attribute else "batches"
    err = told(capfd, open_run(), loop)
    assert err.count(f"loop.{name}: an iterator over a loader which the run does not see") == 1


def of_the_run(run, loader):
    batches = iter(run.batches(endless(loader)))
    for _ in run.steps(4):
        next(batches)


def of_another_time(run, loader):
    batches = iter(loader)
    next(batches)
    for _ in run.steps(4):
        pass


def made_anew(run, loader):
    for _ in run.steps(4):
        batches = iter(loader)
        next(batches)


def of_an_epoch(run, loader):
    for _ in run.epochs(2):
        for _ in run.batches(loader):
            pass


@pytest.mark.parametrize("loop", [of_the_run, of_another_time, made_anew, of_an_epoch])
def test_no_iterator_is_told_that_a_resume_needs_not_have(loop, open_run, capfd):
    assert "which the run does not see" not in told(capfd, open_run(), lambda run: loop(run, DataLoader([1, 2, 3, 4])))


GENERATORS = {
    "numpy": (lambda: np.random.default_rng(1), lambda one: one.random()),
    "legacy": (lambda: np.random.RandomState(1), lambda one: one.rand()),
    "python": (lambda: random.Random(1), lambda one: one.random()),
    "torch": (lambda: torch.Generator().manual_seed(1), lambda one: torch.rand(1, generator=one)),
}


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("is_given", [False, True])
def test_a_generator_that_the_loop_draws_from_and_run_was_not_given_is_told(kind, is_given, open_run, capfd):
    make, draw = GENERATORS[kind]
    numbers = make()

    def loop(run):
        mixing = numbers
        for _ in run.epochs(1):
            for _ in run.batches([1, 2, 3]):
                draw(mixing)
    err = told(capfd, open_run(**({"numbers": numbers} if is_given else {})), loop)
    assert err.count("loop.mixing: a random generator which Run was not given") == (0 if is_given else 1)
    assert ("Run(..., mixing=...)" in err) != is_given


def test_no_generator_is_told_that_a_loader_holds_or_that_rests(open_run, capfd):
    def loop(run):
        order, rests, seeded = torch.Generator(), random.Random(1), torch.Generator()
        loader = DataLoader([1, 2, 3, 4], shuffle=True, generator=order)
        for _ in run.epochs(2):
            for _ in run.batches(loader):
                assert rests is not None
                torch.rand(1, generator=seeded.manual_seed(run.step))
    assert "a random generator" not in told(capfd, open_run(), loop)


class Settings(dict):
    """Whose items are its attributes, and which knows no others."""
    __getattr__ = dict.__getitem__


def test_a_variable_that_cannot_tell_what_attributes_it_has_is_passed_over(open_run, capfd):
    def loop(run):
        settings, model = Settings(rate=0.1), torch.nn.Linear(1, 1)
        model.settings = settings
        for _ in run.epochs(1):
            for _ in run.batches([1, 2, 3]):
                assert settings.rate == 0.1
    assert "Error" not in told(capfd, open_run(settings_of_the_script=Settings(rate=0.1)), loop)
