"""Inspect: its command finds our domains, plays and scores them as a run does, and its log API reads our runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tau2_core import Run, load_domain
from tau2_core.episode.setting import Setting
from tau2_core.testing.gold_script import CLOSING, GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, Refusal, ScriptedEndpoint, call, say

from .conftest import run_to_end
from .inspect_environment import inspect_eval, inspect_python, read, rewards_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def theirs(python_with: Callable[..., Path]) -> Path:
    return inspect_python(python_with)


@pytest.fixture
def inspect(theirs: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run `inspect eval` with a scripted endpoint and return its log."""
    return partial(inspect_eval, theirs, tmp_path)


def every_fourth_fails(script: GoldScript, ids: list[str]) -> Callable[[Asked], Answer]:
    """Play by the gold, but give up on every fourth task."""
    hopeless = [f"⟦{task_id}⟧" for task_id in ids[::4]]

    def answer(asked: Asked) -> Answer:
        if "customer" not in asked.model and any(mark in str(asked.messages) for mark in hopeless):
            return say(CLOSING)
        return script(asked)

    return answer


@pytest.mark.parametrize("domain", ["airline", "telecom"])
def test_rewards_are_those_of_a_run(
    domain: str,
    gym: Callable[..., CompletedProcess[str]],
    inspect: Callable[..., dict[str, Any]],
    theirs: Path,
    setting_of: Callable[..., Setting],
    tmp_path: Path,
) -> None:
    setting = setting_of(domain)
    told = {task.user_scenario.text(): task for task in setting.select() if not task.history()}
    tasks = list(told.values())[:20]  # the script knows a task by what the customer is told
    ids = [task.id for task in tasks]
    with ScriptedEndpoint(every_fourth_fails(GoldScript.of(setting, tasks), ids)) as endpoint:
        where = json.dumps({"api_base": endpoint.url})
        models = ("--agent-model", "endpoint/agent", "--user-model", "endpoint/customer")
        chosen = [part for task_id in ids for part in ("--task", task_id)]
        done = gym("run", domain, *chosen, *models, "--agent-args", where, "--user-args", where, "--name", "ours")
        assert done.returncode == 0, done.stderr
        log = inspect(f"tau2_gym/{domain}", endpoint, "-T", "user=llm", "-T", f"tasks={','.join(ids)}")
        assert endpoint.failures == []
    ours = {episode.task_id: episode for episode in Run(tmp_path / "runs" / "ours")}
    samples = {sample["id"]: sample for sample in log["samples"]}
    assert (log["status"], set(samples)) == ("success", set(ids))
    rewards = {task_id: sample["scores"]["tau2"]["value"] for task_id, sample in samples.items()}
    assert rewards == {task_id: episode.reward for task_id, episode in ours.items()}
    assert {1.0, 0.0} <= set(rewards.values())
    for task_id, sample in samples.items():
        grade = ours[task_id].grade
        assert grade is not None
        about = sample["scores"]["tau2"]["metadata"]
        assert about["verdicts"] == grade.model_dump(mode="json")["verdicts"]
        assert (about["seed"], about["outcome"]) == (ours[task_id].record.seed, grade.outcome.value)
        made = [call["function"] for message in sample["messages"] for call in message.get("tool_calls") or []]
        recorded = [
            call
            for message in ours[task_id].messages
            if message.role == "assistant"
            for call in message.tool_calls or []
        ]
        assert made == [each.name for each in recorded]
        assert sample["role_usage"]["user"]["output_tokens"] > 0
        assert "⟦" not in sample["input"]

    exported = gym("export", "runs/ours", "ours.eval", paths=[])
    assert "`pip install tau2-gym-inspect` adds it" in exported.stderr
    command = [str(theirs), "-m", "tau2_core", "export", "runs/ours", "ours.eval"]
    assert run_to_end(command, cwd=tmp_path).startswith("20 episodes written to ours.eval")
    back = read(theirs, tmp_path / "ours.eval")
    kept = {sample["id"]: sample for sample in back["samples"]}
    assert {task_id: sample["scores"]["tau2"]["value"] for task_id, sample in kept.items()} == rewards
    assert back["results"]["scores"][0]["metrics"]["mean"]["value"] == pytest.approx(
        sum(rewards.values()) / len(rewards)
    )
    assert back["stats"]["model_usage"]["endpoint/agent"]["output_tokens"] > 0
    solved = next(task_id for task_id, reward in rewards.items() if reward == 1.0)
    assert [message["role"] for message in kept[solved]["messages"]][:3] == ["system", "assistant", "user"]


