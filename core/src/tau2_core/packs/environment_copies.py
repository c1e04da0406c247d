"""Copies of an environment of another framework: one for each episode, in the fastest way that works."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

from tau2_core.foreign_code import describe_error, foreign


class EnvironmentCopies:
    """Copies one environment; the original is never played.

    `way`: `pickle` and `deepcopy` copy it in memory. `factory` means that it cannot be copied, for the reason in
    `cause`, so that every episode has to create one anew.
    """

    def __init__(self, create: Callable[[], Any], original: Any) -> None:
        self._create = create
        self._original = original
        self._state = b""
        self.cause = ""
        self.way = self._choose()

    def _choose(self) -> str:
        try:
            with foreign():
                self._state = pickle.dumps(self._original, protocol=pickle.HIGHEST_PROTOCOL)
                pickle.loads(self._state)  # noqa: S301 - our own bytes
        except Exception:  # noqa: BLE001 - classes may refuse in any way; the next way may work
            self._state = b""
        else:
            return "pickle"
        try:
            with foreign():
                copy.deepcopy(self._original)
        except Exception as error:  # noqa: BLE001 - as above
            self.cause = describe_error(error)
            return "factory"
        return "deepcopy"

    def new(self) -> Any:
        """Return an environment in the base state."""
        if self.way == "pickle":
            return pickle.loads(self._state)  # noqa: S301 - our own bytes
        return copy.deepcopy(self._original) if self.way == "deepcopy" else self._create()

    def save(self, environment: Any) -> Any:
        """Return the state of an environment; None if it cannot be copied."""
        if self.way == "pickle":
            return pickle.dumps(environment, protocol=pickle.HIGHEST_PROTOCOL)
        return copy.deepcopy(environment) if self.way == "deepcopy" else None

    def restore(self, saved: Any) -> Any:
        """Return an environment in a saved state."""
        return pickle.loads(saved) if self.way == "pickle" else saved  # noqa: S301 - our own bytes
