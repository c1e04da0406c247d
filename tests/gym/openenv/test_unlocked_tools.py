"""Options of variants, and variants that list unlocked tools, by OpenEnv's protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gym.conftest import Server

if TYPE_CHECKING:
    from tests.gym.openenv.conftest import Connect

pytestmark = pytest.mark.domain("banking_knowledge")
TASK, TOOL = "open_first_savings", "open_bank_account_4821"


def test_an_unlocked_tool_is_listed_and_an_option_has_an_effect(server: Server, connect: Connect) -> None:
    with connect(server, "/openenv/banking_knowledge/ws") as env:
        env.reset(task_id=TASK, variant="native", variant_options={"top_k": 1})
        found = env.call("KB_search", query="savings account")["observation"]["result"]
        assert found.count("   Score: ") == 1
        before = [tool["name"] for tool in env.step({"type": "list_tools"})["observation"]["tools"]]
        env.call("unlock_discoverable_agent_tool", agent_tool_name=TOOL)
        after = [tool["name"] for tool in env.step({"type": "list_tools"})["observation"]["tools"]]
        assert sorted(after) == sorted([*before, TOOL])


def test_a_refusal_is_marked_in_mode_tau2(server: Server, connect: Connect) -> None:
    with connect(server, "/openenv/banking_knowledge/ws") as env:
        env.reset(task_id=TASK, mode="tau2")
        declined = env.call("unlock_discoverable_agent_tool", agent_tool_name="no_such_tool")
        assert declined["observation"]["error"] is None
        assert declined["metadata"] == {"refused": True}


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"variant_options": {"topk": 1}}, "has no option 'topk' (did you mean 'top_k'?); its options are top_k; give"),
        ({"variant_options": {"top_k": "1"}}, "should be of type int, as 10, not '1'"),
        ({"variant": "no_knowledge", "variant_options": {"top_k": 1}}, "its options are none"),
    ],
)
def test_a_wrong_option_is_refused_with_its_place(server: Server, wishes: dict[str, object], said: str) -> None:
    refused = server.http.post("/v1/episodes", json={"domain": "banking_knowledge", **wishes})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")
    message = refused.json()["error"]["message"]
    assert said in message
    assert "domain.yaml:" in message
