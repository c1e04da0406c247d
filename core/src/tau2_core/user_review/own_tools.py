"""Faults in how the customer uses its own tools: unrequested calls, wrong calls, and claims without a call.

A text is taken to be about a tool if it has a word of the tool's name: "airplane" or "mode" for
`toggle_airplane_mode`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from tau2_core.model.tools import Tool
from tau2_core.model.user_review import ReviewedConversation, UserFinding

_COMMON = frozenset(["with", "from", "that", "this", "what", "does", "have", "make"])
SHORTEST_WORD = 4
_CLAIM = re.compile(
    r"(?:^|[.!?]\s+|\b(?:okay|ok|alright|sure|done),? )"
    r"(I(?:'ve|’ve| have)? (?:just |now |already )?(?:turned|toggled|switched|restarted|rebooted|reset|enabled|disabled"
    r"|removed|reseated|re-seated|connected|disconnected|granted|paid)\b[^.!?\n]*)",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\bI (?:won't|won’t|will not|refuse to|don't want to|don’t want to|do not want to|am not going to|'m not going to)"
    r" [^.!?\n]*|\bI(?:'d|’d| would) rather not [^.!?\n]*",
    re.IGNORECASE,
)

_ALLOWS_REFUSAL = re.compile(
    r"\b(?:refuse|won't|will not|(?:do not|don't) want to|not willing|rather not|unable|can ?not|can't)\b",
    re.IGNORECASE,
)


def wrong_own_call(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    """Find calls of tools that the customer does not have, and calls that failed."""
    for index, call in conversation.calls("user"):
        if not conversation.user_tools:
            return
        why = ""
        if call.name not in conversation.user_tools:
            why = f"the customer has no tool {call.name!r}"
        elif not conversation.succeeded(call, "user"):
            why = f"the call of {call.name!r} failed"
        if why:
            yield UserFinding(detector="wrong_own_call", severity="minor", message=index, words=call.name, why=why)


def unasked_own_call(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    """Find calls that change something which neither the scenario nor the agent, in words or calls, has mentioned."""
    for index, call in conversation.calls("user"):
        tool = conversation.user_tools.get(call.name)
        if tool is None or tool.kind != "write":
            continue
        if not _mentions([conversation.scenario, *_heard(conversation, index)], tool):
            yield UserFinding(
                detector="unasked_own_call",
                severity="decisive",
                message=index,
                words=call.name,
                why=f"neither the agent nor the scenario has mentioned what {call.name!r} does",
            )


def claimed_without_call(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    """Find claims to have done something that one of the customer's tools does, if the tool was not called before."""
    changing = [tool for tool in conversation.user_tools.values() if tool.kind == "write"]
    for index, text in conversation.spoken if changing else ():
        claim = _CLAIM.search(text)
        if claim is None or claim[1] in conversation.scenario:
            continue
        meant = [tool for tool in changing if _mentions([claim[1]], tool)]
        called = {call.name for position, call in conversation.calls("user") if position < index}
        if meant and not any(tool.name in called for tool in meant):
            yield UserFinding(
                detector="claimed_without_call",
                severity="decisive",
                message=index,
                words=claim[1],
                why=f"the customer says that it did this without a call of {' or '.join(each.name for each in meant)}",
            )


def refused_own_tool(conversation: ReviewedConversation) -> Iterator[UserFinding]:
    """Find refusals to do something that one of the customer's tools does, after the agent asked for it.

    A scenario that speaks of refusing is taken to allow it.
    """
    if not conversation.user_tools or _ALLOWS_REFUSAL.search(conversation.scenario):
        return
    for index, text in conversation.spoken:
        refusal = _REFUSAL.search(text)
        if refusal is None:
            continue
        heard = conversation.last_agent_text(index)
        asked = [
            tool.name
            for tool in conversation.user_tools.values()
            if _mentions([refusal[0]], tool) and _mentions([heard], tool)
        ]
        if asked:
            yield UserFinding(
                detector="refused_own_tool",
                severity="minor",
                message=index,
                words=refusal[0],
                why=f"the agent asked for what {asked[0]!r} does, and the customer refuses it",
            )


def _heard(conversation: ReviewedConversation, index: int) -> Iterator[str]:
    """Yield the agent's texts, and the arguments of its calls, before a message."""
    yield from (text for position, text in conversation.agent_texts if position < index)
    for position, call in conversation.calls("assistant"):
        if position < index:
            yield json.dumps(call.arguments, ensure_ascii=False)


def _mentions(texts: Iterable[str], tool: Tool) -> bool:
    """Tell whether a text has a distinctive word of a tool's name, or all of a name that has none."""
    words = [word.rstrip("s") for word in tool.name.lower().split("_") if len(word) >= SHORTEST_WORD]
    words = [word for word in words if word not in _COMMON] or [tool.name.lower()]
    return any(word in text.lower() for text in texts for word in words)
