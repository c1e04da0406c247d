"""Agents that are somewhere else, in runs that worker processes play."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.testing.gold_script import GoldScript

from .conftest import Play
from .scripted_agent import ScriptedAgent, following

WORKERS = ("--executor", "processes", "--workers", "2")
TASKS = [word for task in ("create_plain", "transfer_deletion", "reopen_task") for word in ("--task", task)]
CODE = """
class Desk:
    calls_tools = "itself"

    def __init__(self, context):
        self.call = context.call

    async def reply(self, history):
        result = await self.call("get_users", {})
        return f"{len(result.content)} characters"
"""


def without_keys(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without the ids that an agent makes up."""
    for message in record["messages"]:
        message.pop("id", None)
        for call in message.get("tool_calls") or []:
            call.pop("id")
    return record


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_an_agent_over_http_gets_the_same_grades(play: Play, gold: Callable[[str], GoldScript], path: str) -> None:
    with ScriptedAgent(following(gold("mock")), path) as agent:
        here = play("--agent", f"http:{agent.url}", *TASKS)
        by_workers = play("--agent", f"http:{agent.url}", *TASKS, *WORKERS)
        addresses = {turn.mcp_url.partition("/episodes/")[0] for turn in agent.turns}
    assert by_workers.code == 0, by_workers.output
    assert by_workers.lines("grades.jsonl") == here.lines("grades.jsonl")
    assert list(map(without_keys, by_workers.records)) == list(map(without_keys, here.records))
    assert len(addresses) == 3  # the server of the first run, and one of each worker


def test_an_agent_of_a_file_is_loaded_by_each_worker(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "desk_of_workers.py"
    file.write_text(CODE)
    sys.modules.pop(file.stem, None)
    options = ("--agent", f"python:{file}:Desk", "--max-steps", "12", *TASKS)
    here, by_workers = play(*options), play(*options, *WORKERS)
    assert by_workers.code == 0, by_workers.output
    assert by_workers.records == here.records
    assert by_workers.lines("grades.jsonl") == here.lines("grades.jsonl")
    digests = [json.loads((played.folder / "run.json").read_text())["plugins"] for played in (here, by_workers)]
    assert digests[0] == digests[1]


def test_an_agent_that_nobody_serves_ends_the_run(play: Play) -> None:
    played = play("--agent", "http://127.0.0.1:9/v1", "--attempts", "1", *TASKS, *WORKERS)
    assert played.code == 1
    assert "connection" in played.output
