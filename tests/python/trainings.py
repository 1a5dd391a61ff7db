# SPDX-License-Identifier: Apache-2.0
"""Small real trainings. Each is a class: __init__ makes the objects from a seed, objects() names what is saved, epoch() trains
one. What comes out must not depend on where it was stopped."""
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, default_collate

SAMPLES, BATCH = 20, 4       # five batches an epoch


def data():
    generator = torch.Generator().manual_seed(99)
    return torch.randn(SAMPLES, 6, generator=generator), torch.randint(0, 3, (SAMPLES,), generator=generator)


class NoisyData(Dataset):
    """Each sample is changed by random numbers of all three libraries, as augmentation does."""

    def __init__(self):
        self.x, self.y = data()

    def __len__(self):
        return SAMPLES

    def __getitem__(self, i):
        return self.x[i] + 0.1 * torch.rand(6) + 0.1 * random.random() + 0.1 * float(np.random.rand()), self.y[i]


class Mlp:
    epochs, workers = 3, 0

    def __init__(self, seed):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        self.model = self.make_model()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.01)
        self.loader = self.make_loader()

    def make_model(self):
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))

    def make_loader(self):
        return DataLoader(TensorDataset(*data()), BATCH, shuffle=True)

    def objects(self):
        return {"model": self.model, "optimizer": self.optimizer}

    def train(self, run, after_batch=lambda: None):
        run.vars.setdefault("loss", 0.0)
        for _ in run.epochs(self.epochs):
            for batch in run.batches(self.loader, **self.batches_options()):
                self.step(run, batch)
                after_batch()
            self.after_epoch(run)

    def batches_options(self):
        return {}

    def step(self, run, batch):
        self.optimizer.zero_grad()
        loss = self.loss(*batch)
        loss.backward()
        self.optimizer.step()
        run.vars["loss"] += loss.item() + random.random() + float(np.random.rand())

    def loss(self, x, y):
        return nn.functional.cross_entropy(self.model(x), y)

    def after_epoch(self, run):
        pass


class Cnn(Mlp):
    """BatchNorm, Dropout, a schedule per batch, a scaler, a validation, a moving average of the weights."""

    def __init__(self, seed):
        super().__init__(seed)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, 15)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)
        self.ema = torch.optim.swa_utils.AveragedModel(
            self.model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True)

    def make_model(self):
        return nn.Sequential(nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.Flatten(),
                             nn.Dropout(0.2), nn.Linear(16, 3))

    def objects(self):
        return super().objects() | {"scheduler": self.scheduler, "scaler": self.scaler, "ema": self.ema}

    def step(self, run, batch):
        self.optimizer.zero_grad()
        loss = self.loss(*batch)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        self.ema.update_parameters(self.model)
        run.vars["loss"] += loss.item()

    def after_epoch(self, run):
        self.model.eval()
        with torch.no_grad():
            right = sum((self.model(x).argmax(1) == y).sum().item() for x, y in run.eval(self.loader))
        self.model.train()
        run.best(right)


class Transformer(Mlp):
    """A small one, with a buffer that is not persistent and changes, and a hidden state kept as a plain attribute."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True)
            self.head = nn.Linear(6, 3)
            self.register_buffer("seen", torch.zeros(6), persistent=False)
            self.last = None

        def forward(self, x):
            out = self.inner((x + self.seen)[:, None, :])[:, 0, :]
            if self.last is not None:
                out = out + 0.01 * self.last
            if self.training:
                self.seen = 0.9 * self.seen + 0.1 * x.mean(0)
                self.last = out.detach().mean(0)
            return self.head(out)

    def make_model(self):
        return self.Net()


class Accumulating(Mlp):
    """The optimizer steps after every second batch and at the epoch's end."""

    def batches_options(self):
        return {"accumulate": 2}

    def step(self, run, batch):
        self.loss(*batch).backward()
        if (run.batch + 1) % 2 == 0 or run.batch + 1 == len(self.loader):
            self.optimizer.step()
            self.optimizer.zero_grad()


