"""Conversations with the simulated customer, and what is kept of episodes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import start as set_up
from tau2_core.evaluators.grade import Grader
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.messages import ToolCall
from tau2_core.runs.loading import open_catalogue

if TYPE_CHECKING:
    from tests.gym.conftest import Server, Start

SettingOf = Callable[..., Setting]
NEW_TASK = {"user_id": "piet_lindgren", "title": "Tune the piano"}


class TestConversationPlane:
    def test_the_customer_answers_the_opening_line_first(self, server: Server) -> None:
        world = server.create("mock", task_id="create_plain")
        heard = world.say().json()
        assert heard["status"] == "open"
        assert [message["role"] for message in heard["messages"]] == ["assistant", "user"]
        assert heard["messages"][0]["content"] == "Hello! What can I do for you today?"
        assert heard["reply"] == heard["messages"][1]["content"] == "You want a task put on Piet Lindgren's list."
        assert world.say().json() == heard  # reading it again changes nothing
        world.delete()

    def test_the_agent_sees_the_calls_of_a_history_but_not_again_its_own(self, server: Server) -> None:
        world = server.create("mock", task_id="complete_what_was_created")
        messages = world.say().json()["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "user"]
        (call,) = messages[1]["tool_calls"]
        assert (call["type"], call["function"]["name"]) == ("function", "create_task")
        assert json.loads(call["function"]["arguments"])["title"] == "Return the borrowed chairs"
        assert messages[2]["tool_call_id"] == call["id"]
        assert json.loads(messages[2]["content"])["task_id"] == "task_7"
        world.value("update_task_status", {"task_id": "task_7", "status": "completed"})
        assert world.say().json()["messages"] == messages
        world.delete()

    def test_a_whole_conversation(self, server: Server) -> None:
        world = server.create("mock", task_id="create_plain")
        told = world.say("Which title?").json()
        assert "Tune the piano" in told["reply"]
        made = world.value("create_task", NEW_TASK)
        end = world.say(f"It is {made['task_id']}.").json()
        assert (end["status"], end["reply"]) == ("ended", "###STOP###")
        state = world.state()
        assert (state["status"], state["termination"]) == ("ended", "user_stop")
        reward = world.control(what="/reward").json()
        assert (reward["reward"], reward["final"]) == (1.0, True)
        world.delete()

    def test_an_ended_episode_accepts_no_more_messages(self, server: Server) -> None:
        world = server.create("mock", task_id="create_plain")
        assert world.say("I transfer you to a human.").json()["reply"] == "###TRANSFER###"
        digests, record = world.digests(), world.record()
        again = world.say("Still there?")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "episode_ended")
        assert world.say().json()["status"] == "ended"
        for user, name, arguments in ((False, "create_task", NEW_TASK), (True, "check_notifications", {})):
            result = world.call(name, arguments, user=user)
            assert result["isError"]
            assert "the episode has ended (user_stop)" in result["content"][0]["text"]
        assert (world.digests(), world.record()) == (digests, record)
        world.control("POST", "/reset")
        assert world.state()["status"] == "open"
        assert "Piet" in world.say().json()["reply"]
        world.delete()

    def test_the_simulated_customer_uses_tools_that_the_agent_does_not_see(self, server: Server) -> None:
        world = server.create("telecom", task_id="overdue_bill")
        world.say("Hello.")
        world.text("send_payment_request", {"customer_id": "C2001", "bill_id": "B2777"})
        answer = world.say("Please do make payment now.").json()
        assert answer["reply"].startswith("I did that. It says: ")
        assert world.value("get_details_by_id", {"id": "B2777"})["status"] == "Paid"
        calls = [
            call["name"] for message in world.record()["messages"] for call in message.get("tool_calls", [])
        ]  # fmt: skip
        assert calls == ["send_payment_request", "make_payment", "get_details_by_id"]
        seen = world.say().json()["messages"]
        assert all(message.keys() == {"role", "content"} and message["content"] for message in seen)
        world.delete()

    def test_solo_play_has_a_ticket_and_no_customer(self, server: Server) -> None:
        world = server.create("mock", task_id="create_plain", solo=True)
        assert (world.urls["conversation_url"], world.urls["user_mcp_url"]) == (None, None)
        for method in ("GET", "POST"):
            url = world.mcp_url.replace("/mcp", "/conversation")
            refused = server.http.request(method, url, json={"content": "Hello"} if method == "POST" else None)
            assert (refused.status_code, refused.json()["error"]["code"]) == (409, "solo")
        ticket = server.rpc(world.mcp_url, "prompts/get", {"name": "ticket"}).json()["result"]["messages"][0]
        assert "Tune the piano" in ticket["content"]["text"]
        assert {"create_task", "dismiss_notification", "done"} <= {tool["name"] for tool in world.tools()}
        world.value("create_task", NEW_TASK)
        assert world.text("done") == "The ticket is closed."
        assert world.state()["termination"] == "agent_stop"
        assert world.reward() == 1.0
        world.delete()

    def test_a_world_without_a_task_has_no_customer(self, server: Server) -> None:
        world = server.create("mock")
        assert world.urls["conversation_url"] is None
        refused = server.http.get(world.mcp_url.replace("/mcp", "/conversation"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "no_task")
        assert world.state()["status"] == "open"
        world.delete()

    def test_a_customer_without_further_requests_ends_the_conversation(self, server: Server) -> None:
        world = server.create("mock", task={"id": "free", "user_scenario": {"instructions": ""}})
        assert world.say().json()["reply"] == "Yes, please go ahead."  # to the question in the opening line
        assert world.say("That is all.").json()["reply"] == "###STOP###"
        assert world.state()["termination"] == "user_stop"
        world.delete()
        assert [grade["task_id"] for grade in server.kept("grades.jsonl")].count("free") == 1

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b"", 400, "not_json"),
            (b"{", 400, "not_json"),
            (b'{"content": NaN}', 400, "not_json"),
            (b'{"content": "\\ud800"}', 400, "not_json"),
            (b"[]", 422, "invalid_request"),
            (b"{}", 422, "invalid_request"),
            (b'{"content": ""}', 422, "invalid_request"),
            (b'{"content": " \\u001c\\n"}', 422, "invalid_request"),
            (b'{"content": 1}', 422, "invalid_request"),
            (b'{"content": "a", "role": "user"}', 422, "invalid_request"),
        ],
    )
    def test_invalid_messages_are_refused(self, server: Server, body: bytes, status: int, code: str) -> None:
        world = server.create("mock", task_id="create_plain")
        refused = server.http.post(world.urls["conversation_url"], content=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
        assert world.state()["steps"] == 0
        world.delete()


class TestRecords:
    """The run folder contains what a local run with the same calls gives."""

    CALLS: Sequence[tuple[str, dict[str, Any]]] = (("get_users", {}), ("create_task", {}), ("create_task", NEW_TASK))

    def local(self, setting: Setting, task_id: str, seed: int) -> tuple[list[str], dict[str, str]]:
        environment = Environment(setting, seed=seed)
        set_up(environment, setting.tasks()[task_id])
        texts = [environment.call(ToolCall(name=name, arguments=arguments)).content for name, arguments in self.CALLS]
        return texts, environment.digests()

    def test_record_and_grade_are_written_at_deletion(self, start: Start, setting_of: SettingOf) -> None:
        setting = setting_of("mock")
        server = start("mock")
        world = server.create("mock", task_id="create_plain", seed=3)
        for name, arguments in self.CALLS:
            world.call(name, arguments)
        record, grade = world.record(), world.control(what="/reward").json()["grade"]
        assert server.kept() == []
        world.delete()
        assert server.kept() == [{"id": world.id, **record}]
        assert server.kept("grades.jsonl") == [grade]
        texts, digests = self.local(setting, "create_plain", 3)
        assert [message["content"] for message in record["messages"] if message["role"] == "tool"] == texts
        assert record["digests"] == digests
        assert record["tool_errors"] == {"invalid_arguments": 1}
        catalogue = open_catalogue()
        local = Grader(setting, "tau2", catalogue.evaluators("tau2"), detectors=catalogue.detectors())
        again = local.grade(EpisodeRecord.model_validate(record), setting.tasks()["create_plain"])
        assert again.model_dump(mode="json") == grade
        assert grade["reward"] == 1.0

    def test_an_ended_episode_is_recorded_at_once_and_only_once(self, start: Start) -> None:
        server = start("mock")
        world = server.create("mock", task_id="create_plain")
        world.say("I transfer you.")
        (kept,) = server.kept()
        assert (kept["id"], kept["termination"]) == (world.id, "user_stop")
        world.call("get_users")
        world.delete()
        assert server.kept() == [kept]
        assert len(server.kept("grades.jsonl")) == 1

    def test_a_reset_records_the_previous_episode(self, start: Start) -> None:
        server = start("mock")
        world = server.create("mock", task_id="create_plain")
        world.call("get_users")
        world.control("POST", "/reset")
        world.control("POST", "/reset")  # nothing happened in between, so nothing is recorded
        world.value("create_task", NEW_TASK)
        world.delete()
        assert [record["tool_calls"] for record in server.kept()] == [1, 1]
        assert [grade["reward"] for grade in server.kept("grades.jsonl")] == [0.0, 1.0]

    def test_an_unused_world_is_not_recorded(self, start: Start) -> None:
        server = start("mock")
        server.create("mock").delete()
        assert list(server.folder.glob("runs")) == []

    def test_open_episodes_are_recorded_at_shutdown(self, start: Start) -> None:
        server = start("mock")
        worlds = [server.create("mock", task_id="create_plain") for _ in range(3)]
        for world in worlds[:2]:
            world.value("create_task", NEW_TASK)
        server.stop()
        assert {record["id"] for record in server.kept()} == {world.id for world in worlds[:2]}
        assert [grade["reward"] for grade in server.kept("grades.jsonl")] == [1.0, 1.0]
