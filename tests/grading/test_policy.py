"""POLICY: rules that packs declare of their policies, kept or broken by a record; reported but not in the reward"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.model.evaluation import Grade, Status

Gym = Callable[..., CompletedProcess[str]]
Grading = Callable[..., Grade]
Messages = Callable[..., list[dict[str, Any]]]
pytestmark = pytest.mark.domain("retail")
FIND = ("find_user_id_by_email", {"email": "a@example.com"}, "ada_byron_1")
LOOK = ("get_order_details", {"order_id": "#W1"}, '{"order_id": "#W1"}')
CANCEL = ("cancel_pending_order", {"order_id": "#W1", "reason": "no longer needed"}, '{"order_id": "#W1"}')


@pytest.fixture
def broken(strict: Grading, setting_of: Callable[..., Setting]) -> Callable[..., dict[str, str]]:
    """Return the rules that messages break, with the reasons; the domain is `retail` by default."""

    def run(messages: list[dict[str, Any]], domain: str = "retail", **fields: Any) -> dict[str, str]:
        grade = strict(messages, {"actions": [], "reward_basis": ["DB"]}, setting=setting_of(domain, **fields))
        verdict = grade.verdicts["POLICY"]
        assert verdict.status is Status.GRADED
        found = {check.what.partition(":")[0]: check.why for check in verdict.checks if not check.met}
        assert (verdict.reward, type(verdict.reward)) == (float(not found), float)
        return found

    return run


class TestConfirmation:
    @pytest.mark.parametrize(
        ("answer", "agreed"),
        [
            ("Yes, please.", True),
            ("ok", True),
            ("Please do, and thank you.", True),
            ("Go ahead", True),
            ("No, that is not OK.", False),
            ("Don't do that yet, sure?", False),
            ("What would I get back?", False),
            ("My order is #W1.", False),
            ("Yesterday you said so.", False),
        ],
    )
    def test_a_write_needs_a_yes_to_a_message_of_the_agent(
        self, broken: Callable[..., dict[str, str]], made: Messages, says: Messages, answer: str, agreed: bool
    ) -> None:
        asked = [*says("Cancel, yes!", "user"), *made(*FIND), *made(*LOOK), *says("I would cancel #W1. Right?")]
        found = broken([*asked, *says(answer, "user"), *made(*CANCEL)])
        expected = (
            {} if agreed else {"ask_before_a_change": "cancel_pending_order: the customer had not said yes to it"}
        )
        assert found == expected

    def test_the_request_itself_is_not_a_confirmation(
        self, broken: Callable[..., dict[str, str]], made: Messages, says: Messages
    ) -> None:
        found = broken([*says("Hello!"), *says("Yes, cancel it.", "user"), *made(*FIND), *made(*LOOK), *made(*CANCEL)])
        assert list(found) == ["ask_before_a_change"]

    @pytest.mark.parametrize("solo", [False, True])
    def test_solo_play_needs_no_confirmation(
        self, strict: Grading, setting_of: Callable[..., Setting], made: Messages, solo: bool
    ) -> None:
        messages = [*made(*FIND), *made(*LOOK), *made(*CANCEL)]
        criteria = {"actions": [], "reward_basis": ["DB"]}
        checks = strict(messages, criteria, setting=setting_of("retail"), solo=solo).verdicts["POLICY"].checks
        (check,) = [check for check in checks if check.what.startswith("ask_before_a_change:")]
        assert check.met is solo

    def test_a_yes_lasts_until_the_customer_says_something_else(
        self, broken: Callable[..., dict[str, str]], made: Messages, says: Messages
    ) -> None:
        agreed = [
            *says("Cancel.", "user"),
            *made(*FIND),
            *made(*LOOK),
            *says("#W1 and #W2?"),
            *says("Yes.", "user"),
            *made(*CANCEL),
        ]
        assert broken([*agreed, *made(*CANCEL)]) == {}
        assert list(broken([*agreed, *says("And?"), *says("Wait.", "user"), *made(*CANCEL)])) == ["ask_before_a_change"]

    def test_a_call_that_failed_changed_nothing(
        self, broken: Callable[..., dict[str, str]], made: Messages, says: Messages
    ) -> None:
        failed = made(CANCEL[0], CANCEL[1], "Error: no such order")
        assert broken([*says("Cancel.", "user"), *failed]) == {}


class TestOrder:
    def test_an_unknown_user_gets_no_information(
        self, broken: Callable[..., dict[str, str]], made: Messages, says: Messages
    ) -> None:
        why = "get_order_details: before it find_user_id_by_email or find_user_id_by_name_zip should have succeeded"
        assert broken([*says("#W1?", "user"), *made(*LOOK)]) == {"identify_first": why}
        not_found = made(FIND[0], FIND[1], "Error: nobody")
        assert broken([*says("#W1?", "user"), *not_found, *made(*LOOK)]) == {"identify_first": why}
        assert broken([*says("#W1?", "user"), *not_found, *made(*FIND), *made(*LOOK)]) == {}

    def test_only_the_user_found_by_the_search_may_be_served(
        self, broken: Callable[..., dict[str, str]], made: Messages, says: Messages
    ) -> None:
        def profile(user_id: str) -> list[dict[str, Any]]:
            return [*says("I am ada_byron_12.", "user"), *made(*FIND), *made("get_user_details", {"user_id": user_id})]

        assert broken(profile("ada_byron_1")) == {}
        searches = "find_user_id_by_email or find_user_id_by_name_zip"
        why = f"get_user_details: user_id 'ada_byron_12' was not known from {searches}"
        assert broken(profile("ada_byron_12")) == {"one_customer": why}

    def test_an_id_must_come_from_the_customer(
        self, broken: Callable[..., dict[str, str]], made: Messages, says: Messages
    ) -> None:
        look = made("get_user_details", {"user_id": "ada_1"})
        assert broken([*says("I am ADA_1.", "user"), *look], "airline") == {}
        assert list(broken([*says("I am Ada.", "user"), *look], "airline")) == ["user_id_from_the_customer"]

    def test_a_call_must_be_alone_in_its_turn(
        self, broken: Callable[..., dict[str, str]], made: Messages, says: Messages
    ) -> None:
        beside = made(*FIND, content="One moment.")
        assert broken([*says("Hi", "user"), *beside]) == {
            "one_thing_a_turn": "find_user_id_by_email: a call together with text"
        }
        (first, found), (second, nobody) = made(*FIND), made("find_user_id_by_name_zip", {}, "Error: nobody")
        together = {**first, "tool_calls": [*first["tool_calls"], *second["tool_calls"]]}
        assert broken([*says("Hi", "user"), together, found, nobody]) == {
            "one_thing_a_turn": "find_user_id_by_name_zip: 2 calls at once"
        }


class TestReport:
    def test_a_breach_does_not_affect_the_reward_by_default(self, gym: Gym, tmp_path: Path, plugin: Any) -> None:
        folder = plugin("hasty", HASTY)
        (tmp_path / "hard.yaml").write_text("extends: strict\nevaluators: {POLICY: {counts: always}}\n")
        rewards = {}
        for evaluators in ("strict", "hard.yaml"):
            chosen = [
                "--task",
                "cancel_order_bound_for_tucson",
                "--agent",
                "hasty",
                "--evaluators",
                evaluators,
                "--name",
                evaluators,
            ]
            done = gym("run", "retail", *chosen, "--json", paths=[folder])
            assert done.returncode == 0, done.stderr
            grade = json.loads((tmp_path / "runs" / evaluators / "grades.jsonl").read_text())
            assert grade["verdicts"]["POLICY"]["reward"] == 0.0
            rewards[evaluators] = grade["reward"]
        assert rewards == {"strict": 1.0, "hard.yaml": 0.0}

    def test_a_pack_without_rules_has_no_policy_verdict(self, strict: Grading) -> None:
        grade = strict([], {"actions": [], "reward_basis": ["DB"]})
        verdict = grade.verdicts["POLICY"]
        assert (verdict.status, verdict.reward) == (Status.VACUOUS, 1.0)

    def test_each_breach_is_recorded_with_its_turn_and_call(
        self, strict: Grading, setting_of: Callable[..., Setting], made: Messages, says: Messages
    ) -> None:
        messages = [*says("#W1?", "user"), *made(*LOOK)]
        grade = strict(messages, {"actions": [], "reward_basis": ["DB"]}, setting=setting_of("retail"))
        (check,) = [check for check in grade.verdicts["POLICY"].checks if not check.met]
        why = check.why.partition(": ")[2]
        assert check.evidence == [{"turn": 1, "call": "get_order_details({'order_id': '#W1'})", "why": why}]

    def test_a_dataset_has_no_policy_verdict(
        self, strict: Grading, setting_of: Callable[..., Setting], shared: Path
    ) -> None:
        criteria = {"actions": [], "reward_basis": ["DB"]}
        official = setting_of("retail", mode="tau2", dataset=shared / "tau2-bench")
        assert strict([], criteria, setting=official).verdicts["POLICY"].status is Status.VACUOUS


class TestCheck:
    def test_invalid_rules_are_reported_with_their_lines(self, gym: Gym, mock_copy: Path) -> None:
        manifest = mock_copy / "domain.yaml"
        text = manifest.read_text(encoding="utf-8")
        manifest.write_text(text.replace("evaluation:\n", "evaluation:\n  policy_checks: rules.yaml\n"))
        (mock_copy / "rules.yaml").write_text(WRONG, encoding="utf-8")
        done = gym("check", "--pack", mock_copy)
        assert done.returncode == 1
        for line, what in TOLD.items():
            assert f"mock: {mock_copy / 'rules.yaml'}:{line}: {what}" in done.stdout

    def test_a_rule_that_the_oracle_breaks_is_reported(self, gym: Gym, mock_copy: Path) -> None:
        manifest = mock_copy / "domain.yaml"
        text = manifest.read_text(encoding="utf-8")
        manifest.write_text(text.replace("evaluation:\n", "evaluation:\n  policy_checks: rules.yaml\n"))
        rule = "- {name: look, rule: Look first., tools: [update_task_status], after: [get_users]}\n"
        (mock_copy / "rules.yaml").write_text(rule, encoding="utf-8")
        done = gym("check", "--pack", mock_copy)
        assert done.returncode == 1
        assert (
            "task 'complete_task': the oracle breaks rule 'look': before it get_users should have succeeded "
            "(correct the gold, or the rule)" in done.stdout
        )


HASTY = """
from tau2_core import AgentSpec, AssistantMessage, ToolCall, hookimpl


