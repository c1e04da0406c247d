"""Limits on figures besides the mean reward: the accuracy of the judge, and the faults of the customer."""

from __future__ import annotations

from tau2_core.errors import UsageError


def refuse_gates(min_judge_accuracy: float | None, max_customer_faults: float | None) -> None:
    """Refuse limits that are not between 0 and 1. Raises UsageError."""
    for name, share in (("min-judge-accuracy", min_judge_accuracy), ("max-customer-faults", max_customer_faults)):
        if share is not None and not 0 <= share <= 1:
            raise UsageError(f"--{name} should be between 0 and 1, not {share:g}")
