"""Agents of Inspect: in its own evals of our tasks, and in our runs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tau2_core import Run
from tau2_core.episode.setting import Setting
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, Refusal, Reply, ScriptedEndpoint, call, say

from .conftest import run_to_end
from .inspect_environment import ROOT, VOCABULARY, inspect_eval, inspect_python, rewards_of

EXAMPLE = ROOT / "examples" / "agents" / "inspect_task.py"
AGENT = ROOT / "examples" / "agents" / "inspect_agent.py"
TASKS = ["create_plain", "transfer_deletion", "complete_what_was_created", "reopen_task"]
FAILING = ("update_task_status", {"task_id": "task_99", "status": "completed"})


@pytest.fixture(scope="module")
def theirs(python_with: Callable[..., Path]) -> Path:
    return inspect_python(python_with)


@pytest.fixture
def inspect(theirs: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run `inspect eval` with a scripted endpoint and return its log."""
    return partial(inspect_eval, theirs, tmp_path)


def failing_first(script: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
    """Make a call that fails, and then go by the script."""

    def answer(asked: Asked) -> Answer:
        agent = "customer" not in asked.model
        if agent and not any(each["role"] == "tool" and "task_99" in str(each["content"]) for each in asked.messages):
            return call(FAILING)
        return script(asked)

    return answer


def test_an_agent_of_inspect_gets_the_rewards_of_a_model(
    gym: Callable[..., CompletedProcess[str]],
    inspect: Callable[..., dict[str, Any]],
    setting_of: Callable[..., Setting],
    tmp_path: Path,
) -> None:
    shutil.copy(EXAMPLE, tmp_path)
    with ScriptedEndpoint(failing_first(GoldScript.of(setting_of("mock")))) as endpoint:
        where = json.dumps({"api_base": endpoint.url})
        models = ("--agent-model", "endpoint/agent", "--user-model", "endpoint/customer")
        chosen = [part for task_id in TASKS for part in ("--task", task_id)]
        done = gym("run", "mock", *chosen, *models, "--agent-args", where, "--user-args", where, "--name", "model")
        assert done.returncode == 0
        log = inspect(EXAMPLE.name, endpoint, "-T", "user=llm", "-T", f"tasks={','.join(TASKS)}")
    by_model = {episode.task_id: episode for episode in Run(tmp_path / "runs" / "model")}
    assert rewards_of(log) == {task_id: episode.reward for task_id, episode in by_model.items()}
    for sample in log["samples"]:
        made = [each["function"] for message in sample["messages"] for each in message.get("tool_calls") or []]
        said = [message for message in by_model[sample["id"]].messages if message.role == "assistant"]
        assert made == [each.name for message in said for each in message.tool_calls or []]


def test_an_agent_of_inspect_that_calls_for_ever_is_stopped(
    inspect: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    shutil.copy(EXAMPLE, tmp_path)
    with ScriptedEndpoint(lambda _asked: call(("get_users", {}))) as endpoint:
        log = inspect(EXAMPLE.name, endpoint, "-T", "tasks=create_plain")
    (sample,) = log["samples"]
    about = sample["scores"]["tau2"]
    assert (about["value"], about["metadata"]["termination"]) == (0.0, "max_steps")
    assert "error" not in sample or sample["error"] is None


OWN_AGENTS = """
from inspect_ai.agent import AgentState, agent, react
from inspect_ai.model import get_model
from tau2_gym_inspect.agent import InspectAgent

@agent
def looping(tools):
    async def execute(state: AgentState) -> AgentState:
        \"\"\"Generate until there is an answer.\"\"\"
        messages, state.output = await get_model().generate_loop(state.messages, tools=tools)
        state.messages.extend(messages)
        return state
    return execute

@agent
def raising(tools):
    async def execute(state: AgentState) -> AgentState:
        \"\"\"Raise an error.\"\"\"
        raise KeyError("no such desk")
    return execute

looping = InspectAgent(looping, "openai/gpt-4.1", max_retries=0)
raising = InspectAgent(raising, "openai/gpt-4.1")
submitting = InspectAgent(lambda tools: react(tools=tools), "openai/gpt-4.1")
"""


@pytest.fixture
def run_agent(theirs: Path, tmp_path: Path) -> Callable[..., Run]:
    """Run some tasks of the mock domain with an agent in the environment of Inspect."""
    (tmp_path / "own_agents.py").write_text(OWN_AGENTS)
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def run(agent: str, endpoint: ScriptedEndpoint, *options: str, ok: tuple[int, ...] = (0,)) -> Run:
        own = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": endpoint.url, "TMPDIR": str(temporary)}
        own |= {"TIKTOKEN_CACHE_DIR": str(VOCABULARY)}
        env = {key: value for key, value in os.environ.items() if not key.startswith(("INSPECT", "PYTHON"))} | own
        customer = ("--user-model", "endpoint/customer", "--user-args", json.dumps({"api_base": endpoint.url}))
        command = [str(theirs), "-m", "tau2_core", "run", "mock", "--agent", f"python:{agent}", *customer, *options]
        command += [part for task_id in TASKS for part in ("--task", task_id)]
        run_to_end([*command, "--name", "agent"], cwd=tmp_path, env=env, ok=ok, seconds=300)
        assert [path.name for path in temporary.iterdir() if "inspect" in path.name] == []
        return Run(tmp_path / "runs" / "agent")

    return run


def submits(script: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
    """Give the answers of the agent by its tool `submit`, if it has one."""

    def answer(asked: Asked) -> Answer:
        given = script(asked)
        has_tool = any(tool["function"]["name"] == "submit" for tool in asked.body.get("tools") or [])
        if not has_tool or not isinstance(given, Reply) or given.message.get("tool_calls"):
            return given
        return call(("submit", {"answer": given.message["content"]}))

    return answer


@pytest.mark.parametrize(
    ("agent", "options"),
    [
        (f"{AGENT}:agent", ()),
        (f"{AGENT}:agent", ("--executor", "processes", "--workers", "2")),
        ("own_agents.py:looping", ()),
        ("own_agents.py:submitting", ()),
    ],
)
def test_a_run_with_an_agent_of_inspect_has_the_grades_of_a_model(
    gym: Callable[..., CompletedProcess[str]],
    run_agent: Callable[..., Run],
    setting_of: Callable[..., Setting],
    tmp_path: Path,
    agent: str,
    options: tuple[str, ...],
) -> None:
    with ScriptedEndpoint(submits(failing_first(GoldScript.of(setting_of("mock"))))) as endpoint:
        where = json.dumps({"api_base": endpoint.url})
        models = ("--agent-model", "endpoint/agent", "--user-model", "endpoint/customer")
        chosen = [part for task_id in TASKS for part in ("--task", task_id)]
        done = gym("run", "mock", *chosen, *models, "--agent-args", where, "--user-args", where, "--name", "model")
        assert done.returncode == 0
        played = {episode.task_id: episode for episode in run_agent(agent, endpoint, *options)}
        assert endpoint.failures == []
    by_model = {episode.task_id: episode for episode in Run(tmp_path / "runs" / "model")}
    assert {task_id: episode.grade for task_id, episode in played.items()} == {
        task_id: episode.grade for task_id, episode in by_model.items()
    }
    assert {episode.reward for episode in played.values()} == {1.0}
    for task_id, episode in played.items():
        assert said_and_called(episode) == said_and_called(by_model[task_id])
        assert episode.record.tool_errors


def said_and_called(episode: Any) -> list[Any]:
    """Return what each side has said and called, and the results."""
    return [
        (each.role, each.content, [(made.name, made.arguments) for made in getattr(each, "tool_calls", None) or []])
        for each in episode.messages
    ]


@pytest.mark.parametrize(
    ("agent", "agent_says", "code", "termination", "error"),
    [
        (f"{AGENT}:agent", call(("get_users", {})), 0, "max_steps", None),
        (f"{AGENT}:agent", say(""), 0, "agent_error", "the agent sent neither text nor a tool call"),
        ("own_agents.py:raising", say("Hello."), 0, "agent_error", "KeyError: 'no such desk'"),
        ("own_agents.py:looping", Refusal(500), 1, "infrastructure_error", "server: Inspect gave up on the model: "),
    ],
)
def test_a_bad_agent_of_inspect_ends_its_episode_as_documented(
    run_agent: Callable[..., Run], agent: str, agent_says: Answer, code: int, termination: str, error: str | None
) -> None:
    script = GoldScript.of_domain("mock")
    with ScriptedEndpoint(lambda asked: script(asked) if "customer" in asked.model else agent_says) as endpoint:
        run = run_agent(agent, endpoint, "--max-steps", "30", "--attempts", "1", ok=(code,))
    for episode in run:
        assert episode.record.termination == termination
        assert (episode.record.error is None) if error is None else str(episode.record.error).startswith(error)
