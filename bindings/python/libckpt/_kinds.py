# SPDX-License-Identifier: Apache-2.0
"""Which kinds of value there are, in the order in which they are asked: the first that takes a value's type writes it."""
from . import _foreign, _module, _numpy, _optimizer, _plain, _torch
from ._tree import register

for kind in (
    _plain.Number(), _plain.List(), _plain.Dict(), _plain.Pairs(), _plain.Tuple(), _plain.Set(), _plain.Deque(),
    _plain.Enumeration(), _plain.Bytes(), _plain.GrowingBuffer(), _plain.Pickled(),
    _numpy.NumpyArray(), _numpy.NumpyScalar(), _numpy.NumpyGenerator(), _numpy.PythonGenerator(),
    _torch.Tensor(), _module.Module(), _torch.TorchGenerator(), _optimizer.Optimizer(),
    _plain.Subclass(), _optimizer.Scheduler(), _plain.StateDict(), _plain.Dataclass(), _foreign.Foreign(),
):
    register(kind)
