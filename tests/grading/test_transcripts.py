"""`tau2-gym grade FILE.jsonl`: conversations of an agent that ran elsewhere, as chat-completions messages."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tau2_core.cli.app import app
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import new_environment
from tau2_core.model.messages import Requestor, ToolCall
from typer.testing import CliRunner, Result

TASK = "create_plain"
TUNE = ("create_task", {"user_id": "piet_lindgren", "title": "Tune the piano"})


@pytest.fixture
def grade(tmp_path: Path) -> Callable[..., Result]:
    """Write lines to a file, each an object or a text, and grade it."""

    def run(*lines: Any, name: str = "t.jsonl", options: tuple[str, ...] = ("--domain", "mock")) -> Result:
        text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
        file = tmp_path / name
        file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return CliRunner().invoke(app, ["grade", str(file), "--executor", "async", *options], catch_exceptions=False)

    return run


@pytest.fixture
def chat(setting_of: Callable[..., Setting]) -> Callable[..., list[dict[str, Any]]]:
    """Return a conversation with calls and what they give, made in turn by the agent or the customer (`user`)."""

    def make(*calls: tuple[str, dict[str, Any]], task: str = TASK, role: str = "assistant") -> list[dict[str, Any]]:
        setting = setting_of("mock")
        environment = new_environment(setting, setting.tasks()[task])
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": "Follow the policy."},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        ]
        requestor: Requestor = "user" if role == "user" else "assistant"
        for number, (name, arguments) in enumerate(calls):
            result = environment.call(ToolCall(name=name, arguments=arguments, requestor=requestor))
            function = {"name": name, "arguments": json.dumps(arguments)}
            call = {"id": f"c{number}", "type": "function", "function": function}
            messages.append({"role": role, "content": None, "tool_calls": [call]})
            messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": result.content})
        return [*messages, {"role": "assistant", "content": "It is on the list."}]

    return make


def test_a_conversation_is_graded_by_its_calls(grade: Callable[..., Result], chat: Callable[..., Any]) -> None:
    done = grade(
        {"task_id": TASK, "messages": chat(("get_users", {}), TUNE)},
        {"messages": chat()},
        options=(*("--domain", "mock", "--task", TASK, "--json"),),
    )
    assert done.exit_code == 0
    content = json.loads(done.stdout)
    assert [(each["conversation"], each["trial"], each["reward"]) for each in content["grades"]] == [
        ("line 1", 0, 1.0),
        ("line 2", 1, 0.0),
    ]
    assert (content["differences"], content["problems"]) == ([], [])
    database = content["grades"][1]["verdicts"]["DB"]["checks"][0]["evidence"]
    assert any("Tune the piano" in str(difference) for difference in database)


def test_results_of_one_message_may_come_in_any_order(grade: Callable[..., Result], chat: Callable[..., Any]) -> None:
    messages = chat(("get_users", {}), TUNE)
    first, second = messages[2], messages[4]
    both = {**first, "tool_calls": [*first["tool_calls"], *second["tool_calls"]]}
    done = grade({"id": "both", "task_id": TASK, "messages": [*messages[:2], both, messages[5], messages[3]]})
    assert (done.exit_code, done.stderr) == (0, "")
    assert "mean reward 1.0000: solved 1" in done.stdout


@pytest.mark.parametrize(("more", "code", "word"), [((), 0, "note"), (("--compare",), 1, "error")])
def test_other_results_are_named(
    grade: Callable[..., Result], chat: Callable[..., Any], more: tuple[str, ...], code: int, word: str
) -> None:
    messages = chat(("get_users", {}), TUNE)
    messages[3]["content"] = "[]"
    messages[5]["content"] = "Error: no such user"
    line = {"task_id": TASK, "messages": messages}
    done = grade("", line, options=("--domain", "mock", *more))
    assert done.exit_code == code
    named = [text for text in done.stderr.splitlines() if text.startswith(word)]
    assert ":2: line 2: calls[0](get_users).content[0]: recorded (absent), ours {" in named[0]
    assert ":2: line 2: calls[1](create_task).error: recorded True, ours 'False: {" in named[-1]
    if not more:
        listed = json.loads(grade("", line, options=("--domain", "mock", "--json")).stdout)["differences"]
        assert (listed[-1]["line"], listed[-1]["path"]) == (2, "calls[1](create_task).error")
        assert "recorded" not in listed[0]


def test_the_customers_calls_are_theirs(grade: Callable[..., Result], chat: Callable[..., Any]) -> None:
    messages = chat(("check_notifications", {}), task="settle_a_reminder", role="user")
    done = grade({"task_id": "settle_a_reminder", "messages": messages}, options=("--domain", "mock", "--json"))
    assert json.loads(done.stdout)["differences"] == []
    for message in messages:
        message["role"] = "assistant" if message["role"] == "user" else message["role"]
    done = grade({"task_id": "settle_a_reminder", "messages": messages}, name="theirs.jsonl")
    assert "calls[0](check_notifications).error: recorded False, ours" in done.stderr


def test_a_history_may_be_left_out(grade: Callable[..., Result], setting_of: Callable[..., Setting]) -> None:
    """The task's earlier call creates what the conversation completes."""
    task = setting_of("mock").tasks()["complete_what_was_created"]
    function = {"name": "update_task_status", "arguments": {"task_id": "task_7", "status": "completed"}}
    environment = new_environment(setting_of("mock"), task)
    result = environment.call(ToolCall(name=function["name"], arguments=function["arguments"]))  # type: ignore[arg-type]
    messages = [
        {"role": "assistant", "tool_calls": [{"function": function}]},
        {"role": "tool", "content": result.content},
    ]
    done = grade({"task_id": task.id, "messages": messages})
    assert "mean reward 1.0000: solved 1" in done.stdout
    assert done.stderr == ""


