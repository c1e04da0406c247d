"""A server for fuzzed requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import schemathesis  # imported where it is used: every process that collects tests would wait for it

    from tests.gym.conftest import Server, Start


@pytest.fixture(scope="module")
def fuzzed(start_for_all: Start) -> Iterator[Server]:
    """A server whose episodes do not end because of errors."""
    server = start_for_all("mock", "airline", "--max-errors", 10**9, "--max-steps", 10**9)
    server.create("mock", id="known", task_id="create_plain")
    yield server
    assert server.http.get("/healthz").json() == {"status": "ok"}
    assert server.process.poll() is None


@pytest.fixture(scope="module")
def control_plane(fuzzed: Server) -> schemathesis.BaseSchema:
    import schemathesis

    return schemathesis.openapi.from_dict(fuzzed.http.get("/openapi.json").json())
