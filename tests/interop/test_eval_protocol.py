"""eval-protocol's own rollout processor, unchanged, plays our domains through the compatibility route."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.model.tasks import Task
from tau2_gym_eval_protocol import server_script

FOLDER = Path(__file__).parent
TOGETHER = 10
FINISHED, USER_STOP = 100, "user_stop"
UNKNOWN = {
    "airline": {"name": "get_user_details", "arguments": {"user_id": "nobody"}},
    "retail": {"name": "get_order_details", "arguments": {"order_id": "#W0"}},
    "mock": {"name": "update_task_status", "arguments": {"task_id": "task_99", "status": "completed"}},
}
HARMLESS = {
    "airline": {"name": "list_all_airports", "arguments": {}},
    "retail": {"name": "list_all_product_types", "arguments": {}},
    "mock": {"name": "get_users", "arguments": {}},
}


def silent_tasks(setting: Setting) -> list[Task]:
    """Return the tasks that are solved by calls alone: the dialect does not carry what is said."""
    return [
        task
        for task in setting.tasks().values()
        if task.gold()
        and task.evaluation_criteria
        and not task.history()
        and not task.evaluation_criteria.communicate_info
        and "NL_ASSERTION" not in task.evaluation_criteria.reward_basis
        and all(action.requestor == "assistant" for action in task.gold())
        and any(setting.tools("agent")[action.name].mutates for action in task.gold())
    ]


def row(number: int, mark: str, context: dict[str, str], base_url: str) -> dict[str, Any]:
    """Return one line of a dataset in the shape of eval-protocol's tau2 datasets."""
    return {
        "id": f"row_{number}",
        "system": f"You are the agent. Mark: {mark} ({number})",
        "user_prompt_template": "{observation}",
        "environment_context": context,
        "user_simulation": {
            "enabled": True,
            "llm": "openai/customer",
            "system_prompt": f"You are customer {number}.",
            "llm_args": {"temperature": 0.0, "base_url": base_url, "api_key": "none"},
        },
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def foreign_pytest(python_with: Callable[..., Path]) -> list[str]:
    python = python_with("eval-protocol", "eval-protocol==0.3.33", "pandas")
    return [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]


@pytest.fixture
def play(
    foreign_pytest: list[str],
    started: Callable[..., AbstractContextManager[str]],
    program: Callable[..., str],
    tmp_path: Path,
) -> Callable[..., list[dict[str, Any]]]:
    """Play rows with scripted agents in eval-protocol's environment; returns the rows as it leaves them behind."""

    def run(
        domain: str, scripts: dict[str, Any], contexts: list[tuple[str, dict[str, str]]], runs: int = 1
    ) -> list[dict[str, Any]]:
        scripted = tmp_path / "scripts.json"
        content = {"agents": {"agent": scripts}, "users": ["customer"], "together": TOGETHER}
        scripted.write_text(json.dumps(content))
        with started([sys.executable, str(FOLDER / "scripted_endpoint.py"), str(scripted)], tmp_path) as base_url:
            dataset = tmp_path / "rows.jsonl"
            rows = [row(number, mark, context, base_url) for number, (mark, context) in enumerate(contexts)]
            dataset.write_text("".join(json.dumps(each) + "\n" for each in rows))
            plan = {
                "model": "openai/agent",
                "base_url": base_url,
                "domain": domain,
                "port": free_port(),
                "server_script": str(server_script()),
                "dataset": str(dataset),
                "server_mode": "per_run" if runs == 1 else "shared",  # the default cannot do a second run
                "concurrency": TOGETHER,
                "runs": runs,
            }
            tmp_path.joinpath("plan.json").write_text(json.dumps(plan))
            command = [*foreign_pytest, shutil.copy(FOLDER / "gym_rollouts.py", tmp_path)]  # away from our conftest
            try:
                program(command, cwd=tmp_path, env=environment(tmp_path))
            except AssertionError as error:
                for log in tmp_path.glob("server_output_*.log"):
                    error.add_note(log.read_text()[-4000:])
                raise
        (results,) = tmp_path.glob("out/**/*.jsonl")
        return [json.loads(line) for line in results.read_text().splitlines()]

    return run


def environment(home: Path) -> dict[str, str]:
    """Return an environment in which `python` is ours (it runs the server), and nothing calls home."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    own = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "EP_", "PYTHON"))}
    return own | {
        "PATH": path,
        "HOME": str(home),
        "INTEROP_PLAN": str(home / "plan.json"),
        "EP_NO_UPLOAD": "1",
        "EP_OUTPUT_DIR": str(home / "out"),
        "EP_DISABLE_AUTO_BROWSER": "1",
        "DISABLE_EP_SQLITE_LOG": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


def ending(row: dict[str, Any]) -> tuple[int, str | None]:
    status = row["rollout_status"]
    reasons = [part["metadata"].get("termination_reason") for part in status.get("details", [])]
    return status["code"], next(iter(reasons), None)


def results(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(message["content"]) for message in row["messages"] if message["role"] == "tool"]


def play_of(tasks: list[Task]) -> tuple[dict[str, Any], list[tuple[str, dict[str, str]]]]:
    """Return scripts that solve the tasks, and a row's mark and context for each."""
    scripts = {
        f"task {task.id} ": {
            "calls": [{"name": action.name, "arguments": action.arguments} for action in task.gold()],
            "say": "It is done.",
        }
        for task in tasks
    }
    return scripts, [(f"task {task.id} ", {"task_id": task.id}) for task in tasks]


def assert_solved(played: dict[str, Any], task: Task) -> None:
    assert ending(played) == (FINISHED, USER_STOP), played["rollout_status"]
    assert played["evaluation_result"]["score"] == 1.0, (task.id, played["messages"])
    assert len(results(played)) == len(task.gold()), task.id
    assert not any("error" in result for result in results(played)), task.id


def number_of(played: dict[str, Any]) -> int:
    return int(played["input_metadata"]["row_id"].removeprefix("row_"))


@pytest.mark.parametrize("domain", ["airline", "retail", "mock"])
def test_ten_rollouts_at_once_are_completed_and_graded(
    domain: str, play: Callable[..., list[dict[str, Any]]], setting_of: Callable[..., Setting]
) -> None:
    tasks = silent_tasks(setting_of(domain))
    tasks = [tasks[number % len(tasks)] for number in range(TOGETHER)]
    scripts, contexts = play_of(tasks)
    for _, context in contexts:
        context["domain"] = domain
    scripts[""] = {"calls": [UNKNOWN[domain], HARMLESS[domain]], "say": "There is no such thing."}
    contexts += [("no task", {"domain": domain}), ("no context", {})]

    rows = sorted(play(domain, scripts, contexts), key=number_of)

    assert [number_of(played) for played in rows] == list(range(TOGETHER + 2))
    for played, task in zip(rows, tasks, strict=False):
        assert_solved(played, task)
    for played in rows[TOGETHER:]:
        assert ending(played) == (FINISHED, USER_STOP), played["rollout_status"]
        failed, answered = results(played)
        assert failed["error"] == "invalid_json_response"
        assert "error" not in answered
        assert played["evaluation_result"]["score"] == 0.0


def test_a_second_run_of_the_same_rows_finds_fresh_worlds(
    play: Callable[..., list[dict[str, Any]]], setting_of: Callable[..., Setting]
) -> None:
    """The client's session ids are the same in every run; only its reset at the end of a rollout keeps runs apart."""
    tasks = silent_tasks(setting_of("mock"))
    tasks = [tasks[number % len(tasks)] for number in range(TOGETHER)]

    rows = play("mock", *play_of(tasks), runs=2)

    assert sorted(map(number_of, rows)) == sorted([*range(TOGETHER), *range(TOGETHER)])
    for played in rows:
        assert_solved(played, tasks[number_of(played)])
