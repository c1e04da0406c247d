"""COMMUNICATE, strict: the agent states each value as a value of its kind, and not in a list of everything."""

from __future__ import annotations

from tau2_core.evaluators.strict.values import states
from tau2_core.model.evaluation import Check, Evidence, Status, Verdict
from tau2_core.model.messages import AssistantMessage


def evaluate(evidence: Evidence) -> Verdict:
    """Look for each value in the agent's messages to the customer, and check that no forbidden one is there."""
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
    why, where = states(texts, value)
    evidence = [] if why else [{"message": where}]
    return Check(what=value, met=not why, why=why or "said", evidence=evidence)


def _forbidden(value: str, texts: list[str]) -> Check:
    why, where = states(texts, value)
    if why:
        return Check(what=f"not {value}", met=True)
    return Check(what=f"not {value}", met=False, why="said, though it is wrong here", evidence=[{"message": where}])
