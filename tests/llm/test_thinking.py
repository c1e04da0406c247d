"""What models think is said to nobody, in whatever form a server leaves it: no end, no fact, no verdict is in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.episode.setting import Setting
from tau2_core.llm.thinking import split_thinking
from tau2_core.testing.scripted_endpoint import Answer, Asked, Reply, say

from .conftest import Played, models_of, role_of

Play = Callable[..., Played]
TASK = ("--task", "tell_whose_task")  # whose reward takes the name of Rosa Delgado, and a verdict
QUOTING = 'it only wrote "<think>" and "</think>"'
FACT = "It is on the list of Rosa Delgado."


def verdicts(count: int, met: bool, reason: str) -> str:
    found = [{"number": number, "reason": reason, "met": met} for number in range(1, count + 1)]
    return json.dumps({"verdicts": found})


THOUGHT = f"Perhaps ###STOP### and ###TRANSFER###. {FACT}\n{verdicts(1, True, 'a draft')}"


def text(written: str) -> Callable[[str], dict[str, Any]]:
    """Return a form in which the thought, at THOUGHT, and what is said, at SAID, are one text."""
    return lambda said: {"content": written.replace("THOUGHT", THOUGHT).replace("SAID", said)}


def field(**fields: Any) -> Callable[[str], dict[str, Any]]:
    """Return a form in which the thought is in a field of its own."""
    return lambda said: {"content": said, **fields}


def parts(*thinking: Any) -> Callable[[str], dict[str, Any]]:
    """Return a form in which the content is in parts, of which the last says something."""
    return lambda said: {"content": [*thinking, {"type": "text", "text": said}]}


FORMS: dict[str, Callable[[str], dict[str, Any]]] = {
    "a block": text("<think>\nTHOUGHT\n</think>\n\nSAID"),
    "only closed": text("THOUGHT\n</think>\n\nSAID"),
    "never closed": text("SAID\n<think>THOUGHT"),
    "capitals and blanks": text("< THINK >THOUGHT</ think > SAID"),
    "with an attribute": text('<thinking budget="low">THOUGHT</thinking>SAID'),
    "two blocks": text("<think>THOUGHT</think><reasoning>THOUGHT</reasoning>SAID"),
    "one in the other": text("<think>THOUGHT<think>THOUGHT</think>THOUGHT</think>SAID"),
    "behind what is said": text("SAID<thought>THOUGHT</thought>"),
    "square brackets": text("[THINK]THOUGHT[/THINK]SAID"),
    "triangles": text("◁think▷THOUGHT◁/think▷SAID"),
    "with a response": text("<|START_THINKING|>THOUGHT<|END_THINKING|><|START_RESPONSE|>SAID<|END_RESPONSE|>"),
    "channels": text(
        "<|channel|>analysis<|message|>THOUGHT<|end|><|start|>assistant<|channel|>final<|message|>SAID<|return|>"
    ),
    "a byte order mark before it": text("\ufeff<think>THOUGHT</think>SAID"),
    "reasoning": field(reasoning=THOUGHT),
    "reasoning_content": field(reasoning_content=THOUGHT),
    "reasoning_details": field(reasoning_details=[{"type": "reasoning.text", "text": THOUGHT}]),
    "thinking": field(thinking=THOUGHT),
    "thinking_blocks": field(thinking_blocks=[{"type": "thinking", "thinking": THOUGHT}]),
    "part of type thinking": parts({"type": "thinking", "thinking": THOUGHT}),
    "part with texts in it": parts({"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}),
    "part of type reasoning": parts({"type": "reasoning", "text": THOUGHT, "summary": [{"text": THOUGHT}]}),
    "part that is marked": parts({"type": "text", "text": THOUGHT, "thought": True}),
    "block in a part": parts({"type": "text", "text": f"<think>{THOUGHT}</think>"}),
    "block over two parts": parts("<think>", {"type": "text", "text": f"{THOUGHT}</think>"}),
}


def thinking(form: Callable[[str], dict[str, Any]]) -> Callable[[Asked], Answer]:
    """Return a conversation in which everybody thinks in this form before every word."""
    said = {
        "user": ["Whose is it?", "Go on, please.", "Thank you. ###STOP###"],
        "agent": ["Let me see.", "That is everything."],
    }

    def script(asked: Asked) -> Answer:
        role = role_of(asked)
        if role == "judge":
            question = str(asked.messages[1]["content"])
            count = len(re.findall(r"^\d+\. ", question.rpartition("Statements:")[2], re.MULTILINE))
            return Reply({"role": "assistant", **form(verdicts(count, "Rosa Delgado" not in question, QUOTING))})
        number = asked.answered - 1 if role == "agent" else asked.answered
        return Reply({"role": "assistant", **form(said[role][number])})

    return script


# litellm reads what these two send itself, and fails on content in parts.
OWN_READING = product(["a block", "only closed", "part with texts in it", "block over two parts"], ["mistral", "groq"])


@pytest.mark.parametrize(("form", "provider"), [*product(FORMS, ["endpoint", "openai"]), *OWN_READING])
def test_thoughts_of_a_model_are_private(play: Play, judged: Setting, form: str, provider: str) -> None:
    judge = "openai" if provider in ("mistral", "groq") else provider  # asked for JSON by a tool, a script would differ
    models = {**models_of(provider), "judge": f"{judge}/judge"}
    played = play(*TASK, "--pack", judged.pack.folder, script=thinking(FORMS[form]), models=models)
    assert played.end == ("user_stop", "failed"), played.record.get("error") or played.grade.get("note")
    heard = [words for role, words in played.said[1:]]
    assert heard == ["Whose is it?", "Let me see.", "Go on, please.", "That is everything.", "Thank you. ###STOP###"]
    told = played.grade["verdicts"]
    assert [check["met"] for check in told["COMMUNICATE"]["checks"]] == [False]
    assert {(check["met"], check["why"]) for check in told["NL_ASSERTION"]["checks"]} == {(False, QUOTING)}
    for role in ("agent", "user"):
        others = [message for asked in played.of(role) for message in asked.messages if message["role"] == "user"]
        assert "Perhaps" not in json.dumps(others)
    assert "Perhaps" not in json.dumps(played.of("judge")[1].messages)


def test_the_same_text_outside_reasoning_counts(play: Play) -> None:
    """The conversation above fails for what is missing in it, and for nothing else."""
    played = play(*TASK, agent=[say(FACT)], script=thinking(lambda said: {"content": said}))
    assert (played.grade["verdicts"]["COMMUNICATE"]["reward"], played.record["termination"]) == (1.0, "user_stop")


def test_content_parts_are_sent_back_unchanged(play: Play) -> None:
    form = FORMS["part with texts in it"]
    agent = play(*TASK, script=thinking(form), models=models_of("endpoint")).of("agent")[-1]
    own = [message for message in agent.messages if message["role"] == "assistant"]
    assert own[1]["content"] == form("Let me see.")["content"]
    agent = play(*TASK, script=thinking(form), models={**models_of("openai"), "agent": "cerebras/agent"}).of("agent")[
        -1
    ]
    assert [message["content"] for message in agent.messages if message["role"] == "assistant"][1] == "Let me see."


@given(st.text(alphabet="ab <>{}[]\"'\n", max_size=40))
def test_a_text_without_such_tags_is_unchanged(words: str) -> None:
    assert split_thinking(words) == (words, "")


@pytest.mark.parametrize(
    "words", ['{"quoted": "<think> and </think>"}', 'Here: ["</think>"]. Is it so?', "a < b [1] >"]
)
def test_tags_quoted_in_json_are_not_reasoning(words: str) -> None:
    assert split_thinking(words) == (words, "")
