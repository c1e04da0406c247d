"""Inspect: its command finds our domains, plays and scores them as a run does, and its log API reads our runs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import litellm
import pytest
from tau2_core import Run, load_domain
from tau2_core.episode.setting import Setting
from tau2_core.testing.gold_script import CLOSING, GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, Refusal, Reply, ScriptedEndpoint, call, say

from .conftest import run_to_end

ROOT = Path(__file__).resolve().parents[2]
# A copy of the vocabulary with which Inspect counts tokens, since it would fetch one.
VOCABULARY = Path(litellm.__file__).parent / "litellm_core_utils" / "tokenizers"
EXAMPLE = ROOT / "examples" / "agents" / "inspect_task.py"
AGENT = ROOT / "examples" / "agents" / "inspect_agent.py"
READ = """
import json, sys
from inspect_ai.log import read_eval_log
log = read_eval_log(sys.argv[1])
json.dump(json.loads(log.model_dump_json()), sys.stdout)
"""


@pytest.fixture(scope="module")
def theirs(python_with: Callable[..., Path]) -> Path:
    """The interpreter of an environment with Inspect and our packages, beside our own dependencies."""
    packs = [f"domains/{name}" for name in ("airline", "mock", "telecom")]
    ours = [str(ROOT / part) for part in ("core", *packs, "integrations/inspect")]
    return python_with("inspect", "inspect_ai==0.3.285", "openai", *ours)


@pytest.fixture
def inspect(theirs: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run `inspect eval` with a scripted endpoint and return its log."""

    def run(task: str, endpoint: ScriptedEndpoint, *options: str, ok: tuple[int, ...] = (0,)) -> dict[str, Any]:
        own = {"TIKTOKEN_CACHE_DIR": str(VOCABULARY), "SCRIPTED_API_KEY": "none", "SCRIPTED_BASE_URL": endpoint.url}
        env = {key: value for key, value in os.environ.items() if not key.startswith(("INSPECT", "PYTHON"))} | own
        models = ("--model", "openai-api/scripted/agent", "--model-role", "user=openai-api/scripted/customer")
        logs = tmp_path / "logs"
        command = [str(theirs.parent / "inspect"), "eval", task, *models, "--display", "none", "--log-dir", str(logs)]
        run_to_end([*command, *options], cwd=tmp_path, env=env, ok=ok, seconds=600)
        (log,) = logs.glob("*.eval")
        return read(theirs, log)

    return run


def read(python: Path, log: Path) -> dict[str, Any]:
    """Return a log as Inspect reads it."""
    content: dict[str, Any] = json.loads(run_to_end([str(python), "-c", READ, str(log)], cwd=log.parent))
    return content


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


def rewards_of(log: dict[str, Any]) -> dict[str, float]:
    return {sample["id"]: sample["scores"]["tau2"]["value"] for sample in log["samples"]}


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


TASKS = ["create_plain", "transfer_deletion", "complete_what_was_created", "reopen_task"]
FAILING = ("update_task_status", {"task_id": "task_99", "status": "completed"})


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
