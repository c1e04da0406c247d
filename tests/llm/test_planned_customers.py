"""Customers that keep a plan, and customers whose drafts are checked: what is asked, sent, recorded and counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tau2_core import (
    AssistantMessage,
    CustomerPlan,
    CustomerTurn,
    Message,
    UsageError,
    UserContext,
    UserMessage,
    UserSpec,
    evaluate,
)
from tau2_core.cli.app import app
from tau2_core.testing.scripted_endpoint import Answer, Asked, ScriptedEndpoint, call, say
from typer.testing import CliRunner

from tests.conftest import Gym

from .conftest import Played

pytestmark = pytest.mark.domain("mock")
Play = Callable[..., Played]
AGENT_ALONE = {"user": "openai/customer"}
OPEN = "<plan>\nopen: a new task\nrevealed: -\nagreed: -\n</plan>\n"
DONE = "<plan>\nopen: -\nrevealed: the title; who it is for\nagreed: the title\n</plan>\n"


def command(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "200"})
    return f"{done.output}{done.exception or ''}"


def saying(*answers: str | Answer) -> Callable[[Asked], Answer]:
    """Answer the customer's requests in this order, whatever is asked."""
    left = list(answers)

    def script(_asked: Asked) -> Answer:
        answer = left.pop(0)
        return say(answer) if isinstance(answer, str) else answer

    return script


def customers(play: Play, *answers: str | Answer, options: Sequence[str] = (), task: str = "create_plain") -> Played:
    """Play a customer that gives these answers to an agent that does nothing."""
    played = play("--task", task, "--agent", "silent", *options, script=saying(*answers), models=AGENT_ALONE)
    assert played.code == 0, played.error
    return played


def texts(played: Played) -> list[str]:
    return [message.get("content", "") for message in played.record["messages"] if message["role"] == "user"]


PLANNED = ("--user-prompt", "planned")


def test_a_plan_is_recorded_and_never_reaches_the_agent(play: Play) -> None:
    played = customers(play, f"{OPEN}Please add a task.", f"{DONE}###STOP###", options=PLANNED)
    assert texts(played) == ["Please add a task.", "###STOP###"]
    assert "<plan>" not in json.dumps(played.record["messages"])
    first, second = played.record["customer_turns"]
    assert first == {
        "message": 1,
        "plan": {"open": ["a new task"], "revealed": [], "agreed": []},
        "plan_problem": "",
        "faults": [],
        "remaining": [],
    }
    assert second["message"] == 3
    assert second["plan"] == {"open": [], "revealed": ["the title", "who it is for"], "agreed": ["the title"]}
    own = [message["content"] for message in played.of("user")[1].messages if message["role"] == "assistant"]
    assert own == [f"{OPEN}Please add a task."]  # the model sees its own plan
    shown = command("show", played.folder, "create_plain")
    assert "plan, open: a new task" in shown
    assert "plan, revealed: the title; who it is for" in shown
    report = command("report", played.folder)
    assert "plans of the customer: 2, missing or in another form 0" in report


def test_answers_without_a_plan_are_taken_and_counted(play: Play) -> None:
    answers = ["Please add a task.", "<plan>\nopen: it\n</plan>\nFor me.", f"{OPEN}", f"{DONE}###STOP###"]
    played = customers(play, *answers, options=PLANNED)
    assert texts(played) == ["Please add a task.", "For me.", "###STOP###"]
    problems = [turn["plan_problem"] for turn in played.record["customer_turns"]]
    assert problems == ["the answer has no plan", "the plan is not in the format", ""]
    assert "had a plan, but no message" in played.of("user")[3].last
    (report,) = json.loads(command("report", played.folder, "--json"))
    counted = report["customer_turns"]
    assert (counted["messages"], counted["with_plan"], counted["without_plan"]) == (3, 1, 2)


def test_a_model_that_writes_only_plans_is_an_error_of_the_user(play: Play) -> None:
    played = customers(play, OPEN, OPEN, OPEN, options=PLANNED)
    assert played.end == ("user_error", "user_error")
    assert "a plan without a message" in played.record["error"]


