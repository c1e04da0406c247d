"""What the agent does not see of its customer, on the page of an episode; and the command that plays it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tau2_core import evaluate
from tau2_core.testing.scripted_endpoint import Answer, Asked, ScriptedEndpoint, say

from tests.workbench.conftest import serving

pytestmark = pytest.mark.domain("mock")
PLAN = "<plan>\nopen: a <new> task\nrevealed: -\nagreed: -\n</plan>\n"


def customer(asked: Asked) -> Answer:
    return say(f"{PLAN}Please add it." if not asked.answered else f"{PLAN}###TRANSFER###")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("planned") / "runs"
    with ScriptedEndpoint(customer) as endpoint:
        options: Any = {"user_prompt": "planned", "persona": ["terse", "none"], "user_check": True}
        model = {"model": "endpoint/customer", "args": {"api_base": endpoint.url}}
        evaluate("mock", agent="silent", user=model, tasks=["create_plain"], name="r", out=Path(folder), **options)
    with serving("view", folder) as address:
        yield address


def test_an_episodes_page_shows_plans_and_how_to_play_it_again(address: str) -> None:
    page = httpx.get(f"{address}runs/r/0/0", timeout=60).text
    assert "what the agent does not see" in page
    assert "plan, open: a &lt;new&gt; task" in page
    assert "--user-prompt planned --persona terse --persona none --user-check" in page
