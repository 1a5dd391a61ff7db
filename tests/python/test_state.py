# SPDX-License-Identifier: Apache-2.0
"""Whatever is given to Run comes back as it was, into the same objects."""
import array
import collections
import copy
import ctypes
import dataclasses
import enum
import mmap
import random

import libckpt
import ml_dtypes
import numpy as np
import pytest
import torch
from restored import save_and_restore
from torch import nn


class Colour(enum.Enum):
    red = 1
    blue = 2


class Level(enum.IntEnum):
    low = 1


Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Counter:
    seen: int
    weights: np.ndarray


@dataclasses.dataclass
class Event:
    step: int
    where: Point


class Stateful:
    def __init__(self, value):
        self.value = value

    def state_dict(self):
        return {"value": self.value, "function": print}

    def load_state_dict(self, state):
        self.value = state["value"]


def read_only(values):
    values.flags.writeable = False
    return values


NESTS = {
    "numbers": [0, -1, 2**63 - 1, 2**200, -2**64, 1.5, -0.0, 5e-324, float("inf"), True, None, 1 + 2j],
    "text": ["", "ünïcode \u2713 \0", "$dollar"],
    "keys": {"a/b": 1, "$array": 2, "": 3, "..": 4, 7: 5, (1, 2): 6, None: 7, True: 8},
    "keys of bytes": {b"k1": 1, b"k2": 2, (b"a", 1): 3, frozenset({b"b"}): 4, b"": 5},
    "keys alike as text": {1: b"number", "1": b"text", (0, 1): b"tuple", "(0, 1)": b"text too", 0.5: b"f", "0.5": b"g"},
    "keys of classes": {Colour.red: 1, Point(1, 2): 2, np.int64(3): 3},
    "classes": [Point(1, [2]), Colour.blue, Level.low, Event(3, Point(4, 5)), array.array("d", [0.5, 1.5])],
    "defaults": [collections.defaultdict(list, {"a": [1]}), collections.defaultdict(int)],
    "order": {"z": 1, "a": 2, "m": [{"y": 1, "b": 2}]},
    "sequences": [(1, (2, 3)), [], (), [[[]]]],
    "sets": [{1, 2, 3}, {"x"}, set(), frozenset({1})],
    "deque": [collections.deque([1, 2, 3], maxlen=5)],
    "dicts": [collections.OrderedDict(b=1, a=2), collections.Counter("hello")],
    "bytes": [b"", b"\0\xff" * 1000],
    "scalars": [np.float32(0.1), np.int8(-3), np.float64(0.1), np.bool_(True), np.complex64(1 + 2j)],
}


@pytest.mark.parametrize("name", NESTS)
def test_a_nest_comes_back_equal_and_of_the_same_types(name, open_run):
    nest = {"nest": NESTS[name]} if isinstance(NESTS[name], list) else NESTS[name]
    run = save_and_restore(open_run, {"state": {"value": nest}}, {"state": (empty := {})})
    assert run.resumed
    assert repr(empty["value"]) == repr(nest)


def test_arrays_under_keys_that_are_alike_as_text_stay_apart(open_run):
    saved = {1: np.arange(3.), "1": np.arange(3.) + 10, b"k": np.zeros(2), (0, 1): torch.ones(1), "(0, 1)": torch.zeros(1)}
    save_and_restore(open_run, {"state": {"value": saved}}, {"state": (back := {})})
    assert [array.tolist() for array in back["value"].values()] == [[0, 1, 2], [10, 11, 12], [0, 0], [1], [0]]
    assert list(back["value"]) == list(saved)


def test_generators_that_appear_after_the_start_come_back(open_run):
    run = open_run()
    run.vars.update(new=np.random.default_rng(1), old=np.random.RandomState(1), philox=np.random.Generator(np.random.Philox(1)),
                    python=random.Random(1), torch=torch.Generator().manual_seed(1))
    expected = draw_from(copy.deepcopy({name: g for name, g in run.vars.items() if name != "torch"}))
    run._session.save(run.step + 1)
    run.close()
    back = dict(open_run().vars)
    assert torch.equal(back.pop("torch").get_state(), torch.Generator().manual_seed(1).get_state())
    assert draw_from(back) == expected


