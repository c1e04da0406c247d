"""Who takes part, as a program says it: a registered name, a model, a function, a class or an object."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tau2_core.episode.episode import EXTERNAL_AGENT, EXTERNAL_USER
from tau2_core.errors import UsageError
from tau2_core.model.messages import AssistantMessage, Message, UserMessage
from tau2_core.model.participants import Agent, AgentContext, User, UserContext
from tau2_core.model.registrations import AgentSpec, UserSpec
from tau2_core.plugins.catalogue import Catalogue

AgentLike = (
    str
    | AgentSpec
    | Agent
    | Callable[[AgentContext], Agent]
    | Callable[[Sequence[Message]], Awaitable[AssistantMessage | str]]
)
UserLike = (
    str | UserSpec | User | Callable[[UserContext], User] | Callable[[Sequence[Message]], Awaitable[UserMessage | str]]
)
ACCEPTED = (
    "a registered name, an object with `async def reply(self, history)`, a function `async def reply(history)`, "
    "or a class or function that makes such an object from a context"
)


class _Function:
    """A participant whose turns are calls of one coroutine function; a text that it returns is its message."""

    def __init__(self, function: Callable[[Sequence[Message]], Awaitable[Any]], message: type[Any]) -> None:
        self._function = function
        self._message = message

    async def reply(self, history: Sequence[Message]) -> Any:
        said = await self._function(history)
        return self._message(content=said) if isinstance(said, str) else said


def agent_spec(catalogue: Catalogue, agent: AgentLike) -> AgentSpec:
    """Return an agent as plugins register them. Raises UsageError for what cannot be one."""
    if isinstance(agent, AgentSpec):
        return agent
    if isinstance(agent, str):
        return EXTERNAL_AGENT if agent == EXTERNAL_AGENT.name else catalogue.agent(agent)
    return AgentSpec(_name(agent), "an agent given by a program", _creator("agent", agent, AssistantMessage))


def user_spec(catalogue: Catalogue, user: UserLike) -> UserSpec:
    """Return a simulated customer as plugins register them. Raises UsageError for what cannot be one."""
    if isinstance(user, UserSpec):
        return user
    if isinstance(user, str):
        return EXTERNAL_USER if user == EXTERNAL_USER.name else catalogue.user(user)
    return UserSpec(_name(user), "a customer given by a program", _creator("user", user, UserMessage))


def _name(participant: Any) -> str:
    return str(getattr(participant, "__qualname__", type(participant).__qualname__))


def _creator(role: str, participant: Any, message: type[Any]) -> Callable[[Any], Any]:
    if inspect.isclass(participant):
        if not callable(getattr(participant, "reply", None)):
            raise UsageError(f"{role}: the class {participant.__qualname__} has no method `reply`; give {ACCEPTED}")
        return participant
    if callable(getattr(participant, "reply", None)):
        return lambda _context: participant
    if inspect.iscoroutinefunction(participant):
        return lambda _context: _Function(participant, message)
    if callable(participant):
        return participant  # type: ignore[no-any-return]
    raise UsageError(f"{role}: {participant!r} cannot play; give {ACCEPTED}")