def test_how_it_ended_counts(grade: Callable[..., Result], chat: Callable[..., Any]) -> None:
    line = {"task_id": TASK, "messages": chat(("get_users", {}), TUNE), "termination": "max_steps"}
    done = grade(line, {**line, "termination": "infrastructure_error"}, name="t.jsonl.gz")
    assert "mean reward 0.0000: failed 1, infrastructure_error 1" in done.stdout


def test_solo_play_has_no_customer(grade: Callable[..., Result], chat: Callable[..., Any]) -> None:
    messages = chat(("get_users", {}), TUNE)
    alone = {"task_id": TASK, "messages": [messages[0], *messages[2:]]}
    done = grade(alone, {"task_id": TASK, "messages": messages}, options=("--domain", "mock", "--solo"))
    assert "t.jsonl:2: a customer speaks, but --solo is for conversations without one" in done.stderr
    assert "mean reward 1.0000: solved 1" in done.stdout


CALL = {"id": "c", "function": {"name": "get_users", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("{", "not JSON: Expecting property name"),
        ("[]", "not a conversation: Input should be"),
        ({"task_id": TASK}, "not a conversation: messages: Field required"),
        ({"task_id": TASK, "messages": []}, "not a conversation: messages: List should have at least 1 item"),
        (
            {"task_id": TASK, "messages": [{"role": "bot", "content": "x"}]},
            "not a conversation: messages.0.role: Input should",
        ),
        ({"messages": [{"role": "user", "content": "x"}]}, "it does not name its task; add `task_id`, or give --task"),
        ({"task_id": "no", "messages": [{"role": "user"}]}, "mock has no task 'no'; `tau2-gym tasks mock` lists them"),
        (
            {"task_id": TASK, "messages": [{"role": "user"}], "termination": "bored"},
            "not a conversation: termination: Input should be 'user_stop'",
        ),
        (
            {"task_id": TASK, "messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]},
            "messages.0: a tool result that follows no call with its id",
        ),
        (
            {"task_id": TASK, "messages": [{"role": "assistant", "tool_calls": [CALL]}]},
            "messages.0: call get_users (id 'c') is not followed by its result",
        ),
        (
            {
                "task_id": TASK,
                "messages": [
                    {"role": "assistant", "tool_calls": [CALL]},
                    {"role": "tool", "tool_call_id": "d", "content": "x"},
                ],
            },
            "messages.0: call get_users (id 'c') is not followed by its result",
        ),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_graded(
    grade: Callable[..., Result], chat: Callable[..., Any], line: Any, word: str
) -> None:
    done = grade({"task_id": TASK, "messages": chat(("get_users", {}), TUNE)}, line)
    assert done.exit_code == 1
    assert f"t.jsonl:2: {word}" in done.stderr
    assert "conversations 1" in done.stdout


@pytest.mark.parametrize(
    ("lines", "options", "word"),
    [
        ([], ("--domain", "mock"), "t.jsonl: contains no conversation"),
        ([{"messages": [{"role": "user"}]}], (), "t.jsonl: it does not name its domain; give it with --domain"),
        (
            [{"messages": [{"role": "user"}]}],
            ("--domain", "mok"),
            "no domain 'mok' is installed (did you mean 'mock'?)",
        ),
    ],
)
def test_a_file_that_cannot_be_graded(
    grade: Callable[..., Result], lines: list[Any], options: tuple[str, ...], word: str
) -> None:
    done = grade(*lines, options=options)
    assert done.exit_code == 1
    assert word in done.stderr
