# SPDX-License-Identifier: Apache-2.0
"""Run: what a training script sees. What is saved is in _state.py, where it stands in _loops.py, the C library in _session.py."""
from __future__ import annotations

import math
import os
from typing import Any, Callable, Iterable, Mapping, SupportsFloat, TypeVar

from . import _abi, _ending, _reading, _script, _variables
from ._arrays import Registry
from ._best import Best
from ._keyboard import Keyboard
from ._log import say, warn
from ._loops import Loops
from ._metrics import Metrics
from ._module import left_inside
from ._notebook import in_notebook
from ._plain import is_immutable
from ._session import Session, Stopped
from ._state import KEY, State, snapshot_content
from ._tree import HALF_RESTORED, structure_of

Function = TypeVar("Function", bound=Callable[[], Any])
_open_runs: dict[str, Run] = {}        # by directory, for notebooks
_complete: set[str] = set()            # directories of runs that this process has finished


class Run(Loops):
    """A training that can be stopped and continued, bit for bit.

    ``Run(model=model, optimizer=optimizer, ...)`` registers whatever the training changes: modules, optimizers, schedulers,
    scalers, tensors, NumPy arrays, memory of other libraries (buffer protocol, DLPack, ``__array_interface__``), generators,
    lists and dicts of all these, objects with ``state_dict``/``load_state_dict``. What cannot be changed in place (a number, a
    text) goes to ``run.vars``.
    If the run has a snapshot, everything is restored in place here; tensors keep their identity. Random numbers go on where
    they were when the loop is entered. Create it last, right before the loop.

    Without ckptrun and without ``directory`` nothing is saved and the loops are ordinary loops.

    Args:
        directory: the run's directory (default: what ckptrun says, or ``CKPT_RUN_DIR``).
        settings: further keys of ``ckpt_config`` in ckpt.h: ``{"keep": 3, "save_interval": 600}``.
        override: values of the script that count more than the snapshot's, once: ``{"optimizer.lr": 0.01}``. What
            ``ckptrun --override optimizer.lr=0.01`` says counts more than this.
        init_from: a snapshot, run or ``RUN@NAME`` to begin from when this run has none of its own (fine-tuning).
        only: with ``init_from``, the names to take from it (default: all that both have).
        pickle: names whose objects may be saved and restored with pickle. Restoring runs code from the file.
        **objects: what to save, by name.

    Attributes:
        vars: a dict of plain values (and arrays) that is saved with the state.
        step: steps completed, which a batch, a group of ``accumulate`` batches, or a point() is.
        epoch: epochs completed.
        resumed: whether a snapshot was restored.

    Raises:
        libckpt.Error: the run cannot be opened or restored; the text says why and what to do.
        TypeError: something given cannot be saved.
    """

    _has_begun = False          # one in this process

    def __init__(self, *, directory: str | os.PathLike | None = None, settings: Mapping[str, Any] | None = None,
                 override: Mapping[str, Any] | None = None, init_from: str | os.PathLike | None = None,
                 only: Iterable[str] | None = None, pickle: Iterable[str] = (), **objects: Any):
        notebook = in_notebook()
        if only is not None and init_from is None:
            raise ValueError("only= says what to take from init_from=, which is not given")
        options = {key: text_of_setting(value) for key, value in (settings or {}).items()}
        override = {**(override or {}), **_script.override_of_ckptrun()}
        if directory is not None:
            options["directory"] = os.fspath(directory)
        if notebook:
            options.setdefault("signals", "off")
            close_earlier(place_of(options))
        elif place_of(options) in _complete:
            raise _abi.Error(f"this program has finished a run in {place_of(options)} already, and a second one would begin with its end: give "
                             "each training a directory of its own, Run(directory=...), or train all of them in one run")
        self.vars: dict[str, Any] = {name: value for name, value in objects.items() if is_immutable(value)}
        given = {name: value for name, value in objects.items() if name not in self.vars}
        self._state = State(given, self.vars, tuple(pickle), is_made_before=notebook and Run._has_begun)
        self._session = Session(options)
        super().__init__(self._session)
        self._directory, self._block = self._session.directory, self._session.block
        self._metrics = Metrics(os.path.join(self._directory, "metrics.jsonl") if self._directory else None)
        self._best = Best(self._session)
        self._on_stop: list[Callable[[], Any]] = []
        self._prepare_error: BaseException | None = None
        self._points_to_look_at = 2        # better now than at the first save
        self._saved = False                # a save took place since we looked last
        self._own_stop: str | None = None  # why the script itself wants to stop at the next safe point
        try:
            self._begin(override, init_from, only)
        except BaseException:
            self._session.close()          # the next one, in a notebook say, begins anew
            raise
        self._keyboard = Keyboard(self._session.ask_to_stop) if self._directory and not notebook else None
        Run._has_begun = True
        _variables.watch(self)
        _ending.watch(self)
        if self._directory:
            _open_runs[os.path.realpath(self._directory)] = self

    # ---- Beginning ---------------------------------------------------------------------------------------------------------

    def _begin(self, override, init_from, only):
        self._overridden: dict[str, Any] = {}
        self._settings = _script.settings_of(self._state.by_name())
        self._registry = Registry(self._session.handle)
        self._callback = _abi.PREPARE(self._prepare)          # the C library calls it: it must live as long
        self._look_around()
        writer, _ = self._state.write({})
        if writer.left_out:
            say(f"not saved, each start makes it anew: {', '.join(writer.left_out)}")
        for place, kind in left_inside(self._state.objects):
            name = place.rpartition(".")[2]
            warn(f"{place} ({kind}) has a state of its own, which is not saved with what holds it: give it as well, "
                 f"Run(..., {name if name.isidentifier() else 'inner'}={place})")
        self._parts |= writer.generators
        if self._session.is_open:
            self._registry.replace_by(writer.arrays)
            _abi.call("ckpt_on_prepare", self._session.handle, self._callback, None)
        step = self._restore(override)
        if step is None and init_from is not None:
            taken = _reading.initialise(self._state, init_from, only)
            _script.tell_differences(self._state.by_name(), taken, self._settings, set(override))
        self._overridden, self._overridden_now = _script.apply_override(self._state.by_name(), override, self._overridden)
        self._settings |= self._overridden
        self.resumed, self._resumed_step = step is not None, step
        self._from = step or 0

    def _restore(self, override) -> int | None:
        try:
            step = self._session.restore()
        except _abi.Error:
            failure, self._prepare_error = self._prepare_error, None
            self.close()
            if failure is not None:
                raise failure from None
            raise
        if step is not None:
            with structure_of("the snapshot", HALF_RESTORED):
                self._put_back(step, override)
        return step

    def _prepare_restore(self, snapshot):
        with structure_of("the snapshot"):
            reader, self._values = self._state.read(*snapshot_content(snapshot))
        self._registry.replace_by(reader.targets)

    def _put_back(self, step, override):
        """The arrays are filled: everything else follows, and the run's own memory."""
        restored = {name: value() for name, value in self._values.items()}
        del self._values
        self._state.check_identity(restored)
        self._registry.release()
        self._look_at_variables()
        self._modes = self._state.modes()
        own = restored["loop"]
        self._put_back_position(own["position"], restored["random"], step)
        self._best.put_back(own["best"], step)
        self._overridden = own["overridden"]
        _script.tell_differences(self._state.by_name(), own["settings"], self._settings, self._overridden.keys() | override.keys())
        self._settings = own["settings"]

    def _put_back_objects(self, names) -> str | None:
        """What the snapshot holds of these, once more. Returns why it cannot be had."""
        try:
            path = _reading.find(self._directory or "")
            with _reading.Snapshot(path) as snapshot:
                if snapshot.step != self._resumed_step:
                    return "the snapshot is not the newest any more"
            _reading.initialise(self._state, path, names, goes_on=True)
            _script.set_again(self._state.by_name(), self._overridden_now)
        except (_abi.Error, OSError) as error:
            return str(error)
        return None

    # ---- Saving ------------------------------------------------------------------------------------------------------------

    def _prepare(self, _user, snapshot) -> int:
        """Called by the C library at the start of a save, and with each snapshot that it tries to restore."""
        try:
            if snapshot:
                self._prepare_restore(snapshot)
            else:
                self._prepare_save()
            return 0
        except BaseException as error:      # nothing may pass through C; who called it raises or tells it
            self._prepare_error = error
            return 1

    def _prepare_save(self):
        self._saved = True
        self._metrics.write()
        loop = {"position": self._position(), "best": self._best.nest(), "settings": self._settings,
                "overridden": self._overridden}
        writer, text = self._state.write({"random": self._random_state(), "loop": loop})
        self._parts |= writer.generators
        self._registry.replace_by(writer.arrays)
        _abi.call("ckpt_set", self._session.handle, KEY.encode(), text.encode())

    def _safe_point(self):
        """The state is consistent and stands at self.step."""
        if self._points_to_look_at:
            self._points_to_look_at -= 1
            self._look_at_variables()
            self._look_at_what_moves()
        if self._best.due:
            self._best.saving_at(self.step)
            self._save_now()
        if self._own_stop is not None:
            self._session.ask_to_stop(self._own_stop)
        if self._session.point(self.step):
            self._stop()
        if self._saved or self._best.waits:
            self._look_after_save()

    def _look_after_save(self):
        self._registry.release()
        self._saved = False
        self._best.keep()
        if (error := self._failure_of_prepare()) is not None:
            warn(f"step {self.step} was not saved: {error}")

    def _save_now(self):
        try:
            self._session.save(self.step)
        except _abi.Error as error:
            warn(f"step {self.step} was not saved: {self._failure_of_prepare() or error}")

    def _failure_of_prepare(self) -> BaseException | None:
        """What it raised since we looked last. Ctrl-C in it is no failure: it goes on its way."""
        error, self._prepare_error = self._prepare_error, None
        if error is not None and not isinstance(error, Exception):
            raise error
        return error

    # ---- For the script ----------------------------------------------------------------------------------------------------

    @property
    def block(self) -> int:
        """The number of this block of the run, from 1; 0 where nothing is saved."""
        return self._block

    @property
    def directory(self) -> str | None:
        """Where the run lives, absolute; None: nothing is saved."""
        return self._directory

    @property
    def seconds_left(self) -> float:
        """Seconds until the run must stop; infinity without a limit."""
        return self._session.seconds_left()

    def on_stop(self, function: Function) -> Function:
        """Calls the function when the run stops to be continued, after its state is durable. Also a decorator. What it raises is
        told and passed over."""
        self._on_stop.append(function)
        return function

    def stop(self, reason: str = "the program asked for it") -> None:
        """Stops at the next safe point, which saves and raises Stopped; the run is to be continued. A validation is not left
        for it: that would go back to the newest snapshot, and come to the same stop again."""
        self._own_stop = reason

    def best(self, value: SupportsFloat, mode: str = "max") -> bool:
        """Whether this is the best value so far; then the state of the next safe point is kept as ``RUN@best``, outside
        retention. A tensor with one element is fetched from its device, once. nan is never best. Raises ValueError where
        ``mode`` is neither "max" nor "min"."""
        return self._best.offer(float(value), mode)

    def report(self, **metrics: Any) -> None:
        """Adds a line to metrics.jsonl in the run's directory: numbers, or tensors with one element. A tensor on a GPU is
        fetched later, with others, so that this call never waits for the device. Raises ValueError for a name that every line
        has for itself: step, epoch, block, from, time."""
        self._metrics.add({"step": self._next_step, "epoch": self.epoch, "block": self._block, "from": self._from}, metrics)

    def finish(self, reason: str = "") -> None:
        """The work is complete: saves, waits until that is durable, and ends the run. Called for you when the loop over epochs() or steps()
        has ended and the script then ends normally. What was saved where that loop ended stands: the state that a longer training
        goes on from, whatever a test has loaded since. Raises Error where the last state cannot be saved: then the run is
        not complete."""
        if not self._session.is_open:
            return
        self._finish_by(self._session.finish)
        if self._directory:
            _complete.add(os.path.realpath(self._directory))
            say(f"complete at step {self.step}" + (f": {reason}" if reason else ""))
        self.close()

    def _finish_by(self, finish: Callable[[int], None]):
        self._complete_epoch()
        if self._best.due:
            self._best.saving_at(self.step)
        self._metrics.write()
        try:
            finish(self.step)
        except _abi.Error as error:
            raise self._failure_of_prepare() or error from None
        self._best.keep(math.inf)

    def close(self) -> None:
        """Ends this block without a word about the work: it is neither complete nor stopped. For notebooks and tests."""
        self._end()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_):
        self.close()

    # ---- Ending ------------------------------------------------------------------------------------------------------------

    def _end(self) -> int:
        if getattr(self, "_metrics", None):
            self._metrics.write()
        if keyboard := getattr(self, "_keyboard", None):
            keyboard.release()
        if self._directory:
            _open_runs.pop(os.path.realpath(self._directory), None)
        return self._session.close()

    def _stop(self):
        self._best.keep(math.inf)
        failure = self._session.failure()
        code = self._end()
        if code != TO_BE_CONTINUED:
            cause = self._failure_of_prepare()
            raise failure or _abi.Error(f"the run was stopped at step {self.step} and that step is not durable: "
                                        f"{cause or 'the lines above say why'}")
        for function in self._on_stop:
            try:
                function()
            except Exception as error:
                warn(f"on_stop: {error!r}")
        raise Stopped(code, self.step)

    def _leave_if_stop_is_due(self):
        """In a validation: leaves at the newest snapshot; without one it goes on to the next safe point."""
        if self._session.stop_is_due() and self._session.leave():
            self._stop()

    def _at_exit(self, raised: bool):
        if not self._session.is_open:
            return
        try:
            if self._ended and not raised:
                self._finish_by(self._session.finish_at_exit)
            elif self._directory and not raised:
                warn("the script ended without run.finish(), so this run is not complete")
        finally:
            self.close()


TO_BE_CONTINUED = 85


def text_of_setting(value) -> str:
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


def place_of(options) -> str:
    """The run's directory; "": none."""
    path = options.get("directory") or os.environ.get("CKPT_RUN_DIR", "")
    return path and os.path.realpath(path)


def close_earlier(path):
    """In a notebook a cell is run again: the run that it opened before ends."""
    if path in _open_runs:
        _open_runs[path].close()
