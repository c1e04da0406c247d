"""Runs the steps of episodes for synchronous programs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import gymnasium
from tau2_core import EpisodeError, EpisodeFactory
from tau2_core.runtime.event_loop import loop_factory

Result = TypeVar("Result")


class StepRunner:
    """Runs the steps of a factory's episodes one at a time, with an event loop if they may have to wait."""

    def __init__(self, factory: EpisodeFactory) -> None:
        self._factory = factory
        self._loop: asyncio.AbstractEventLoop | None = loop_factory()()
        self._at_once = factory.never_waits

    def run(self, steps: Coroutine[Any, Any, Result]) -> Result:
        """Run steps to their end. Raises what they raise, and ClosedEnvironmentError after `close`."""
        if self._loop is None:
            steps.close()
            raise gymnasium.error.ClosedEnvironmentError("the environment is closed; create a new one")
        if self._at_once:
            return run_at_once(steps)
        if self._loop.is_running():
            steps.close()
            raise EpisodeError("a step of this environment is in progress; give each thread an environment of its own")
        try:
            return self._loop.run_until_complete(steps)
        finally:
            steps.close()

    def close(self) -> None:
        """Close the connections to models, and the event loop. Calling it again has no effect."""
        if self._loop is not None:
            self.run(self._factory.close())
            self._loop.close()
            self._loop = None


def run_at_once(steps: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine that never waits, without an event loop, which would take longer than the steps."""
    try:
        steps.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    steps.close()
    raise RuntimeError("a step waited, although the factory declared that its episodes never wait")
