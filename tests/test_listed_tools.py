"""A variant that lists what is unlocked: in a program's hands, in a model's requests, in records, and in histories."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tau2_core import open_episode
from tau2_core.model.messages import AssistantMessage, ToolCall, ToolMessage
from tau2_core.model.tasks import InitialState, Task
from tau2_core.testing.scripted_endpoint import Answer, Asked, ScriptedEndpoint, call, say

from tests.bakery import forget_packs, in_process
from tests.documents import ROOT, write_files

RESET, PRINTER = "reset_printer_17", {"printer": "P1"}


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The pack of the page about knowledge, in a folder of its own."""
    forget_packs()
    write_files(ROOT / "docs" / "how-to" / "knowledge.md", tmp_path)
    return tmp_path / "desk"


def listed(tools: Any) -> list[str]:
    return [tool.name for tool in tools]


@pytest.mark.parametrize("mode", ["strict", "tau2"])
def test_an_unlocked_tool_is_listed_and_called_by_its_name_in_one_episode_only(desk: Path, mode: Any) -> None:
    options: Any = {"variant": "native", "mode": mode}
    with open_episode(desk, "reset", **options) as episode, open_episode(desk, "reset", **options) as other:
        before = listed(episode.tools)
        assert (RESET in before, episode.call(RESET, **PRINTER).failure) == (False, "unknown_tool")
        assert episode.call("unlock", name=RESET).failure is None
        assert listed(episode.tools) == [*before, RESET]
        assert episode.call(RESET, printer="P9").content == "Error: there is no printer 'P9'"
        assert episode.call(RESET, **PRINTER).content == "P1 is ready."
        assert episode.reward() == 1.0  # the call has left the same log as one through the calling tool
        assert episode.record().unlocked == {"agent": [RESET]}
        assert (listed(other.tools), other.call(RESET, **PRINTER).failure) == (before, "unknown_tool")
        episode.reset()
        assert (listed(episode.tools), episode.call(RESET, **PRINTER).failure) == (before, "unknown_tool")


def test_arguments_are_checked_against_the_tools_own_schema(desk: Path) -> None:
    with open_episode(desk, "reset", variant="native") as episode:
        episode.call("unlock", name=RESET)
        wrong = episode.call(RESET, name="P1")
        assert wrong.failure == "invalid_arguments"
        assert (wrong.detail["tool"], "printer" in wrong.content) == (RESET, True)


def test_a_history_that_unlocks_a_tool_lists_it_from_the_beginning(desk: Path) -> None:
    unlock = ToolCall(id="1", name="unlock", arguments={"name": RESET})
    answer = ToolMessage(id="1", content=f"{RESET}: Reset a printer. Parameters: printer")
    history = InitialState(message_history=[AssistantMessage(tool_calls=[unlock]), answer])
    with open_episode(desk, "reset") as episode:
        instructions = episode.messages[-1].content
    task = Task.model_validate(
        {"id": "later", "user_scenario": {"instructions": instructions}, "initial_state": history.model_dump()}
    )
    with open_episode(desk, task, variant="native") as episode:
        assert listed(episode.tools)[-1] == RESET
        assert episode.call(RESET, **PRINTER).failure is None


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    """A model that unlocks the tool, calls it by its name, and answers."""

    def script(asked: Asked) -> Answer:
        calls = {1: ("unlock", {"name": RESET}), 2: (RESET, PRINTER)}  # after the opening line
        return (
            call(calls[asked.answered])
            if asked.answered in calls
            else say("The printer P1 is ready again; you can print now.")
        )

    with ScriptedEndpoint(script) as endpoint:
        yield endpoint


@pytest.mark.parametrize("via", ["process", "mcp"])
@pytest.mark.parametrize("provider", ["openai", "endpoint"])
def test_a_model_is_told_of_the_tool_in_the_request_after_unlocking(
    desk: Path, tmp_path: Path, endpoint: ScriptedEndpoint, via: str, provider: str
) -> None:
    place = json.dumps({"api_base": endpoint.url, "api_key": "none"})
    run = ("run", "desk", "--pack", desk, "--variant", "native", "--task", "reset", "--via", via)
    model = ("--agent-model", f"{provider}/m", "--agent-args", place)
    done = in_process(*run, *model, "--name", "r", "--out", tmp_path)
    assert "mean reward 1.0000" in done.stdout, done.stdout + done.stderr
    offered = [[tool["function"]["name"] for tool in asked.body["tools"]] for asked in endpoint.asked]
    assert [RESET in names for names in offered[:3]] == [False, True, True]
    record = json.loads((tmp_path / "r" / "episodes.jsonl").read_text(encoding="utf-8"))
    assert record["unlocked"] == {"agent": [RESET]}
    for evaluators in ("tau2", "strict"):
        again = in_process("grade", tmp_path / "r", "--pack", desk, "--evaluators", evaluators)
        assert "mean reward 1.0000" in again.stdout, again.stdout + again.stderr


def test_a_call_by_name_counts_as_the_gold_call_through_the_calling_tool(desk: Path) -> None:
    file = desk / "data" / "tasks.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace(
            "evaluation_criteria:\n    actions:", "evaluation_criteria:\n    reward_basis: [ACTION]\n    actions:"
        )
    )
    for evaluators in ("tau2", "strict"):
        with open_episode(desk, "reset", variant="native", evaluators=evaluators) as episode:
            episode.call("unlock", name=RESET)
            assert episode.grade().verdicts["ACTION"].reward == 0.0
            episode.call(RESET, **PRINTER)
            assert episode.grade().verdicts["ACTION"].reward == 1.0


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("tools/agent.yaml", "arguments: arguments}", "arguments: argument}", "names a parameter 'argument' (did you"),
        ("tools/agent.yaml", "arguments: arguments}", "name_: x}", "calls_hidden"),
        ("tools/agent.yaml", "{type: object, description: Its", "{type: array, description: Its", "an object or a str"),
        (
            "tools/agent.yaml",
            "  hidden: true\n",
            "  hidden: true\n  calls_hidden: {name: printer, arguments: printer}\n",
            "hidden tool cannot",
        ),
        (
            "tools/agent.yaml",
            "  handler: unlocking:unlock\n",
            "  handler: unlocking:unlock\n  calls_hidden: {name: name, arguments: name}\n",
            "there is a second tool with `calls_hidden`, after 'unlock'",
        ),
        ("domain.yaml", "lists_unlocked: true", "lists_unlocked: 5", "lists_unlocked"),
    ],
)
def test_a_mistake_in_the_declaration_is_named_with_its_file(
    desk: Path, file: str, old: str, new: str, said: str
) -> None:
    place = desk / file
    text = place.read_text(encoding="utf-8")
    assert old in text
    place.write_text(text.replace(old, new), encoding="utf-8")
    done = in_process("check", "--pack", desk)
    assert (done.returncode, said in done.stdout, Path(file).name in done.stdout) == (1, True, True), done.stdout
