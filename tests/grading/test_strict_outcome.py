"""OUTCOME of the set `strict`: what was achieved, what was looked up, and who said it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.model.evaluation import Grade, Status, Verdict
from tau2_core.model.messages import ToolCall

Grading = Callable[..., Grade]
Messages = Callable[..., list[dict[str, Any]]]
Outcome = Callable[..., Verdict]
COMPLETE: tuple[str, dict[str, Any]] = ("update_task_status", {"task_id": "task_1", "status": "completed"})
TRANSFER: tuple[str, dict[str, Any]] = ("transfer_to_human_agents", {"summary": "A wish."})
WORDS = "I am sorry, that is not allowed."


def action(name: str, arguments: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"action_id": "g", "name": name, "arguments": arguments or {}, **fields}


@pytest.fixture
def answer(setting_of: Callable[..., Setting]) -> Callable[..., str]:
    """Return the text that a call in the start state returns."""

    def call(name: str, arguments: dict[str, Any] | None = None) -> str:
        return Environment(setting_of("mock")).call(ToolCall(name=name, arguments=arguments or {})).content

    return call


@pytest.fixture
def outcome(strict: Grading, made: Messages, says: Messages) -> Callable[..., Verdict]:
    """Grade what the agent does between two messages of the customer, in a task whose gold changes nothing."""

    def run(wanted: str | None, *done: list[dict[str, Any]], gold: Any = (), **more: Any) -> Verdict:
        middle = [message for part in done for message in part]
        messages = [
            *says("Hello, what can I do?"),
            *says("I have another wish today.", "user"),
            *middle,
            *says("###STOP###", "user"),
        ]
        criteria = {"actions": list(gold), "reward_basis": ["DB"]}
        return strict(messages, criteria, outcome=wanted, **more).verdicts["OUTCOME"]

    return run


def test_refusals_transfers_and_silence_are_distinguished(outcome: Outcome, made: Messages, says: Messages) -> None:
    ways = {
        "refuses": says("I am sorry, that is not allowed."),
        "transfers": made(*TRANSFER) + says("You are being transferred now."),
        "changes": made(*COMPLETE) + says("I have done it for you."),
        "is silent": says("…"),
        "fails": made(*TRANSFER[:1], {}, "Error: no") + says("Sorry, that is not possible."),
    }
    found = {
        (wanted, way): outcome(wanted, messages).reward
        for wanted in ("refused", "transferred", "done")
        for way, messages in ways.items()
    }
    assert {key for key, reward in found.items() if reward == 1.0} == {
        ("refused", "refuses"),
        ("refused", "fails"),
        ("transferred", "transfers"),
        ("done", "refuses"),
        ("done", "changes"),
        ("done", "fails"),
    }


def test_information_in_the_gold_reads_must_be_looked_up(outcome: Outcome, made: Messages, says: Messages) -> None:
    gold = [action("get_users")]
    refusal = says("I am sorry, that is not allowed.")
    verdict = outcome("refused", refusal, gold=gold)
    assert (verdict.reward, verdict.checks[1].why) == (0.0, "never looked up")
    assert outcome("refused", made("get_users"), refusal, gold=gold).reward == 1.0
    assert outcome("done", refusal, gold=gold).reward == 1.0  # the state shows what was done
    assert outcome("refused", made("get_users"), refusal, gold=[*gold, action(*COMPLETE)]).reward == 1.0
    assert outcome("refused", refusal, gold=[action("no_such_tool")]).reward == 1.0


def test_another_call_with_the_same_answer_counts_as_looked_up(
    outcome: Outcome,
    made: Messages,
    says: Messages,
    setting_of: Callable[..., Setting],
) -> None:
    gold, refusal = [action("get_users")], says("I am sorry, that is not allowed.")
    answer = Environment(setting_of("mock")).call(ToolCall(name="get_users", arguments={})).content
    assert outcome("refused", made("list_people", {}, answer), refusal, gold=gold).reward == 1.0
    assert outcome("refused", made("list_people", {}, f"{answer} "), refusal, gold=gold).reward == 0.0
    renamed = answer.replace("Rosa", "Roza")
    state = {"initialization_data": {"agent_data": {"users": {"rosa_delgado": {"name": "Roza Delgado"}}}}}
    assert renamed != answer
    assert outcome("refused", made("list_people", {}, renamed), refusal, gold=gold, state=state).reward == 1.0
    assert outcome("refused", made("list_people", {}, answer), refusal, gold=gold, state=state).reward == 0.0


@pytest.mark.parametrize(
    ("words", "reward"), [("No.", 0.0), ("No, sorry!", 0.0), ("No, not today.", 1.0), ("1 2 3 a b c", 0.0)]
)
def test_a_refusal_takes_three_words(outcome: Outcome, says: Messages, words: str, reward: float) -> None:
    assert outcome("refused", says(words)).reward == reward


def test_a_gold_without_changes_means_that_no_outcome_is_specified(
    outcome: Outcome, made: Messages, says: Messages
) -> None:
    refusal, transfer = says("I am sorry, that is not allowed."), made(*TRANSFER)
    handing_over = [action(*TRANSFER, compare_args=[])]
    assert outcome(None, refusal).reward == 1.0
    silence = outcome(None, says("…"))
    assert (silence.reward, silence.checks[0].why) == (0.0, "it was: silent")
    assert outcome(None, transfer, refusal).reward == 0.0
    assert outcome(None, transfer, refusal, gold=handing_over).reward == 1.0
    assert outcome(None, refusal, gold=handing_over).reward == 0.0
    unspecified = outcome(None, refusal, gold=[action(*COMPLETE)])
    assert (unspecified.status, unspecified.reward, unspecified.checks) == (Status.VACUOUS, 1.0, [])
    failing = action(COMPLETE[0], {"task_id": "none", "status": "completed"})
    assert outcome(None, refusal, gold=[failing]).reward == 1.0  # a gold call that fails changes nothing
    assert outcome(None, says("…"), gold=[failing]).reward == 0.0


def test_without_gold_only_a_declared_outcome_counts(strict: Grading, says: Messages) -> None:
    messages, criteria = [*says("A wish.", "user"), *says("…")], {"communicate_info": ["5"]}
    assert strict(messages, criteria).verdicts["OUTCOME"].status is Status.VACUOUS
    assert strict(messages, criteria, outcome="refused").verdicts["OUTCOME"].reward == 0.0


def test_what_it_was_instead_is_named(outcome: Outcome, made: Messages, says: Messages) -> None:
    changed = made(*COMPLETE) + says("I have done it for you.")
    assert outcome("refused", changed).checks[0].why == "it was: done"
    assert outcome("transferred", changed).checks[0].why == "it was: not transferred"
    assert outcome("refused", made(*TRANSFER), says(WORDS)).checks[0].why == "it was: transferred"


def test_in_solo_play_nobody_waits_for_words(
    outcome: Outcome, made: Messages, setting_of: Callable[..., Setting]
) -> None:
    assert outcome("done", made(*COMPLETE), setting=setting_of("mock", solo=True)).reward == 1.0
    assert outcome("done", made(*COMPLETE)).reward == 0.0


def test_every_lookup_of_the_gold_counts_also_after_a_write_and_of_unknown_tools_none(
    outcome: Outcome, made: Messages, says: Messages
) -> None:
    gold = [action(*COMPLETE), action("get_users")]
    assert outcome("refused", says(WORDS), gold=gold).reward == 0.0
    assert outcome("refused", made("get_users"), says(WORDS), gold=gold).reward == 1.0
    assert outcome(None, says(WORDS), gold=[action("no_such_tool")]).reward == 1.0


def test_only_the_result_of_a_successful_call_lets_it_be_known(
    outcome: Outcome, made: Messages, says: Messages, answer: Callable[..., str]
) -> None:
    gold, text = [action("get_users")], answer("get_users")
    assert outcome("refused", says(text), says(WORDS), gold=gold).reward == 0.0
    call, result = made("list_people", {}, text)
    assert outcome("refused", [call, {**result, "error": True}], says(WORDS), gold=gold).reward == 0.0
    assert outcome("refused", [call, result], says(WORDS), gold=gold).reward == 1.0


def test_a_transfer_with_another_summary_is_not_the_golds(
    outcome: Outcome, made: Messages, says: Messages, answer: Callable[..., str]
) -> None:
    other = made(TRANSFER[0], {"summary": "Another."}, answer(*TRANSFER))
    verdict = outcome("transferred", other, says(WORDS), gold=[action(*TRANSFER)])
    assert [(check.met, check.why) for check in verdict.checks] == [(True, ""), (False, "never looked up")]
