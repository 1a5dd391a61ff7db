# SPDX-License-Identifier: Apache-2.0
"""A train() of Hugging Face's Trainer that is stopped or killed and continued ends in the same bits as one that is not."""
import libckpt
import pytest
import transformers_training as training
from libckpt.transformers import Checkpoint
from transformers import TrainerCallback


class StopAfter(TrainerCallback):
    """Asks to stop after so many steps, or after the evaluation that follows: one that is left repeats the step before it."""

    def __init__(self, count):
        self.count, self.done, self.run = count, 0, None

    def on_step_end(self, args, state, control, **_):
        self.done += 1
        last = control.should_training_stop or not state.epoch % 1
        if self.done >= self.count and not control.should_evaluate and not last:
            self.run().stop("the test says so")

    def on_evaluate(self, *_, **__):
        if self.done >= self.count:
            self.run().stop("the test says so")


@pytest.fixture
def start(tmp_path):
    """start(seed, each, …): one block, which stops after `each` steps; the Trainer and its Checkpoint."""
    def begin(seed, each=None, **arguments):
        stop = StopAfter(each or 10**9)
        trainer = training.make(tmp_path / "unused", seed, callbacks=[stop], **arguments)
        checkpoint = Checkpoint(trainer, directory=tmp_path / "run", settings={"allow_volatile": "on"})
        stop.run = lambda: checkpoint.run
        trainer.add_callback(checkpoint)
        return trainer, checkpoint
    return begin


def chain(start, each, **arguments):
    for block in range(1, 50):
        trainer, checkpoint = start(7 if block == 1 else 1000 + block, each, **arguments)
        try:
            trainer.train()
        except libckpt.Stopped as stopped:
            assert stopped.code == 85
            continue
        bits = training.result(trainer)
        checkpoint.run.finish()
        return block, bits
    raise AssertionError("it made no progress")


VARIANTS = {
    "plain": {}, "accumulating": {"gradient_accumulation_steps": 2}, "by steps": {"max_steps": 12},
    "evaluation within epochs": {"eval_strategy": "steps", "eval_steps": 2}, "workers": {"dataloader_num_workers": 2},
    "noise in embeddings": {"neftune_noise_alpha": 5, "lr_scheduler_type": "cosine", "warmup_steps": 2},
    "a plateau in bf16": {"lr_scheduler_type": "reduce_lr_on_plateau", "bf16": True},
    "accumulating unevenly": {"gradient_accumulation_steps": 3}, "evaluation at the start": {"eval_on_start": True},
}


@pytest.mark.parametrize("variant, each", [("plain", 1), *((variant, 3) for variant in VARIANTS)])
def test_a_training_stopped_after_every_few_steps_ends_in_the_same_bits(variant, each, start, tmp_path):
    plain = training.make(tmp_path / "unused", 7, **VARIANTS[variant])
    plain.train()
    blocks, bits = chain(start, each, **VARIANTS[variant])
    assert blocks >= 2
    assert bits == training.result(plain)


def test_a_stream_whose_samples_are_random_goes_on_exactly(start, tmp_path):
    plain = training.make(tmp_path / "unused", 7, stream=True, max_steps=12)
    plain.add_callback(Checkpoint(plain))        # its end is seen one batch ahead, so that random numbers come in another order
    plain.train()
    blocks, bits = chain(start, 3, stream=True, max_steps=12)
    assert blocks >= 3
    assert bits == training.result(plain)


ENDS = {"early": {"num_train_epochs": 50, "patience": 1}, "at its last step": {"max_steps": 12, "logging_steps": 5},
        "a stream early": {"stream": True, "max_steps": 250, "patience": 1}, "a stream at its last step": {"stream": True, "max_steps": 12}}


@pytest.mark.parametrize("end", ENDS)
def test_a_training_that_had_ended_when_the_program_was_killed_is_not_trained_on(end, start):
    trainer, checkpoint = start(7, **ENDS[end])
    loss, expected = trainer.train().training_loss, training.result(trainer)
    checkpoint.run.close()
    for block in (2, 3):
        trainer, checkpoint = start(1000 + block, **ENDS[end])
        assert trainer.train().training_loss == loss
        assert checkpoint.run.resumed and trainer.state.global_step < 250
        assert training.result(trainer) == expected
        checkpoint.run.close()


def test_callbacks_hear_of_the_end_when_the_run_stops(start):
    heard = []

    class Hears(TrainerCallback):
        def on_train_end(self, *_, **__):
            heard.append("end")
    trainer, _ = start(7, 2)
    trainer.add_callback(Hears())
    with pytest.raises(libckpt.Stopped):
        trainer.train()
    assert heard == ["end"]


@pytest.mark.timeout(300)
def test_a_training_killed_at_any_batch_ends_in_the_same_bits(ends_alike_when_killed):
    ends_alike_when_killed("transformers_training", 12, 0.05)
