"""`tau2-gym export --to atif`: trajectories with the properties that Harbor's format demands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tau2_core.cli.app import app
from tau2_core.episode.setting import Setting
from tau2_core.errors import RunError, UsageError
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint
from typer.testing import CliRunner, Result

TASKS = ("settle_a_reminder", "create_plain", "complete_what_was_created")


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


TEXT, COUNT, ANY = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "object"}
AMOUNT = {"type": "number", "minimum": 0}
METRICS = closed([], prompt_tokens=COUNT, completion_tokens=COUNT, cached_tokens=COUNT, cost_usd=AMOUNT)
CALL = closed(
    ["tool_call_id", "function_name", "arguments"],
    tool_call_id={**TEXT, "minLength": 1},
    function_name=TEXT,
    arguments=ANY,
)
RESULT = closed(["source_call_id", "content"], source_call_id=TEXT, content=TEXT, extra=ANY)
STEP = closed(
    ["step_id", "source", "message"],
    step_id={"type": "integer", "minimum": 1},
    source={"enum": ["system", "user", "agent"]},
    message=TEXT,
    reasoning_content=TEXT,
    tool_calls={"type": "array", "items": CALL},
    observation=closed(["results"], results={"type": "array", "items": RESULT}),
    metrics=METRICS,
    extra=ANY,
)
ONLY_OF_AGENTS = {
    "if": {"properties": {"source": {"enum": ["system", "user"]}}},
    "then": {
        "not": {
            "anyOf": [{"required": [name]} for name in ("reasoning_content", "tool_calls", "observation", "metrics")]
        }
    },
}
TRAJECTORY = closed(
    ["schema_version", "session_id", "trajectory_id", "agent", "steps", "final_metrics", "extra"],
    schema_version={"const": "ATIF-v1.7"},
    session_id=TEXT,
    trajectory_id=TEXT,
    agent=closed(
        ["name", "version", "tool_definitions"],
        name=TEXT,
        version=TEXT,
        model_name=TEXT,
        tool_definitions={"type": "array", "items": ANY},
    ),
    steps={"type": "array", "minItems": 1, "items": {"allOf": [STEP, ONLY_OF_AGENTS]}},
    notes=TEXT,
    final_metrics=closed(
        ["total_steps"],
        total_steps=COUNT,
        total_prompt_tokens=COUNT,
        total_completion_tokens=COUNT,
        total_cost_usd=AMOUNT,
        extra=ANY,
    ),
    extra=ANY,
)


def tau2_gym(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)


def checked(trajectory: dict[str, Any]) -> dict[str, Any]:
    """Return a trajectory that keeps the format's rules, which no schema says whole."""
    jsonschema_rs.validate(TRAJECTORY, trajectory)
    steps = trajectory["steps"]
    assert [step["step_id"] for step in steps] == list(range(1, len(steps) + 1))
    for step in steps:
        made = [call["tool_call_id"] for call in step.get("tool_calls", [])]
        assert [result["source_call_id"] for result in step.get("observation", {}).get("results", [])] == made
    return trajectory


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, setting_of: Callable[..., Setting]) -> Path:
    """A run of scripted models, with a customer who has tools, and a task with a history."""
    setting = setting_of("mock")
    home = tmp_path_factory.mktemp("played")
    with ScriptedEndpoint(GoldScript.of(setting, [setting.tasks()[name] for name in TASKS])) as endpoint:
        where = json.dumps({"api_base": endpoint.url})
        models = [f"--{role}-model=endpoint/{name}" for role, name in (("agent", "agent"), ("user", "customer"))]
        tasks = [part for name in TASKS for part in ("--task", name)]
        done = tau2_gym(
            "run", "mock", *tasks, *models, "--agent-args", where, "--user-args", where, "--out", home, "--name", "r"
        )
        assert done.exit_code == 0, done.output
    return home / "r"


