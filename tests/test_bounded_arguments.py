"""Limits on the cost of arguments: few and short error messages, patterns with linear time, and a maximum depth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tau2_core import AssistantMessage, Message, ToolCall, open_episode
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.model.tools import Failure, ToolResult

from tests.bakery import in_process

SMALL = 40_000  # characters of an answer to arguments of millions of characters
OTHERS = ("null", "number")
TOOLS: dict[str, dict[str, Any]] = {
    "take": {
        "parameters": {
            "numbers": {"type": "array", "items": {"type": "integer"}},
            "choice": {
                "optional": True,
                "anyOf": [{"type": "array", "items": {"type": t}} for t in ("null", "number")],
            },
            "code": {"optional": True, "type": "string", "pattern": "^(a+)+(b|[ab])*c$"},
        }
    }
}
HANDLER = """
from typing import Any

def take(db, numbers: list[int], choice: Any = None, code: str = "") -> str:
    return "taken"
"""


@pytest.fixture(scope="module")
def setting(small_pack: Callable[..., Setting]) -> Setting:
    return small_pack(HANDLER, TOOLS)


def called(setting: Setting, name: str, arguments: dict[str, Any]) -> ToolResult:
    return Environment(setting).call(ToolCall(name=name, arguments=arguments))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"numbers": ["x"] * 900}, 20),
        ({"numbers": ["x"] * 1_000_000}, 1),
        ({"numbers": [], "choice": ["x"] * 500_000}, 1),
        ({"numbers": "x" * 5_000_000}, 1),
        ({"numbers": [], "y" * 1_000_000: 1}, 1),
        ({"numbers": [], **{f"unknown{n}": 1 for n in range(200_000)}}, 1),
        ({"numbers": [], "code": "a" * 5_000_000 + "!"}, 1),
    ],
    ids=["many", "very_many", "in_any_of", "long_text", "long_name", "many_names", "pattern"],
)
def test_problems_with_arguments_are_few_and_short(setting: Setting, arguments: dict[str, Any], told: int) -> None:
    result = called(setting, "take", arguments)
    assert (result.failure, len(result.detail["problems"])) == (Failure.INVALID_ARGUMENTS, told)
    assert len(result.content) < SMALL


def test_a_long_name_of_a_tool_is_not_repeated(setting: Setting) -> None:
    result = called(setting, "take" * 1_000_000, {})
    assert result.failure is Failure.UNKNOWN_TOOL
    assert len(result.content) < SMALL


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


LEVELS = pytest.mark.parametrize("levels", [100, 100_000])


@pytest.mark.domain("mock")
class TestDepth:
    """Outside the server, too, a call that is nested too deeply is refused, and the episode can be recorded."""

    @LEVELS
    def test_deep_arguments_of_an_external_call_are_refused(self, levels: int) -> None:
        with open_episode("mock", "complete_task") as episode:
            result = episode.call("update_task_status", task_id=nested(levels))
            assert (result.failure, "levels deep" in result.content) == (Failure.INVALID_ARGUMENTS, True)
            assert episode.record().tool_calls == 0
            assert episode.call("update_task_status", task_id="task_5", status="completed").failure is None

    @pytest.mark.parametrize("levels", [900, 100_000])
    @pytest.mark.parametrize("command", ["grade", "show", "report"])
    def test_deep_arguments_of_a_recorded_call_are_refused(self, tmp_path: Path, levels: int, command: str) -> None:
        folder = tmp_path / "r"
        done = in_process("run", "mock", "--task", "complete_task", "--out", tmp_path, "--name", "r")
        assert done.returncode == 0, done.stderr
        file = folder / "episodes.jsonl"
        deep = f'"arguments": {{"x": {"[" * levels}{"]" * levels}'
        file.write_text(file.read_text().replace('"arguments": {"', f'{deep}, "', 1))
        done = in_process(command, folder)
        reads_it = command != "report" or levels > 1024  # a report skips conversations, but not at any depth
        told = f"{file}:1: "
        found = done.returncode, told in done.stderr, "Traceback" in done.stderr
        assert found == (int(reads_it), reads_it, False), done.stderr

    @LEVELS
    def test_deep_arguments_in_an_agents_message_are_refused(self, levels: int) -> None:
        async def agent(_history: Sequence[Message]) -> AssistantMessage:
            deep = ToolCall.model_construct(
                name="get_users", arguments={"x": nested(levels)}, id="", requestor="assistant"
            )
            return AssistantMessage.model_construct(tool_calls=[deep], content=None)

        async def play() -> str:
            async with open_episode("mock", "complete_task", agent=agent) as episode:
                record = await episode.record()
                assert record.termination == "agent_error"
                return json.dumps(record.line())

        assert "cannot be recorded" in asyncio.run(play()) or "cannot be recorded as JSON" in asyncio.run(play())
