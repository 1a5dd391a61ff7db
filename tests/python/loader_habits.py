# SPDX-License-Identifier: Apache-2.0
"""What scripts do with their loaders from epoch to epoch: seed them, make them anew, count in them, throw their switches."""
import enum
import itertools
import operator

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, Subset, TensorDataset

from trainings import BATCH, SAMPLES, Mlp, NoisyData, data


class Habit(Mlp):
    """The first lines of each epoch do something to the loader."""

    def train(self, run, after_batch=lambda: None):
        run.vars.setdefault("loss", 0.0)
        for epoch in run.epochs(self.epochs):
            for batch in run.batches(self.loader_of(epoch)):
                self.step(run, batch)
                after_batch()
            self.after_epoch(run)

    def loader_of(self, epoch):
        return self.loader


class SeededEachEpoch(Habit):
    def make_loader(self):
        self.generator = torch.Generator()
        return DataLoader(TensorDataset(*data()), BATCH, shuffle=True, generator=self.generator)

    def loader_of(self, epoch):
        self.generator.manual_seed(100 + epoch)
        return self.loader


class SeededByHand(SeededEachEpoch):
    """The same with a loop over epochs of the script's own."""

    def train(self, run, after_batch=lambda: None):
        run.vars.setdefault("loss", 0.0)
        for epoch in range(run.epoch, self.epochs):
            for batch in run.batches(self.loader_of(epoch)):
                self.step(run, batch)
                after_batch()


class SeededAndGiven(SeededEachEpoch):
    def objects(self):
        return super().objects() | {"generator": self.generator}


class DrawnFromBefore(SeededEachEpoch):
    """What the first lines draw moves the loader's generator on."""

    def loader_of(self, epoch):
        torch.randperm(3, generator=self.generator)
        return self.loader


class MadeEachEpoch(Habit):
    """A new loader in each epoch, with a generator of its own that is seeded by the epoch."""

    def loader_of(self, epoch):
        return DataLoader(TensorDataset(*data()), BATCH, shuffle=True, generator=torch.Generator().manual_seed(100 + epoch))


class MadeFromOneGenerator(SeededEachEpoch):
    """A new loader in each epoch, that goes on with the generator of the last."""

    def loader_of(self, epoch):
        return DataLoader(TensorDataset(*data()), BATCH, shuffle=True, generator=self.generator)


class CountingSampler(Sampler):
    """Its order depends on how often it was asked."""

    def __init__(self):
        self.calls = 0

    def __len__(self):
        return SAMPLES

    def __iter__(self):
        self.calls += 1
        return iter(torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(self.calls)).tolist())


class Counting(Habit):
    def make_loader(self):
        return DataLoader(TensorDataset(*data()), BATCH, sampler=CountingSampler())


class StatefulCounting(Habit):
    def make_loader(self):
        from torchdata.stateful_dataloader import StatefulDataLoader
        return StatefulDataLoader(TensorDataset(*data()), BATCH, sampler=CountingSampler())


class CountingStream(IterableDataset):
    def __init__(self):
        self.passes = 0

    def __iter__(self):
        self.passes += 1
        order = np.random.default_rng(self.passes).permutation(SAMPLES)
        x, y = data()
        return ((x[i], y[i]) for i in order)


class CountingStreaming(Habit):
    def make_loader(self):
        return DataLoader(CountingStream(), BATCH)


class OwnBatches:
    """No loader of torch's at all."""

    def __init__(self):
        self.x, self.y = data()
        self.passes, self.shift = 0, None

    def __len__(self):
        return SAMPLES // BATCH

    def __iter__(self):
        self.passes += 1
        for number in range(len(self)):
            self.shift = 0.1 * number if self.shift is None else self.shift + 0.01
            chosen = torch.arange(BATCH) + (number * self.passes) % (SAMPLES - BATCH)
            yield self.x[chosen] + self.shift, self.y[chosen]


class OwnBatching(Habit):
    def make_loader(self):
        return OwnBatches()


