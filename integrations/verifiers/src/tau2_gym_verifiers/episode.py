"""A rollout's episode on a gym server: its URLs, and requests to the server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import verifiers.v1 as vf
from tau2_core import RunError
from tau2_core.gym.client import http_client

TOKEN = "TAU2_GYM_TOKEN"  # noqa: S105 - the variable's name, which `tau2-gym serve` reads, too


class RolloutState(vf.State):
    """The URLs of a rollout's episode, shared by its task, its environment and the tool server."""

    mcp_url: str = ""
    conversation_url: str = ""
    control_url: str = ""


async def ask(method: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
    """Send a request to a gym server and return its answer. Raises RunError for an error response."""
    token = os.environ.get(TOKEN)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with http_client(url) as http:
        response = await http.request(method, url, json=body, headers=headers)
    if response.is_error:
        raise RunError(f"{method} {url}: {response.status_code} {response.text}")
    return response.json() if response.content else None
