"""Evaluate an agent of your own on a domain, and look at what it did not solve."""

from collections.abc import Sequence

from tau2_core import AgentContext, AssistantMessage, FinishedEpisode, Message, ToolCall, UserMessage, evaluate


class LookUpFirst:
    """Looks up all users first, then keeps asking what the customer wants."""

    def __init__(self, context: AgentContext) -> None:
        self.tools = [tool.name for tool in context.tools]

    async def reply(self, history: Sequence[Message]) -> AssistantMessage:
        """Return the agent's next message: a text for the customer, or tool calls."""
        calls = sum(message.role == "tool" for message in history)
        if isinstance(history[-1], UserMessage) and not calls and "get_users" in self.tools:
            return AssistantMessage(tool_calls=[ToolCall(id="1", name="get_users", arguments={})])
        return AssistantMessage(content="What can I do for you?")


def show(episode: FinishedEpisode, done: int, slots: int) -> None:
    """Show the progress of the run."""
    print(f"{done}/{slots} {episode.record.task_id}: {episode.grade.reward}")


run = evaluate("mock", agent=LookUpFirst, user="scripted", split="test", trials=2, progress=show)
print(run)
for each in run:
    if not each.solved and each.trial == 0:
        print(each.task_id, *each.reasons, sep="\n    ")
