"""A client of OpenEnv's protocol: JSON over a WebSocket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import pytest

from tests.gym.conftest import SECONDS, Server

Json = dict[str, Any]


class Environment:
    """A session over a WebSocket."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    def ask(self, kind: str, data: Any = None) -> Json:
        """Send a message and return the answer."""
        self.socket.send(json.dumps({"type": kind, **({} if data is None else {"data": data})}))
        return self.receive()

    def receive(self) -> Json:
        answer: Json = json.loads(self.socket.recv(timeout=SECONDS))
        return answer

    def reset(self, **options: Any) -> Json:
        return self._observed(self.ask("reset", options))

    def step(self, action: Json) -> Json:
        return self._observed(self.ask("step", action))

    def call(self, name: str, **arguments: Any) -> Json:
        return self.step({"type": "call_tool", "tool_name": name, "arguments": arguments})

    def say(self, message: str) -> Json:
        return self.call("send_message_to_user", message=message)

    def state(self) -> Json:
        answer = self.ask("state")
        assert answer["type"] == "state", answer
        state: Json = answer["data"]
        return state

    def error(self, kind: str, data: Any = None) -> tuple[str, str]:
        """Send a message that is refused; return the code and what is said."""
        return self.refused(self.ask(kind, data))

    @staticmethod
    def refused(answer: Json) -> tuple[str, str]:
        assert answer["type"] == "error", answer
        return answer["data"]["code"], answer["data"]["message"]

    @staticmethod
    def _observed(answer: Json) -> Json:
        assert answer["type"] == "observation", answer
        data: Json = answer["data"]
        return data


Connect: TypeAlias = Callable[..., AbstractContextManager[Environment]]


@pytest.fixture(scope="session")
def connect() -> Connect:
    """Open a WebSocket: `with connect(server) as env`, by default to the mock domain's `/ws`."""
    client = pytest.importorskip("websockets.sync.client")

    @contextmanager
    def connected(server: Server, path: str = "/openenv/mock/ws", **options: Any) -> Iterator[Environment]:
        address = server.address.replace("http://", "ws://")
        with client.connect(f"{address}{path}", proxy=None, open_timeout=SECONDS, **options) as socket:
            yield Environment(socket)

    return connected