class SwitchedData(NoisyData):
    def __init__(self):
        super().__init__()
        self.scale, self.drawn = 1.0, 0

    def __getitem__(self, i):
        self.drawn += 1
        x, y = super().__getitem__(i)
        return self.scale * x + 0.01 * self.drawn, y


class SwitchedOnce(Habit):
    """From the second epoch on the data is another; only the epoch in which that begins says so."""

    make_data: type[Dataset] = SwitchedData

    def make_loader(self):
        self.data = self.make_data()
        return DataLoader(self.data, BATCH, shuffle=True)

    def loader_of(self, epoch):
        if epoch == 1:
            self.data.scale = 2.0
        return self.loader


class SwitchedEachEpoch(SwitchedOnce):
    def loader_of(self, epoch):
        self.data.scale = 1.0 + epoch
        return self.loader


class SwitchedForWorkers(SwitchedOnce):
    epochs = 2

    def make_loader(self):
        self.data = SwitchedData()
        return DataLoader(self.data, BATCH, shuffle=True, num_workers=2)


class SwitchedAfterBatches(SwitchedOnce):
    """Here it is the end of the first epoch that says so."""

    def loader_of(self, epoch):
        return self.loader

    def after_epoch(self, run):
        super().after_epoch(run)
        if run.epoch == 0:
            self.data.scale = 2.0


class Level(enum.Enum):
    low, high = 1, 2


class SwitchedByMore(SwitchedOnce):
    """Switches that are no plain numbers: a tuple, a scalar of NumPy, an enum, a list that is changed in place, a tensor."""

    def make_loader(self):
        self.data = SwitchedData()
        vars(self.data).update(size=(1, 1), level=np.float64(1), kind=Level.low, sizes=[1.0], offset=torch.zeros(2))
        return DataLoader(self.data, BATCH, shuffle=True)

    def loader_of(self, epoch):
        if epoch == 1:
            self.data.size, self.data.level, self.data.kind = (2, 2), np.float64(2), Level.high
            self.data.sizes.append(2.0)
            self.data.offset[0] = 1
        return self.loader

    def step(self, run, batch):
        data = self.data
        factor = data.size[0] * float(data.level) * data.kind.value * sum(data.sizes) + float(data.offset.sum())
        super().step(run, (batch[0] * factor / 10, batch[1]))


class LastingWorkers(Habit):
    """Workers that stay from epoch to epoch, of the training and of a validation in each epoch."""

    def make_loader(self):
        self.validation = DataLoader(TensorDataset(*data()), BATCH, num_workers=1, persistent_workers=True)
        return DataLoader(TensorDataset(*data()), BATCH, shuffle=True, num_workers=1, persistent_workers=True)

    def after_epoch(self, run):
        super().after_epoch(run)
        for _ in run.eval(self.validation):
            pass


class LastingWorkersMadeAnew(Habit):
    epochs = 2

    def loader_of(self, epoch):
        return DataLoader(TensorDataset(*data()), BATCH, shuffle=True, num_workers=1, persistent_workers=True)


class TakingTurns(SeededEachEpoch):
    """Two loaders, each with a generator of its own, take turns under one name."""

    def make_loader(self):
        self.other = DataLoader(TensorDataset(*data()), BATCH, shuffle=True, generator=torch.Generator().manual_seed(5))
        return DataLoader(TensorDataset(*data()), BATCH, shuffle=True, generator=torch.Generator().manual_seed(6))

    def loader_of(self, epoch):
        return self.other if epoch % 2 else self.loader


class OpenedLazily(SwitchedData):
    """A flag says that something is open that no other process has."""

    def __init__(self):
        super().__init__()
        self.is_open = False

    def __getitem__(self, i):
        if not self.is_open:
            self.file, self.is_open = open("/dev/zero", "rb"), True
        self.file.read(1)
        return super().__getitem__(i)


class SwitchedBesideOpen(SwitchedOnce):
    make_data = OpenedLazily


