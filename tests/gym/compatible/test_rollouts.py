"""Rollouts in the dialect: results of calls, many rollouts at once, and incompatible clients."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client.client import Client
from mcp_types import TextContent

if TYPE_CHECKING:
    from tests.gym.compatible.conftest import Rollout, RolloutOf
    from tests.gym.conftest import Server, Start

NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}


class TestResults:
    """A client reads one text; if that is JSON, it must be an object."""

    @pytest.mark.parametrize(
        ("domain", "name", "arguments"),
        [
            ("mock", "get_users", {}),
            ("mock", "create_task", NEW_TASK),
            ("mock", "transfer_to_human_agents", {"summary": "x"}),
            ("airline", "list_all_airports", {}),
            ("airline", "calculate", {"expression": "1 + 1"}),
            ("retail", "list_all_product_types", {}),
        ],
    )
    def test_a_successful_result_is_a_json_object(
        self, rollout: Rollout, domain: str, name: str, arguments: dict[str, Any]
    ) -> None:
        rollout.extra = {"config": {"domain": domain}}
        result = rollout.open().call(name, arguments)
        (content,) = result["content"]
        value = json.loads(content["text"])
        assert isinstance(value, dict)
        assert not result["isError"]
        plain = rollout.server.create(domain, mode="tau2").text(name, arguments)
        assert plain in (content["text"], value.get("observation"), json.dumps(value.get("observation")))

    @pytest.mark.parametrize(("name", "arguments"), [("none", {}), ("create_task", {}), ("create_task", {"title": 1})])
    def test_a_failure_is_plain_text(self, rollout: Rollout, name: str, arguments: dict[str, Any]) -> None:
        result = rollout.open().call(name, arguments)
        (content,) = result["content"]
        assert result["isError"]
        with pytest.raises(ValueError, match="Expecting value"):
            json.loads(content["text"])


class TestMany:
    def test_ten_at_once_with_ids_of_their_own(self, rollout_of: RolloutOf) -> None:
        def play(number: int) -> tuple[Any, Any]:
            config = {"domain": "mock", "task_id": "create_plain"}
            rollout = rollout_of(f"own-{number}", config=config).open()
            rollout.control("initial_state")
            for _ in range(number % 3):
                rollout.call("get_users")
            made = json.loads(rollout.call("create_task", NEW_TASK)["content"][0]["text"])
            reward = rollout.json("reward")
            rollout.end()
            return made["task_id"], reward

        with ThreadPoolExecutor(10) as threads:
            played = list(threads.map(play, range(10)))
        assert played == [("task_7", {"reward": 1.0, "step_count": number % 3 + 1}) for number in range(10)]

    def test_ten_at_once_with_one_id_share_a_world(self, rollout_of: RolloutOf) -> None:
        def play(_number: int) -> str:
            rollout = rollout_of("shared").open()
            rollout.control("initial_state")
            made: str = json.loads(rollout.call("create_task", NEW_TASK)["content"][0]["text"])["task_id"]
            return made

        with ThreadPoolExecutor(10) as threads:
            assert set(threads.map(play, range(10))) == {f"task_{number}" for number in range(7, 17)}
        assert rollout_of("shared").world()["tool_calls"] == 10

    def test_an_expired_session_is_not_silently_restarted(self, start: Start, rollout_of: RolloutOf) -> None:
        server = start("mock", "--idle-timeout", 0.2)
        rollout = rollout_of("expires", server=server).open()
        rollout.call("create_task", NEW_TASK)
        while "error" not in rollout.world():
            pass
        result = rollout.call("get_users")
        assert (result["isError"], "expired" in result["content"][0]["text"]) == (True, True)
        assert rollout.control("reward").status_code == 404
        assert rollout.json("initial_state") == {}  # a later rollout with the same id begins with this
        assert not rollout.call("get_users")["isError"]


def test_a_client_of_both_eras_falls_back_to_a_session(compatible: Server) -> None:
    async def play() -> tuple[str, str]:
        async with Client(f"{compatible.address}/mcp", mode="auto") as client:
            made = (await client.call_tool("create_task", NEW_TASK)).content[0]
            assert isinstance(made, TextContent)
            return client.protocol_version, json.loads(made.text)["task_id"]

    assert [asyncio.run(play()) for _ in range(2)] == [("2025-11-25", "task_7")] * 2


def test_a_client_without_sessions_is_told_the_right_url(compatible: Server) -> None:
    refused = compatible.rpc("/mcp", "tools/list")
    assert refused.status_code == 400
    assert "POST /v1/episodes" in refused.json()["error"]["message"]


def test_the_dialect_requires_the_token_too(start: Start, rollout_of: RolloutOf) -> None:
    server = start("mock", "--token", "secret")
    rollout = rollout_of("x", server=server).open()  # with the header that the requests of these tests always have
    assert rollout.json("initial_state") == {}
    del server.http.headers["authorization"]
    gets = [rollout.control(what).status_code for what in ("initial_state", "reward", "status", "info")]
    assert gets == [401] * 4
    assert rollout.control("reset_session", "POST").status_code == 401
    assert rollout.post({"id": 1, "method": "tools/list"}).status_code == 401