def draw_from(generators):
    return [float(generators[name].normal()) for name in ("new", "old", "philox")] + [generators["python"].random()]


def test_children_that_a_generator_has_given_are_not_given_again(open_run):
    def draw(generator):
        return generator.spawn(1)[0].random()
    saved = np.random.default_rng(3)
    saved.spawn(2)
    save_and_restore(open_run, {"rng": saved}, {"rng": (back := np.random.default_rng(3))})
    assert draw(back) == draw(saved)


@pytest.mark.parametrize("late", [Stateful(1), memoryview(bytearray(3)), (ctypes.c_double * 2)()], ids=lambda late: type(late).__name__)
def test_what_could_not_be_restored_is_not_saved_but_told(late, open_run, capfd):
    given: list = [Stateful(1)]
    run = open_run(given=given)
    for place, what in ((run.vars, {"late": late}), (given, None)):
        place.update(what) if what else place.append(late)
        with pytest.raises(libckpt.Error):
            run._session.save(run.step + 1)
        assert "the script does not have it yet when Run() is created" in str(run._failure_of_prepare())
        run.vars.clear()


def test_what_would_come_back_as_something_else_is_refused(open_run):
    class Phase(enum.Enum):
        warm = 1
    Pair = collections.namedtuple("Pair", "x y")
    run = open_run(given=[Phase.warm, Pair(1, 2), collections.defaultdict(lambda: 5, {"a": 1})])    # comes back into these
    for value, why in (("name \udc80", "'vars.late.0' (builtins.str) cannot be saved: it is no Unicode text"), (Phase.warm, "its class cannot be found"), (Pair(1, 2), "its class cannot be found"),
                       (collections.defaultdict(lambda: 5), "its default_factory is a function")):
        run.vars["late"] = [value]
        with pytest.raises(libckpt.Error):
            run._session.save(run.step + 1)
        assert why in str(run._failure_of_prepare())
    run.vars.clear()


def test_a_nest_that_is_too_deep_to_be_read_again_is_refused(open_run):
    nest: list = []
    for _ in range(140):
        nest = [nest]
    save_and_restore(open_run, {"state": {"x": nest}}, {"state": (back := {})})
    assert back["x"] == nest
    for _ in range(20):
        nest = [nest]
    with pytest.raises(TypeError, match="nested more than 150 deep"):
        open_run(state=nest, directory=None)


@pytest.mark.parametrize("given", [np.ma.masked_array([1.0, 2.0], [False, True]), [np.ma.masked_array([1.0], [True])]])
def test_a_masked_array_is_refused_rather_than_saved_without_its_mask(given, open_run):
    with pytest.raises(TypeError, match="mask"):
        open_run(given=given)


def test_nan_comes_back(open_run):
    save_and_restore(open_run, {"state": [float("nan")]}, {"state": (back := [0.0])})
    assert back[0] != back[0]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32",
                                   "float64", "complex64", "complex128", "bool", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn,
                                   ml_dtypes.float8_e5m2])
def test_numpy_arrays_of_every_type_are_restored_in_place(dtype, open_run):
    saved = np.arange(24).reshape(2, 3, 4).astype(dtype)
    live = np.zeros_like(saved)
    save_and_restore(open_run, {"x": saved}, {"x": live})
    assert live.tobytes() == saved.tobytes()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
                                   torch.float32, torch.float64, torch.complex64, torch.bool, torch.float8_e4m3fn,
                                   torch.float8_e5m2, torch.uint16])
def test_tensors_of_every_type_keep_their_identity(dtype, open_run):
    saved = torch.arange(6).reshape(2, 3).to(dtype)
    live = torch.zeros(2, 3).to(dtype)
    address = live.data_ptr()
    state = {"x": live}
    save_and_restore(open_run, {"state": {"x": saved}}, {"state": state})
    assert state["x"] is live and live.data_ptr() == address
    assert live.view(torch.uint8).tolist() == saved.view(torch.uint8).tolist()


