"""Ids of tool calls are chosen by agents and providers; no verdict depends on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tau2_core.evaluators.strict.policy import breaches
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Grade
from tau2_core.model.policy_rules import PolicyRule
from tau2_core.plugins.discovery import discover
from tau2_gym_eval_protocol.episodes_as_rows import as_messages, as_record
from tau2_gym_eval_protocol.rows import EvaluationRow

from tests.evaluation.messages import COMPLETE, LOOK, WRONG, gold

IDS = st.sampled_from(["", "1", "1", "call_0", "x" * 100_000, "\x00", "é"])
CALLS = [COMPLETE, WRONG, LOOK, COMPLETE]
FAILS = [False, True, False, True]
RULE = PolicyRule(name="r", rule="said first", tools=["update_task_status"], confirmed=True)


def conversation(ids: list[str]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "please"}]
    for (name, arguments), fails, call_id in zip(CALLS, FAILS, ids, strict=True):
        call = {"id": call_id, "name": name, "arguments": arguments}
        content = "Error: no" if fails else "{}"
        messages.append({"role": "assistant", "tool_calls": [call]})
        messages.append({"role": "tool", "id": call_id, "content": content, "error": fails})
    return messages


def record_of(messages: list[dict[str, Any]]) -> EpisodeRecord:
    fields = {"domain": "mock", "task_id": "t", "trial": 0, "seed": 0, "mode": "tau2", "termination": "user_stop"}
    return EpisodeRecord.model_validate({**fields, "messages": messages})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(IDS, min_size=len(CALLS), max_size=len(CALLS)))
def test_no_verdict_depends_on_ids(grade: Callable[..., Grade], ids: list[str]) -> None:
    criteria = {"actions": gold(COMPLETE), "reward_basis": ["DB", "ACTION"], "communicate_info": ["5"]}
    for name in ("tau2", "strict"):
        specs = discover().evaluators(name)
        named = grade(conversation(ids), criteria, evaluators=specs)
        plain = grade(conversation(["a", "b", "c", "d"]), criteria, evaluators=specs)
        assert named.verdicts == plain.verdicts
        assert (named.reward, named.outcome) == (plain.reward, plain.outcome)


@given(st.lists(IDS, min_size=len(CALLS), max_size=len(CALLS)))
def test_a_failed_call_does_not_hide_the_breach_of_an_earlier_one(ids: list[str]) -> None:
    found = list(breaches(RULE, record_of(conversation(ids))))
    assert [each.turn for each in found] == [1]


@given(st.lists(IDS, min_size=len(CALLS), max_size=len(CALLS)))
def test_rows_keep_the_requestor_of_results(ids: list[str]) -> None:
    messages = conversation(ids)
    messages[3]["role"] = messages[4]["requestor"] = "user"
    messages[3]["tool_calls"][0]["requestor"] = "user"
    shown = as_messages(record_of(messages).messages)
    for message in shown:
        (message.model_extra or {}).pop("requestor", None)  # additional fields of a message are not kept by others
    row = EvaluationRow(messages=shown)
    read = as_record(row, "mock", record_of(messages).slot, "tau2")
    assert [m.requestor for m in read.messages if m.role == "tool"] == ["assistant", "user", "assistant", "assistant"]
