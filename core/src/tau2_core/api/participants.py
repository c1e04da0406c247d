"""Who takes part, as a program says it: a registered name, a model, a function, a class or an object."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tau2_core.episode.episode import EXTERNAL_AGENT, EXTERNAL_USER
from tau2_core.errors import UsageError
from tau2_core.model.llm import ModelRole, ModelSettings
from tau2_core.model.messages import AssistantMessage, Message, UserMessage
from tau2_core.model.participants import Agent, AgentContext, User, UserContext
from tau2_core.model.registrations import AgentSpec, UserSpec
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


@dataclass(frozen=True)
class Told:
    """What a program says of one role: what an option could say too, or a participant of the program's own."""

    participant: RoleOptions
    agent: AgentSpec | None = None
    user: UserSpec | None = None


class _Function:
    """A participant whose turns are calls of one coroutine function; a text that it returns is its message."""

    def __init__(self, function: Callable[[Sequence[Message]], Awaitable[Any]], message: type[Any]) -> None:
        self._function = function
        self._message = message

    async def reply(self, history: Sequence[Message]) -> Any:
        said = await self._function(history)
        return self._message(content=said) if isinstance(said, str) else said


def told_agent(agent: AgentLike | None, model: ModelLike | None = None) -> Told:
    """Return who serves. Raises UsageError for what cannot be an agent."""
    if isinstance(agent, str) and agent == EXTERNAL_AGENT.name:
        return Told(_participant("agent", None, model), agent=EXTERNAL_AGENT)
    if agent is None or isinstance(agent, str | Mapping | ModelSettings):
        return Told(_participant("agent", agent, model))
    spec = agent if isinstance(agent, AgentSpec) else None
    if spec is None:
        spec = AgentSpec(_name(agent), "an agent given by a program", _creator("agent", agent, AssistantMessage))
    return Told(_participant("agent", None, model), agent=spec)


def told_user(user: UserLike | None, model: ModelLike | None = None) -> Told:
    """Return who calls. Raises UsageError for what cannot be a customer."""
    if isinstance(user, str) and user == EXTERNAL_USER.name:
        return Told(_participant("user", None, model), user=EXTERNAL_USER)
    if user is None or isinstance(user, str | Mapping | ModelSettings):
        return Told(_participant("user", user, model))
    spec = user if isinstance(user, UserSpec) else None
    if spec is None:
        spec = UserSpec(_name(user), "a customer given by a program", _creator("user", user, UserMessage))
    return Told(_participant("user", None, model), user=spec)


def told_judge(judge: ModelLike | None) -> Told:
    """Return the model that judges. Raises UsageError."""
    return Told(_participant("judge", None, judge))


def _participant(role: ModelRole, who: ModelLike | None, model: ModelLike | None) -> RoleOptions:
    """Return a role as a configuration file would hold it. A text with a slash is a model, another one a name."""
    found: dict[str, Any] = {}
    if isinstance(who, str) and "/" not in who:
        found["name"] = who
    elif who is not None:
        found |= _model(role, who)
    if model is not None:
        found |= _model(f"{role}_model" if role != "judge" else role, model)
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
        return _created_by(participant, lambda _context: participant)
    if inspect.iscoroutinefunction(participant):
        return _created_by(participant, lambda _context: _Function(participant, message))
    if callable(participant):
        return participant  # type: ignore[no-any-return]
    raise UsageError(f"{role}: {participant!r} cannot play; give {ACCEPTED}")


def _created_by(participant: Any, create: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Name the participant as what is behind its creator, so that a run's digests are those of its code."""
    vars(create)["__wrapped__"] = participant
    return create
