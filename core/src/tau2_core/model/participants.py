"""The participants of a conversation: what an agent or a simulated customer gets, and its interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tau2_core.model.llm import Model
from tau2_core.model.messages import AssistantMessage, Message, UserMessage
from tau2_core.model.tasks import Task, UserScenario
from tau2_core.model.tools import Tool

STOP = "###STOP###"
TRANSFER = "###TRANSFER###"
OUT_OF_SCOPE = "###OUT-OF-SCOPE###"
STOP_TOKENS = (STOP, TRANSFER, OUT_OF_SCOPE)
SOLO_REQUEST = "Work on the ticket."


@dataclass(frozen=True, slots=True)
class AgentContext:
    """What an agent knows before the first message. `gold` is set only for agents that declare `sees_gold`.

    `request` is the first user message to a model in solo play, "" for none. With `user_first` a model does not see
    the opening line, which comes before the customer's first message.
    """

    domain: str
    policy: str
    tools: Sequence[Tool]
    seed: int
    solo: bool = False
    ticket: str | None = None
    instruction: str | None = None
    gold: Task | None = None
    model: Model | None = None
    request: str = SOLO_REQUEST
    user_first: bool = False


@dataclass(frozen=True, slots=True)
class UserContext:
    """What a simulated customer knows. `gold` is set only for simulators that declare `sees_gold`."""

    domain: str
    scenario: UserScenario
    tools: Sequence[Tool]
    seed: int
    guidelines: str | None = None
    gold: Task | None = None
    model: Model | None = None


class Agent(Protocol):
    """The side under test."""

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        """Answer the last message that this side has seen, with text or tool calls."""


class User(Protocol):
    """The simulated customer."""

    async def reply(self, history: Sequence[Message]) -> UserMessage:
        """Answer the last message that this side has seen, with text (a stop token ends the episode) or tool calls."""