class Caching(SwitchedData):
    """What is in the cache, and how much of it is filled; the cache itself is too large to be saved."""

    def __init__(self):
        super().__init__()
        self.filled, self.where, self.cache = 0, {}, []

    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        if i not in self.where:
            self.where[i] = len(self.cache)
            self.cache.append(torch.full((4000,), float(i)))
            self.filled += 1
        return x + 0.01 * self.cache[self.where[i]][:x.numel()].reshape(x.shape), y


class SwitchedBesideCache(SwitchedOnce):
    make_data = Caching


class PassesInSteps(Habit):
    """Each step is a pass over the loader."""

    def train(self, run, after_batch=lambda: None):
        run.vars.setdefault("loss", 0.0)
        for step in run.steps(4):
            for batch in run.batches(self.loader_of(step), name="inner"):
                self.step(run, batch)
            after_batch()


class PassesMadeInSteps(PassesInSteps):
    loader_of = MadeEachEpoch.loader_of


class PassesBeforePoints(Habit):
    """A loop of one's own, in which a pass over the loader comes before each safe point of the script's."""

    def train(self, run, after_batch=lambda: None):
        run.vars.setdefault("loss", 0.0)
        while run.epoch < 3:
            for batch in run.batches(self.loader_of(run.epoch)):
                self.step(run, batch)
                after_batch()
            run.point()
            after_batch()


class PassesMadeBeforePoints(PassesBeforePoints):
    loader_of = MadeEachEpoch.loader_of


class Wrapped(Habit):
    """Between the loader and run.batches() stands something that tells nothing of itself: a function, enumerate()."""

    def make_loader(self):
        return DataLoader(DrawingData(), BATCH, shuffle=True, generator=torch.Generator().manual_seed(5))

    def loader_of(self, epoch):
        return (batch for _, batch in enumerate(self.loader))


class WrappedInFunctions(Wrapped):
    def loader_of(self, epoch):
        def of_pairs(pairs):
            for number, batch in pairs:
                yield batch
        return of_pairs(enumerate(self.loader))


class WrappedInIterators(Wrapped):
    def loader_of(self, epoch):
        return map(operator.itemgetter(0), zip(itertools.islice(self.loader, 3), itertools.count()))


class WrappedWithWorkers(Wrapped):
    epochs = 2

    def make_loader(self):
        return DataLoader(TensorDataset(*data()), BATCH, shuffle=True, num_workers=1, generator=torch.Generator().manual_seed(5))


class DrawingData(NoisyData):
    """Has a generator of its own, for what it draws from time to time and for augmentation."""

    def __init__(self):
        super().__init__()
        self.generator = np.random.default_rng(3)
        self.draw()

    def draw(self):
        self.drawn = self.generator.random(5000)          # too large to be saved beside the loader

    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return x + 0.1 * float(self.drawn[i] + self.generator.random()), y


class DrawnInFirstLines(Habit):
    """Each epoch has data of its own, which its first lines draw."""

    def make_loader(self):
        return DataLoader(DrawingData(), BATCH, shuffle=True)

    def loader_of(self, epoch):
        self.loader.dataset.draw()
        return self.loader


class PartsDrawnInFirstLines(SeededEachEpoch):
    def make_loader(self):
        self.generator = torch.Generator().manual_seed(5)
        return None

    def loader_of(self, epoch):
        part = torch.randperm(SAMPLES, generator=self.generator)[:SAMPLES // 2].tolist()
        return DataLoader(Subset(TensorDataset(*data()), part), 2, shuffle=True, generator=self.generator)


class DrawnFromVariablesInFirstLines(Habit):
    """The generator is in run.vars."""

    def train(self, run, after_batch=lambda: None):
        self.generator = run.vars.setdefault("generator", np.random.default_rng(3))
        super().train(run, after_batch)
        run.vars["generator"] = str(self.generator.bit_generator.state)      # to be compared

    def loader_of(self, epoch):
        noise = torch.from_numpy(self.generator.random((SAMPLES, 6)))
        x, y = data()
        return DataLoader(TensorDataset((x + noise).float(), y), BATCH, shuffle=True)


class DrawnFromNestInFirstLines(DrawnFromVariablesInFirstLines):
    """The generator is in a dict in run.vars."""

    def train(self, run, after_batch=lambda: None):
        self.generator = run.vars.setdefault("data", {"generator": np.random.default_rng(3)})["generator"]
        Habit.train(self, run, after_batch)
        run.vars["data"] = str(self.generator.bit_generator.state)


class GivenAsOne(Habit):
    """The training is one object of the script's own, and so is what Run is given. Its loader has a generator."""

    def make_loader(self):
        return DataLoader(TensorDataset(*data()), BATCH, shuffle=True, generator=torch.Generator().manual_seed(1))

    def objects(self):
        return {"training": self}

    def state_dict(self):
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state):
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


