"""A customer played by a language model (spec/conversation.md, 6)."""

from __future__ import annotations

from collections.abc import Sequence

from tau2_core.errors import UsageError
from tau2_core.llm.chat import Chat, chat_tools
from tau2_core.llm.prompts import own_prompt
from tau2_core.llm.reply import request_reply
from tau2_core.model.messages import Message, UserMessage
from tau2_core.model.participants import UserContext
from tau2_core.users.speech_noise import misheard


class LLMUser:
    """The model gets the guidelines and the scenario; its own messages are `assistant`, the agent's are `user`."""

    def __init__(self, context: UserContext) -> None:
        if context.model is None:
            raise UsageError("user 'llm' needs a model: --user-model PROVIDER/NAME")
        self.model = context.model
        self.tools = context.tools
        self.context = context
        self.chat = Chat(_system(context), "user")

    async def reply(self, history: Sequence[Message]) -> UserMessage:
        speech = await request_reply(self.model, self.chat.messages(history), chat_tools(tuple(self.tools)), "user")
        message = UserMessage(**speech.fields())
        persona = self.context.persona
        if persona is not None and persona.speech_noise and message.content and not message.tool_calls:
            seed = f"{self.context.seed}/{len(history)}"
            message.content = misheard(message.content, persona.speech_noise, seed, self.context.exact_words)
        return message


def _system(context: UserContext) -> str:
    guidelines = context.guidelines or own_prompt("user", tools=bool(context.tools))
    manner = context.persona.manner if context.persona is not None else ""
    parts = [f"<manner>\n{manner}\n</manner>"] if manner else []
    return "\n\n".join([guidelines, *parts, f"<scenario>\n{context.scenario.text()}\n</scenario>"])
