# SPDX-License-Identifier: Apache-2.0
"""run.best(): the best state so far stays under the name "best", outside retention."""
from __future__ import annotations

import math

NAME = "best"


class Best:
    """A new best is saved at the next safe point and kept when it is durable; nobody waits for that but the run's end."""

    def __init__(self, session):
        self._session = session
        self.value: float | None = None
        self.step: int | None = None       # whose snapshot it is; None: that of the next safe point
        self.due = False                   # to be saved at the next safe point
        self._unkept = False

    def offer(self, value: float, mode: str) -> bool:
        if mode not in ("max", "min"):
            raise ValueError(f"mode={mode!r} is neither 'max' nor 'min'")
        if math.isnan(value) or self.value is not None and not (value > self.value if mode == "max" else value < self.value):
            return False
        self.value, self.step, self.due = value, None, True
        return True

    def saving_at(self, step: int):
        self.step, self.due, self._unkept = step, False, True

    def keep(self, patience_seconds: float = 0.0):
        """Keeps what is durable by now."""
        if self._unkept and self._session.is_durable(patience_seconds):
            self._unkept = False
            self._session.keep(self.step, NAME)

    @property
    def waits(self) -> bool:
        return self.due or self._unkept

    def nest(self):
        return {"value": self.value, "step": self.step}

    def put_back(self, nest, restored_step):
        self.value, self.step = nest["value"], nest["step"]
        self._unkept = self.step == restored_step      # it may have died between saving and keeping
        self.due = self.value is not None and self.step is None
