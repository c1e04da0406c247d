"""Faults in the customer's texts: the agent's lines, repetitions, talk about its instructions, or no text at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tau2_core.model.user_review import ReviewedConversation, UserFinding

_OFFERS_HELP = re.compile(
    r"\bhow (?:can|may) I (?:help|assist) you\b"
    r"|\bis there anything else I can (?:help|assist|do)\b"
    r"|\bI(?:'m| am) here to (?:help|assist)\b"
    r"|\bI(?:'d| would) be happy to (?:help|assist) you\b"
    r"|\bthank you for (?:calling|contacting|your patience while I)\b"
    r"|\b(?:let|allow) me (?:look (?:that|this|it) up for you|check (?:that|this) for you|pull up your)\b"
    r"|\bI(?:'ll| will| can) (?:now )?(?:process|cancel|update|look up|pull up|transfer|verify)"
    r" (?:that|this|your|you)\b"
    r"|\bI(?:'ve| have) (?:successfully |now )?(?:processed|cancell?ed|updated|booked|modified|located|found) your\b"
    r"|\byou are being transferred to a human\b",
    re.IGNORECASE,
)
_INSTRUCTIONS = re.compile(
    r"#+ ?(?:STOP|TRANSFER|OUT[- ]OF[- ]SCOPE) ?#*"
    r"|\b(?:STOP|TRANSFER|OUT-OF-SCOPE) token\b"
    r"|\b(?:my|the) (?:scenario|instructions) (?:says?|tells?|do(?:es)? not|doesn't|don't|given|provided)\b"
    r"|\b(?:as|I am|I'm) (?:a|the) (?:simulated|user simulator|language model|AI)\b"
    r"|\bsystem prompt\b"
    r"|\b(?:playing|play) the (?:role|part) of\b"
    r"|\b(?:end|terminate|stop) the (?:simulation|role-?play)\b",
    re.IGNORECASE,
)
# Words of these patterns, in lower case: a text without them is not searched, which takes most of the time.
_OF_HELP = ("help", "assist", "thank you for", "for you", "your", "i'", "i will", "i can", "transferred to")
_OF_INSTRUCTIONS = ("#", "token", "scenario", "instructions", "simulat", "language model", " ai", "prompt", "play")
SHORTEST_REPEAT = 40
OFTEN = 3


def spoke_as_agent(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    """Find texts in which the customer speaks the agent's lines. Two of them or more are decisive."""
    found = [
        (index, match)
        for index, text in conversation.spoken
        if _has_one(text, _OF_HELP) and (match := _OFFERS_HELP.search(text))
    ]
    for index, match in found:
        yield UserFinding(
            detector="spoke_as_agent",
            severity="decisive" if len(found) > 1 else "minor",
            message=index,
            words=match[0],
            why="the customer speaks as the agent would",
        )


def repeated_itself(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    """Find texts of some length that the customer has sent before, word for word; the third time is decisive."""
    seen: dict[str, int] = {}
    for index, text in conversation.spoken:
        if len(text) < SHORTEST_REPEAT:
            continue
        words = " ".join(text.lower().split())
        seen[words] = times = seen.get(words, 0) + 1
        if times > 1:
            yield UserFinding(
                detector="repeated_itself",
                severity="decisive" if times >= OFTEN else "minor",
                message=index,
                words=text,
                why=f"the customer has sent the same text {times} times",
            )


def revealed_instructions(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    """Find texts in which the customer talks about its instructions, or writes a stop token in another form."""
    for index, text in conversation.spoken:
        match = _INSTRUCTIONS.search(text) if _has_one(text, _OF_INSTRUCTIONS) else None
        if match and match[0].lower() not in conversation.scenario.lower():
            yield UserFinding(
                detector="revealed_instructions",
                severity="minor",
                message=index,
                words=match[0],
                why="the customer talks about its instructions, or misspells a stop token",
            )


def empty_turn(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    """Find messages of the customer with neither text nor call."""
    for index, message in conversation.user_messages:
        if not message.has_text() and not message.tool_calls:
            last = index == len(conversation.record.messages) - 1
            yield UserFinding(
                detector="empty_turn",
                severity="decisive" if last else "minor",
                message=index,
                words="",
                why="the customer says nothing and calls nothing",
            )


def _has_one(text: str, words: Sequence[str]) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in words)
