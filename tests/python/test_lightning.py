# SPDX-License-Identifier: Apache-2.0
"""A fit() of Lightning that is stopped or killed and continued ends in the same bits as one that is not."""
import os
import random
import subprocess
import sys
import time

import libckpt
import lightning_training as training
import pytest
import torch


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
    "validation within epochs": {"val_check_interval": 2}, "validation now and then": {"check_val_every_n_epoch": 2},
    "by steps": {"epochs": -1, "max_steps": 12},
    "loader anew": {"reload_dataloaders_every_n_epochs": 1}, "loader made early": {"schedule": "in one cycle"},
    "a rate that waits for the score": {"schedule": "by score"},
    "a rate that waits at each step": {"schedule": "by score at each step", "val_check_interval": 2}, "averaged weights": {"beside": training.averaging},
    "weights averaged by epoch": {"beside": training.averaging_by_epoch, "schedule": "in one cycle"},
    "groups that grow": {"beside": training.growing_groups}, "layers unfrozen later": {"beside": training.unfreezing},
}


@pytest.mark.parametrize("variant, each", [("plain", 1), *((variant, 3) for variant in VARIANTS)])
def test_a_fit_stopped_after_every_few_batches_ends_in_the_same_bits(variant, each, checkpoint):
    expected = straight(**VARIANTS[variant])
    blocks, bits = chain(checkpoint, each, **VARIANTS[variant])
    assert blocks >= 12 / each / 2
    assert bits == expected


@pytest.mark.parametrize("variant", [{"val_check_interval": 2}, {"accumulate_grad_batches": 2}, {}])
@pytest.mark.parametrize("each", [2, 5])
def test_loggers_are_given_the_steps_of_a_fit_that_is_not_stopped(each, variant, checkpoint):
    expected, lines = [], []
    straight(logger=training.logger_into(expected), log_every_n_steps=1, **variant)
    blocks, _ = chain(checkpoint, each, logger=training.logger_into(lines), log_every_n_steps=1, **variant)
    assert blocks >= 3
    assert lines == expected


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


def test_pruning_whose_tensors_a_later_block_would_not_have_is_refused(checkpoint):
    pruning = {"beside": lambda callbacks: callbacks.ModelPruning("l1_unstructured", amount=0.2)}
    with pytest.raises(libckpt.Error, match="ModelPruning"):
        training.fit(checkpoint(), 7, **pruning)
    straight(**pruning)


def test_a_fit_that_had_ended_when_the_program_was_killed_is_not_trained_on(checkpoint):
    early = {"epochs": 50, "patience": 1, "beside": training.averaging}       # which puts its weights in place at the very end
    own = checkpoint()
    expected = training.result(*training.fit(None, 7, callbacks=[own], **early))
    own.run.close()
    own = checkpoint()
    module, trainer = training.fit(None, 1000, callbacks=[own], **early)
    assert trainer.current_epoch < 50 and own.run.resumed
    assert training.result(module, trainer) == expected
    own.run._at_exit(True)
    assert not own.run._session.is_open


@pytest.mark.timeout(300)
def test_a_fit_killed_at_any_batch_ends_in_the_same_bits(ends_alike_when_killed):
    ends_alike_when_killed("lightning_training", 30, 0.02)


def files_in(folder):
    """Lightning's checkpoints in it, each whole; nothing else is there."""
    for path in folder.iterdir():
        with libckpt.open(path) as snapshot:
            snapshot.verify()
    return sorted(path.name for path in folder.iterdir())


def test_lightnings_own_checkpoints_are_snapshots_from_which_it_goes_on(lightning, tmp_path):
    expected = training.result(*training.fit_with_files(tmp_path / "straight", 7, epochs=4))
    training.fit_with_files(tmp_path / "files", 7, epochs=2)
    assert len(files_in(tmp_path / "files")) == 3 and "last.ckpt" in files_in(tmp_path / "files")
    assert training.result(*training.fit_with_files(tmp_path / "files", 1000, epochs=4)) == expected
    assert len(files_in(tmp_path / "files")) == 3           # Lightning has removed what is not among the best
    with libckpt.open(tmp_path / "files/last.ckpt", "torch") as snapshot:
        assert snapshot.step == 20 and "net.0.weight" in snapshot.state_dict("state_dict")


