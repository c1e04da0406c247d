"""Notifying MCP clients when a side's tools change, as they do in variants that list unlocked tools.

A client with a session is notified on the session's stream, a client of the revision without sessions on the streams
that it requested with `subscriptions/listen`. No call waits for a client that does not read.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from tau2_core.gym.hosted_episode import HostedEpisode
from tau2_core.gym.sessions import SESSIONS_A_KEY
from tau2_core.model.tools import Role

log = logging.getLogger(__name__)
TELLING_SECONDS = 10.0
McpContext = ServerRequestContext[Any, Any]


@dataclass(eq=False)
class _Watchers:
    """The clients of one side of an episode. `shown` is how many hidden tools they were told of."""

    bus: InMemorySubscriptionBus = field(default_factory=InMemorySubscriptionBus)
    sessions: OrderedDict[str, ServerSession] = field(default_factory=OrderedDict)
    shown: int = 0

    def __post_init__(self) -> None:
        self.listen = ListenHandler(self.bus, max_subscriptions=SESSIONS_A_KEY)


class ToolLists:
    """The clients that are told of changed tools, by episode and side."""

    def __init__(self) -> None:
        self._watched: WeakKeyDictionary[HostedEpisode, dict[Role, _Watchers]] = WeakKeyDictionary()
        self._telling: set[asyncio.Task[None]] = set()

    def add(self, episode: HostedEpisode, role: Role, context: McpContext) -> None:
        """Notify the session of a request from now on. The sessions of a side are limited; the oldest goes first."""
        changes = episode.blueprint.setting.lists_unlocked
        if not changes or context.session.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return
        headers = {} if context.request is None else context.request.headers
        sessions = self._of(episode, role).sessions
        sessions[headers.get(MCP_SESSION_ID_HEADER, "")] = context.session
        if len(sessions) > SESSIONS_A_KEY:
            sessions.popitem(last=False)

    async def listen(
        self, episode: HostedEpisode, role: Role, context: McpContext, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Answer a client that listens, until it leaves or the episode is closed."""
        return await self._of(episode, role).listen(context, params)

    def _of(self, episode: HostedEpisode, role: Role) -> _Watchers:
        sides = self._watched.setdefault(episode, {})
        if role not in sides:
            sides[role] = _Watchers(shown=len(episode.unlocked(role)))
        return sides[role]

    def note(self, episode: HostedEpisode) -> None:
        """Notify the clients of each side of an episode whose tools have changed since the last call."""
        for role, watchers in self._watched.get(episode, {}).items():
            now = len(episode.unlocked(role))
            if now != watchers.shown and episode.blueprint.setting.lists_unlocked:
                watchers.shown = now
                task = asyncio.create_task(_tell(watchers))
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)

    def close(self, episode: HostedEpisode) -> None:
        """End the streams of an episode's clients."""
        for watchers in self._watched.pop(episode, {}).values():
            watchers.listen.close()

    def close_all(self) -> None:
        """End all streams, before the server stops."""
        for episode in list(self._watched):
            self.close(episode)


async def _tell(watchers: _Watchers) -> None:
    await watchers.bus.publish(ToolsListChanged())
    for session_id, session in list(watchers.sessions.items()):
        try:
            async with asyncio.timeout(TELLING_SECONDS):
                await session.send_tool_list_changed()
        except Exception as error:  # noqa: BLE001 - a session may have ended in any way, which must not affect others
            watchers.sessions.pop(session_id, None)
            log.debug("a client could not be told that its tools have changed: %s", error)