@pytest.mark.parametrize("view", [
    lambda x: x.t(), lambda x: x[::2], lambda x: x[:, 1:], lambda x: x[0, 0], lambda x: x[:0],
    lambda x: x.reshape(2, 8, 4, 1).to(memory_format=torch.channels_last), lambda x: torch.complex(x, x).conj(),
], ids=["transposed", "every second", "columns", "scalar", "empty", "channels last", "conjugate"])
def test_views_are_saved_as_what_they_show(view, open_run):
    saved, live = view(torch.randn(16, 4)), view(torch.zeros(16, 4))
    save_and_restore(open_run, {"x": saved}, {"x": live})
    assert torch.equal(saved, live)


@pytest.mark.parametrize("live", [np.zeros((5, 7)), np.zeros((10, 14))[::2, ::2], np.zeros((5, 7))[::-1]])
def test_arrays_of_numpy_keep_their_layout(live, open_run):
    saved = np.asfortranarray(np.random.default_rng(1).normal(size=(5, 7)))
    save_and_restore(open_run, {"x": saved}, {"x": live})
    assert np.array_equal(live, saved)


class DlpackOnly:
    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack__(self, **_):
        return self.tensor.__dlpack__()

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()


class InterfaceOnly:
    def __init__(self, values):
        self.values = values
        self.__array_interface__ = values.__array_interface__


@pytest.mark.parametrize("make", [
    lambda data: bytearray(data), lambda data: array.array("d", data),
    lambda data: (ctypes.c_char * 8).from_buffer_copy(data), lambda data: mapped(data),
    lambda data: DlpackOnly(torch.frombuffer(bytearray(data), dtype=torch.int16)),
    lambda data: InterfaceOnly(np.frombuffer(data, "f4").copy()),
], ids=["bytearray", "array", "ctypes", "mmap", "DLPack", "array interface"])
def test_memory_of_other_libraries_is_restored_in_place(make, open_run):
    live = make(bytes(8))
    save_and_restore(open_run, {"x": make(b"12345678")}, {"x": live})
    raw = {DlpackOnly: lambda: live.tensor.numpy().tobytes(), InterfaceOnly: lambda: live.values.tobytes()}
    assert raw.get(type(live), lambda: bytes(live))() == b"12345678"


@pytest.mark.parametrize("make", [
    lambda: np.broadcast_to(1.5, (2, 3)), lambda: np.broadcast_to(np.arange(3.0), (2, 3)),
    lambda: InterfaceOnly(np.lib.stride_tricks.as_strided(np.ones(1), (3,), (0,))),
    lambda: DlpackOnly(torch.ones(1).expand(3)),
], ids=["one number", "one row", "array interface", "DLPack"])
def test_an_array_whose_elements_share_their_memory_is_refused(make, open_run):
    with pytest.raises(libckpt.Error, match="'x/0': its strides let elements overlap"):
        open_run(x=[make()]).point()


def mapped(data):
    area = mmap.mmap(-1, len(data))
    area[:] = data
    return area


def test_a_bytearray_may_grow(open_run):
    live = bytearray(b"short")
    save_and_restore(open_run, {"x": bytearray(b"much longer than before")}, {"x": live})
    assert live == b"much longer than before"


def test_objects_of_ones_own_are_changed_in_place(open_run):
    counter, colour, thing = Counter(0, np.zeros(2)), {"c": Colour.red}, Stateful(0)
    weights = counter.weights
    save_and_restore(open_run, {"state": [Counter(5, np.ones(2)), {"c": Colour.blue}, Stateful(np.float32(3))]},
                     {"state": (state := [counter, colour, thing])})
    assert state[0] is counter and counter.seen == 5 and counter.weights is weights and weights.tolist() == [1, 1]
    assert colour == {"c": Colour.blue} and thing.value == 3


