"""Write a simulated customer of your own: it sees what the customer hears, and ends with ###STOP###."""

from collections.abc import Sequence

from tau2_core import Message, UserContext, UserMessage, evaluate


class Impatient:
    """Says once what it wants, and hangs up after the third answer."""

    def __init__(self, context: UserContext) -> None:
        self.scenario = context.scenario

    async def reply(self, history: Sequence[Message]) -> UserMessage:
        """Return the customer's next message."""
        answers = sum(message.role == "assistant" for message in history)
        if answers > 3:
            return UserMessage(content="This takes too long. ###STOP###")
        return UserMessage(content=str(self.scenario.instructions))


run = evaluate("mock", agent="silent", user=Impatient, split="test")
print(run)
print({each.task_id: each.termination.value for each in run})
