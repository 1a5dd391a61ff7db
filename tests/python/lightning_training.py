# SPDX-License-Identifier: Apache-2.0
"""A small real training with Lightning: dropout, augmentation by random numbers of all libraries, schedules per step and per
epoch, a validation, early stopping. What comes out must not depend on where it was stopped."""
import importlib
import logging
import os
import sys
import time
import warnings

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from trainings import BATCH, NoisyData, Stream, data

warnings.filterwarnings("ignore")
for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric"):
    logging.getLogger(name).setLevel(logging.ERROR)


def framework():
    return importlib.import_module(os.environ.get("LIGHTNING", "pytorch_lightning"))


def training_of(lightning):
    class Training(lightning.LightningModule):
        pause_seconds, schedule = 0.0, ""

        def __init__(self):
            super().__init__()
            self.seen = 0
            self.net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))

        def training_step(self, batch, index):
            time.sleep(self.pause_seconds)
            self.seen += 1
            loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

        def validation_step(self, batch, index):
            self.log("score", nn.functional.cross_entropy(self.net(batch[0]), batch[1]), prog_bar=True)

        def configure_optimizers(self):
            optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
            if self.schedule == "in one cycle":
                steps = self.trainer.estimated_stepping_batches       # Lightning has the training loader made for this
                return [optimizer], [{"scheduler": torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, steps), "interval": "step"}]
            if self.schedule.startswith("by score"):
                scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.9, patience=0, threshold=1.0)
                interval = "step" if self.schedule.endswith("at each step") else "epoch"
                return [optimizer], [{"scheduler": scheduler, "monitor": "score", "interval": interval, "strict": False}]
            return [optimizer], [{"scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 3), "interval": "step"},
                                 {"scheduler": torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9), "interval": "epoch"}]
        def on_save_checkpoint(self, checkpoint):
            checkpoint["seen"] = self.seen

        def on_load_checkpoint(self, checkpoint):
            self.seen = checkpoint["seen"]
    return Training()


def averaging(callbacks):
    class Averaging(callbacks.WeightAveraging):
        def __init__(self):
            super().__init__(avg_fn=torch.optim.swa_utils.get_ema_avg_fn(0.9))
    return Averaging()


def averaging_by_epoch(callbacks):
    """With a schedule of its own from the second epoch on, and an epoch more for the statistics of normalization."""
    return callbacks.StochasticWeightAveraging(0.02, swa_epoch_start=2, annealing_epochs=2)


def unfreezing(callbacks):
    class Unfreezing(callbacks.BaseFinetuning):
        def freeze_before_training(self, module):
            self.freeze(module.net[0])

        def finetune_function(self, module, epoch, optimizer):
            if epoch == 1:
                self.unfreeze_and_add_param_group(module.net[0], optimizer, lr=1e-3)
    return Unfreezing()


def logger_into(lines):
    """A logger that keeps what it is given."""
    class Lines(framework().loggers.Logger):
        name, version = "lines", 0

        def log_hyperparams(self, *_, **__):
            pass

        def log_metrics(self, metrics, step=None):
            lines.append((step, {name: float(value) for name, value in metrics.items()}))
    return Lines()


def growing_groups(callbacks):
    return callbacks.GradientAccumulationScheduler({0: 1, 1: 2, 2: 3})


def fit(checkpoint, seed, epochs=3, callbacks=(), loader=None, pause_seconds=0.0, patience=10, ckpt_path=None, schedule="",
        beside=None, **arguments):
    """One start of the program. The module and trainer after fit()."""
    lightning = framework()
    lightning.seed_everything(seed)
    module = training_of(lightning)
    module.pause_seconds, module.schedule = pause_seconds, schedule
    stopping = lightning.callbacks.EarlyStopping("score", patience=patience)
    callbacks = [*([checkpoint] if checkpoint else []), *callbacks, stopping, *([beside(lightning.callbacks)] if beside else [])]
    arguments = {"enable_checkpointing": False, "logger": False, **arguments}
    trainer = lightning.Trainer(max_epochs=epochs, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False,
                                callbacks=callbacks, **arguments)
    loader = loader() if loader else DataLoader(NoisyData(), BATCH, shuffle=True)
    trainer.fit(module, loader, DataLoader(TensorDataset(*data()), BATCH), ckpt_path=ckpt_path)
    return module, trainer


def streaming():
    return DataLoader(Stream(), BATCH)


def workers():
    return DataLoader(NoisyData(), BATCH, shuffle=True, num_workers=2)


def in_order():
    return DataLoader(TensorDataset(*data()), BATCH)


def fit_with_files(folder, seed, **arguments):
    """As fit(), with Lightning's own checkpoints after each epoch. Of random numbers they hold nothing: each batch seeds them."""
    from libckpt.lightning import CheckpointIO
    callbacks = framework().callbacks
    seeding = callbacks.LambdaCallback(on_train_batch_start=lambda trainer, *_: torch.manual_seed(trainer.global_step) and None)
    saving = callbacks.ModelCheckpoint(folder, monitor="score", save_top_k=2, save_last=True, save_on_train_epoch_end=True)
    return fit(None, seed, callbacks=[seeding, saving], loader=in_order, patience=100, enable_checkpointing=True,
               plugins=[CheckpointIO()], ckpt_path="last", **arguments)


def result(module, trainer):
    stopping = next(callback for callback in trainer.callbacks if type(callback).__name__ == "EarlyStopping")
    return repr({"weights": {name: tensor.numpy().tobytes() for name, tensor in module.state_dict().items()},
                 "adam": [[tensor.numpy().tobytes() for tensor in state.values()]
                          for state in trainer.optimizers[0].state.values()],
                 "lr": [config.scheduler.get_last_lr() for config in trainer.lr_scheduler_configs],
                 "score": float(stopping.best_score), "wait": stopping.wait_count, "epoch": trainer.current_epoch,
                 "metrics": [sorted((name, float(value)) for name, value in metrics.items())
                             for metrics in (trainer.callback_metrics, trainer.logged_metrics, trainer.progress_bar_metrics)],
                 "seen": module.seen, "step": trainer.global_step, "random": torch.get_rng_state().numpy().tobytes()}).encode()


if __name__ == "__main__":
    framework()
    from libckpt.lightning import Checkpoint
    with open(sys.argv[1], "wb") as file:
        file.write(result(*fit(Checkpoint(), seed=7, epochs=int(sys.argv[2]), pause_seconds=float(sys.argv[3]))))
