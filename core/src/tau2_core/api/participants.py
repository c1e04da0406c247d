"""Participants as a program gives them: a registered name, a model, a function, a class or an object."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from pydantic import ValidationError

from tau2_core.episode.custom_participants import ACCEPTED, calls_tools, creator_of, name_of
from tau2_core.episode.participants import EXTERNAL_AGENT, EXTERNAL_USER
from tau2_core.errors import UsageError
from tau2_core.model.llm import ModelRole, ModelSettings
from tau2_core.model.messages import AssistantMessage, Message, UserMessage
from tau2_core.model.participants import Agent, AgentContext, User, UserContext
from tau2_core.model.registrations import AgentSpec, UserSpec
from tau2_core.name_suggestions import did_you_mean
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
SpecT = TypeVar("SpecT", AgentSpec, UserSpec)


@dataclass(frozen=True)
class GivenParticipant(Generic[SpecT]):
    """A role as given by a program: the part that options can express, and a participant that they cannot name."""

    options: RoleOptions
    spec: SpecT | None = None


@dataclass(frozen=True)
class _Kind(Generic[SpecT]):
    """The differences between the two kinds of participants."""

    role: Literal["agent", "user"]
    external: SpecT
    spec: type[SpecT]
    summary: str


AGENT = _Kind("agent", EXTERNAL_AGENT, AgentSpec, "an agent given by a program")
USER = _Kind("user", EXTERNAL_USER, UserSpec, "a customer given by a program")


def given_participant(kind: _Kind[SpecT], given: Any, model: ModelLike | None = None) -> GivenParticipant[SpecT]:
    """Return the agent or the customer that a program gives. Raises UsageError for anything else."""
    if isinstance(given, str) and given == kind.external.name:
        return GivenParticipant(role_options(kind.role, None, model), kind.external)
    if given is None or isinstance(given, str | Mapping | ModelSettings):
        return GivenParticipant(role_options(kind.role, given, model))
    spec = given if isinstance(given, kind.spec) else None
    if spec is None:
        made = kind.spec(name_of(given), kind.summary, creator_of(kind.role, given))
        spec = replace(made, calls_tools=calls_tools(given)) if isinstance(made, AgentSpec) else made
    return GivenParticipant(role_options(kind.role, None, model), spec)


def role_options(role: ModelRole, who: ModelLike | None, model: ModelLike | None) -> RoleOptions:
    """Return a role as a configuration file would describe it.

    A text with a slash is a model, any other a name; `KIND:TARGET` is a name too.

    Raises UsageError.
    """
    found: dict[str, Any] = {}
    if isinstance(who, str) and ("/" not in who or ":" in who.partition("/")[0]):
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
