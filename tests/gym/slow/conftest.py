"""A server of a pack with a writing tool that takes as long as the test wants."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start

SECONDS = 60
SLOW_HANDLERS = """
import socket

def wait(db, port: int, name: str) -> str:
    with socket.create_connection(("127.0.0.1", port)) as gate:
        gate.recv(1)  # until the test lets go
    db.log.append(name)
    return f"waited for {name}"

def note(db, name: str) -> list:
    db.log.append(name)
    return list(db.log)

def crash(db) -> str:
    db.log.append("before the crash")
    raise KeyError("it broke")
"""
SLOW_TOOLS: dict[str, dict[str, Any]] = {
    "wait": {"kind": "write", "parameters": {"port": "integer", "name": "string"}},
    "note": {"kind": "write", "parameters": {"name": "string"}},
    "crash": {"kind": "write"},
}


@pytest.fixture(scope="session")
def slow_pack(small_pack: Callable[..., Any]) -> Path:
    """A pack whose tool and set-up function `wait` block until the test releases them."""
    functions = {"wait_at_first": {"handler": "tools:wait", "parameters": SLOW_TOOLS["wait"]["parameters"]}}
    folder: Path = small_pack(SLOW_HANDLERS, SLOW_TOOLS, functions=functions).pack.folder
    return folder


@pytest.fixture(scope="module")
def slow_server(start_for_all: Start, slow_pack: Path) -> Server:
    """A server of that pack, for tests that leave it running."""
    return start_for_all(slow_pack.name, "--pack", slow_pack)


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    """Threads for requests that wait."""
    with ThreadPoolExecutor(80) as threads:
        yield threads


@dataclass(eq=False)
class Gate:
    """Blocks calls of the tool `wait`."""

    listener: socket.socket
    waiting: list[socket.socket] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def until_waited_for(self) -> None:
        """Return when one more call has begun to wait."""
        self.waiting.append(self.listener.accept()[0])

    def open(self) -> None:
        """Release the waiting calls."""
        while self.waiting:
            self.waiting.pop().close()


@pytest.fixture
def gate(background: ThreadPoolExecutor) -> Iterator[Gate]:
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        listener.settimeout(SECONDS)
        made = Gate(listener)
        yield made
        made.open()
