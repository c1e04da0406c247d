"""The course and the end of a conversation: steps, stop tokens, limits, and mistakes of participants."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tau2_core.model.episodes import EpisodeRecord, Termination
from tau2_core.model.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from tau2_core.model.participants import OUT_OF_SCOPE, STOP, STOP_TOKENS, TRANSFER
from tau2_core.model.tools import Failure, ToolResult

Converse = Callable[..., tuple[EpisodeRecord, Any, Any]]
LOOK: tuple[str, dict[str, Any]] = ("get_users", {})
FAIL: tuple[str, dict[str, Any]] = ("no_such_tool", {})
CREATE = ("create_task", {"user_id": "piet_lindgren", "title": "Sew"})


def said(messages: Sequence[Message]) -> list[str]:
    """Write messages as `role: text` or `role: tools`."""
    lines = []
    for message in messages:
        calls = [] if isinstance(message, ToolMessage) else getattr(message, "tool_calls", None) or []
        lines.append(f"{message.role}: {' '.join([message.content or '', *(call.name for call in calls)]).strip()}")
    return lines


class TestEnding:
    @pytest.mark.parametrize("token", STOP_TOKENS)
    def test_a_stop_token_anywhere_in_the_customers_text_ends_the_episode(self, converse: Converse, token: str) -> None:
        record, agent, _ = converse(user=[f"Thanks.{token} Bye"])
        assert (record.termination, record.steps, agent.saw) == (Termination.USER_STOP, 1, [])

    def test_there_are_three_stop_tokens(self) -> None:
        assert {STOP, TRANSFER, OUT_OF_SCOPE} == {"###STOP###", "###TRANSFER###", "###OUT-OF-SCOPE###"}
        assert len(STOP_TOKENS) == 3

    @pytest.mark.parametrize("text", ["###stop###", "STOP", "## STOP ##", "###OUT_OF_SCOPE###", "###STOP"])
    def test_other_text_does_not_end_the_episode(self, converse: Converse, text: str) -> None:
        record, *_ = converse(user=[text, STOP])
        assert (record.termination, record.steps) == (Termination.USER_STOP, 3)

    def test_a_stop_token_next_to_a_tool_call_does_not_end_the_episode(self, converse: Converse) -> None:
        call = ToolCall(name="check_notifications", arguments={})
        record, *_ = converse(user=[UserMessage(content=STOP, tool_calls=[call]), "no", STOP])
        assert (record.termination, record.steps) == (Termination.USER_STOP, 5)

    def test_an_agent_with_a_customer_cannot_end_the_episode(self, converse: Converse) -> None:
        record, *_ = converse(agent=[STOP], user=["hi", "still here", STOP])
        assert (record.termination, record.steps) == (Termination.USER_STOP, 5)


class TestSteps:
    def test_the_opening_line_is_not_a_step_and_the_customer_speaks_next(self, converse: Converse) -> None:
        record, agent, user = converse(user=["hi", STOP], agent=["hello"])
        assert said(user.saw[0]) == ["assistant: Hello! What can I do for you today?"]
        assert said(agent.saw[0]) == ["assistant: Hello! What can I do for you today?", "user: hi"]
        assert (record.steps, len(record.messages)) == (3, 4)

    def test_executing_the_calls_of_a_message_is_one_step(self, converse: Converse) -> None:
        record, *_ = converse(agent=[[LOOK, LOOK, LOOK], "done"], user=["hi", STOP])
        assert (record.steps, record.tool_calls, len(record.messages)) == (5, 3, 8)

    def test_messages_are_numbered_from_zero(self, converse: Converse) -> None:
        record, *_ = converse(agent=[[LOOK, FAIL], "done"], user=["hi", STOP])
        assert [message.turn_idx for message in record.messages] == list(range(7))

    def test_results_carry_the_id_of_their_call_in_order(self, converse: Converse) -> None:
        record, *_ = converse(agent=[[LOOK, FAIL], "done"], user=["hi", STOP])
        results = [message for message in record.messages if isinstance(message, ToolMessage)]
        assert [(result.id, result.error) for result in results] == [("1.0", False), ("1.1", True)]

    def test_failures_are_counted_by_kind(self, converse: Converse) -> None:
        wrong = ("create_task", {"user_id": "eve", "title": "x"})
        record, *_ = converse(agent=[[FAIL, wrong, ("create_task", {})], [FAIL], "done"], user=["hi", STOP])
        assert record.tool_errors == {"invalid_arguments": 1, "refused": 1, "unknown_tool": 2}


class TestLimits:
    def test_the_limit_of_steps_ends_the_episode(self, converse: Converse) -> None:
        record, *_ = converse(user=["hi"], max_steps=6)
        assert (record.termination, record.steps) == (Termination.MAX_STEPS, 6)

    def test_a_pending_call_is_still_executed_and_counted(self, converse: Converse) -> None:
        record, *_ = converse(agent=[CREATE], user=["hi"], max_steps=2)
        assert (record.termination, record.steps) == (Termination.MAX_STEPS, 3)
        assert isinstance(record.messages[-1], ToolMessage)

    def test_an_end_is_not_overwritten_by_a_limit(self, converse: Converse) -> None:
        record, *_ = converse(user=["hi", STOP], max_steps=3)
        assert (record.termination, record.steps) == (Termination.USER_STOP, 3)

    def test_failed_calls_of_both_sides_count_together_and_not_only_in_a_row(self, converse: Converse) -> None:
        record, *_ = converse(agent=[FAIL, LOOK, "ok"], user=["hi", FAIL, "hm", FAIL, "hm"], max_errors=3)
        assert record.termination is Termination.TOO_MANY_ERRORS
        assert record.tool_errors == {"unknown_tool": 3}
        assert [message.role for message in record.messages if getattr(message, "error", False)] == ["tool"] * 3

    def test_all_failures_of_one_message_count_and_its_other_calls_are_made(self, converse: Converse) -> None:
        record, *_ = converse(agent=[[FAIL, FAIL, LOOK, FAIL]], user=["hi"], max_errors=2)
        assert (record.termination, record.tool_calls) == (Termination.TOO_MANY_ERRORS, 4)

    def test_the_limit_of_errors_is_checked_before_steps(self, converse: Converse) -> None:
        record, *_ = converse(agent=[FAIL], user=["hi"], max_errors=1, max_steps=3)
        assert (record.termination, record.steps) == (Termination.TOO_MANY_ERRORS, 3)

    def test_one_failure_below_the_limit_does_not_end_the_episode(self, converse: Converse) -> None:
        record, *_ = converse(agent=[[FAIL, FAIL], "ok"], user=["hi", STOP], max_errors=3)
        assert record.termination is Termination.USER_STOP


class TestFaults:
    WRONG: tuple[tuple[Any, str], ...] = (
        (ValueError("lost"), "ValueError: lost"),
        ("", "sent neither text nor a tool call"),
        (" \n", "sent neither text nor a tool call"),
        ([], "sent neither text nor a tool call"),
        (None, "Message, not NoneType"),
        (ToolMessage(id="1", content="x"), "Message, not ToolMessage"),
        ({"content": "x"}, "Message, not dict"),
    )

    @pytest.mark.parametrize(("line", "error"), WRONG)
    def test_an_invalid_answer_of_the_agent_is_an_agent_error(self, converse: Converse, line: Any, error: str) -> None:
        record, *_ = converse(agent=["hello", line], user=["hi", "so?"])
        assert (record.termination, error in (record.error or "")) == (Termination.AGENT_ERROR, True), record.error
        assert said(record.messages)[-1] == "user: so?"

    @pytest.mark.parametrize(("line", "error"), WRONG)
    def test_an_invalid_answer_of_the_customer_is_a_user_error(self, converse: Converse, line: Any, error: str) -> None:
        record, *_ = converse(agent=["hello"], user=["hi", line])
        assert (record.termination, error in (record.error or "")) == (Termination.USER_ERROR, True), record.error
        assert said(record.messages)[-1] == "assistant: hello"

    def test_a_message_of_the_other_sides_type_is_an_error(self, converse: Converse) -> None:
        record, *_ = converse(agent=[UserMessage(content=STOP)], user=["hi"])
        assert (record.termination, record.error) == (
            Termination.AGENT_ERROR,
            "the agent should return a message of type AssistantMessage, not UserMessage",
        )

    @pytest.mark.parametrize("depth", [300, 20_000])
    def test_arguments_too_deep_for_a_record_are_the_senders_error(self, converse: Converse, depth: int) -> None:
        deep: list[Any] = []
        for _ in range(depth):
            deep = [deep]
        record, *_ = converse(agent=[AssistantMessage(tool_calls=[tool_call({"x": deep})])], user=["hi"])
        assert record.termination is Termination.AGENT_ERROR
        assert json.dumps(record.line())

    @pytest.mark.parametrize("value", [object(), {1: object()}, [lambda: 0]])
    def test_arguments_that_are_no_json_are_the_senders_error(self, converse: Converse, value: Any) -> None:
        record, *_ = converse(agent=[AssistantMessage(tool_calls=[tool_call({"x": value})])], user=["hi"])
        assert (record.termination, "cannot be recorded as JSON" in (record.error or "")) == (
            Termination.AGENT_ERROR,
            True,
        )

    def test_content_that_is_no_text_is_the_senders_error(self, converse: Converse) -> None:
        message = AssistantMessage(content="x")
        message.content = ["x"]  # type: ignore[assignment]
        record, *_ = converse(agent=[message], user=["hi"])
        assert (record.termination, "content" in (record.error or "")) == (Termination.AGENT_ERROR, True)

    @pytest.mark.parametrize("lines", [{"agent": []}, {"user": []}])
    def test_a_side_that_cannot_be_created_is_an_error_of_infrastructure(self, converse: Converse, lines: Any) -> None:
        record, *_ = converse(**lines)
        assert (record.termination, record.error) == (Termination.INFRASTRUCTURE_ERROR, "LookupError: nothing to say")


def tool_call(arguments: dict[str, Any]) -> ToolCall:
    return ToolCall.model_construct(id="1", name="get_users", arguments=arguments, requestor="assistant")


class TestRecord:
    def test_the_calling_side_is_the_requestor_whatever_the_call_says(self, converse: Converse) -> None:
        mine = ToolCall(
            id="1", name="dismiss_notification", arguments={"notification_id": "notice_1"}, requestor="user"
        )
        theirs = ToolCall(id="2", name="get_users", arguments={}, requestor="assistant")
        record, *_ = converse(
            agent=[AssistantMessage(tool_calls=[mine]), "ok"], user=["hi", UserMessage(tool_calls=[theirs]), STOP]
        )
        results = [message for message in record.messages if isinstance(message, ToolMessage)]
        assert [(result.requestor, result.error) for result in results] == [("assistant", True), ("user", True)]

    def test_a_message_given_twice_is_two_messages(self, converse: Converse) -> None:
        again = AssistantMessage(content="again")
        record, *_ = converse(agent=[again], user=["a", "b", STOP])
        assert [message.turn_idx for message in record.messages] == list(range(6))
        assert again.turn_idx is None

    def test_a_sender_cannot_change_a_message_afterwards(self, converse: Converse) -> None:
        message = AssistantMessage(content="said", tool_calls=[ToolCall(name=CREATE[0], arguments=dict(CREATE[1]))])

        async def meddle(call: ToolCall, proceed: Any) -> ToolResult:
            message.content = "never said"
            assert message.tool_calls is not None
            message.tool_calls[0].arguments["title"] = "never meant"
            result: ToolResult = await proceed(call)
            return result

        record, *_ = converse(agent=[message, "ok"], user=["hi", STOP], wrappers=[meddle])
        assert said(record.messages)[2] == "assistant: said create_task"
        assert '"title": "Sew"' in (record.messages[3].content or "")

    def test_a_record_reads_back_from_its_line_as_it_was(self, converse: Converse) -> None:
        odd = {"nan": math.nan, "inf": [-math.inf], "none": None, "half": "\ud800", "large": 10**40, "zero": -0.0}
        call = AssistantMessage(content="\udfffé", tool_calls=[ToolCall(name="x", arguments=odd)])
        record, *_ = converse(agent=[call, "ok"], user=["hi", STOP])
        line = json.dumps(record.line())
        back = EpisodeRecord.model_validate(json.loads(line))
        assert json.dumps(back.line()) == line
        message = back.messages[2]
        assert isinstance(message, AssistantMessage)
        assert message.tool_calls is not None
        assert repr(message.tool_calls[0].arguments) == repr(odd)

    def test_the_record_has_digests_of_the_end_state(self, converse: Converse) -> None:
        idle, *_ = converse(agent=["ok"], user=["hi", STOP])
        busy, *_ = converse(agent=[CREATE, "ok"], user=["hi", STOP])
        assert idle.digests.keys() == busy.digests.keys() == {"agent", "user"}
        assert idle.digests["agent"] != busy.digests["agent"]
        assert idle.digests["user"] == busy.digests["user"]


class TestWrappers:
    def test_the_first_wrapper_is_outermost_and_sees_the_inner_result(self, converse: Converse) -> None:
        trace: list[str] = []

        def wrapper(name: str) -> Any:
            async def around(call: ToolCall, proceed: Any) -> ToolResult:
                trace.append(f"{name} before {call.name}")
                result = await proceed(call)
                trace.append(f"{name} after {result.content}")
                return ToolResult(f"{name}({result.content})")

            return around

        record, *_ = converse(
            agent=[("transfer_to_human_agents", {"summary": "s"}), "ok"],
            user=["hi", STOP],
            wrappers=[wrapper("outer"), wrapper("inner")],
        )
        assert record.messages[3].content == "outer(inner(Transfer successful))"
        before = [f"{name} before transfer_to_human_agents" for name in ("outer", "inner")]
        assert trace == [*before, "inner after Transfer successful", "outer after inner(Transfer successful)"]

    def test_a_failure_returned_by_a_wrapper_counts_as_a_failed_call(self, converse: Converse) -> None:
        async def refuse(call: ToolCall, proceed: Any) -> ToolResult:
            return ToolResult("Error: out of order", Failure.REFUSED)

        record, *_ = converse(agent=[LOOK, "ok"], user=["hi", STOP], wrappers=[refuse])
        assert record.tool_errors == {"refused": 1}

    def test_a_wrapper_that_raises_is_an_infrastructure_error(self, converse: Converse) -> None:
        async def broken(call: ToolCall, proceed: Any) -> ToolResult:
            raise ConnectionError("gone")

        record, *_ = converse(agent=[LOOK], user=["hi"], wrappers=[broken])
        assert record.termination is Termination.INFRASTRUCTURE_ERROR
        assert record.error == "the call of get_users was aborted: ConnectionError: gone"