def test_lines_and_files_hold_the_same(played: Path, tmp_path: Path) -> None:
    assert tau2_gym("export", played, tmp_path / "t.jsonl", "--to", "atif").exit_code == 0
    assert tau2_gym("export", played, tmp_path / "t", "--to", "atif").stdout.startswith("3 episodes written to")
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text(encoding="utf-8").splitlines()]
    files = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((tmp_path / "t").iterdir())]
    assert lines == files
    found = {each["extra"]["task_id"]: checked(each) for each in lines}
    assert set(found) == set(TASKS)
    assert {each["extra"]["grade"]["reward"] for each in lines} == {1.0}

    plain = found["create_plain"]
    steps = plain["steps"]
    assert [step["source"] for step in steps[:3]] == ["system", "agent", "user"]
    made = [call["function_name"] for step in steps for call in step.get("tool_calls", [])]
    assert made == ["get_users", "create_task"]
    assert "task_7" in steps[4]["observation"]["results"][0]["content"]
    assert steps[3]["metrics"]["prompt_tokens"] > 0
    spent = [step["metrics"]["prompt_tokens"] for step in steps if "metrics" in step]
    assert plain["final_metrics"]["total_prompt_tokens"] == sum(spent)
    assert set(plain["final_metrics"]["extra"]["other_models"]) == {"user"}
    assert (plain["agent"]["name"], plain["agent"]["model_name"]) == ("llm", "endpoint/agent")
    assert {"get_users", "create_task"} <= {each["function"]["name"] for each in plain["agent"]["tool_definitions"]}

    customer = [
        step["extra"] for step in found["settle_a_reminder"]["steps"] if step["source"] == "user" and "extra" in step
    ]
    assert customer[0]["customer_calls"][0]["function_name"] == "check_notifications"
    assert "unread" in customer[0]["customer_results"][0]["content"]
    assert found["complete_what_was_created"]["steps"][2]["tool_calls"][0]["function_name"] == "create_task"


def test_failed_calls_and_ends_are_told(tmp_path: Path) -> None:
    options = ("--agent", "random", "--num-tasks", 3, "--max-steps", 30, "--out", tmp_path, "--name", "r")
    assert tau2_gym("run", "mock", *options).exit_code == 0
    assert tau2_gym("export", tmp_path / "r", tmp_path / "t.jsonl", "--to", "atif").exit_code == 0
    found = [checked(json.loads(line)) for line in (tmp_path / "t.jsonl").read_text(encoding="utf-8").splitlines()]
    results = [
        each for one in found for step in one["steps"] for each in step.get("observation", {}).get("results", [])
    ]
    assert {"error": True} in [each.get("extra") for each in results]
    assert all(one["notes"].startswith(f"ended by {one['extra']['termination']}") for one in found if "notes" in one)


def test_solo_play_begins_with_the_ticket(tmp_path: Path) -> None:
    assert tau2_gym("run", "mock", "--solo", "--task", "create_plain", "--out", tmp_path, "--name", "r").exit_code == 0
    assert tau2_gym("export", tmp_path / "r", tmp_path / "t.jsonl", "--to", "atif").exit_code == 0
    (solo,) = [checked(json.loads(line)) for line in (tmp_path / "t.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [step["source"] for step in solo["steps"][:3]] == ["system", "user", "agent"]
    assert "Tune the piano" in solo["steps"][1]["message"]


def test_tasks_have_no_trajectory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--to atif is for runs"):
        tau2_gym("export", "mock", tmp_path / "t", "--to", "atif")


@pytest.mark.parametrize("name", ["t.jsonl", "t"])
def test_a_place_that_cannot_be_written_is_named(played: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=f"cannot write .*/file/{name}: Not a directory; choose another place"):
        tau2_gym("export", played, tmp_path / "file" / name, "--to", "atif")


def test_a_package_that_is_missing_is_named(played: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`pip install tau2-gym-inspect` adds it"):
        tau2_gym("export", played, tmp_path / "log.eval")