def test_a_plan_beside_a_call_and_in_a_message_with_thinking_is_kept_from_the_agent(play: Play) -> None:
    looks = call(("check_notifications", {}), content=OPEN)
    thinks = say(f"{OPEN}Please add it.", reasoning_content="hm")
    played = customers(play, looks, thinks, f"{DONE}###STOP###", options=PLANNED, task="settle_a_reminder")
    assert "<plan>" not in json.dumps(played.record["messages"])
    thoughtful = played.record["messages"][3]
    assert thoughtful["provider_message"]["reasoning_content"] == "hm"
    assert thoughtful["provider_message"]["content"] == "Please add it."
    assert [turn["plan"]["open"] for turn in played.record["customer_turns"]] == [["a new task"], ["a new task"], []]


def test_agents_in_process_do_not_see_plans(tmp_path: Path) -> None:
    seen: list[str] = []

    async def agent(history: Sequence[Message]) -> AssistantMessage:
        seen.append(json.dumps([message.model_dump(mode="json") for message in history]))
        return AssistantMessage(content="Yes?")

    with ScriptedEndpoint(
        saying(f"{OPEN}Hello.", say(f"{OPEN}Please.", reasoning="x"), f"{DONE}###STOP###")
    ) as endpoint:
        customer = {"model": "endpoint/customer", "args": {"api_base": endpoint.url}}
        options: Any = {"tasks": ["create_plain"], "out": tmp_path, "user_prompt": "planned", "user_check": True}
        (episode,) = evaluate("mock", agent=agent, user_model=customer, **options).episodes
    assert len(seen) == 2
    assert not any("plan" in each or "a new task" in each for each in seen)
    assert len(episode.record.customer_turns or ()) == 3


CHECKED = ("--user-check",)


@pytest.mark.parametrize(
    ("draft", "found_by"),
    [
        ("My code is QX7781, please look at it.", "invented_identifier"),
        ("Is there anything else I can help you with?", "spoke_as_agent"),
        ("Please add my task now. ###STOP###", "ended_early"),
        ("As my scenario says, I want a task.", "revealed_instructions"),
    ],
)
def test_a_faulty_draft_is_asked_for_once_more(play: Play, draft: str, found_by: str) -> None:
    played = customers(play, draft, "Please add a task.", "###STOP###", options=CHECKED)
    assert texts(played) == ["Please add a task.", "###STOP###"]
    (turn,) = played.record["customer_turns"]
    assert turn["message"] == 1
    assert turn["draft"] == draft
    assert [fault["found_by"] for fault in turn["faults"]] == [found_by]
    assert turn["remaining"] == []
    note = played.of("user")[1].last
    assert note.startswith("[Not from the agent: your last answer was not sent.")
    assert draft in note
    assert turn["faults"][0]["why"] in note
    assert played.record["usage"]["user"]["requests"] == 3
    shown = command("show", played.folder, "create_plain")
    assert f"not sent: {draft}" in shown
    assert f"because {found_by}" in shown
    report = command("report", played.folder)
    assert f"messages of the customer: 2, asked again for 1 ({found_by} 1), 0 of them with a fault" in report


def test_a_second_faulty_draft_is_sent_and_counted(play: Play) -> None:
    played = customers(play, "My code is QX7781.", "My code is ZZ9912.", "###STOP###", options=CHECKED)
    assert texts(played) == ["My code is ZZ9912.", "###STOP###"]
    assert played.record["customer_turns"][0]["remaining"] == ["invented_identifier"]
    (report,) = json.loads(command("report", played.folder, "--json"))
    assert report["customer_turns"]["still_faulty"] == 1
    assert report["customer"]["detectors"]["invented_identifier"] == 1


def test_a_customer_does_not_end_while_its_plan_has_open_wishes(play: Play) -> None:
    options = (*PLANNED, *CHECKED)
    played = customers(
        play,
        f"{OPEN}Please add a task.",
        f"{OPEN}###STOP###",
        f"{OPEN}Is it done?",
        f"{DONE}###STOP###",
        options=options,
    )
    assert texts(played) == ["Please add a task.", "Is it done?", "###STOP###"]
    (fault,) = played.record["customer_turns"][1]["faults"]
    assert fault["found_by"] == "open_wishes"
    assert "a new task" in played.of("user")[2].last
    ended = customers(play, f"{OPEN}Add it.", f"{OPEN}###TRANSFER###", options=options)
    assert texts(ended) == ["Add it.", "###TRANSFER###"]


