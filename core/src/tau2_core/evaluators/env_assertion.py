"""ENV_ASSERTION: functions of the environment that must return the values in the task."""

from __future__ import annotations

from tau2_core.model.evaluation import Check, Evidence, Status, Verdict


def evaluate(evidence: Evidence) -> Verdict:
    """Run the assertions. One that raises is unmet, with its error as the reason."""
    results = evidence.assertion_results()
    if not results:
        return Verdict(criterion="ENV_ASSERTION", status=Status.VACUOUS, reward=1.0)
    checks = []
    for result in results:
        assertion = result.assertion
        arguments = ", ".join(f"{key}={value!r}" for key, value in assertion.arguments.items())
        why = (
            f"raised {result.error}" if result.met is None else "" if result.met else f"is not {assertion.assert_value}"
        )
        checks.append(Check(what=f"{assertion.func_name}({arguments})", met=result.met, why=why))
    met = all(check.met for check in checks)
    return Verdict(criterion="ENV_ASSERTION", status=Status.GRADED, reward=float(met), checks=checks)
