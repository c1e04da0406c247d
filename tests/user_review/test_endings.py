"""Customers that end a conversation at the wrong moment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tau2_core.model.episodes import Termination

from tests.user_review.conftest import Review

pytestmark = pytest.mark.domain("mock", "telecom")
QUESTION = "I will mark it as completed. Do you confirm (yes/no)?"
WANTS = ["update_task_status"]
DONE = ("agent", "update_task_status()")
AGREEMENTS = ["Yes, please go ahead.", "Sure, proceed.", "Yes.", "Perfect, confirmed.", ""]
TOKENS = ["###STOP###"]


def found(review: Review, *turns: tuple[str, str], **more: object) -> set[tuple[str, str]]:
    return {(each.detector, each.severity) for each in review(turns, **more).findings}


@given(said=st.sampled_from(AGREEMENTS), token=st.sampled_from(TOKENS), done=st.booleans())
def test_a_stop_in_place_of_a_confirmation(reviewed: Review, said: str, token: str, done: bool) -> None:
    before = [("agent", "update_task_status()")] if done else []
    faults = found(
        reviewed, ("user", "Complete my task."), *before, ("agent", QUESTION), ("user", said + token), wants=WANTS
    )
    assert ("ended_at_confirmation", "minor" if done else "decisive") in faults


@pytest.mark.parametrize(
    "last",
    [
        "No, leave it as it is. ###STOP###",
        "I do not want that. ###STOP###",
        "###OUT-OF-SCOPE###",
    ],
)
def test_a_refusal_is_an_answer(reviewed: Review, last: str) -> None:
    assert found(reviewed, ("user", "Complete my task."), ("agent", QUESTION), ("user", last), wants=WANTS) == set()


@pytest.mark.parametrize(
    "offer", ["Is there anything else I can do for you?", "Let me know if you have further questions."]
)
def test_an_offer_of_more_help_needs_no_answer(reviewed: Review, offer: str) -> None:
    turns = [("user", "Complete my task."), DONE, ("agent", f"It is done. {offer}"), ("user", "Thanks! ###STOP###")]
    assert found(reviewed, *turns, wants=WANTS) == set()


def test_a_stop_in_the_message_that_asks(reviewed: Review) -> None:
    turns = [("user", "Hello."), ("agent", "Tell me the task."), ("user", "Can you complete my task? ###STOP###")]
    assert ("ended_early", "decisive") in found(reviewed, *turns, wants=WANTS)


def test_a_stop_while_the_agent_works(reviewed: Review) -> None:
    turns = [("user", "Complete my task."), ("agent", "One moment, I will update it."), ("user", "###STOP###")]
    assert ("ended_early", "decisive") in found(reviewed, *turns, wants=WANTS)
    assert found(reviewed, *turns, wants=[]) == set()  # the task wants nothing changed, so nothing is missing


def test_a_failed_call_serves_no_wish(reviewed: Review) -> None:
    turns = [("user", "Complete it."), ("agent", "update_task_status()!"), ("agent", QUESTION), ("user", "###STOP###")]
    assert ("ended_at_confirmation", "decisive") in found(reviewed, *turns, wants=WANTS)


def test_a_customer_may_give_up_on_an_agent_that_does_nothing(reviewed: Review) -> None:
    turns = [
        ("user", "Complete my task."),
        ("agent", "Hm."),
        ("user", "Please."),
        ("agent", "Hm."),
        ("user", "###STOP###"),
    ]
    assert found(reviewed, *turns, wants=WANTS) == set()


def test_texts_after_a_transfer(reviewed: Review) -> None:
    transfer = [("user", "A person, please."), ("agent", "transfer_to_human_agents()")]
    told = [*transfer, ("agent", "You are transferred to a human agent.")]
    assert found(reviewed, *told, ("user", "###TRANSFER###")) == set()
    assert found(reviewed, *told, ("user", "And my order?"), ("agent", "…"), ("user", "###STOP###")) == {
        ("went_on_after_end", "minor")
    }
    asked = [*transfer, ("agent", "You are transferred to a human agent. Which order is it?")]
    assert found(reviewed, *asked, ("user", "The first."), ("agent", "Fine."), ("user", "###TRANSFER###")) == set()


@given(times=st.integers(1, 6))
def test_farewells_that_do_not_end(reviewed: Review, times: int) -> None:
    turns = [turn for n in range(times) for turn in (("user", f"Thanks, bye, number {n}!"), ("agent", "Goodbye."))]
    findings = reviewed([*turns, ("user", "###STOP###")]).findings
    assert [each.detector for each in findings] == ["went_on_after_end"] * max(times - 2, 0)


def test_only_the_customer_s_own_stop_counts(reviewed: Review) -> None:
    turns = [("user", "Complete my task."), ("agent", QUESTION), ("user", "")]
    assert ("ended_at_confirmation", "decisive") not in found(
        reviewed, *turns, wants=WANTS, ended=Termination.MAX_STEPS
    )
