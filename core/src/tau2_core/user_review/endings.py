"""Faults in how the customer ends: too early, instead of an answer, or not at all.

The gold's write calls stand for the customer's wishes. A wish is served if the agent has called that tool successfully.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tau2_core.model.episodes import Termination
from tau2_core.model.participants import OUT_OF_SCOPE, TRANSFER, has_stop_token, without_stop_tokens
from tau2_core.model.user_review import ReviewedConversation, Severity, UserFinding

TAIL = 400  # characters of the agent's last text in which its question is looked for
_ASKS_TO_CONFIRM = re.compile(
    r"\b(?:confirm|yes\s*/\s*no|\(yes|reply (?:with )?[\"'“]?yes|proceed|go ahead|would you like (?:me|to)|shall I"
    r"|do you want (?:me|to)|should I)\b",
    re.IGNORECASE,
)
_OFFERS_MORE = re.compile(
    r"\b(?:anything else|something else|any(?: other| further| more)? (?:questions|requests|concerns|assistance|help)"
    r"|(?:can|may) I (?:help|assist)|further assistance|let me know if)\b",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"\b(?:can ?not|can't|unable|not able|not possible|not allowed|not eligible|ineligible|unfortunately|sorry|won't"
    r"|isn't possible|does(?:n't| not) (?:allow|qualify)|not permitted|only (?:cancel|refund|change|modify))\b|’t\b",
    re.IGNORECASE,
)
_STILL_WORKING = re.compile(
    r"\b(?:one moment|please (?:hold|wait)|just a moment|bear with me"
    r"|I(?:'ll|’ll| will|'m going to| am going to)(?: now)? (?:process|proceed|cancel|update|book|check|look|exchange"
    r"|return|modify|change|issue|submit|pull|start))\b",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"\b(?:no|not|don't|don’t|do not|never ?mind|rather not|instead|leave it|won't|decline|prefer)\b", re.IGNORECASE
)
_AGREES = re.compile(
    r"\b(?:yes|yeah|yep|sure|please|go ahead|proceed|confirm(?:ed)?|ok|okay|perfect|correct)\b", re.IGNORECASE
)
_ASKS = re.compile(r"\b(?:can|could|would|will) you\b[^.!]*\?|^(?:yes|please|sure|go ahead|ok|okay)\b", re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:once|when|whenever|after|if|as soon as|until|posted)\b", re.IGNORECASE)
_CLOSING = re.compile(
    r"\b(?:thank(?:s| you)|good ?bye|bye|have a (?:great|good|nice)|take care|that(?:'s| is|’s) all)\b", re.IGNORECASE
)
_SPEAKS_OF_TRANSFER = re.compile(
    r"\b(?:transferr?ed|transferring|escalated|human agent|a person|specialist)\b", re.IGNORECASE
)
LONGEST_CLOSING = 250
CLOSINGS = 3


def ended_at_confirmation(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    """Find a stop in place of an answer to the agent's request to confirm something.

    A text beside the token that declines is an answer. It is decisive while a wish of the gold is not served.
    """
    end = _end(conversation)
    if end is None:
        return
    index, text, token = end
    if token == OUT_OF_SCOPE:  # an answer: the scenario does not say
        return
    question = _last_question(conversation.last_agent_text(index))
    agrees = not text or (_AGREES.search(text) and not _DECLINES.search(text))
    if question and _ASKS_TO_CONFIRM.search(question) and agrees:
        yield UserFinding(
            detector="ended_at_confirmation",
            severity=_severity(conversation),
            message=index,
            words=conversation.record.messages[index].content or "",
            why=f"the agent had asked: {question}",
        )


def ended_early(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    """Find a stop before the customer's wishes are served or refused.

    That is a stop in a message that asks for something, while the agent says that it is still at work, or at a question
    of the agent before it has done or refused anything.
    """
    end = _end(conversation)
    if end is None:
        return
    index, text, token = end
    heard = conversation.last_agent_text(index)
    why = ""
    if token == TRANSFER and _transferred(conversation) is not None:
        return
    if text and _ASKS.search(text) and not _OFFERS_MORE.search(heard[-TAIL:]) and not _is_closing(text):
        why = "the message that ends the conversation asks for something"
    elif _is_working(heard) and not _last_question(heard) and unserved(conversation):
        why = "the agent had said that it was still at work"
    elif (
        token not in (OUT_OF_SCOPE, TRANSFER)
        and not _DECLINES.search(text)
        and _last_question(heard)
        and unserved(conversation)
        and not _anything_decided(conversation)
    ):
        why = f"nothing was done or refused yet; the task wants {', '.join(sorted(unserved(conversation)))}"
    if why:
        yield UserFinding(
            detector="ended_early",
            severity=_severity(conversation),
            message=index,
            words=conversation.record.messages[index].content or "",
            why=why,
        )


def went_on_after_end(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    """Find texts after a transfer to a person, and repeated farewells without a stop token."""
    transferred = _transferred(conversation)
    told = next(
        (
            index
            for index, text in conversation.agent_texts
            if transferred is not None and index > transferred and _SPEAKS_OF_TRANSFER.search(text)
        ),
        None,
    )
    farewells = 0
    for index, message in conversation.user_messages:
        said = message.content or ""
        if has_stop_token(said) or message.tool_calls:
            farewells = 0
            continue
        farewells = farewells + 1 if _is_closing(said) else 0
        why = ""
        if told is not None and index > told and "?" not in conversation.last_agent_text(index):
            why = "the customer has already been told that it is being transferred to a person"
        elif farewells >= CLOSINGS:
            why = f"the customer has said goodbye {farewells} times without ending the conversation"
        if why:
            yield UserFinding(detector="went_on_after_end", severity="minor", message=index, words=said, why=why)


def unserved(conversation: ReviewedConversation) -> set[str]:
    """Return the tools of the gold's write calls that the agent has not called successfully."""
    wanted = {
        action.name
        for action in conversation.task.gold()
        if action.requestor == "assistant"
        and (tool := conversation.tools.get(action.name)) is not None
        and (tool.kind == "write" or tool.transfers)
    }
    if not wanted:
        return wanted
    return wanted - {
        call.name for _, call in conversation.calls("assistant") if conversation.succeeded(call, "assistant")
    }


