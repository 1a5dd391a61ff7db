# SPDX-License-Identifier: Apache-2.0
"""A tiny GPT-2 that learns the characters of a text. Hugging Face's Trainer writes OUTPUT_DIR/checkpoint-STEP, and takes all options
of TrainingArguments, --resume_from_checkpoint among them; it knows nothing of ckptrun."""
import dataclasses
import pathlib

import torch
from transformers import GPT2Config, GPT2LMHeadModel, HfArgumentParser, Trainer, TrainingArguments, set_seed

LENGTH = 64


@dataclasses.dataclass
class TextArguments:
    text: str = dataclasses.__file__     # a module of Python itself


def pieces_of(text):
    codes = torch.tensor(list(text.encode("ascii", "replace")))
    return [{"input_ids": piece, "labels": piece} for piece in codes[:len(codes) // LENGTH * LENGTH].reshape(-1, LENGTH)]


text, options = HfArgumentParser((TextArguments, TrainingArguments)).parse_args_into_dataclasses()
set_seed(options.seed)
model = GPT2LMHeadModel(GPT2Config(vocab_size=128, n_positions=LENGTH, n_embd=64, n_layer=2, n_head=4, bos_token_id=0,
                                   eos_token_id=0))
trainer = Trainer(model, options, train_dataset=pieces_of(pathlib.Path(text.text).read_text()))
trainer.train(resume_from_checkpoint=options.resume_from_checkpoint)
trainer.save_model()
print(f"{trainer.state.global_step} steps done")
