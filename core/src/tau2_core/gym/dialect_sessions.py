"""Sessions of a dialect: the world of each, and when it ends.

The SDK would keep a task and streams of about 35 KB for each session. Here a session is an entry in a table and each
message is answered separately, so abandoned sessions cost almost nothing.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar


@dataclass(slots=True)
class Session:
    """One MCP session: the id that its client chose ("" if none), and the world that it requested."""

    session_id: str = ""
    domain: str | None = None
    task_id: str | None = None
    seed: int = 0
    requests: int = 0  # requests in progress
    last_used: float = field(default_factory=time.monotonic)


SessionT = TypeVar("SessionT", bound=Session)


class DialectSessions(Generic[SessionT]):
    """The open sessions by the transport's id, least recently used first."""

    def __init__(
        self, most: int, idle_seconds: float, has_world: Callable[[SessionT], bool], new_id: Callable[[], str]
    ) -> None:
        self.most = most
        self.idle_seconds = idle_seconds
        self.has_world = has_world
        self._new_id = new_id
        self._sessions: OrderedDict[str, SessionT] = OrderedDict()
        self._latest: dict[str, SessionT] = {}  # keyed by the client's id

    def open(self, session: SessionT) -> str:
        """Add a session and return its transport id. If there are too many, the least recently used one ends.

        A session whose world is open ends only if the worlds of all sessions are open.
        """
        transport_id = self._new_id()
        session.session_id = session.session_id or transport_id
        self._sessions[transport_id] = session
        self._latest[session.session_id] = session
        if len(self._sessions) > self.most:
            without = (key for key, one in self._sessions.items() if not self.has_world(one))
            self.end(next(without, next(iter(self._sessions))))
        return transport_id

    def use(self, transport_id: str) -> SessionT | None:
        """Return a session and mark it as used; None if it has ended or never existed."""
        session = self._sessions.get(transport_id)
        if session is not None:
            self._sessions.move_to_end(transport_id)
            session.last_used = time.monotonic()
        return session

    def latest(self, session_id: str) -> SessionT | None:
        """Return the latest session with a client's id, None if there is none."""
        return self._latest.get(session_id)

    def end(self, transport_id: str) -> None:
        session = self._sessions.pop(transport_id, None)
        if session is not None and self._latest.get(session.session_id) is session:
            del self._latest[session.session_id]

    def end_idle(self) -> None:
        """End the sessions that were not used for too long and whose worlds are gone."""
        now = time.monotonic()
        idle = [
            key
            for key, one in self._sessions.items()
            if not one.requests and one.last_used < now - self.idle_seconds and not self.has_world(one)
        ]
        for transport_id in idle:
            self.end(transport_id)
