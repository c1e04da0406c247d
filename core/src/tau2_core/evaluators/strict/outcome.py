"""OUTCOME: the agent achieved the outcome of the task. A refusal is not a transfer, and silence is neither.

Refusing or transferring is right only after looking up what the gold looks up. If a dataset's task names no outcome and
its gold changes nothing, so that silence would pass, the outcome is derived from the gold.
"""

from __future__ import annotations

import re

from tau2_core.evaluators.action import all_calls
from tau2_core.evaluators.strict.action import made
from tau2_core.model.evaluation import Check, Evidence, State, Status, Verdict
from tau2_core.model.messages import AssistantMessage, ToolCall, ToolMessage, UserMessage
from tau2_core.model.paired_calls import paired_calls
from tau2_core.model.tasks import Action

_WORD = re.compile(r"[^\W\d_]{2,}")
LEAST_WORDS = 3


def evaluate(evidence: Evidence) -> Verdict:
    """Compare the actual outcome with the task's `outcome`, or with the gold's if that changes nothing."""
    outcome = evidence.task.outcome or _of_gold(evidence)
    if outcome is None:
        return Verdict(criterion="OUTCOME", status=Status.VACUOUS, reward=1.0)
    checks = [_what_happened(evidence, outcome)]
    if outcome in ("refused", "transferred"):
        checks += _looked_up(evidence)
    met = all(check.met for check in checks)
    return Verdict(criterion="OUTCOME", status=Status.GRADED, reward=float(met), checks=checks)


def _of_gold(evidence: Evidence) -> str | None:
    """Return the outcome of a gold that changes nothing; None if the gold changes something or is missing."""
    criteria = evidence.task.evaluation_criteria
    if criteria is None or criteria.actions is None:
        return None
    tools = {**evidence.tools("user"), **evidence.tools("agent")}
    failed = evidence.failed_gold
    called = [tools[each.name] for each in evidence.task.gold() if each.name in tools and each not in failed]
    if _changed(evidence, "gold", any(tool.mutates for tool in called)):
        return None
    return "transferred" if any(tool.transfers for tool in called) else "refused"


def _what_happened(evidence: Evidence, outcome: str) -> Check:
    agent_tools = evidence.tools("agent")
    succeeded = _succeeded(evidence)
    transferred = any(name in agent_tools and agent_tools[name].transfers for name in succeeded)
    changed = _changed(evidence, "end", any(name in agent_tools and agent_tools[name].mutates for name in succeeded))
    if transferred:
        actual = "transferred"
    elif not _spoke(evidence) and not evidence.record.solo:
        actual = "silent"
    elif outcome == "refused" and changed:
        actual = "done"
    else:
        actual = outcome if outcome != "transferred" else "not transferred"
    what = f"the outcome is {outcome!r}"
    return Check(what=what, met=actual == outcome, why="" if actual == outcome else f"it was: {actual}")


def _changed(evidence: Evidence, state: State, called: bool) -> bool:
    """Tell whether a mutating tool was called, and more than the pack's bookkeeping was changed."""
    if not (called and evidence.bookkeeping):
        return called
    return any(evidence.differences("start", state, role, ignored=evidence.bookkeeping) for role in evidence.roles)


def _succeeded(evidence: Evidence) -> list[str]:
    return [each.call.name for each in paired_calls(evidence.record.messages) if each.succeeded]


def _spoke(evidence: Evidence) -> bool:
    """Tell whether the agent said anything substantial after the customer's first message."""
    messages = evidence.record.messages
    first = next((index for index, message in enumerate(messages) if isinstance(message, UserMessage)), len(messages))
    texts = [m.content or "" for m in messages[first:] if isinstance(m, AssistantMessage)]
    return any(len(_WORD.findall(text)) >= LEAST_WORDS for text in texts)


def _looked_up(evidence: Evidence) -> list[Check]:
    """Check that everything that the gold looks up was looked up, by the same call or one with the same result."""
    record = evidence.record
    calls = all_calls(record.messages, evidence.tools)
    answers = {m.content for m in record.messages if isinstance(m, ToolMessage) and not m.error}
    tools = {**evidence.tools("user"), **evidence.tools("agent")}
    checks = []
    for action in evidence.task.gold():
        tool = tools.get(action.name)
        if tool is None or not (tool.kind == "read" or tool.transfers):
            continue
        found = any(made(action, call, tool, solo=record.solo) for call in calls)
        if not found and not tool.transfers:
            found = _answer(evidence, action) in answers
        checks.append(Check(what=action.text(), met=found, why="" if found else "never looked up"))
    return checks


def _answer(evidence: Evidence, action: Action) -> str | None:
    call = ToolCall(name=action.name, arguments=action.arguments, requestor=action.requestor)
    result = evidence.answer_at_start(call)
    return None if result.failure else result.content
