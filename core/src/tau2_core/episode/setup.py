"""Bringing an environment into a task's start state, and re-enacting a recorded conversation in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tau2_core.episode.environment import ERROR_PREFIX, Environment
from tau2_core.episode.setting import Setting
from tau2_core.errors import TaskError
from tau2_core.foreign_code import ForeignExit, describe_error, foreign
from tau2_core.model.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from tau2_core.model.tasks import InitialState, Task
from tau2_core.state.merge import merge_data
from tau2_core.state.wrapped_world import WrappedWorld
from tau2_core.validation_errors import first_wrong_part


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A call whose re-enacted result differs from the recorded one."""

    call: ToolCall
    recorded: str
    replayed: str


def new_environment(setting: Setting, task: Task, seed: int = 0) -> Environment:
    """Return a new environment in a task's start state. Raises TaskError."""
    environment = Environment(setting, seed=seed, task=task)
    start(environment, task)
    return environment


def start(environment: Environment, task: Task) -> None:
    """Apply a task's initial state and its message history. Raises TaskError, also if a call's result differs."""
    mismatches = set_state(environment, task.initial_state, task.history())
    if mismatches:
        first = mismatches[0]
        raise TaskError(
            f"its history records {first.recorded!r} for {first.call.name}, but the call gives {first.replayed!r}"
        )


def set_state(environment: Environment, initial: InitialState | None, history: Sequence[Message]) -> list[Mismatch]:
    """Apply initial data and actions, then re-enact a history; return the calls whose results differ.

    Raises TaskError if data, actions or the history's pairing of calls and results do not apply.
    """
    if environment.solo and any(isinstance(message, UserMessage) for message in history):
        raise TaskError("a customer speaks in the history, but the task is played solo")
    if initial is not None:
        try:
            with foreign("the model of its data"):
                _merge(environment, initial)
        except ForeignExit as error:
            raise TaskError(f"initial data does not fit: {describe_error(error)}") from error
        for action in initial.initialization_actions or []:
            try:
                environment.call_function(action)
            except TaskError:
                raise
            except Exception as error:
                raise TaskError(f"initialization action {action.func_name} failed: {describe_error(error)}") from error
    mismatches = (
        [mismatch for call, result in paired(history) if (mismatch := _replay(environment, call, result))]
        if history
        else []
    )
    try:
        environment.sync()
    except Exception as error:
        raise TaskError(f"the sync after the start state failed: {describe_error(error)}") from error
    return mismatches


def _merge(environment: Environment, initial: InitialState) -> None:
    data = initial.initialization_data
    if data is None:
        return
    worlds = environment.worlds
    try:
        if data.agent_data is not None:
            merge_data(worlds["agent"], data.agent_data)
            _alias(environment, "user", "agent")
        if data.user_data is not None:
            if "user" not in worlds:
                raise TaskError("initial data for the customer's side, which has no database here")
            merge_data(worlds["user"], data.user_data)
            _alias(environment, "agent", "user")
    except ValidationError as error:
        raise TaskError(f"initial data does not fit: {first_wrong_part(error)}") from error
    except ValueError as error:
        raise TaskError(f"initial data does not fit: {error}") from error


def _alias(environment: Environment, role: Any, source: Any) -> None:
    """Let both sides share one database after initial data: an official quirk, so only in mode `tau2`."""
    if environment.setting.mode == "tau2" and "user" in environment.worlds:
        shown = environment.worlds[role] = environment.worlds[source]
        if isinstance(shown, WrappedWorld):
            shown.share_with(role)


def paired(history: Sequence[Message]) -> Iterator[tuple[ToolCall, ToolMessage]]:
    """Yield every call with its result. Raises TaskError if either is missing (spec/environment.md, 10)."""
    pairs: list[tuple[ToolCall, ToolMessage]] = []
    position = 0
    while position < len(history):
        message = history[position]
        position += 1
        if isinstance(message, ToolMessage):
            raise TaskError(f"a tool result without its call: id {message.id!r}")
        if not isinstance(message, AssistantMessage | UserMessage):
            continue
        for call in message.tool_calls or []:
            result = history[position] if position < len(history) else None
            # Pairing goes by position; ids that contradict it show that the record is damaged.
            if not isinstance(result, ToolMessage) or (result.id and call.id and result.id != call.id):
                raise TaskError(f"call {call.name} with id {call.id!r} is not followed by its result")
            pairs.append((call, result))
            position += 1
    yield from pairs


def _replay(environment: Environment, call: ToolCall, recorded: ToolMessage) -> Mismatch | None:
    tool = environment.find(call.name)
    if tool is None or not tool.mutates or recorded.skipped:
        return None
    result = environment.call(call)
    if recorded.content is None:
        raise TaskError(f"the recorded result of {call.name} (id {call.id!r}) has no content")
    if same_content(recorded.content, result.content):
        return None
    return Mismatch(call, recorded.content, result.content)


def same_content(recorded: str, replayed: str) -> bool:
    """Compare two results as JSON if possible, else as text. Any two failures are equal."""
    if recorded == replayed or (recorded.startswith(ERROR_PREFIX) and replayed.startswith(ERROR_PREFIX)):
        return True
    return bool(_parsed(recorded) == _parsed(replayed))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
