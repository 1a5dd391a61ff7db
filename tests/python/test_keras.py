# SPDX-License-Identifier: Apache-2.0
"""A fit() of Keras that is stopped or killed and continued ends in the same bits as one that is not."""
import random

import keras_training as training
import libckpt
import pytest
from keras.callbacks import (Callback, CallbackList, EarlyStopping, LambdaCallback, LearningRateScheduler, ReduceLROnPlateau,
                             SwapEMAWeights)
from libckpt.keras import Checkpoint, Variables


class StopInEachEpoch(Callback):
    def __init__(self, checkpoint):
        super().__init__()
        self.checkpoint = checkpoint

    def on_epoch_end(self, epoch, logs=None):
        self.checkpoint.run.stop("the test says so")


@pytest.fixture
def checkpoint(tmp_path):
    return lambda: Checkpoint(directory=tmp_path / "run", settings={"allow_volatile": "on"})


def chain(checkpoint, before=(), after=(), **arguments):
    """Blocks of an epoch until fit() ends by itself; how many, and the model. Other callbacks are made anew in each."""
    for block in range(1, 10):
        own = checkpoint()
        callbacks = [*[make() for make in before], own, StopInEachEpoch(own), *[make() for make in after]]
        try:
            model = training.fit(callbacks, 7 if block == 1 else 1000 + block, **arguments)
        except libckpt.Stopped as stopped:
            assert stopped.code == 85
            continue
        own.run.finish()
        return block, model
    raise AssertionError("it made no progress")


def test_a_fit_stopped_after_every_epoch_ends_in_the_same_bits(checkpoint):
    expected = training.result(training.fit([], 7))
    blocks, model = chain(checkpoint)
    assert blocks == 6
    assert training.result(model) == expected


def test_a_fit_that_begins_at_a_later_epoch_does_only_those_that_are_left(checkpoint):
    later, seen = {"initial_epoch": 3, "epochs": 6}, []
    expected = training.result(training.fit([], 7, **later))
    blocks, model = chain(checkpoint, after=[lambda: LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))], **later)
    assert blocks == 3 and seen == [3, 4, 5]
    assert training.result(model) == expected


def waiting():
    return EarlyStopping("val_loss", min_delta=0.05, patience=2, restore_best_weights=True)


def lowering():
    return ReduceLROnPlateau("loss", factor=0.5, patience=2, min_delta=0.1, cooldown=1)


@pytest.mark.parametrize("others", [[waiting, lowering], [lambda: SwapEMAWeights(swap_on_epoch=True)]])
@pytest.mark.parametrize("is_first", [True, False])
def test_callbacks_that_count_or_wait_go_on(others, is_first, checkpoint):
    average = {"make": training.make_averaged, "epochs": 9}
    plain = training.fit([make() for make in others], 7, **average)
    _, model = chain(checkpoint, **{"after" if is_first else "before": others}, **average)
    assert training.result(model) == training.result(plain)
    assert model.history.epoch == plain.history.epoch and model.history.history == plain.history.history


def test_the_history_is_whole_also_where_nothing_was_left_to_do(checkpoint):
    for seed in (7, 1000):
        own = checkpoint()
        assert len(training.fit([own], seed).history.history["val_loss"]) == 6
        own.run.close()


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("steps", [5, 2, 3])
def test_passes_through_the_data_that_do_not_end_with_an_epoch_go_on(steps, checkpoint):
    """Of five batches: one is left over in each epoch, or each second epoch ends early."""
    expected = training.result(training.fit([], 7, steps_per_epoch=steps))
    blocks, model = chain(checkpoint, steps_per_epoch=steps)
    assert blocks == 6
    assert training.result(model) == expected


def test_what_layers_of_ones_own_count_goes_on(checkpoint):
    expected = training.result(training.fit([], 7, make=training.make_counting))
    blocks, model = chain(checkpoint, make=training.make_counting)
    assert blocks == 6
    assert training.result(model) == expected


def test_noise_without_a_seed_of_its_own_goes_on(checkpoint):
    expected = training.result(training.fit([], 7, make=training.make_noisy))
    blocks, model = chain(checkpoint, make=training.make_noisy)
    assert blocks == 6
    assert training.result(model) == expected


class NoiseFrom(Callback):
    """Adds noise to weights from that epoch on: Keras takes the seed for the first from Python's random numbers."""

    def __init__(self, first):
        super().__init__()
        self.first = first

    def on_epoch_begin(self, epoch, logs=None):
        if epoch >= self.first:
            noise = float(training.keras.random.uniform(()))
            self.model.set_weights([weight + noise for weight in self.model.get_weights()])


