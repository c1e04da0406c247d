"""COMMUNICATE: texts that the agent must have said (spec/evaluation.md, 3.3)."""

from __future__ import annotations

from tau2_core.model.evaluation import Check, Evidence, Status, Verdict
from tau2_core.model.messages import AssistantMessage


def evaluate(evidence: Evidence) -> Verdict:
    """Look for each text in the agent's messages, ignoring case and commas in the messages."""
    criteria = evidence.task.evaluation_criteria
    wanted = (criteria.communicate_info if criteria else None) or []
    if not wanted:
        return Verdict(criterion="COMMUNICATE", status=Status.VACUOUS, reward=1.0)
    said = [
        message.content or ""
        for message in evidence.record.messages
        if isinstance(message, AssistantMessage) and message.has_text()
    ]
    checks = [_check(text, said) for text in wanted]
    met = all(check.met for check in checks)
    return Verdict(criterion="COMMUNICATE", status=Status.GRADED, reward=float(met), checks=checks)


def _check(text: str, said: list[str]) -> Check:
    found = next((message for message in said if text.lower() in message.lower().replace(",", "")), None)
    if found is not None:
        return Check(what=text, met=True, why="said", evidence=[{"message": found}])
    why = (
        "contains a comma, and commas are removed from messages, so it can never be found"
        if "," in text
        else "never said"
    )
    return Check(what=text, met=False, why=why)
