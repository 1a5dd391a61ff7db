# SPDX-License-Identifier: Apache-2.0
"""A small real training with Hugging Face's Trainer: a BERT with dropout, a schedule, evaluations, early stopping."""
import random
import sys
import time

import numpy as np
import torch
import transformers
from transformers import BertConfig, BertForSequenceClassification, EarlyStoppingCallback, Trainer, TrainingArguments

SAMPLES, BATCH = 20, 4
transformers.logging.set_verbosity_error()


class Words(torch.utils.data.Dataset):
    """Each sentence is changed by random numbers, as augmentation does."""

    def __init__(self, noise):
        generator = torch.Generator().manual_seed(99)
        self.words, self.labels = torch.randint(5, 50, (SAMPLES, 6), generator=generator), torch.arange(SAMPLES) % 3
        self.noise = noise

    def __len__(self):
        return SAMPLES

    def __getitem__(self, i):
        words = self.words[i].clone()
        if self.noise:
            words[random.randrange(6)] = int(np.random.randint(5, 50)) + torch.randint(0, 2, (1,)).item()
        return {"input_ids": words, "labels": self.labels[i]}


class Stream(torch.utils.data.IterableDataset):
    """The same without a length."""

    def __iter__(self):
        yield from map(Words(True).__getitem__, range(SAMPLES))


def make(folder, seed, pause_seconds=0.0, callbacks=(), patience=10, stream=False, **arguments):
    transformers.set_seed(seed)
    model = BertForSequenceClassification(BertConfig(vocab_size=60, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                                                     intermediate_size=16, max_position_embeddings=8, num_labels=3))
    arguments = {"num_train_epochs": 3, "eval_strategy": "epoch", "logging_steps": 2, **arguments}
    options = TrainingArguments(str(folder), per_device_train_batch_size=BATCH, per_device_eval_batch_size=BATCH, use_cpu=True,
                                learning_rate=0.01, save_strategy="no", report_to=[], disable_tqdm=True, seed=7,
                                metric_for_best_model="eval_loss", greater_is_better=False, **arguments)

    class Slow(Trainer):
        def training_step(self, *given, **more):
            time.sleep(pause_seconds)
            return super().training_step(*given, **more)
    trainer = Slow(model, options, train_dataset=Stream() if stream else Words(True), eval_dataset=Words(False),
                   callbacks=[EarlyStoppingCallback(patience), *callbacks])
    for _ in range(seed):        # the Trainer has set its own seed: another start stands elsewhere in the random numbers
        torch.rand(1), np.random.rand(), random.random()
    return trainer


def result(trainer):
    logs = [{key: value for key, value in line.items() if "runtime" not in key and "per_second" not in key}
            for line in trainer.state.log_history]
    return repr({"weights": {name: tensor.numpy().tobytes() for name, tensor in trainer.model.state_dict().items()},
                 "adam": [[tensor.numpy().tobytes() for tensor in state.values()]
                          for state in trainer.optimizer.state.values()],
                 "lr": trainer.lr_scheduler.get_last_lr(), "step": trainer.state.global_step, "epoch": trainer.state.epoch,
                 "flos": trainer.state.total_flos, "logs": repr(logs), "random": torch.get_rng_state().numpy().tobytes()}).encode()


if __name__ == "__main__":
    from libckpt.transformers import Checkpoint
    trainer = make("unused", 7, num_train_epochs=float(sys.argv[2]), pause_seconds=float(sys.argv[3]))
    trainer.add_callback(Checkpoint(trainer))
    trainer.train()
    with open(sys.argv[1], "wb") as file:
        file.write(result(trainer))
