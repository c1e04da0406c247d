"""Participants as a program gives them: a registered name, a model, a function, a class or an object."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, TypeVar

from pydantic import ValidationError

from tau2_core.episode.participants import EXTERNAL_AGENT, EXTERNAL_USER
from tau2_core.errors import UsageError
from tau2_core.model.llm import ModelRole, ModelSettings
from tau2_core.model.messages import AssistantMessage, Message, UserMessage
from tau2_core.model.participants import Agent, AgentContext, User, UserContext
from tau2_core.model.registrations import AgentSpec, UserSpec
from tau2_core.names import did_you_mean
from tau2_core.runs.options import RoleOptions

ModelLike = str | ModelSettings | Mapping[str, Any]
AgentLike = (
    ModelLike
    | AgentSpec
    | Agent
    | Callable[[AgentContext], Agent]
    | Callable[[Sequence[Message]], Awaitable[AssistantMessage | str]]
)
UserLike = (
    ModelLike
    | UserSpec
    | User
    | Callable[[UserContext], User]
    | Callable[[Sequence[Message]], Awaitable[UserMessage | str]]
)
ACCEPTED = (
    "a registered name, a model as PROVIDER/NAME or {'model': …, 'args': {…}}, an object with "
    "`async def reply(self, history)`, a function `async def reply(history)`, or a class or function that makes such "
    "an object from a context"
)


SpecT = TypeVar("SpecT", AgentSpec, UserSpec)


@dataclass(frozen=True)
class GivenParticipant(Generic[SpecT]):
    """A role as a program gives it: what an option could express too, and a participant that no option names."""

    options: RoleOptions
    spec: SpecT | None = None


@dataclass(frozen=True)
class _Kind(Generic[SpecT]):
    """What differs between the two participants."""

    role: Literal["agent", "user"]
    external: SpecT
    spec: type[SpecT]
    summary: str
    message: type[AssistantMessage] | type[UserMessage]


AGENT = _Kind("agent", EXTERNAL_AGENT, AgentSpec, "an agent given by a program", AssistantMessage)
USER = _Kind("user", EXTERNAL_USER, UserSpec, "a customer given by a program", UserMessage)


class _Function:
    """A participant that calls a coroutine function for each turn; a returned text becomes its message."""

    def __init__(self, function: Callable[[Sequence[Message]], Awaitable[Any]], message: type[Any]) -> None:
        self._function = function
        self._message = message

    async def reply(self, history: Sequence[Message]) -> Any:
        said = await self._function(history)
        return self._message(content=said) if isinstance(said, str) else said


def given_participant(kind: _Kind[SpecT], given: Any, model: ModelLike | None = None) -> GivenParticipant[SpecT]:
    """Return the agent or the customer that a program gives. Raises UsageError for anything else."""
    if isinstance(given, str) and given == kind.external.name:
        return GivenParticipant(role_options(kind.role, None, model), kind.external)
    if given is None or isinstance(given, str | Mapping | ModelSettings):
        return GivenParticipant(role_options(kind.role, given, model))
    spec = given if isinstance(given, kind.spec) else None
    if spec is None:
        spec = kind.spec(_name(given), kind.summary, _creator(kind.role, given, kind.message))
    return GivenParticipant(role_options(kind.role, None, model), spec)


def role_options(role: ModelRole, who: ModelLike | None, model: ModelLike | None) -> RoleOptions:
    """Return a role as a configuration file would describe it. A text with a slash is a model, any other a name.

    Raises UsageError.
    """
    found: dict[str, Any] = {}
    if isinstance(who, str) and "/" not in who:
        found["name"] = who
    elif who is not None:
        found |= _model(role, who)
    if model is not None:
        found |= _model(f"{role}_model" if role != "judge" else role, model)
    for key in found:
        if key not in RoleOptions.model_fields:
            raise UsageError(f"{role}: there is no key {key!r} ({did_you_mean(str(key), RoleOptions.model_fields)})")
    try:
        return RoleOptions.model_validate(found)
    except ValidationError as error:
        what = error.errors(include_url=False)[0]
        place = ".".join([role, *map(str, what["loc"])])
        raise UsageError(f"{place}: {what['msg']}; give {ACCEPTED}") from error


def _model(name: str, model: ModelLike) -> dict[str, Any]:
    if isinstance(model, str):
        return {"model": model}
    if isinstance(model, ModelSettings):
        return {"model": model.model, "args": model.args, "carry": model.carry}
    if isinstance(model, Mapping):
        return dict(model)
    raise UsageError(f"{name}: give a model's name, or {{'model': NAME, 'args': {{…}}}}, not {model!r}")


def _name(participant: Any) -> str:
    return str(getattr(participant, "__qualname__", type(participant).__qualname__))


def _creator(role: str, participant: Any, message: type[Any]) -> Callable[[Any], Any]:
    if inspect.isclass(participant):
        if not callable(getattr(participant, "reply", None)):
            raise UsageError(f"{role}: the class {participant.__qualname__} has no method `reply`; give {ACCEPTED}")
        return participant
    if callable(getattr(participant, "reply", None)):
        return _created_by(participant, partial(_itself, participant))
    if inspect.iscoroutinefunction(participant):
        return _created_by(participant, partial(_by_function, participant, message))
    if callable(participant):
        return _created_by(participant, partial(_with_reply, role, participant))
    raise UsageError(f"{role}: {participant!r} cannot play; give {ACCEPTED}")


def _itself(participant: Any, _context: Any) -> Any:
    return participant


def _by_function(function: Callable[[Sequence[Message]], Awaitable[Any]], message: type[Any], _context: Any) -> Any:
    return _Function(function, message)


def _with_reply(role: str, create: Callable[[Any], Any], context: Any) -> Any:
    created = create(context)
    if not callable(getattr(created, "reply", None)):
        what = f"{_name(create)} returned {created!r}, which has no method `reply`"
        raise UsageError(f"{role}: {what}; give {ACCEPTED}")
    return created


def _created_by(participant: Any, create: partial[Any]) -> Callable[[Any], Any]:
    """Mark the participant as the code behind its creator, so that a run digests that code.

    A creator is a partial, not a closure, so that it can be sent to workers if the participant can.
    """
    vars(create)["__wrapped__"] = participant
    return create
