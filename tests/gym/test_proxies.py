"""A proxy from the environment is never used between our programs and our own servers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

NOBODY = "http://127.0.0.1:9"  # the port of `discard`, where nothing listens


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"])
def test_a_run_through_a_server(gym: Callable[..., subprocess.CompletedProcess[str]], name: str) -> None:
    done = gym("run", "mock", "--via", "mcp", "--task", "complete_task", **{name: NOBODY})
    assert done.returncode == 0, done.stderr
    assert "mean reward 1.0000" in done.stdout
