"""The dialect of eval-protocol's MCP gym client, point by point (spec/mcp_gym.md)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.gym.compatible.conftest import Rollout, RolloutOf
    from tests.gym.conftest import Server, Start

NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}
ACCEPT = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
SHAPES: dict[str, dict[str, Any]] = {
    "initial_state": {},
    "reward": {"reward": 0.0, "step_count": 0},
    "status": {"terminated": False, "truncated": False, "step_count": 0, "total_reward": 0.0},
    "info": {},
}


def session_id_of(seed: int | None, config: dict[str, Any], row: str) -> str:
    """Return the id that the client generates: an md5 of JSON with sorted keys."""
    parts = {"seed": seed, "config": config, "dataset_row_id": row, "model_id": "scripted"}
    return hashlib.md5(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def test_session_ids_follow_the_specification() -> None:
    assert session_id_of(None, {"domain": "mock"}, "r1") == "6e178a71c40dc7523cbf208dbb5b36a8"


def test_a_whole_rollout(rollout_of: RolloutOf) -> None:
    config = {"domain": "mock", "task_id": "create_plain"}
    rollout = rollout_of(session_id_of(7, config, "r1"), path="/mcp/", seed=7, config=config).open()
    assert {tool["name"] for tool in rollout.tools()} >= {"create_task", "get_users"}
    assert all("outputSchema" not in tool for tool in rollout.tools())
    assert rollout.json("initial_state") == {}
    for what, shape in SHAPES.items():
        assert rollout.json(what) == shape
    observed = json.loads(rollout.call("create_task", NEW_TASK)["content"][0]["text"])
    assert observed["task_id"] == "task_7"
    assert rollout.json("reward") == {"reward": 1.0, "step_count": 1}
    assert rollout.json("status")["step_count"] == 1
    assert rollout.world()["task_id"] == "create_plain"
    rollout.end()
    assert rollout.json("reward") == {"reward": 0.0, "step_count": 0}
    assert rollout.post({"id": 3, "method": "tools/list"}).status_code == 404


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
def test_both_forms_of_the_path_are_answered_directly(rollout_of: RolloutOf, path: str) -> None:
    rollout = rollout_of(f"path-{len(path)}", path=path).open()
    assert rollout.tools()
    rollout.control("initial_state")
    rollout.end()


class TestCreation:
    def test_opening_and_listing_create_nothing(self, rollout: Rollout) -> None:
        rollout.open().tools()
        assert rollout.world()["error"]["code"] == "unknown_episode"
        assert {what: rollout.control(what).status_code for what in ("reward", "status", "info")} == {
            "reward": 404,
            "status": 404,
            "info": 404,
        }

    def test_the_first_look_creates_the_world(self, rollout: Rollout) -> None:
        assert rollout.control("initial_state").status_code == 200
        assert rollout.world()["task_id"] == "free"

    def test_the_first_call_creates_the_world(self, rollout: Rollout) -> None:
        rollout.open().call("get_users")
        assert rollout.world()["tool_calls"] == 1

    @pytest.mark.domain("retail")
    def test_seed_and_config_of_the_opening_are_used(self, rollout: Rollout) -> None:
        rollout.extra = {"seed": 5, "config": {"domain": "retail"}}
        rollout.open()
        assert "exchange_delivered_order_items" in {tool["name"] for tool in rollout.tools()}
        rollout.control("initial_state")
        record = rollout.server.http.get(f"/v1/episodes/compat-{rollout.session_id}/record").json()
        assert (record["domain"], record["seed"], record["mode"]) == ("retail", 5, "tau2")

    def test_a_session_without_an_id_uses_the_transports_id(self, compatible: Server, rollout_of: RolloutOf) -> None:
        first, second = (rollout_of("").open() for _ in range(2))
        first.call("create_task", NEW_TASK)
        worlds = [
            compatible.http.get(f"/v1/episodes/compat-{rollout.transport['mcp-session-id']}").json()
            for rollout in (first, second)
        ]
        assert worlds[0]["tool_calls"] == 1
        assert worlds[1]["error"]["code"] == "unknown_episode"

    @pytest.mark.parametrize(
        ("config", "word"), [({"domain": "moc"}, "no domain 'moc'"), ({"task_id": "x"}, "no task 'x'")]
    )
    def test_an_unknown_domain_or_task_in_the_config_is_refused(
        self, rollout: Rollout, config: dict[str, str], word: str
    ) -> None:
        rollout.extra = {"config": config}
        rollout.open()
        result = rollout.call("get_users")
        assert (result["isError"], word in result["content"][0]["text"]) == (True, True)
        refused = rollout.control("initial_state")
        assert (refused.status_code, word in refused.json()["error"]) == (422, True)
        listed = rollout.post({"id": 1, "method": "tools/list"}).json()
        assert ("error" in listed) == ("domain" in config)

    def test_invalid_members_of_the_opening_are_ignored(self, rollout: Rollout) -> None:
        rollout.extra = {"seed": "7", "config": ["x"], "dataset_row_id": 5, "new": {}}
        rollout.open().call("get_users")
        assert rollout.world()["tool_calls"] == 1

    def test_a_session_id_has_a_limit(self, compatible: Server) -> None:
        message = {"params": {"clientInfo": {"_extra": {"session_id": "x" * 201}}}}
        refused = compatible.http.post("/mcp", json=message, headers=ACCEPT)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")


class TestControl:
    def test_a_missing_header_is_400(self, compatible: Server) -> None:
        for what in SHAPES:
            refused = compatible.http.get(f"/control/{what}")
            assert (refused.status_code, refused.json()) == (400, {"error": "the header mcp-session-id is missing"})

    def test_a_wrong_method_is_405(self, rollout: Rollout) -> None:
        assert [rollout.control(what, "POST").status_code for what in SHAPES] == [405] * 4
        assert rollout.control("reset_session").status_code == 405

    @pytest.mark.parametrize("body", [b"{", b"x", b'{"seed": NaN}'])
    def test_a_reset_with_invalid_json_is_400(self, rollout: Rollout, body: bytes) -> None:
        assert rollout.control("reset_session", "POST", content=body).status_code == 400

    def test_resetting_an_unknown_session_is_404(self, rollout: Rollout) -> None:
        refused = rollout.control("reset_session", "POST", json={"seed": None})
        assert refused.status_code == 404
        assert "there is no session" in refused.json()["error"]

    def test_a_reset_restarts_and_0_is_a_valid_seed(self, rollout: Rollout) -> None:
        rollout.control("initial_state")
        fresh = rollout.world()["digests"]
        rollout.open().call("create_task", NEW_TASK)
        assert rollout.world()["digests"] != fresh
        for seed, expected in ((3, 3), (0, 0), (None, 0), (5, 5)):
            assert rollout.control("reset_session", "POST", json={"seed": seed}).status_code == 200
            record = rollout.server.http.get(f"/v1/episodes/compat-{rollout.session_id}/record").json()
            assert record["seed"] == expected
        assert rollout.world()["digests"] == fresh
        assert rollout.control("reset_session", "POST").status_code == 200  # without a body as well
        assert rollout.control("reset_session", "POST", json={"seed": "x"}).status_code == 422

    def test_only_calls_that_succeed_count_as_steps(self, rollout: Rollout) -> None:
        rollout.extra = {"config": {"task_id": "create_plain"}}
        rollout.open()
        for name, arguments in (("none", {}), ("create_task", {}), ("create_task", {"user_id": "x", "title": "y"})):
            assert rollout.call(name, arguments)["isError"]
        assert rollout.json("reward") == {"reward": 0.0, "step_count": 0}
        rollout.call("create_task", NEW_TASK)
        assert rollout.json("reward") == {"reward": 1.0, "step_count": 1}


class TestSessions:
    """Sessions cost memory, so their number and the size of their fields are limited."""

    def test_too_many_sessions_without_a_world_end_the_oldest(self, start: Start, rollout_of: RolloutOf) -> None:
        server = start("mock", "--max-episodes", 5)
        called = rollout_of("called", server=server).open()
        called.call("get_users")
        looked_at = rollout_of("looked-at", server=server).open()
        looked_at.control("initial_state").raise_for_status()
        oldest = rollout_of("oldest", server=server).open()
        for number in range(10):
            rollout_of(f"flood-{number}", server=server).open()
        assert [one.post({"id": 3, "method": "tools/list"}).status_code for one in (called, looked_at)] == [200, 200]
        assert oldest.post({"id": 3, "method": "tools/list"}).status_code == 404
        oldest.transport = {}
        # nothing is lost: the client's own id opens a new session
        assert not oldest.open().call("get_users")["isError"]

    @pytest.mark.parametrize("extra", [{"config": {"domain": "m" * 201}}, {"config": {"task_id": "t" * 201}}])
    def test_long_requests_are_refused(self, rollout_of: RolloutOf, extra: dict[str, Any]) -> None:
        refused = rollout_of("long", **extra)
        with pytest.raises(httpx.HTTPStatusError, match="422"):
            refused.open()