class Augmented(Mlp):
    """Random augmentation in the main process."""

    def make_loader(self):
        return DataLoader(NoisyData(), BATCH, shuffle=True)


class Workers(Mlp):
    """Two worker processes that shuffle and augment; the order comes from a generator of the loader's own."""
    epochs = 2

    def make_loader(self):
        return DataLoader(NoisyData(), BATCH, shuffle=True, num_workers=2, generator=torch.Generator().manual_seed(5))


class Stateful(Mlp):
    """A loader that can say where it is."""

    def make_loader(self):
        from torchdata.stateful_dataloader import StatefulDataLoader
        return StatefulDataLoader(TensorDataset(*data()), BATCH, shuffle=True)


class StatefulWorkers(Mlp):
    """The same with worker processes that augment: torchdata brings back the place, but not their random numbers."""
    epochs = 2

    def make_loader(self):
        from torchdata.stateful_dataloader import StatefulDataLoader
        return StatefulDataLoader(NoisyData(), BATCH, shuffle=True, num_workers=2)


class Accelerated(Mlp):
    """A loader prepared by Accelerate: it draws one batch ahead, in the main process, and shuffles by a seed and the epoch."""

    def make_loader(self):
        from accelerate import Accelerator, DataLoaderConfiguration
        accelerator = Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=5))
        return accelerator.prepare(DataLoader(NoisyData(), BATCH, shuffle=True))


class Stream(IterableDataset):
    def __iter__(self):
        for x, y in zip(*data()):
            yield x + 0.1 * torch.rand(6), y


class Streaming(Mlp):
    """Data whose length only its end tells."""

    def make_loader(self):
        return DataLoader(Stream(), BATCH)


class StatefulStreaming(Mlp):
    """A loader that can say where it is, of data that cannot: it counts."""

    def make_loader(self):
        from torchdata.stateful_dataloader import StatefulDataLoader
        return StatefulDataLoader(Stream(), BATCH)


class AcceleratedStreaming(Mlp):
    """Both: prepared by Accelerate, which draws one batch ahead, and without a length."""

    def make_loader(self):
        from accelerate import Accelerator
        return Accelerator(cpu=True).prepare(DataLoader(Stream(), BATCH))


class Unfreezing(Mlp):
    """A parameter group that appears in mid-run, plain SGD whose momentum appears with the first step, tied weights."""

    def make_model(self):
        model = nn.ModuleDict({"a": nn.Linear(6, 6), "b": nn.Linear(6, 6), "c": nn.Linear(6, 3)})
        model["b"].weight = model["a"].weight
        return model

    def __init__(self, seed):
        super().__init__(seed)
        self.optimizer = torch.optim.SGD(self.model["a"].parameters(), lr=0.1, momentum=0.9)

    def loss(self, x, y):
        return nn.functional.cross_entropy(self.model["c"](self.model["b"](self.model["a"](x).relu())), y)

    def after_epoch(self, run):
        if len(self.optimizer.param_groups) == 1:
            self.optimizer.add_param_group({"params": [*self.model["c"].parameters()], "lr": 0.05})


class FrozenStatistics(Mlp):
    """A layer that stays in evaluation from the second epoch on, below a train() before the loop."""

    def make_model(self):
        return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 3))

    def train(self, run, after_batch=lambda: None):
        self.model.train()
        super().train(run, after_batch)

    def after_epoch(self, run):
        self.model[1].eval()


