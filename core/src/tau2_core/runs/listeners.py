"""Telling plugins of runs and episodes: one place for runs that are played here, served, or tests."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from tau2_core.errors import RunError
from tau2_core.foreign import describe_error, foreign
from tau2_core.plugins.catalogue import Catalogue

Event = Literal["run_started", "episode_started", "episode_finished", "run_finished"]


class Listeners:
    """The notification hooks of all plugins, for the run in one folder."""

    def __init__(self, catalogue: Catalogue, folder: Path) -> None:
        self.folder = folder
        self._of: dict[Event, list[Callable[[Any], object]]] = {
            event: catalogue.listeners(f"tau2_{event}") for event in get_args(Event)
        }

    def any(self, event: Event) -> bool:
        """Tell whether a plugin wants to be told of an event."""
        return bool(self._of[event])

    def tell(self, event: Event, subject: object) -> None:
        """Tell every plugin. Raises RunError with the listener's place if one raises."""
        for listener in self._of[event]:
            try:
                with foreign():
                    listener(subject)
            except Exception as error:
                code = inspect.unwrap(listener).__code__
                where, why = f"{code.co_filename}:{code.co_firstlineno}", describe_error(error)
                raise RunError(
                    f"a plugin's tau2_{event} ({where}) failed: {why}; what is finished is kept in "
                    f"{self.folder}. Mend the plugin, or block it with --no-plugin, then run again"
                ) from error
