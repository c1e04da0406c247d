"""`--agent python:MODULE:NAME`: agents from Python code, also with a loop of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from .conftest import Play

CODE = """
import asyncio

class Desk:
    calls_tools = "itself"

    def __init__(self, context):
        self.call = context.call

    async def reply(self, history):
        results = await asyncio.gather(*(self.call("get_users", {}) for _ in range(3)))
        failed = await self.call("no_such_tool", {})
        unwritable = await self.call("get_users", {"x": float("nan")})
        flags = [result.failure is None for result in (*results, failed, unwritable)]
        return f"{flags}"

class Cancels(Desk):
    async def reply(self, history):
        call = asyncio.create_task(self.call("create_task", {"user_id": "piet_lindgren", "title": "Tune the piano"}))
        await asyncio.sleep(0)
        call.cancel()
        return "That is everything."

class Raises(Desk):
    async def reply(self, history):
        await self.call("get_users", {})
        raise ConnectionError("my own database is away")

class Endless(Desk):
    async def reply(self, history):
        while True:
            await self.call("get_users", {})

class Stubborn(Desk):
    async def reply(self, history):
        while True:
            try:
                result = await self.call("get_users", {})
            except asyncio.CancelledError:
                return "too late"

class Solo(Desk):
    async def reply(self, history):
        await self.call("done", {})
        return "nobody reads this"

async def function(history):
    return "Hello."

async def half(history):
    return "Hello, \\ud800 é \\U0001f600."

class Returns:
    def __init__(self, context):
        self.call = context.call

    async def reply(self, history):
        await self.call("get_users", {})

odd = Desk(type("Context", (), {"call": None}))
odd.calls_tools = "sometimes"
number = 7
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "agents_of_a_test.py"
    file.write_text(CODE)
    sys.modules.pop(file.stem, None)
    return file


@pytest.mark.parametrize(
    ("name", "termination", "calls"),
    [
        ("Raises", "agent_error", 1),
        ("Endless", "max_steps", 3),
        ("Stubborn", "max_steps", 3),
        ("function", "user_stop", 0),
        ("Returns", "agent_error", 0),
    ],
)
def test_an_agent_ends_as_it_should(play: Play, file: Path, name: str, termination: str, calls: int) -> None:
    played = play("--task", "create_plain", "--agent", f"python:{file}:{name}", "--max-steps", "6")
    (record,) = played.records
    assert (record["termination"], record["tool_calls"]) == (termination, calls), played.output
    assert len([each for each in record["messages"] if each["role"] == "tool"]) == calls


def test_half_a_character_in_its_text_does_not_end_the_episode(play: Play, file: Path) -> None:
    played = play("--task", "create_plain", "--agent", f"python:{file}:half")
    (record,) = played.records
    assert record["termination"] == "user_stop", played.output
    assert record["messages"][2]["content"] == "Hello, \ufffd é \U0001f600."


def test_its_calls_are_made_one_after_the_other_in_its_turn(play: Play, file: Path) -> None:
    played = play("--task", "create_plain", "--agent", f"python:{file}:Desk", "--max-steps", "14")
    (record,) = played.records
    roles = [message["role"] for message in record["messages"]]
    assert roles[:11] == ["assistant", "user", *["assistant", "tool"] * 4, "assistant"]
    assert record["messages"][10]["content"] == "[True, True, True, False, False]"
    assert record["tool_errors"] == {"unknown_tool": 1}


def test_a_call_that_it_does_not_wait_for_is_made_to_its_end(play: Play, file: Path) -> None:
    played = play("--task", "create_plain", "--agent", f"python:{file}:Cancels")
    assert played.ends == [("user_stop", "solved")], played.output


def test_a_solo_agent_ends_its_episode_with_done(play: Play, file: Path, tmp_path: Path) -> None:
    played = play("--solo", "--user", "none", "--agent", f"python:{file}:Solo", "--num-tasks", "1")
    (record,) = played.records
    assert record["termination"] == "agent_stop"
    assert [message["role"] for message in record["messages"]] == ["assistant", "tool"]


def test_the_run_knows_whose_code_it_was(play: Play, file: Path) -> None:
    digests = []
    for text in (CODE, f"{CODE}\n# changed"):
        file.write_text(text)
        sys.modules.pop(file.stem, None)
        played = play("--task", "create_plain", "--agent", f"python:{file}:function")
        digests.append(json.loads((played.folder / "run.json").read_text())["digests"]["plugins"]["agent"])
    assert len({*digests}) == 2
    assert None not in digests


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("Desk", "should read python:MODULE:NAME or python:FILE.py:NAME"),
        ("no_such_module:Desk", "no_such_module cannot be imported: ModuleNotFoundError"),
        ("no_such_file.py:Desk", "there is no such file"),
        ("FILE:Dusk", "has no 'Dusk' (did you mean 'Desk'?)"),
        ("FILE:odd", "Desk.calls_tools is 'sometimes'; give in_reply or itself or over_mcp"),
        ("FILE:number", "7 cannot play"),
    ],
)
def test_what_is_no_agent_is_refused(play: Play, file: Path, target: str, words: str) -> None:
    played = play("--agent", f"python:{target.replace('FILE', str(file))}")
    assert (played.code, played.folder.exists()) == (2, False)
    assert words in played.output