class Recurrent(Mlp):
    """A hidden state that is carried from batch to batch, in a tuple and with the graph of the last step."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.head = nn.LSTM(6, 4), nn.Linear(4, 3)
            self.hidden = (torch.zeros(1, 4), torch.zeros(1, 4))

        def forward(self, x):
            out, self.hidden = self.inner(x, tuple(state.detach() for state in self.hidden))
            return self.head(out)

    def make_model(self):
        return self.Net()


class Phases(Mlp):
    """Two loops one after the other, and random numbers between them."""

    def train(self, run, after_batch=lambda: None):
        super().train(run, after_batch)
        run.vars.setdefault("between", float(torch.rand(1)))
        for _ in run.epochs(self.epochs + 2):
            for batch in run.batches(self.loader):
                self.step(run, batch)
                after_batch()


class Critic(Mlp):
    """A loader that is asked with next() beside another, and is never through."""

    def __init__(self, seed):
        super().__init__(seed)
        self.more = DataLoader(NoisyData(), 2, shuffle=True)

    def train(self, run, after_batch=lambda: None):
        run.vars.setdefault("loss", 0.0)
        for _ in run.epochs(self.epochs):
            others = iter(run.batches(self.more, name="critic"))
            for batch in run.batches(self.loader, name="generator"):
                other, _ = next(others)
                self.step(run, (batch[0] + other.mean(), batch[1]))
                after_batch()


class Transforming(Mlp):
    """Generators in a transform of a dataset inside another, and in a function that collates."""

    class Noise:
        def __init__(self):
            self.random, self.numpy = random.Random(3), np.random.default_rng(3)

        def __call__(self, x):
            return x + self.random.random() + float(self.numpy.normal())

    class Data(NoisyData):
        def __init__(self, transform):
            super().__init__()
            self.transform = transform

        def __getitem__(self, i):
            return self.transform(self.x[i]), self.y[i]

    def make_loader(self):
        generator = torch.Generator().manual_seed(4)

        def collate(samples):
            x, y = default_collate(samples)
            return x + torch.randn(x.shape, generator=generator), y
        return DataLoader(Subset(self.Data(self.Noise()), range(SAMPLES)), BATCH, shuffle=True, collate_fn=collate)


class ByHand(Mlp):
    """A loop over epochs of the script's own."""

    def train(self, run, after_batch=lambda: None):
        run.vars.setdefault("loss", 0.0)
        for _ in range(run.epoch, self.epochs):
            for batch in run.batches(self.loader):
                self.step(run, batch)
                after_batch()


class TwoLoaders(Mlp):
    """Labelled and unlabelled data side by side."""

    def train(self, run, after_batch=lambda: None):
        run.vars.setdefault("loss", 0.0)
        for _ in run.epochs(self.epochs):
            for batch, other in zip(run.batches(self.loader, name="labelled"), run.batches(self.more, name="more")):
                self.step(run, (batch[0] + other[0], batch[1]))
                after_batch()

    def __init__(self, seed):
        super().__init__(seed)
        self.more = DataLoader(NoisyData(), BATCH, shuffle=True)


class Steps(Mlp):
    """Counted in steps, its data drawn from generators that the run was given."""

    def __init__(self, seed):
        super().__init__(seed)
        self.numpy_generator = np.random.default_rng(seed)
        self.torch_generator = torch.Generator().manual_seed(seed)
        self.python_generator = random.Random(seed)

    def objects(self):
        return super().objects() | {"generators": [self.numpy_generator, self.torch_generator, self.python_generator]}

    def train(self, run, after_batch=lambda: None):
        run.vars.setdefault("loss", 0.0)
        x, y = data()
        for _ in run.steps(10):
            chosen = torch.randint(0, SAMPLES, (BATCH,), generator=self.torch_generator)
            noise = float(self.numpy_generator.normal()) + self.python_generator.gauss(0, 1)
            self.step(run, (x[chosen] + 0.1 * noise, y[chosen]))
            after_batch()


ALL = [Mlp, Cnn, Transformer, Accumulating, Augmented, Workers, Stateful, StatefulWorkers, Accelerated, Streaming,
       StatefulStreaming, AcceleratedStreaming, Unfreezing, FrozenStatistics, Recurrent, Phases, Critic, Transforming, ByHand, TwoLoaders, Steps]
