"""Episodes by OpenEnv's protocol: over a WebSocket, and by plain requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.gym.conftest import Server, Start

if TYPE_CHECKING:
    from tests.gym.openenv.conftest import Connect, Environment

SOLVE = {"user_id": "piet_lindgren", "title": "Tune the piano"}
GOLD = {"actions", "evaluation_criteria", "gold", "checks", "verdicts", "expected", "scenario", "instructions"}
NOWHERE = '{"api_base": "http://127.0.0.1:9/v1"}'
Plugin = Callable[..., Path]


def play(env: Environment) -> dict[str, Any]:
    """Solve the task `create_plain`; return the last answer."""
    env.call("create_task", **SOLVE)
    while not (last := env.say("It is task_7 on his list now."))["done"]:
        assert last["reward"] is None
    return last


def names_in(value: Any) -> set[str]:
    """Return the names of all members of a JSON value."""
    if isinstance(value, dict):
        return {*value, *(name for each in value.values() for name in names_in(each))}
    return {name for each in value for name in names_in(each)} if isinstance(value, list) else set()


def test_the_first_observation_has_the_calls_of_a_history(server: Server, connect: Connect) -> None:
    with connect(server) as env:
        messages = env.reset(task_id="complete_what_was_created")["observation"]["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "user"]
        assert messages[1]["tool_calls"][0]["function"]["name"] == "create_task"


def test_an_episode_from_reset_to_reward(server: Server, connect: Connect) -> None:
    with connect(server) as env:
        assert env.state() == {"episode_id": None, "step_count": 0, "domain": None, "task_id": None, "done": False}
        first = env.reset(task_id="create_plain", seed=7)
        assert (first["reward"], first["done"]) == (None, False)
        assert first["observation"]["messages"][-1]["role"] == "user"
        assert first["observation"]["policy"].startswith("#")
        assert first["metadata"] == first["observation"]["metadata"]
        assert {**first["metadata"], "episode_id": ""} == {
            "episode_id": "",
            "domain": "mock",
            "task_id": "create_plain",
            "seed": 7,
        }
        called = env.call("create_task", **SOLVE)["observation"]
        assert (called["tool_name"], json.loads(called["result"])["task_id"]) == ("create_task", "task_7")
        assert called["error"] is None
        heard = env.say("It is task_7 on his list now.")
        assert "Tune the piano" in heard["observation"]["result"]
        while not (last := env.say("Anything else?"))["done"]:
            assert last["reward"] is None
        assert last["reward"] == 1.0
        assert last["metadata"]["termination"] == "user_stop"
        assert last["metadata"]["criteria"]["DB"] == 1.0
        assert env.state()["done"] is True


def test_the_record_is_that_of_the_other_planes(server: Server, connect: Connect) -> None:
    world = server.create(task_id="create_plain", seed=7)
    world.say()
    world.text("create_task", SOLVE)
    while world.say("It is task_7 on his list now.").json()["status"] == "open":
        pass
    with connect(server) as env:
        episode_id = env.reset(task_id="create_plain", seed=7)["metadata"]["episode_id"]
        play(env)
        record = server.http.get(f"/v1/episodes/{episode_id}/record").raise_for_status().json()
    assert {**record, "trial": 0} == {**world.record(), "trial": 0}
    world.delete()


def test_plain_requests_identify_their_episode(server: Server) -> None:
    base = "/openenv/mock"
    first = server.http.post(f"{base}/reset", json={"task_id": "create_plain", "episode_id": "mine"}).json()
    assert first["metadata"]["episode_id"] == "mine"
    action = {"type": "call_tool", "tool_name": "create_task", "arguments": SOLVE}
    stepped = server.http.post(f"{base}/step", json={"action": action, "episode_id": "mine"}).json()
    assert "task_7" in stepped["observation"]["result"]
    assert server.http.get(f"{base}/state", params={"episode_id": "mine"}).json()["task_id"] == "create_plain"
    assert server.http.get(f"{base}/state").json()["episode_id"] is None
    again = server.http.post(f"{base}/reset", json={"episode_id": "mine"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "taken_id")
    for body, said in [
        ({"action": action}, "episode_id: Field required"),
        ({"action": action, "episode_id": "mine", "timeout_s": 3}, "timeout_s: Extra inputs"),
        ({"action": {"type": "dance"}, "episode_id": "mine"}, "an action is {"),
    ]:
        refused = server.http.post(f"{base}/step", json=body)
        assert refused.status_code == 422
        assert said in refused.json()["error"]["message"]
    elsewhere = server.http.post("/openenv/airline/step", json={"action": action, "episode_id": "mine"})
    assert elsewhere.status_code == 404
    server.http.delete("/v1/episodes/mine")
    assert server.http.post(f"{base}/step", json={"action": action, "episode_id": "mine"}).status_code == 410


def test_a_seed_draws_the_same_task_and_splits_are_kept_apart(server: Server, connect: Connect) -> None:
    with connect(server) as env:
        drawn = [env.reset(seed=seed, split="test")["metadata"] for seed in (1, 2, 3, 1)]
        assert drawn[0]["task_id"] == drawn[3]["task_id"]
        assert len({each["task_id"] for each in drawn}) > 1
        tasks = server.http.post("/openenv/mock/mock/tasks", json={"split": "test"}).json()["tasks"]
        assert {each["task_id"] for each in drawn} <= {each["task_id"] for each in tasks}
        train = server.http.post("/openenv/mock/mock/task", json={"split": "train", "index": 0}).json()["task"]
        assert env.reset(**train)["metadata"]["task_id"] == train["task_id"]
        code, said = env.error("reset", {**train, "split": "test"})
        assert (code, f"no task '{train['task_id']}' in split 'test'" in said) == ("VALIDATION_ERROR", True)
        assert "seed" in env.reset()["metadata"]


def test_neither_the_task_nor_its_gold_is_revealed(server: Server, connect: Connect) -> None:
    with connect(server) as env:
        told = [env.reset(task_id="create_plain"), env.step({"type": "list_tools"}), play(env), env.state()]
        assert not names_in(told) & GOLD
        tools = told[1]["observation"]["tools"]
        assert [tool["name"] for tool in tools][-2:] == ["start_conversation", "send_message_to_user"]
        assert all(tool.keys() == {"name", "description", "input_schema"} for tool in tools)


def test_an_invalid_action_changes_nothing(server: Server, connect: Connect) -> None:
    with connect(server) as env:
        code, said = env.error("step", {"tool_name": "get_users"})
        assert (code, said) == ("EXECUTION_ERROR", "there is no episode yet: reset the environment first")
        env.reset(task_id="create_plain")
        for text, wanted in [
            ("{", "INVALID_JSON"),
            ('{"type": "step", "data": NaN}', "INVALID_JSON"),
            ("[]", "UNKNOWN_TYPE"),
            ('{"type": "jump"}', "UNKNOWN_TYPE"),
            ('{"type": "step"}', "VALIDATION_ERROR"),
            ('{"type": "step", "data": {"type": "call_tool"}}', "VALIDATION_ERROR"),
            ('{"type": "step", "data": {"tool_name": "get_users", "arguments": "x"}}', "VALIDATION_ERROR"),
            ('{"type": "reset", "data": {"seed": -1}}', "VALIDATION_ERROR"),
            ('{"type": "reset", "data": {"difficulty": "hard"}}', "VALIDATION_ERROR"),
            ('{"type": "reset", "data": {"task_id": "creat_plain"}}', "VALIDATION_ERROR"),
        ]:
            env.socket.send(text)
            assert env.refused(env.receive())[0] == wanted, text
            if "reset" in text and "task_id" in text:
                env.reset(task_id="create_plain")
        no_tool = env.call("creat_task")
        assert no_tool["observation"]["error"]["error_type"] == "tool_not_found"
        assert no_tool["metadata"] == {"failure": "unknown_tool"}
        invalid = env.call("create_task", title=1)["observation"]
        assert invalid["error"]["error_type"] == "invalid_args"
        assert invalid["result"] == invalid["error"]["message"]
        refused = env.call("update_task_status", task_id="task_99", status="completed")
        assert (refused["observation"]["error"], refused["metadata"]["failure"]) == (None, "refused")
        assert play(env)["reward"] == 1.0


def test_after_the_end_the_reward_is_repeated_and_nothing_changes(server: Server, connect: Connect) -> None:
    with connect(server) as env:
        episode_id = env.reset(task_id="create_plain")["metadata"]["episode_id"]
        last = play(env)
        record = server.http.get(f"/v1/episodes/{episode_id}/record").json()
        again = env.call("create_task", **SOLVE)
        assert (again["reward"], again["done"], again["metadata"]) == (1.0, True, last["metadata"])
        assert "the episode has ended (user_stop)" in again["observation"]["error"]["message"]
        assert server.http.get(f"/v1/episodes/{episode_id}/record").json() == record


def test_solo_play_has_a_ticket_and_no_conversation(server: Server, connect: Connect) -> None:
    with connect(server, "/openenv/telecom/ws") as env:
        first = env.reset(solo=True, user="none", split="test", seed=1)["observation"]
        assert first["ticket"]
        assert first["messages"] == []
        names = {tool["name"] for tool in env.step({"type": "list_tools"})["observation"]["tools"]}
        assert "send_message_to_user" not in names
        assert "done" in names
        done = env.call("done")
        assert done["done"] is True
        assert done["reward"] is not None


@pytest.mark.parametrize("closing", ["message", "frame"])
def test_the_end_of_a_session_keeps_the_record(start: Start, connect: Connect, closing: str) -> None:
    server = start("mock", "--max-episodes", "1")
    with connect(server) as env:
        env.reset(task_id="create_plain")
        env.call("create_task", **SOLVE)
        env.reset(task_id="create_plain")  # records the first one, and makes room for the second
        env.call("get_users")
        with connect(server) as other:
            assert other.error("reset", {})[0] == "CAPACITY_REACHED"
        if closing == "message":
            env.socket.send('{"type": "close"}')
    server.stop()
    assert [grade["reward"] for grade in server.kept("grades.jsonl")] == [1.0, 0.0]
    assert [record["termination"] for record in server.kept()] == ["agent_stop", "agent_stop"]


def test_an_error_that_is_not_the_agents_gives_no_reward(start: Start, connect: Connect) -> None:
    server = start("mock", "--user-model", "endpoint/x", "--user-args", NOWHERE, "--attempts", "1")
    with connect(server) as env:
        first = env.reset(task_id="create_plain")
        assert (first["done"], first["reward"], first["metadata"]["unscored"]) == (True, None, True)
        assert first["metadata"]["outcome"] == "infrastructure_error"


def test_an_unused_episode_expires(start: Start, connect: Connect) -> None:
    server = start("mock", "--idle-timeout", "0.3")
    with connect(server) as env:
        episode_id = env.reset(task_id="create_plain")["metadata"]["episode_id"]
        while server.http.get("/v1/episodes").json():
            pass
        code, said = env.error("step", {"tool_name": "get_users"})
        assert (code, "expired" in said) == ("EXECUTION_ERROR", True)
        assert env.reset(task_id="create_plain")["metadata"]["episode_id"] != episode_id


def test_listeners_are_called(start: Start, connect: Connect, plugin: Plugin, tmp_path: Path) -> None:
    source = (
        "import os\nfrom pathlib import Path\nfrom tau2_core import hookimpl\n\n\n@hookimpl\n"
        "def tau2_episode_finished(record):\n"
        "    Path(os.environ['NOTES']).write_text(f'{record.slot} {record.termination}')\n"
    )
    notes = tmp_path / "notes"
    server = start("mock", PYTHONPATH=str(plugin("watches", source)), NOTES=str(notes))
    with connect(server) as env:
        env.reset(task_id="create_plain")
        play(env)
    server.stop()
    assert notes.read_text() == "create_plain#0 user_stop"
