# SPDX-License-Identifier: Apache-2.0
"""torch.distributed.checkpoint: ``dcp.save(state, storage_writer=writer, checkpoint_id=step)`` makes a snapshot of a run, and
``dcp.load(state, storage_reader=StorageReader(writer))`` fills the state in place from the newest whole one.

One process: more are refused. What is no tensor is kept as structure and plain values, never pickled."""
from __future__ import annotations

import os
import re
import threading
from typing import Any, Callable, Mapping, NoReturn

from torch.distributed.checkpoint import metadata as dcp, storage
from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner, SavePlan, SavePlanner
from torch.futures import Future

from . import _abi, _ending, _reading
from ._abi import Error
from ._arrays import Registry
from ._dcp import KEY, Content, Filling, Stored
from ._keyboard import Keyboard
from ._log import warn
from ._run import TO_BE_CONTINUED
from ._session import Session, Stopped
from ._tree import structure_of

__all__ = ["StorageReader", "StorageWriter"]


class StorageWriter(storage.StorageWriter):
    """A run, for dcp.save() and dcp.async_save(), one at a time. Each saves one snapshot, whole or not at all, and returns (or
    its future is done) when that is durable.

        writer = StorageWriter()
        if writer.has_snapshot:
            dcp.load(state, storage_reader=StorageReader(writer))
        while state["step"] < 1000:
            train_step(state)
            if state["step"] % 100 == 0 or writer.stop_is_due:
                dcp.save(state, storage_writer=writer, checkpoint_id=state["step"])
            writer.stop_if_due()
        writer.complete()

    ``checkpoint_id`` is the step: a number, or a text that ends in one; without it, one more than that of the last snapshot.

    Args:
        directory: of the run (default: what ckptrun says, or ``CKPT_RUN_DIR``; neither: nothing is saved).
        settings: further keys of ``ckpt_config`` in ckpt.h, as text: ``{"keep": "3"}``.

    Attributes:
        directory: of the run, absolute; None: nothing is saved.
        has_snapshot: whether the run had one when it was opened. Then it must be loaded before the first save.
        step: of the snapshot that was saved or loaded last; None: neither yet.

    Raises:
        libckpt.Error: the run cannot be opened, or there are several ranks; the text says why and what to do.
        ValueError: the step is not above that of the last snapshot.
        CheckpointException: torch's, from dcp.save(), with libckpt.Error inside, or TypeError for what cannot be saved.
    """

    def __init__(self, directory: str | os.PathLike | None = None, *, settings: Mapping[str, str] | None = None):
        self._session = Session({**(settings or {}), **({"directory": os.fspath(directory)} if directory is not None else {})})
        self._registry = Registry(self._session.handle)
        self._callback = _abi.PREPARE(self._prepare)      # the C library calls it: it must live as long
        self._prepare_save: Callable[[], None] | None = None
        self._prepare_restore: Callable[[Any], None] | None = None
        self._failure: BaseException | None = None        # of the callback
        self._content: Content | None = None
        self._next_step: int | None = None                # None: one more than the last
        self._one_at_a_time = threading.RLock()           # async_save has a thread of its own
        if self._session.is_open:
            _abi.call("ckpt_on_prepare", self._session.handle, self._callback, None)
        self.directory = self._session.directory
        self.has_snapshot = self._session.has_snapshot()
        self.step: int | None = None
        self._keyboard = Keyboard(self._session.ask_to_stop) if self.directory else None
        _ending.watch(self)

    # ---- For the script ------------------------------------------------------------------------------------------------------

    @property
    def stop_is_due(self) -> bool:
        """Whether time is up or somebody asked for a stop: save now, then stop_if_due()."""
        return self._session.stop_is_due()

    def stop_if_due(self) -> None:
        """If a stop is due, raises libckpt.Stopped (exit code 85): the next block goes on from the newest snapshot. Where there
        is none yet, this block goes on to its first. Raises libckpt.Error where the newest snapshot did not become durable."""
        with self._one_at_a_time:
            if self.stop_is_due and self._session.leave():
                self._stop()

    def complete(self) -> None:
        """The work is complete; its last state is what was saved last. Ends the run. Raises Error where nothing was saved."""
        with self._one_at_a_time:
            if self.directory and self.step is None:
                raise Error("nothing was saved that could be the last state of this run: dcp.save() it before complete()")
            self._session.finish(self.step or 0)
            self.close()

    def close(self) -> int:
        """Ends this block without a word about the work. 0: complete, 85: stopped at a durable snapshot, 1: neither."""
        if self._keyboard:
            self._keyboard.release()
        return self._session.close()

    def __enter__(self) -> StorageWriter:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # ---- What torch calls ----------------------------------------------------------------------------------------------------

    def reset(self, checkpoint_id: Any = None) -> None:
        step = None if checkpoint_id is None else step_in(checkpoint_id)
        if step is not None and self.step is not None and step <= self.step:
            raise ValueError(f"checkpoint_id={checkpoint_id!r}: step {self.step} is saved already; give a higher number")
        self._next_step = step

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        pass

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        return one_rank(plans)

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[storage.WriteResult]]:
        self._content = Content(plan, planner)
        return done([storage.WriteResult(item.index, size_in_bytes=0, storage_data=None) for item in plan.items])

    def finish(self, metadata: dcp.Metadata, results: list[list[storage.WriteResult]]) -> None:
        content, self._content = self._content, None
        assert content is not None
        with self._one_at_a_time:
            self._save(content, content.text(metadata.planner_data))

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike) -> bool:
        return re.search(r"\d$", str(checkpoint_id)) is not None

    # ---- With the C library --------------------------------------------------------------------------------------------------

    def _save(self, content: Content, text: str):
        def prepare():
            self._registry.replace_by(content.arrays)
            _abi.call("ckpt_set", self._session.handle, KEY.encode(), text.encode())
        if self.step is None and self.has_snapshot:
            raise Error(f"the run {self.directory} has snapshots, and none was loaded: dcp.load(state, storage_reader="
                        "StorageReader(writer)) before the first dcp.save(), or start a new run (ckptrun --fresh or --run NAME)",
                        _abi.NOT_RESTORED)
        step, self._next_step = self._next_step, None      # torch calls reset() only where the caller names a checkpoint
        if step is None:
            step = 0 if self.step is None else self.step + 1
        self._prepare_save = prepare
        try:
            self._call(lambda: self._session.save(step))
            self._session.is_durable(patience_seconds=float("inf"))
        finally:
            self._prepare_save = None
            self._registry.release()
        self.step = step

    def _restore(self, loading: Callable[[Stored], Filling]) -> None:
        """For StorageReader: fills what `loading` finds in the newest whole snapshot."""
        found: list[Filling] = []

        def prepare(snapshot):
            with structure_of("the snapshot"):
                found[:] = [loading(Stored(snapshot, "the snapshot"))]
                found[0].take_the_rest()
            self._registry.replace_by(found[0].reader.targets)
        with self._one_at_a_time:
            self._prepare_restore = prepare
            self.step = self._call(self._session.restore)
            self._prepare_restore = None
            self._registry.release()
            found[0].commit()

    def _prepare(self, _user: Any, snapshot: Any) -> int:
        """Called by the C library at the start of a save, and with each snapshot that it tries to restore."""
        try:
            if snapshot:
                self._prepare_restore(snapshot)      # type: ignore[misc]
            else:
                self._prepare_save()                 # type: ignore[misc]
            return 0
        except BaseException as error:      # nothing may pass through C; _call raises it
            self._failure = error
            return 1

    def _call(self, function: Callable[[], Any]) -> Any:
        try:
            return function()
        except Error:
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure from None
            raise

    def _stop(self) -> NoReturn:
        failure = self._session.failure()
        code = self.close()
        if code != TO_BE_CONTINUED:
            raise failure or Error("the run was stopped and its newest snapshot is not durable: the lines above say why")
        raise Stopped(code, self.step or 0)

    def _at_exit(self, raised: bool):
        if not raised and self._session.is_open and self.directory:
            warn("the script ended without writer.complete(), so this run is not complete")
        self.close()


