"""Notifying observers of the steps of episodes. Without observers, this costs nothing."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.episodes import EpisodeRecord, EpisodeStart, Slot
from tau2_core.model.evaluation import Grade
from tau2_core.model.lazy import loaded
from tau2_core.model.messages import Message, ToolCall
from tau2_core.model.observation import EpisodeStep, Observer, ReplyStep, ToolStep
from tau2_core.model.registrations import ObserverSpec
from tau2_core.model.tools import Role, ToolResult

log = logging.getLogger(__name__)


class _Caller(Protocol):
    def call(self, call: ToolCall) -> Awaitable[ToolResult]: ...


class Observers:
    """The observers of a run in one process, by name. One that fails is logged and not called again."""

    def __init__(self, observers: Mapping[str, Observer]) -> None:
        self._observers = dict(observers)

    def started(self, start: EpisodeStart) -> None:
        """Tell that an episode begins."""
        self._tell(lambda observer: observer.episode_started(start))

    def finished(self, record: EpisodeRecord, grade: Grade) -> None:
        """Tell that an episode has been played and graded."""
        self._tell(lambda observer: observer.episode_finished(record, grade))

    def close(self) -> None:
        """Tell that nothing more will happen."""
        self._tell(lambda observer: observer.close())

    def step_started(self, slot: Slot, step: EpisodeStep) -> None:
        """Tell that a step begins."""
        self._tell(lambda observer: observer.step_started(slot, step))

    def step_finished(self, slot: Slot, step: EpisodeStep) -> None:
        """Tell that a step has ended."""
        self._tell(lambda observer: observer.step_finished(slot, step))

    def _tell(self, call: Callable[[Observer], None]) -> None:
        for name, observer in list(self._observers.items()):
            try:
                with foreign(f"observer {name}"):
                    call(observer)
            except Exception as error:  # noqa: BLE001 - it may raise anything, and must not change the run
                del self._observers[name]
                log.error("observer %s failed and is not called again: %s", name, describe_error(error))


class Watch:
    """The observers of one episode."""

    def __init__(self, observers: Observers, slot: Slot) -> None:
        self._observers = observers
        self._slot = slot
        self._headers: Mapping[str, str] = {}

    @contextmanager
    def step(self, step: EpisodeStep) -> Iterator[None]:
        """Tell the observers about the step in the block, and about the error if it fails."""
        self._observers.step_started(self._slot, step)
        if isinstance(step, ReplyStep) and step.role == "agent":
            self._headers = step.headers
        try:
            yield
        except BaseException as error:
            step.error = error
            raise
        finally:
            self._observers.step_finished(self._slot, step)

    def of(self, role: Role, participant: Any) -> Any:
        """Return a participant whose replies the observers are told about."""
        return None if participant is None else _Watched(role, participant, self)

    async def call(self, backend: _Caller, call: ToolCall) -> ToolResult:
        """Execute a tool call, and tell the observers about it."""
        step = ToolStep(call)
        with self.step(step):
            step.result = await backend.call(call)
            return step.result

    def headers(self) -> dict[str, str]:
        """Return what observers want sent along with the agent's present reply."""
        return dict(self._headers)


class _Watched:
    def __init__(self, role: Role, participant: Any, watch: Watch) -> None:
        self._role, self._participant, self._watch = role, participant, watch

    def reply(self, history: Sequence[Message]) -> Any:
        reply = self._participant.reply(history)
        return self._awaited(reply) if hasattr(reply, "__await__") else reply  # the conversation refuses it

    async def _awaited(self, reply: Awaitable[Any]) -> Any:
        step = ReplyStep(self._role)
        with self._watch.step(step):
            step.message = await reply
            return step.message


def open_observers(specs: Sequence[ObserverSpec], name: str, configuration: Mapping[str, Any]) -> Observers | None:
    """Open the observers of a run; None if no observer watches it.

    Raises UsageError for an observer's wrong settings, PluginError if one cannot be imported.
    """
    opened = {spec.name: loaded(spec.open)(name, configuration) for spec in specs}
    watching = {name: observer for name, observer in opened.items() if observer is not None}
    return Observers(watching) if watching else None