class Hasty:
    def __init__(self, context):
        self.gold = list(context.gold.gold())
        self.facts = context.gold.evaluation_criteria.communicate_info

    async def reply(self, history):
        if not self.gold:
            return AssistantMessage(content="Everything is done. " + " ".join(self.facts))
        action = self.gold.pop(0)
        call = ToolCall(id=str(len(history)), name=action.name, arguments=action.arguments)
        return AssistantMessage(tool_calls=[call])


@hookimpl
def tau2_agents():
    return [AgentSpec("hasty", "asks nobody", Hasty, sees_gold=True)]
"""
WRONG = """\
- {name: a, rule: A., tools: [create_tsk], confirmed: true}
- {name: b, rule: B., after: [get_user]}
- {name: c, rule: C., tools: [create_task], known: {titel: [customer]}}
- {name: d, rule: D., tools: [create_task], known: {title: [custmer]}}
- {name: e, rule: E.}
- {name: f, rule: F., confirmed: true, after: [get_users]}
- {name: g, rule: G., confirmed: true, yes: "("}
- {name: a, rule: A., one_thing_a_turn: true}
"""
TOLD = {
    1: "rule 'a': the agent has no tool 'create_tsk' (did you mean 'create_task'?)",
    2: "rule 'b': the agent has no tool 'get_user' (did you mean 'get_users'?)",
    3: "rule 'c': none of its tools has a parameter 'titel' (did you mean 'title'?)",
    4: "rule 'd': the agent has no tool 'custmer' (did you mean 'customer'?)",
    5: "e: Value error, require exactly one of `confirmed`, `after`, `known` and `one_thing_a_turn`",
    6: "f: Value error, require exactly one of `confirmed`, `after`, `known` and `one_thing_a_turn`",
    7: "g: Value error, `yes` is not a usable regular expression: ",
    8: "rule 'a' occurs twice (rename one of them)",
}