def test_the_check_knows_neither_the_gold_nor_the_agents_calls(play: Play) -> None:
    """A stop before anything is done is decisive by the gold, and the customer cannot know that."""
    played = customers(play, "Please add a task.", "###STOP###", options=CHECKED)
    assert "customer_turns" not in played.record
    assert len(played.of("user")) == 2


def test_nothing_changes_for_a_customer_without_faults(play: Play) -> None:
    usual, checked = play("--split", "test"), play("--split", "test", *CHECKED)
    assert sorted(map(json.dumps, usual.lines("episodes.jsonl"))) == sorted(
        map(json.dumps, checked.lines("episodes.jsonl"))
    )
    for played, check in ((usual, False), (checked, True)):
        assert json.loads((played.folder / "run.json").read_text())["user"]["check"] is check


def test_noise_of_speech_is_recorded_and_the_model_sees_what_it_said(play: Play) -> None:
    said = "please add the new task to the list of the team and tell me whether it is there when it is done"
    played = customers(play, said, "###STOP###", options=("--persona", "speech_recognition_noise"))
    heard, _ = texts(played)
    assert heard != said
    (turn,) = played.record["customer_turns"]
    assert turn["spoken"] == said
    assert [each["content"] for each in played.of("user")[1].messages if each["role"] == "assistant"] == [said]
    assert f"spoken: {said}" in command("show", played.folder, "create_plain")


class Keeper:
    """A program's customer that follows its context, and keeps a plan."""

    def __init__(self, context: UserContext) -> None:
        self.context = context
        self.lines = ["My code is QX7781.", "###STOP###"]

    async def reply(self, history: Sequence[Message]) -> str:
        line = self.lines.pop(0)
        assert self.context.check_draft is not None
        assert self.context.persona is not None
        faults = list(self.context.check_draft(history, UserMessage(content=line)))
        plan = CustomerPlan(open=[self.context.persona.name])
        self.context.note_turn(CustomerTurn(plan=plan, faults=faults))
        return line


def test_customers_of_programs_follow_the_options_if_they_say_so(tmp_path: Path) -> None:
    options: Any = {"agent": "silent", "tasks": ["create_plain"], "out": tmp_path, "user_check": True}
    follows = UserSpec("keeper", "", Keeper, follows_prompt=True)
    (episode,) = evaluate("mock", user=follows, persona="terse", name="r", **options).episodes
    assert episode.record.customer_turns is not None
    first, second = episode.record.customer_turns
    assert (first.message, second.message) == (1, 3)
    assert first.plan == CustomerPlan(open=["terse"])
    assert [fault.found_by for fault in first.faults] == ["invented_identifier"]
    assert second.faults == []
    with pytest.raises(UsageError, match="user 'keeper' follows no prompt"):
        evaluate("mock", user=UserSpec("keeper", "", Keeper), **options)


def test_detectors_of_plugins_check_drafts_and_one_that_raises_changes_nothing(
    gym: Gym, plugin: Callable[..., Path], tmp_path: Path
) -> None:
    source = """
from tau2_core import DetectorSpec, UserFinding, hookimpl

def shouting(conversation):
    for index, text in conversation.spoken:
        if text.isupper():
            yield UserFinding(detector="", severity="minor", message=index, words=text, why="you shout")

def broken(conversation):
    raise RuntimeError("no")

@hookimpl
def tau2_user_detectors():
    return [DetectorSpec("shouting", "", shouting), DetectorSpec("broken", "", broken)]
"""
    site = plugin("loud", source)
    with ScriptedEndpoint(saying("ADD A TASK", "Please add a task.", "###STOP###")) as endpoint:
        args = json.dumps({"api_base": endpoint.url})
        user = ("--user-model", "endpoint/customer", "--user-args", args, "--user-check")
        done = gym("run", "mock", "--agent", "silent", "--task", "create_plain", *user, "--name", "r", paths=[site])
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs/r"
    record = json.loads((folder / "episodes.jsonl").read_text())
    (turn,) = record["customer_turns"]
    assert [fault["found_by"] for fault in turn["faults"]] == ["shouting"]
    assert "you shout: ADD A TASK" in endpoint.asked[1].last
    assert json.loads((folder / "run.json").read_text())["digests"]["plugins"]["user"] is not None
