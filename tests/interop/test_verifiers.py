"""verifiers: `vf-eval` finds the package by its id, and plays, grades and traces our episodes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, Refusal, ScriptedEndpoint, call, say

from .conftest import run_to_end

ROOT = Path(__file__).resolve().parents[2]
UNSCORED = "reopen_task"


@pytest.fixture(scope="module")
def vf_eval(python_with: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run `vf-eval tau2-gym-verifiers` in an environment of its own, and return what it prints."""
    ours = [str(ROOT / part) for part in ("core", "domains/mock", "integrations/verifiers")]
    commands = python_with("verifiers", "verifiers==0.4.0", "uv", *ours).parent
    folder = tmp_path_factory.mktemp("verifiers")
    path = os.pathsep.join([str(commands), os.environ["PATH"]])

    def run(*options: str, ok: tuple[int, ...] = (0,)) -> str:
        merged = ["sh", "-c", 'exec "$@" 2>&1', "sh"]
        command = [*merged, str(commands / "vf-eval"), "tau2-gym-verifiers", "--no-push", "--no-rich", *options]
        return run_to_end(command, cwd=folder, env=os.environ | {"PATH": path, "KEY": "none"}, ok=ok, seconds=600)

    return run


def test_tasks_are_played_graded_and_traced(
    vf_eval: Callable[..., str], setting_of: Callable[..., Setting], tmp_path: Path
) -> None:
    setting = setting_of("mock")
    tasks = [task for task in setting.select(split="test") if not task.history()]  # the script counts its messages
    ids = [task.id for task in tasks]
    assert UNSCORED in ids
    script = GoldScript.of(setting, tasks)

    def answer(asked: Asked) -> Answer:
        """Play by the gold, but for a customer whose model is out of order."""
        refused = asked.model == "customer" and asked.answered > 0 and f"⟦{UNSCORED}⟧" in str(asked.messages)
        return Refusal(400) if refused else script(asked)

    with ScriptedEndpoint(answer) as endpoint:
        customer = json.dumps({"api_base": endpoint.url})
        serve = ["--user-model", "endpoint/customer", "--user-args", customer, "--out", str(tmp_path / "served")]
        vf_eval(
            *("--env.taskset.domain", "mock", "--env.taskset.split", "test", "--env.serve", json.dumps(serve)),
            *("--select.include.ids", json.dumps(ids)),
            *("-m", "agent", "--client.base-url", endpoint.url, "--client.api-key-var", "KEY"),
            *("-o", str(tmp_path), "--run.name", "played"),
        )
        assert endpoint.failures == []
    traces = {trace["task"]["data"]["id"]: trace for trace in _traces(tmp_path / "played")}
    assert set(traces) == set(ids)
    unscored = traces.pop(UNSCORED)
    assert "there is no valid reward, because the outcome is user_error" in str(unscored["errors"])
    for task_id, trace in traces.items():
        assert (trace["ok"], trace["rewards"]["tau2"]["score"]) == (True, 1.0), task_id
        assert trace["metrics"]["DB"] == 1.0
        assert trace["info"]["tau2"]["grade"]["outcome"] == "solved"
        said = [(node["message"]["role"], node["sampled"]) for node in trace["nodes"]]
        assert said[:3] == [("system", False), ("assistant", False), ("user", False)]
        assert {sampled for role, sampled in said[3:] if role == "assistant"} == {True}
        assert trace["nodes"][0]["message"]["content"].endswith(setting.policy_text)
    (kept,) = (tmp_path / "served").glob("*/episodes.jsonl")
    assert len(kept.read_text().splitlines()) == len(ids)


def test_the_agent_sees_the_calls_of_a_history(vf_eval: Callable[..., str], tmp_path: Path) -> None:
    seen: list[list[dict[str, Any]]] = []

    def answer(asked: Asked) -> Answer:
        seen.append(asked.messages)
        done = any(message["role"] == "tool" and "completed" in str(message["content"]) for message in asked.messages)
        return (
            say("It is marked.") if done else call(("update_task_status", {"task_id": "task_7", "status": "completed"}))
        )

    with ScriptedEndpoint(answer) as endpoint:
        vf_eval(
            *("--env.taskset.domain", "mock", "--select.include.ids", '["complete_what_was_created"]'),
            *("--env.serve", json.dumps(["--out", str(tmp_path / "served")])),
            *("-m", "agent", "--client.base-url", endpoint.url, "--client.api-key-var", "KEY"),
            *("-o", str(tmp_path), "--run.name", "played"),
        )
    first = seen[0]
    assert [message["role"] for message in first] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert first[2]["tool_calls"][0]["function"]["name"] == "create_task"
    assert "task_7" in str(first[3]["content"])
    (trace,) = _traces(tmp_path / "played")
    assert trace["rewards"]["tau2"]["score"] == 1.0
    assert [node["sampled"] for node in trace["nodes"][:7]] == [False] * 6 + [True]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ((), "give a domain (--env.taskset.domain); installed are mock"),
        (("--env.taskset.domain", "mock", "--env.taskset.split", "nothing"), "mock has no split 'nothing'; it has"),
    ],
)
def test_a_wrong_taskset_is_refused(vf_eval: Callable[..., str], options: tuple[str, ...], word: str) -> None:
    assert word in vf_eval(*options, ok=(1,))


def _traces(folder: Path) -> list[dict[str, Any]]:
    (file,) = folder.rglob("traces.jsonl")
    return [trace for line in file.read_text().splitlines() for trace in _of(json.loads(line))]


def _of(line: dict[str, Any]) -> list[dict[str, Any]]:
    traces: list[dict[str, Any]] = line.get("traces", [line])
    return traces
