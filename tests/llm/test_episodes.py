"""Whole episodes of every domain with a model as the agent and another as the customer, by the real command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

from .conftest import arguments_for, models_of

Gym = Callable[..., CompletedProcess[str]]


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("domain", "provider", "limit"),
    [("airline", "openai", 20), ("retail", "openai", 20), ("telecom", "openai", None), ("telecom", "endpoint", None)],
)
def test_tasks_of_a_domain(
    gym: Gym, tmp_path: Path, setting_of: Callable[..., Setting], domain: str, provider: str, limit: int | None
) -> None:
    chosen = setting_of(domain).select(split="by_hand" if domain == "telecom" else None, limit=limit)
    tasks = [task for task in chosen if task.id != "contract_ended"]  # to its customer the same as overdue_bill
    options = [option for task in tasks for option in ("--task", task.id)]
    with ScriptedEndpoint(GoldScript.of(setting_of(domain), tasks)) as endpoint:
        done = gym(
            "run", domain, *arguments_for(endpoint.url, models_of(provider), {}), *options, "--json", "--name", "some"
        )
    assert (done.returncode, done.stderr, endpoint.failures) == (0, "", [])
    summary = json.loads(done.stdout)
    assert summary["outcomes"] == {"solved": len(tasks)}
    callers = set()
    for record in lines(tmp_path / "runs" / "some" / "episodes.jsonl"):
        assert record["termination"] == "user_stop"
        callers |= {message["role"] for message in record["messages"] if message.get("tool_calls")}
    assert callers == ({"assistant", "user"} if domain == "telecom" else {"assistant"})
    assert sum(usage["requests"] for usage in summary["usage"].values()) == endpoint.count
    assert {asked.path for asked in endpoint.asked} == {"/v1/chat/completions"}
