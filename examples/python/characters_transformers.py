# SPDX-License-Identifier: Apache-2.0
"""A tiny GPT-2 that learns to write like a text, character by character, with Hugging Face's Trainer; restartable at every step.

    ckptrun -- python characters_transformers.py --epochs 20"""
import argparse
import pathlib

import torch
from libckpt.transformers import Checkpoint
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed


class Windows(torch.utils.data.Dataset):
    """A text cut into pieces of equal length, as ASCII codes."""

    def __init__(self, text, length):
        codes = torch.frombuffer(bytearray(text.encode("ascii", "replace")), dtype=torch.uint8).long()
        self.pieces = codes[:len(codes) // length * length].reshape(-1, length)

    def __len__(self):
        return len(self.pieces)

    def __getitem__(self, i):
        return {"input_ids": self.pieces[i], "labels": self.pieces[i]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=pathlib.Path, default=argparse.__file__, help="default: a module of Python itself")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--out", help="folder to write the model to at the end")
    options = parser.parse_args()

    set_seed(1)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=128, n_positions=64, n_embd=options.width, n_layer=2, n_head=4,
                                       bos_token_id=0, eos_token_id=0))
    arguments = TrainingArguments("unused", num_train_epochs=options.epochs, per_device_train_batch_size=options.batch,
                                  learning_rate=1e-3, save_strategy="no", report_to=[], disable_tqdm=True, seed=1)
    trainer = Trainer(model, arguments, train_dataset=Windows(options.text.read_text(), 64))
    trainer.add_callback(Checkpoint(trainer))
    loss = trainer.train().training_loss
    print(f"step {trainer.state.global_step}: mean loss {loss:.6f}", flush=True)
    if options.out:
        trainer.save_model(options.out)


if __name__ == "__main__":
    main()
