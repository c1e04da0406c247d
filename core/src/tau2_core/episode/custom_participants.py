"""Participants given as Python code: a function, a class or an object."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, get_args

from tau2_core.errors import UsageError
from tau2_core.model.messages import Message
from tau2_core.model.registrations import CallsTools

ACCEPTED = (
    "a registered name, a model as PROVIDER/NAME or {'model': …, 'args': {…}}, an object with "
    "`async def reply(self, history)`, a function `async def reply(history)`, or a class or function that makes such "
    "an object from a context"
)


class _Function:
    """A participant that calls a coroutine function for each turn."""

    def __init__(self, function: Callable[[Sequence[Message]], Awaitable[Any]]) -> None:
        self.reply = function


def name_of(participant: Any) -> str:
    return str(getattr(participant, "__qualname__", type(participant).__qualname__))


def calls_tools(participant: Any) -> CallsTools:
    """Return how a given agent calls tools: the value of its attribute `calls_tools`, by default `in_reply`."""
    said: CallsTools = getattr(participant, "calls_tools", "in_reply")
    if said not in get_args(CallsTools):
        raise UsageError(
            f"agent: {name_of(participant)}.calls_tools is {said!r}; give {' or '.join(get_args(CallsTools))}"
        )
    return said


def creator_of(role: str, participant: Any) -> Callable[[Any], Any]:
    """Return a function that creates the participant of an episode. Raises UsageError for an unsuitable value."""
    if inspect.isclass(participant):
        if not callable(getattr(participant, "reply", None)):
            raise UsageError(f"{role}: the class {participant.__qualname__} has no method `reply`; give {ACCEPTED}")
        return participant
    if callable(getattr(participant, "reply", None)):
        return created_by(participant, partial(_itself, participant))
    if inspect.iscoroutinefunction(participant):
        return created_by(participant, partial(_by_function, participant))
    if callable(participant):
        return created_by(participant, partial(_with_reply, role, participant))
    raise UsageError(f"{role}: {participant!r} cannot play; give {ACCEPTED}")


def _itself(participant: Any, _context: Any) -> Any:
    return participant


def _by_function(function: Callable[[Sequence[Message]], Awaitable[Any]], _context: Any) -> Any:
    return _Function(function)


def _with_reply(role: str, create: Callable[[Any], Any], context: Any) -> Any:
    created = create(context)
    if not callable(getattr(created, "reply", None)):
        what = f"{name_of(create)} returned {created!r}, which has no method `reply`"
        raise UsageError(f"{role}: {what}; give {ACCEPTED}")
    return created


def created_by(participant: Any, create: partial[Any]) -> Callable[[Any], Any]:
    """Mark the participant as the code behind its creator, so that a run digests that code.

    A creator is a partial, not a closure, so that it can be sent to workers if the participant can.
    """
    vars(create)["__wrapped__"] = participant
    return create
