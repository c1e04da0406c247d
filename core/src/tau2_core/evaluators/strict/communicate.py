"""COMMUNICATE, strict: the agent states each value as a value of its kind, in a message that does not list them all."""

from __future__ import annotations

from tau2_core.evaluators.strict.values import states
from tau2_core.model.evaluation import Check, Evidence, Status, Verdict
from tau2_core.model.messages import AssistantMessage


def evaluate(evidence: Evidence) -> Verdict:
    """Look for each value in the agent's messages that reached the customer, and for none of the forbidden ones."""
    criteria = evidence.task.evaluation_criteria
    wanted = (criteria.communicate_info if criteria else None) or []
    forbidden = (criteria.communicate_forbidden if criteria else None) or []
    if not wanted and not forbidden:
        return Verdict(criterion="COMMUNICATE", status=Status.VACUOUS, reward=1.0)
    messages = evidence.record.messages
    said = [message for message in messages if isinstance(message, AssistantMessage) and message.has_text()]
    texts = [message.content or "" for message in said if not message.tool_calls]
    checks = [_wanted(value, texts) for value in wanted] + [_forbidden(value, texts) for value in forbidden]
    met = all(check.met for check in checks)
    return Verdict(criterion="COMMUNICATE", status=Status.GRADED, reward=float(met), checks=checks)


def _wanted(value: str, texts: list[str]) -> Check:
    why = "never said"
    for text in texts:
        why_not = states(text, value)
        if not why_not:
            return Check(what=value, met=True, why="said", evidence=[{"message": text}])
        why = why_not if why_not != "never said" else why
    return Check(what=value, met=False, why=why)


def _forbidden(value: str, texts: list[str]) -> Check:
    for text in texts:
        if not states(text, value):
            evidence = [{"message": text}]
            return Check(what=f"not {value}", met=False, why="said, though it is wrong here", evidence=evidence)
    return Check(what=f"not {value}", met=True)
