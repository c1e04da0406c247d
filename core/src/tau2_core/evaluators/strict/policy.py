"""POLICY: the rules that a pack declares about its policy, reported but not in the reward."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Check, Evidence, Status, Verdict
from tau2_core.model.messages import AssistantMessage, Message, ToolCall, UserMessage
from tau2_core.model.paired_calls import paired_calls
from tau2_core.model.policy_rules import CUSTOMER, PolicyRule

_NO = re.compile(r"\W*(no|not|don'?t|wait|stop)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Breach:
    """A violation of a rule: the message's number, the call if there is one, and what is missing."""

    turn: int
    call: ToolCall | None
    why: str


def evaluate(evidence: Evidence) -> Verdict:
    """Check every rule of the pack; there are none with a dataset, which has a policy of its own."""
    rules = evidence.rules
    if not rules:
        return Verdict(criterion="POLICY", status=Status.VACUOUS, reward=1.0)
    checks = [_check(rule, evidence.record) for rule in rules]
    met = all(check.met for check in checks)
    return Verdict(criterion="POLICY", status=Status.GRADED, reward=float(met), checks=checks)


def _check(rule: PolicyRule, record: EpisodeRecord) -> Check:
    found = list(breaches(rule, record))
    shown = [
        {"turn": each.turn, "call": f"{each.call.name}({each.call.arguments})" if each.call else None, "why": each.why}
        for each in found
    ]
    why = f"{found[0].call.name if found[0].call else 'a message'}: {found[0].why}" if found else ""
    return Check(what=f"{rule.name}: {rule.rule}", met=not found, why=why, evidence=shown)


def breaches(rule: PolicyRule, record: EpisodeRecord) -> Iterator[Breach]:
    """Yield the violations of a rule in a record. In solo play there is no customer to confirm or inform."""
    messages = record.messages
    if rule.one_thing_a_turn:
        yield from _crowded(messages)
        return
    if record.solo and (rule.confirmed or any(CUSTOMER in sources for sources in rule.known.values())):
        return
    for turn, call in _succeeded(messages):
        if not rule.concerns(call.name):
            continue
        before = messages[:turn]
        if rule.confirmed and not _agreed(rule, before):
            yield Breach(turn, call, "the customer had not said yes to it")
        if rule.after and not _called(rule, before):
            yield Breach(turn, call, f"before it {' or '.join(rule.after)} should have succeeded")
        for argument, sources in rule.known.items():
            value = call.arguments.get(argument)
            if value is not None and not _known(str(value), sources, before):
                yield Breach(turn, call, f"{argument} {value!r} was not known from {' or '.join(sources)}")


def _crowded(messages: Sequence[Message]) -> Iterator[Breach]:
    for turn, message in enumerate(messages):
        if isinstance(message, AssistantMessage) and message.tool_calls:
            if len(message.tool_calls) > 1:
                yield Breach(turn, message.tool_calls[1], f"{len(message.tool_calls)} calls at once")
            elif message.has_text():
                yield Breach(turn, message.tool_calls[0], "a call together with text")


def _succeeded(messages: Sequence[Message]) -> Iterator[tuple[int, ToolCall]]:
    """Yield the agent's successful calls, with the numbers of their messages."""
    for each in paired_calls(messages):
        if each.by is AssistantMessage and each.succeeded:
            yield each.turn, each.call


def _agreed(rule: PolicyRule, before: Sequence[Message]) -> bool:
    """Tell whether the customer's last message is a yes to a message of the agent that followed an earlier one."""
    spoken = [m for m in before if isinstance(m, AssistantMessage | UserMessage) and m.has_text() and not m.tool_calls]
    heard = [place for place, message in enumerate(spoken) if isinstance(message, UserMessage)]
    if len(heard) < 2:  # the first message is the request, before the agent could explain the change
        return False
    words = spoken[heard[-1]].content or ""
    asked = any(isinstance(message, AssistantMessage) for message in spoken[: heard[-1]])
    return asked and not _NO.match(words) and rule.agrees(words)


def _called(rule: PolicyRule, before: Sequence[Message]) -> bool:
    return any(call.name in rule.after for _, call in _succeeded(before))


def _known(value: str, sources: Sequence[str], before: Sequence[Message]) -> bool:
    texts = [
        each.result.content or ""
        for each in paired_calls(before)
        if each.by is AssistantMessage and each.succeeded and each.result is not None and each.call.name in sources
    ]
    if CUSTOMER in sources:
        texts += [message.content or "" for message in before if isinstance(message, UserMessage)]
    wanted = re.compile(rf"(?<!\w){re.escape(value)}(?!\w)", re.IGNORECASE)
    return any(wanted.search(text) for text in texts)
