"""DB and ENV_ASSERTION: the state after the conversation (spec/evaluation.md, 3.1)"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.evaluators.grade import Grader
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.model.evaluation import Evidence, Grade, Status, Verdict
from tau2_core.model.messages import ToolCall
from tau2_core.model.registrations import EvaluatorSpec
from tau2_core.model.tasks import Task
from tau2_core.model.tools import Failure
from tau2_core.plugins.discovery import discover

from tests.evaluation.messages import COMPLETE, COMPLETE_2, LOOK, WRONG, gold, made

SettingOf = Callable[..., Setting]
Evaluate = Callable[..., Verdict]
DISMISS = ("dismiss_notification", {"notification_id": "notice_1"})


def assertion(status: str, task_id: str = "task_1", **fields: Any) -> dict[str, Any]:
    arguments = {"task_id": task_id, "expected_status": status}
    return {"env_type": "assistant", "func_name": "assert_task_status", "arguments": arguments, **fields}


class TestDatabase:
    def test_with_neither_actions_nor_assertions_nothing_is_compared(self, evaluate: Evaluate) -> None:
        verdict = evaluate("DB", made(COMPLETE))
        assert (verdict.status, verdict.reward) == (Status.VACUOUS, 1.0)

    @pytest.mark.parametrize("criteria", [{"actions": []}, {"env_assertions": []}])
    @pytest.mark.parametrize(("messages", "reward"), [([], 1.0), (made(LOOK), 1.0), (made(COMPLETE), 0.0)])
    def test_an_empty_list_means_that_nothing_may_change(
        self, evaluate: Evaluate, criteria: dict[str, Any], messages: list[Any], reward: float
    ) -> None:
        verdict = evaluate("DB", messages, **criteria)
        assert (verdict.status, verdict.reward) == (Status.GRADED, reward)

    def test_the_path_to_the_end_state_does_not_matter(self, evaluate: Evaluate) -> None:
        detour = ("update_task_status", {"task_id": "task_1", "status": "pending"})
        messages = [*made(COMPLETE_2), *made(COMPLETE), *made(detour), *made(LOOK), *made(COMPLETE)]
        assert evaluate("DB", messages, actions=gold(COMPLETE, COMPLETE_2)).reward == 1.0

    def test_the_evidence_is_every_path_that_differs_with_golds_value_and_ours(self, evaluate: Evaluate) -> None:
        verdict = evaluate("DB", made(COMPLETE_2), actions=gold(COMPLETE))
        agent, user = verdict.checks
        assert (verdict.reward, agent.met, user.met, user.evidence) == (0.0, False, True, [])
        assert agent.evidence == [
            {"path": "tasks.task_1.status", "old": "completed", "new": "pending"},
            {"path": "tasks.task_2.status", "old": "pending", "new": "completed"},
        ]
        assert (agent.why, user.why) == ("differs from the gold's end state at 2 paths", "")

    def test_the_customers_database_counts_as_well(self, evaluate: Evaluate) -> None:
        verdict = evaluate("DB", made(DISMISS, "user"), actions=[])
        assert (verdict.reward, [check.met for check in verdict.checks]) == (0.0, [True, False])
        assert verdict.checks[1].why == "differs from the gold's end state at 1 path"
        assert evaluate("DB", made(DISMISS, "user"), actions=gold(DISMISS, requestor="user")).reward == 1.0

    def test_a_failing_gold_call_is_skipped(self, evaluate: Evaluate) -> None:
        assert evaluate("DB", made(COMPLETE), actions=gold(WRONG, COMPLETE, ("none", {}))).reward == 1.0

    def test_a_failed_call_is_replayed(self, evaluate: Evaluate) -> None:
        messages = [*made(WRONG, content="Error: words"), *made(COMPLETE)]
        assert evaluate("DB", messages, actions=gold(COMPLETE)).reward == 1.0

    def test_a_call_whose_recorded_answer_differs_still_counts(self, evaluate: Evaluate) -> None:
        assert evaluate("DB", made(COMPLETE, content="something else"), actions=gold(COMPLETE)).reward == 1.0

    def test_gold_is_never_solo_even_if_the_episode_was(self, evaluate: Evaluate, setting_of: SettingOf) -> None:
        solo = setting_of("mock", mode="tau2", solo=True)
        actions = gold(DISMISS, requestor="user")
        assert evaluate("DB", made(DISMISS), actions=actions, setting=solo).reward == 1.0
        assert evaluate("DB", made(DISMISS), actions=gold(DISMISS), setting=solo).reward == 0.0

    @pytest.mark.parametrize(
        "state",
        [
            {"initialization_data": {"agent_data": {"tasks": {"task_1": {"title": "Other"}}}}},
            {
                "initialization_actions": [
                    {"env_type": "assistant", "func_name": COMPLETE_2[0], "arguments": COMPLETE_2[1]}
                ]
            },
        ],
    )
    def test_both_sides_start_from_the_tasks_start_state(self, evaluate: Evaluate, state: dict[str, Any]) -> None:
        assert evaluate("DB", made(COMPLETE), actions=gold(COMPLETE), state=state).reward == 1.0
        assert evaluate("DB", made(COMPLETE), actions=[], state=state).reward == 0.0

    def test_effects_of_the_history_count_once_and_on_both_sides(self, evaluate: Evaluate) -> None:
        create = ("create_task", {"user_id": "piet_lindgren", "title": "Sew"})
        result = '{"task_id": "task_7", "title": "Sew", "description": null, "status": "pending"}'
        history = made(create, content=result)
        state = {"message_history": history}
        assert evaluate("DB", [*history, *made(COMPLETE)], actions=gold(COMPLETE), state=state).reward == 1.0
        assert evaluate("DB", made(COMPLETE), actions=gold(COMPLETE), state=state).reward == 0.0

    def test_gold_calls_are_not_followed_by_a_sync(
        self, evaluate: Evaluate, small_pack: Callable[..., Setting]
    ) -> None:
        handlers = (
            "def note(db) -> str:\n    db.items['a'].tags.append('note')\n    return 'noted'\n\n"
            "def sync(agent, user) -> None:\n    agent.items['b'].count = 10 * len(agent.items['a'].tags)\n"
        )
        options: dict[str, Any] = {"user_tools": {}, "sync": "handlers.tools:sync", "mode": "tau2"}
        setting = small_pack(handlers, {"note": {"kind": "write"}}, **options)
        verdict = evaluate("DB", made(("note", {}), content="noted"), actions=gold(("note", {})), setting=setting)
        assert verdict.checks[0].evidence == [{"path": "items.b.count", "old": 10, "new": 20}]

    def test_fifty_of_many_differences_are_shown_and_all_are_counted(
        self, evaluate: Evaluate, small_pack: Callable[..., Setting]
    ) -> None:
        handlers = "def fill(db) -> str:\n    db.items['a'].tags.extend(map(str, range(51)))\n    return 'full'\n"
        setting = small_pack(handlers, {"fill": {"kind": "write"}}, mode="tau2")
        (check, *_) = evaluate("DB", made(("fill", {}), content="full"), actions=[], setting=setting).checks
        assert (len(check.evidence), check.why) == (50, "differs from the gold's end state at 51 paths")

    def test_calls_without_results_cannot_be_graded(self, evaluate: Evaluate) -> None:
        verdict = evaluate("DB", made(COMPLETE)[:1], actions=[])
        assert (verdict.status, verdict.reward) == (Status.ERROR, None)
        assert "is not followed by its result" in verdict.checks[0].why


class TestAssertions:
    def test_assertions_run_on_the_end_state_of_the_conversation(self, evaluate: Evaluate) -> None:
        assert evaluate("ENV_ASSERTION", made(COMPLETE), env_assertions=[assertion("completed")]).reward == 1.0
        assert evaluate("ENV_ASSERTION", [], env_assertions=[assertion("completed")]).reward == 0.0

    @pytest.mark.parametrize(("status", "value", "reward"), [("pending", False, 0.0), ("completed", False, 1.0)])
    def test_an_assertion_may_be_required_to_be_false(
        self, evaluate: Evaluate, status: str, value: bool, reward: float
    ) -> None:
        wanted = [assertion(status, assert_value=value)]
        assert evaluate("ENV_ASSERTION", [], env_assertions=wanted).reward == reward

    def test_all_must_be_met_and_each_is_reported(self, evaluate: Evaluate) -> None:
        wanted = [assertion("pending"), assertion("completed"), assertion("pending", "task_2")]
        verdict = evaluate("ENV_ASSERTION", [], env_assertions=wanted)
        assert (verdict.reward, [check.met for check in verdict.checks]) == (0.0, [True, False, True])
        assert [check.why for check in verdict.checks] == ["", "is not True", ""]

    @pytest.mark.parametrize(
        ("wanted", "why"),
        [
            (assertion("pending", "task_99"), "raised ToolError: there is no task 'task_99'"),
            (
                {"env_type": "user", "func_name": "assert_task_status"},
                "raised TaskError: the user side has no function",
            ),
            (
                {"env_type": "assistant", "func_name": "get_users"},
                "raised TaskError: assertion get_users returned list",
            ),
        ],
    )
    def test_an_assertion_that_raises_is_unmet_although_official_grading_aborts(
        self, evaluate: Evaluate, wanted: dict[str, Any], why: str
    ) -> None:
        verdict = evaluate("ENV_ASSERTION", [], env_assertions=[wanted, assertion("pending")])
        assert (verdict.status, verdict.reward) == (Status.GRADED, 0.0)
        assert [check.met for check in verdict.checks] == [None, True]
        assert verdict.checks[0].why.startswith(why)

    @pytest.mark.parametrize("wanted", [None, []])
    def test_none_are_met_by_rule(self, evaluate: Evaluate, wanted: Any) -> None:
        verdict = evaluate("ENV_ASSERTION", made(COMPLETE), env_assertions=wanted)
        assert (verdict.status, verdict.reward) == (Status.VACUOUS, 1.0)


DRAWING = """
from tau2_core import Context

