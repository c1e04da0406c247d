"""What a model gets to see is the same whether a history has grown, was cut, or is another one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tau2_core.llm.chat import Chat
from tau2_core.model.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage

SAID: list[Message] = [
    AssistantMessage(content="Hello."),
    UserMessage(content="A refund, please."),
    AssistantMessage(tool_calls=[ToolCall(id="call_2", name="get_order", arguments={"order_id": "#W1"})]),
    ToolMessage(id="call_2", content="{}"),
    AssistantMessage(content="Done.", provider_message={"content": "Done.", "reasoning": "r"}),
    UserMessage(content="A refund, please."),
]


@given(st.lists(st.lists(st.sampled_from(SAID), max_size=6), max_size=5))
def test_any_sequence_of_histories_gives_the_same_messages(histories: list[list[Message]]) -> None:
    chat = Chat("Be kind.", "assistant")
    for history in histories:
        seen = chat.messages(history)
        assert seen == Chat("Be kind.", "assistant").messages(history)
        assert len(seen) == 1 + len(history)
        seen.clear()  # it is the caller's
