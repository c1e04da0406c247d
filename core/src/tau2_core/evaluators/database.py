"""DB: both databases must end in the same state as after the gold calls."""

from __future__ import annotations

from collections.abc import Sequence

from tau2_core.model.evaluation import Check, Evidence, Status, Verdict

SHOWN = 50


def evaluate(evidence: Evidence) -> Verdict:
    """Compare end states by content; the evidence is every path that differs, up to fifty per side."""
    criteria = evidence.task.evaluation_criteria
    if criteria is None or (criteria.actions is None and criteria.env_assertions is None):
        return Verdict(criterion="DB", status=Status.VACUOUS, reward=1.0)
    checks = []
    for role, changes in evidence.database_differences().items():
        shown = [change.as_json() for change in changes[:SHOWN]]
        why = "" if not changes else f"differs from the gold's end state at {count(changes)}"
        checks.append(Check(what=f"{role} database", met=not changes, why=why, evidence=shown))
    met = all(check.met for check in checks)
    return Verdict(criterion="DB", status=Status.GRADED, reward=float(met), checks=checks)


def count(changes: Sequence[object]) -> str:
    """Return the number of differing paths as text."""
    return f"{len(changes)} path{'' if len(changes) == 1 else 's'}"
