# SPDX-License-Identifier: Apache-2.0
"""Plain numbers that a module keeps as attributes are the script's, as in a state_dict: saved they would outrank its dropout rate.
One that the training changes is state all the same, and is told."""
from __future__ import annotations

from ._log import warn
from ._torch import modules_of, torch


class Numbers:
    def __init__(self, objects: dict):
        self._modules = {name: value for name, value in objects.items() if torch() and isinstance(value, torch().nn.Module)}
        self._first = self._now()
        self._told = False

    def _now(self) -> dict:
        return {f"{name}.{place}.{key}" if place else f"{name}.{key}": number
                for name, module in self._modules.items() for place, owner in modules_of(module)
                for key, number in owner.__dict__.items() if type(number) in (int, float) and not key.startswith("_")}

    def tell_changes(self):
        if self._told:
            return
        now = self._now()
        changed = [name for name, number in self._first.items() if name in now and now[name] != number and number == number]
        if changed:
            self._told = True
            warn(f"plain numbers of a module change in training and are not saved: {', '.join(changed)}; make them buffers, "
                 "register_buffer(name, torch.tensor(0)), or keep them in run.vars")
