"""Policy rules on short records: what counts as a yes, and from where a value may be known."""

from __future__ import annotations

from typing import Any

import pytest
from tau2_core.evaluators.strict.policy import breaches
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.policy_rules import PolicyRule

ASK = PolicyRule(name="ask", rule="Ask first.", tools=["cancel"], confirmed=True)
Messages = list[dict[str, Any]]


def says(role: str, text: str) -> Messages:
    return [{"role": role, "content": text}]


def calls(
    role: str, name: str, answer: str | None = "", *, error: bool = False, text: str = "", **arguments: Any
) -> Messages:
    call = {"id": "1", "name": name, "arguments": arguments, "requestor": role}
    result = {"role": "tool", "id": "1", "content": answer, "requestor": role, "error": error}
    return [{"role": role, "content": text, "tool_calls": [call]}, result]


def broken(rule: PolicyRule, *parts: Messages, solo: bool = False) -> list[str]:
    """Return why the agent's call of `cancel` breaks a rule."""
    fields = {"domain": "d", "task_id": "t", "trial": 0, "seed": 0, "mode": "strict", "termination": "user_stop"}
    messages = [message for part in parts for message in part]
    record = EpisodeRecord.model_validate({**fields, "solo": solo, "messages": messages})
    return [breach.why for breach in breaches(rule, record)]


def known(**sources: list[str]) -> PolicyRule:
    return PolicyRule(name="known", rule="Look it up.", tools=["cancel"], known=sources)


WISH, YES, QUESTION = says("user", "Cancel it."), says("user", "Yes."), says("assistant", "Shall I?")
CANCEL = calls("assistant", "cancel")


@pytest.mark.parametrize(
    ("before", "agreed"),
    [
        ([WISH, QUESTION, YES], True),
        ([WISH, WISH, QUESTION, YES], True),
        ([YES, QUESTION, YES], True),  # a yes in the same words as before
        ([WISH, YES, QUESTION], False),
        ([WISH, says("assistant", " "), YES], False),
        ([WISH, calls("assistant", "look", text="Shall I?"), YES], False),
        ([WISH, QUESTION, YES, calls("user", "look", text="Wait, no.")], True),
        ([WISH, QUESTION, YES, says("user", " ")], True),
    ],
)
def test_a_yes_answers_what_the_agent_said(before: list[Messages], agreed: bool) -> None:
    assert broken(ASK, *before, CANCEL) == ([] if agreed else ["the customer had not said yes to it"])


def test_a_call_of_the_customer_breaks_no_rule() -> None:
    assert broken(ASK, WISH, calls("user", "cancel")) == []
    assert broken(ASK, WISH, calls("assistant", "cancel")) != []


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ([calls("assistant", "find", "order 7 of Ann")], True),
        ([calls("assistant", "find", "none"), calls("assistant", "find", "7"), calls("assistant", "find")], True),
        ([calls("assistant", "find", None)], False),
        ([calls("assistant", "find", "77")], False),
        ([calls("assistant", "find", "no order 7", error=True)], False),
        ([calls("assistant", "list", "7")], False),
        ([calls("user", "find", "7")], False),
        ([calls("assistant", "find", "7")[:1]], False),
        ([says("user", "7"), says("assistant", "7")], False),
    ],
)
def test_a_value_is_known_from_a_successful_call_of_the_named_tools(before: list[Messages], found: bool) -> None:
    why = [] if found else ["order 7 was not known from find"]
    assert broken(known(order=["find"]), *before, calls("assistant", "cancel", order=7)) == why
    assert broken(known(order=["find"]), *before, calls("assistant", "cancel")) == []


def test_a_value_may_be_known_from_the_customer() -> None:
    rule, cancel = known(order=["find", "customer"]), calls("assistant", "cancel", order="A7")
    assert broken(rule, says("user", "Hello"), says("user", "It is a7."), cancel) == []
    assert broken(rule, says("user", "Hello"), calls("assistant", "find", "A7"), cancel) == []
    assert broken(rule, says("assistant", "Is it A7?"), cancel) == ["order 'A7' was not known from find or customer"]


def test_in_solo_play_rules_about_a_customer_do_not_apply() -> None:
    cancel = calls("assistant", "cancel", order="A7")
    assert broken(ASK, cancel, solo=True) == []
    assert broken(known(order=["find"], name=["customer"]), cancel, solo=True) == []
    assert broken(known(order=["find"]), cancel, solo=True) == ["order 'A7' was not known from find"]
