"""Servers of several processes, and access to their workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx
import pytest

from tests.fork_origin import STARTER
from tests.gym.conftest import SECONDS, World

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start


class Workers:
    """A server's workers, and which of them hosts an episode."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def pids(self) -> list[int]:
        """Return the workers' process ids."""
        pid = self.server.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
        return [int(child) for child in children if Path(f"/proc/{child}/comm").read_text().strip() != STARTER]

    def kill(self, pid: int) -> None:
        """Kill a worker, and wait until the server has noticed."""
        lost = self.metric("tau2_gym_workers_lost_total")
        os.kill(pid, signal.SIGKILL)
        self.wait_for("tau2_gym_workers_lost_total", lost + 1)

    def wait_for(self, name: str, value: float) -> None:
        """Wait until a metric has a value."""
        while self.metric(name) != value:
            assert self.server.process.poll() is None, self.server.log()

    def metric(self, name: str) -> float:
        """Return a metric of the server, over a connection of its own."""
        text = httpx.get(f"{self.server.address}/metrics", timeout=SECONDS).raise_for_status().text
        (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(line.split()[1])

    def gone(self, worlds: list[World]) -> list[World]:
        """Return the episodes that the server reports as gone, with the reason."""
        found = []
        for world in worlds:
            answer = httpx.get(f"{self.server.address}/v1/episodes/{world.id}", timeout=SECONDS)
            if answer.status_code == 410:
                error: dict[str, Any] = answer.json()["error"]
                assert "the process that hosted this episode has ended: it was killed by SIGKILL" in error["message"]
                found.append(world)
        return found


@pytest.fixture(scope="module")
def server(start_for_all: Start) -> Server:
    """A server of two workers, for tests that only add episodes to it."""
    return start_for_all("mock", "telecom", "--workers", "2")


@pytest.fixture(scope="session")
def workers_of() -> Callable[[Server], Workers]:
    return Workers


WorkersOf: TypeAlias = Callable[["Server"], Workers]