def test_a_module_is_made_of_lightnings_checkpoint_as_the_guide_says(lightning, tmp_path):
    from libckpt.lightning import CheckpointIO
    trained, _ = training.fit_with_files(tmp_path / "files", 7, epochs=1)
    checkpoint = CheckpointIO().load_checkpoint(tmp_path / "files/last.ckpt")
    module = training.training_of(lightning)
    module.load_state_dict(checkpoint["state_dict"])
    assert all(torch.equal(tensor, trained.state_dict()[name]) for name, tensor in module.state_dict().items())


def test_a_checkpoint_that_is_damaged_is_refused_by_its_name(lightning, tmp_path):
    from libckpt.lightning import CheckpointIO
    path = tmp_path / "x.ckpt"
    CheckpointIO().save_checkpoint({"state_dict": {"x": torch.rand(10_000)}}, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(libckpt.Error, match="x.ckpt"):
        CheckpointIO().load_checkpoint(path)


def test_a_checkpoint_that_cannot_be_saved_leaves_the_older_one(lightning, tmp_path):
    from libckpt.lightning import CheckpointIO
    path, files = tmp_path / "x.ckpt", CheckpointIO()
    files.save_checkpoint({"global_step": 3, "x": torch.ones(3)}, path)
    with pytest.raises(TypeError, match="'callbacks.mine' .* cannot be saved"):
        files.save_checkpoint({"callbacks": {"mine": object()}}, path)
    with pytest.raises(TypeError, match="s3://"):
        files.save_checkpoint({}, "s3://bucket/x.ckpt")
    assert files.load_checkpoint(path)["x"].tolist() == [1, 1, 1] and os.listdir(tmp_path) == ["x.ckpt"]
    files.remove_checkpoint(path)
    assert os.listdir(tmp_path) == []


def test_a_run_of_the_same_program_goes_on_beside_checkpoints(lightning, open_run, tmp_path):
    from libckpt.lightning import CheckpointIO
    run, owner = open_run(x=[0]), os.environ["LIBCKPT_OWNER"]
    CheckpointIO().save_checkpoint({"x": torch.ones(3)}, tmp_path / "x.ckpt")
    assert os.environ["LIBCKPT_OWNER"] == owner
    with pytest.raises(libckpt.Error, match="snapshot of a run"):
        run.point()
        run.finish()
        CheckpointIO().load_checkpoint(libckpt.latest(run.directory))


@pytest.mark.timeout(300)
def test_a_fit_killed_while_lightning_saves_goes_on_from_a_whole_checkpoint(lightning, script, environment, tmp_path):
    program = """if True:
        import pathlib, sys
        import lightning_training as training
        training.framework()
        ended = training.fit_with_files(pathlib.Path("files"), 7, epochs=12, pause_seconds=float(sys.argv[1]))
        pathlib.Path("out").write_bytes(training.result(*ended))
    """
    killed = subprocess.Popen([sys.executable, "-c", program, "0.02"], cwd=tmp_path, env=environment)
    while not (tmp_path / "files/last.ckpt").exists() and killed.poll() is None:
        time.sleep(0.01)
    time.sleep(random.SystemRandom().random() * 0.5)
    killed.kill()
    assert killed.wait() < 0
    for path in (tmp_path / "files").glob("*.ckpt"):
        libckpt.open(path).verify()
    ended = script(program, 0)
    assert ended.returncode == 0, ended.stderr
    expected = training.result(*training.fit_with_files(tmp_path / "straight", 7, epochs=12))
    assert (tmp_path / "out").read_bytes() == expected
