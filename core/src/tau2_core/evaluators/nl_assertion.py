"""NL_ASSERTION: statements about the conversation that a judge decides; pending without a judge."""

from __future__ import annotations

from tau2_core.model.evaluation import Check, Evidence, Status, Verdict


def evaluate(evidence: Evidence) -> Verdict:
    """Report the judge's decisions. Without a judgement, or with a failed one, the statements are pending."""
    criteria = evidence.task.evaluation_criteria
    statements = (criteria.nl_assertions if criteria else None) or []
    if not statements:
        return Verdict(criterion="NL_ASSERTION", status=Status.VACUOUS, reward=1.0)
    judgement = evidence.judgement
    if judgement is None or judgement.error:
        why = f"the judge failed: {judgement.error}" if judgement else "no judge is configured"
        checks = [Check(what=statement, met=None, why=why) for statement in statements]
        return Verdict(criterion="NL_ASSERTION", status=Status.PENDING, reward=None, checks=checks)
    checks = [Check(what=item.statement, met=item.met, why=item.reason) for item in judgement.statements]
    met = all(check.met for check in checks)
    return Verdict(criterion="NL_ASSERTION", status=Status.GRADED, reward=float(met), checks=checks)