def draw(db, context: Context) -> str:
    number = context.random.randint(0, 10**9)
    db.log.append(number)
    return str(number)
"""


def test_random_numbers_in_the_gold_come_from_the_episodes_seed(small_pack: Callable[..., Setting]) -> None:
    """The gold state is cached for the next episode of a task; if random numbers were drawn, only for the same seed."""
    setting = small_pack(DRAWING, {"draw": {"kind": "write"}})
    grader = Grader(setting, "tau2", discover().evaluators("tau2"))
    call: tuple[str, dict[str, Any]] = ("draw", {})
    criteria = {"actions": gold(call), "reward_basis": ["DB"]}
    task = Task.model_validate({"id": "t", "user_scenario": {"instructions": "x"}, "evaluation_criteria": criteria})
    fields: dict[str, Any] = {"domain": setting.domain, "task_id": "t", "trial": 0, "mode": "strict", "solo": False}
    for seed in (3, 4, 3, 5):
        messages = made(call, content=str(Random(seed).randint(0, 10**9)))
        ended = {"seed": seed, "termination": Termination.USER_STOP, "messages": messages}
        record = EpisodeRecord.model_validate(fields | ended)
        grade = grader.grade(record, task)
        assert (grade.reward, grade.note) == (1.0, "")


DRAWING_FOR_A_TASK = """
from tau2_core import Context

