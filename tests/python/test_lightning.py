# SPDX-License-Identifier: Apache-2.0
"""A fit() of Lightning that is stopped or killed and continued ends in the same bits as one that is not."""
import sys

import libckpt
import lightning_training as training
import pytest


@pytest.fixture(params=["pytorch_lightning"])
def lightning(request, monkeypatch):
    """Of the two packages the one that the test names: the hook is imported anew for it."""
    return chosen(request.param, monkeypatch)


def chosen(name, monkeypatch):
    for other in [other for other in sys.modules if other.split(".")[0] in ("lightning", "pytorch_lightning")]:
        monkeypatch.delitem(sys.modules, other)
    monkeypatch.delitem(sys.modules, "libckpt.lightning", raising=False)
    monkeypatch.setenv("LIGHTNING", name)
    return training.framework()


@pytest.fixture
def checkpoint(tmp_path, lightning):
    from libckpt.lightning import Checkpoint
    return lambda: Checkpoint(directory=tmp_path / "run", settings={"allow_volatile": "on"})


def straight(**arguments):
    """Without a run directory: libckpt does nothing but count."""
    from libckpt.lightning import Checkpoint
    return training.result(*training.fit(Checkpoint(), 7, **arguments))


def stop_after(count, checkpoint):
    """Asks to stop after so many batches, or after the validation that follows: one that is left repeats the batch before it."""
    class Stop(training.framework().Callback):
        done = 0

        def on_train_batch_end(self, trainer, *_):
            self.done += 1
            loop = trainer.fit_loop
            if self.done >= count and not loop.epoch_loop._should_check_val_fx(loop._data_fetcher):
                checkpoint.run.stop("the test says so")

        def on_validation_end(self, trainer, *_):
            if self.done >= count:
                checkpoint.run.stop("the test says so")
    return Stop()


def chain(checkpoint, each, first_seed=7, **arguments):
    """Blocks of `each` batches until fit() ends by itself; how many, and what it ended with."""
    for block in range(1, 50):
        own = checkpoint()
        try:
            ended = training.fit(own, first_seed if block == 1 else 1000 + block, callbacks=[stop_after(each, own)], **arguments)
        except libckpt.Stopped as stopped:
            assert stopped.code == 85
            continue
        bits = training.result(*ended)
        own.run.finish()
        return block, bits
    raise AssertionError("it made no progress")


VARIANTS = {
    "plain": {}, "accumulating": {"accumulate_grad_batches": 2}, "some batches": {"limit_train_batches": 4},
    "validation within epochs": {"val_check_interval": 2}, "by steps": {"epochs": -1, "max_steps": 12},
    "loader anew": {"reload_dataloaders_every_n_epochs": 1},
}


@pytest.mark.parametrize("variant, each", [("plain", 1), *((variant, 3) for variant in VARIANTS)])
def test_a_fit_stopped_after_every_few_batches_ends_in_the_same_bits(variant, each, checkpoint):
    expected = straight(**VARIANTS[variant])
    blocks, bits = chain(checkpoint, each, **VARIANTS[variant])
    assert blocks >= 12 / each / 2
    assert bits == expected


@pytest.mark.parametrize("loader", [training.workers, training.streaming])
def test_loaders_with_workers_and_without_a_length_go_on_exactly(loader, checkpoint):
    expected = straight(loader=loader)
    blocks, bits = chain(checkpoint, 6, loader=loader)
    assert blocks > 1
    assert bits == expected


@pytest.mark.parametrize("lightning", ["pytorch_lightning", "lightning.pytorch"], indirect=True)
def test_with_either_package_a_fit_is_what_it_was_without_libckpt(lightning, checkpoint):
    expected = training.result(*training.fit(None, 7))
    assert straight() == expected
    assert chain(checkpoint, 7)[1] == expected


def test_a_fit_that_had_ended_when_the_program_was_killed_is_not_trained_on(checkpoint):
    early = {"epochs": 50, "patience": 1}
    own = checkpoint()
    expected = training.result(*training.fit(own, 7, **early))
    own.run.close()
    own = checkpoint()
    module, trainer = training.fit(own, 1000, **early)
    assert trainer.current_epoch < 50 and own.run.resumed
    assert training.result(module, trainer) == expected
    own.run._at_exit(True)
    assert not own.run._session.is_open


@pytest.mark.timeout(300)
def test_a_fit_killed_at_any_batch_ends_in_the_same_bits(ends_alike_when_killed):
    ends_alike_when_killed("lightning_training", 30, 0.02)
