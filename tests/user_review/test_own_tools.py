"""Customers that use their own tools against what was asked, and what they say of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core import LoadedDomain

from tests.user_review.conftest import Review

pytestmark = pytest.mark.domain("mock", "telecom")
END = ("user", "###STOP###")
ASKS = ("agent", "Please toggle the airplane mode.")


Found = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def found(reviewed: Review, telecom: LoadedDomain) -> Found:
    def listed(*turns: tuple[str, str], scenario: str = "You want help.") -> list[tuple[str, str]]:
        review = reviewed([*turns, END], scenario=scenario, domain=telecom)
        return [(each.detector, each.severity) for each in review.findings]

    return listed


def test_a_call_that_was_asked_for(found: Found) -> None:
    assert found(ASKS, ("user", "toggle_airplane_mode()"), ("user", "I did.")) == []
    assert found(("agent", "Hello."), ("user", "toggle_airplane_mode()"), scenario="You toggle airplane mode.") == []


def test_a_call_that_nobody_asked_for(found: Found) -> None:
    assert found(("agent", "Hello."), ("user", "toggle_airplane_mode()")) == [("unasked_own_call", "decisive")]
    assert found(("agent", "Hello."), ("user", "check_status_bar()")) == []  # it changes nothing


def test_a_wrong_call(found: Found) -> None:
    assert found(ASKS, ("user", "toggle_airplane_mode()!")) == [("wrong_own_call", "minor")]
    assert found(ASKS, ("user", "toggle_rocket_mode()")) == [("wrong_own_call", "minor")]


@given(
    opening=st.sampled_from(["I've turned off", "Okay, I have switched", "Done, I just toggled", "Good. I turned on"])
)
def test_a_claim_without_a_call(reviewed: Review, telecom: LoadedDomain, opening: str) -> None:
    claim = ("user", f"{opening} the airplane mode.")
    lied = reviewed([ASKS, claim, END], domain=telecom).findings
    assert [(each.detector, each.severity) for each in lied] == [("claimed_without_call", "decisive")]
    assert reviewed([ASKS, ("user", "toggle_airplane_mode()"), claim, END], domain=telecom).findings == []


def test_a_refusal_to_use_a_tool(found: Found) -> None:
    refusal = ("user", "I would rather not touch the airplane mode.")
    assert found(ASKS, refusal) == [("refused_own_tool", "minor")]
    assert found(ASKS, refusal, scenario="You would rather not touch your settings.") == []
    assert found(("agent", "Hello."), refusal) == []
