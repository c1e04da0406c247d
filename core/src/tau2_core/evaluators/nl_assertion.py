"""NL_ASSERTION: statements about the conversation that a judge decides; pending as long as there is no judge."""

from __future__ import annotations

from tau2_core.model.evaluation import Check, Evidence, Status, Verdict


def evaluate(evidence: Evidence) -> Verdict:
    """Report the statements as pending: no judge is configured."""
    criteria = evidence.task.evaluation_criteria
    statements = (criteria.nl_assertions if criteria else None) or []
    if not statements:
        return Verdict(criterion="NL_ASSERTION", status=Status.VACUOUS, reward=1.0)
    checks = [Check(what=statement, met=None, why="no judge is configured") for statement in statements]
    return Verdict(criterion="NL_ASSERTION", status=Status.PENDING, reward=None, checks=checks)
