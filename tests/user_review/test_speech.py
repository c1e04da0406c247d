"""Customers that speak as the agent, repeat themselves, speak of their instructions, or say nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.user_review.conftest import Review

pytestmark = pytest.mark.domain("mock", "telecom")
END = ("user", "###STOP###")
AS_AGENT = [
    "Is there anything else I can help you with today?",
    "How can I assist you?",
    "I have successfully processed your return.",
    "Let me look that up for you.",
]


def found(review: Review, *turns: tuple[str, str], scenario: str = "You want help.") -> list[tuple[str, str]]:
    return [(each.detector, each.severity) for each in review([*turns, END], scenario=scenario).findings]


@given(texts=st.lists(st.sampled_from(AS_AGENT), min_size=1, max_size=4, unique=True))
def test_speaking_as_the_agent(reviewed: Review, texts: list[str]) -> None:
    severity = "decisive" if len(texts) > 1 else "minor"
    turns = [turn for text in texts for turn in (("user", text), ("agent", "Sorry?"))]
    assert found(reviewed, *turns) == [("spoke_as_agent", severity)] * len(texts)


@given(times=st.integers(1, 5))
def test_the_same_text_again(reviewed: Review, times: int) -> None:
    text = "I would like you to look into this matter at last."
    turns = [turn for _ in range(times) for turn in (("user", text), ("agent", "I see."))]
    wanted = ["minor", *["decisive"] * 3][: max(times - 1, 0)]
    assert found(reviewed, *turns) == [("repeated_itself", severity) for severity in wanted]


def test_short_answers_may_repeat(reviewed: Review) -> None:
    assert found(reviewed, *[("user", "Yes, please."), ("agent", "Done.")] * 4) == []


@pytest.mark.parametrize(
    "text",
    [
        "##STOP##",
        "Then I use the STOP token.",
        "My instructions say that I want a refund.",
        "As a language model I cannot tell.",
        "Let us end the simulation here.",
    ],
)
def test_speaking_of_the_instructions(reviewed: Review, text: str) -> None:
    assert found(reviewed, ("user", text)) == [("revealed_instructions", "minor")]
    assert found(reviewed, ("user", text), scenario=f"You say: {text}") == []


def test_an_empty_turn(reviewed: Review) -> None:
    assert found(reviewed, ("user", " "), ("agent", "Are you there?")) == [("empty_turn", "minor")]
    assert [each.severity for each in reviewed([("agent", "Hello."), ("user", "")]).findings] == ["decisive"]