def test_an_unscored_episode_is_an_error(
    gym: Callable[..., CompletedProcess[str]],
    inspect: Callable[..., dict[str, Any]],
    theirs: Path,
    setting_of: Callable[..., Setting],
    tmp_path: Path,
) -> None:
    script = GoldScript.of(setting_of("mock"))

    def answer(asked: Asked) -> Answer:
        lost = "customer" in asked.model and asked.answered > 0 and "⟦reopen_task⟧" in str(asked.messages)
        return Refusal(400) if lost else script(asked)

    chosen = ("reopen_task", "complete_task")
    with ScriptedEndpoint(answer) as endpoint:
        options = ("-T", "user=llm", "--sample-id", ",".join(chosen), "--epochs", "2", "--no-fail-on-error")
        log = inspect("tau2_gym/mock", endpoint, *options)
    samples = {(sample["id"], sample["epoch"]): sample for sample in log["samples"]}
    for epoch in (1, 2):
        assert samples["complete_task", epoch]["scores"]["tau2"]["value"] == 1.0
        assert not samples["reopen_task", epoch].get("scores")
        assert "UnscoredError" in samples["reopen_task", epoch]["error"]["message"]
    seeds = {samples["complete_task", epoch]["scores"]["tau2"]["metadata"]["seed"] for epoch in (1, 2)}
    assert len(seeds) == 2

    gym("run", "mock", "--task", "complete_task", "--name", "r")
    episodes = tmp_path / "runs" / "r" / "episodes.jsonl"
    record = json.loads(episodes.read_text())
    episodes.write_text(json.dumps({**record, "termination": "infrastructure_error", "error": "no network"}) + "\n")
    gym("grade", "runs/r")
    run_to_end([str(theirs), "-m", "tau2_core", "export", "runs/r", "r.eval"], cwd=tmp_path)
    (sample,) = read(theirs, tmp_path / "r.eval")["samples"]
    assert (sample["scores"], "no network" in sample["error"]["message"]) == (None, True)


def test_calls_that_inspect_refuses_reach_the_episode(inspect: Callable[..., dict[str, Any]]) -> None:
    turns = [
        call(("create_task", {"user_id": "piet_lindgren"})),
        call(("delete_task", {})),
        call(("create_task", {"user_id": "piet_lindgren", "title": "Tune the piano"})),
    ]

    def answer(asked: Asked) -> Answer:
        calls = sum(message["role"] == "tool" for message in asked.messages)
        return turns[calls] if calls < len(turns) else say("It is on the list.")

    with ScriptedEndpoint(answer) as endpoint:
        log = inspect("tau2_gym/mock", endpoint, "--sample-id", "create_plain")
    (sample,) = log["samples"]
    results = [message for message in sample["messages"] if message["role"] == "tool"]
    assert "missing_argument" in results[0]["content"] or "title" in results[0]["content"]
    assert "there is no tool 'delete_task'" in results[1]["content"]
    assert [result.get("error") is None for result in results] == [False, False, True]
    assert sample["scores"]["tau2"]["value"] == 1.0


def test_solo_tasks_have_the_rewards_of_a_run(
    gym: Callable[..., CompletedProcess[str]],
    inspect: Callable[..., dict[str, Any]],
    setting_of: Callable[..., Setting],
    tmp_path: Path,
) -> None:
    setting = setting_of("mock", solo=True)
    ids = [task.id for task in setting.select()]
    with ScriptedEndpoint(every_fourth_fails(GoldScript.of(setting), ids)) as endpoint:
        where = json.dumps({"api_base": endpoint.url})
        options = ("--solo", "--agent-model", "endpoint/agent", "--agent-args", where, "--name", "solo")
        assert gym("run", "mock", *options).returncode == 0
        log = inspect("tau2_gym/mock", endpoint, "-T", "solo=true")
    assert rewards_of(log) == {episode.task_id: episode.reward for episode in Run(tmp_path / "runs" / "solo")}
    assert len(log["samples"]) == len(ids)


@pytest.mark.parametrize("variant", ["", "workflow"])
def test_a_variant_has_its_own_policy(inspect: Callable[..., dict[str, Any]], variant: str) -> None:
    options = (
        "-T",
        "split=small",
        "--limit",
        "1",
        "-T",
        "max_steps=2",
        *(("-T", f"variant={variant}") if variant else ()),
    )
    with ScriptedEndpoint(lambda _asked: say("Hello.")) as endpoint:
        log = inspect("tau2_gym/telecom", endpoint, *options)
    (sample,) = log["samples"]
    policy = load_domain("telecom", variant=variant).policy
    assert policy != load_domain("telecom", variant="" if variant else "workflow").policy
    assert log["eval"]["metadata"]["policy"] == policy
    assert policy in sample["messages"][0]["content"]


def test_a_dataset_has_its_own_tasks_and_policy(inspect: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    folder = tmp_path / "bench" / "data" / "tau2" / "domains" / "mock"
    folder.mkdir(parents=True)
    made = ("create_task", {"user_id": "piet_lindgren", "title": "Polish the floor"})
    task = {
        "id": "own_one",
        "user_scenario": {"instructions": "Ask for a task called Polish the floor."},
        "evaluation_criteria": {
            "actions": [{"action_id": "a", "name": made[0], "arguments": made[1]}],
            "reward_basis": ["DB"],
        },
    }
    (folder / "tasks.json").write_text(json.dumps([task]))
    (folder / "policy.md").write_text("Be kind to callers.")
    with ScriptedEndpoint(
        lambda asked: say("Done.") if asked.messages[-1]["role"] == "tool" else call(made)
    ) as endpoint:
        log = inspect("tau2_gym/mock", endpoint, "-T", f"dataset={tmp_path / 'bench'}", "-T", "max_steps=8")
    assert rewards_of(log) == {"own_one": 1.0}
    assert "Be kind to callers." in log["samples"][0]["messages"][0]["content"]
