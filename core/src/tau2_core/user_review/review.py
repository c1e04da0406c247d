"""Running all detectors on one conversation. A detector that raises is reported and changes nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.registrations import Detect
from tau2_core.model.user_review import ReviewedConversation, UserFinding, UserReview, worst_fault

LONGEST_WORDS = 300


def review(conversation: ReviewedConversation, detectors: Mapping[str, Detect]) -> UserReview:
    """Return the findings of the detectors, in the order of the conversation."""
    findings: list[UserFinding] = []
    errors: dict[str, str] = {}
    for name, detect in detectors.items():
        try:
            with foreign():
                found = [_checked(name, each) for each in detect(conversation)]
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything; the reward does not depend on it
            errors[name] = describe_error(error)
        else:
            findings.extend(found)
    findings.sort(key=lambda each: each.message)
    return UserReview(customer_fault=worst_fault(findings), findings=findings, errors=errors)


def _checked(name: str, finding: object) -> UserFinding:
    if not isinstance(finding, UserFinding):
        raise TypeError(f"it should find UserFinding, not {type(finding).__name__}")
    words = finding.words if len(finding.words) <= LONGEST_WORDS else f"{finding.words[:LONGEST_WORDS]}…"
    return finding.model_copy(update={"detector": name, "words": words})
