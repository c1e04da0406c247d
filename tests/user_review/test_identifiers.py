"""Identifiers that a customer cannot know."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tau2_core import AssistantMessage, ToolCall

from tests.user_review.conftest import Review

pytestmark = pytest.mark.domain("mock", "telecom")
digits, capitals = st.sampled_from(string.digits), st.sampled_from(string.ascii_uppercase)
codes = st.one_of(
    st.text(digits, min_size=5, max_size=9).filter(lambda code: not code.startswith(("19", "20"))),
    st.builds("#W{}".format, st.text(digits, min_size=7, max_size=7)),
    st.builds(
        "{}{}{}".format, st.text(capitals, min_size=2, max_size=3), st.text(digits, min_size=2, max_size=3), capitals
    ),
    st.builds("anna_berg_{}".format, st.text(digits, min_size=4, max_size=4)),
    st.builds("{}@example.com".format, st.text(st.sampled_from(string.ascii_lowercase), min_size=3, max_size=9)),
    st.builds("555-{}-{}".format, st.text(digits, min_size=3, max_size=3), st.text(digits, min_size=4, max_size=4)),
)


def detectors(review: Review, *turns: tuple[str, str], scenario: str = "You want help.") -> list[tuple[str, str, str]]:
    found = review([*turns, ("user", "###STOP###")], scenario=scenario).findings
    return [(each.detector, each.severity, each.words) for each in found]


@given(code=codes)
def test_a_code_from_nowhere_is_invented(reviewed: Review, code: str) -> None:
    assert detectors(reviewed, ("user", f"It is {code}, I think.")) == [("invented_identifier", "minor", code)]


@given(code=codes, spaced=st.booleans())
def test_what_the_customer_knows_is_not_invented(reviewed: Review, code: str, spaced: bool) -> None:
    written = code.upper() if spaced else code
    assert detectors(reviewed, ("user", f"It is {code}."), scenario=f"Your code is {written}.") == []
    assert detectors(reviewed, ("agent", f"Is it {written}?"), ("user", f"Yes, {code}.")) == []


@given(code=codes)
def test_it_must_be_known_before_it_is_said(reviewed: Review, code: str) -> None:
    turns = [("user", f"It is {code}."), ("agent", f"So {code}.")]
    assert detectors(reviewed, *turns) == [("invented_identifier", "minor", code)]


@given(said=st.integers(1000, 9999), own=st.integers(1000, 9999))
def test_another_identifier_of_the_scenario_s_form_contradicts_it(reviewed: Review, said: int, own: int) -> None:
    assume(said != own)
    turn = ("user", f"My user id is anna_berg_{said}.")
    [(detector, _, words)] = detectors(reviewed, turn, scenario=f"You are anna_berg_{own}.")
    assert (detector, words) == ("contradicted_identifier", f"anna_berg_{said}")
    [(detector, _, _)] = detectors(reviewed, turn, scenario=f"You are anna_berg_{own} or carl_holm_{own}.")
    assert detector == "invented_identifier"


def test_a_number_may_get_its_letter(reviewed: Review) -> None:
    assert detectors(reviewed, ("user", "It is #W1234567."), scenario="Your order is 1234567.") == []


@pytest.mark.parametrize(
    "text",
    [
        "It cost $1,234.56, about 1300 dollars, in 2024.",
        "A 15-inch screen, 128GB and 1080p at 10:30 am, 24 hours a day.",
        "I want 3 of the 12 items, the 2nd one in size 42.",
        "On the 4G network it is 5 times slower.",
    ],
)
def test_amounts_times_and_quantities_are_no_identifiers(reviewed: Review, text: str) -> None:
    assert detectors(reviewed, ("user", text)) == []


@pytest.mark.parametrize("said", ["May 20", "20 May", "2024-05-20", "5/20/2024", "the 20th of May"])
def test_dates_are_compared_in_every_form(reviewed: Review, said: str) -> None:
    assert detectors(reviewed, ("user", f"On {said}."), scenario="You leave on 2024-05-20.") == []
    assert detectors(reviewed, ("user", f"On {said}."), scenario="You leave on May 22nd, two days later.") == []
    [(detector, _, _)] = detectors(reviewed, ("user", f"On {said}."), scenario="You leave soon.")
    assert detector == "invented_identifier"


def test_names_and_addresses(reviewed: Review) -> None:
    scenario = "You are Anna Berg of 12 Elm Street."
    assert detectors(reviewed, ("user", "My name is Anna Berg, I live at 12 Elm Street."), scenario=scenario) == []
    found = detectors(reviewed, ("user", "My name is Carl Holm, I live at 7 Oak Lane."), scenario=scenario)
    assert sorted(found) == [
        ("contradicted_identifier", "minor", "7 Oak Lane"),
        ("invented_identifier", "minor", "Carl Holm"),
    ]


def test_it_is_decisive_once_the_agent_acts_on_it(reviewed: Review) -> None:
    def acted(arguments: dict[str, str]) -> str:
        call = ToolCall(id="1", name="update_task_status", arguments=arguments)
        turns = [("user", "It is #W1234567."), AssistantMessage(tool_calls=[call]), ("user", "###STOP###")]
        [finding] = reviewed(turns).findings
        return finding.severity

    assert acted({"task_id": "#W1234567", "status": "completed"}) == "decisive"
    assert acted({"task_id": "task_5", "status": "completed"}) == "minor"