def draw(db, *, context: Context) -> str:
    db.log.append(f"{context.options['who']} {context.random.randint(0, 10**9)}")
    return db.log[-1]

def pay(db) -> str:
    db.pockets["left"].coins -= 1
    return "paid"

def options(task):
    return {"who": task.id}
"""


@pytest.mark.parametrize("solo", [False, True])
def test_every_state_has_the_episodes_seed_and_the_tasks_options(
    grade: Callable[..., Grade], small_pack: Callable[..., Setting], *, solo: bool
) -> None:
    tools, user_tools = {"draw": {"kind": "write"}}, {"pay": {"kind": "write"}}
    manifest: dict[str, Any] = {"episode": "handlers.tools:options", "prompts": {"policy": "policy.md.j2"}}
    manifest["prompts"]["solo"] = "policy.md.j2"
    setting = small_pack(DRAWING_FOR_A_TASK, tools, user_tools=user_tools, **manifest)
    expected = f"t {Random(7).randint(0, 10**9)}"
    call: tuple[str, dict[str, Any]] = ("draw", {})

    def look(evidence: Evidence) -> Verdict:
        assert evidence.database("start")["log"] == ["start"]
        assert evidence.database("end")["log"] == evidence.database("gold")["log"] == ["start", expected]
        assert evidence.answer_at_start(ToolCall(name="draw", arguments={})).content == expected
        refused = evidence.answer_at_start(ToolCall(name="pay", arguments={}))
        assert refused.failure is Failure.UNKNOWN_TOOL  # the start is never solo: the agent lacks the customer's tools
        assert evidence.database("end", "user")["pockets"]["left"]["coins"] == (2 if solo else 3)
        return Verdict("DB", Status.GRADED, 1.0)

    made_calls = made(call, content=expected)
    if solo:
        setting = Setting(setting.pack, mode="strict", solo=True)
        made_calls += made(("pay", {}), content="paid")
    spec = {"DB": EvaluatorSpec("look", "own", "DB", look)}
    criteria = {"actions": gold(call), "reward_basis": ["DB"]}
    found = grade(made_calls, criteria, setting=setting, evaluators=spec, seed=7, solo=solo)
    assert (found.reward, found.note) == (1.0, "")
