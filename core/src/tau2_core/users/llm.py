"""A customer played by a language model (spec/conversation.md, 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tau2_core.errors import UsageError
from tau2_core.llm.chat import Chat, as_chat, chat_tools
from tau2_core.llm.prompts import own_prompt
from tau2_core.llm.reply import REPAIRS, EmptyAnswerError, request_reply
from tau2_core.model.customer_turns import CustomerPlan, CustomerTurn, DraftFault
from tau2_core.model.messages import Message, UserMessage
from tau2_core.model.participants import STOP, UserContext
from tau2_core.users.plans import read_plan
from tau2_core.users.speech_noise import misheard

ASK_AGAIN = """\
[Not from the agent: your last answer was not sent.
{draft}What is wrong with it:
{faults}
Answer again, without this fault, and do not mention this note.]"""
ONLY_A_PLAN = "[Not from the agent: your last answer had a plan, but no message after it. Answer again, with both.]"


@dataclass(frozen=True)
class _Draft:
    """A message as it would be sent, with its plan; `written` is what the model wrote, as a chat message."""

    message: UserMessage
    written: dict[str, Any]
    plan: CustomerPlan | None = None
    plan_problem: str = ""

    @property
    def empty(self) -> bool:
        return not self.message.has_text() and not self.message.tool_calls


class LLMUser:
    """The model gets the guidelines and the scenario; its own messages are `assistant`, the agent's are `user`.

    Its own messages are shown to it as it wrote them: with their plans, and without noise.
    """

    def __init__(self, context: UserContext) -> None:
        if context.model is None:
            raise UsageError("user 'llm' needs a model: --user-model PROVIDER/NAME")
        self.model = context.model
        self.tools = context.tools
        self.context = context
        self.chat = Chat(_system(context), "user")
        self._written: list[dict[str, Any] | None] = []  # None for a message that was sent as it was written

    async def reply(self, history: Sequence[Message]) -> UserMessage:
        chat = self._as_written(self.chat.messages(history))
        first = sent = await self._draft(chat)
        faults = self._faults(history, first)
        remaining: list[DraftFault] = []
        if faults:
            sent = await self._draft([*chat, _asked_again(first, faults)])
            sent = replace(sent, message=sent.message.model_copy(update={"cost": _sum(first, sent)}))
            remaining = self._faults(history, sent)
        message = self._on_its_way(sent.message, len(history))
        self._written.append(sent.written if self.context.plans or message is not sent.message else None)
        turn = CustomerTurn(
            plan=sent.plan,
            plan_problem=sent.plan_problem,
            draft=first.message.content or "" if faults else None,
            faults=faults,
            remaining=[fault.found_by for fault in remaining],
            spoken=sent.message.content if message.content != sent.message.content else None,
        )
        self.context.note_turn(turn)
        return message

    async def _draft(self, chat: list[dict[str, Any]]) -> _Draft:
        """Request a message. If it has only a plan, it is requested again."""
        draft = await self._request(chat)
        for _ in range(REPAIRS):
            if not draft.empty:
                return draft
            draft = await self._request([*chat, {"role": "user", "content": ONLY_A_PLAN}])
        if draft.empty:
            raise EmptyAnswerError(f"the model sent a plan without a message or a tool call, {REPAIRS + 1} times")
        return draft

    async def _request(self, chat: list[dict[str, Any]]) -> _Draft:
        speech = await request_reply(self.model, chat, chat_tools(tuple(self.tools)), "user")
        message = UserMessage(**speech.fields())
        (written,) = as_chat([message], "user")
        if not self.context.plans:
            return _Draft(message, written)
        found = read_plan(message.content or "")
        message.content = found.text or None
        if message.provider_message is not None:
            message.provider_message = {**message.provider_message, "content": message.content}
        return _Draft(message, written, found.plan, found.problem)

    def _faults(self, history: Sequence[Message], draft: _Draft) -> list[DraftFault]:
        if self.context.check_draft is None:
            return []
        faults = list(self.context.check_draft(history, draft.message))
        if draft.plan is not None and draft.plan.open and STOP in (draft.message.content or ""):
            what = f"you end the conversation, but by your plan these wishes are open: {'; '.join(draft.plan.open)}"
            faults.append(DraftFault(found_by="open_wishes", words=STOP, why=what))
        return faults

    def _on_its_way(self, message: UserMessage, place: int) -> UserMessage:
        """Return a message as it reaches the agent: with speech noise if the persona has it."""
        persona = self.context.persona
        if persona is None or not persona.speech_noise or not message.content or message.tool_calls:
            return message
        seed = f"{self.context.seed}/{place}"
        heard = misheard(message.content, persona.speech_noise, seed, self.context.exact_words)
        return message.model_copy(update={"content": heard})

    def _as_written(self, chat: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the chat with the model's own messages as it wrote them; earlier messages come from the task."""
        if not any(self._written):
            return chat
        own = [place for place, message in enumerate(chat) if message["role"] == "assistant"]
        written = dict(zip(own[len(own) - len(self._written) :], self._written, strict=True))
        return [written.get(place) or message for place, message in enumerate(chat)]


def _asked_again(draft: _Draft, faults: Sequence[DraftFault]) -> dict[str, Any]:
    """Return the note with which the model is asked again. It quotes the draft, which is in no other message."""
    lines = [f"- {fault.why}" + (f": {fault.words}" if fault.words else "") for fault in faults]
    text = draft.message.content
    quoted = f"It was: {text}\n" if text else ""
    return {"role": "user", "content": ASK_AGAIN.format(draft=quoted, faults="\n".join(lines))}


def _sum(*drafts: _Draft) -> float | None:
    costs = [draft.message.cost for draft in drafts]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _system(context: UserContext) -> str:
    guidelines = context.guidelines or own_prompt("user", tools=bool(context.tools))
    manner = context.persona.manner if context.persona is not None else ""
    parts = [f"<manner>\n{manner}\n</manner>"] if manner else []
    return "\n\n".join([guidelines, *parts, f"<scenario>\n{context.scenario.text()}\n</scenario>"])