def test_noise_that_begins_after_a_resume_takes_the_seed_that_it_would_have_taken(checkpoint):
    expected = training.result(training.fit([NoiseFrom(2)], 7)), random.random()
    blocks, model = chain(checkpoint, after=[lambda: NoiseFrom(2)])
    assert blocks == 6
    assert (training.result(model), random.random()) == expected


def test_optimizers_that_a_model_holds_by_itself_go_on(checkpoint):
    expected = training.result(training.fit([], 7, make=training.make_adversaries))
    blocks, model = chain(checkpoint, make=training.make_adversaries)
    assert blocks == 6
    assert training.result(model) == expected


def test_variables_that_a_loop_of_ones_own_would_get_with_its_first_batch_are_missed_aloud():
    later = training.keras.Sequential([training.keras.layers.Dense(3)])
    later.compile("adam", "mse")
    with pytest.raises(libckpt.Error, match="keras.Input"):
        Variables(later)


def test_an_optimizer_of_what_is_not_the_models_is_refused():
    model = training.make_adversaries()
    model.first.build(training.make().trainable_variables)
    with pytest.raises(libckpt.Error, match="SGD '.*', which trains variables of another"):
        Variables(model).state_dict()


def test_a_second_fit_of_the_model_begins_where_it_says(checkpoint):
    with pytest.raises(libckpt.Stopped):
        own = checkpoint()
        training.fit([own, StopInEachEpoch(own)], 7)
    own = checkpoint()
    model = training.fit([own], 1000)
    assert model.fit(*training.data(), epochs=3, verbose=0).epoch == [0, 1, 2]
    own.run.finish()


def halving():
    return LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)


class DecayAtTheEnd(Callback):
    """Changes weights when an epoch and when all of fit() is over, as EarlyStopping does when it puts the best ones back."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights([weight * 0.9 for weight in self.model.get_weights()])

    def on_train_end(self, logs=None):
        self.on_epoch_end(None)


@pytest.mark.parametrize("before, after", [([halving], [DecayAtTheEnd]), ([DecayAtTheEnd], [halving])])
def test_other_callbacks_act_once_an_epoch_wherever_they_stand_in_the_list(before, after, checkpoint):
    expected = training.result(training.fit([make() for make in [*before, *after]], 7))
    blocks, model = chain(checkpoint, before, after)
    assert blocks == 6
    assert training.result(model) == expected


def test_a_fit_that_had_ended_when_the_program_was_killed_is_not_trained_on(checkpoint):
    own = checkpoint()
    expected = training.result(training.fit([own, *putting_back_the_best()], 7, epochs=50))
    own.run.close()
    own = checkpoint()
    assert training.result(training.fit([own, *putting_back_the_best()], 1000, epochs=50)) == expected
    own.run.finish()


def putting_back_the_best():
    return [EarlyStopping("val_loss", restore_best_weights=True, min_delta=0.5)]


def test_variables_that_would_come_with_the_first_batch_are_there_before_or_missed_aloud(checkpoint):
    """The torch backend makes them all before fit() begins, the others do not."""
    model, own = training.make(), checkpoint()
    CallbackList([own], model=model).on_train_begin()
    assert model.optimizer.built
    own.run.close()
    later = training.keras.Sequential([training.keras.layers.Dense(3)])
    later.compile("adam", "mse")
    own = checkpoint()
    with pytest.raises(libckpt.Error, match="keras.Input"):
        CallbackList([own], model=later).on_train_begin()


@pytest.mark.timeout(300)
def test_a_fit_killed_at_any_batch_ends_in_the_same_bits(ends_alike_when_killed):
    ends_alike_when_killed("keras_training", 20, 0.02)


@pytest.mark.parametrize("stop_at", [4, 7])
def test_in_a_loop_of_ones_own_it_goes_on_at_the_batch(stop_at, open_run):
    """With noise from the sixth batch on, and whatever a program draws before it goes on."""
    def train(model, run):
        for _ in run.epochs(2):
            for x, y in run.batches(training.batches()):
                noise = float(training.keras.random.normal(())) if run.step >= 5 else 0
                model.train_on_batch(x + noise, y)
                yield run.step + 1

    def block(seed, stop_at=None):
        training.keras.utils.set_random_seed(seed)
        model = training.make()
        run = open_run(variables=Variables(model))
        if run.resumed:
            training.keras.random.normal(())
        for step in train(model, run):
            if step == stop_at:
                run.stop("the test says so")
        return model, run
    with pytest.raises(libckpt.Stopped):
        block(7, stop_at)
    continued, run = block(1000)
    assert run.step == 10
    run.close()
    training.keras.utils.set_random_seed(7)
    straight = training.make()
    for _ in train(straight, libckpt.Run()):
        pass
    assert training.result(continued) == training.result(straight)
