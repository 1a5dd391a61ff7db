# SPDX-License-Identifier: Apache-2.0
"""A training that is stopped and continued ends in the same bits as one that is not."""
import libckpt
import loader_habits
import pytest
import torch
import trainings


def bits(value):
    """Everything in a nest, comparable: tensors as their bytes."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [bits(item) for item in value]
    return value


def state_of(training, run):
    found = {name: bits(value.state_dict()) for name, value in training.objects().items() if hasattr(value, "state_dict")}
    found["buffers"] = bits(dict(training.model.named_buffers()))
    return found | {"vars": bits(run.vars), "random": bits(torch.get_rng_state())}


def straight(kind):
    """Without a run directory: libckpt does nothing but count."""
    training = kind(7)
    run = libckpt.Run(**training.objects())
    training.train(run)
    run.close()
    return state_of(training, run), run.step


def block(kind, open_run, stop_after=None, seed=1000):
    """One start of the program, from other random numbers than the first; its training, its run, whether it got to the end."""
    training = kind(seed)
    run = open_run(**training.objects())
    done = 0

    def after_batch():
        nonlocal done
        done += 1
        if done == stop_after:
            run.stop("the test says so")
    try:
        training.train(run, after_batch)
        return training, run, True
    except libckpt.Stopped as stopped:
        assert stopped.code == 85
        return training, run, False


# A stop during a validation repeats the epoch's last batch: a training that validates is stopped once per chain, below.
@pytest.mark.parametrize("kind", [kind for kind in (*trainings.ALL, *loader_habits.ALL) if kind is not trainings.Cnn],
                         ids=lambda kind: kind.__name__)
def test_stopped_after_every_single_batch(kind, open_run):
    expected, steps = straight(kind)
    run, complete = block(kind, open_run, stop_after=1, seed=7)[1:]      # no variable leads to the training of a block that is over
    blocks, last_step = 1, run.step
    assert not complete
    while not complete:
        training, run, complete = block(kind, open_run, stop_after=None if blocks > steps else step_size(kind))
        assert complete or run.step > last_step, "a block made no progress"
        blocks, last_step = blocks + 1, run.step
    assert blocks >= steps / 2
    assert state_of(training, run) == expected


def step_size(kind):
    return 2 if kind is trainings.Accumulating else 1


@pytest.mark.parametrize("stop_after", range(1, 15))
def test_stopped_once_at_each_boundary(stop_after, open_run):
    expected, _ = straight(trainings.Cnn)
    training = trainings.Cnn(7)
    run, done = open_run(**training.objects()), []

    def after_batch():
        done.append(1)
        if len(done) == stop_after:
            run.stop("the test says so")
    with pytest.raises(libckpt.Stopped):
        training.train(run, after_batch)
    training, run, complete = block(trainings.Cnn, open_run)
    assert complete
    assert state_of(training, run) == expected


def test_without_a_run_it_trains_as_a_plain_loop_does():
    training = trainings.Mlp(7)
    for _ in range(training.epochs):
        for batch in training.loader:
            training.step(Plain, batch)
    run = libckpt.Run(**(other := trainings.Mlp(7)).objects())
    other.train(run)
    assert bits(training.model.state_dict()) == bits(other.model.state_dict())


class Plain:
    vars = {"loss": 0.0}
