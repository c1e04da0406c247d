"""The participants of a conversation: the contexts and the interfaces of agents and simulated customers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tau2_core.errors import UsageError
from tau2_core.model.customer_turns import CustomerTurn, DraftFault
from tau2_core.model.customers import Persona
from tau2_core.model.llm import Model
from tau2_core.model.messages import AssistantMessage, Message, UserMessage
from tau2_core.model.tasks import Task, UserScenario
from tau2_core.model.tools import Tool, ToolResult

STOP = "###STOP###"
TRANSFER = "###TRANSFER###"
OUT_OF_SCOPE = "###OUT-OF-SCOPE###"
STOP_TOKENS = (STOP, TRANSFER, OUT_OF_SCOPE)
_STOP_TOKEN = re.compile("|".join(map(re.escape, STOP_TOKENS)))
SOLO_REQUEST = "Work on the ticket."


def has_stop_token(text: str) -> bool:
    """Tell whether a text has one of the tokens that end a conversation."""
    return _STOP_TOKEN.search(text) is not None


def without_stop_tokens(text: str) -> str:
    """Return a text without the tokens that end a conversation."""
    return _STOP_TOKEN.sub("", text)


REPLY_SECONDS = 120.0

CheckDraft = Callable[[Sequence[Message], UserMessage], Sequence[DraftFault]]
NoteTurn = Callable[[CustomerTurn], None]
CallTool = Callable[[str, Mapping[str, Any]], Awaitable[ToolResult]]


async def _cannot_call(name: str, _arguments: Mapping[str, Any]) -> ToolResult:
    raise UsageError(
        f'{name}: this agent returns its tool calls; to make them itself, it needs `calls_tools = "itself"`'
    )


def _no_headers() -> dict[str, str]:
    return {}


def _forget(_turn: CustomerTurn) -> None:
    """Keep nothing."""


@dataclass(frozen=True, slots=True)
class AgentContext:
    """What an agent knows before the first message. `gold` is set only for agents that declare `sees_gold`.

    `request` is the first user message to a model in solo play, "" for none. With `user_first` a model does not see
    the opening line, which comes before the customer's first message.

    `call` makes a tool call while the agent replies, for agents that call tools `itself` or `over_mcp`; for the latter
    the tools are served at `mcp_url`. `reply_seconds` is how long an agent that runs elsewhere may
    take for a reply. `trace_headers` returns, while the agent replies, the headers that make requests to it part of a
    trace of the run; {} if there is none.
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
    call: CallTool = _cannot_call
    mcp_url: str | None = None
    reply_seconds: float = REPLY_SECONDS
    trace_headers: Callable[[], Mapping[str, str]] = _no_headers


@dataclass(slots=True)  # not frozen, which would take a tenth of a reset
class UserContext:
    """What a simulated customer knows. `gold` is set only for simulators that declare `sees_gold`.

    `guidelines` is how to play a customer, None for the simulator's own. `persona` is how this one behaves, None if
    none was chosen. `exact_words`, in lower case, must reach the agent as they are. With `plans` the guidelines ask
    for a plan in each answer. `check_draft` returns what is wrong with a message that is not sent yet, None if drafts
    are not checked. `note_turn` keeps how the next message came about; the index of the message is filled in.
    """

    domain: str
    scenario: UserScenario
    tools: Sequence[Tool]
    seed: int
    guidelines: str | None = None
    gold: Task | None = None
    model: Model | None = None
    persona: Persona | None = None
    exact_words: frozenset[str] = frozenset()
    plans: bool = False
    check_draft: CheckDraft | None = None
    note_turn: NoteTurn = _forget


class Agent(Protocol):
    """The side under test."""

    async def reply(self, history: Sequence[Message]) -> AssistantMessage | str:
        """Answer the last message that this side has seen, with text or tool calls."""


class User(Protocol):
    """The simulated customer."""

    async def reply(self, history: Sequence[Message]) -> UserMessage | str:
        """Answer the last message that this side has seen, with text (a stop token ends the episode) or tool calls."""
