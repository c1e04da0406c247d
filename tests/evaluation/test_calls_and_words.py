"""ACTION and COMMUNICATE: what was called and said (spec/evaluation.md, 3.2 and 3.3)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tau2_core.model.evaluation import Status, Verdict

from tests.evaluation.messages import COMPLETE, COMPLETE_2, LOOK, WRONG, gold, made

Evaluate = Callable[..., Verdict]


def says(text: str, role: str = "assistant") -> list[dict[str, Any]]:
    return [{"role": role, "content": text}]


class TestActions:
    @pytest.mark.parametrize(
        ("wanted", "compare", "given", "met"),
        [
            ({"a": 1, "b": 2}, None, {"a": 1, "b": 2}, True),
            ({"a": 1, "b": 2}, None, {"b": 2, "a": 1}, True),
            ({"a": 1, "b": 2}, None, {"a": 1}, True),
            ({"a": 1, "b": 2}, None, {}, True),
            ({"a": 1}, None, {"a": 1, "b": None}, False),
            ({"a": 1}, None, {"a": 2}, False),
            ({"a": 1}, None, {"a": 1.0}, True),
            ({"a": 1}, None, {"a": True}, True),
            ({"a": 1}, None, {"a": "1"}, False),
            ({"a": [1, {"b": 2}]}, None, {"a": [1, {"b": 2}]}, True),
            ({"a": [1, 2]}, None, {"a": [2, 1]}, False),
            ({"a": 1, "b": 2}, ["a"], {"a": 1, "b": 9, "c": 9}, True),
            ({"a": 1, "b": 2}, ["a"], {"b": 2}, False),
            ({"a": 1, "b": 2}, ["a", "b"], {"a": 1}, False),
            ({"a": 1}, ["a", "z"], {"a": 1}, True),
            ({"a": 1}, ["z"], {"a": 2, "z": 1}, False),
            ({"a": 1}, [], {"x": 9}, True),
        ],
    )
    def test_arguments_in_compare_args_or_else_all_given_ones_are_compared(
        self, evaluate: Evaluate, wanted: dict[str, Any], compare: Any, given: dict[str, Any], met: bool
    ) -> None:
        actions = gold(("tool", wanted), compare_args=compare)
        assert evaluate("ACTION", made(("tool", given)), actions=actions).reward == float(met)

    @pytest.mark.parametrize("compare", [None, []])
    def test_the_names_must_be_equal(self, evaluate: Evaluate, compare: Any) -> None:
        assert evaluate("ACTION", made(("other", {})), actions=gold(("tool", {}), compare_args=compare)).reward == 0.0

    def test_order_count_and_side_of_calls_do_not_matter(self, evaluate: Evaluate) -> None:
        messages = [*made(COMPLETE_2, "user"), *made(LOOK), *made(COMPLETE), *made(COMPLETE)]
        assert evaluate("ACTION", messages, actions=gold(COMPLETE, COMPLETE_2)).reward == 1.0

    def test_one_call_may_serve_several_gold_calls(self, evaluate: Evaluate) -> None:
        assert evaluate("ACTION", made(COMPLETE), actions=gold(COMPLETE, COMPLETE)).reward == 1.0

    def test_failed_calls_and_calls_of_unknown_tools_count(self, evaluate: Evaluate) -> None:
        messages = [*made(WRONG, content="Error: words"), *made(("made_up", {"x": 1}), content="Error: words")]
        assert evaluate("ACTION", messages, actions=gold(WRONG, ("made_up", {"x": 1}))).reward == 1.0

    def test_all_gold_calls_must_be_made_and_near_misses_are_reported(self, evaluate: Evaluate) -> None:
        verdict = evaluate(
            "ACTION", [*made(LOOK), *made(COMPLETE_2)], actions=gold(LOOK, COMPLETE, ("never", {"k": 1}))
        )
        assert (verdict.reward, [check.met for check in verdict.checks]) == (0.0, [True, False, False])
        update = "g1: update_task_status(task_id='task_1', status='completed')"
        assert [(check.what, check.why, check.evidence) for check in verdict.checks] == [
            ("g0: get_users()", "", []),
            (update, "called once, but with other arguments", [{"made": COMPLETE_2[1]}]),
            ("g2: never(k=1)", "never called", []),
        ]

    def test_a_gold_call_needs_no_name_of_its_own(self, evaluate: Evaluate) -> None:
        actions = [{**each, "action_id": ""} for each in gold(LOOK)]
        assert [check.what for check in evaluate("ACTION", made(LOOK), actions=actions).checks] == ["get_users()"]

    @pytest.mark.parametrize("actions", [None, []])
    def test_none_are_made_by_rule(self, evaluate: Evaluate, actions: Any) -> None:
        verdict = evaluate("ACTION", [], actions=actions)
        assert (verdict.status, verdict.reward) == (Status.VACUOUS, 1.0)


class TestCommunication:
    @pytest.mark.parametrize(
        ("text", "message", "met"),
        [
            ("1234", "It is $1,234.50.", True),
            ("1,234", "It is $1,234.50.", False),
            ("4", "You have 14.", True),
            ("total", "TOTAL: 5", True),
            ("TOTAL", "the total", True),
            ("a b", "a, b", True),
            ("", "x", True),
            ("x", "y", False),
        ],
    )
    def test_a_text_is_found_as_a_substring_ignoring_case_and_the_messages_commas(
        self, evaluate: Evaluate, text: str, message: str, met: bool
    ) -> None:
        assert evaluate("COMMUNICATE", says(message), communicate_info=[text]).reward == float(met)

    @pytest.mark.parametrize(
        ("messages", "met"),
        [
            ([*says("pay 10"), *says("0 dollars")], False),
            (says("100", role="user"), False),
            (made(LOOK, content="100"), False),
            (made(LOOK, content="x") + says("It is 100"), True),
        ],
    )
    def test_a_text_must_be_within_one_message_of_the_agent(
        self, evaluate: Evaluate, messages: list[Any], met: bool
    ) -> None:
        assert evaluate("COMMUNICATE", messages, communicate_info=["100"]).reward == float(met)

    def test_text_next_to_a_call_counts(self, evaluate: Evaluate) -> None:
        messages = [{**made(LOOK)[0], "content": "It is 100."}, made(LOOK)[1]]
        assert evaluate("COMMUNICATE", messages, communicate_info=["100"]).reward == 1.0

    def test_even_an_empty_text_needs_a_message(self, evaluate: Evaluate) -> None:
        assert evaluate("COMMUNICATE", says(" "), communicate_info=[""]).reward == 0.0

    def test_all_texts_must_be_said_and_are_reported_with_their_place(self, evaluate: Evaluate) -> None:
        verdict = evaluate("COMMUNICATE", says("Five it is."), communicate_info=["five", "six", "1,000"])
        assert (verdict.reward, [check.met for check in verdict.checks]) == (0.0, [True, False, False])
        assert (verdict.checks[0].why, verdict.checks[0].evidence) == ("said", [{"message": "Five it is."}])
        assert verdict.checks[1].why == "never said"
        assert "can never be found" in verdict.checks[2].why

    @pytest.mark.parametrize("wanted", [None, []])
    def test_nothing_is_said_by_rule(self, evaluate: Evaluate, wanted: Any) -> None:
        verdict = evaluate("COMMUNICATE", [], communicate_info=wanted)
        assert (verdict.status, verdict.reward) == (Status.VACUOUS, 1.0)