def test_generators_go_on_where_they_were(open_run):
    def make(seed):
        return {"g": {"new": np.random.default_rng(seed), "old": np.random.RandomState(seed), "python": random.Random(seed),
                      "torch": torch.Generator().manual_seed(seed), "philox": np.random.Generator(np.random.Philox(seed))}}

    def draw(given):
        g = given["g"]
        return g["new"].normal(), g["old"].rand(), g["python"].random(), torch.rand(1, generator=g["torch"]), g["philox"].normal()
    saved, other = make(1), make(2)
    draw(saved)
    save_and_restore(open_run, saved, other)
    assert draw(other) == draw(saved)


def test_plain_numbers_given_by_name_are_variables(open_run):
    run = save_and_restore(open_run, {"temperature": 2.5}, {"temperature": 1.0})
    assert run.vars == {"temperature": 2.5}


@pytest.mark.parametrize("saved, live", [
    (np.zeros(3), np.zeros(4)), (torch.zeros(3), torch.zeros(4)), ((np.zeros(3),), (np.zeros(4),)),
    (np.zeros(3), np.zeros(3, "f4")), (np.zeros(3), read_only(np.zeros(3))),
])
def test_what_was_given_by_name_is_restored_in_place_or_not_at_all(saved, live, open_run):
    with pytest.raises((libckpt.Error, TypeError), match="x"):
        save_and_restore(open_run, {"x": saved}, {"x": live})


def test_an_array_inside_a_container_may_have_grown(open_run):
    live = {"x": np.zeros(3)}
    save_and_restore(open_run, {"state": {"x": np.ones(5)}}, {"state": live})
    assert live["x"].tolist() == [1] * 5


def test_shared_tensors_are_saved_once_and_stay_shared(open_run, tmp_path):
    weight = torch.randn(100)
    save_and_restore(open_run, {"state": {"a": weight, "b": weight}}, {"state": (back := {})})
    assert back["a"] is back["b"] and torch.equal(back["a"], weight)
    assert list(name for name in libckpt.open(tmp_path / "run") if name.startswith("state")) == ["state/a"]


MEMORIES = {"torch": (torch.zeros, torch.full), "numpy": (np.zeros, np.full)}


@pytest.mark.parametrize("kind", MEMORIES)
def test_arrays_that_a_program_begins_with_as_one_memory_come_back_apart(kind, open_run):
    zeros, full = MEMORIES[kind]
    one, two = full((2,), 1.0), full((2,), 2.0)
    blank = zeros(2)
    live = collections.deque([blank] * 4)           # as programs that stack frames begin
    save_and_restore(open_run, {"frames": collections.deque([one, two, two, zeros(2)])}, {"frames": live})
    assert [frame.tolist() for frame in live] == [[1, 1], [2, 2], [2, 2], [0, 0]]
    assert live[0] is blank and live[1] is live[2]


class Average:
    """Of a model's parameters; it begins with their own memory."""

    def __init__(self, model):
        self.shadow = {name: parameter.data for name, parameter in model.named_parameters()}

    def state_dict(self):
        return self.shadow

    def load_state_dict(self, state):
        self.shadow = state


def test_an_average_that_begins_as_the_parameters_themselves_comes_back_apart(open_run):
    model, again = nn.Linear(2, 2), nn.Linear(2, 2)
    average, back = Average(model), Average(again)
    average.shadow = {name: parameter.data.clone() for name, parameter in model.named_parameters()}      # equal, but not the same
    average.shadow["weight"] += 1
    save_and_restore(open_run, {"average": average, "model": model}, {"average": back, "model": again})
    assert torch.equal(again.weight, model.weight) and torch.equal(back.shadow["weight"], model.weight + 1)
    assert back.shadow["bias"].data_ptr() != again.bias.data_ptr()


