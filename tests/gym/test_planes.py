"""The three planes: what each shows, and where the effects of each are visible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.model.tools import Role

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start

SettingOf = Callable[..., Setting]
NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}
NOTIFIED = {
    "id": "notified",
    "user_scenario": {"instructions": "Ask what is new."},
    "initial_state": {
        "initialization_actions": [
            {
                "env_type": "user",
                "func_name": "add_notification",
                "arguments": {"notification_id": "n1", "message": "Hello", "task_id": "task_1"},
            }
        ]
    },
    "evaluation_criteria": {
        "actions": [{"name": "dismiss_notification", "arguments": {"notification_id": "n1"}, "requestor": "user"}]
    },
}


class TestControlPlane:
    def test_a_task_is_played_graded_and_deleted(self, server: Server) -> None:
        world = server.create("mock", task_id="create_plain", seed=7)
        state = world.state()
        assert (state["status"], state["steps"], state["tool_calls"], state["termination"]) == ("open", 0, 0, None)
        assert (state["domain"], state["task_id"]) == ("mock", "create_plain")
        assert world.control(what="/reward").json()["reward"] == 0.0
        made = world.value("create_task", NEW_TASK)
        assert made["title"] == "Tune the piano"
        reward = world.control(what="/reward").json()
        assert (reward["reward"], reward["final"], reward["grade"]["outcome"]) == (1.0, False, "solved")
        assert reward["grade"]["verdicts"]["DB"]["checks"]
        assert (world.state()["steps"], world.state()["tool_calls"]) == (2, 1)
        world.delete()
        assert world.control().status_code == 410
        assert server.rpc(world.mcp_url, "tools/list").status_code == 410

    def test_a_wrong_call_is_no_solution_and_the_evidence_says_why(self, server: Server) -> None:
        world = server.create("mock", task_id="create_plain")
        world.value("create_task", {**NEW_TASK, "title": "Sell the piano"})
        grade = world.control(what="/reward").json()["grade"]
        (check, _) = grade["verdicts"]["DB"]["checks"]
        assert (grade["reward"], grade["outcome"]) == (0.0, "failed")
        assert {change["path"] for change in check["evidence"]} == {"tasks.task_7.title"}
        world.delete()

    def test_the_list_has_the_open_episodes(self, server: Server) -> None:
        worlds = [server.create("mock") for _ in range(3)]
        listed = {state["id"]: state for state in server.http.get("/v1/episodes").json()}
        assert {world.id for world in worlds} <= listed.keys()
        assert all(listed[world.id]["digests"] is None for world in worlds)  # which cost something
        worlds[0].delete()
        listed_ids = {state["id"] for state in server.http.get("/v1/episodes").json()}
        assert {world.id for world in worlds} - listed_ids == {worlds[0].id}
        for world in worlds[1:]:
            world.delete()

    def test_a_world_without_a_task_is_in_the_base_state(
        self, server: Server, setting_of: SettingOf, installed_domains: frozenset[str]
    ) -> None:
        for domain in installed_domains:
            world = server.create(domain)
            assert world.digests() == Environment(setting_of(domain)).digests()
            assert world.state()["task_id"] == "free"
            world.delete()

    def test_a_task_may_be_written_out(self, server: Server) -> None:
        world = server.create("mock", task=NOTIFIED)
        assert "Hello" in [entry["message"] for entry in world.value("check_notifications", user=True)]
        assert world.reward() == 0.0
        world.text("dismiss_notification", {"notification_id": "n1"}, user=True)
        assert world.reward() == 1.0
        world.delete()

    @pytest.mark.parametrize(
        ("wishes", "status", "word"),
        [
            ({"domain": "moc"}, 422, "did you mean 'mock'"),
            ({"domain": "mock", "task_id": "create_plan"}, 422, "did you mean 'create_plain'"),
            ({"domain": "mock", "task_id": "create_plain", "task": NOTIFIED}, 422, "not both"),
            ({"domain": "mock", "variant": "x"}, 422, "no variant"),
            ({"domain": "airline", "solo": True}, 422, "cannot be played solo"),
            ({"domain": "mock", "user": "nobody"}, 422, "no user 'nobody'"),
            ({"domain": "mock", "user": "none"}, 422, "is for solo play"),
            ({"domain": "mock", "user": "llm"}, 422, "needs a model"),
            ({"domain": "mock", "dataset": "x"}, 422, "no dataset 'x'"),
            ({"domain": "mock", "mode": "lax"}, 422, "body.mode"),
            ({"domain": "mock", "id": "a b"}, 422, "body.id"),
            ({"domain": "mock", "seed": 2**63}, 422, "body.seed"),
            ({"domain": "mock", "sed": 1}, 422, "body.sed"),
            ({"task_id": "create_plain"}, 422, "body.domain"),
            ({"domain": "mock", "task": {**NOTIFIED, "initial_state": {"message_history": 1}}}, 422, "message_history"),
            ({"domain": "airline", "task": NOTIFIED}, 422, "add_notification"),
        ],
    )  # fmt: skip
    def test_unknown_names_and_invalid_values_are_refused(
        self, server: Server, wishes: dict[str, Any], status: int, word: str
    ) -> None:
        before = len(server.http.get("/v1/episodes").json())
        response = server.http.post("/v1/episodes", json=wishes)
        assert response.status_code == status
        assert word in response.json()["error"]["message"]
        assert len(server.http.get("/v1/episodes").json()) == before

    def test_a_client_chosen_id_is_unique_and_reusable_after_deletion(self, server: Server) -> None:
        first = server.create("mock", id="my-own.1")
        assert first.id == "my-own.1"
        taken = server.http.post("/v1/episodes", json={"domain": "mock", "id": "my-own.1"})
        assert (taken.status_code, taken.json()["error"]["code"]) == (409, "taken_id")
        first.delete()
        second = server.create("mock", id="my-own.1")
        assert second.state()["status"] == "open"
        assert second.mcp_url != first.mcp_url
        assert server.rpc(first.mcp_url, "tools/list").status_code == 410
        second.delete()

    def test_the_seed_determines_the_world_and_0_is_valid(self, server: Server) -> None:
        worlds = [server.create("mock", **wish) for wish in ({}, {"seed": 0}, {"seed": 5})]
        assert [world.record()["seed"] for world in worlds] == [0, 0, 5]
        assert worlds[2].control("POST", "/reset").status_code == 200
        assert worlds[2].record()["seed"] == 5
        assert worlds[2].control("POST", "/reset", {"seed": 0}).status_code == 200
        assert worlds[2].record()["seed"] == 0
        for world in worlds:
            world.delete()

    def test_reset_starts_again_under_the_same_urls(self, server: Server) -> None:
        world = server.create("mock", task_id="create_plain")
        fresh = world.digests()
        world.value("create_task", NEW_TASK)
        assert world.digests() != fresh
        state = world.control("POST", "/reset").raise_for_status().json()
        assert (state["steps"], state["tool_calls"]) == (0, 0)
        assert world.digests() == fresh
        assert world.record()["messages"] == []
        assert world.value("create_task", NEW_TASK)["task_id"] == "task_7"
        world.delete()

    @pytest.mark.domain("telecom")
    def test_domains_are_described(self, server: Server, installed_domains: frozenset[str]) -> None:
        rows = {row["name"]: row for row in server.http.get("/v1/domains").json()}
        assert rows.keys() == installed_domains
        assert rows["telecom"]["variants"] == ["workflow"]
        assert "dismiss_notification" in rows["mock"]["tools"]["user"]
        assert "pack" in rows["mock"]["datasets"]
        assert (rows["mock"]["solo"], rows["airline"]["solo"]) == (True, False)

    def test_metrics_count(self, start: Start) -> None:
        server = start("mock")
        world = server.create("mock")
        world.call("create_task", NEW_TASK)
        world.call("create_task", {})
        metrics = dict(line.rsplit(" ", 1) for line in server.http.get("/metrics").text.splitlines() if line[0] != "#")
        assert metrics["tau2_gym_open_episodes"] == "1"
        assert metrics["tau2_gym_episodes_created_total"] == "1"
        assert metrics['tau2_gym_tool_calls_total{domain="mock"}'] == "2"
        assert metrics['tau2_gym_tool_errors_total{kind="invalid_arguments"}'] == "1"
        assert metrics['tau2_gym_tool_call_seconds_bucket{le="+Inf"}'] == "2"

    def test_datasets_are_chosen_by_name(self, start: Start, shared: Path, setting_of: SettingOf) -> None:
        data = shared / "tau2-bench"
        server = start("airline", "--dataset", data)
        official = server.create("airline", dataset="tau2-bench")
        own = server.create("airline", dataset="pack")
        assert official.digests() == Environment(setting_of("airline", dataset=data, mode="tau2")).digests()
        assert official.digests() != own.digests()
        assert (official.record()["mode"], own.record()["mode"]) == ("tau2", "strict")
        assert server.create("airline").digests() == official.digests()  # the first dataset is the default


class TestDataPlane:
    def test_each_side_lists_its_own_tools(self, server: Server, setting_of: SettingOf) -> None:
        world = server.create("telecom")
        pack = setting_of("telecom").pack
        roles: list[Role] = ["agent", "user"]
        for role in roles:
            listed = world.tools(user=role == "user")
            assert [tool["name"] for tool in listed] == list(pack.tools[role])
            for tool in listed:
                declared = pack.tools[role][tool["name"]]
                assert tool["description"] == declared.description
                assert tool["inputSchema"] == declared.parameters
                assert tool["annotations"]["readOnlyHint"] is (not declared.mutates)
                assert tool["annotations"]["destructiveHint"] is declared.mutates
        world.delete()

    def test_whitespace_around_header_values_is_ignored(
        self, server: Server, stateless_request: Callable[[str, dict[str, Any]], tuple[bytes, dict[str, str]]]
    ) -> None:
        world = server.create("mock")
        body, headers = stateless_request("tools/list", {})
        spaced = {name: f" \t{value} \t" for name, value in headers.items()}
        with server.send_only(world.mcp_url, body, {**spaced, "Connection": "close"}) as wire:
            answered = b"".join(iter(lambda: wire.recv(65536), b""))
        assert answered.startswith(b"HTTP/1.1 200"), answered
        world.delete()

    def test_neither_side_can_call_the_others_tools(self, server: Server) -> None:
        world = server.create("mock")
        for user, name in ((False, "check_notifications"), (True, "get_users"), (True, "add_notification")):
            result = world.call(name, user=user)
            assert result["isError"]
            assert f"there is no tool {name!r}" in result["content"][0]["text"]
        world.delete()

    def test_the_sides_see_each_others_effects(self, server: Server) -> None:
        world = server.create("telecom", task_id="overdue_bill")
        bill = {"customer_id": "C2001", "bill_id": "B2777"}
        assert world.text("check_payment_request", user=True) == "You have no payment request."
        world.text("send_payment_request", bill)
        assert "B2777" in world.text("check_payment_request", user=True)
        world.text("make_payment", user=True)
        assert world.value("get_details_by_id", {"id": "B2777"})["status"] == "Paid"
        assert world.reward() == 0.0
        world.text("resume_line", {"customer_id": "C2001", "line_id": "L2002"})
        world.text("reboot_device", user=True)
        assert world.reward() == 1.0
        assert [message["role"] for message in world.record()["messages"][::2]] == [
            "user", "assistant", "user", "user", "assistant", "assistant", "user"
        ]  # fmt: skip
        world.delete()

    def test_a_domain_without_a_customers_database_has_no_url_for_it(self, server: Server) -> None:
        world = server.create("airline")
        assert world.urls["user_mcp_url"] is None
        world.delete()

    def test_a_task_may_narrow_the_customers_tools(self, server: Server) -> None:
        world = server.create("mock", task={**NOTIFIED, "user_tools": ["check_notifications"]})
        assert [tool["name"] for tool in world.tools(user=True)] == ["check_notifications"]
        result = world.call("dismiss_notification", {"notification_id": "n1"}, user=True)
        assert "there is no tool" in result["content"][0]["text"]
        world.delete()

    @pytest.mark.parametrize(("domain", "variant"), [("airline", ""), ("telecom", ""), ("telecom", "workflow")])
    def test_prompts_and_resources_hold_policy_and_description(
        self, server: Server, setting_of: SettingOf, domain: str, variant: str
    ) -> None:
        world = server.create(domain, variant=variant)
        policy = setting_of(domain).pack.prompt("policy", variant=variant)
        url = world.mcp_url
        prompts = server.rpc(url, "prompts/list").json()["result"]["prompts"]
        assert {prompt["name"] for prompt in prompts} == {"policy", "domain"}
        got = server.rpc(url, "prompts/get", {"name": "policy"}).json()["result"]
        assert got["messages"][0]["content"]["text"] == policy
        resources = server.rpc(url, "resources/list").json()["result"]["resources"]
        texts = {
            resource["name"]: server.rpc(url, "resources/read", {"uri": resource["uri"]}).json()["result"]["contents"]
            for resource in resources
        }
        assert texts["policy"][0]["text"] == policy
        assert texts["domain"][0]["text"] == setting_of(domain).pack.manifest.description
        missing = server.rpc(url, "prompts/get", {"name": "gold"})
        assert (missing.status_code, missing.json()["error"]["code"]) == (400, -32602)
        world.delete()