class HeldByModel(Habit):
    """The model has the loader, and its sampler counts."""

    def make_loader(self):
        self.model.loader = DataLoader(TensorDataset(*data()), BATCH, sampler=CountingSampler())

    def loader_of(self, epoch):
        return self.model.loader


class ModuleInFirstLines(Habit):
    """A flag and a list of the model, which an epoch's first lines set, and its batches put back to what the script has made."""

    def make_model(self):
        model = super().make_model()
        model.warm, model.losses = False, []
        return model

    def loader_of(self, epoch):
        self.model.warm = True
        self.model.losses.append(epoch)
        return self.loader

    def step(self, run, batch):
        if run.batch == 2:
            self.model.warm = False
            self.model.losses.clear()
        super().step(run, (batch[0] * (0.5 + self.model.warm + len(self.model.losses)), batch[1]))


class Meter:
    def __init__(self):
        self.sum, self.batches = 0.0, 0


class MeterOfModuleInFirstLines(Habit):
    """An object of the script's own that the model holds: an epoch's first lines begin it anew, its batches add to it."""

    def make_model(self):
        model = super().make_model()
        model.meter = Meter()
        return model

    def loader_of(self, epoch):
        self.model.meter.sum = epoch
        return self.loader

    def step(self, run, batch):
        meter = self.model.meter
        super().step(run, (batch[0] * (1 + meter.sum / 10 + meter.batches / 100), batch[1]))
        meter.sum += 1
        meter.batches += 1


class VariablesInFirstLines(Habit):
    """What the first lines of an epoch do to run.vars, in place or not."""

    def train(self, run, after_batch=lambda: None):
        run.vars.setdefault("loss", 0.0)
        run.vars.setdefault("log", [])
        run.vars.setdefault("seen", {"epochs": 0, "sums": torch.zeros(2)})
        for epoch in run.epochs(self.epochs):
            run.vars["log"].append(("epoch", epoch))
            run.vars["seen"]["epochs"] += 1
            run.vars["seen"]["sums"] *= 0.5
            losses = run.vars["losses"] = []
            for batch in run.batches(self.loader):
                self.step(run, batch)
                losses.append(run.vars["loss"])
                run.vars["seen"]["sums"][0] += losses[-1]
                after_batch()
            run.vars["log"].append((epoch, len(losses), sum(losses)))
            self.after_epoch(run)


ALL = [SeededEachEpoch, SeededByHand, SeededAndGiven, DrawnFromBefore, MadeEachEpoch, MadeFromOneGenerator, Counting,
       StatefulCounting, CountingStreaming, OwnBatching, SwitchedOnce, SwitchedEachEpoch, SwitchedForWorkers, SwitchedAfterBatches,
       SwitchedByMore, SwitchedBesideOpen, SwitchedBesideCache, TakingTurns, LastingWorkers, LastingWorkersMadeAnew, PassesInSteps, PassesMadeInSteps, PassesBeforePoints, PassesMadeBeforePoints, VariablesInFirstLines,
       Wrapped, WrappedInFunctions, WrappedInIterators, WrappedWithWorkers, DrawnInFirstLines, PartsDrawnInFirstLines,
       DrawnFromVariablesInFirstLines, DrawnFromNestInFirstLines, GivenAsOne, HeldByModel,
       ModuleInFirstLines, MeterOfModuleInFirstLines]
