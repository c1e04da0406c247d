"""One side of an episode: its tools, the messages that it sees, and the steps that it can take."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from tau2_core.episode.tool_lists import agent_tools, user_tools
from tau2_core.episode.visibility import visible_to
from tau2_core.errors import UsageError
from tau2_core.model.messages import AssistantMessage, Message, ParticipantMessage, UserMessage
from tau2_core.model.tools import Role, Tool, ToolResult

if TYPE_CHECKING:
    from tau2_core.episode.episode import Episode


class Side:
    """One side of an episode: its tools, the messages that it sees, and the steps that it can take."""

    __slots__ = ("_episode", "role")

    def __init__(self, episode: Episode, role: Role) -> None:
        self._episode = episode
        self.role: Role = role

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools that this side may call now: a variant may add those that are unlocked during the episode."""
        episode = self._episode
        unlocked = episode.backend.unlocked_so_far
        if self.role == "agent":
            return agent_tools(episode.setting, unlocked)
        return user_tools(episode.setting, episode.task, unlocked)

    @property
    def messages(self) -> list[Message]:
        """The messages that this side has seen: its own, its results, and the other side's texts."""
        return visible_to(self.role, self._episode.conversation.messages)

    def call(self, name: str, /, **arguments: Any) -> Coroutine[Any, Any, ToolResult]:
        """Make one tool call. If it fails, the result has a `failure`. Raises EpisodeError."""
        return self._episode.call_as(self.role, name, arguments)

    async def say(self, text: str) -> str | None:
        """Say something to the other side and return its answer.

        Returns None if there is no answer: the episode has ended, or the other side is played from outside too. Raises
        EpisodeError, and UsageError for an empty text.
        """
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"say: give a non-empty text, not {text!r}")
        mine, other = (AssistantMessage, UserMessage) if self.role == "agent" else (UserMessage, AssistantMessage)
        answers = [new for new in await self.step(mine(content=text)) if isinstance(new, other)]
        return answers[-1].content if answers else None

    async def step(self, message: ParticipantMessage) -> list[Message]:
        """Send text or tool calls; return the results and answers seen since.

        Raises EpisodeError, and UsageError for anything but a message of this side.
        """
        expected = AssistantMessage if self.role == "agent" else UserMessage
        if not isinstance(message, expected):
            raise UsageError(f"step: give a message of type {expected.__name__}, not {message!r}")
        return await self._episode.step_as(self.role, message)