class StorageReader(storage.StorageReader):
    """For dcp.load(): into the tensors of the state, every byte verified while it is read; values are replaced. A damaged
    snapshot of a run is said, and the next older whole one is taken. A part of the state may be asked for.

    Args:
        source: a StorageWriter: its run's newest whole snapshot, from which the run goes on; or where libckpt.open() finds one, a
            file, a run, ``RUN@best``: read without owning the run.

    Attributes:
        step: of the snapshot that was loaded.

    Raises:
        CheckpointException: torch's, with libckpt.Error or FileNotFoundError inside, or with torch's own error for what the
            snapshot does not hold or holds in another shape.
    """

    def __init__(self, source: StorageWriter | str | os.PathLike):
        self._source = source
        self.step: int | None = None

    def _snapshot(self) -> _reading.Snapshot:
        source = self._source.directory if isinstance(self._source, StorageWriter) else self._source
        if source is None:
            raise Error("there is no run to load from: start the program with ckptrun, or name a directory")
        return _reading.Snapshot(_reading.find(source))

    def reset(self, checkpoint_id: Any = None) -> None:
        if checkpoint_id is not None:
            raise ValueError(f"checkpoint_id={checkpoint_id!r}: StorageReader reads what it was made for, StorageReader(writer) "
                             "the newest snapshot, StorageReader(path) any other")

    def read_metadata(self, *args: Any) -> dcp.Metadata:
        with self._snapshot() as snapshot, structure_of(snapshot.path):
            return Stored(snapshot._handle, snapshot.path).metadata()

    def set_up_storage_reader(self, metadata: dcp.Metadata, is_coordinator: bool, *args: Any) -> None:
        pass

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        return one_rank(plans)

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        def loading(stored: Stored) -> Filling:
            return Filling(stored, plan, planner)
        if isinstance(self._source, StorageWriter):
            self._source._restore(loading)
            self.step = self._source.step
        else:
            self._read(loading)
        return done(None)

    def _read(self, loading: Callable[[Stored], Filling]):
        with self._snapshot() as snapshot:
            with structure_of(snapshot.path):
                filling = loading(Stored(snapshot._handle, snapshot.path))
            snapshot._fill(filling.reader)
            filling.commit()
            self.step = snapshot.step

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike) -> bool:
        return False


def step_in(checkpoint_id: Any) -> int:
    number = re.search(r"\d+$", str(checkpoint_id))
    if number is None:
        raise ValueError(f"checkpoint_id={checkpoint_id!r} does not end in a number, the step of the snapshot")
    return int(number[0])


def one_rank(plans: list) -> list:
    if len(plans) != 1:
        raise Error(f"torch.distributed runs {len(plans)} ranks, which this version does not support; nothing was touched",
                    _abi.RANKS)
    return plans


def done(value: Any) -> Future:
    future: Future = Future()
    future.set_result(value)
    return future
