"""A scripted endpoint for tests without a model: it plays the gold of every task."""

import os
from collections.abc import Iterator

import pytest
from tau2_core.testing import GoldScript, ScriptedEndpoint


@pytest.fixture(scope="session", autouse=True)
def endpoint() -> Iterator[None]:
    """Answer for `openai/scripted-…` unless AGENT_MODEL names a model."""
    if "AGENT_MODEL" in os.environ:
        yield
        return
    with ScriptedEndpoint(GoldScript.of_domain("airline"), keep=False) as served, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", served.url)
        patch.setenv("OPENAI_API_KEY", "none")
        yield
