"""Handlers that try to end the process: commands continue, report it, and never succeed because of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.cli.app import app
from tau2_core.episode.environment import Environment
from tau2_core.model.messages import ToolCall
from tau2_core.model.tools import Failure
from typer.testing import CliRunner

HANDLERS = """
import asyncio
import sys

print("noise at import")

class Own(BaseException):
    pass

class Unreadable(Exception):
    def __str__(self):
        raise SystemExit(0)

def leave(db, how: str) -> str:
    db.log.append("before")
    print("noise")
    if how == "exit":
        sys.exit(0)
    if how == "recursion":
        return leave(db, how)
    raise {
        "interrupt": KeyboardInterrupt, "cancel": asyncio.CancelledError, "close": GeneratorExit, "own": Own,
        "stop": StopIteration, "memory": MemoryError, "unreadable": Unreadable,
    }[how]
"""
TOOLS = {"leave": {"kind": "write", "parameters": {"how": "string"}}}
HOW = ["exit", "interrupt", "cancel", "close", "own", "stop", "memory", "unreadable", "recursion"]
TASK = {
    "id": "go",
    "outcome": "done",
    "user_scenario": {"instructions": "Leave."},
    "evaluation_criteria": {"actions": [{"name": "leave", "arguments": {"how": "exit"}}], "reward_basis": ["DB"]},
}


@pytest.fixture(scope="module")
def setting(small_pack: Callable[..., Any]) -> Any:
    return small_pack(HANDLERS, TOOLS)


@pytest.mark.parametrize("how", HOW)
def test_an_attempted_exit_is_a_crash_without_effects(setting: Any, how: str) -> None:
    environment = Environment(setting)
    before = environment.digests()
    result = environment.call(ToolCall(name="leave", arguments={"how": how}))
    assert result.failure is Failure.CRASHED
    assert environment.digests() == before


@pytest.fixture
def folder(setting: Any) -> Path:
    folder: Path = setting.pack.folder
    for file in (folder / "tasks").glob("*.yaml"):
        file.unlink()
    (folder / "tasks").mkdir(exist_ok=True)
    (folder / "tasks" / "go.yaml").write_text(json.dumps([TASK]))
    (folder / "splits.yaml").write_text("base: [go]\n")
    return folder


def test_check_reports_it_and_its_json_is_complete(folder: Path) -> None:
    result = CliRunner().invoke(app, ["check", "--pack", str(folder), "--json"])
    assert result.exit_code == 1
    assert "SystemExit: 0" in json.dumps(json.loads(result.stdout))
    assert "noise" in result.stderr


def test_a_run_does_not_pass_its_gate(folder: Path, tmp_path: Path) -> None:
    options = ["--pack", str(folder), "--fail-under", "0.9", "--runs-dir", str(tmp_path)]
    result = CliRunner().invoke(app, ["run", folder.name, *options])
    assert result.exit_code != 0
    assert "noise" not in result.stdout
