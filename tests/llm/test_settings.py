"""Which models a run hires and what it writes down of them: files, arguments, secrets, seeds, prompts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import Answer, Asked, Raw, ScriptedEndpoint, call, say

from .conftest import MODELS, Played, role_of

Play = Callable[..., Played]
Gym = Callable[..., CompletedProcess[str]]
ONE = ("--task", "create_plain")

ADAPTER = """
from pathlib import Path

from tau2_core import AdapterSpec, Dataset, Task, hookimpl


def open_dataset(folder, domain):
    scenario = {"instructions": "You want a task put on Piet Lindgren's list. The title is Tune the piano."}
    action = {"name": "create_task", "arguments": {"user_id": "piet_lindgren", "title": "Tune the piano"}}
    tasks = [
        Task(id="plain", user_scenario=scenario, user_tools=[], evaluation_criteria={"actions": [action]}),
        Task(id="with_tools", user_scenario=scenario, evaluation_criteria={"actions": [action]}),
    ]
    return Dataset(
        adapter="texts", domain=domain, root=folder, databases={}, load_tasks=lambda: tasks, splits={},
        default_split=None, user_guidelines={False: "Play the caller.", True: "Play the caller, with tools."},
        agent_instruction="Serve as told.", opening="Good day.",
    )


@hookimpl
def tau2_adapters():
    own = {"agent": {"top_p": 0.5}}
    return [AdapterSpec("texts", "a dataset with texts of its own", lambda folder: True, open_dataset, own)]
"""


def configuration(played: Played) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((played.folder / "run.json").read_text(encoding="utf-8"))
    return loaded


def test_the_command_line_overrides_the_file_argument_by_argument(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(
        "agent: {model: openai/other, args: {temperature: 0.5, top_p: 0.9}}\n"
        "user: {model: openai/customer, args: {temperature: 0.1}}\n"
    )
    played = play(*ONE, "--config", file, arguments={"agent": {"temperature": 0.7}})
    assert played.end == ("user_stop", "solved")
    sent = {role: played.of(role)[0].body for role in MODELS}
    assert (sent["agent"]["model"], sent["agent"]["temperature"], sent["agent"]["top_p"]) == ("agent", 0.7, 0.9)
    assert (sent["user"]["model"], sent["user"]["temperature"]) == ("customer", 0.1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agent:\n  modell: x\n", "models.yaml:2: agent.modell: there is no such key (did you mean 'model'?"),
        ("agent: {model: 5}\n", "models.yaml:1: agent.model: Input should be a valid string, not 5"),
        ("agnt: {model: x}\n", "models.yaml:1: agnt: there is no such key (did you mean 'agent'?"),
        ("agent: {model: x, carry: some}\n", "agent.carry"),
        ("agent: [\n", "models.yaml:"),
        (None, "No such file"),
    ],
)
def test_an_invalid_file_is_refused_with_its_line(gym: Gym, tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "models.yaml").write_text(text)
    done = gym("run", "mock", "--config", "models.yaml")
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--agent", "llm"), "agent 'llm' needs a model: give --agent-model PROVIDER/NAME"),
        (("--user", "llm"), "user 'llm' needs a model: give --user-model"),
        (("--agent-args", "{}"), "--agent-args without a model"),
        (("--agent-model", "openai/x", "--agent-args", "[]"), "should be a JSON object"),
        (("--agent-model", "openai/x", "--agent-args", "{"), "not JSON"),
        (("--agent-model", "nobody/x"), "there is no such provider; write PROVIDER/NAME"),
    ],
)
def test_wrong_options_are_refused(play: Play, options: tuple[str, ...], said: str) -> None:
    played = play(*ONE, *options, models={})
    assert played.code != 0
    assert said in played.error


def test_no_secret_is_written_down(play: Play) -> None:
    secrets = {
        "api_key": "sk-1",
        "extra_headers": {"Authorization": "Bearer sk-2"},
        "extra_body": {"deep": [{"token": "sk-3"}]},
    }
    played = play(*ONE, arguments={"agent": secrets})
    assert played.end == ("user_stop", "solved")
    assert played.of("agent")[0].headers["authorization"].endswith("sk-2")
    assert played.of("agent")[0].body["deep"] == [{"token": "sk-3"}]
    for file in played.folder.iterdir():
        assert "sk-" not in file.read_text(encoding="utf-8"), file
    assert configuration(played)["models"]["agent"]["args"].keys() == {"api_base", "extra_body"}


def test_seeds_are_sent_and_their_support_is_recorded(play: Play) -> None:
    played = play(*ONE, "--trials", 2, "--seed", 300, "--concurrency", 1)
    config = configuration(played)
    assert config["seeds"] == [626729, 373753]
    assert {role: model["takes_seed"] for role, model in config["models"].items()} == {"agent": True, "user": True}
    assert list(dict.fromkeys(asked.body["seed"] for asked in played.asked)) == [626729, 373753]


def test_a_provider_without_seed_support_gets_no_seed(play: Play, gold: Callable[[str], GoldScript]) -> None:
    said = {"type": "text", "text": "That is everything."}
    usage = {"input_tokens": 1, "output_tokens": 1}
    body = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [said], "usage": usage}

    def script(asked: Asked) -> Answer:
        done = {"stop_reason": "end_turn", "stop_sequence": None}
        return gold("mock")(asked) if role_of(asked) == "user" else Raw(json.dumps(body | done).encode())

    played = play(*ONE, script=script, models={**MODELS, "agent": "anthropic/claude-sonnet-4-5"})
    assert played.end == ("user_stop", "failed")
    assert configuration(played)["models"]["agent"]["takes_seed"] is False
    assert not any("seed" in asked.body for asked in played.of("agent"))


def serve(asked: Asked) -> Answer:
    """Play the dataset's tasks: the customer says something once, the agent makes the one call that is wanted."""
    if role_of(asked) == "user":
        return say("###STOP###" if asked.answered else "Please do it.")
    if asked.answered == 1:  # the greeting
        return call(("create_task", {"user_id": "piet_lindgren", "title": "Tune the piano"}))
    return say("Done.")


def test_a_datasets_own_texts_are_used_and_an_endpoint_of_ones_own_needs_no_key(
    gym: Gym, plugin: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    with ScriptedEndpoint(serve) as endpoint:
        base = json.dumps({"api_base": endpoint.url})
        given = [
            option for role, model in MODELS.items() for option in (f"--{role}-model", model, f"--{role}-args", base)
        ]
        done = gym("run", "mock", "--dataset", "data", *given, paths=[plugin("texts", ADAPTER)], OPENAI_API_KEY="")
    assert (done.returncode, endpoint.failures) == (0, []), done.stderr
    assert "solved 2" in done.stdout
    told = {
        "tools" in asked.body: asked.system.partition("\n")[0] for asked in endpoint.asked if role_of(asked) == "user"
    }
    assert told == {True: "Play the caller, with tools.", False: "Play the caller."}
    agents = [asked for asked in endpoint.asked if role_of(asked) == "agent"]
    assert {asked.system.partition("\n</instructions>")[0] for asked in agents} == {"<instructions>\nServe as told."}
    assert {asked.messages[1]["content"] for asked in agents} == {"Good day."}
    assert {(role_of(asked), asked.body.get("top_p")) for asked in endpoint.asked} == {("agent", 0.5), ("user", None)}