def _transferred(conversation: ReviewedConversation) -> int | None:
    """Return the index of the message with which the agent transferred the customer, None if it did not."""
    for index, call in conversation.calls("assistant"):
        tool = conversation.tools.get(call.name)
        if tool is not None and tool.transfers and conversation.succeeded(call, "assistant"):
            return index
    return None


def _is_working(text: str) -> bool:
    """Tell whether a text says unconditionally that the agent is about to do something."""
    return any(
        _STILL_WORKING.search(sentence) and not _CONDITION.search(sentence) for sentence in _sentences(text[-TAIL:])
    )


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?:])\s+|\n+", text)


def _is_closing(text: str) -> bool:
    """Tell whether a text is a farewell that neither asks for something nor agrees to it."""
    return (
        len(text) <= LONGEST_CLOSING
        and "?" not in text
        and _CLOSING.search(text) is not None
        and re.search(r"\b(?:please|proceed|confirm)\b", text, re.IGNORECASE) is None
    )


def _severity(conversation: ReviewedConversation) -> Severity:
    return "decisive" if unserved(conversation) else "minor"


def _end(conversation: ReviewedConversation) -> tuple[int, str, str] | None:
    """Return the index, the text beside the token, and the token of the message with which the customer ended."""
    if conversation.record.termination is not Termination.USER_STOP or not conversation.user_messages:
        return None
    index, message = conversation.user_messages[-1]
    said = message.content or ""
    token = next((token for token in (TRANSFER, OUT_OF_SCOPE) if token in said), "")
    return index, without_stop_tokens(said).strip(), token


def _last_question(text: str) -> str:
    """Return the last sentence of an agent's text that asks for something, "" if it only offers more help."""
    for sentence in reversed(_sentences(text[-TAIL:])):
        if _OFFERS_MORE.search(sentence):
            return ""
        if "?" in sentence or re.search(r"\b(?:please|kindly) (?:confirm|reply|let me know|provide)\b", sentence, re.I):
            return sentence.strip()
    return ""


def _anything_decided(conversation: ReviewedConversation) -> bool:
    """Tell whether the agent has written something, transferred, or refused something."""
    for _, call in conversation.calls("assistant"):
        tool = conversation.tools.get(call.name)
        if tool is not None and (tool.kind == "write" or tool.transfers):
            return True
    return any(_REFUSES.search(text) for _, text in conversation.agent_texts)