def test_tensors_that_show_one_memory_go_on_showing_it(open_run):
    model, again = nn.Linear(2, 2), nn.Linear(2, 2)
    saved, live = {"weight": model.weight.data, "new": model.bias.data}, {"weight": again.weight.data}
    save_and_restore(open_run, {"model": model, "state": saved}, {"model": again, "state": live})
    assert torch.equal(again.weight, model.weight)
    for name in ("weight", "bias"):
        key = "weight" if name == "weight" else "new"
        assert live[key].data_ptr() == getattr(again, name).data_ptr() and not live[key].requires_grad


class Narrow(Stateful):
    def load_state_dict(self, state):
        raise KeyError("width")


def test_a_class_that_does_not_take_its_state_back_is_named(open_run):
    with pytest.raises(libckpt.Error, match=r"'thing': Narrow.load_state_dict\(\) .*KeyError: 'width'"):
        save_and_restore(open_run, {"thing": Stateful(1)}, {"thing": Narrow(2)})


class Wrapped(torch.optim.SGD):
    def __init__(self, parameters):
        super().__init__(parameters, lr=0.1)
        self.inner = torch.optim.Adam(self.param_groups)

    def load_state_dict(self, state):
        super().load_state_dict(state)


@pytest.mark.parametrize("is_given", [False, True])
def test_an_optimizer_inside_another_is_told_unless_it_is_given(is_given, open_run, capfd):
    optimizer = Wrapped(nn.Linear(2, 2).parameters())
    open_run(optimizer=optimizer, **({"base": optimizer.inner} if is_given else {}))
    assert ("optimizer.inner (Adam) has a state of its own" in capfd.readouterr().err) != is_given


def test_memory_of_a_device_goes_over_the_host(open_run, monkeypatch):
    from libckpt import _torch
    on_host = _torch.direct
    monkeypatch.setattr(_torch, "direct", lambda tensor: None if getattr(tensor, "on_device", False) else on_host(tensor))
    monkeypatch.setattr(torch.Tensor, "detach", lambda tensor, plain=torch.Tensor.detach: mark(plain(tensor), tensor))
    saved, live = mark(torch.randn(3), True), mark(torch.zeros(3), True)
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: torch.tensor(tensor.tolist()))
    save_and_restore(open_run, {"x": saved}, {"x": live})
    assert live.tolist() == saved.tolist()


def mark(tensor, like):
    tensor.on_device = getattr(like, "on_device", like is True)
    return tensor


@pytest.mark.parametrize("value, said", [
    (object(), "has no state_dict"), ({"deep": [object()]}, "state.deep.0"), (np.zeros(2, object), "cannot be saved"),
    (np.zeros(2, "U3"), "cannot be saved"), (torch.zeros(2, 2).to_sparse(), "sparse"), (torch.zeros(1).expand(5), None),
    (np.zeros(2, ">f4"), "native byte order"), (memoryview(b"fixed"), "read-only"), (torch.zeros(2, device="meta"), "meta"),
])
def test_what_cannot_be_saved_is_said_at_the_start(value, said, open_run):
    if said is None:       # it can, by a copy: elements that share memory
        save_and_restore(open_run, {"state": {"x": value}}, {"state": {}})
        return
    with pytest.raises(TypeError, match=said):
        open_run(state=value)


def test_what_a_state_dict_cannot_give_is_said_and_left_as_it_is(open_run, capfd):
    save_and_restore(open_run, {"thing": Stateful(1)}, {"thing": (back := Stateful(2))})
    assert back.value == 1
    assert "not saved, each start makes it anew: thing.function" in capfd.readouterr().err


def test_pickle_needs_the_name_at_saving_and_at_restoring(open_run):
    with pytest.raises(TypeError, match="pickle="):
        open_run(thing=Unknown(1))
    first = open_run(thing=Unknown(1), pickle=["thing"])
    first.point()
    first._session.save(first.step)
    first.close()
    with pytest.raises(libckpt.Error, match="can run any code"):
        open_run(thing=Stateful(0))
    back = Unknown(2)
    open_run(thing=back, pickle=["thing"])
    assert back.value == 1


class Unknown:
    def __init__(self, value):
        self.value = value
